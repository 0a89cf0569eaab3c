"""``{% load backorders %}``: what a shop's own templates say about a product that may not be on the shelf.

Every tag draws a template of ``backorders/tags/`` that a shop may override, and every one can be kept: ``as name``.
One request asks for one product's availability once; ``{% backorder_prefetch products %}`` asks for a whole list at once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from django.utils.safestring import SafeString

from backorders.conf import conf
from backorders.domain.availability import Availability
from backorders.domain.parcels import Outlook, Parcel
from backorders.domain.windows import Promise
from backorders.errors import MOST_UNITS, NotSellable
from backorders.queries.alternatives import alternatives_to
from backorders.queries.availability import shop_today
from backorders.queries.backorders import Given, Place, history_of
from backorders.queries.parcels import CartLine, outlook_for
from backorders.queries.timelines import line_path
from backorders.services.subscriptions import MOST_CHOICES
from backorders.shop import Described, Sellable, sellables
from backorders.shop.customers import proven_address
from backorders.storefront.arrivals import ATOM, JSON, title_of_feed
from backorders.storefront.feeds import in_language, shop_language
from backorders.storefront.forms import SubscribeForm
from backorders.storefront.holds import holds_of
from backorders.storefront.jsonld import block_of, group_of, thing_of
from backorders.storefront.memory import Memory
from backorders.storefront.outcomes import anchor_of, outcome_for, without_outcome
from backorders.storefront.wording import (
    button_of,
    day_as_time,
    invitation_of,
    line_in_short,
    moment_in_words,
    payment_of,
    price_in_words,
    promise_as_time,
    promise_in_words,
    shown,
    split_in_words,
    window_as_time,
    window_in_words,
)

log = logging.getLogger(__name__)
register = template.Library()


# what the shop's pages say


@register.simple_tag(takes_context=True)
def backorder_badge(context: Context, product: Any, live: bool = False) -> str:
    """Icon and word, for product cards and lists."""
    answer = _answer(context, product)
    if answer is None:
        return ""
    drawn = _draw(context, "badge", {"shown": shown(answer), "availability": answer})
    return _live(context, drawn, product, answer, part="badge") if live else drawn


@register.simple_tag(takes_context=True)
def backorder_status(
    context: Context,
    product: Any,
    quantity: int | None = None,
    pay: str = "",
    deposit: str = "",
    live: bool = False,
) -> str:
    """Badge, date and small print, for the product page; with ``quantity``, the shorter form for a line of the cart.

    ``pay``: "now" or "when_it_ships"; ``deposit``: what is paid now, as the shop writes money. Said of what is ordered ahead.
    ``live``: our script puts it right on a page that a cache kept (not with ``quantity``: nobody caches a cart).
    """
    answer, sellable = _answer(context, product), _identify(product)
    if answer is None or sellable is None:
        return ""
    values = {
        "shown": shown(answer, quantity=quantity, payment=payment_of(pay, deposit=str(deposit or ""))),
        "availability": answer,
        "product": product,
        "reference": sellable.reference,
    }
    drawn = _draw(context, "status", values)
    is_live = live and not quantity
    if not is_live:
        return drawn
    return _live(context, drawn, product, answer, part="status", pay=pay, deposit=str(deposit or ""))


@register.simple_tag(takes_context=True)
def backorder_line(context: Context, product: Any, live: bool = False) -> str:
    """The date alone, for each size or colour beside its name and badge. Nothing where there is none to say."""
    answer = _answer(context, product)
    if answer is None:
        return ""
    line = line_in_short(answer)
    drawn = _draw(context, "line", {"line": line, "availability": answer}) if line else SafeString()
    return _live(context, drawn, product, answer, part="line") if live else drawn


@register.simple_tag(takes_context=True)
def backorder_availability(context: Context, product: Any) -> Availability | None:
    """The answer itself, for conditions: ``{% backorder_availability product as it %}{% if it.can_order %}``. Draws nothing."""
    return _answer(context, product)


@register.simple_tag(takes_context=True)
def backorder_button_label(context: Context, product: Any, live: bool = False) -> str:
    """What the buy button says: "Add to basket", "Backorder now", "Pre-order now"; else the state in words.

    ``live``: our script puts it right, and with it the box around it that has ``data-bo-order``: that is shown while the
    product can be ordered, and hidden while it cannot.
    """
    answer = _answer(context, product)
    if answer is None:
        return ""
    label = button_of(answer)
    return _live(context, label, product, answer, part="button") if live else label


@register.simple_tag(takes_context=True)
def backorder_window(context: Context, window: Promise) -> str:
    """Where a date window lies, in words inside ``<time>``: "Dec 4 – 8". Says so when there is no date."""
    if not hasattr(window, "is_known"):
        return ""
    return _draw(context, "window", {"window": window, "words": window_as_time(window)})


@register.filter
def backorder_words(window: Promise) -> str:
    """The same as plain text, for text mails and attributes: ``{{ place.window|backorder_words }}``."""
    return window_in_words(window) if hasattr(window, "is_known") else ""


@register.simple_tag(takes_context=True)
def backorder_promise(context: Context, window: Promise, said_on: date | None = None) -> str:
    """The day we stand by, in words inside ``<time>``: "by Dec 8". For orders and mails; says so when there is no date.

    ``said_on``: the day on which it was given, for a date that is not in force any more.
    """
    if not hasattr(window, "is_known"):
        return ""
    return _draw(context, "window", {"window": window, "words": promise_as_time(window, said_on=said_on)})


@register.filter("backorder_promise")
def backorder_promised_words(window: Promise, said_on: date | None = None) -> str:
    """The same as plain text: ``{{ place.window|backorder_promise }}``, ``{{ moved.before|backorder_promise:moved.said_on }}``."""
    return promise_in_words(window, said_on=said_on) if hasattr(window, "is_known") else ""


@register.filter
def backorder_moment(moment: datetime) -> str:
    """An instant as its reader's clock shows it, with the name of the zone: "Tuesday, March 3, 8:00 AM (CET)"."""
    return moment_in_words(moment) if isinstance(moment, datetime) else ""


