"""The shelf changed: see it once, serve the queue, then tell people. Every way of noticing ends in ``_settle``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from backorders.domain.availability import Policy
from backorders.domain.units import whole_quantity
from backorders.errors import InvalidPolicy, StockUnreadable
from backorders.models import StockEvent, StockItem
from backorders.queries.stock import adapter_of, read_shelf, units_for_sale
from backorders.services.announce import announce
from backorders.services.backorders import fill_queue
from backorders.services.locks import anchor_of, locked_item
from backorders.services.shelf import Shelf
from backorders.services.wake import one_hint_each, wake
from backorders.services.waves import close_restock, open_restock
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
        return _look_at_product(product, source, now or timezone.now())

    def look() -> None:
        _look_at_product(product, source, now or timezone.now())

    transaction.on_commit(look, robust=True)
    return None


def _is_inside_a_transaction() -> bool:
    """One of the shop's own, as opposed to the one that Django's TestCase wraps around a test."""
    return any(not getattr(block, "_from_testcase", False) for block in transaction.get_connection().atomic_blocks)


@transaction.atomic
def _look_at_product(product: Any, source: str, now: datetime) -> Settled:
    return _settle(locked_item(anchor_of(product).id), now=now, source=source)


@transaction.atomic
def look_at(*, item_id: int, source: str = "look", now: datetime | None = None) -> Settled:
    """This will do what ``stock_changed`` does, for an anchor."""
    return _settle(locked_item(item_id), now=now or timezone.now(), source=source)


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


def sweep_stock(*, now: datetime | None = None) -> Swept:
    """This will compare every watched item with the shop's stock, in bulk, and settle those that differ.

    The guarantee behind all hints: it sees ``update()``, ``bulk_update``, raw SQL and other programs. What comes and goes
    between two sweeps is not seen, and nobody is mailed of it.
    """
    now = now or timezone.now()
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
    queued_units: int
    releases_at: datetime | None
    needs_look: bool
    problem: str

    def is_quiet(self, shelf: Reading) -> bool:
        """Exactly as it was left, with nothing owed and no release to come: nearly every item, nearly always."""
        is_plain = not self.held_units and not self.queued_units and self.releases_at is None
        is_well = not self.needs_look and not self.problem
        return shelf == self.seen_quantity == self.for_sale and is_plain and is_well


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
    rows = StockItem.objects.filter(id__in=list(doubtful))
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


def _settle(item: StockItem, *, now: datetime, source: str, event: StockEvent | None = None) -> Settled:
    """The one place where a locked item meets its shelf. Idempotent: the same shelf again changes nothing."""
    before, after = item.seen_quantity, read_shelf(item)
    if event is None:
        event = _write_event(item, before, after, source, now)
    item.seen_quantity, item.problem = after, ""
    item.save(update_fields=["seen_quantity", "problem"])
    allocated = _serve_queue(item, after, event, source, now)
    shelf = read_shelf(item) if allocated else after
    item.seen_quantity = shelf
    item.for_sale = units_for_sale(item, shelf, now)
    item.settled_at, item.needs_look = now, False
    item.save(update_fields=["seen_quantity", "for_sale", "settled_at", "needs_look"])
    if item.for_sale == 0:
        close_restock(item=item, now=now)
    elif item.is_watched:
        open_restock(item=item, units=item.for_sale, now=now)
    return Settled(item_id=item.id, before=before, after=shelf, allocated=allocated, for_sale=item.for_sale)


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
    """Units on the shelf that the queue may have now: none before a release, and none that are held for somebody."""
    if not item.queued_units or (item.releases_at is not None and now < item.releases_at):
        return 0
    return item.queued_units if shelf is None else max(0, shelf - item.held_units)


def _serve_queue(item: StockItem, shelf: Reading, event: StockEvent | None, source: str, now: datetime) -> int:
    units = units_for_queue(item, shelf, now)
    if not units:
        return 0
    if event is None:
        event = StockEvent.objects.create(
            item=item, kind=StockEvent.Kind.SEEN, before=shelf, after=shelf, source=source, happened_at=now
        )
    return fill_queue(item=item, units=units, event=event, now=now).units


def settle_after(*, item: StockItem, event: StockEvent, now: datetime) -> Settled:
    """This will settle a locked item whose shelf was just changed by ``event``, in the caller's transaction."""
    return _settle(item, now=now, source=event.source, event=event)


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


