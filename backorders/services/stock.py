"""The shelf changed: see it once, serve the queue, then tell people. Every way of noticing ends in ``_settle``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from backorders.conf import conf
from backorders.domain.references import BOOKING, checked_reference
from backorders.domain.units import whole_quantity
from backorders.errors import InvalidPolicy, NotEnoughLeft, StockUnreadable
from backorders.models import Restock, StockEvent, StockItem
from backorders.queries.availability import terms_of_item, with_category_terms
from backorders.queries.stock import adapter_of, moves_units, read_shelf, units_for_sale
from backorders.services.allocation import fill_queue, note_leaving, take_back, would_give
from backorders.services.announce import announce
from backorders.services.locks import anchor_of, locked_item, whole
from backorders.services.moments import moment
from backorders.services.promises import keep_promises, refresh_next
from backorders.services.shelf import Shelf
from backorders.services.wake import one_hint_each
from backorders.services.waves import break_holds, close_restock, open_restock
from backorders.shop import Adapter, Reading, sellables
from backorders.shop.adapters import whole_units
from backorders.signals import stock_arrived

log = logging.getLogger(__name__)

_CHUNK = 2000

BY_HAND = "hand"
"""The source of a number that people typed, as opposed to one that was seen in the shop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one look at the shelf led to. ``for_sale`` is ``None`` for a product that is not counted."""

    item_id: int
    before: Reading
    after: Reading
    allocated: int
    for_sale: Reading


@dataclass(slots=True)
class Swept:
    """What a sweep did. ``unreadable``: items whose stock number is none; they keep the last good one."""

    looked_at: int = 0
    settled: list[Settled] = field(default_factory=list)
    unreadable: list[StockUnreadable] = field(default_factory=list)


def stock_changed(product: Any, *, source: str = "call", now: datetime | None = None) -> Settled | None:
    """This will look at the shelf of ``product`` now: serve its queue, then have people told of what is left.

    Call it after the shop's own stock edit, as often as you like: it compares with what was seen last and does nothing
    twice. Inside a transaction the look is taken after the commit and ``None`` is returned, for the shop's row must not
    be locked before ours. Raises ``NotSellable`` and, outside a transaction, ``StockUnreadable`` (nothing is stored then).
    """
    sellables.identify(product)
    if not _is_inside_a_transaction():
        return _look_at_product(product, source, moment(now))

    def look() -> None:
        _look_at_product(product, source, moment(now))

    transaction.on_commit(look, robust=True)
    return None


def _is_inside_a_transaction() -> bool:
    """One of the shop's own, as opposed to the one that Django's TestCase wraps around a test."""
    return any(not getattr(block, "_from_testcase", False) for block in transaction.get_connection().atomic_blocks)


@transaction.atomic
def _look_at_product(product: Any, source: str, now: datetime) -> Settled:
    return _settle(locked_item(anchor_of(product).id), now=now, source=source)


@whole
def look_at(*, item_id: int, source: str = "look", now: datetime | None = None) -> Settled:
    """This will do what ``stock_changed`` does, for an anchor."""
    return _settle(locked_item(item_id), now=moment(now), source=source)


def hint(product: Any) -> None:
    """This will compare one saved product with what was seen last, with two cheap reads, and look closer only on a change."""
    sellable = sellables.identify(product)
    rows = StockItem.objects.of(sellable).filter(is_watched=True)
    item = rows.first()
    if item is None:
        return
    shelf = read_shelf(item)
    if item.needs_look or shelf != item.seen_quantity:
        look_at(item_id=item.id, source="save")
    elif shelf != 0:  # with an empty shelf no restock is open
        Restock.objects.look_again([item.id])  # its price may be another


def sweep_stock(*, now: datetime | None = None) -> Swept:
    """This will compare every watched item with the shop's stock, in bulk, and settle those that differ.

    The guarantee behind all hints: it sees ``update()``, ``bulk_update``, raw SQL and other programs. What comes and goes
    between two sweeps is not seen, and nobody is mailed of it.
    """
    now = moment(now)
    swept = Swept()
    with one_hint_each():
        for group in _watched():
            swept.looked_at += len(group)
            for item_id in _changed(group, swept, now):
                _settle_one(item_id, swept, now)
    return swept


class Watched(NamedTuple):
    """The columns of ``StockItem`` that tell whether an item needs a closer look."""

    id: int
    content_type_id: int
    object_id: str
    own_quantity: int | None
    seen_quantity: int | None
    for_sale: int | None
    held_units: int
    on_hold_units: int
    queued_units: int
    safety_stock: int | None
    releases_at: datetime | None
    needs_look: bool
    problem: str

    def is_quiet(self, shelf: Reading) -> bool:
        """Exactly as it was left, with nothing owed and no release to come: nearly every item, nearly always."""
        is_owed = self.held_units or self.on_hold_units or self.queued_units
        is_plain = not is_owed and self.releases_at is None
        is_well = not self.needs_look and not self.problem
        if shelf != self.seen_quantity or not is_plain or not is_well:
            return False
        kept_back = conf.safety_stock if self.safety_stock is None else self.safety_stock
        return self.for_sale == (shelf if shelf is None else max(0, shelf - kept_back))


def _watched() -> Iterator[list[Watched]]:
    """Page by page in key order, so that settling an item never disturbs the reading."""
    last = 0
    watched = StockItem.objects.filter(is_watched=True).order_by("id").values_list(*Watched._fields)
    while group := [Watched._make(row) for row in watched.filter(id__gt=last)[:_CHUNK]]:
        yield group
        last = group[-1].id


def _changed(group: list[Watched], swept: Swept, now: datetime) -> Iterator[int]:
    by_type: dict[int, list[Watched]] = {}
    for item in group:
        by_type.setdefault(item.content_type_id, []).append(item)
    for type_id, items in by_type.items():
        if adapter := sellables.by_content_type.get(type_id):
            try:
                yield from _changed_of(adapter, items, swept, now)
            except Exception:  # one adapter's trouble (a warehouse that is down, say) never stops the others
                log.exception("The stock of %s could not be read; the next sweep tries again.", adapter.label)


def _changed_of(adapter: Adapter, items: list[Watched], swept: Swept, now: datetime) -> list[int]:
    keys = adapter.keys_from_texts(item.object_id for item in items)
    stock = adapter.stock(list(keys.values())) if adapter.keeps_stock else {}
    doubtful: dict[int, Reading] = {}
    for item in items:
        raw = stock.get(keys.get(item.object_id), 0) if adapter.keeps_stock else item.own_quantity
        if type(raw) is int and item.is_quiet(raw):
            continue
        try:
            doubtful[item.id] = whole_units(raw, label=adapter.label, pk=item.object_id)
        except StockUnreadable as problem:
            _note_problem(item, problem, swept)
    rows = list(StockItem.objects.filter(id__in=list(doubtful)).select_related("supplier"))
    with_category_terms(rows)
    return [row.id for row in rows if _needs_settling(row, doubtful[row.id], now)]


def _needs_settling(item: StockItem, shelf: Reading, now: datetime) -> bool:
    is_changed = shelf != item.seen_quantity or units_for_sale(item, shelf, now) != item.for_sale
    is_called_for = item.needs_look or bool(item.problem) or units_for_queue(item, shelf, now) > 0
    return is_changed or is_called_for


def _settle_one(item_id: int, swept: Swept, now: datetime) -> None:
    """One item's trouble never stops the sweep."""
    try:
        swept.settled.append(look_at(item_id=item_id, source="sweep", now=now))
    except Exception:
        log.exception("Stock item %s could not be settled; the next sweep tries again.", item_id)


