"""A highest price and a last day, as people say them."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.wishes import FARTHEST, checked_price, end_of_need, last_day_before, pays
from backorders.errors import InvalidDay, InvalidPrice

NOW = dt.datetime(2026, 3, 2, 23, 30, tzinfo=dt.UTC)
ZONES = [
    "UTC",
    "Asia/Tokyo",
    "America/Havana",
    "Africa/Cairo",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Asia/Beirut",
]
"""Some of them change their clocks at midnight."""


@given(days=st.integers(0, FARTHEST.days), name=st.sampled_from(ZONES))
def test_the_last_day_is_read_back_as_it_was_said_and_ends_when_the_next_begins_there(days, name):
    zone = ZoneInfo(name)
    day = NOW.astimezone(zone).date() + dt.timedelta(days=days)
    ends = end_of_need(day, zone=zone, now=NOW)

    assert last_day_before(ends, zone) == day
    assert ends > NOW
    after = ends.astimezone(dt.UTC).astimezone(zone)
    assert after.date() == day + dt.timedelta(days=1) and after.hour <= 1


def test_today_is_another_day_elsewhere():
    here, there = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
    assert end_of_need(here, zone=dt.UTC, now=NOW) == dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
    with pytest.raises(InvalidDay, match="2026-03-03"):
        end_of_need(here, zone=ZoneInfo("Asia/Tokyo"), now=NOW)
    assert end_of_need(there, zone=ZoneInfo("Asia/Tokyo"), now=NOW) == dt.datetime(2026, 3, 3, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize("day", ["2026-03-09", NOW, 7, dt.date(2026, 3, 1), dt.date.max, True])
def test_what_is_no_day_or_out_of_reach_is_refused(day):
    with pytest.raises(InvalidDay):
        end_of_need(day, zone=dt.UTC, now=NOW)


@pytest.mark.parametrize(
    "price",
    ["9.90", 9.9, True, Decimal("NaN"), Decimal("Infinity"), 0, -1, Decimal("0.00001"), 10**11, Decimal("1e99")],
)
def test_what_is_no_price_is_refused(price):
    with pytest.raises(InvalidPrice):
        checked_price(price)


def test_a_price_is_kept_as_it_was_said():
    assert checked_price(Decimal("19.9")) == Decimal("19.9000")
    assert checked_price(20) == Decimal(20)
    assert checked_price(None) is None


def test_an_unknown_price_keeps_nobody_out():
    assert pays(None, Decimal(9)) and pays(Decimal(9), None) and pays(Decimal(9), Decimal(9))
    assert not pays(Decimal(9), Decimal("9.01"))