@register.simple_tag(takes_context=True)
def backorder_place(context: Context, place: Place, history: Mapping[int, Sequence[Given]] | None = None) -> str:
    """Where an order line stands, by when it ships, and, after its date moved, the old date, the new one and why.

    ``place`` is one of ``places_of``. ``history``: what ``history_of`` says of all places of the page at once; without it
    each tag asks for its own.
    """
    if not isinstance(place, Place):
        return ""
    given = (history_of([place.backorder_id]) if history is None else history).get(place.backorder_id, [])
    values = {"place": place, "promise": promise_as_time(place.window), "moved": _last_move(place, given)}
    return _draw(context, "place", values)


def _last_move(place: Place, given: Sequence[Given]) -> dict[str, Any] | None:
    """The date before the one in force, as it was said then; ``None`` for a line whose only date stands, or that had none."""
    if not place.position or len(given) < 2 or not given[-2].window.is_known:
        return None
    before, last = given[-2], given[-1]
    return {
        "before": promise_as_time(before.window, said_on=shop_today(before.given_at)),
        "after": promise_as_time(place.window),
        "reason": last.reason,
    }


@register.filter
def backorder_price(described: Described) -> str:
    """A described product's price as its reader writes money, or an empty string."""
    return price_in_words(described)


@register.filter
def backorder_isolated(text: str) -> str:
    """A name within plain text: where that runs from right to left, the name keeps its own direction and moves nothing beside it.

    In HTML, ``<bdi>`` does the same.
    """
    return f"\u2068{text}\u2069" if translation.get_language_bidi() else str(text)


@register.filter
def backorder_url(described: Described) -> str:
    """The product's page as the shop names it; anything but a path or a web address is dropped."""
    return _web(getattr(described, "url", ""))


@register.filter
def backorder_image(described: Described) -> str:
    """The product's picture, under the same rule."""
    return _web(getattr(described, "image", ""))


@register.filter
def backorder_anchor(reference: str) -> str:
    """The ``id`` under which ``backorder_subscribe`` stands on the page."""
    return anchor_of(reference)


@register.filter
def backorder_line_url(place: Place) -> str:
    """The path of an order line's own page, with its secret: for its customer's eyes only. Empty where our pages are not included."""
    return line_path(place.public_id) if isinstance(place, Place) else ""


