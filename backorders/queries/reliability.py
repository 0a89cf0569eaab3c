"""What suppliers' deliveries have shown: how late they come, what may be said of the next, and how our promises were kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import F, Max, OuterRef, Q, Subquery
from django.db.models.functions import TruncDate
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.calendars import Calendar
from backorders.domain.lateness import (
    FEWEST,
    RECORD,
    Kept,
    Lateness,
    PastDelivery,
    adapted_level,
    calibration,
    dates_kept,
    lateness_of,
    learned,
    observed,
    replay,
    wilson_interval,
)
from backorders.domain.windows import Promise, Window
from backorders.models import Backorder, Delivery, Supplier
from backorders.models import Promise as PromiseRow
from backorders.queries.availability import shop_today
from backorders.queries.calendars import calendars_of, shop_calendar

_MOST = 3000
"""How many past deliveries are looked at; the newest count."""

Record = dict[int | None, list[PastDelivery]]
"""Past deliveries by supplier id, oldest first."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When goods can leave our house; ``is_learned``: from past deliveries, not only from what the supplier says."""

    window: Promise
    is_learned: bool = False


def record_of(confidence: str, *, today: date) -> Record:
    """The deliveries stated with one confidence that came, never will, or are overdue: one query for all suppliers."""
    is_over = Q(arrived_on__isnull=False) | Q(state=Delivery.State.CANCELLED) | Q(latest_on__lt=today)
    rows = Delivery.objects.filter(is_over, confidence=confidence).order_by("-id")[:_MOST]
    record: Record = {}
    for delivery in reversed(rows):
        record.setdefault(delivery.supplier_id, []).append(past_of(delivery))
    return record


def past_of(delivery: Delivery) -> PastDelivery:
    """One delivery as the estimator wants it."""
    judged = delivery.window
    if delivery.judged_earliest_on and delivery.judged_latest_on:
        judged = Window(earliest=delivery.judged_earliest_on, latest=delivery.judged_latest_on)
    is_lost = delivery.arrived_on is None and delivery.state == Delivery.State.CANCELLED
    lost_on = shop_today(delivery.closed_at) if is_lost and delivery.closed_at else None
    return PastDelivery(
        announced_on=shop_today(delivery.created_at),
        stated=judged,
        closed_on=delivery.arrived_on or lost_on,
        is_lost=is_lost,
    )


def forecasts_for(deliveries: Iterable[Delivery], *, today: date) -> dict[int, Forecast]:
    """This will say of open deliveries, by id, when their goods can leave our house.

    From P20 to P80 of how late the supplier has come, blended with the other suppliers, then moved on by ``RECEIVING_DAYS``
    and ``HANDLING_DAYS`` of the shop. Three queries, and one more for each confidence.
    """
    deliveries = list(deliveries)
    calendars = calendars_of([delivery.supplier for delivery in deliveries])
    records = {confidence: record_of(confidence, today=today) for confidence in {d.confidence for d in deliveries}}
    known: dict[tuple[str, int | None], tuple[Lateness, float]] = {}
    found = {}
    for delivery in deliveries:
        supplier_id, calendar = delivery.supplier_id, calendars[delivery.supplier_id]
        key = (delivery.confidence, supplier_id)
        if key not in known:
            known[key] = _lateness_of(records[delivery.confidence], supplier_id, calendar, today)
        lateness, level = known[key]
        promise = learned(delivery.window, lateness=lateness, level=level, today=today, calendar=calendar)
        found[delivery.id] = Forecast(_shipped(promise), is_learned=lateness.count >= FEWEST)
    return found


def _lateness_of(record: Record, supplier_id: int | None, calendar: Calendar, today: date) -> tuple[Lateness, float]:
    own = observed(record.get(supplier_id, []), on=today, calendar=calendar)
    pool = [observed(past, on=today, calendar=calendar) for other, past in sorted(_others(record, supplier_id).items())]
    return lateness_of(own, pool=pool), adapted_level(own, pool=pool)


def _others(record: Record, supplier_id: int | None) -> dict[int, list[PastDelivery]]:
    """The pool; deliveries of nobody in particular count as one more supplier."""
    return {other or 0: past for other, past in record.items() if other != supplier_id}


