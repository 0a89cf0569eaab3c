"""The queue: who stands in it, where, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Q, Subquery, prefetch_related_objects
from django.db.models.functions import Coalesce
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.allocation import Fill, Holding, Rule, Waiting
from backorders.domain.promises import (
    Claim,
    Free,
    Horizon,
    Lead,
    Part,
    Promised,
    Standing,
    Supply,
    horizon_of,
    not_before_release,
    order_promise,
    promises_of,
)
from backorders.domain.units import whole_quantity
from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Promise, Window, honest
from backorders.models import Allocation, Backorder, Delivery, StockItem
from backorders.models import Promise as PromiseRow
from backorders.models.backorders import NEEDS, BackorderQuerySet
from backorders.queries.availability import availability_of, looks_at, shop_today, terms_of_item, with_category_terms
from backorders.queries.calendars import shop_calendar, working_day_of
from backorders.queries.stock import item_of
from backorders.queries.supply import Coming, coming_for
from backorders.shop import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one order line stands. ``position`` counts lines from 1 and is 0 when nothing is awaited any more.

    ``window`` is the promise in force: the date we gave and stand by, or that there is none. ``allocated``: units it was
    given so far, of which ``shipped`` have left; ``waiting``: units it still needs.
    """

    backorder_id: int
    public_id: UUID
    reference: str
    order_reference: str
    state: str
    position: int
    quantity: int
    allocated: int
    shipped: int
    cancelled: int
    waiting: int
    window: Promise
    not_before: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One date that a customer was given, or that there was none. ``reason``: why it took the place of the one before."""

    window: Promise
    given_at: datetime
    reason: str = ""
    delivery_id: int | None = None
    promise_id: int | None = None


class Seen(Enum):
    """No reading of the shelf is at hand: the last one counts."""

    LAST = "last"


SEEN = Seen.LAST


def queue_of(item_id: int) -> list[Waiting]:
    """The waiting lines of an item, first served first."""
    return _waiting(Backorder.objects.filter(item_id=item_id))


def is_plain(item_id: int) -> bool:
    """Does every line take what comes, in its order? Not when one wants all at once, or waits for one delivery only."""
    special = Backorder.objects.waiting().filter(item_id=item_id)
    return not special.filter(Q(fill=Fill.WHOLE_LINE) | Q(pinned_to__isnull=False)).exists()


_COLUMNS = ("id", "rank_class", "rank_at", "fill", "overtaken", "pinned_to_id")


def _waiting(lines: BackorderQuerySet) -> list[Waiting]:
    rows = lines.waiting().in_line().values_list(*_COLUMNS, NEEDS)
    return [
        Waiting(
            line_id=line_id,
            needs=needs,
            placed_at=rank_at,
            priority=rank_class,
            fill=Fill(fill),
            overtaken=overtaken,
            pinned_to=pinned_to,
        )
        for line_id, rank_class, rank_at, fill, overtaken, pinned_to, needs in rows
    ]


def rule_in_force() -> Rule:
    """What happens when a line wants everything at once and there is not enough, by ``ALLOCATION`` and ``MOST_OVERTAKES``."""
    return Rule(may_skip=conf.allocation == "skip", most_overtakes=conf.most_overtakes)


def holding_of(line: Backorder) -> Holding:
    """A line that was given units which have not left the house, as a shortage sees it."""
    return Holding(line_id=line.id, allocated=line.ready, placed_at=line.rank_at, priority=line.rank_class)


def open_pins(item_id: int, *, but: int | None) -> frozenset[int]:
    """Open deliveries that lines of this item wait for and for no other; ``but``: the one whose goods are here."""
    pins = Backorder.objects.waiting().filter(item_id=item_id, pinned_to__state=Delivery.State.EXPECTED)
    return frozenset(pins.exclude(pinned_to=but).values_list("pinned_to_id", flat=True))


def places_of(references: Iterable[str], now: datetime | None = None) -> dict[str, Place]:
    """This will find the queue places of many order lines at once, in two queries. Unknown references are left out.

    A reference is the shop's name of an order line; one that was used for several items answers for the last of them.
    """
    lines = Backorder.objects.filter(reference__in=list(references)).order_by("id")
    return {place.reference: place for place in places_of_lines(lines, now).values()}


def places_of_lines(lines: Iterable[Backorder], now: datetime | None = None) -> dict[int, Place]:
    """The same for rows at hand, by their id (one query)."""
    lines = list(lines)
    today = shop_today(now or timezone.now())
    positions = _positions([line.id for line in lines if line.state == Backorder.State.WAITING])
    return {line.id: _place(line, positions.get(line.id, 0), today) for line in lines}


def _positions(line_ids: list[int]) -> dict[int, int]:
    """Where lines stand, counted from 1: each by an index scan of those before it, all in one statement."""
    if not line_ids:
        return {}
    here = Q(rank_class=OuterRef("rank_class"))
    ahead = Backorder.objects.waiting().filter(
        Q(rank_class__lt=OuterRef("rank_class"))
        | here & Q(rank_at__lt=OuterRef("rank_at"))
        | here & Q(rank_at=OuterRef("rank_at"), id__lte=OuterRef("id")),
        item=OuterRef("item"),
    )
    count = ahead.order_by().values("item").annotate(lines=Count("id")).values("lines")
    rows = Backorder.objects.filter(id__in=line_ids).order_by()
    return dict(rows.values_list("id", Coalesce(Subquery(count, output_field=IntegerField()), 0)))


def lines_ahead_of(line: Backorder) -> BackorderQuerySet:
    """The lines that are served before one."""
    here = Q(rank_class=line.rank_class)
    is_before = (
        Q(rank_class__lt=line.rank_class)
        | here & Q(rank_at__lt=line.rank_at)
        | here & Q(rank_at=line.rank_at, id__lt=line.id)
    )
    return Backorder.objects.waiting().filter(is_before, item=line.item_id)


def places_of_order(order_reference: str, now: datetime | None = None) -> list[Place]:
    """The lines of one order that were backordered, in the order in which they were placed (two queries)."""
    lines = Backorder.objects.filter(order_reference=order_reference).exclude(order_reference="").order_by("id")
    return list(places_of_lines(lines, now).values())


def history_of(backorder_ids: Iterable[int]) -> dict[int, list[Given]]:
    """Every date that many lines were given, by the line's id, the first one first (one query)."""
    history: dict[int, list[Given]] = {}
    rows = PromiseRow.objects.filter(backorder__in=list(backorder_ids)).order_by("id")
    for row in rows:
        given = Given(
            window=row.window,
            given_at=row.promised_at,
            reason=row.reason,
            delivery_id=row.delivery_id,
            promise_id=row.id,
        )
        history.setdefault(row.backorder_id, []).append(given)
    return history