@register.filter
def backorder_day(moment: date) -> SafeString | str:
    """A day of the shop's calendar inside ``<time>``: "March 3, 2026". Takes an instant as well."""
    return day_as_time(moment) if isinstance(moment, date) else ""


# the cart


@register.simple_tag(takes_context=True)
def backorder_outlook(context: Context, lines: Iterable[CartLine] | Outlook) -> Outlook:
    """What a cart would become, for conditions and words of your own: ``{% backorder_outlook cart as it %}``. Draws nothing.

    ``lines`` each have a ``product`` and a ``quantity``. Those that cannot be read, or are not sellable, are left out.
    """
    if isinstance(lines, Outlook):
        return lines
    known = [line for line in lines if _is_cart_line(line)]
    return outlook_for(known, answers=_ask(context, [line.product for line in known]))


def _is_cart_line(line: Any) -> bool:
    quantity = getattr(line, "quantity", None)
    is_whole = type(quantity) is int and 0 < quantity <= MOST_UNITS
    return is_whole and _identify(getattr(line, "product", None)) is not None


@register.simple_tag(takes_context=True)
def backorder_parcels(context: Context, lines: Iterable[CartLine] | Outlook) -> str:
    """What ships now and what later, parcel by parcel; nothing for an empty cart. ``lines``: see ``backorder_outlook``."""
    outlook = backorder_outlook(context, lines)
    return _draw(context, "parcels", {"outlook": outlook, "parcels": _parcels(outlook)}) if outlook.parcels else ""


def _parcels(outlook: Outlook) -> list[dict[str, Any]]:
    return [_in_words(parcel) for parcel in outlook.parcels]


def _in_words(parcel: Parcel) -> dict[str, Any]:
    return {
        "units": parcel.units,
        "is_now": parcel.is_now,
        "is_known": parcel.window.is_known,
        "when": promise_as_time(parcel.window),
    }


@register.simple_tag(takes_context=True)
def backorder_ship(
    context: Context, lines: Iterable[CartLine] | Outlook, chosen: str = "split", name: str = "ship"
) -> str:
    """Two radio buttons within your form, where there is something to choose, else a hidden field: as it comes, or all together.

    What is posted as ``name`` is what ``check_out(ship=...)`` takes: ``split`` or ``together``. ``chosen``: the one that was.
    """
    outlook = backorder_outlook(context, lines)
    values = {
        "outlook": outlook,
        "parcels": _parcels(outlook),
        "together": _in_words(Parcel(units=outlook.now + outlook.later, window=outlook.window)),
        "split": split_in_words(len(outlook.parcels)),
        "chosen": str(chosen or "split"),
        "name": name,
    }
    return _draw(context, "ship", values)


# asking to be told


@register.simple_tag(takes_context=True)
def backorder_subscribe(
    context: Context,
    product: Any,
    quantity: int | None = None,
    next: str | None = None,
    form: Any = None,
    any_of: Iterable[Any] = (),
    folded: bool = True,
    live: bool = False,
) -> str:
    """The form "tell me when it is back", in place; nothing while the product can be bought or will never come back.

    Beside a button that orders it stands folded behind its heading, until something was typed, said or asked for;
    ``folded=False`` keeps it open. ``next`` is the local path to come back to (this page unless said otherwise). ``any_of``: products that may do as well,
    its other colours say; those that one can wait for are offered. A customer whose address is proven presses one button;
    one who waits already is told so, and may leave. ``live``: our script brings it once it is needed, and takes it away.
    """
    answer, sellable = _answer(context, product), _identify(product)
    if answer is None or sellable is None:
        return ""
    others = [other for other in any_of if other != product and _identify(other) is not None][:MOST_CHOICES]
    drawn = SafeString()
    if answer.can_subscribe:
        drawn = _form(context, product, answer, quantity=quantity, next=next, form=form, others=others, folded=folded)
    if not live:
        return drawn
    names = " ".join(filter(_can_travel, (sellables.identify(other).reference for other in others)))
    said = {"quantity": quantity, "any_of": names, "next": next, "is_open": not folded}
    return _live(context, drawn, product, answer, part="form", **said)


def _can_travel(reference: str) -> bool:
    """Those of a live form are named in one attribute, with a space between them, and asked for with bars around it."""
    return not re.search(r"[\s|]", reference)