def _shipped(promise: Promise) -> Promise:
    """From the dock to the carrier."""
    if not isinstance(promise, Window):
        return promise
    calendar, days = shop_calendar(), conf.receiving_days + conf.handling_days
    return Window(
        earliest=calendar.plus(promise.earliest, days),
        latest=calendar.plus(promise.latest, days),
        confidence=promise.confidence,
        source=promise.source,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierRecord:
    """How one supplier's dates held: a row for P50, P80 and P95 each. ``supplier`` is ``None`` for deliveries of nobody."""

    supplier: Supplier | None
    deliveries: int
    median_days_late: float | None
    kept: list[Kept]


def calibration_table(*, now: datetime | None = None, supplier: Supplier | None = None) -> list[SupplierRecord]:
    """This will replay the shop's own deliveries: what we would have promised when each was announced, and whether it held.

    ``supplier``: only of that one. All confidences together are one row a supplier, each judged with its own kind. The proof that the windows are honest
    here, and not only in a simulation. Takes about 2 ms a delivery.
    """
    today = shop_today(now or timezone.now())
    suppliers: dict[int | None, Supplier | None] = {None: None}
    suppliers |= {each.id: each for each in Supplier.objects.all()}
    calendars = calendars_of(suppliers.values())
    records = [record_of(confidence, today=today) for confidence in Delivery.Certainty.values]
    rows = [
        _record_row(
            suppliers.get(supplier_id), supplier_id, records, calendars.get(supplier_id, shop_calendar()), today
        )
        for supplier_id in (suppliers if supplier is None else [supplier.id])
        if any(supplier_id in record for record in records)
    ]
    return sorted(rows, key=lambda row: -row.deliveries)


def dates_kept_by_supplier(*, today: date) -> dict[int, int | None]:
    """This will say of every supplier how many of the last ten dates held that we would have named; ``None`` where there are fewer.

    Of the newest deliveries only: about 50 ms a supplier. For shoppers; ``calibration_table`` has all of it.
    """
    suppliers = list(Supplier.objects.order_by("id"))
    calendars = calendars_of(suppliers)
    records = [record_of(confidence, today=today) for confidence in Delivery.Certainty.values]
    found: dict[int, int | None] = {}
    for supplier in suppliers:
        trials = [
            trial
            for record in records
            for trial in replay(
                record.get(supplier.id, []),
                pool=list(_others(record, supplier.id).values()),
                calendar=calendars[supplier.id],
                today=today,
                most=2 * RECORD,
            )
        ]
        found[supplier.id] = dates_kept(trials, today=today)
    return found


def _record_row(
    supplier: Supplier | None, supplier_id: int | None, records: list[Record], calendar: Calendar, today: date
) -> SupplierRecord:
    trials, late = [], []
    for record in records:
        own = record.get(supplier_id, [])
        trials += list(replay(own, pool=list(_others(record, supplier_id).values()), calendar=calendar, today=today))
        late += [
            calendar.between(past.stated.latest, past.closed_on)
            for past in own
            if past.closed_on is not None and not past.is_lost
        ]
    return SupplierRecord(
        supplier=supplier,
        deliveries=sum(len(record.get(supplier_id, [])) for record in records),
        median_days_late=sorted(late)[len(late) // 2] if late else None,
        kept=calibration(trials, calendar=calendar, today=today),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPromises:
    """How the first date each customer was given held. ``moved``: dates given after the first, all lines together."""

    lines: int
    kept: int
    moved: int

    @property
    def share(self) -> float:
        return self.kept / self.lines if self.lines else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.kept, self.lines)


def first_promises_kept() -> FirstPromises:
    """This will count filled lines whose first date held (two queries)."""
    first = PromiseRow.objects.filter(backorder=OuterRef("pk")).order_by("id").values("latest_on")[:1]
    lines = Backorder.objects.filter(state__in=[Backorder.State.FILLED, Backorder.State.SHIPPED]).annotate(
        first_latest=Subquery(first)
    )
    filled = Max("allocations__allocated_at", filter=Q(allocations__quantity__gt=0))
    zone = timezone.get_default_timezone()
    dated = lines.exclude(first_latest=None).annotate(filled_on=TruncDate(filled, tzinfo=zone))
    given = PromiseRow.objects.filter(backorder__in=dated.values("pk")).count()
    total = dated.count()
    return FirstPromises(lines=total, kept=dated.filter(filled_on__lte=F("first_latest")).count(), moved=given - total)
