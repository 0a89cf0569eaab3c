"""The one decision, where an empty shelf is only half of the story."""

import datetime as dt

import pytest

from backorders.domain.availability import Snapshot, State, decide
from backorders.domain.terms import Policy, Terms
from backorders.domain.units import Units
from backorders.domain.windows import NO_DATE, OVERDUE, Source, Window

NOW = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
TODAY = NOW.date()
SOON = Window(earliest=TODAY + dt.timedelta(days=4), latest=TODAY + dt.timedelta(days=8))
GONE = Window(earliest=TODAY - dt.timedelta(days=4), latest=TODAY - dt.timedelta(days=1))


def answer(on_shelf=0, *, policy=Policy.STOP, limit=None, promise=NO_DATE, **more):
    terms = Terms(policy=policy, low_stock_at=3, **({} if limit is None else {"backorder_limit": Units(limit)}))
    return decide(Snapshot(on_shelf=Units(on_shelf), terms=terms, promise=promise, **more), now=NOW, today=TODAY)


@pytest.mark.parametrize("policy", [Policy.STOP, Policy.BACKORDER])
def test_a_low_shelf_knows_when_more_comes_whether_or_not_it_can_be_ordered_ahead(policy):
    assert answer(2, policy=policy, promise=SOON).more == SOON


def test_what_cannot_be_ordered_ahead_promises_no_window():
    assert answer(2, promise=SOON).window == NO_DATE


def test_a_full_shelf_speaks_of_no_delivery():
    assert answer(9, promise=SOON).more == NO_DATE


def test_a_day_that_has_passed_is_not_when_more_comes():
    assert answer(2, promise=GONE).more == OVERDUE


def test_a_queue_that_has_reached_its_limit_is_full():
    full = answer(policy=Policy.BACKORDER, limit=5, queued=5, promise=SOON)
    assert (full.state, full.is_full, full.can_subscribe) == (State.OUT_OF_STOCK, True, True)
    assert not answer(policy=Policy.BACKORDER, limit=5, queued=4).is_full


def test_what_nobody_has_ordered_is_out_of_stock_and_not_full():
    assert not answer(policy=Policy.BACKORDER, limit=0).is_full


def test_what_may_not_be_ordered_ahead_is_never_full():
    assert not answer(queued=5).is_full


def test_a_hidden_product_tells_nothing_of_its_queue():
    assert not answer(policy=Policy.BACKORDER, limit=5, queued=5, is_visible=False).is_full


# announced without a date


def test_what_is_announced_is_coming_soon_without_a_date_whatever_lies_on_the_shelf():
    for on_shelf in (0, 9):
        coming = answer(on_shelf, policy=Policy.ANNOUNCED, promise=SOON)
        assert (coming.state, coming.window) == (State.COMING_SOON, NO_DATE)
        assert (coming.can_order, coming.can_subscribe) == (False, True)


def test_what_is_announced_and_then_given_up_is_no_longer_made():
    assert answer(policy=Policy.ANNOUNCED, is_discontinued=True).state is State.DISCONTINUED


# a supplier's record


def test_a_suppliers_record_goes_with_a_day_of_a_delivery_and_with_no_other():
    by_lead_time = Window(earliest=TODAY, latest=TODAY + dt.timedelta(days=9), source=Source.LEAD_TIME)
    kept = [
        answer(policy=Policy.BACKORDER, promise=each, dates_kept=8).dates_kept for each in (SOON, by_lead_time, NO_DATE)
    ]
    assert kept == [8, None, None]
