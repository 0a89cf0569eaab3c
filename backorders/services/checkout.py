"""One order, several lines: what leaves now, what later, all or nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, transaction

from backorders.conf import conf
from backorders.domain.addresses import parse_address
from backorders.domain.allocation import Fill
from backorders.domain.availability import Availability
from backorders.domain.references import KEY, LINE, checked_reference
from backorders.domain.units import whole_quantity
from backorders.domain.windows import NO_DATE, Promise, Window, honest, window_of
from backorders.errors import HoldLost, KeyReused
from backorders.models import PlacedOrder, StockItem, Subscription
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.queries.availability import Look, answer_to, looks_at, shop_today
from backorders.queries.holds import holds_of_buyer, why_lost
from backorders.queries.subscriptions import items_of_choices
from backorders.services.backorders import (
    Buyer,
    Wish,
    dated_refusal,
    join_queue,
    refuse_beyond_terms,
    refuse_unless_possible,
    units_of_customer,
)
from backorders.services.holds import end_over
from backorders.services.locks import AnchorsMissing, LocksMissing, anchors_of, items_for_order, whole
from backorders.services.moments import moment
from backorders.services.stock import take_off_shelf
from backorders.services.subscriptions import close_requests, note_purchase


class Ship(StrEnum):
    """What happens to an order of which only a part is here."""

    SPLIT = "split"
    TOGETHER = "together"
    IN_STOCK_ONLY = "in_stock_only"


@dataclass(frozen=True, slots=True)
class Line:
    """``reference`` names the order line in the shop; it is how we find its place in the queue later."""

    product: Any
    quantity: int
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What one line gets: units from the shelf now, units from the queue later, and when those come."""

    line: Line
    on_hand: int
    backordered: int
    window: Promise = NO_DATE


def check_out(
    *,
    lines: Iterable[Line],
    email: str,
    customer: Any = None,
    language: str = "",
    ship: Ship | str = Ship.SPLIT,
    order_reference: str = "",
    idempotency_key: str | None = None,
    holds: Iterable[str] = (),
    now: datetime | None = None,
) -> list[Placement]:
    """This will place an order: units that are here leave the shelf, the rest joins the queue. All lines or none.

    ``ship="split"``: what is here can leave now, the rest as it comes. ``"together"``: nothing leaves before all of it is
    here; the customer is told once. ``"in_stock_only"`` refuses what is not here. ``order_reference`` names the order in
    the shop. A repeated ``idempotency_key`` returns the first answer, with the line references of the first order.
    ``holds``: tokens of links that put units aside; these, and what is put aside for the buyer's address, are for sale to
    this order, and its holds are used. A token that keeps nothing (any more) changes nothing as long as ordinary rules
    let the order through. Where the shop books its own stock, its booking belongs into the same transaction.

    Raises ``NotOrderable`` / ``LimitReached`` with what is possible and by when, ``HoldLost`` instead of the former with why
    a token did not help, ``BelowMinimum``, ``InvalidQuantity``,
    ``InvalidAddress``, ``InvalidWindow`` for a naive ``now``, ``NotSellable``, ``ReferenceTaken``, and ``KeyReused`` when
    the key comes back with another order.
    """
    now, ship, wanted = moment(now), Ship(ship), list(lines)
    for line in wanted:
        whole_quantity(line.quantity)
        checked_reference(line.reference, least=1, longest=LINE)
    checked_reference(idempotency_key or "", longest=KEY)
    address = parse_address(email, allow_local_domains=conf.allow_local_domains)
    order = Order(
        buyer=Buyer(email=email, customer=customer, language=language),
        email_key=address.key,
        ship=ship,
        wish=_wish(ship, order_reference),
        tokens=tuple(holds),
        now=now,
    )
    also: frozenset[int] = frozenset()
    while True:
        try:
            return _check_out(wanted, order, idempotency_key, also)
        except AnchorsMissing:
            anchors_of(line.product for line in wanted)
        except LocksMissing as missing:
            also |= missing.item_ids


