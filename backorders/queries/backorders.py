"""The queue: who stands in it, where, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.utils import timezone

from backorders.domain.allocation import Waiting
from backorders.domain.promises import Horizon, Standing
from backorders.domain.windows import NO_DATE, Promise
from backorders.models import Backorder, StockItem
from backorders.queries.availability import shop_today
from backorders.queries.supply import horizons_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one order line stands. ``position`` counts lines from 1 and is 0 when nothing is awaited any more."""

    backorder_id: int
    public_id: UUID
    reference: str
    state: str
    position: int
    quantity: int
    allocated: int
    waiting: int
    window: Promise


def queue_of(item_id: int) -> list[Waiting]:
    """The waiting lines of an item, first served first."""
    return queues_of([item_id])[item_id]


def queues_of(item_ids: Iterable[int]) -> dict[int, list[Waiting]]:
    """The waiting lines of many items, each first served first, in one query."""
    queues: dict[int, list[Waiting]] = {item_id: [] for item_id in item_ids}
    for line in Backorder.objects.waiting().filter(item_id__in=list(queues)).in_line():
        waiting = Waiting(line_id=line.id, needs=line.needs, placed_at=line.placed_at, priority=line.priority)
        queues[line.item_id].append(waiting)
    return queues


def places_of(references: Iterable[str], now: datetime | None = None) -> dict[str, Place]:
    """This will find the queue places of many order lines at once, in four queries. Unknown references are left out.

    A reference is the shop's name of an order line; one that was used for several items answers for the last of them.
    """
    lines = Backorder.objects.filter(reference__in=list(references))
    return {place.reference: place for place in places_of_lines(lines, now).values()}


def places_of_lines(lines: Iterable[Backorder], now: datetime | None = None) -> dict[int, Place]:
    """The same for rows at hand, by their id (three queries)."""
    lines = list(lines)
    item_ids = {line.item_id for line in lines if line.state == Backorder.State.WAITING}
    horizons = horizons_of(item_ids)
    items = StockItem.objects.in_bulk(item_ids)
    today = shop_today(now or timezone.now())
    places: dict[int, tuple[int, Promise]] = {}
    for item_id, queue in queues_of(item_ids).items():
        standing, ahead = standing_of(items[item_id], horizons[item_id], today=today), 0
        for position, waiting in enumerate(queue, start=1):
            ahead += waiting.needs
            places[waiting.line_id] = (position, standing.promise_for(ahead))
    return {line.id: _place(line, *places.get(line.id, (0, NO_DATE))) for line in lines}


def standing_of(item: StockItem, horizon: Horizon, *, today: date) -> Standing:
    """What decides when a place in this item's line is served."""
    released = item.releases_at and item.releases_at.astimezone(timezone.get_default_timezone()).date()
    return Standing(horizon=horizon, today=today, on_shelf=units_on_shelf(item), releases_on=released)


def units_on_shelf(item: StockItem) -> int:
    """Units last seen that are nobody's yet; while a queue stands before them, they wait for a release."""
    return max(0, (item.seen_quantity or 0) - item.held_units)


def _place(line: Backorder, position: int, window: Promise) -> Place:
    return Place(
        backorder_id=line.id,
        public_id=line.public_id,
        reference=line.reference,
        state=line.state,
        position=position,
        quantity=line.quantity,
        allocated=line.allocated_quantity,
        waiting=line.needs,
        window=window,
    )
