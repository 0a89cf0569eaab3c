"""What is on its way: announce it, move it, resize it, split it, receive it, take that back, cancel it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery

from backorders.domain.references import BOOKING, LINE, checked_reference
from backorders.domain.units import whole_quantity
from backorders.domain.windows import Confidence, Window, window_between
from backorders.errors import DeliveryClosed, NotEnoughLeft, OverReceipt, ReferenceTaken
from backorders.models import Backorder, Delivery, DeliveryRevision, Promise, StockEvent, StockItem, Supplier
from backorders.queries.availability import shop_today
from backorders.queries.reliability import dates_kept_by_supplier, forecasts_for
from backorders.queries.supply import undo_mark
from backorders.services.allocation import unpin_surplus
from backorders.services.locks import anchor_of, locked_item, whole
from backorders.services.moments import moment
from backorders.services.promises import keep_promises, refresh_next
from backorders.services.stock import Settled, put_on_shelf, settle_after, take_from_house

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a receipt led to. ``was_repeated``: this reference had been booked before, nothing was done."""

    delivery: Delivery
    units: int
    settled: Settled | None
    was_repeated: bool = False


@whole
def expect_delivery(
    *,
    product: Any,
    quantity: int,
    earliest: date,
    latest: date,
    confidence: Confidence | str = Confidence.ESTIMATED,
    supplier: Supplier | None = None,
    reference: str = "",
    now: datetime | None = None,
) -> Delivery:
    """This will note that ``quantity`` units come between two days (both included, shop time zone).

    Whoever waits without a date gets one. ``supplier`` defaults to the item's usual one. Raises ``InvalidQuantity``,
    ``InvalidWindow``, ``NotSellable``.
    """
    window = window_between(earliest, latest, confidence)
    quantity, now = whole_quantity(quantity), moment(now)
    item = locked_item(anchor_of(product).id)
    delivery = Delivery.objects.create(
        item=item,
        supplier=supplier or item.supplier,
        quantity=quantity,
        earliest_on=window.earliest,
        latest_on=window.latest,
        confidence=window.confidence.value,
        reference=checked_reference(reference, longest=LINE),
        created_at=now,
    )
    _supply_changed(item, delivery, now)
    return delivery


def _supply_changed(item: StockItem, delivery: Delivery, now: datetime, reason: str = "") -> None:
    """What follows from any change of what is on its way: the forecast, the next unit, and dates that cannot be kept."""
    if delivery.state == Delivery.State.EXPECTED:
        _write_forecasts([delivery], today=shop_today(now))
    refresh_next(item, now=now)
    keep_promises(item=item, now=now, reason=reason)


def _write_forecasts(deliveries: list[Delivery], *, today: date) -> None:
    """Store what can be said of open deliveries of locked items now."""
    changed = _with_new_forecasts(deliveries, today=today)
    Delivery.objects.bulk_update(changed, ["forecast_earliest_on", "forecast_latest_on", "is_learned"], batch_size=500)


def _with_new_forecasts(deliveries: list[Delivery], *, today: date) -> list[Delivery]:
    """Those of which something else has to be said than before; it stands on them, unsaved."""
    forecasts = forecasts_for(deliveries, today=today)
    changed = []
    for delivery in deliveries:
        forecast = forecasts[delivery.id]
        window = forecast.window if isinstance(forecast.window, Window) else None
        days = (window.earliest, window.latest) if window else (None, None)
        said = (*days, forecast.is_learned)
        if said != (delivery.forecast_earliest_on, delivery.forecast_latest_on, delivery.is_learned):
            delivery.forecast_earliest_on, delivery.forecast_latest_on, delivery.is_learned = said
            changed.append(delivery)
    return changed


@whole
def move_delivery(
    *, delivery_id: int, earliest: date, latest: date, reason: str = "", now: datetime | None = None
) -> Delivery:
    """This will give a delivery another window and keep the old one on record. The same window again changes nothing.

    ``reason`` may be read by customers whose date moves. Raises ``InvalidWindow``, ``DeliveryClosed``,
    ``Delivery.DoesNotExist``.
    """
    now = moment(now)
    item, delivery = _locked_delivery(delivery_id)
    window = window_between(earliest, latest, delivery.confidence)
    if (delivery.earliest_on, delivery.latest_on) == (window.earliest, window.latest):
        return delivery
    _revise(delivery, DeliveryRevision.Kind.MOVED, reason, now, window=window)
    _supply_changed(item, delivery, now, reason)
    return delivery


