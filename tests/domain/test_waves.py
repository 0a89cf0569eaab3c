"""How many may be told. The oracle adds up every outcome in exact fractions, and tries every size."""

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorders.domain.odds import EXACT_UP_TO, BuyRate, _smooth, _summed, beta_below, overrun
from backorders.domain.responses import Learned
from backorders.domain.units import NO_UNITS, UNLIMITED, Units
from backorders.domain.waves import (
    Course,
    Crowd,
    Told,
    crowd_of,
    expected_to_pass,
    next_wave,
    one_hold_after_the_other,
    people_within,
    wave_size,
    waves_if_nobody_answers,
)


def chances(people, a, b):
    """P(X = k) for X ~ BetaBinomial(people, a, b), exact; ``a`` and ``b`` are fractions."""

    def rising(start, steps):
        return math.prod((start + step for step in range(steps)), start=Fraction(1))

    whole = rising(a + b, people)
    return [math.comb(people, k) * rising(a, k) * rising(b, people - k) / whole for k in range(people + 1)]


def exact_overrun(told, stock, a, b):
    return sum(max(0, k - stock) * chance for k, chance in enumerate(chances(told, a, b)))


beliefs = st.tuples(st.integers(1, 40), st.integers(1, 80)).map(lambda ab: (Fraction(ab[0], 4), Fraction(ab[1], 4)))


@given(st.integers(0, 40), st.integers(0, 15), beliefs)
@settings(deadline=None)
def test_the_closed_sum_is_the_sum_over_every_outcome(told, stock, belief):
    wanted = exact_overrun(told, stock, *belief)
    assert overrun(told=told, stock=stock, rate=BuyRate(*map(float, belief))) == pytest.approx(
        float(wanted), rel=1e-9, abs=1e-9
    )


@given(st.integers(1, 12), st.integers(0, 10), st.integers(1, 30), beliefs, st.sampled_from([1, 3, 8, 20]))
@settings(deadline=None, max_examples=60)
def test_it_is_the_largest_wave_within_the_loss(stock, in_flight, waiting, belief, percent):
    def fits(told):
        mean = belief[0] / (belief[0] + belief[1])
        return exact_overrun(told, stock, *belief) <= Fraction(percent, 100) * told * mean

    wanted = max((n for n in range(1, waiting + 1) if fits(in_flight + n)), default=0)
    rate = BuyRate(*map(float, belief))
    found = wave_size(stock=stock, in_flight=in_flight, waiting=waiting, rate=rate, loss=percent / 100)
    assert found == wanted


many = st.integers(0, 3000)
rates = st.builds(BuyRate, st.floats(0.05, 200), st.floats(0.05, 2000))


@given(many, many, st.integers(0, 5000), rates, st.floats(0.001, 0.5))
def test_never_more_than_wait_and_never_fewer_than_cannot_run_over(stock, in_flight, waiting, rate, loss):
    size = wave_size(stock=stock, in_flight=in_flight, waiting=waiting, rate=rate, loss=loss)

    assert min(waiting, max(0, stock - in_flight)) <= size <= waiting


@given(many, many, st.integers(0, 5000), rates, st.floats(0.001, 0.4))
def test_more_units_more_loss_and_fewer_answers_to_come_never_make_it_smaller(stock, in_flight, waiting, rate, loss):
    about = {"stock": stock, "in_flight": in_flight, "waiting": waiting, "rate": rate, "loss": loss}
    size = wave_size(**about)

    assert wave_size(**{**about, "stock": stock + 1}) >= size
    assert wave_size(**{**about, "loss": loss * 1.2}) >= size
    assert wave_size(**{**about, "in_flight": in_flight + 1}) <= size
    assert wave_size(**{**about, "waiting": waiting + 1}) >= size


