"""Each product as machines outside are told of it, by the thousand: a bounded number of queries and rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Model
from django.utils import timezone
from django.utils.encoding import iri_to_uri

from backorders.conf import conf
from backorders.domain.availability import Availability
from backorders.domain.listings import (
    LeftOut,
    Statement,
    legal_line,
    legal_text,
    named_day,
    schema_word,
    state_word,
    statement_of,
)
from backorders.queries.availability import answers_to, shop_today
from backorders.queries.site import absolute
from backorders.shop import Adapter, Described, Sellable, sellables
from backorders.shop.adapters import OURS, is_attribute

CHUNK = 500
"""Products that are read at a time."""

_NOTHING = Described(title="")
_LONGEST_TITLE, _LONGEST_ID = 150, 50
"""In characters, as Google has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One visible product outside the shop. ``word`` is schema.org's, ``day`` the one that its page names.

    ``state_word``: schema.org's for the state alone, which may say more than ``word`` where there is no day.
    ``own``: what the shop says of it besides, by Google's names. ``statement`` is for Google, or says why there is none.
    """

    reference: str
    product: Model
    described: Described
    availability: Availability
    word: str
    state_word: str
    day: date | None
    statement: Statement | LeftOut
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return legal_text(str(self.own.get("id") or self.reference))

    @property
    def title(self) -> str:
        return legal_line(str(self.own.get("title") or self.described.title), longest=_LONGEST_TITLE)

    @property
    def link(self) -> str:
        return web_address(self.own.get("link") or self.described.url)

    @property
    def image(self) -> str:
        return web_address(self.own.get("image_link") or self.described.image)

    @property
    def price(self) -> str:
        """As Google writes it: ``"15.00 EUR"``; empty where the shop says none."""
        return str(self.own.get("price") or price_with_currency(self.described))


def web_address(url: Any) -> str:
    """A page or picture as programs want it: whole, http(s) only, and in plain ASCII; anything else is dropped."""
    try:
        return iri_to_uri(absolute(legal_text(str(url).strip())))
    except ValueError:  # "http://[" is no address, and no reason to lose a feed
        return ""


def price_with_currency(described: Described) -> str:
    price = plain_price(described)
    return f"{price} {described.currency or conf.currency}" if price else ""


def plain_price(described: Described) -> str:
    """In plain digits; empty where the shop says no price, or none that anybody could pay."""
    if described.price is None:
        return ""
    try:
        price = Decimal(str(described.price))
    except InvalidOperation:
        return ""
    return f"{price:f}" if price.is_finite() and price >= 0 else ""


def listings(*, now: datetime | None = None, size: int = CHUNK) -> Iterator[list[Listing]]:
    """This will walk through all visible products, ``size`` rows at a time, in the order of SELLABLES and of their keys.

    At most eight queries a time, however many products: the rows, those that are visible, how they are described, what the
    shop adds, and their availability (four at most). Nothing is kept.
    """
    for adapter in sellables:
        for products in _rows_of(adapter, size):
            visible = adapter.visible([product.pk for product in products])
            yield listings_of([product for product in products if product.pk in visible], now=now)


def _rows_of(adapter: Adapter, size: int) -> Iterator[list[Model]]:
    """By key and not by offset: each time costs the same, and what comes or goes meanwhile moves nothing."""
    rows = adapter.model._default_manager.order_by("pk")
    page = list(rows[:size])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:size])


def listings_of(products: Iterable[Model], *, now: datetime | None = None) -> list[Listing]:
    """The same of some products that are visible, in their order. Raises ``NotSellable``."""
    products, now = list(products), now or timezone.now()
    named = dict(zip(products, sellables.identify_many(products), strict=True))
    told, today = answers_to(products, now), shop_today(now)
    described, own = _described(named.values())
    found = []
    for product, sellable in named.items():
        answer, was_released = told.by_product[product], product in told.released_before
        listing = Listing(
            reference=sellable.reference,
            product=product,
            described=described.get(sellable, _NOTHING),
            availability=answer,
            word=schema_word(answer, today=today, was_released=was_released),
            state_word=state_word(answer, was_released=was_released),
            day=named_day(answer, today=today),
            statement=statement_of(answer, today=today, was_released=was_released),
            own={name: value for name, value in (own.get(sellable) or {}).items() if value not in (None, "", [], ())},
        )
        found.append(replace(listing, statement=_why_not(listing, described) or listing.statement))
    return found


def _described(
    named: Iterable[Sellable],
) -> tuple[dict[Sellable, Described], dict[Sellable, Mapping[str, Any]]]:
    by_adapter: dict[Adapter, dict[Any, Sellable]] = {}
    for sellable in named:
        by_adapter.setdefault(sellable.adapter, {})[sellable.pk] = sellable
    described: dict[Sellable, Described] = {}
    own: dict[Sellable, Mapping[str, Any]] = {}
    for adapter, by_key in by_adapter.items():
        described |= {by_key[pk]: told for pk, told in adapter.describe(list(by_key)).items() if pk in by_key}
        own |= {by_key[pk]: said for pk, said in adapter.feed_attributes(list(by_key)).items() if pk in by_key}
    return described, own


def _why_not(listing: Listing, described: Mapping[Sellable, Described]) -> LeftOut | None:
    """Why Google cannot be told of it, apart from its availability."""
    if listing.described is _NOTHING:
        return LeftOut.GONE
    if OURS & listing.own.keys():
        return LeftOut.OWN_AVAILABILITY
    if not all(is_attribute(name) for name in _names_in(listing.own)):
        return LeftOut.BAD_NAME
    missing = {LeftOut.NO_TITLE: listing.title, LeftOut.NO_LINK: listing.link, LeftOut.NO_PRICE: listing.price}
    if nothing_said := next((reason for reason, said in missing.items() if not said), None):
        return nothing_said
    return LeftOut.LONG_ID if len(listing.id) > _LONGEST_ID else None


def _names_in(said: Any) -> Iterator[Any]:
    if isinstance(said, Mapping):
        for name, value in said.items():
            yield name
            yield from _names_in(value)
    elif isinstance(said, (list, tuple)):
        for value in said:
            yield from _names_in(value)


_EXAMPLES = 5


@dataclass(slots=True)
class Tally:
    """What became of the listings of one feed, in as little memory as their reasons need."""

    stated: Counter[str] = field(default_factory=Counter)
    without_day: int = 0
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    examples: dict[LeftOut, list[str]] = field(default_factory=dict)

    def note(self, listing: Listing) -> None:
        if isinstance(listing.statement, LeftOut):
            self.left_out[listing.statement] += 1
            named = self.examples.setdefault(listing.statement, [])
            if len(named) < _EXAMPLES:
                named.append(listing.reference)
            return
        self.stated[listing.statement.word] += 1
        self.without_day += listing.statement.lacks_day

    def lines(self, *, with_examples: bool = False) -> Iterator[str]:
        words = ", ".join(f"{count} {word}" for word, count in sorted(self.stated.items()))
        yield f"{self.stated.total()} items" + (f": {words}" if words else "")
        if self.without_day:
            yield f"{self.without_day} of them out_of_stock although they can be ordered: no honest date is known"
        for reason, count in self.left_out.most_common():
            yield f"{count} left out: {reason}" + (self._named(reason) if with_examples else "")

    def _named(self, reason: LeftOut) -> str:
        more = ", …" if self.left_out[reason] > _EXAMPLES else ""
        return f" ({', '.join(self.examples[reason])}{more})"
