from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.outbox import pause_before
from backorders.domain.units import NO_UNITS, Units


@given(st.integers(1, 20), st.floats(0, 0.999))
def test_a_pause_is_bounded_and_never_nothing(attempt, jitter):
    assert timedelta(seconds=3) <= pause_before(attempt, jitter=jitter) <= timedelta(hours=4)


def test_the_pauses_grow():
    pauses = [pause_before(attempt, jitter=0.5) for attempt in range(1, 7)]

    assert pauses == sorted(pauses)


@given(st.integers(0, 99), st.integers(0, 99))
def test_units_add_and_subtract_like_things_on_a_shelf(here, gone):
    assert Units(here).less(gone).value == max(0, here - gone)
    assert Units(here).plus(Units(gone)) == Units(here + gone)
    assert Units(here).at_most(gone) == min(here, gone)
    assert bool(Units(here)) == (here > 0)
    assert not NO_UNITS.covers(1)
