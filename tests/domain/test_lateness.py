"""How late deliveries come, against oracles written another way, and what is said about the next one."""

import datetime as dt
from fractions import Fraction
from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.calendars import ALWAYS_OPEN, Calendar
from backorders.domain.lateness import (
    FEWEST,
    Observation,
    PastDelivery,
    adapted_level,
    calibration,
    lateness_of,
    learned,
    observed,
    pinball_loss,
    replay,
    wilson_interval,
)
from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, NoDate, Window

DAY = dt.timedelta(days=1)
MONDAY = dt.date(2026, 3, 2)
WEEKDAYS = Calendar(closed_weekdays=frozenset({5, 6}), closed_days=frozenset({dt.date(2026, 3, 17)}))
LEVELS = (0.05, 0.2, 0.5, 0.8, 0.95, 0.99)


def came(*days):
    return [Observation(days=day) for day in days]


def still_open(*days):
    return [Observation(days=day, is_open=True) for day in days]


def lost(*days):
    return [Observation(days=day, is_lost=True) for day in days]


def window(latest=MONDAY, wide=0, **more):
    return Window(earliest=latest - wide * DAY, latest=latest, **more)


days = st.integers(-8, 25)
arrivals = st.lists(days, min_size=1, max_size=30).map(lambda each: came(*each))
outcomes = st.builds(
    lambda day, fate: Observation(days=day, is_open=fate == "open", is_lost=fate == "lost"),
    days,
    st.sampled_from(["came", "came", "came", "open", "lost"]),
)
histories = st.lists(outcomes, min_size=1, max_size=30)


def share_by(lateness, day):
    """F(day) as the step function says it."""
    return max((share for step, share in zip(lateness.days, lateness.shares, strict=True) if step <= day), default=0)


def counted_share(seen, day):
    """The empirical distribution: count."""
    return Fraction(sum(each.days <= day for each in seen), len(seen))


def redistributed(seen):
    """Efron's oracle: who is out of sight hands its mass, in equal parts, to all who stayed out longer."""
    mass = [Fraction(1, len(seen))] * len(seen)
    hidden = [place for place, each in enumerate(seen) if each.is_open]
    for place in sorted(hidden, key=lambda place: seen[place].days):
        heirs = [p for p, each in enumerate(seen) if each.is_lost or each.days > seen[place].days]
        for heir in heirs:
            mass[heir] += mass[place] / len(heirs)
        mass[place] = Fraction(0)
    return [(each.days, mass[p]) for p, each in enumerate(seen) if not each.is_lost and not each.is_open]


# -- the curve ----------------------------------------------------------------------------------------------------------


@given(arrivals, days)
def test_when_everything_came_it_is_counting(seen, day):
    assert share_by(lateness_of(seen), day) == pytest.approx(float(counted_share(seen, day)))


@given(histories, days)
def test_it_equals_handing_the_mass_of_open_deliveries_to_later_ones(seen, day):
    expected = sum(mass for came_on, mass in redistributed(seen) if came_on <= day)

    assert share_by(lateness_of(seen), day) == pytest.approx(float(expected))


@given(arrivals, st.lists(arrivals, min_size=1, max_size=4), days)
def test_own_and_others_are_mixed_by_the_formula(own, pool, day):
    others = [seen for each in pool for seen in each[-15:]]
    n, m = len(own), min(8, len(others))
    expected = (n * counted_share(own, day) + m * counted_share(others, day)) / (n + m)

    assert share_by(lateness_of(own, pool=pool), day) == pytest.approx(float(expected))


@given(histories, st.lists(histories, max_size=4))
def test_a_higher_level_is_never_an_earlier_day(own, pool):
    lateness = lateness_of(own, pool=pool)
    named = [lateness.quantile(level) for level in LEVELS]
    until = named.index(None) if None in named else len(named)

    assert named[:until] == sorted(named[:until])
    assert set(named[until:]) <= {None}


@given(arrivals, st.sampled_from(LEVELS))
def test_with_others_to_lean_on_a_quantile_is_the_first_day_that_reaches_the_level(own, level):
    lateness = lateness_of(own, pool=[came(*range(15))])
    day = lateness.quantile(level)

    assert share_by(lateness, day - 1) < level <= share_by(lateness, day) + 1e-9