@whole
def resize_delivery(*, delivery_id: int, quantity: int, reason: str = "", now: datetime | None = None) -> Delivery:
    """This will note that a delivery brings another number of units in all, those received already included.

    Fewer: the end of the queue gets later dates. Raises ``InvalidQuantity`` below what has been received, ``DeliveryClosed``.
    """
    now = moment(now)
    item, delivery = _locked_delivery(delivery_id)
    quantity = whole_quantity(quantity, least=delivery.received_quantity + 1)
    if quantity == delivery.quantity:
        return delivery
    _revise(delivery, DeliveryRevision.Kind.RESIZED, reason, now, quantity=quantity)
    unpin_surplus(item=item, delivery=delivery)
    _supply_changed(item, delivery, now, reason)
    return delivery


@whole
def split_delivery(
    *, delivery_id: int, quantity: int, earliest: date, latest: date, reason: str = "", now: datetime | None = None
) -> Delivery:
    """This will let ``quantity`` units of a delivery come in another window, as a delivery of their own, which is returned.

    Raises ``InvalidQuantity`` unless units are left on both sides, ``InvalidWindow``, ``DeliveryClosed``.
    """
    now = moment(now)
    item, delivery = _locked_delivery(delivery_id)
    window = window_between(earliest, latest, delivery.confidence)
    whole_quantity(quantity)
    whole_quantity(delivery.outstanding - quantity)
    _revise(delivery, DeliveryRevision.Kind.SPLIT, reason, now, quantity=delivery.quantity - quantity)
    later = Delivery.objects.create(
        item=item,
        supplier=delivery.supplier,
        quantity=quantity,
        earliest_on=window.earliest,
        latest_on=window.latest,
        confidence=delivery.confidence,
        reference=delivery.reference,
        created_at=now,
    )
    unpin_surplus(item=item, delivery=delivery)
    _write_forecasts([delivery, later], today=shop_today(now))
    _supply_changed(item, delivery, now, reason)
    return later


def _revise(
    delivery: Delivery,
    kind: DeliveryRevision.Kind,
    reason: str,
    now: datetime,
    *,
    window: Window | None = None,
    quantity: int | None = None,
) -> None:
    """Write down what changed, and change it."""
    window = window or delivery.window
    quantity = delivery.quantity if quantity is None else quantity
    DeliveryRevision.objects.create(
        delivery=delivery,
        kind=kind,
        from_earliest=delivery.earliest_on,
        from_latest=delivery.latest_on,
        to_earliest=window.earliest,
        to_latest=window.latest,
        from_quantity=delivery.quantity,
        to_quantity=quantity,
        reason=reason[:200],
        revised_at=now,
    )
    delivery.earliest_on, delivery.latest_on, delivery.quantity = window.earliest, window.latest, quantity
    delivery.save(update_fields=["earliest_on", "latest_on", "quantity"])


@whole
def receive_delivery(
    *,
    delivery_id: int,
    quantity: int | None = None,
    reference: str = "",
    accept_more: bool = False,
    now: datetime | None = None,
) -> Arrival:
    """This will book a delivery in: onto the shelf, to the queue, and what is left to the people who wait.

    ``quantity`` defaults to all that is outstanding; less leaves the rest expected, more needs ``accept_more``. A
    ``reference`` makes the receipt idempotent: posted twice, it counts once, until it is taken back. Raises
    ``InvalidQuantity``, ``OverReceipt``, ``ReferenceTaken`` for a known reference with another quantity,
    ``DeliveryClosed``, ``Delivery.DoesNotExist``.
    """
    now = moment(now)
    checked_reference(reference, longest=BOOKING)
    if quantity is not None:
        whole_quantity(quantity)
    item, delivery = _locked_delivery(delivery_id, may_be_closed=bool(reference))
    if _is_booked(delivery, reference, quantity):
        return Arrival(delivery=delivery, units=0, settled=None, was_repeated=True)
    _refuse_closed(delivery)
    units = whole_quantity(delivery.outstanding if quantity is None else quantity)
    if units > delivery.outstanding and not accept_more:
        raise OverReceipt(delivery_id=delivery.id, expected=delivery.outstanding, quantity=units)
    _judge(delivery, now)
    delivery.arrived_on = delivery.arrived_on or shop_today(now)
    delivery.received_quantity += units
    if delivery.received_quantity >= delivery.quantity:
        delivery.state, delivery.closed_at = Delivery.State.RECEIVED, now
    delivery.save()
    event = put_on_shelf(
        item=item,
        units=units,
        kind=StockEvent.Kind.RECEIVED,
        now=now,
        delivery=delivery,
        reference=reference,
        source="receipt",
    )
    settled = settle_after(item=item, event=event, now=now)
    if unpin_surplus(item=item, delivery=delivery):  # what came could not be handed out yet: it waits for nobody alone
        refresh_next(item, now=now)
        keep_promises(item=item, now=now)
    return Arrival(delivery=delivery, units=units, settled=settled)


