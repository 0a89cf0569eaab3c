"""Business days: which days count, and the open day so many open days later.

Open days are numbered from the first Monday of the year 1 on. A day's number is arithmetic over whole weeks less the
closed days before it (one binary search), and so is the way back; nothing here walks from day to day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo
from functools import lru_cache
from itertools import accumulate

from backorders.errors import InvalidCalendar, InvalidWindow

_FIRST, _LAST = date.min.toordinal(), date.max.toordinal()


def _date(ordinal: int) -> date:
    return date.fromordinal(min(max(ordinal, _FIRST), _LAST))


def _check(weekdays: frozenset[int], days: frozenset[date]) -> None:
    for weekday in weekdays:
        if weekday not in range(7):
            raise InvalidCalendar(f"{weekday!r} is no weekday. Use 0 for Monday to 6 for Sunday.")
    if len(weekdays) == 7:
        raise InvalidCalendar("All seven weekdays are closed, so nothing could ever arrive. Open at least one of them.")
    for day in days:
        if isinstance(day, datetime) or not isinstance(day, date):
            raise InvalidCalendar(f"{day!r} is no calendar day. Pass datetime.date values, in the shop's time zone.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days on which a shop, or a supplier, works. All days are in the shop's time zone.

    ``closed_weekdays``: 0 is Monday, 6 is Sunday. Raises ``InvalidCalendar`` for other numbers, for a week that is never
    open, and for closed days that are no ``datetime.date``. Answers stop at ``date.min`` and ``date.max``, open or not:
    people type 31 December 9999 for "some day", and that must not break a page.
    """

    closed_weekdays: frozenset[int] = frozenset()
    closed_days: frozenset[date] = frozenset()
    _open: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """The open weekdays."""
    _before: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """For each weekday, how many open ones a week has before it."""
    _closed: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Ordinals of the closed days that the weekdays would have left open, ascending."""
    _gaps: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """For each of those, how many open days lie before it."""

    def __post_init__(self) -> None:
        _check(self.closed_weekdays, self.closed_days)
        is_open = [weekday not in self.closed_weekdays for weekday in range(7)]
        self._keep("_open", tuple(weekday for weekday in range(7) if is_open[weekday]))
        self._keep("_before", tuple(accumulate(is_open, initial=0)))
        self._keep("_closed", tuple(sorted(day.toordinal() for day in self.closed_days if is_open[day.weekday()])))
        self._keep("_gaps", tuple(self._number_in_weeks(day) - place for place, day in enumerate(self._closed)))

    def is_open(self, day: date) -> bool:
        return day.weekday() not in self.closed_weekdays and day not in self.closed_days

    def on_or_after(self, day: date) -> date:
        """This will return the first open day from ``day`` on."""
        return self._day(self._number(day.toordinal()))

    def plus(self, day: date, days: int) -> date:
        """This will return the open day ``days`` open days later, or earlier when negative.

        A closed day counts as the next open one: ``plus(day, 0)`` is ``on_or_after(day)``.
        """
        return self._day(self._number(day.toordinal()) + days)

    def between(self, start: date, end: date) -> int:
        """This will count the open days from ``start`` to ``end``, negative when ``end`` is earlier.

        A closed day counts as the next open one, so that ``between(day, plus(day, n)) == n`` for every day.
        """
        return self._number(end.toordinal()) - self._number(start.toordinal())

    def _number(self, ordinal: int) -> int:
        """How many open days lie before that day."""
        return self._number_in_weeks(ordinal) - bisect_left(self._closed, ordinal)

    def _number_in_weeks(self, ordinal: int) -> int:
        """The same for a calendar without closed days. Ordinal 1 was a Monday."""
        weeks, weekday = divmod(ordinal - 1, 7)
        return weeks * len(self._open) + self._before[weekday]

    def _day(self, number: int) -> date:
        """The open day before which ``number`` open days lie: every closed day at or before it moves it one place on."""
        weeks, place = divmod(number + bisect_right(self._gaps, number), len(self._open))
        return _date(weeks * 7 + self._open[place] + 1)

    def _keep(self, name: str, value: tuple[int, ...]) -> None:
        object.__setattr__(self, name, value)  # a frozen dataclass has no other way to remember what it derived


ALWAYS_OPEN = Calendar()


def working_day(moment: datetime, *, zone: tzinfo, calendar: Calendar, cut_off: time | None = None) -> date:
    """This will return the open day to which something that happens at ``moment`` counts.

    That is the day on the wall in ``zone`` (the shop's); from ``cut_off`` on (wall time there, without a zone) the day
    after; and then the first open day. Raises ``InvalidWindow`` for a ``moment`` without a time zone.
    """
    if moment.utcoffset() is None:
        raise InvalidWindow(f"{moment} has no time zone. Pass an aware datetime, such as django.utils.timezone.now().")
    there = moment.astimezone(zone)
    is_tomorrows = cut_off is not None and there.time() >= cut_off
    return calendar.on_or_after(_date(there.toordinal() + is_tomorrows))


_YEARS_AHEAD = 3


@lru_cache(maxsize=64)
def public_holidays(place: str, year: int) -> frozenset[date]:
    """This will return the public holidays of a country (``DE``) or a region (``DE-BY``), from the year before ``year`` on.

    Four years in all; none for an empty ``place``. Raises ``ImportError`` without the ``holidays`` package, and
    ``NotImplementedError`` for a place it does not know.
    """
    if not place:
        return frozenset()
    import holidays

    country, _, region = place.partition("-")
    years = range(year - 1, year + _YEARS_AHEAD)
    return frozenset(holidays.country_holidays(country, subdiv=region or None, years=years))