@pytest.mark.parametrize("rate", [BuyRate(), BuyRate(30, 200), BuyRate(0.2, 3), BuyRate(500, 500)])
def test_the_smooth_curve_goes_on_where_the_sum_ends(rate):
    for told in (EXACT_UP_TO + 50, 3 * EXACT_UP_TO, 40 * EXACT_UP_TO):
        summed, smooth = _summed(told, EXACT_UP_TO, rate), _smooth(told, EXACT_UP_TO, rate)
        assert smooth == pytest.approx(summed, abs=0.003 * told * rate.mean + 0.01)


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.01, 0.99))
def test_the_incomplete_beta_function_is_the_binomial_tail(a, b, x):
    trials = a + b - 1
    tail = sum(math.comb(trials, k) * x**k * (1 - x) ** (trials - k) for k in range(a, trials + 1))

    assert beta_below(x, a, b) == pytest.approx(tail, abs=1e-10)


@pytest.mark.parametrize("stock", [1, 50, 400, 401, 5000, 10**6])
@pytest.mark.parametrize("rate", [BuyRate(), BuyRate(1e-3, 5), BuyRate(5, 1e-3), BuyRate(1e5, 9e5), BuyRate(1, 1e6)])
def test_huge_numbers_are_answered_at_once_and_make_sense(stock, rate):
    started = time.perf_counter()
    size = wave_size(stock=stock, in_flight=0, waiting=10**6, rate=rate)

    assert stock <= size <= 10**6
    assert time.perf_counter() - started < 0.5


def test_an_everyday_wave_takes_about_a_millisecond():
    started = time.perf_counter()
    for _ in range(20):
        wave_size(stock=50, in_flight=10, waiting=2000, rate=BuyRate(3, 20))

    assert (time.perf_counter() - started) / 20 < 0.005  # 0.3 ms on a quiet machine


@pytest.mark.parametrize(
    ("stock", "waiting", "told"), [(0, 9, 0), (1, 1, 1), (1, 2, 1), (9, 9, 9), (5, 0, 0), (10, 11, 11)]
)
def test_at_the_edges(stock, waiting, told):
    assert wave_size(stock=stock, in_flight=0, waiting=waiting, rate=BuyRate()) == told


NEW_SHOP = Learned()


def wave(shelf, crowd, learned=NEW_SHOP, loss=0.03, **course):
    return next_wave(shelf=shelf, crowd=crowd, course=Course(**course), learned=learned, loss=loss)


def test_a_product_that_is_not_counted_is_there_for_everybody():
    assert wave(UNLIMITED, crowd_of([1] * 9), told=[Told(people=7, units=7, hours=0.0)]) == UNLIMITED


def test_nothing_on_the_shelf_is_nothing_to_tell():
    assert wave(NO_UNITS, crowd_of([1] * 9)) == NO_UNITS


def test_those_who_may_still_answer_count_and_those_who_did_not_come_make_room():
    crowd, fifty = crowd_of([1] * 1000), Units(50)
    fresh = wave(fifty, crowd)
    just_told = [Told(people=fresh.value, units=fresh.value, hours=0.0)]
    long_told = [Told(people=20, units=20, hours=500.0)]

    assert wave(fifty, crowd, told=just_told) == Units(0)
    assert wave(fifty, crowd, told=long_told).value > 2 * fresh.value > 200


def test_the_next_is_told_of_a_single_unit_when_half_of_all_buyers_would_have_come():
    sizes = [wave(Units(1), crowd_of([1] * 9), told=[Told(people=1, units=1, hours=hours)]) for hours in (0.9, 1.1)]

    assert sizes == [Units(0), Units(1)]


def test_people_told_of_the_restock_before_come_too_but_say_nothing_of_this_one():
    crowd, before = crowd_of([1] * 1000), [Told(people=60, units=60, hours=1.0)]
    alone, after = wave(Units(50), crowd), wave(Units(50), crowd, earlier=before)

    assert alone.value - after.value == 30  # half of them are still on their way