def _form(
    context: Context,
    product: Any,
    answer: Availability,
    *,
    quantity: int | None,
    next: str | None,
    form: Any,
    others: Sequence[Any],
    folded: bool,
) -> SafeString:
    sellable = sellables.identify(product)
    request = _request(context)
    user = getattr(request, "user", None)
    here = without_outcome(request.get_full_path()) if request is not None else ""
    outcome = outcome_for(request, sellable.reference)
    request_kept = _memory(context).request_about(product, customer=user)
    values = {
        "product": product,
        "availability": answer,
        "reference": sellable.reference,
        "anchor": anchor_of(sellable.reference),
        "heading": invitation_of(answer),
        "outcome": outcome,
        "request_kept": request_kept,
        "is_folded": folded and answer.can_order and not (outcome or request_kept or form),
        "proven": proven_address(user),
        "email": form["email"].value() if form else _own_address(user),
        "wish": form or SubscribeForm(initial={"quantity": str(quantity or 1)}),
        "is_open": _says_more(form),
        "choices": _choices(context, others, form),
        "today": timezone.localdate().isoformat(),
        "next": here if next is None else next,
        "form": form,
    }
    return _draw(context, "subscribe", values)


def _says_more(form: Any) -> bool:
    """Was anything typed or wrong behind "More"? Then it stays open."""
    names = ("quantity", "highest_price", "need_by")
    return bool(form) and any(form[name].errors or form[name].value() not in (None, "", "1") for name in names)


def _choices(context: Context, others: Sequence[Any], form: Any) -> list[dict[str, Any]]:
    """Those of some products that one can wait for as well, as the shop shows them."""
    answers = _ask(context, others)
    waited_for = [other for other in others if answers[other].can_subscribe and not answers[other].for_sale]
    chosen = form.data.getlist("any_of") if form else []
    titles = {
        sellables.identify(other).reference: described.title
        for other, described in _memory(context).described(waited_for).items()
    }
    return [
        {"reference": reference, "title": title, "is_chosen": reference in chosen}
        for reference, title in titles.items()
    ]


def _own_address(user: Any) -> str:
    """WCAG 3.3.7: what the shop knows is not asked again."""
    if not getattr(user, "is_authenticated", False):
        return ""
    return str(getattr(user, get_user_model().get_email_field_name(), "") or "")


# what else there is


@register.simple_tag(takes_context=True)
def backorder_alternatives(context: Context, product: Any, limit: int = 4, live: bool = False) -> str:
    """Up to ``limit`` substitutes that can be bought now; nothing while the product itself is on the shelf.

    ``live``: our script brings them once they are needed, and takes them away.
    """
    answer = _answer(context, product)
    if answer is None:
        return ""
    drawn = SafeString() if answer.for_sale else _cards(context, product, limit)
    return _live(context, drawn, product, answer, part="alternatives", limit=limit) if live else drawn


def _cards(context: Context, product: Any, limit: int) -> SafeString:
    substitutes = alternatives_to(product, limit=limit, known=_memory(context).answers)
    cards = [{"substitute": each, "shown": shown(each.availability)} for each in substitutes]
    anchor = anchor_of(sellables.identify(product).reference)
    if not cards:
        return SafeString()
    return _draw(context, "alternatives", {"product": product, "cards": cards, "anchor": anchor})


# what machines read


@register.simple_tag(takes_context=True)
def backorder_jsonld(
    context: Context, product: Any, variants: Iterable[Any] = (), name: str = "", group: Any = ""
) -> str:
    """A schema.org Product with its Offer, as a JSON-LD data block (no script: a strict CSP lets it be).

    ``variants``: all sizes or colours that the page sells; each has an Offer of its own then, within one ProductGroup that
    is called ``name`` (else as ``product`` is), with ``group`` as its id.
    """
    others = [other for other in variants if other != product and _identify(other) is not None]
    if _identify(product) is None:
        return ""
    things = _schema_of(context, [product, *others])
    if product not in things:
        return ""
    thing = things[product] if not others else group_of(list(things.values()), name=name, group=group)
    return _draw(context, "jsonld", {"json": block_of(thing)})


