"""On which days the shop and its suppliers work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache

from django.utils import timezone

from backorders.conf import conf
from backorders.domain.calendars import Calendar, public_holidays, working_day
from backorders.models import ClosedDay, Supplier


def shop_calendar() -> Calendar:
    """The days on which the shop ships: ``CLOSED_WEEKDAYS``, ``CLOSED_DAYS`` and ``HOLIDAYS``."""
    return _calendar(tuple(conf.closed_weekdays), tuple(conf.closed_days), conf.holidays, date.today().year)  # noqa: DTZ011 - which years to list, nothing finer


def working_day_of(moment: datetime) -> date:
    """The shop's working day to which an order at ``moment`` counts: the next one after ``CUT_OFF``."""
    zone = timezone.get_default_timezone()
    return working_day(moment, zone=zone, calendar=shop_calendar(), cut_off=conf.cut_off)


def calendars_of(suppliers: Iterable[Supplier | None]) -> dict[int | None, Calendar]:
    """The days on which suppliers deliver, by supplier id (``None``: nobody in particular, who works like the shop). One query."""
    known = {supplier.id: supplier for supplier in suppliers if supplier is not None}
    closed: dict[int, list[date]] = {supplier_id: [] for supplier_id in known}
    for supplier_id, day in ClosedDay.objects.filter(supplier__in=list(known)).values_list("supplier_id", "day"):
        closed[supplier_id].append(day)
    calendars: dict[int | None, Calendar] = {None: shop_calendar()}
    for supplier_id, supplier in known.items():
        weekdays = tuple(int(digit) for digit in supplier.closed_weekdays)
        year = date.today().year  # noqa: DTZ011 - as above
        calendars[supplier_id] = _calendar(weekdays, tuple(sorted(closed[supplier_id])), supplier.holidays, year)
    return calendars


@lru_cache(maxsize=256)
def _calendar(weekdays: tuple[int, ...], days: tuple[date, ...], holidays_of: str, year: int) -> Calendar:
    return Calendar(
        closed_weekdays=frozenset(weekdays), closed_days=frozenset(days) | public_holidays(holidays_of, year)
    )