@given(arrivals, st.sampled_from([0.8, 0.95]))
def test_alone_the_next_delivery_counts_among_the_seen(own, level):
    rank = min(len(own), ceil(round(level * (len(own) + 1), 9)))

    assert lateness_of(own).quantile(level) == sorted(seen.days for seen in own)[rank - 1]


def test_only_the_last_thirty_speak_for_a_supplier():
    assert lateness_of(came(*[90] * 70, *[1] * 30)) == lateness_of(came(*[1] * 30))


def test_a_big_supplier_does_not_drown_the_others():
    big, small = came(*[0] * 100), came(*[9] * 15)

    assert share_by(lateness_of([], pool=[big, small]), 0) == pytest.approx(0.5)


def test_two_deliveries_of_others_weigh_no_more_than_two():
    assert lateness_of(came(*[0] * 8), pool=[came(9, 9)]).weight == 10


def test_what_is_open_counts_for_what_it_has_shown():
    arrived = came(0, 0, 1, 1, 2)

    assert lateness_of(arrived).quantile(0.6) == 1
    assert lateness_of(arrived + still_open(1, 1)).quantile(0.6) == 2
    assert lateness_of(arrived + still_open(3, 3, 3)).quantile(0.8) is None


def test_deliveries_that_never_come_leave_no_honest_number():
    seen = came(*range(7)) + lost(0, 0, 0)

    assert lateness_of(seen, pool=[came(*[3] * 8)]).quantile(0.8) == 6
    assert lateness_of(seen).quantile(0.8) is None
    assert lateness_of(seen).quantile(0.5) == 4


# -- given that it has not come yet -------------------------------------------------------------------------------------


@given(histories, st.lists(histories, max_size=3), days, st.sampled_from(LEVELS))
def test_what_is_still_awaited_comes_later_than_that(own, pool, late_by, level):
    day = lateness_of(own, pool=pool).beyond(late_by).quantile(level)

    assert day is None or day > late_by


@given(st.lists(outcomes.filter(lambda seen: not seen.is_lost), min_size=1, max_size=30), days, days)
def test_it_is_the_conditional_probability(seen, late_by, more):
    whole = lateness_of(seen)
    rest, staying = whole.beyond(late_by), 1 - share_by(whole, late_by)
    by = late_by + abs(more)

    expected = (share_by(whole, by) - share_by(whole, late_by)) / staying if staying > 1e-9 else 0
    assert share_by(rest, by) == pytest.approx(expected)


def test_what_was_called_off_in_time_says_nothing_of_late_deliveries():
    seen = came(0, 4, 5, 5, 6, 7) + lost(*[-3] * 4)

    assert lateness_of(seen).quantile(0.8) is None
    assert lateness_of(seen).beyond(3).quantile(0.8) == 7


# -- the level ----------------------------------------------------------------------------------------------------------


def test_too_little_to_learn_from_leaves_the_target():
    assert adapted_level(came(1, 9, 1, 9, 1)) == 0.8


def test_a_broken_promise_raises_the_level_and_a_kept_one_lowers_it():
    pool = [came(*range(10))]

    assert adapted_level(came(9), pool=pool) == pytest.approx(0.8 + 0.03 * 0.8)
    assert adapted_level(came(7), pool=pool) == pytest.approx(0.8 - 0.03 * 0.2)
    assert adapted_level(lost(0), pool=pool) == pytest.approx(0.8 + 0.03 * 0.8)


def test_an_open_delivery_counts_once_its_promise_is_broken():
    pool = [came(*range(10))]

    assert adapted_level(still_open(6), pool=pool) == 0.8
    assert adapted_level(still_open(7), pool=pool) == pytest.approx(0.8 + 0.03 * 0.8)


def test_the_level_stays_in_bounds():
    assert adapted_level(came(*range(200)), gamma=0.2) == 0.99
    assert adapted_level(came(*range(200, 0, -1)), gamma=0.2) == 0.5


def test_what_is_long_ago_no_longer_moves_the_level():
    dice = Random(3)
    history = came(*(dice.randrange(10) for _ in range(200)))

    assert adapted_level(history) == adapted_level(history[-90:]) != adapted_level(history[-60:])


def test_a_silent_promise_is_not_broken_but_earns_nothing():
    hopeless = came(*[0] * 5) + lost(*[0] * 25)

    assert adapted_level(hopeless) == pytest.approx(0.8, abs=0.06)
    assert adapted_level(came(*[0] * 10) + lost(*[0] * 60)) == 0.8