def _is_booked(delivery: Delivery, reference: str, quantity: int | None) -> bool:
    """Was this very receipt booked before? Whoever repeats it without a quantity means the one it had."""
    event = StockEvent.objects.filter(delivery=delivery, reference=reference).first() if reference else None
    if event is None:
        return False
    is_receipt = event.kind == StockEvent.Kind.RECEIVED
    if is_receipt and quantity in (None, event.quantity):
        return True
    refusal = ReferenceTaken(reference)
    if is_receipt:
        refusal.args = (
            f"Receipt {reference!r} of delivery {delivery.id} was booked with {event.quantity} units, not {quantity}. "
            "Give another receipt a reference of its own, or undo the first one.",
        )
    raise refusal


def _judge(delivery: Delivery, now: datetime) -> None:
    """Remember the window that stood half-way between its announcement and now: by that one the supplier is judged."""
    if delivery.judged_latest_on is not None:
        return
    half_way = delivery.created_at + (now - delivery.created_at) / 2
    later = delivery.revisions.filter(revised_at__gt=half_way).order_by("id").first()
    stood = (later.from_earliest, later.from_latest) if later else (delivery.earliest_on, delivery.latest_on)
    delivery.judged_earliest_on, delivery.judged_latest_on = stood


@whole
def undo_receipt(
    *, delivery_id: int, reference: str = "", quantity: int | None = None, reason: str = "", now: datetime | None = None
) -> Arrival:
    """This will take a receipt back: goods that were booked and are not there. The delivery is expected again.

    One that was cancelled stays cancelled. ``reference`` names the receipt, else it is the last one; ``quantity``
    defaults to all of it. Units leave the shelf first, then those who stand last in the queue. A receipt is taken back
    once: repeated, it does nothing more. Taken back as a whole, its reference is free for the corrected one. Raises
    ``NotEnoughLeft`` when so many are not in the house any more, ``StockEvent.DoesNotExist`` for an unknown receipt.
    """
    now = moment(now)
    item, delivery = _locked_delivery(delivery_id, may_be_closed=True)
    receipt = _receipt_of(delivery, reference)
    mark = undo_mark(receipt)
    if StockEvent.objects.filter(delivery=delivery, reference=mark).exists():
        return Arrival(delivery=delivery, units=0, settled=None, was_repeated=True)
    units = receipt.quantity if quantity is None else whole_quantity(quantity)
    if units > receipt.quantity:
        raise NotEnoughLeft(asked=units, possible=receipt.quantity)
    event = take_from_house(
        item=item,
        units=units,
        kind=StockEvent.Kind.UNDONE,
        now=now,
        delivery=delivery,
        reference=mark,
        source="receipt",
    )
    if receipt.reference and units == receipt.quantity:
        receipt.reference = _undone_name(receipt.reference, receipt)
        receipt.save(update_fields=["reference"])
    _count_back(delivery, units)
    if delivery.state == Delivery.State.EXPECTED:
        _write_forecasts([delivery], today=shop_today(now))
    settled = settle_after(item=item, event=event, now=now, reason=reason)
    refresh_next(item, now=now)
    return Arrival(delivery=delivery, units=-units, settled=settled)


def _receipt_of(delivery: Delivery, reference: str) -> StockEvent:
    """The one that goes by this name now, else the last one that did; without a name, the last one."""
    receipts = StockEvent.objects.filter(delivery=delivery, kind=StockEvent.Kind.RECEIVED).order_by("id")
    if not reference:
        return receipts.latest("id")
    undone = [receipt for receipt in receipts if receipt.reference == _undone_name(reference, receipt)]
    return receipts.filter(reference=reference).first() or (undone[-1] if undone else receipts.get(reference=reference))


def _undone_name(reference: str, receipt: StockEvent) -> str:
    """What a receipt is called once it was taken back, so that its name is free for the corrected one."""
    ending = f" (undone {receipt.pk})"
    return reference[: BOOKING - len(ending)] + ending