def test_mails_that_have_not_left_tell_nothing_of_their_readers():
    crowd, stuck = crowd_of([1] * 1000), [Told(people=110, units=110, hours=None)]

    assert wave(Units(50), crowd, told=stuck) == Units(0)


def test_where_many_buy_fewer_are_told():
    crowd, told = crowd_of([1] * 1000), [Told(people=40, units=40, hours=500.0)]
    sizes = [
        wave(Units(20), crowd, Learned(sees_buyers=True), told=told, bought=bought).value for bought in (0, 10, 30)
    ]

    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[1] > sizes[2] >= 20


def test_a_till_that_never_says_who_bought_is_taken_at_its_shelf():
    crowd, told = crowd_of([1] * 1000), [Told(people=40, units=40, hours=500.0)]
    blind = wave(Units(20), crowd, told=told, left=30)

    assert blind == wave(Units(20), crowd, Learned(sees_buyers=True), told=told, bought=30, left=30, left_to_told=30)
    assert blind.value < wave(Units(20), crowd, Learned(sees_buyers=True), told=told).value


def test_what_passing_shoppers_will_take_is_not_offered_but_one_unit_always_is():
    crowd, sees = crowd_of([1] * 1000), Learned(sees_buyers=True)
    calm, busy, rush = (wave(Units(50), crowd, sees, left=left, hours=3.0).value for left in (0, 24, 1000))

    assert expected_to_pass(Course(left=24, hours=3.0), sees) == 18  # six an hour; three hours until three of four came
    assert calm > busy > rush == 1


def test_people_who_want_more_are_more_to_reckon_with():
    assert crowd_of([3] * 100).lot == 3
    assert crowd_of([1, 1, 4]) == Crowd(people=3, units=6, squares=18.0)
    ones, threes = wave(Units(30), crowd_of([1] * 1000)), wave(Units(30), crowd_of([3] * 1000))

    assert threes.value / 3 == wave(Units(10), crowd_of([1] * 1000)).value < ones.value


@pytest.mark.parametrize(
    ("quantities", "units", "people"),
    [([1, 1, 1], 2, 2), ([2, 2, 1], 3, 1), ([5, 1, 1], 2, 1), ([], 3, 0), ([1, 1], 0, 0), ([2, 2], 4, 2)],
)
def test_nobody_is_passed_over_for_wanting_more(quantities, units, people):
    if quantities:
        assert people_within(quantities, Units(units)) == people
    assert people_within(quantities, UNLIMITED) == len(quantities)


def foreseen(units, quantities):
    about = {"learned": Learned(), "course": Course(), "hours": 0.25, "item_id": 0, "loss": 0.03}
    return list(waves_if_nobody_answers(shelf=Units(units), quantities=quantities, **about))


def test_if_nobody_comes_everybody_is_told_in_the_end():
    waves = foreseen(3, [1] * 31)

    assert sum(waves) == 31 and waves[0] == 4 and len(waves) > 3
    assert foreseen(40, [1] * 31) == [31]
    assert foreseen(0, [1]) == foreseen(4, []) == []


@given(st.integers(1, 50), st.lists(st.integers(1, 5), max_size=40))
@settings(deadline=None)
def test_waves_never_tell_more_people_than_wait(units, quantities):
    wanted = [quantity for quantity in quantities if quantity <= units]
    waves = foreseen(units, wanted)

    assert sum(waves) == len(wanted) and all(size > 0 for size in waves)


@given(quantities=st.lists(st.integers(1, 4), max_size=40), shelf=st.integers(4, 20))
def test_with_holds_each_wave_is_what_the_shelf_has_for_the_next_in_line(quantities, shelf):
    sizes = list(one_hold_after_the_other(shelf=Units(shelf), quantities=quantities))
    left = list(quantities)
    for size in sizes:
        told, left = left[:size], left[size:]
        assert sum(told) <= shelf
        assert not left or sum(told) + left[0] > shelf
    assert not left
