"""First come, first served, against an oracle that calls people forward one unit at a time."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorders.domain.allocation import STRICT, Fill, Holding, Plan, Rule, Waiting, plan, rest_of, shortage, stands_at
from tests.thoroughness import cases

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def line(line_id, needs, *, day=0, **more):
    return Waiting(line_id=line_id, needs=needs, placed_at=START + day * DAY, **more)


def whole(line_id, needs, **more):
    return line(line_id, needs, fill=Fill.WHOLE_LINE, **more)


def queues(*, fills=tuple(Fill), pins=(None, 1, 2, 3), overtaken=4):
    """Up to ten lines; deliveries 1 and 2 may be pinned to, 3 is closed."""
    row = st.tuples(
        st.integers(1, 9),
        st.integers(0, 4),
        st.integers(-1, 1),
        st.sampled_from(fills),
        st.integers(0, overtaken),
        st.sampled_from(pins),
    )
    return st.lists(row, max_size=10).map(
        lambda rows: [
            line(n, needs, day=day, priority=priority, fill=fill, overtaken=overtaken, pinned_to=pin)
            for n, (needs, day, priority, fill, overtaken, pin) in enumerate(rows, start=1)
        ]
    )


partial = queues(fills=(Fill.PARTIAL, Fill.WHOLE_ORDER))
rules = st.builds(Rule, may_skip=st.booleans(), most_overtakes=st.integers(0, 4))
arrivals = st.sampled_from([{"open_pins": {1, 2}}, {"delivery_id": 1, "open_pins": {2}}, {"delivery_id": 2}, {}])


def in_serving_order(queue, *, delivery_id=None, open_pins=()):
    """Whose units these may be: first those who wait for this delivery, nobody who waits for another one."""
    here = [w for w in queue if w.pinned_to == delivery_id or w.pinned_to not in open_pins]
    return sorted(
        here, key=lambda w: (not w.pinned_to or w.pinned_to != delivery_id, w.priority, w.placed_at, w.line_id)
    )


def unit_by_unit(queue, units, rule, **arrival):
    """The oracle: again and again, the first of those who may still take hold of one more unit."""
    order, given, times = in_serving_order(queue, **arrival), {}, {w.line_id: w.overtaken for w in queue}

    def fits(w):
        return w.fill is not Fill.WHOLE_LINE or w.needs - given.get(w.line_id, 0) <= units

    while units:
        hungry = [w for w in order if given.get(w.line_id, 0) < w.needs]
        taker = next((w for w in hungry if fits(w)), None)
        if taker is None:
            break
        if taker.line_id not in given:
            passed = [w for w in hungry if order.index(w) < order.index(taker)]
            if any(not rule.may_skip or times[w.line_id] >= rule.most_overtakes for w in passed):
                break
            times.update({w.line_id: times[w.line_id] + 1 for w in passed})
        given[taker.line_id] = given.get(taker.line_id, 0) + 1
        units -= 1
    return given, units, {w.line_id: times[w.line_id] - w.overtaken for w in queue if times[w.line_id] > w.overtaken}


@settings(max_examples=cases(300))
@given(queues(), st.integers(0, 60), rules, arrivals)
def test_it_equals_calling_people_forward_one_unit_at_a_time(queue, units, rule, arrival):
    shares = plan(queue=queue, units=units, rule=rule, **arrival)

    assert (shares.assigned, shares.left, shares.overtaken) == unit_by_unit(queue, units, rule, **arrival)


@given(queues(), st.integers(0, 60), rules, arrivals)
def test_no_unit_is_made_or_lost(queue, units, rule, arrival):
    shares = plan(queue=queue, units=units, rule=rule, **arrival)

    assert shares.units + shares.left == units
    assert {w.line_id: shares.assigned.get(w.line_id, 0) + shares.waiting.get(w.line_id, 0) for w in queue} == {
        w.line_id: w.needs for w in queue
    }


@given(queues(), st.integers(0, 60), rules, arrivals)
def test_the_order_of_the_rows_does_not_matter(queue, units, rule, arrival):
    assert plan(queue=reversed(queue), units=units, rule=rule, **arrival) == plan(
        queue=queue, units=units, rule=rule, **arrival
    )


@settings(max_examples=cases(100))
@given(queues(), st.integers(0, 60), rules, arrivals)
def test_planning_the_rest_again_assigns_nothing(queue, units, rule, arrival):
    shares = plan(queue=queue, units=units, rule=rule, **arrival)
    again = plan(queue=rest_of(queue=queue, shares=shares), units=shares.left, rule=rule, **arrival)

    assert again == Plan(waiting=shares.waiting, left=shares.left, blocked_by=shares.blocked_by)


@settings(max_examples=cases(100))
@given(queues(), st.integers(0, 30), st.integers(0, 30), arrivals)
def test_two_arrivals_are_worth_one_of_their_sum(queue, first, second, arrival):
    one = plan(queue=queue, units=first, **arrival)
    two = plan(queue=rest_of(queue=queue, shares=one), units=one.left + second, **arrival)
    both = {k: one.assigned.get(k, 0) + two.assigned.get(k, 0) for k in one.assigned | two.assigned}
    sum_of_them = plan(queue=queue, units=first + second, **arrival)

    assert (both, two.waiting, two.left) == (sum_of_them.assigned, sum_of_them.waiting, sum_of_them.left)


@given(queues(), st.integers(0, 60), arrivals)
def test_nobody_is_served_past_somebody_who_waits(queue, units, arrival):
    shares = plan(queue=queue, units=units, **arrival)
    order = [w.line_id for w in in_serving_order(queue, **arrival)]
    first_who_waits = min((order.index(w) for w in order if w in shares.waiting), default=len(order))

    assert all(order.index(line_id) <= first_who_waits for line_id in shares.assigned)
    assert shares.overtaken == {}


@given(partial, st.integers(0, 60), rules, arrivals)
def test_nothing_lies_idle_when_everybody_takes_units_as_they_come(queue, units, rule, arrival):
    shares = plan(queue=queue, units=units, rule=rule, **arrival)

    assert shares.units == min(units, sum(w.needs for w in in_serving_order(queue, **arrival)))
    assert shares.blocked_by is None


@given(queues(), st.integers(0, 60), arrivals)
def test_who_may_never_be_overtaken_is_served_strictly(queue, units, arrival):
    never = Rule(may_skip=True, most_overtakes=0)

    assert plan(queue=queue, units=units, rule=never, **arrival) == plan(
        queue=queue, units=units, rule=STRICT, **arrival
    )


@given(queues(), st.integers(0, 60), rules, arrivals)
def test_a_line_that_wants_all_at_once_gets_all_or_nothing(queue, units, rule, arrival):
    shares = plan(queue=queue, units=units, rule=rule, **arrival)

    assert all(shares.assigned.get(w.line_id, w.needs) == w.needs for w in queue if w.fill is Fill.WHOLE_LINE)


def test_a_smaller_delivery_takes_goods_from_the_end_of_the_queue():
    shares = plan(queue=[line(1, 2), line(2, 2)], units=3)

    assert shares == Plan(assigned={1: 2, 2: 1}, waiting={2: 1})


def test_what_nobody_waits_for_is_left():
    assert plan(queue=[line(1, 2)], units=5) == Plan(assigned={1: 2}, left=3)


def test_units_are_kept_for_a_whole_line_at_the_head():
    shares = plan(queue=[line(1, 1), whole(2, 6), line(3, 1)], units=5)

    assert shares == Plan(assigned={1: 1}, waiting={2: 6, 3: 1}, left=4, blocked_by=2)


def test_later_lines_may_pass_a_whole_line_so_many_times():
    queue = [whole(1, 9, overtaken=1), line(2, 1), line(3, 1), line(4, 1)]
    shares = plan(queue=queue, units=5, rule=Rule(may_skip=True, most_overtakes=3))

    assert shares == Plan(assigned={2: 1, 3: 1}, waiting={1: 9, 4: 1}, left=3, overtaken={1: 2}, blocked_by=1)


def test_a_whole_order_takes_units_as_they_come():
    assert plan(queue=[line(1, 5, fill=Fill.WHOLE_ORDER)], units=3).assigned == {1: 3}


def test_a_fill_read_from_a_row_is_only_a_string():
    assert plan(queue=[line(1, 5, fill="whole_line")], units=3).assigned == {}


# Pins: an order for the May delivery gets units of the May delivery.


def test_a_delivery_serves_those_who_waited_for_it_before_all_others():
    queue = [line(1, 5), line(2, 2, day=1, pinned_to=7)]

    assert plan(queue=queue, units=4, delivery_id=7).assigned == {2: 2, 1: 2}


def test_who_waits_for_a_later_delivery_takes_nothing_of_this_one():
    queue = [line(1, 5, pinned_to=8), line(2, 2, day=1)]

    assert plan(queue=queue, units=4, delivery_id=7, open_pins={8}) == Plan(assigned={2: 2}, waiting={1: 5}, left=2)


def test_a_line_whose_delivery_is_cancelled_stands_where_it_stands():
    queue = [line(1, 5, pinned_to=8), line(2, 2, day=1)]

    assert plan(queue=queue, units=4, open_pins={9}).assigned == {1: 4}


def test_a_whole_line_keeps_the_units_of_its_own_delivery_from_the_rest_of_the_line():
    shares = plan(queue=[line(1, 3), whole(2, 6, pinned_to=7)], units=5, delivery_id=7)

    assert (shares.assigned, shares.left, shares.blocked_by) == ({}, 5, 2)


# Overtaking, over time.

skipping = st.builds(Rule, may_skip=st.just(True), most_overtakes=st.integers(0, 3))
lots = st.lists(st.tuples(st.integers(0, 8), st.lists(st.integers(1, 9), max_size=2)), min_size=20, max_size=40)


@settings(max_examples=cases(100), deadline=None)
@given(skipping, lots, st.randoms(use_true_random=False))
def test_over_many_arrivals_no_line_is_overtaken_more_often_than_the_rule_says(rule, history, dice):
    queue, left, next_id, overtaken = [], 0, 1, {}
    for units, newcomers in history:
        for needs in newcomers:
            queue.append(line(next_id, needs, fill=dice.choice(list(Fill))))
            next_id += 1
        shares = plan(queue=queue, units=units + left, rule=rule)
        for passed in queue:
            later = [w for w in shares.assigned if w > passed.line_id and passed.line_id in shares.waiting]
            overtaken[passed.line_id] = overtaken.get(passed.line_id, 0) + len(later)
        queue, left = rest_of(queue=queue, shares=shares), shares.left

    assert all(times <= rule.most_overtakes for times in overtaken.values())
    assert {w.line_id: w.overtaken for w in queue} == {w.line_id: overtaken.get(w.line_id, 0) for w in queue}


@settings(max_examples=cases(100), deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.integers(1, 3))
def test_nobody_starves_while_important_people_keep_coming(leap_days, patience, vips_a_day):
    """Every day brings as many important lines as units, so that without ageing an ordinary line would wait for ever."""
    leap = leap_days * DAY
    queue = [(0, START, 0)] + [(-1, START - n * DAY, -n) for n in range(1, patience + 1)]
    served = []
    for day in range(60):
        queue += [(-1, START + day * DAY, 1 + day * vips_a_day + n) for n in range(vips_a_day)]
        ranked = {i: stands_at(placed_at, priority, leap=leap) for priority, placed_at, i in queue}
        rows = [Waiting(line_id=i, needs=1, placed_at=at, priority=rank) for i, (rank, at) in ranked.items()]
        given = plan(queue=rows, units=vips_a_day).assigned
        served += [entry for entry in queue if entry[2] in given]
        queue = [entry for entry in queue if entry[2] not in given]
    before = served[: [i for _, _, i in served].index(0)]

    assert all(placed_at <= START + leap for _, placed_at, _ in before)


priorities = st.integers(-3, 3)
days = st.integers(0, 400)


@given(days, priorities, days, priorities, st.integers(0, 100))
def test_a_line_is_passed_only_by_who_comes_within_a_leap_for_each_step(day, priority, later, other, leap):
    mine = stands_at(START + day * DAY, priority, leap=leap * DAY)
    theirs = stands_at(START + later * DAY, other, leap=leap * DAY)

    assert (theirs < mine) == (later - day < (priority - other) * leap)


def test_a_step_of_priority_is_worth_a_head_start():
    assert stands_at(START, -1, leap=7 * DAY) == (0, START - 7 * DAY)


def test_without_a_leap_classes_are_absolute():
    assert stands_at(START, -2, leap=None) == (-2, START)


@pytest.mark.parametrize(("priority", "end"), [(10**6, dt.datetime.max), (-(10**6), dt.datetime.min)])
@pytest.mark.parametrize("leap", [DAY * 3650, DAY * 999_999_999])
def test_a_head_start_ends_with_the_calendar(priority, end, leap):
    assert stands_at(START, priority, leap=leap) == (0, end.replace(tzinfo=dt.UTC))


# A shortage: goods that were handed out are not there after all.

holdings = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(-1, 1)), max_size=10).map(
    lambda rows: [
        Holding(line_id=n, allocated=units, placed_at=START + day * DAY, priority=priority)
        for n, (units, day, priority) in enumerate(rows, start=1)
    ]
)


@settings(max_examples=cases(100))
@given(holdings, st.integers(0, 40), st.randoms(use_true_random=False))
def test_a_shortage_takes_one_unit_at_a_time_from_the_last_who_has_one(holders, units, dice):
    keeps = {h.line_id: h.allocated for h in holders}
    for _ in range(units):
        have = [h for h in holders if keeps[h.line_id]]
        if have:
            keeps[max(have, key=lambda h: (h.priority, h.placed_at, h.line_id)).line_id] -= 1
    expected = {h.line_id: h.allocated - keeps[h.line_id] for h in holders if keeps[h.line_id] < h.allocated}

    assert shortage(holders=dice.sample(holders, len(holders)), units=units) == expected


@given(holdings, st.integers(0, 40))
def test_nobody_gives_up_a_unit_while_somebody_behind_them_keeps_one(holders, units):
    taken = shortage(holders=holders, units=units)
    losers = [h for h in holders if h.line_id in taken]
    keepers = [h for h in holders if h.allocated > taken.get(h.line_id, 0)]

    assert all(keeper.place <= loser.place for keeper in keepers for loser in losers)


@given(queues(fills=(Fill.PARTIAL,), pins=(None,)), st.integers(0, 40), st.integers(0, 40))
def test_a_shortage_leaves_what_a_smaller_arrival_would_have_given(queue, units, missing):
    shares = plan(queue=queue, units=units)
    holders = [
        Holding(line_id=w.line_id, allocated=shares.assigned[w.line_id], placed_at=w.placed_at, priority=w.priority)
        for w in queue
        if w.line_id in shares.assigned
    ]
    taken = shortage(holders=holders, units=missing)
    kept = {k: v - taken.get(k, 0) for k, v in shares.assigned.items() if v > taken.get(k, 0)}

    assert kept == plan(queue=queue, units=max(0, min(units, shares.units) - missing)).assigned


def test_the_rest_of_a_queue_keeps_what_it_wants():
    queue = [whole(1, 9, overtaken=1, pinned_to=4), line(2, 5)]
    shares = plan(queue=queue, units=3, rule=Rule(may_skip=True))

    assert rest_of(queue=queue, shares=shares) == [replace(queue[0], overtaken=2), replace(queue[1], needs=2)]