@given(histories, st.lists(histories, max_size=3))
def test_only_what_was_known_before_moves_the_level(own, pool):
    """The oracle: learn anew before each delivery."""
    level = 0.8
    for place, seen in enumerate(own):
        lateness = lateness_of(own[:place], pool=pool)
        said = lateness.quantile(level)
        if lateness.count < FEWEST or (seen.is_open and said is not None and seen.days < said):
            continue
        if said is None:
            level = level if level < 0.8 else max(0.8, level - 0.006)
        elif not seen.is_lost and not seen.is_open and seen.days <= said:
            level = max(0.5, level - 0.006)
        else:
            level = min(0.99, level + 0.024)

    assert adapted_level(own, pool=pool) == pytest.approx(level)


# -- what is said -------------------------------------------------------------------------------------------------------


def said(stated, seen, *, calendar=ALWAYS_OPEN):
    lateness = None if seen is None else lateness_of(seen)
    return learned(stated, lateness=lateness, level=0.8, today=MONDAY, calendar=calendar)


def test_a_window_runs_from_p20_to_p80_around_the_stated_latest_day():
    stated = window(MONDAY + 20 * DAY, wide=3, confidence=Confidence.GUESS)
    usual = lateness_of([], pool=[came(*range(1, 11))])

    answer = learned(stated, lateness=usual, level=0.8, today=MONDAY, calendar=ALWAYS_OPEN)
    assert answer == Window(
        earliest=MONDAY + 22 * DAY, latest=MONDAY + 28 * DAY, confidence=Confidence.GUESS, source=stated.source
    )


def test_lateness_is_counted_in_open_days():
    friday = MONDAY + 4 * DAY

    assert said(window(friday), came(*[1] * 9), calendar=WEEKDAYS) == window(friday + 3 * DAY)


@pytest.mark.parametrize("seen", [None, [], came(5), came(5, 5, 5, 5)])
def test_with_too_little_history_the_stated_window_stands_while_it_is_not_over(seen):
    assert said(window(MONDAY + 9 * DAY, wide=2), seen) == window(MONDAY + 9 * DAY, wide=2)
    assert said(window(MONDAY + DAY, wide=7), seen) == window(MONDAY + DAY, wide=1)
    assert said(window(MONDAY - DAY), seen) == OVERDUE


def test_an_overdue_delivery_is_expected_with_those_that_were_as_late():
    usual = came(0, 0, 0, 0, 0, 4, 6, 7, 8, 9)

    assert said(window(MONDAY - 3 * DAY), usual) == Window(earliest=MONDAY + DAY, latest=MONDAY + 6 * DAY)


def test_a_delivery_later_than_any_before_has_no_date():
    assert said(window(MONDAY - 3 * DAY), came(*[0] * 20)) == OVERDUE


def test_where_too_many_never_came_there_is_no_date():
    usual = came(*[0] * 6) + lost(*[2] * 6)

    assert said(window(MONDAY + DAY), usual) == NO_DATE
    assert said(window(MONDAY - DAY), usual) == OVERDUE


def test_it_may_still_come_today():
    assert said(window(MONDAY - 3 * DAY), came(*[3] * 9)) == window(MONDAY)


def test_people_who_type_the_end_of_time_get_it_back():
    assert said(window(dt.date.max), came(*[40] * 9)) == window(dt.date.max)


def test_no_window_ever_starts_or_ends_in_the_past():
    dice = Random(20260302)
    for _ in range(5_000):
        seen = [_anything(dice) for _ in range(dice.randrange(40))]
        pool = [[_anything(dice) for _ in range(dice.randrange(9))] for _ in range(dice.randrange(3))]
        today = MONDAY + DAY * dice.randrange(90)
        stated = window(MONDAY + DAY * dice.randrange(90), wide=dice.randrange(9))
        level, calendar = dice.uniform(0.5, 0.99), dice.choice([WEEKDAYS, ALWAYS_OPEN])

        answer = learned(stated, lateness=lateness_of(seen, pool=pool), level=level, today=today, calendar=calendar)
        assert isinstance(answer, NoDate) or today <= answer.earliest <= answer.latest
        assert answer != NO_DATE or not stated.is_over(today)
        assert answer != OVERDUE or stated.is_over(today)


def _anything(dice):
    fate = dice.random()
    return Observation(days=dice.randrange(-20, 60), is_open=0.7 < fate < 0.85, is_lost=fate > 0.9)


# -- how promises were kept ---------------------------------------------------------------------------------------------


