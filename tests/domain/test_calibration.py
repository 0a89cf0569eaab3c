"""Dates that hold: the real code in an invented world (``-s`` prints the table). The bounds are promises, not to be loosened."""

import datetime as dt
import sys
from dataclasses import astuple
from random import Random

import pytest

from backorders.domain.calendars import ALWAYS_OPEN
from backorders.domain.lateness import LEVELS, PastDelivery, calibration, replay
from backorders.domain.rehearsal import HISTORIES, rehearse
from backorders.domain.windows import Window

pytestmark = pytest.mark.xdist_group("calibration")  # they share what one rehearsal found

MONDAY = dt.date(2026, 3, 2)


def show(lines):
    sys.stdout.write("\n" + "\n".join(map(str, lines)) + "\n")


@pytest.fixture(scope="module")
def rehearsal():
    return rehearse(seed=20260302, repetitions=12)


def test_the_table(rehearsal):
    lines = [f"{'of its own':>18}  coverage     sd  pinball  as stated"]
    for row in rehearsal.rows:
        lines.append(f"{row.n_own:18}     {row.coverage:.3f}  {row.sd:.3f}     {row.pinball:.2f}      {row.stated:.3f}")
    for name in ("drift", "overdue", "called_off", "overdue_called_off"):
        lines.append(f"{name:>18}     {getattr(rehearsal, name)}")
    show(lines)

    assert tuple(row.n_own for row in rehearsal.rows) == HISTORIES


@pytest.mark.parametrize("place", range(len(HISTORIES)), ids=[f"{n} of its own" for n in HISTORIES])
def test_p80_holds_four_times_in_five_however_short_the_history(rehearsal, place):
    assert 0.78 <= rehearsal.rows[place].coverage <= 0.86


def test_the_suppliers_own_dates_do_not(rehearsal):
    assert all(row.stated < 0.5 for row in rehearsal.rows)


def test_a_longer_history_makes_suppliers_more_alike(rehearsal):
    first, *_, last = rehearsal.rows

    assert last.sd < 0.8 * first.sd
    assert last.pinball < first.pinball


def test_a_supplier_that_becomes_later_is_followed(rehearsal):
    assert rehearsal.drift.coverage >= 0.75


def test_an_overdue_delivery_gets_a_new_date_that_mostly_holds(rehearsal):
    assert rehearsal.overdue.coverage >= 0.65
    assert rehearsal.overdue.silent < 0.05


def test_deliveries_that_never_come_are_allowed_for(rehearsal):
    assert 0.78 <= rehearsal.called_off.coverage <= 0.86
    assert rehearsal.overdue_called_off.coverage >= 0.65


@pytest.mark.parametrize("part", ["drift", "overdue", "called_off", "overdue_called_off"])
def test_no_date_is_past_and_none_is_beyond_reason(rehearsal, part):
    tried = getattr(rehearsal, part)

    assert tried.past == 0
    assert tried.farthest < 365


def test_the_same_seed_gives_the_same_figures():
    assert astuple(rehearse(seed=1, repetitions=1)) == astuple(rehearse(seed=1, repetitions=1))


def test_replaying_a_shops_own_deliveries_finds_the_levels_promised():
    """Six suppliers, a delivery a week with 30 days' notice, so that four or five are always on their way."""
    dice = Random(5)
    histories = [_deliveries(dice, bias=bias, weeks=70) for bias in (-2, 0, 1, 3, 5, 8)]
    today = MONDAY + dt.timedelta(weeks=60)
    trials = [
        trial
        for place, own in enumerate(histories)
        for trial in replay(own, pool=histories[:place] + histories[place + 1 :], calendar=ALWAYS_OPEN, today=today)
    ]

    rows = calibration(trials, calendar=ALWAYS_OPEN, today=today)
    show(rows)
    for kept in rows:
        assert kept.trials > 300
        assert kept.low < kept.share < kept.high
        assert (
            kept.level - 0.03 < kept.share < kept.level + 0.1
        )  # a day is the finest step, so a little is kept too well
    assert tuple(trials[0].said) == LEVELS


def _deliveries(dice, *, bias, weeks):
    due = [MONDAY + dt.timedelta(weeks=week) for week in range(weeks)]
    return [
        PastDelivery(
            announced_on=day - dt.timedelta(days=30),
            stated=Window(earliest=day, latest=day),
            closed_on=day + dt.timedelta(days=round(dice.gauss(bias, 3) + dice.expovariate(0.5))),
        )
        for day in due
    ]
