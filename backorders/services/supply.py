"""What is on its way: announce it, move it, receive it, cancel it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from backorders.domain.units import whole_quantity
from backorders.domain.windows import Confidence, window_between
from backorders.errors import DeliveryClosed
from backorders.models import Delivery, DeliveryRevision, StockEvent, StockItem, Supplier
from backorders.services.backorders import refresh_next
from backorders.services.locks import anchor_of, locked_item
from backorders.services.stock import Settled, put_on_shelf, settle_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a receipt led to. ``was_repeated``: this reference had been booked before, nothing was done."""

    delivery: Delivery
    units: int
    settled: Settled | None
    was_repeated: bool = False


@transaction.atomic
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

    Raises ``InvalidQuantity``, ``InvalidWindow``, ``NotSellable``.
    """
    window = window_between(earliest, latest, confidence)
    quantity = whole_quantity(quantity)
    item = locked_item(anchor_of(product).id)
    delivery = Delivery.objects.create(
        item=item,
        supplier=supplier,
        quantity=quantity,
        earliest_on=window.earliest,
        latest_on=window.latest,
        confidence=window.confidence.value,
        reference=reference[:100],
        created_at=now or timezone.now(),
    )
    refresh_next(item)
    return delivery


@transaction.atomic
def move_delivery(
    *, delivery_id: int, earliest: date, latest: date, reason: str = "", now: datetime | None = None
) -> Delivery:
    """This will give a delivery another window and keep the old one on record. The same window again changes nothing.

    Raises ``InvalidWindow``, ``DeliveryClosed``, ``Delivery.DoesNotExist``.
    """
    item, delivery = _locked_delivery(delivery_id)
    window = window_between(earliest, latest, delivery.confidence)
    if (delivery.earliest_on, delivery.latest_on) == (window.earliest, window.latest):
        return delivery
    DeliveryRevision.objects.create(
        delivery=delivery,
        from_earliest=delivery.earliest_on,
        from_latest=delivery.latest_on,
        to_earliest=window.earliest,
        to_latest=window.latest,
        reason=reason[:200],
        revised_at=now or timezone.now(),
    )
    delivery.earliest_on, delivery.latest_on = window.earliest, window.latest
    delivery.save(update_fields=["earliest_on", "latest_on"])
    refresh_next(item)
    return delivery


@transaction.atomic
def receive_delivery(
    *, delivery_id: int, quantity: int | None = None, reference: str = "", now: datetime | None = None
) -> Arrival:
    """This will book a delivery in: onto the shelf, to the queue, and what is left to the people who wait.

    ``quantity`` defaults to all that is outstanding; less leaves the rest expected. A ``reference`` makes the receipt
    idempotent: posted twice, it counts once. Raises ``InvalidQuantity``, ``DeliveryClosed``, ``Delivery.DoesNotExist``.
    """
    now = now or timezone.now()
    item, delivery = _locked_delivery(delivery_id, may_be_closed=bool(reference))
    if reference and StockEvent.objects.filter(delivery=delivery, reference=reference).exists():
        return Arrival(delivery=delivery, units=0, settled=None, was_repeated=True)
    _refuse_closed(delivery)
    units = whole_quantity(delivery.outstanding if quantity is None else quantity)
    delivery.received_quantity += units
    if delivery.received_quantity >= delivery.quantity:
        delivery.state, delivery.closed_at = Delivery.State.RECEIVED, now
    delivery.save(update_fields=["received_quantity", "state", "closed_at"])
    refresh_next(item)
    event = put_on_shelf(
        item=item,
        units=units,
        kind=StockEvent.Kind.RECEIVED,
        now=now,
        delivery=delivery,
        reference=reference,
        source="receipt",
    )
    return Arrival(delivery=delivery, units=units, settled=settle_after(item=item, event=event, now=now))


@transaction.atomic
def cancel_delivery(*, delivery_id: int, now: datetime | None = None) -> Delivery:
    """This will note that what is outstanding of a delivery does not come. Raises ``DeliveryClosed``."""
    item, delivery = _locked_delivery(delivery_id)
    delivery.state, delivery.closed_at = Delivery.State.CANCELLED, now or timezone.now()
    delivery.save(update_fields=["state", "closed_at"])
    refresh_next(item)
    return delivery


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
