"""One order, several lines: what leaves now, what later, all or nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.addresses import parse_address
from backorders.domain.units import whole_quantity
from backorders.domain.windows import NO_DATE, Promise, Window
from backorders.errors import KeyReused
from backorders.models import PlacedOrder, StockItem
from backorders.queries.availability import availability_of
from backorders.queries.backorders import places_of_lines
from backorders.services.backorders import Buyer, join_queue, refuse_unless_possible
from backorders.services.locks import anchors_of, locked_items
from backorders.services.shelf import Shelf
from backorders.services.stock import take_off_shelf
from backorders.services.subscriptions import note_purchase


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


@transaction.atomic
def check_out(
    *,
    lines: Iterable[Line],
    email: str,
    customer: Any = None,
    language: str = "",
    ship: Ship | str = Ship.SPLIT,
    idempotency_key: str | None = None,
    now: datetime | None = None,
) -> list[Placement]:
    """This will place an order: units that are here leave the shelf, the rest joins the queue. All lines or none.

    ``ship="in_stock_only"`` refuses what is not here; with ``"together"`` and ``"split"`` the shop decides when to send,
    we say what is here and what comes when. A repeated ``idempotency_key`` returns the first answer. Where the shop books
    its own stock, its booking belongs into the same transaction.

    Raises ``NotOrderable`` / ``LimitReached`` with what is possible, ``InvalidQuantity``, ``InvalidAddress``,
    ``NotSellable``, ``ReferenceTaken``, and ``KeyReused`` when the key comes back with another order.
    """
    now, ship = now or timezone.now(), Ship(ship)
    wanted = list(lines)
    for line in wanted:
        whole_quantity(line.quantity)
    buyer = Buyer(email=email, customer=customer, language=language)
    address = parse_address(email, allow_local_domains=conf.allow_local_domains)
    items = _lock(wanted)
    fingerprint = _fingerprint(wanted, items, address.key, ship)
    if idempotency_key and (before := _placed_before(idempotency_key, fingerprint, wanted)) is not None:
        return before
    counted = Counted()
    placements = [_place(line, items[line], buyer, ship, counted, now) for line in wanted]
    note_purchase(item_ids=[item.id for item in items.values()], email_key=address.key, now=now)
    if idempotency_key:
        _remember(idempotency_key, fingerprint, placements, now)
    return placements


def _lock(wanted: list[Line]) -> dict[Line, StockItem]:
    """All items of the order, locked in key order before anything is decided."""
    anchors = anchors_of(line.product for line in wanted)
    locked = {item.id: item for item in locked_items(item.id for item in anchors.values())}
    return {line: locked[anchors[line.product].id] for line in wanted}


class Counted(Counter[int]):
    """Units that earlier lines of this order got from a shelf that the shop books itself: its number has not moved yet."""


def _place(line: Line, item: StockItem, buyer: Buyer, ship: Ship, counted: Counted, now: datetime) -> Placement:
    answer = availability_of(line.product, now)
    for_sale = answer.for_sale.less(counted[item.id])
    here = for_sale.at_most(line.quantity)
    possible = here if ship is Ship.IN_STOCK_ONLY else for_sale.plus(answer.to_order).at_most(line.quantity)
    refuse_unless_possible(line.product, answer, asked=line.quantity, possible=possible)
    if here and not take_off_shelf(item=item, units=here, now=now):
        # Somebody bought past us in the shop's own code since we looked; the whole order is undone and may be tried again.
        refuse_unless_possible(line.product, answer, asked=line.quantity, possible=0)
    if not Shelf(item).moves:
        counted[item.id] += here
    later = line.quantity - here
    if not later:
        return Placement(line=line, on_hand=here, backordered=0)
    backorder = join_queue(item=item, quantity=later, reference=line.reference, buyer=buyer, answer=answer, now=now)
    return Placement(
        line=line, on_hand=here, backordered=later, window=places_of_lines([backorder], now)[backorder.id].window
    )


def _fingerprint(lines: list[Line], items: dict[Line, StockItem], email_key: str, ship: Ship) -> str:
    """What makes two orders the same order; line references may differ, since a retry may have made new lines."""
    told = "\n".join([email_key, ship, *(f"{items[line].id}x{line.quantity}" for line in lines)])
    return hashlib.sha256(told.encode()).hexdigest()


def _placed_before(key: str, fingerprint: str, lines: list[Line]) -> list[Placement] | None:
    placed = PlacedOrder.objects.filter(key=key).first()
    if placed is None:
        return None
    if placed.fingerprint != fingerprint:
        raise KeyReused(key)
    return [
        Placement(
            line=line, on_hand=told["on_hand"], backordered=told["backordered"], window=_window_from(told["window"])
        )
        for line, told in zip(lines, placed.placements, strict=True)
    ]


def _remember(key: str, fingerprint: str, placements: list[Placement], now: datetime) -> None:
    told = [
        {"on_hand": placed.on_hand, "backordered": placed.backordered, "window": _window_to(placed.window)}
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
    if told is None:
        return NO_DATE
    return Window(earliest=date.fromisoformat(told[0]), latest=date.fromisoformat(told[1]))
