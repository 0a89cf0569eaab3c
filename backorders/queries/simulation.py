"""What an arrival would lead to, applied to nothing: who ships, which orders are complete, who is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from backorders.domain.allocation import Plan, plan, rest_of, shortage
from backorders.domain.units import counted, whole_quantity
from backorders.domain.windows import Promise
from backorders.models import Backorder, Delivery, StockItem
from backorders.queries.backorders import holding_of, open_pins, queue_of, rule_in_force, units_on_shelf
from backorders.queries.stock import adapter_of, item_of, moves_units, read_shelf, units_for_sale
from backorders.queries.waves import foreseen_waves
from backorders.shop import Reading, sellables


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One line that would be given units. ``left``: units it would go on waiting for."""

    backorder_id: int
    reference: str
    email: str
    units: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One line that goes on waiting, with the date in force and the one that could be given then."""

    backorder_id: int
    reference: str
    needs: int
    promise: Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The answer: "if 40 arrive: 22 lines ship, 9 orders complete, 31 people are told in 3 waves".

    ``served`` in the queue's order; ``complete``: lines that would need nothing more; ``orders``: orders (a line without
    an order counts as one) of which every waiting line would be filled; ``for_sale``: units left for the shelf, ``None``
    for a product that is not counted; ``waves``: how many people in each wave if nobody buys or leaves, for the first 500
    quarters of an hour (``WAVE_EVERY``); ``held_for``: the line that wants all its units at once, for which the rest is kept.
    """

    units: int
    served: tuple[Served, ...]
    passed: tuple[Passed, ...]
    complete: int
    orders: int
    for_sale: int | None
    waves: tuple[int, ...]
    held_for: int | None = None

    @property
    def allocated(self) -> int:
        return sum(line.units for line in self.served)

    @property
    def told(self) -> int:
        return sum(self.waves)


def simulate_arrival(
    *,
    product: Any = None,
    item: StockItem | None = None,
    units: int,
    delivery_id: int | None = None,
    now: datetime | None = None,
) -> Simulation:
    """This will say what would happen if ``units`` of a product arrived now, and change nothing.

    ``product`` or its anchor ``item``; ``delivery_id`` when they come with that delivery, whose pinned lines come first.
    The same plan that a receipt applies. Raises ``InvalidQuantity``, ``NotSellable``.
    """
    units = whole_quantity(units)
    item = item or item_of(product)
    if item is None:
        sellable = sellables.identify(product)
        item = StockItem(content_type_id=sellable.content_type_id, object_id=sellable.object_id)
    return simulate_arrivals(item=item, arrivals=[(units, delivery_id)], now=now)[0]


def simulate_arrivals(
    *, item: StockItem, arrivals: Iterable[tuple[int, int | None]], now: datetime | None = None
) -> list[Simulation]:
    """The same for several arrivals of one item, as (units, delivery id): each meets the queue that those before it left.

    Reads the shelf now. Raises ``InvalidQuantity``, ``StockUnreadable``.
    """
    house = _House(item, now or timezone.now())
    return [house.receive(whole_quantity(units, least=0), delivery_id) for units, delivery_id in arrivals]


