"""The odds of somebody in line, against a simulation of the line."""

import random
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorders.domain.chances import Odds, buyers_among, chance_in_draw, chance_in_line, in_steps
from backorders.domain.odds import BuyRate
from backorders.domain.waves import crowd_of

RATES = st.builds(BuyRate, st.floats(0.3, 30), st.floats(0.3, 60))
ONE_IN_SIX = BuyRate()


def played(ahead, own, free, rate, *, is_drawn=False, rounds=4000):
    """How often own units are left, when so many lines are played through: who is told takes all they asked for or passes."""
    dice = random.Random(11)
    left = [0] * len(free)
    for _ in range(rounds):
        share = dice.betavariate(rate.buys, rate.passes)
        line = list(ahead)
        if is_drawn:
            dice.shuffle(line)
            line = line[: dice.randrange(len(line) + 1)]
        bought = sum(quantity for quantity in line if dice.random() < share)
        for place, units in enumerate(accumulate(free)):
            left[place] += units - bought >= own
    return [times / rounds for times in left]


@pytest.mark.parametrize(
    ("ahead", "own", "free"),
    [
        ([1] * 13, 1, [30]),
        ([1] * 60, 1, [5, 5, 20]),
        ([1] * 40, 3, [8]),
        ([2] * 30, 2, [9, 9]),
        ([], 4, [3, 1]),
        ([1] * 300, 1, [40]),
    ],
)
@pytest.mark.parametrize("rate", [ONE_IN_SIX, BuyRate(20, 20), BuyRate(1, 40)], ids=["first", "half", "few"])
def test_the_odds_are_what_happens_when_the_line_is_played_through(ahead, own, free, rate):
    expected = played(ahead, own, free, rate)
    assert chance_in_line(ahead=crowd_of(ahead), own=own, free=free, rate=rate) == pytest.approx(expected, abs=0.035)


def test_a_line_of_people_who_want_different_numbers_is_close_to_what_happens():
    dice = random.Random(5)
    ahead = [dice.choice([1, 1, 1, 2, 3]) for _ in range(80)]
    for units in (5, 15, 30, 60):
        [expected] = played(ahead, 1, [units], ONE_IN_SIX)
        [chance] = chance_in_line(ahead=crowd_of(ahead), own=1, free=[units], rate=ONE_IN_SIX)
        assert chance == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("people", [0, 7, 80])
def test_the_odds_of_a_draw_are_what_happens_when_lots_are_drawn(people):
    ahead = [1] * people
    expected = played(ahead, 1, [1, 4, 10], ONE_IN_SIX, is_drawn=True)
    # A buyer's own rank is asked for: the simulation draws the place in the whole line, which is the same.
    assert chance_in_draw(others=crowd_of(ahead), own=1, free=[1, 4, 10], rate=ONE_IN_SIX) == pytest.approx(
        expected, abs=0.035
    )


@settings(max_examples=60)
@given(st.integers(0, 5000), RATES)
def test_all_numbers_of_buyers_together_are_certain(people, rate):
    assert sum(buyers_among(crowd_of([1] * people), rate).chances) == pytest.approx(1, abs=1e-6)


@settings(max_examples=60)
@given(st.integers(0, 400), st.integers(1, 9), st.lists(st.integers(0, 200), min_size=1, max_size=4), RATES)
def test_more_units_fewer_people_ahead_and_smaller_wishes_never_lower_the_odds(people, own, free, rate):
    def chance(people=people, own=own, free=free):
        return chance_in_line(ahead=crowd_of([1] * people), own=own, free=free, rate=rate)

    odds = chance()
    assert odds == sorted(odds) and all(0 <= each <= 1 for each in odds)
    assert all(more >= less - 1e-9 for more, less in zip(chance(people=people // 2), odds, strict=True))
    assert all(more >= less - 1e-9 for more, less in zip(chance(own=1), odds, strict=True))
    assert chance(free=[free[0] + 5, *free[1:]])[0] >= odds[0]


def test_a_line_of_a_hundred_thousand_has_the_odds_of_a_share():
    """Of so many, the share who buy is all that is unsure: one in six on average, and fewer than one in ten in two of five cases."""
    many, few = crowd_of([1] * 100_000), crowd_of([1] * 1000)
    [large] = chance_in_line(ahead=many, own=1, free=[10_000], rate=ONE_IN_SIX)
    [small] = chance_in_line(ahead=few, own=1, free=[100], rate=ONE_IN_SIX)
    assert large == pytest.approx(1 - 0.9**5, abs=0.005)
    assert small == pytest.approx(large, abs=0.01)


def test_who_stands_first_gets_what_is_there_and_never_more():
    assert chance_in_line(ahead=crowd_of([]), own=3, free=[2, 1], rate=ONE_IN_SIX) == [0.0, 1.0]
    assert chance_in_line(ahead=crowd_of([1]), own=1, free=[], rate=ONE_IN_SIX) == []


@pytest.mark.parametrize(
    ("probability", "odds"),
    [
        (1.0, Odds.VERY_LIKELY),
        (0.9, Odds.VERY_LIKELY),
        (0.8999, Odds.LIKELY),
        (0.7, Odds.LIKELY),
        (0.4, Odds.EVEN),
        (0.3999, Odds.UNLIKELY),
        (0.1, Odds.UNLIKELY),
        (0.0999, Odds.HARDLY),
        (0.0, Odds.HARDLY),
    ],
)
def test_odds_come_in_five_steps(probability, odds):
    assert in_steps(probability) is odds
