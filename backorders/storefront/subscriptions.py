"""The pages of somebody who wants to be told: ask, confirm, leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from backorders.conf import conf
from backorders.domain.tokens import Purpose
from backorders.errors import (
    AlreadyInStock,
    InvalidAddress,
    InvalidDay,
    InvalidToken,
    NoLongerMade,
    NotSellable,
    TooManyProducts,
)
from backorders.models import Subscription
from backorders.queries.stock import describe_items
from backorders.queries.subscriptions import (
    Standing,
    by_choice,
    confirmed_together,
    own_request,
    requests_behind,
    requests_to_leave,
    standings_of,
    subscription_behind,
)
from backorders.services.subscriptions import (
    MOST_CHOICES,
    SAME,
    Asked,
    Next,
    change_request,
    confirm,
    leave,
    leave_all,
    subscribe,
    unsubscribe,
)
from backorders.shop import Described, sellables
from backorders.storefront.forms import ChangeForm, SubscribeForm, initial_of
from backorders.storefront.outcomes import Outcome, carrying, local_url
from backorders.storefront.pages import page, secret
from backorders.storefront.wording import standing_in_words

# asking


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe_page(request: HttpRequest) -> HttpResponse:
    """GET shows the form for ``?product=``; POST remembers the request and goes back to ``next``.

    The answer is the same for every address. What cannot be read is shown again with the typed value (422); a product
    that is here already, or never will be again, is said to be so (409); an unknown or hidden one is a page, too (404).
    """
    try:
        product, others = _asked_about(request)
    except NotSellable:
        return page(request, "no_product", status=404)
    about = _about(product) | {"any_of": others}
    if request.method != "POST":
        return page(request, "subscribe", about | {"next": local_url(request.GET.get("next", ""))})
    form = SubscribeForm(request.POST)
    try:
        if form.is_valid():
            return _back(form, _ask(request, form, [product, *others]))
    except InvalidAddress as refusal:
        form.refuse_address(refusal)
    except InvalidDay as refusal:
        form.refuse_day(refusal)
    except TooManyProducts as refusal:
        form.add_error(None, _("Choose at most %(most)s others.") % {"most": refusal.most})
    except (AlreadyInStock, NoLongerMade) as no:  # of a choice, the page is about the one that this is true of
        return page(request, "subscribe", _about(no.product) | {"refusal": no.code}, status=409)
    return page(
        request, "subscribe", about | {"form": form, "next": local_url(request.POST.get("next", ""))}, status=422
    )


def subscribe_again(request: HttpRequest) -> HttpResponse:
    """The form as it was typed, with a token that counts, where that of the page did not any more (403). Nothing was stored."""
    try:
        product, others = _asked_about(request)
    except NotSellable:
        return page(request, "no_product", status=404)
    typed = {"form": SubscribeForm(request.POST), "next": local_url(request.POST.get("next", ""))}
    return page(request, "subscribe", _about(product) | typed | {"any_of": others, "refusal": "stale"}, status=403)


def _asked_about(request: HttpRequest) -> tuple[Any, list[Any]]:
    """The product that a form or link names, and the others that would do as well. Raises ``NotSellable``."""
    asked = request.POST if request.method == "POST" else request.GET
    product = sellables.find(asked.get("product", ""))
    return product, list(sellables.find_all(asked.getlist("any_of")[: MOST_CHOICES + 1]).values())


def _ask(request: HttpRequest, form: SubscribeForm, products: list[Any]) -> Asked:
    if form.cleaned_data["topic"]:
        return Asked(Next.CHECK_MAIL)  # a robot filled the field that people do not see
    return subscribe(
        product=products[0],
        any_of=products[1:],
        email=form.cleaned_data["email"],
        customer=getattr(request, "user", None),
        language=translation.get_language() or "",
        time_zone=getattr(timezone.get_current_timezone(), "key", ""),
        quantity=form.cleaned_data["quantity"] or 1,
        highest_price=form.cleaned_data["highest_price"],
        need_by=form.cleaned_data["need_by"],
    )


def _back(form: SubscribeForm, asked: Asked) -> HttpResponse:
    reference = form.cleaned_data["product"]
    own_page = f"{reverse('backorders:subscribe')}?{urlencode({'product': reference})}"
    where = carrying(form.cleaned_data["next"] or own_page, reference=reference, outcome=asked.next.value)
    return HttpResponseRedirect(where)


def _about(product: Any) -> dict[str, Any]:
    sellable = sellables.identify(product)
    described = sellable.adapter.describe([sellable.pk]).get(sellable.pk)
    return {
        "product": product,
        "described": described or Described(title=str(product)),
        "reference": sellable.reference,
    }


# confirming


@secret(referrer="strict-origin")
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what the link is about and one button; POST confirms. A link that was used says that all is done."""
    if request.method == "POST":
        with suppress(InvalidToken):  # pressed twice, or opened again: the lines below tell which
            return _confirmed(request, confirm(token=token))
    try:
        subscription = subscription_behind(token, Purpose.CONFIRM)
    except InvalidToken:
        return page(request, "no_link", status=404)
    if subscription.state == Subscription.State.PENDING:
        return page(request, "confirm", {"products": products_of(confirmed_together(subscription))})
    if subscription.state in (Subscription.State.WAITING, Subscription.State.TOLD):
        return _confirmed(request, [subscription])
    return page(request, "no_link", status=404)


def _confirmed(request: HttpRequest, rows: list[Subscription]) -> HttpResponse:
    return page(request, "confirmed", {"products": products_of(rows), **_standings(rows, standings_of(rows))})


# changing


