"""Hours in which nobody is written to, in any zone and on any night of the year."""

import datetime as dt
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.quiet import QuietHours, quiet_hours

NIGHT = quiet_hours("21:00", "08:00")
MINUTE = dt.timedelta(minutes=1)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})

moments = st.datetimes(min_value=dt.datetime(2010, 1, 1), max_value=dt.datetime(2035, 1, 1), timezones=st.just(dt.UTC))
clocks = st.times().map(lambda time: time.replace(second=0, microsecond=0))
hours = st.tuples(clocks, clocks).filter(lambda pair: pair[0] != pair[1])


@given(moment=moments, zone=st.sampled_from(ZONES), pair=hours)
def test_nobody_is_woken_and_nobody_waits_longer_than_a_night(moment, zone, pair):
    quiet, zone = QuietHours(begin=pair[0], end=pair[1]), ZoneInfo(zone)
    over = quiet.over_at(moment, zone)
    assert moment <= over <= moment + dt.timedelta(days=2, hours=2)
    assert not quiet.is_quiet(over, zone)
    assert quiet.over_at(over, zone) == over


@given(moment=moments, zone=st.sampled_from(["Europe/Brussels", "America/New_York", "Asia/Kolkata", "UTC"]))
def test_all_of_the_time_until_then_is_quiet(moment, zone):
    over, zone = NIGHT.over_at(moment, ZoneInfo(zone)), ZoneInfo(zone)
    assert all(NIGHT.is_quiet(moment + (over - moment) * share / 7, zone) for share in range(7) if over > moment)


@given(moment=moments, zone=st.sampled_from(ZONES))
def test_who_is_awake_is_written_to_at_once(moment, zone):
    if not NIGHT.is_quiet(moment, ZoneInfo(zone)):
        assert NIGHT.over_at(moment, ZoneInfo(zone)) == moment


@pytest.mark.parametrize(
    ("zone", "day", "at", "over"),
    [
        ("Europe/Brussels", (2026, 3, 2), (22, 30), "2026-03-03T07:00:00+00:00"),
        ("Europe/Brussels", (2026, 3, 28), (22, 0), "2026-03-29T06:00:00+00:00"),  # the clock is put forward that night
        ("Europe/Brussels", (2026, 10, 24), (20, 30), "2026-10-25T07:00:00+00:00"),  # and back that one
        ("Asia/Tokyo", (2026, 3, 2), (15, 0), "2026-03-02T23:00:00+00:00"),
        ("America/New_York", (2026, 3, 2), (15, 0), "2026-03-02T15:00:00+00:00"),
    ],
)
def test_nights_that_everybody_knows(zone, day, at, over):
    moment = dt.datetime(*day, *at, tzinfo=dt.UTC)
    assert NIGHT.over_at(moment, ZoneInfo(zone)) == dt.datetime.fromisoformat(over)


def test_an_end_that_the_clock_skips_comes_when_the_clock_is_past_it():
    brief = quiet_hours("23:00", "02:30")
    over = brief.over_at(dt.datetime(2026, 3, 29, 0, 30, tzinfo=dt.UTC), ZoneInfo("Europe/Brussels"))
    assert over == dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)


def test_an_end_that_the_clock_shows_twice_ends_the_hour_that_is_quiet_again():
    brief, brussels = quiet_hours("23:00", "02:30"), ZoneInfo("Europe/Brussels")
    first = brief.over_at(dt.datetime(2026, 10, 24, 23, 0, tzinfo=dt.UTC), brussels)
    again = brief.over_at(dt.datetime(2026, 10, 25, 1, 10, tzinfo=dt.UTC), brussels)
    assert (first, again) == (
        dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC),
    )


@pytest.mark.parametrize("pair", [("21:00", "21:00"), ("9 pm", "08:00"), ("25:00", "08:00"), ("21:00+01:00", "08:00")])
def test_times_that_are_none_are_refused(pair):
    with pytest.raises(ValueError):
        quiet_hours(*pair)
