"""The dress rehearsal itself, on crowds whose outcome can be counted by hand."""

from math import inf
from random import Random

import pytest

from backorders.domain.wave_rehearsal import OURS, PEOPLE, POLICIES, REGIMES, RIVAL, UNITS, Run, _crowd, _run, rehearse


def outcome(name, crowd):
    return _run(crowd, POLICIES[name]())


def test_told_all_at_once_the_first_fifty_get_the_units():
    crowd = [n / 100 for n in range(1, 201)]

    assert outcome("tell all", crowd) == Run(disappointed=0.75, hours=0.45, sold=1.0)


def test_one_per_unit_and_hour_disappoints_nobody_who_comes_within_the_hour():
    assert outcome("1 per unit, hourly", [0.5] * 200) == Run(disappointed=0.0, hours=0.5, sold=1.0)


def test_a_crowd_that_never_buys_disappoints_nobody_and_sells_nothing():
    for name in POLICIES:
        assert outcome(name, [inf] * 300) == Run(disappointed=0.0, hours=72.0, sold=0.0)


def test_clicks_after_three_days_do_not_count():
    assert outcome("tell all", [73.0] * 100) == Run(disappointed=0.0, hours=72.0, sold=0.0)


@pytest.mark.parametrize("regime", REGIMES)
def test_crowds_buy_as_often_as_their_regime_says(regime):
    buyers = sum(hours < inf for n in range(150) for hours in _crowd(REGIMES[regime], Random(n)))

    assert buyers / (150 * PEOPLE) == pytest.approx(REGIMES[regime], rel=0.2)


def test_every_rule_meets_the_same_crowds():
    rehearsal = rehearse(seed=5, repetitions=3)
    for regime, runs in rehearsal.runs.items():
        assert {name: len(each) for name, each in runs.items()} == dict.fromkeys(POLICIES, 3)
        apart = [mine.hours - theirs.hours for mine, theirs in zip(runs[OURS], runs[RIVAL], strict=True)]
        assert rehearsal.hours_apart(regime).mean == pytest.approx(sum(apart) / 3)
    assert UNITS == 50
