"""First come, first served, against an oracle that hands out one unit at a time."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.allocation import Waiting, plan

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def line(line_id, needs, *, day=0, priority=0):
    return Waiting(line_id=line_id, needs=needs, placed_at=START + dt.timedelta(days=day), priority=priority)


lines = st.lists(
    st.builds(
        lambda needs, day, priority: (needs, day, priority), st.integers(1, 9), st.integers(0, 4), st.integers(0, 2)
    ),
    max_size=12,
).map(lambda rows: [line(n + 1, needs, day=day, priority=priority) for n, (needs, day, priority) in enumerate(rows)])


def unit_by_unit(queue, units):
    """The oracle: call people forward one unit at a time."""
    given = {}
    for _ in range(units):
        hungry = [w for w in queue if w.needs > given.get(w.line_id, 0)]
        if hungry:
            first = min(hungry, key=lambda w: (w.priority, w.placed_at, w.line_id))
            given[first.line_id] = given.get(first.line_id, 0) + 1
    return given


@given(lines, st.integers(0, 60))
def test_it_equals_handing_out_one_unit_at_a_time(queue, units):
    shares = plan(queue=queue, units=units)

    assert shares.assigned == unit_by_unit(queue, units)
    assert shares.units + shares.left == units


@given(lines, st.integers(0, 30), st.integers(0, 30))
def test_two_arrivals_are_worth_one_of_their_sum(queue, first, second):
    one = plan(queue=queue, units=first)
    rest = [
        Waiting(line_id=w.line_id, needs=one.waiting[w.line_id], placed_at=w.placed_at, priority=w.priority)
        for w in queue
        if w.line_id in one.waiting
    ]
    two = plan(queue=rest, units=second + one.left)
    both = {k: one.assigned.get(k, 0) + two.assigned.get(k, 0) for k in one.assigned | two.assigned}

    assert both == plan(queue=queue, units=first + second).assigned


@given(lines, st.integers(0, 60))
def test_the_order_of_the_rows_does_not_matter(queue, units):
    assert plan(queue=reversed(queue), units=units) == plan(queue=queue, units=units)


def test_a_smaller_delivery_takes_goods_from_the_end_of_the_queue():
    shares = plan(queue=[line(1, 2), line(2, 2)], units=3)

    assert shares.assigned == {1: 2, 2: 1}
    assert shares.waiting == {2: 1}


def test_what_nobody_waits_for_is_left():
    assert plan(queue=[line(1, 2)], units=5).left == 3