def delivery(due, *, days=None, lost=False, lead=10):
    closed_on = None if days is None else due + days * DAY
    return PastDelivery(announced_on=due - lead * DAY, stated=window(due), closed_on=closed_on, is_lost=lost)


def test_a_delivery_is_known_by_what_had_happened_when_the_day_began():
    past = delivery(MONDAY, days=3)
    seen = {days: past.seen_on(MONDAY + days * DAY, calendar=ALWAYS_OPEN) for days in (1, 3, 4)}

    assert seen == {1: still_open(0)[0], 3: still_open(2)[0], 4: came(3)[0]}
    assert delivery(MONDAY, days=2, lost=True).seen_on(MONDAY + 9 * DAY, calendar=ALWAYS_OPEN) == lost(2)[0]


def test_what_came_on_a_closed_day_counts_as_the_next_open_one():
    friday = MONDAY + 4 * DAY

    assert delivery(friday, days=1).seen_on(friday + 9 * DAY, calendar=WEEKDAYS) == came(1)[0]


def test_only_what_was_due_is_observed_so_that_early_birds_do_not_flatter():
    early, late, open_one = (
        delivery(MONDAY + 5 * DAY, days=-8),
        delivery(MONDAY - 5 * DAY, days=2),
        delivery(MONDAY - 9 * DAY),
    )

    assert observed([early, late, open_one], on=MONDAY, calendar=ALWAYS_OPEN) == still_open(8) + came(2)
    assert observed([late, open_one], on=MONDAY, calendar=ALWAYS_OPEN, most=1) == came(2)
    assert observed([late], on=MONDAY - 5 * DAY, calendar=ALWAYS_OPEN) == []


def test_staff_see_how_promises_were_kept():
    """Ten deliveries a fortnight apart; by the sixth there is enough to learn from. The ninth breaks, the tenth is lost."""
    late = [2, 2, 2, 2, 2, 2, 2, 2, 3]
    own = [delivery(MONDAY + 14 * place * DAY, days=days) for place, days in enumerate(late)]
    own.append(delivery(MONDAY + 14 * 9 * DAY, days=0, lost=True))
    today = MONDAY + 400 * DAY

    trials = list(replay(own, pool=[], calendar=ALWAYS_OPEN, today=today))
    p50, p80, p95 = calibration(trials, calendar=ALWAYS_OPEN, today=today)
    assert [(row.trials, row.hits, row.silent, row.share) for row in (p50, p80, p95)] == [(5, 3, 0, 0.6)] * 3
    assert (p50.width, p80.width) == (1, 1.2)
    assert (p50.pinball, p80.pinball) == pytest.approx((0.5 / 4, 0.8 / 4))


def test_a_promise_that_is_not_over_is_not_counted():
    own = [delivery(MONDAY + 14 * place * DAY, days=5) for place in range(7)]
    [first, second] = replay(own, pool=[], calendar=ALWAYS_OPEN, today=MONDAY + 86 * DAY)

    assert [row.trials for row in calibration([first, second], calendar=ALWAYS_OPEN, today=MONDAY + 86 * DAY)] == [
        1
    ] * 3
    assert [row.trials for row in calibration([first, second], calendar=ALWAYS_OPEN, today=MONDAY + 90 * DAY)] == [
        2
    ] * 3


def test_what_becomes_known_later_changes_nothing_that_was_said():
    own = [delivery(MONDAY + 14 * place * DAY, days=2) for place in range(8)]
    worse = [*own[:-1], delivery(own[-1].stated.latest, days=60)]
    today = MONDAY + 400 * DAY

    before, after = (list(replay(each, pool=[], calendar=ALWAYS_OPEN, today=today)) for each in (own, worse))
    assert [trial.said for trial in before] == [trial.said for trial in after]


def test_without_trials_there_is_nothing_to_show():
    [p50, *_] = calibration([], calendar=ALWAYS_OPEN, today=MONDAY)

    assert (p50.trials, p50.share, p50.low, p50.high) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_equals_the_published_examples(hits, trials, low, high):
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    assert wilson_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


def test_the_pinball_loss_is_least_at_the_quantile():
    dice = Random(7)
    seen = [round(dice.expovariate(1 / 9)) for _ in range(999)]
    costs = {day: sum(pinball_loss(each - day, 0.8) for each in seen) for day in range(60)}

    assert min(costs, key=costs.get) == sorted(seen)[ceil(0.8 * len(seen)) - 1]