@whole
def _check_out(wanted: list[Line], order: Order, key: str | None, also: frozenset[int]) -> list[Placement]:
    anchors = items_for_order((line.product for line in wanted), email_key=order.email_key, also=also)
    awaited = [item.id for item in anchors.values() if item.is_awaited]  # type: ignore[attr-defined]
    locked = also.union(item.id for item in anchors.values())
    if awaited:
        _locked_with_choices(Subscription.objects.filter(item_id__in=awaited, email_key=order.email_key), locked)
    items = {line: anchors[line.product] for line in wanted}
    fingerprint = _fingerprint(wanted, items, order.email_key, order.ship)
    if key and (before := _placed_before(key, fingerprint, wanted)) is not None:
        return before
    order.look_at(items.values())
    if order.find_holds(items.values()):
        _locked_with_choices(Subscription.objects.filter(id__in=order.holders), locked)
    order.refuse_beyond_terms(wanted, items)
    placements = [order.place(line, items[line]) for line in wanted]
    order.use_holds()
    if awaited:
        note_purchase(item_ids=awaited, email_key=order.email_key, now=order.now)
    if key:
        _remember(key, fingerprint, placements, order.now)
    return placements


def _locked_with_choices(requests: SubscriptionQuerySet, locked: frozenset[int]) -> None:
    """A purchase ends these, and those of which one would have done: their items are locked as well, or all begins anew."""
    if missing := items_of_choices(requests) - locked:
        raise LocksMissing(missing)


def _wish(ship: Ship, order_reference: str) -> Wish:
    if ship is not Ship.TOGETHER:
        return Wish(order_reference=order_reference)
    return Wish(fill=Fill.WHOLE_ORDER, order_reference=order_reference or f"together {uuid4()}")


@dataclass(slots=True, kw_only=True)
class Order:
    """An order on its way through the till. Its items are locked; what it takes off a shelf later lines do not see again."""

    buyer: Buyer
    email_key: str
    ship: Ship
    wish: Wish
    now: datetime
    tokens: tuple[str, ...] = ()
    looks: dict[int, Look] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    """Units put aside for this buyer that no line has taken yet, by item."""
    holders: list[int] = field(default_factory=list)
    """The requests they were put aside for."""
    answers: dict[int, Availability] = field(default_factory=dict)

    def look_at(self, items: Iterable[StockItem]) -> None:
        """Shelves and visibility of all items, in bulk."""
        self.looks = looks_at({item.id: item for item in items}.values())

    def find_holds(self, items: Iterable[StockItem]) -> bool:
        """Is anything put aside for this buyer? What has run out by the clock is anybody's at once, noted or not."""
        held = {item.id: item for item in items if item.on_hold_units}
        for item in held.values():
            if end_over(item=item, now=self.now):
                item.refresh_from_db(fields=["on_hold_units"])
        self.kept, self.holders = {}, []
        for hold in holds_of_buyer(held, email_key=self.email_key, tokens=self.tokens, now=self.now) if held else []:
            self.kept[hold.item_id] = self.kept.get(hold.item_id, 0) + hold.units
            self.holders.append(hold.subscription_id)
        return bool(self.holders)

    def use_holds(self) -> None:
        """Whoever came for what was put aside has bought; what they left of it is anybody's."""
        if self.holders:
            theirs = Subscription.objects.filter(id__in=self.holders).with_choice()
            close_requests(requests=theirs, because=Subscription.Closed.BOUGHT, now=self.now)

    def refuse_beyond_terms(self, lines: list[Line], items: dict[Line, StockItem]) -> None:
        """Least and most count all lines of one item together, the customer's limit what of them is not on the shelf."""
        asked: Counter[int] = Counter()
        for line in lines:
            asked[items[line].id] += line.quantity
        for line, item in items.items():
            answer = self.answers[item.id] = self._answer(item)
            had = units_of_customer(item, self.buyer, answer)
            with dated_refusal(item, self.looks[item.id].shelf, self.now):
                refuse_beyond_terms(line.product, answer, asked=asked[item.id], had=had, here=answer.for_sale)

    def place(self, line: Line, item: StockItem) -> Placement:
        answer = self.answers.pop(item.id, None) or self._answer(item)
        here = answer.for_sale.at_most(line.quantity)
        possible = here if self.ship is Ship.IN_STOCK_ONLY else answer.orderable.at_most(line.quantity)
        with dated_refusal(item, self.looks[item.id].shelf, self.now):
            if not possible:
                self._refuse_lost_hold(line, item, answer)
            refuse_unless_possible(line.product, answer, asked=line.quantity, possible=possible)
        if here:
            self._take(line, item, here, answer)
        later = line.quantity - here
        if not later:
            return Placement(line=line, on_hand=here, backordered=0)
        backorder = join_queue(
            item=item,
            quantity=later,
            reference=line.reference,
            buyer=self.buyer,
            answer=answer,
            wish=self.wish,
            shelf=self.looks[item.id].shelf,
            now=self.now,
        )
        window = honest(backorder.promise, today=shop_today(self.now))
        return Placement(line=line, on_hand=here, backordered=later, window=window)

    def _answer(self, item: StockItem) -> Availability:
        return answer_to(item, self.looks[item.id], self.now, own=self.kept.get(item.id, 0))

    def _refuse_lost_hold(self, line: Line, item: StockItem, answer: Availability) -> None:
        lost = why_lost(self.tokens, item_id=item.id, now=self.now)
        if lost is not None:
            raise HoldLost(product=line.product, state=answer.state, reason=lost.reason, ended_at=lost.ended_at)

    def _take(self, line: Line, item: StockItem, units: int, answer: Availability) -> None:
        look = self.looks[item.id]
        if not take_off_shelf(item=item, units=units, seen=look.shelf, now=self.now):
            # Somebody bought past us in the shop's own code since we looked; the whole order is undone and may be tried again.
            refuse_unless_possible(line.product, answer, asked=line.quantity, possible=0)
        self.looks[item.id] = look.less(units)
        own = min(units, self.kept.get(item.id, 0))
        if own:
            self.kept[item.id] -= own
            item.on_hold_units -= own