def _note_problem(item: Watched, problem: StockUnreadable, swept: Swept) -> None:
    swept.unreadable.append(problem)
    if item.problem != str(problem)[:300]:
        log.warning("%s", problem)
        StockItem.objects.filter(id=item.id).update(problem=str(problem)[:300])


def _settle(
    item: StockItem, *, now: datetime, source: str, event: StockEvent | None = None, reason: str = ""
) -> Settled:
    """The one place where a locked item meets its shelf. Idempotent: the same shelf again changes nothing.

    Whatever moved, dates that cannot be kept any more are looked after; ``reason`` is what customers may read of it.
    """
    before, after = item.seen_quantity, read_shelf(item)
    if event is None:
        event = _write_event(item, before, after, source, now)
    item.seen_quantity, item.problem = after, ""
    item.save(update_fields=["seen_quantity", "problem"])
    allocated = _serve_queue(item, after, event, source, now)
    shelf = read_shelf(item) if allocated else after
    item.seen_quantity = shelf
    if shelf is not None and item.on_hold_units > shelf - item.held_units:
        break_holds(item=item, left=max(0, shelf - item.held_units), now=now)
    if item.queued_units or item.inbound_units or item.next_latest is not None:
        refresh_next(item, now=now)
    item.for_sale = units_for_sale(item, shelf, now)
    item.settled_at, item.needs_look = now, False
    item.save(update_fields=["seen_quantity", "for_sale", "settled_at", "needs_look"])
    if item.for_sale == 0 and not item.on_hold_units:
        close_restock(item=item, now=now)
    elif item.is_watched and item.for_sale != 0:
        units = None if item.for_sale is None else item.for_sale + item.on_hold_units
        open_restock(item=item, units=units, now=now)
    if not _has_yet_to_show(item, event):
        keep_promises(item=item, now=now, reason=reason)
    return Settled(item_id=item.id, before=before, after=shelf, allocated=allocated, for_sale=item.for_sale)


