"""Counters that list pages read, computed anew from the rows they sum up; every difference is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, Sum
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.allocation import stands_at
from backorders.models import Allocation, Backorder, Delivery, Hold, StockItem
from backorders.models.backorders import NEEDS
from backorders.queries.backorders import standing_of
from backorders.queries.stock import adapter_of
from backorders.services.locks import locked_item, whole
from backorders.services.promises import WRITTEN_BY_NOTE_NEXT, keep_promises, note_next
from backorders.services.shelf import Shelf
from backorders.services.wake import wake


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A number that was not what its rows say. ``backorder_id`` is ``None`` for a counter of the item."""

    item_id: int
    field: str
    stored: object
    computed: object
    backorder_id: int | None = None

    def __str__(self) -> str:
        whose = f"backorder {self.backorder_id}" if self.backorder_id else f"item {self.item_id}"
        return f"{whose}: {self.field} was {self.stored}, the rows say {self.computed}"


def repair_counters(
    *, item_ids: Iterable[int] | None = None, dry_run: bool = False, now: datetime | None = None
) -> Iterator[Drift]:
    """This will recompute every counter from its rows, item by item, and yield each one that had drifted.

    Lines first (what they were given, where they stand), then items (owed, held, on hold, pinned, on their way, the next unit).
    ``item_ids``: only these; else every item that owes anything, has anything on its way, or says that it does.
    ``dry_run`` only tells. Each item is one transaction, so that the shop goes on meanwhile.
    """
    now = now or timezone.now()
    for item_id in _doubtful() if item_ids is None else item_ids:
        yield from _repair_one(item_id, dry_run, now)


def _doubtful() -> Iterator[int]:
    """Page by page in key order, so that repairing an item never disturbs the reading."""
    lines = Backorder.objects.filter(item=OuterRef("pk")).exclude(state__in=["shipped", "cancelled"])
    deliveries = Delivery.objects.open().filter(item=OuterRef("pk"))
    says_so = Q(queued_units__gt=0) | Q(held_units__gt=0) | Q(inbound_units__gt=0) | Q(pinned_units__gt=0)
    holds = Hold.objects.open().filter(item=OuterRef("pk"))
    rows = StockItem.objects.filter(
        says_so
        | Q(on_hold_units__gt=0)
        | Exists(holds)
        | Q(next_latest__isnull=False)
        | Q(next_units__gt=0)
        | Exists(lines)
        | Exists(deliveries)
    ).order_by("id")
    last = 0
    while ids := list(rows.filter(id__gt=last).values_list("id", flat=True)[:500]):
        yield from ids
        last = ids[-1]


@whole
def _repair_one(item_id: int, dry_run: bool, now: datetime) -> list[Drift]:
    item = locked_item(item_id)
    drifts = [*_lines(item), *_counters(item, now)]
    if dry_run or not drifts:
        return drifts
    for drift in drifts:
        if drift.backorder_id:
            Backorder.objects.filter(id=drift.backorder_id).update(**{drift.field: drift.computed})
    after = _counters(item, now)
    for drift in after:
        setattr(item, drift.field, drift.computed)
    item.needs_look = True
    item.save()
    keep_promises(item=item, now=now)
    wake("look_at_item", item_id=item.id)
    return [drift for drift in drifts if drift.backorder_id] + after


def _lines(item: StockItem) -> Iterator[Drift]:
    """What each open line was given, by the ledger, and where it stands, by its priority."""
    lines = list(Backorder.objects.filter(item=item).exclude(state__in=["shipped", "cancelled"]))
    given = dict(
        Allocation.objects.filter(backorder__in=lines)
        .order_by()
        .values_list("backorder")
        .annotate(units=Sum("quantity"))
    )
    for line in lines:
        rank_class, rank_at = stands_at(line.placed_at, line.priority, leap=conf.priority_leap)
        has = given.get(line.id, 0)
        wanted = {
            "allocated_quantity": has,
            "rank_class": rank_class,
            "rank_at": rank_at,
            "state": _state(line.quantity - line.cancelled_quantity - has, has - line.shipped_quantity),
        }
        for field, computed in wanted.items():
            if getattr(line, field) != computed:
                yield Drift(
                    item_id=item.id,
                    backorder_id=line.id,
                    field=field,
                    stored=getattr(line, field),
                    computed=computed,
                )


def _state(needs: int, ready: int) -> str:
    if needs > 0:
        return Backorder.State.WAITING.value
    return (Backorder.State.FILLED if ready else Backorder.State.SHIPPED).value


def _counters(item: StockItem, now: datetime) -> list[Drift]:
    lines = Backorder.objects.filter(item=item)
    queued = lines.waiting().aggregate(units=Sum(NEEDS, default=0))["units"]
    ready = lines.owed().aggregate(units=Sum(F("allocated_quantity") - F("shipped_quantity"), default=0))["units"]
    computed = {
        "queued_units": queued,
        "held_units": 0 if adapter_of(item) is None or Shelf(item).moves else ready,
        "on_hold_units": Hold.objects.open().filter(item=item).aggregate(units=Sum("units", default=0))["units"],
        "has_ranks": item.has_ranks or lines.waiting().exclude(priority=0).exists(),
    }
    copy = StockItem(**{field.attname: getattr(item, field.attname) for field in item._meta.concrete_fields})
    for field, value in computed.items():
        setattr(copy, field, value)
    note_next(copy, standing_of(copy, now=now))
    computed |= {field: getattr(copy, field) for field in WRITTEN_BY_NOTE_NEXT}
    return [
        Drift(item_id=item.id, field=field, stored=getattr(item, field), computed=value)
        for field, value in computed.items()
        if getattr(item, field) != value
    ]