def take_off_shelf(*, item: StockItem, units: int, now: datetime) -> bool:
    """This will take units off the shelf of a locked item for an order; ``False`` when they are not there any more.

    Where neither we nor the adapter can move the shop's number, the shop's own order code does; we only look.
    """
    shelf, before = Shelf(item), read_shelf(item)
    if not shelf.take(units):
        return False
    item.seen_quantity = after = shelf.read()
    item.save(update_fields=["seen_quantity", "own_quantity"])
    StockEvent.objects.create(
        item=item, kind=StockEvent.Kind.TAKEN, before=before, after=after, quantity=-units, happened_at=now
    )
    return True


@transaction.atomic
def set_on_hand(*, product: Any, quantity: int | None, now: datetime | None = None) -> Settled:
    """This will set the number we keep for a product whose shop has none; ``None`` stops counting it.

    Raises ``InvalidQuantity``, and ``InvalidPolicy`` for a product whose shop keeps the number itself.
    """
    now = now or timezone.now()
    item = locked_item(anchor_of(product).id)
    adapter = adapter_of(item)
    if adapter is None or adapter.keeps_stock:
        raise InvalidPolicy(f"{product} has a stock number of its own in the shop. Change it there.")
    item.own_quantity = None if quantity is None else whole_quantity(quantity, least=0)
    item.save(update_fields=["own_quantity"])
    return _settle(item, now=now, source=BY_HAND)


@transaction.atomic
def set_selling_policy(
    *,
    product: Any,
    policy: Policy | str | None = None,
    backorder_limit: int | None = None,
    opens_at: datetime | None = None,
    releases_at: datetime | None = None,
    discontinued: bool = False,
    successor: Any = None,
) -> StockItem:
    """This will say what an empty shelf means for one product. ``policy=None``: as the shop's setting says.

    ``backorder_limit=None``: no limit. Instants are aware. Raises ``NotSellable``, ``InvalidQuantity``, ``InvalidPolicy``.
    """
    _refuse_impossible(policy, opens_at, releases_at)
    item = locked_item(anchor_of(product).id)
    item.policy = StockItem.SellingPolicy(Policy(policy).value) if policy else StockItem.SellingPolicy.DEFAULT
    item.backorder_limit = None if backorder_limit is None else whole_quantity(backorder_limit, least=0)
    item.opens_at, item.releases_at = opens_at, releases_at
    item.is_discontinued = discontinued
    item.successor = anchor_of(successor) if successor is not None else None
    item.needs_look = True
    item.save()
    wake("look_at_item", item_id=item.id)
    return item


def _refuse_impossible(policy: Policy | str | None, opens_at: datetime | None, releases_at: datetime | None) -> None:
    for moment in (opens_at, releases_at):
        if moment is not None and timezone.is_naive(moment):
            raise InvalidPolicy(f"{moment!r} has no time zone. Pass an aware datetime.")
    if policy and policy not in list(Policy):
        raise InvalidPolicy(f"{policy!r} is no selling policy. Use one of: {', '.join(Policy)}.")
    if policy == Policy.PREORDER and releases_at is None:
        raise InvalidPolicy("A pre-order needs its release: pass releases_at, or use 'backorder'.")
    if opens_at is not None and releases_at is not None and opens_at >= releases_at:
        raise InvalidPolicy(f"The pre-order opens at {opens_at}, after its release at {releases_at}. Swap the two.")
