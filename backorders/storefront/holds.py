"""What is put aside for somebody: the page behind the link of a mail, and the way of that link through the shop."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from backorders.domain.tokens import Purpose, looks_like_a_token
from backorders.errors import InvalidToken
from backorders.models import Hold, Subscription
from backorders.queries.alternatives import alternatives_to
from backorders.queries.availability import availability_of_items
from backorders.queries.holds import last_hold_of
from backorders.queries.messages import zone_of
from backorders.queries.site import absolute
from backorders.queries.stock import describe_items
from backorders.queries.subscriptions import place_of, subscription_behind
from backorders.storefront.pages import page, secret

PARAMETER = "hold"
"""The shop's product page is opened with ``?hold=<token>``."""

_KEPT_IN_SESSION = "backorders_holds"
_MOST = 10


def keep_hold(request: HttpRequest) -> bool:
    """This will keep the token of ``?hold=`` in the visitor's session. Call it on the product page; ``True``: there was one.

    Then redirect to the same page without it (``without_hold``), so that the secret is in no bookmark and no ``Referer``.
    """
    token = request.GET.get(PARAMETER, "")
    if not looks_like_a_token(token):
        return False
    others = [other for other in holds_of(request) if other != token]
    request.session[_KEPT_IN_SESSION] = [*others, token][-_MOST:]
    return True


def holds_of(request: HttpRequest | None) -> list[str]:
    """The tokens this visitor came with: for ``check_out(holds=...)`` and ``availability_of(holds=...)``."""
    session = getattr(request, "session", None)
    return list(session.get(_KEPT_IN_SESSION, [])) if session is not None else []


def without_hold(url: str) -> str:
    """``url`` as it was before the token was added."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != PARAMETER]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _with_hold(url: str, token: str) -> str:
    parts = urlsplit(without_hold(url))
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, urlencode({PARAMETER: token})]))))


@secret(referrer="no-referrer")
@require_safe
def hold_page(request: HttpRequest, token: str) -> HttpResponse:
    """What is put aside, until when, and the way to buy it; once it is over, how things stand. Changes nothing."""
    now = timezone.now()
    try:
        subscription = subscription_behind(token, Purpose.HOLD, now)
    except InvalidToken:
        return page(request, "no_link", status=404)
    hold, described = last_hold_of(subscription), describe_items([subscription.item]).get(subscription.item_id)
    if hold is None or described is None:
        return page(request, "no_link", status=404)
    about = {"products": [described], "described": described}
    with timezone.override(zone_of(subscription)):
        if hold.state == Hold.State.OPEN and hold.ends_at > now:
            buy_url = _with_hold(absolute(described.url), token) if described.url else ""
            kept = {"heading": _("Put aside for you"), "kept": hold, "buy_url": buy_url}
            return page(request, "hold", about | kept)
        return page(request, "hold", about | _after(hold, subscription, now))


def _after(hold: Hold, subscription: Subscription, now: datetime) -> dict[str, Any]:
    """How things stand for somebody whose hold has ended, however it did."""
    if hold.state == Hold.State.USED:
        return {"heading": _("You have bought it"), "was_used": True}
    item = subscription.item
    if hold.state == Hold.State.OPEN:  # over by the clock; that it is will be noted in a moment
        item.on_hold_units -= hold.units
    answer = availability_of_items([item], now)[item.id]
    substitutes = [] if answer.for_sale else alternatives_to(item.product, limit=3, now=now)
    return {
        "heading": _("Nothing is put aside for you any more"),
        "availability": answer,
        "position": place_of(subscription),
        "is_told": subscription.state == Subscription.State.TOLD,
        "substitutes": [substitute.described for substitute in substitutes],
    }
