"""What is learned of those who were told, against worlds whose truth is known."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.odds import BuyRate
from backorders.domain.responses import Answer, Delay, Outcome, delay_of, first_share_by, learned_from, rate_of


def test_before_anything_is_known_half_come_within_an_hour():
    assert [Delay().share_by(hours) for hours in (-1, 0, 1, 3, 9)] == [0, 0, 0.5, 0.75, 0.9]
    assert Delay().hours_until(0.75) == pytest.approx(3)


def test_quick_buyers_are_learned_also_when_most_people_never_buy():
    dice = random.Random(1)
    came = [Answer(hours=dice.expovariate(2), has_bought=True) for _ in range(2000)]
    delay = delay_of([*came, Answer(hours=100, has_bought=False, people=20_000)])

    for hours in (0.1, 0.25, 0.5, 1, 2):
        assert delay.share_by(hours) == pytest.approx(1 - math.exp(-2 * hours), abs=0.03)


def test_people_who_were_watched_too_briefly_do_not_make_buyers_look_quick():
    """Half of the waves are cut off after an hour; the curve is the same as if none were."""
    dice = random.Random(2)
    needs = [dice.expovariate(1 / 2) for _ in range(6000)]
    cut = [1.0 if n % 2 else 50.0 for n in range(6000)]
    seen = [Answer(hours=min(h, c), has_bought=h <= c) for h, c in zip(needs, cut, strict=True)]
    delay = delay_of(
        [*seen, Answer(hours=1, has_bought=False, people=30_000), Answer(hours=50, has_bought=False, people=30_000)]
    )

    for hours in (0.5, 1, 2, 4, 8):
        assert delay.share_by(hours) == pytest.approx(1 - math.exp(-hours / 2), abs=0.05)


def test_nobody_believes_all_come_within_minutes_because_the_shelf_was_empty_then():
    delay = delay_of([Answer(hours=0.1, has_bought=True, people=500), Answer(hours=0.1, has_bought=False, people=500)])

    assert delay.share_by(0.1) == pytest.approx(first_share_by(0.1))
    assert delay.share_by(5) == first_share_by(5)


@given(
    st.lists(
        st.builds(Answer, hours=st.floats(0, 200), has_bought=st.booleans(), people=st.integers(0, 9)), max_size=30
    )
)
def test_a_curve_never_falls_and_stays_between_none_and_all(answers):
    delay = delay_of(answers)
    shares = [delay.share_by(hours / 3) for hours in range(-3, 900)]

    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1


def outcomes(shares, people=60):
    return [Outcome(item_id=n, buys=round(share * people), exposure=float(people)) for n, share in enumerate(shares)]


def test_a_shop_without_a_past_believes_that_one_in_six_buys():
    assert rate_of([]) == BuyRate(pytest.approx(1), pytest.approx(5))
    assert rate_of([Outcome(item_id=1, buys=0, exposure=0.0)]) == rate_of([])


def test_the_past_moves_the_belief_little_by_little():
    means = [rate_of(outcomes([0.5] * count, people=6)).mean for count in (0, 1, 5, 50)]

    assert means == sorted(means) and means[0] < 0.17 and 0.2 < means[1] < 0.4 and means[3] > 0.48


def test_restocks_that_are_all_alike_make_it_sure_and_those_that_differ_do_not():
    alike = rate_of(outcomes([0.2] * 40))
    apart = rate_of(outcomes([0.0, 0.4] * 20))

    assert alike.mean == pytest.approx(apart.mean, abs=0.01)
    assert alike.buys + alike.passes > 5 * (apart.buys + apart.passes)


def test_the_fit_finds_the_belief_that_made_the_restocks():
    dice = random.Random(3)
    made = []
    for n in range(400):
        share = dice.betavariate(2, 14)
        made.append(Outcome(item_id=n, buys=sum(dice.random() < share for _ in range(80)), exposure=80.0))
    found = rate_of(made)

    assert found.mean == pytest.approx(0.125, abs=0.01)
    assert found.buys + found.passes == pytest.approx(16, rel=0.25)


@given(
    st.lists(
        st.builds(Outcome, item_id=st.integers(1, 3), buys=st.integers(0, 10**6), exposure=st.floats(0, 1e6)),
        max_size=9,
    )
)
def test_a_belief_is_always_one(past):
    learned = learned_from(past, delay=Delay())
    for rate in (learned.rate, learned.rate_of_item(1), learned.rate_of_item(1).after(buys=5, exposure=1.0)):
        assert rate.buys > 0 and rate.passes > 0 and 0 < rate.mean < 1


def test_an_items_own_past_counts_for_twenty_people_at_most():
    learned = learned_from([Outcome(item_id=7, buys=500, exposure=1000.0)], delay=Delay())
    own, rate = learned.rate_of_item(7), learned.rate

    assert (own.buys - rate.buys, own.passes - rate.passes) == (pytest.approx(10), pytest.approx(10))
    assert learned.rate_of_item(8) == rate


def test_a_restock_that_goes_on_speaks_for_its_item_itself():
    learned = learned_from([Outcome(item_id=None, buys=5, exposure=10.0)], delay=Delay())

    assert learned.own == {} and learned.sees_buyers