def orders_of(lines: Iterable[Backorder]) -> dict[int, list[Backorder]]:
    """All lines of the same order of the same customer, by the id of each of these; a line without an order stands alone.

    In the order in which they were placed, their items read with them (one query at most).
    """
    lines = list(lines)
    named = {(line.order_reference, line.email_key) for line in lines if line.order_reference}
    if not named:
        return {line.id: [line] for line in lines}
    by_order: dict[tuple[str, str], list[Backorder]] = {key: [] for key in named}
    rows = Backorder.objects.filter(
        order_reference__in=[name for name, _ in named], email_key__in=[key for _, key in named]
    )
    for row in rows.select_related("item").order_by("id"):
        if (row.order_reference, row.email_key) in named:
            by_order[row.order_reference, row.email_key].append(row)
    return {line.id: by_order.get((line.order_reference, line.email_key), [line]) for line in lines}


def units_kept(backorder_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """What lines still have of each allocation, by line and allocation id, the first one first (one query).

    What was taken back came out of the latest.
    """
    rows = Allocation.objects.filter(backorder__in=list(backorder_ids)).order_by("id")
    kept: dict[int, dict[int, int]] = {}
    for allocation_id, line_id, quantity in rows.values_list("id", "backorder_id", "quantity"):
        of_line = kept.setdefault(line_id, {})
        if quantity > 0:
            of_line[allocation_id] = quantity
        for earlier in reversed(of_line):
            taken = min(of_line[earlier], max(0, -quantity))
            of_line[earlier] -= taken
            quantity += taken
    return kept


def order_window(places: Iterable[Place]) -> Promise:
    """When an order that ships as a whole can leave: with its last line."""
    return order_promise([place.window for place in places if place.waiting])


def standing_of(item: StockItem, *, now: datetime, has_changed: bool = True, shelf: Reading | Seen = SEEN) -> Standing:
    """What decides when a place in this item's line is served, deliveries of pinned lines left out (one or two queries).

    ``has_changed``: deliveries may differ from what the item's counters say; else they are only read if there are any.
    ``shelf``: what was just read there; else the number last seen counts.
    """
    today = shop_today(now)
    coming = Coming()
    if has_changed or item.inbound_units:
        with_pins = has_changed or bool(item.pinned_units)
        coming = coming_for([item.id], today=today, with_pins=with_pins)[item.id]
    lead_days = terms_of_item(item).lead_days
    return Standing(
        horizon=coming.horizon,
        today=today,
        on_shelf=shelf_balance(item, shelf),
        releases_on=released_on(item),
        lead=None if lead_days is None else Lead(days=lead_days, calendar=shop_calendar()),
        overdue=coming.overdue,
        pinned_overdue=coming.pinned_overdue,
    )


def standing_behind(item: StockItem, *, now: datetime) -> Standing:
    """The stretch of the axis right behind the queue, as far as the next delivery covers it: no query at all.

    Units are counted from the end of the queue. Nothing is on the shelf here, and beyond this delivery nothing is known.
    """
    supplies: list[Supply] = []
    if item.next_units and item.next_earliest and item.next_latest:
        confidence = Confidence(item.next_confidence or Confidence.ESTIMATED)
        window = Window(earliest=item.next_earliest, latest=item.next_latest, confidence=confidence)
        supplies.append(Supply(units=item.next_units, window=window, delivery_id=item.next_delivery_id or 0))
    return Standing(horizon=horizon_of(supplies), today=shop_today(now), releases_on=released_on(item))


def promise_for(product: Any, quantity: int, now: datetime | None = None) -> Promise:
    """When the last of ``quantity`` units would ship if they were ordered now: what an order would be promised.

    ``availability_of(product).window`` is the date of the first. ``NO_DATE`` for what cannot be ordered. Raises ``NotSellable``.
    """
    now, quantity = now or timezone.now(), whole_quantity(quantity)
    answer, item = availability_of(product, now), item_of(product)
    if item is None or answer.for_sale.covers(quantity) or not answer.to_order:
        return answer.window
    standing = standing_of(item, now=now, shelf=looks_at([item])[item.id].shelf)
    return standing.promise_for(item.queued_units - item.pinned_units + quantity, asked_on=working_day_of(now))


def free_in_deliveries(item: StockItem, *, now: datetime) -> list[Free]:
    """What the queue leaves of each delivery, in the order in which they come: "7 of 40 in the May delivery are left"."""
    standing = standing_of(item, now=now)
    behind = item.queued_units - standing.horizon.pinned - standing.on_shelf
    return list(standing.horizon.free_by_delivery(max(0, behind)))


class FreeUnits(NamedTuple):
    """``units`` of one delivery that nobody in the queue is owed, and when they can be here."""

    units: int
    window: Window


def free_arrivals(items: Iterable[StockItem], *, now: datetime) -> dict[int, list[FreeUnits]]:
    """What the queue leaves of the deliveries of many items, by item id, in the order in which they come (four queries).

    Only what is dated and not late; deliveries of which nothing is left are left out.
    """
    items, today = list(items), shop_today(now)
    with_category_terms(items)
    prefetch_related_objects(items, "supplier")
    coming = coming_for([item.id for item in items], today=today)
    return {item.id: list(_free_of(item, coming[item.id].horizon, today)) for item in items}


def _free_of(item: StockItem, horizon: Horizon, today: date) -> Iterator[FreeUnits]:
    owed = max(0, item.queued_units - horizon.pinned - shelf_balance(item))
    for supply, free in zip(horizon.supplies, horizon.free_by_delivery(owed), strict=True):
        window = not_before_release(supply.window, released_on(item), today=today)
        if free.free and isinstance(window, Window):
            yield FreeUnits(free.free, window)


def released_on(item: StockItem) -> date | None:
    """The day of its release in the shop's time zone, whether it has come or not."""
    return item.releases_at and item.releases_at.astimezone(timezone.get_default_timezone()).date()


def promised_lines(item: StockItem, *, now: datetime) -> dict[int, Promised]:
    """What every waiting line of an item could be promised now: first units, complete date, and from which deliveries.

    Who waits for one delivery alone has no date while it is late and nobody knows until when.
    """
    standing = standing_of(item, now=now)
    has_day = {supply.delivery_id for supply in standing.horizon.supplies}
    columns = ("id", "not_before", "placed_at", "pinned_to_id", "pinned_to__state")
    rows = Backorder.objects.waiting().filter(item=item).in_line().values_list(*columns, NEEDS)
    claims, late = [], {}
    for line_id, not_before, placed_at, pinned_to, state, needs in rows:
        if state == Delivery.State.EXPECTED and pinned_to not in has_day:
            late[line_id] = Promised(OVERDUE, OVERDUE, (Part(pinned_to, needs),))
            continue
        claim = Claim(
            line_id=line_id,
            needs=needs,
            not_before=not_before,
            asked_on=working_day_of(placed_at),
            pinned_to=pinned_to,
        )
        claims.append(claim)
    return promises_of(queue=claims, standing=standing) | late


def units_on_shelf(item: StockItem) -> int:
    """Units last seen that are nobody's yet and not kept back; while a queue stands before them, they wait for a release."""
    return max(0, shelf_balance(item))


def shelf_balance(item: StockItem, shelf: Reading | Seen = SEEN) -> int:
    """The same, below zero where deliveries first have to bring what is kept back, or held, and not there.

    ``shelf``: what was just read there; products nobody waits for are not looked at between orders.
    """
    units = item.seen_quantity if isinstance(shelf, Seen) else shelf
    return 0 if units is None else units - item.held_units - item.on_hold_units - terms_of_item(item).safety_stock


def _place(line: Backorder, position: int, today: date) -> Place:
    return Place(
        backorder_id=line.id,
        public_id=line.public_id,
        reference=line.reference,
        order_reference=line.order_reference,
        state=line.state,
        position=position,
        quantity=line.quantity,
        allocated=line.allocated_quantity,
        shipped=line.shipped_quantity,
        cancelled=line.cancelled_quantity,
        waiting=line.needs,
        window=honest(line.promise, today=today) if position else NO_DATE,
        not_before=line.not_before,
    )
