"""A place in the line and the delivery that serves it, against an oracle that lays out every unit."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.promises import Supply, horizon_of
from backorders.domain.windows import NO_DATE, OVERDUE, Window

TODAY = dt.date(2026, 3, 2)


def supply(units, days, *, wide=0, delivery_id=0):
    earliest = TODAY + dt.timedelta(days=days)
    return Supply(
        units=units,
        window=Window(earliest=earliest, latest=earliest + dt.timedelta(days=wide)),
        delivery_id=delivery_id,
    )


supplies = st.lists(
    st.builds(supply, st.integers(0, 6), st.integers(0, 40), wide=st.integers(0, 5), delivery_id=st.integers(1, 9)),
    max_size=8,
)


@given(supplies, st.integers(1, 60))
def test_it_equals_laying_out_every_unit(incoming, unit):
    ordered = sorted(incoming, key=lambda s: (s.window.latest, s.window.earliest, s.delivery_id))
    every_unit = [s.window for s in ordered for _ in range(s.units)]
    expected = every_unit[unit - 1] if unit <= len(every_unit) else NO_DATE

    assert horizon_of(incoming).promise_for(unit, today=TODAY) == expected


@given(supplies, st.integers(1, 50))
def test_a_later_place_is_never_served_earlier(incoming, unit):
    horizon = horizon_of(incoming)
    here, later = horizon.promise_for(unit, today=TODAY), horizon.promise_for(unit + 1, today=TODAY)

    assert not later.is_known or (here.is_known and here.latest <= later.latest)


@given(supplies, st.integers(1, 50), st.integers(0, 7), st.integers(1, 30))
def test_a_delay_never_helps_anybody(incoming, unit, which, days):
    before = horizon_of(incoming).promise_for(unit, today=TODAY)
    if which < len(incoming):
        late = incoming[which]
        moved = Window(
            earliest=late.window.earliest + dt.timedelta(days=days), latest=late.window.latest + dt.timedelta(days=days)
        )
        incoming = [
            *incoming[:which],
            Supply(units=late.units, window=moved, delivery_id=late.delivery_id),
            *incoming[which + 1 :],
        ]
    after = horizon_of(incoming).promise_for(unit, today=TODAY)

    assert before.is_known == after.is_known
    assert not before.is_known or before.latest <= after.latest


def test_beyond_the_horizon_there_is_no_honest_date():
    assert horizon_of([supply(3, 1)]).promise_for(4, today=TODAY) == NO_DATE


def test_a_delivery_that_should_have_come_is_overdue_not_past():
    assert horizon_of([supply(3, -9)]).promise_for(1, today=TODAY) == OVERDUE
