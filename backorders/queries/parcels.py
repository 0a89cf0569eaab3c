"""What a cart would become if it were ordered now. At most four queries, whatever is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.db.models import Q
from django.utils import timezone

from backorders.domain.availability import Availability
from backorders.domain.parcels import Outlook, Share
from backorders.domain.promises import Lead, Standing
from backorders.domain.units import whole_quantity
from backorders.models import StockItem
from backorders.queries.availability import availability_for, shelves_of, shop_today
from backorders.queries.backorders import released_on
from backorders.queries.calendars import shop_calendar, working_day_of
from backorders.queries.supply import Coming, coming_for
from backorders.shop import Sellable, sellables


class CartLine(Protocol):
    """A line of the shop's cart, or a ``checkout.Line``."""

    @property
    def product(self) -> Any: ...

    @property
    def quantity(self) -> int: ...


def outlook_for(
    lines: Iterable[CartLine],
    now: datetime | None = None,
    *,
    holds: Iterable[str] = (),
    answers: Mapping[Any, Availability] | None = None,
) -> Outlook:
    """This will say what ships now and what later of a whole cart, and when: what ``check_out`` would promise for it.

    Each line has a ``product`` and a ``quantity``; several of one product share what is there, the first one first. One
    query for what is known already, three more where something has to follow (one more again where a product does not carry its stock
    number). ``holds``: tokens of the visitor's; ``answers``: availability that is at hand, so that it is not
    asked again. Raises ``NotSellable``, ``InvalidQuantity``.
    """
    now, lines = now or timezone.now(), list(lines)
    for line in lines:
        whole_quantity(line.quantity)
    if answers is None:
        answers = availability_for([line.product for line in lines], now, holds=holds)
    needs: dict[Any, int] = {}
    for line in lines:
        needs[line.product] = needs.get(line.product, 0) + line.quantity
    short = [product for product, units in needs.items() if not answers[product].for_sale.covers(units)]
    queues = _queues_for({each: answers[each] for each in short if answers[each].to_order}, now)
    counters = {product: Counter(answers[product], asked, queues.get(product)) for product, asked in needs.items()}
    return Outlook(tuple(counters[line.product].serve(line, now) for line in lines))


@dataclass(frozen=True, slots=True)
class Queue:
    """The line of one product as a newcomer finds it: ``behind`` units are before them."""

    standing: Standing
    behind: int


@dataclass(slots=True)
class Counter:
    """One product at the till, line after line. ``asked``: units of it in the whole cart."""

    answer: Availability
    asked: int
    queue: Queue | None
    here: int = field(default=0, init=False)
    later: int = field(default=0, init=False)

    def serve(self, line: CartLine, now: datetime) -> Share:
        if not self.answer.covers(self.asked):
            return Share(product=line.product, quantity=line.quantity, is_possible=False)
        here = self.answer.for_sale.less(self.here).at_most(line.quantity)
        self.here += here
        later = line.quantity - here
        if not later:
            return Share(product=line.product, quantity=line.quantity, now=here)
        self.later += later
        window = self.answer.window
        if self.queue is not None:
            unit = self.queue.behind + self._off_the_shelf + self.later
            window = self.queue.standing.promise_for(unit, asked_on=working_day_of(now))
        return Share(product=line.product, quantity=line.quantity, now=here, later=later, window=window)

    @property
    def _off_the_shelf(self) -> int:
        """Units taken that were anybody's; those put aside for this visitor never counted as free."""
        assert self.queue is not None  # noqa: S101 - the caller asked
        return min(self.here, max(0, self.queue.standing.on_shelf - self.queue.behind))


def _queues_for(answers: Mapping[Any, Availability], now: datetime) -> dict[Any, Queue]:
    """The lines of some products; one that we never touched has none, and its first date is that of all."""
    items = _items_of(list(answers))
    if not items:
        return {}
    today = shop_today(now)
    shelves = shelves_of(items.values())
    dated = {item.id for item in items.values() if item.inbound_units}
    has_pins = any(item.pinned_units for item in items.values())
    coming = coming_for(dated, today=today, with_pins=has_pins) if dated else {}
    return {
        product: _queue(item, answers[product], shelves[item.id], coming.get(item.id, Coming()), now)
        for product, item in items.items()
    }


def _queue(item: StockItem, answer: Availability, shelf: int, coming: Coming, now: datetime) -> Queue:
    terms = answer.terms
    standing = Standing(
        horizon=coming.horizon,
        today=shop_today(now),
        on_shelf=shelf - item.held_units - item.on_hold_units - terms.safety_stock,
        releases_on=released_on(item),
        lead=None if terms.lead_days is None else Lead(days=terms.lead_days, calendar=shop_calendar()),
        overdue=coming.overdue,
        pinned_overdue=coming.pinned_overdue,
    )
    return Queue(standing=standing, behind=item.queued_units - item.pinned_units)


def _items_of(products: list[Any]) -> dict[Any, StockItem]:
    """Our anchors of some products, by product (one query)."""
    if not products:
        return {}
    named: dict[Sellable, Any] = dict(zip(sellables.identify_many(products), products, strict=True))
    keys: dict[int, list[str]] = {}
    for sellable in named:
        keys.setdefault(sellable.content_type_id, []).append(sellable.object_id)
    wanted = Q()
    for type_id, object_ids in keys.items():
        wanted |= Q(content_type_id=type_id, object_id__in=object_ids)
    rows = {(item.content_type_id, item.object_id): item for item in StockItem.objects.filter(wanted)}
    found = {}
    for sellable, product in named.items():
        item = rows.get((sellable.content_type_id, sellable.object_id))
        if item is not None:
            item.product = product
            found[product] = item
    return found