def _has_yet_to_show(item: StockItem, event: StockEvent | None) -> bool:
    """Goods that came where the shop books its own: their delivery is closed, and its number will rise in a moment.

    Nobody's date is given up in between; the look at the risen number does what is left to do.
    """
    arrives = event is not None and event.kind in (StockEvent.Kind.RECEIVED, StockEvent.Kind.RETURNED)
    return arrives and not moves_units(item)


def _write_event(item: StockItem, before: Reading, after: Reading, source: str, now: datetime) -> StockEvent | None:
    """A line in the ledger when the shelf differs from what we last saw; the first look at an item is no change."""
    if before == after or item.settled_at is None:
        return None
    quantity = (after or 0) - (before or 0)
    if quantity > 0:
        announce(stock_arrived, item_id=item.id, units=quantity)
    return StockEvent.objects.create(
        item=item,
        kind=StockEvent.Kind.SET if source == BY_HAND else StockEvent.Kind.SEEN,
        before=before,
        after=after,
        quantity=quantity,
        source=source,
        happened_at=now,
    )


def units_for_queue(item: StockItem, shelf: Reading, now: datetime) -> int:
    """Units on the shelf that the queue may have now: none before a release, none that are held for somebody or kept back."""
    if not item.queued_units or (item.releases_at is not None and now < item.releases_at):
        return 0
    if shelf is None:
        return item.queued_units
    return max(0, shelf - item.held_units - item.on_hold_units - terms_of_item(item).safety_stock)


def _serve_queue(item: StockItem, shelf: Reading, event: StockEvent | None, source: str, now: datetime) -> int:
    units = units_for_queue(item, shelf, now)
    delivery_id = event.delivery_id if event is not None else None
    if not units or not would_give(item_id=item.id, units=units, delivery_id=delivery_id):
        return 0
    if event is None or event.kind in _TAKES_BACK:
        event = StockEvent.objects.create(
            item=item, kind=StockEvent.Kind.SEEN, before=shelf, after=shelf, source=source, happened_at=now
        )
    return fill_queue(item=item, units=units, event=event, now=now)


_TAKES_BACK = (StockEvent.Kind.WRITTEN_OFF, StockEvent.Kind.UNDONE)
"""Units were taken from lines under these; what is given afterwards is booked under an event of its own."""


def settle_after(*, item: StockItem, event: StockEvent, now: datetime, reason: str = "") -> Settled:
    """This will settle a locked item whose shelf was just changed by ``event``, in the caller's transaction."""
    return _settle(item, now=now, source=event.source, event=event, reason=reason)


def put_on_shelf(*, item: StockItem, units: int, kind: StockEvent.Kind, now: datetime, **about: Any) -> StockEvent:
    """This will book units onto the shelf of a locked item where we can: the shop's own column, or the number we keep.

    Where the shop books its own stock nothing is written; the queue is served, and the arrival announced, when its number rises.
    """
    shelf, before = Shelf(item), read_shelf(item)
    shelf.put(units)
    item.save(update_fields=["own_quantity"])
    if shelf.moves:
        announce(stock_arrived, item_id=item.id, units=units)
    return StockEvent.objects.create(
        item=item, kind=kind, before=before, after=shelf.read(), quantity=units, happened_at=now, **about
    )


def take_off_shelf(*, item: StockItem, units: int, seen: Reading, now: datetime) -> bool:
    """This will take units off the shelf of a locked item for an order; ``False`` when they are not there any more.

    ``seen``: what the caller has just read there. Where neither we nor the adapter can move the shop's number, the shop's
    own order code does, in the same transaction; that it will is noted here.
    """
    shelf = Shelf(item)
    if shelf.moves and not shelf.take_of(units, seen):
        return False
    note_leaving(item=item, units=units, seen=seen, now=now)
    return True