def _count_back(delivery: Delivery, units: int) -> None:
    """What did not come is expected again, unless it was cancelled: then it is on its way no more, and stays judged."""
    is_cancelled = delivery.state == Delivery.State.CANCELLED
    delivery.received_quantity -= units
    if delivery.received_quantity < delivery.quantity and not is_cancelled:
        delivery.state, delivery.closed_at = Delivery.State.EXPECTED, None
    if not delivery.received_quantity:
        delivery.arrived_on = None
        if not is_cancelled:
            delivery.judged_earliest_on = delivery.judged_latest_on = None
    delivery.save()


@whole
def cancel_delivery(*, delivery_id: int, reason: str = "", now: datetime | None = None) -> Delivery:
    """This will note that what is outstanding of a delivery does not come. Who waited for it gets another date, or none.

    Raises ``DeliveryClosed``, ``Delivery.DoesNotExist``.
    """
    now = moment(now)
    item, delivery = _locked_delivery(delivery_id)
    _revise(delivery, DeliveryRevision.Kind.CANCELLED, reason, now)
    _judge(delivery, now)
    delivery.state, delivery.closed_at = Delivery.State.CANCELLED, now
    delivery.save()
    unpin_surplus(item=item, delivery=delivery)
    _supply_changed(item, delivery, now, reason)
    return delivery


def refresh_forecasts(*, now: datetime | None = None) -> int:
    """This will say of every open delivery anew when it comes, and look after promises whose day has passed. Once a day.

    Deliveries that are overdue move on with the calendar, and every receipt has taught us something about the others. What
    pages say of each supplier's record is counted anew as well. Returns how many forecasts changed.
    """
    now = moment(now)
    today = shop_today(now)
    _note_records(today)
    changed = _with_new_forecasts(list(Delivery.objects.open().select_related("supplier")), today=today)
    for item_id in sorted({delivery.item_id for delivery in changed} | _items_with_doubtful_dates(today)):
        _look_after_one(item_id, now)
    return len(changed)


def _note_records(today: date) -> None:
    """Onto the supplier's row, where product pages find it without a query of its own."""
    for supplier_id, kept in dates_kept_by_supplier(today=today).items():
        Supplier.objects.filter(id=supplier_id).exclude(dates_kept=kept).update(dates_kept=kept)


def _look_after_one(item_id: int, now: datetime) -> None:
    """One item's trouble never stops the run."""
    try:
        _look_after(item_id, now)
    except Exception:
        log.exception("The dates of stock item %s could not be looked after; the next run tries again.", item_id)


@transaction.atomic
def _look_after(item_id: int, now: datetime) -> None:
    """Read again under the item's lock: a date may have been moved by hand in between."""
    item = locked_item(item_id)
    deliveries = Delivery.objects.open().filter(item=item).select_related("supplier")
    _write_forecasts(list(deliveries), today=shop_today(now))
    refresh_next(item, now=now)
    keep_promises(item=item, now=now)


def _items_with_doubtful_dates(today: date) -> set[int]:
    """Items with a line whose date the calendar alone may have made wrong.

    It waits past its day. Or a delivery comes later than that: a slip within the words for a far date was no news; as the
    day comes near the words grow finer, and then it is. Or the day stands behind all deliveries, and the lead time, by
    which it was meant, is over.
    """
    later = Delivery.objects.open().filter(item=OuterRef("item"), forecast_latest_on__gt=OuterRef("promised_latest_on"))
    last = Promise.objects.filter(backorder=OuterRef("pk")).order_by("-id").values("delivery")[:1]
    is_guess = Q(comes_with=None, promised_latest_on__isnull=False, item__inbound_units__gt=0)
    lines = Backorder.objects.waiting().annotate(comes_with=Subquery(last))
    doubtful = lines.filter(Q(promised_latest_on__lt=today) | Exists(later) | is_guess)
    return set(doubtful.order_by().values_list("item_id", flat=True).distinct())


def _locked_delivery(delivery_id: int, *, may_be_closed: bool = False) -> tuple[StockItem, Delivery]:
    """The item first, then its delivery: the same order everywhere."""
    item = locked_item(Delivery.objects.values_list("item_id", flat=True).get(id=delivery_id))
    delivery = Delivery.objects.select_for_update(of=("self",)).get(id=delivery_id)
    if not may_be_closed:
        _refuse_closed(delivery)
    return item, delivery


def _refuse_closed(delivery: Delivery) -> None:
    if delivery.state != Delivery.State.EXPECTED:
        raise DeliveryClosed(delivery_id=delivery.id, state=delivery.state)