def _fingerprint(lines: list[Line], items: dict[Line, StockItem], email_key: str, ship: Ship) -> str:
    """What makes two orders the same order; line references may differ, since a retry may have made new lines."""
    told = "\n".join([email_key, ship, *(f"{items[line].id}x{line.quantity}" for line in lines)])
    return hashlib.sha256(told.encode()).hexdigest()


def _placed_before(key: str, fingerprint: str, lines: list[Line]) -> list[Placement] | None:
    """What the first order of this key was told, word for word, under the references it gave."""
    placed = PlacedOrder.objects.filter(key=key).first()
    if placed is None:
        return None
    if placed.fingerprint != fingerprint:
        raise KeyReused(key)
    return [
        Placement(
            line=Line(line.product, line.quantity, told["reference"]),
            on_hand=told["on_hand"],
            backordered=told["backordered"],
            window=_window_from(told["window"]),
        )
        for line, told in zip(lines, placed.placements, strict=True)
    ]


def _remember(key: str, fingerprint: str, placements: list[Placement], now: datetime) -> None:
    told = [
        {
            "reference": placed.line.reference,
            "on_hand": placed.on_hand,
            "backordered": placed.backordered,
            "window": _window_to(placed.window),
        }
        for placed in placements
    ]
    try:
        with transaction.atomic():
            PlacedOrder.objects.create(key=key, fingerprint=fingerprint, placements=told, placed_at=now)
    except IntegrityError:  # the same key came with an order of other items, at this very moment
        raise KeyReused(key) from None


def _window_to(window: Promise) -> list[str] | None:
    return [window.earliest.isoformat(), window.latest.isoformat()] if isinstance(window, Window) else None


def _window_from(told: list[str] | None) -> Promise:
    return window_of(date.fromisoformat(told[0]), date.fromisoformat(told[1])) if told else NO_DATE