def _schema_of(context: Context, products: list[Any]) -> dict[Any, dict[str, Any]]:
    """A Product for each that the shop can describe, in their order."""
    memory, answers = _memory(context), _ask(context, products)
    return {
        product: thing_of(described, answers[product], was_released=product in memory.released_before)
        for product, described in memory.described(products).items()
    }


@register.simple_tag(takes_context=True)
def backorder_feeds(context: Context) -> str:
    """The links by which feed readers find what came back, for the ``<head>``; nothing where ``backorders.feed_urls`` is not included."""
    language = translation.get_language() or shop_language()
    try:
        feeds = [(kind, in_language(reverse(f"backorders_feeds:{name}"), language)) for name, kind in _FEEDS.items()]
    except NoReverseMatch:
        return ""
    return _draw(context, "feeds", {"feeds": feeds, "title": title_of_feed()})


_FEEDS = {"arrivals-atom": ATOM, "arrivals-json": JSON}


@register.simple_tag(takes_context=True)
def backorder_script(context: Context) -> str:
    """The one script there is, for the ``<head>`` of pages that a cache keeps: it puts right what ``live=True`` marks."""
    return _draw(context, "script", {})


# asking once


@register.simple_tag(takes_context=True)
def backorder_prefetch(context: Context, products: Iterable[Any]) -> str:
    """This will ask for a whole list at once, so that the tags below it on the page cost no query.

    Give it the same list or queryset that the page walks through, never a generator: that could be read only once.
    """
    if not isinstance(products, Iterator) and isinstance(products, Iterable):
        _ask(context, [product for product in products if _identify(product) is not None])
    return ""


def _answer(context: Context, product: Any) -> Availability | None:
    """One product's availability, from memory where this page has asked before; ``None`` for what is not sellable."""
    if _identify(product) is None:
        return None
    return _ask(context, [product])[product]


def _ask(context: Context, products: Iterable[Any]) -> dict[Any, Availability]:
    return _memory(context).ask(products, holds=_holds(context))


def _memory(context: Context) -> Memory:
    """It lives as long as the request: tags in included templates see it too. Without a request, as long as the context."""
    request = _request(context)
    home = context.dicts[0] if request is None else request.__dict__
    memory: Memory = home.setdefault("_backorders_memory", Memory())
    return memory


def _holds(context: Context) -> list[str]:
    """What is put aside for this visitor. The session of who has none, or of a shop without holds, stays unread, so that caches may keep the page."""
    request = _request(context)
    if conf.hold_for is None or request is None or settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return []
    return holds_of(request)


def _request(context: Context) -> HttpRequest | None:
    """The request, also in shops without the context processor of that name."""
    return getattr(context, "request", None) or context.get("request")


_told: set[str] = set()


def _identify(product: Any) -> Sellable | None:
    """A mistake in a template must not take the shop's page down: it is logged once per kind of thing, with what to do."""
    try:
        return sellables.identify(product)
    except NotSellable as problem:
        kind = f"{type(product).__module__}.{type(product).__qualname__}"
        if kind not in _told:
            _told.add(kind)
            log.error("A backorders template tag drew nothing. %s", problem)
        return None


# drawing


def _draw(context: Context, name: str, values: dict[str, Any]) -> SafeString:
    """Renders one of our templates as an inclusion tag would, through the engine of the page, without context processors."""
    assert context.template is not None  # noqa: S101 - a tag is only ever drawn by a template
    engine = context.template.engine
    inner = context.new(values | {"request": _request(context)})
    inner.autoescape = True  # also where the page around has turned it off
    if (token := context.get("csrf_token")) is not None:
        inner["csrf_token"] = token
    return SafeString(engine.get_template(f"backorders/tags/{name}.html").render(inner).strip())


def _live(context: Context, drawn: str, product: Any, answer: Availability, *, part: str, **said: Any) -> SafeString:
    """The same inside the element by which our script knows what to ask for; without the script it is no more than that."""
    about = {"drawn": drawn, "reference": sellables.identify(product).reference, "state": answer.state.value}
    return _draw(context, "live", about | {"part": part} | said)


def _web(url: str) -> str:
    try:
        return url if urlsplit(url).scheme in ("", "http", "https") else ""
    except ValueError:
        return ""
