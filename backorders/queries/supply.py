"""What is still to come for an item, and whom it will reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import Sum

from backorders.domain.promises import Horizon, Supply, horizon_of
from backorders.domain.windows import Promise, Window, honest
from backorders.models import Backorder, Delivery, StockEvent
from backorders.models.backorders import NEEDS


@dataclass(frozen=True, slots=True)
class Coming:
    """What is on its way for one item.

    ``overdue``: units that are late and for which no day can honestly be named, of which lines that wait for these very
    deliveries take ``pinned_overdue``.
    """

    supplies: tuple[Supply, ...] = ()
    overdue: int = 0
    pinned_overdue: int = 0

    @property
    def horizon(self) -> Horizon:
        return horizon_of(self.supplies)


def coming_for(item_ids: Iterable[int], *, today: date, with_pins: bool = True) -> dict[int, Coming]:
    """The open deliveries of many items, in one query, and one more for the lines that are pinned to some of them."""
    ids = list(item_ids)
    supplies: dict[int, list[Supply]] = {item_id: [] for item_id in ids}
    overdue, pinned_overdue = dict.fromkeys(ids, 0), dict.fromkeys(ids, 0)
    pinned = _pinned_units(ids) if with_pins else {}
    for delivery in Delivery.objects.open().filter(item_id__in=ids).order_by():
        window, units = ships_within(delivery, today=today), delivery.outstanding
        pins = min(units, pinned.get(delivery.id, 0))
        if isinstance(window, Window):
            supplies[delivery.item_id].append(Supply(units=units, window=window, delivery_id=delivery.id, pinned=pins))
        else:
            overdue[delivery.item_id] += units
            pinned_overdue[delivery.item_id] += pins
    return {item_id: Coming(tuple(supplies[item_id]), overdue[item_id], pinned_overdue[item_id]) for item_id in ids}


def ships_within(delivery: Delivery, *, today: date) -> Promise:
    """When goods of a delivery can leave our house; ``OVERDUE`` when there is no day that we could honestly name."""
    return honest(delivery.forecast, today=today)


def _pinned_units(item_ids: list[int]) -> dict[int, int]:
    """Units that lines want from one delivery, by its id."""
    lines = Backorder.objects.waiting().filter(item_id__in=item_ids, pinned_to__state=Delivery.State.EXPECTED)
    return dict(lines.order_by().values_list("pinned_to").annotate(units=Sum(NEEDS)))


def last_receipt(delivery: Delivery) -> StockEvent | None:
    """The last receipt of a delivery that was not taken back, if there is one (one query)."""
    events = list(delivery.events.filter(kind__in=[StockEvent.Kind.RECEIVED, StockEvent.Kind.UNDONE]).order_by("-id"))
    undone = {event.reference for event in events if event.kind == StockEvent.Kind.UNDONE}
    receipts = (event for event in events if event.kind == StockEvent.Kind.RECEIVED)
    return next((receipt for receipt in receipts if undo_mark(receipt) not in undone), None)


def undo_mark(receipt: StockEvent) -> str:
    """The reference of the event that took a receipt back."""
    return f"undo {receipt.pk}"
