"""Business days, against an oracle that walks from day to day."""

import datetime as dt
import pickle
import random
from itertools import islice
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.calendars import ALWAYS_OPEN, Calendar, working_day
from backorders.errors import InvalidCalendar, InvalidWindow

DAY = dt.timedelta(days=1)
FRIDAY = dt.date(2026, 3, 6)
WEEKENDS = (frozenset({5, 6}), frozenset({6}), frozenset({4, 5}), frozenset())
ZONES = tuple(
    ZoneInfo(name)
    for name in (
        "Europe/Brussels",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/Santiago",
    )
)
WEEKDAYS = Calendar(closed_weekdays=frozenset({5, 6}))


def walk(calendar, day, step):
    """The oracle: every open day from ``day`` on, one look at the wall calendar after the other."""
    while True:
        if day.weekday() not in calendar.closed_weekdays and day not in calendar.closed_days:
            yield day
        day += step


def later(calendar, day, days):
    start = next(walk(calendar, day, DAY))
    return next(islice(walk(calendar, start, DAY if days >= 0 else -DAY), abs(days), None))


def a_calendar(dice):
    middle = dt.date(2026, 3, 1) + DAY * dice.randrange(300)
    closed = {middle + DAY * dice.randrange(-40, 40) for _ in range(dice.choice((0, 3, 12, 60)))}
    return Calendar(closed_weekdays=dice.choice(WEEKENDS), closed_days=frozenset(closed)), middle


def test_ten_thousand_sums_equal_walking_from_day_to_day():
    dice = random.Random(20260306)
    for _ in range(10_000):
        calendar, middle = a_calendar(dice)
        day, days = middle + DAY * dice.randrange(-20, 20), dice.randrange(-25, 26)

        assert calendar.plus(day, days) == later(calendar, day, days)
        assert calendar.between(day, calendar.plus(day, days)) == days
        assert calendar.is_open(day) == (calendar.on_or_after(day) == day)


def test_ten_thousand_moments_equal_reading_the_clock_on_the_wall():
    dice = random.Random(20260307)
    for _ in range(10_000):
        calendar, middle = a_calendar(dice)
        zone, cut_off = dice.choice(ZONES), dice.choice((None, dt.time(0), dt.time(14, 30), dt.time(23, 59, 59)))
        midnight = dt.datetime.combine(middle, dt.time(), tzinfo=dt.UTC)
        moment = midnight + dt.timedelta(seconds=dice.randrange(90 * 86_400))

        there = (moment + moment.astimezone(zone).utcoffset()).replace(tzinfo=None)
        day = there.date() + (DAY if cut_off is not None and there.time() >= cut_off else 0 * DAY)

        answer = working_day(moment, zone=zone, calendar=calendar, cut_off=cut_off)
        assert answer == next(walk(calendar, day, DAY))


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        ("Europe/Brussels", dt.date(2026, 10, 25)),
        ("Europe/Brussels", dt.date(2026, 3, 29)),
        ("America/Santiago", dt.date(2026, 9, 6)),
        ("Australia/Lord_Howe", dt.date(2026, 4, 5)),
    ],
)
def test_every_quarter_of_an_hour_of_a_night_when_clocks_change_has_its_day(zone, night):
    start = dt.datetime.combine(night - DAY, dt.time(6), tzinfo=dt.UTC)
    for quarter in range(4 * 48):
        moment = start + quarter * dt.timedelta(minutes=15)
        wall = moment.astimezone(ZoneInfo(zone))
        expected = wall.date() + (DAY if (wall.hour, wall.minute) >= (2, 30) else 0 * DAY)

        cut_off = dt.time(2, 30)
        assert working_day(moment, zone=ZoneInfo(zone), calendar=ALWAYS_OPEN, cut_off=cut_off) == expected