class _House:
    """One item's shelf and queue while arrivals are booked in thought, as ``services.stock`` would book them."""

    def __init__(self, item: StockItem, now: datetime) -> None:
        self.item, self.now = copy(item), now
        self.item.seen_quantity = read_shelf(item)
        self.queue = queue_of(item.id)
        self.lines = {line.id: line for line in Backorder.objects.waiting().filter(item_id=item.id).in_line()}
        self.to_come: dict[int, int] = {}
        if item.pinned_units:
            expected = Delivery.objects.open().filter(item_id=item.id)
            self.to_come = {delivery.id: delivery.outstanding for delivery in expected}

    def receive(self, units: int, delivery_id: int | None) -> Simulation:
        self._put(units)
        shares = plan(
            queue=self.queue,
            units=self._units_for_queue(),
            rule=rule_in_force(),
            delivery_id=delivery_id,
            open_pins=open_pins(self.item.id, but=delivery_id),
        )
        self.queue = rest_of(queue=self.queue, shares=shares)
        self._give(shares.units)
        self._count_pins(units, delivery_id)
        return self._seen(units, shares)

    def _put(self, units: int) -> None:
        adapter = adapter_of(self.item)
        if self.item.seen_quantity is not None:
            self.item.seen_quantity += units
        elif adapter is not None and not adapter.keeps_stock:
            self.item.seen_quantity = units  # a number that we keep begins to count with its first delivery

    def _units_for_queue(self) -> int:
        if self.item.releases_at is not None and self.now < self.item.releases_at:
            return 0
        owed = self.item.queued_units
        return owed if self.item.seen_quantity is None else min(owed, units_on_shelf(self.item))

    def _give(self, units: int) -> None:
        self.item.queued_units -= units
        if self.item.seen_quantity is not None:
            self.item.seen_quantity -= units

    def _count_pins(self, units: int, delivery_id: int | None) -> None:
        """What deliveries of their own still bring to those who wait for these alone: it is not owed by the shelf."""
        if delivery_id in self.to_come:
            self.to_come[delivery_id] = max(0, self.to_come[delivery_id] - units)
        wanted: Counter[int | None] = Counter()
        for line in self.queue:
            wanted[line.pinned_to] += line.needs
        self.item.pinned_units = sum(min(units, wanted[delivery]) for delivery, units in self.to_come.items())

    def _seen(self, units: int, shares: Plan) -> Simulation:
        for_sale = units_for_sale(self.item, self.item.seen_quantity, self.now)
        filled = [self.lines[line_id] for line_id in shares.assigned if line_id not in shares.waiting]
        return Simulation(
            units=units,
            served=tuple(_served(self.lines[line_id], given, shares) for line_id, given in shares.assigned.items()),
            passed=tuple(_passed(self.lines[line_id], needs) for line_id, needs in shares.waiting.items()),
            complete=len(filled),
            orders=_orders_complete(filled),
            for_sale=for_sale,
            waves=tuple(foreseen_waves(self.item, counted(for_sale), self.now)),
            held_for=shares.blocked_by,
        )


def _passed(line: Backorder, needs: int) -> Passed:
    return Passed(backorder_id=line.id, reference=line.reference, needs=needs, promise=line.promise)


def _served(line: Backorder, units: int, shares: Plan) -> Served:
    return Served(
        backorder_id=line.id,
        reference=line.reference,
        email=line.email,
        units=units,
        left=shares.waiting.get(line.id, 0),
    )


def _orders_complete(filled: Iterable[Backorder]) -> int:
    """Orders that would wait for nothing more, in this item or another."""
    filled = list(filled)
    named = {(line.order_reference, line.email_key) for line in filled if line.order_reference}
    still = Backorder.objects.waiting().filter(order_reference__in=[name for name, _ in named])
    open_orders = set(still.exclude(id__in=[line.id for line in filled]).values_list("order_reference", "email_key"))
    return len(named - open_orders) + sum(not line.order_reference for line in filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What taking units away would lead to: ``from_shelf``, then ``from_lines``, of ``lines`` lines that would wait again.

    ``is_booked_by_shop``: its own number is lowered first; only what the shelf has too few of is taken from lines.
    """

    units: int
    from_shelf: int
    from_lines: int
    lines: int
    is_booked_by_shop: bool = False

    @property
    def missing(self) -> int:
        """Units that are not in the house any more."""
        return 0 if self.is_booked_by_shop else self.units - self.from_shelf - self.from_lines


def simulate_loss(*, item: StockItem, units: int) -> Loss:
    """This will say what writing off ``units``, or taking back their receipt, would lead to, and change nothing.

    Raises ``InvalidQuantity``, ``StockUnreadable``.
    """
    units, shelf, is_moved = whole_quantity(units), read_shelf(item), moves_units(item)
    from_shelf = _within(shelf, units) if is_moved else 0
    wanted = units - from_shelf if is_moved else item.held_units - _within(shelf, item.held_units)
    taken = shortage(holders=map(holding_of, Backorder.objects.filter(item=item).owed()), units=wanted)
    return Loss(
        units=units,
        from_shelf=from_shelf,
        from_lines=sum(taken.values()),
        lines=len(taken),
        is_booked_by_shop=not is_moved,
    )


def _within(shelf: Reading, units: int) -> int:
    """As many of ``units`` as the shelf has; a product that is not counted has them all."""
    return units if shelf is None else min(units, shelf)