@whole
def set_on_hand(*, product: Any, quantity: int | None, now: datetime | None = None) -> Settled:
    """This will set the number we keep for a product whose shop has none; ``None`` stops counting it.

    Raises ``InvalidQuantity``, and ``InvalidPolicy`` for a product whose shop keeps the number itself.
    """
    now = moment(now)
    item = locked_item(anchor_of(product).id)
    adapter = adapter_of(item)
    if adapter is None or adapter.keeps_stock:
        raise InvalidPolicy(f"{product} has a stock number of its own in the shop. Change it there.")
    item.own_quantity = None if quantity is None else whole_quantity(quantity, least=0)
    item.save(update_fields=["own_quantity"])
    return _settle(item, now=now, source=BY_HAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What booking units in or out by hand led to. ``was_repeated``: this reference had been booked before, nothing was done."""

    item_id: int
    units: int
    settled: Settled | None
    was_repeated: bool = False


@whole
def return_units(
    *, product: Any, quantity: int, reason: str = "", reference: str = "", now: datetime | None = None
) -> Booked:
    """This will book goods that customers sent back: to the queue first, and only what is left to the shelf.

    A ``reference`` makes it idempotent. Raises ``InvalidQuantity``, ``NotSellable``.
    """
    now, units = moment(now), whole_quantity(quantity)
    checked_reference(reference, longest=BOOKING)
    item = locked_item(anchor_of(product).id)
    if _is_booked(item, StockEvent.Kind.RETURNED, reference):
        return Booked(item_id=item.id, units=0, settled=None, was_repeated=True)
    event = put_on_shelf(
        item=item,
        units=units,
        kind=StockEvent.Kind.RETURNED,
        now=now,
        reference=reference,
        note=reason[:200],
        source=BY_HAND,
    )
    return Booked(item_id=item.id, units=units, settled=settle_after(item=item, event=event, now=now))


@whole
def write_off(
    *, product: Any, quantity: int, reason: str = "", reference: str = "", now: datetime | None = None
) -> Booked:
    """This will book goods that are broken or lost: off the shelf first, then from those who stand last in the queue.

    Where the shop books its own stock, lower its number first. ``reason`` may be read by customers whose date moves; a
    ``reference`` makes it idempotent. Raises ``NotEnoughLeft``, ``InvalidQuantity``, ``NotSellable``.
    """
    now, units = moment(now), whole_quantity(quantity)
    checked_reference(reference, longest=BOOKING)
    item = locked_item(anchor_of(product).id)
    if _is_booked(item, StockEvent.Kind.WRITTEN_OFF, reference):
        return Booked(item_id=item.id, units=0, settled=None, was_repeated=True)
    event = take_from_house(
        item=item,
        units=units,
        kind=StockEvent.Kind.WRITTEN_OFF,
        now=now,
        reference=reference,
        note=reason[:200],
        source=BY_HAND,
    )
    settled = settle_after(item=item, event=event, now=now, reason=reason)
    return Booked(item_id=item.id, units=units, settled=settled)


def _is_booked(item: StockItem, kind: StockEvent.Kind, reference: str) -> bool:
    return bool(reference) and StockEvent.objects.filter(item=item, kind=kind, reference=reference).exists()


def take_from_house(*, item: StockItem, units: int, kind: StockEvent.Kind, now: datetime, **about: Any) -> StockEvent:
    """This will take units away that are not there after all: off the shelf, then back from the end of the queue.

    Nothing that has left the house. Raises ``NotEnoughLeft``.
    """
    shelf, before = Shelf(item), read_shelf(item)
    from_shelf = shelf.remove(units)
    event = StockEvent.objects.create(item=item, kind=kind, before=before, after=before, happened_at=now, **about)
    missing = units - from_shelf if shelf.moves else shelf.overheld()
    taken = take_back(item=item, units=missing, event=event, now=now) if missing else 0
    if shelf.moves and taken < missing:
        raise NotEnoughLeft(asked=units, possible=from_shelf + taken)
    if not shelf.moves:
        shelf.let_go(taken)
    item.seen_quantity = event.after = shelf.read()
    event.quantity = -from_shelf
    event.save(update_fields=["after", "quantity"])
    item.save(update_fields=["queued_units", "held_units", "own_quantity", "seen_quantity"])
    return event