def test_an_order_on_friday_after_the_cut_off_is_mondays():
    moment = dt.datetime(2026, 3, 6, 15, 0, tzinfo=ZoneInfo("Europe/Brussels"))
    asked = {"zone": ZoneInfo("Europe/Brussels"), "calendar": WEEKDAYS}

    assert working_day(moment, **asked) == FRIDAY
    assert working_day(moment, **asked, cut_off=dt.time(15, 1)) == FRIDAY
    assert working_day(moment, **asked, cut_off=dt.time(15, 0)) == FRIDAY + 3 * DAY


def test_an_order_on_sunday_after_the_cut_off_is_mondays_too():
    sunday_evening = dt.datetime(2026, 3, 8, 22, 0, tzinfo=dt.UTC)

    assert working_day(sunday_evening, zone=dt.UTC, calendar=WEEKDAYS, cut_off=dt.time(15)) == dt.date(2026, 3, 9)


def test_a_closed_day_counts_as_the_next_open_one():
    saturday = FRIDAY + DAY

    assert WEEKDAYS.plus(saturday, 0) == WEEKDAYS.plus(FRIDAY, 1) == dt.date(2026, 3, 9)
    assert WEEKDAYS.plus(saturday, -1) == FRIDAY
    assert WEEKDAYS.between(FRIDAY, saturday) == 1


def test_without_closed_days_it_is_plain_arithmetic():
    assert ALWAYS_OPEN.plus(FRIDAY, 10) == FRIDAY + 10 * DAY
    assert ALWAYS_OPEN.between(FRIDAY, FRIDAY - 3 * DAY) == -3


@given(st.dates(), st.integers(-(10**12), 10**12), st.sampled_from(WEEKENDS), st.frozensets(st.dates(), max_size=9))
def test_the_ends_of_time_are_answers_too(day, days, weekdays, closed):
    calendar = Calendar(closed_weekdays=weekdays, closed_days=closed | {dt.date.min, dt.date.max})
    there = calendar.plus(day, days)

    assert there in (dt.date.min, dt.date.max) or calendar.between(day, there) == days
    assert dt.date.min <= calendar.on_or_after(day) <= dt.date.max


@given(st.dates(), st.lists(st.integers(-99, 99)))
def test_more_days_are_never_sooner(day, days):
    reached = [WEEKDAYS.plus(day, each) for each in sorted(days)]

    assert reached == sorted(reached)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"closed_weekdays": frozenset(range(7))}, "Open at least one"),
        ({"closed_weekdays": frozenset({7})}, "0 for Monday to 6 for Sunday"),
        ({"closed_weekdays": frozenset({"Sunday"})}, "0 for Monday to 6 for Sunday"),
        ({"closed_days": frozenset({dt.datetime(2026, 1, 1)})}, "datetime.date"),
        ({"closed_days": frozenset({"2026-01-01"})}, "datetime.date"),
    ],
)
def test_a_calendar_that_is_none_is_refused_with_what_to_do(wrong, advice):
    with pytest.raises(InvalidCalendar, match=advice):
        Calendar(**wrong)


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(InvalidWindow, match="aware"):
        working_day(dt.datetime(2026, 3, 6, 12), zone=dt.UTC, calendar=ALWAYS_OPEN)


def test_two_calendars_with_the_same_days_are_one():
    closed = Calendar(closed_weekdays=frozenset({6}), closed_days=frozenset({FRIDAY}))

    assert closed == Calendar(closed_weekdays=frozenset({6}), closed_days=frozenset({FRIDAY}))
    assert {pickle.loads(pickle.dumps(closed)): 1}[closed] == 1


def test_fifty_years_of_holidays_cost_no_more_than_a_binary_search():
    holidays = frozenset(dt.date(year, month, 1) for year in range(2000, 2050) for month in range(1, 13))
    calendar = Calendar(closed_weekdays=frozenset({5, 6}), closed_days=holidays)
    start = perf_counter()
    for days in range(10_000):
        calendar.plus(FRIDAY, days - 5_000)

    assert (perf_counter() - start) / 10_000 < 50e-6  # about 1 us; a walk would take 500