@secret(referrer="strict-origin")
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def manage_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows every request of the mailbox that the link was sent to; POST changes one, leaves one, or leaves all."""
    done = Managed()
    try:
        if request.method == "POST":
            done = manage(request, token=token)
        wishes = by_choice(requests_behind(token))
    except InvalidToken:
        if done.left:
            return page(request, "left", {"products": products_of(done.left)})
        return page(request, "no_link", status=404)
    about = {
        "wishes": wishes_shown(wishes, done.form),
        "changed": done.changed,
        "form": done.form,
        "left": products_of(done.left),
        "today": timezone.localdate().isoformat(),
    }
    return page(request, "manage", about, status=422 if done.form is not None else 200)


class Managed(NamedTuple):
    """What became of a form: itself where it has to be corrected, the request it changed, those it ended."""

    form: ChangeForm | None = None
    changed: int = 0
    left: Sequence[Subscription] = ()


def manage(request: HttpRequest, *, token: str = "", customer: Any = None) -> Managed:
    """This will do what was posted to the requests behind a link, or of a signed-in customer. Raises ``InvalidToken``."""
    act = request.POST.get("act")
    if act == "leave_all" and token:
        return Managed(left=leave_all(token=token))
    form = ChangeForm(request.POST)
    if act == "leave":
        form.is_valid()
        return Managed(left=_left_one(form, token, customer))
    if not form.is_valid():
        return Managed(form)
    said = form.cleaned_data
    try:
        with suppress(Subscription.DoesNotExist):  # it is over since, as the page will show
            row = change_request(
                subscription_id=said["request"],
                token=token,
                customer=customer,
                quantity=said["quantity"] or 1,
                highest_price=said["highest_price"],
                need_by=said["need_by"],
                language=said["language"] or SAME,
            )
            return Managed(changed=row.id)
    except InvalidDay as refusal:
        form.refuse_day(refusal)
        return Managed(form)
    return Managed()


def _left_one(form: ChangeForm, token: str, customer: Any) -> list[Subscription]:
    try:
        return [leave(subscription_id=form.cleaned_data.get("request", 0), token=token, customer=customer)]
    except Subscription.DoesNotExist:
        return []


def _standings(
    rows: Sequence[Subscription], standings: Mapping[int, Standing], described: Mapping[int, Described] | None = None
) -> dict[str, Any]:
    """A sentence for each request that waits, with the product it is about where there are several."""
    described = describe_items([row.item for row in rows]) if described is None else described
    titles = {item_id: each.title for item_id, each in described.items()}
    waiting = [(row, standings[row.id]) for row in rows if row.id in standings]
    sentences = [
        {"title": titles.get(row.item_id, "") if len(rows) > 1 else "", "words": standing_in_words(standing)}
        for row, standing in waiting
    ]
    return {"standings": sentences, "has_odds": any(standing.due for row, standing in waiting)}


def wishes_shown(wishes: Sequence[list[Subscription]], form: ChangeForm | None) -> list[dict[str, Any]]:
    """Requests as their page shows them, each with the form that changes it: ``form`` where that was just typed."""
    rows = [row for wish in wishes for row in wish]
    standings, described = standings_of(rows), describe_items([row.item for row in rows])
    return [_wish(wish, form, standings, described) for wish in wishes]


def _wish(
    rows: list[Subscription],
    form: ChangeForm | None,
    standings: Mapping[int, Standing],
    described: Mapping[int, Described],
) -> dict[str, Any]:
    first, products = rows[0], [described[row.item_id] for row in rows if row.item_id in described]
    is_typed = form is not None and form["request"].value() == str(first.pk)
    return {
        "id": first.pk,
        "box": f"request-{first.pk}",
        "products": products,
        "currency": (products[0].currency if products else "") or conf.currency,
        **_standings(rows, standings, described),
        "is_pending": first.state == Subscription.State.PENDING,
        "is_told": any(row.state == Subscription.State.TOLD for row in rows),
        "is_typed": is_typed,
        "form": form if is_typed else ChangeForm(initial=initial_of(first)),
    }


# leaving


@csrf_exempt  # RFC 8058: the mail program posts without cookies; the token in the address is the permission
@secret(referrer="no-referrer")
@require_http_methods(["GET", "HEAD", "POST"])
def leave_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what the link is about and one button; POST, by that button or by a mail program, ends the request at once."""
    try:
        if request.method == "POST":
            return page(request, "left", {"products": products_of(unsubscribe(token=token))})
        requests = requests_to_leave(token)
    except InvalidToken:
        return page(request, "no_link", status=404)
    is_over = all(each.state == Subscription.State.CLOSED for each in requests)
    return page(request, "left" if is_over else "leave", {"products": products_of(requests)})


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def leave_own(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """A signed-in customer leaves one of their own requests and goes back to ``next``; anybody else's is not found.

    GET shows what it is about and one button: whoever had to log in first comes back that way.
    """
    try:
        if request.method != "POST":
            own = own_request(request.user, subscription_id)
            is_over = own.state == Subscription.State.CLOSED
            return page(request, "left" if is_over else "leave", {"products": products_of([own]), "is_own": True})
        left = leave(subscription_id=subscription_id, customer=request.user)
    except Subscription.DoesNotExist:
        return page(request, "no_link", status=404)
    where = local_url(request.POST.get("next", ""))
    if where and left.item.product is not None:
        reference = sellables.identify(left.item.product).reference
        return HttpResponseRedirect(carrying(where, reference=reference, outcome=Outcome.LEFT.value))
    return page(request, "left", {"products": products_of([left])})


def products_of(subscriptions: Iterable[Subscription]) -> list[Described]:
    """How the shop shows what these requests are about; never whom they belong to."""
    return list(describe_items([subscription.item for subscription in subscriptions]).values())
