"""What a supplier's record is worth: windows that say when goods really come, and how well they were kept."""

import datetime as dt

import pytest

from backorders.domain.windows import OVERDUE, Window
from backorders.models import ClosedDay, Delivery, Supplier
from backorders.queries.availability import availability_for, availability_of
from backorders.queries.backorders import places_of
from backorders.queries.reliability import calibration_table, first_promises_kept, forecasts_for
from backorders.services.supply import cancel_delivery, move_delivery, receive_delivery, refresh_forecasts
from tests.stories import DAY, TODAY, a_mug, announce, line, order

pytestmark = pytest.mark.django_db

WEEKS = 30


@pytest.fixture
def clay():
    return Supplier.objects.create(name="Clay & Co", closed_weekdays="56")


def workdays_after(day, count):
    """Counted one by one, on purpose."""
    while count:
        day += DAY
        count -= day.weekday() < 5
    return day


def a_record(supplier, days_late, now, weeks=WEEKS):
    """So many weekly deliveries of another product, each announced four weeks before it was due."""
    mug = a_mug(supplier=supplier)
    for week in range(weeks, 0, -1):
        due = (
            TODAY - 2 * DAY - week * 7 * DAY
        )  # a Saturday would be no day to come; this is one, so they come on Mondays
        due = workdays_after(due, 1)
        announced = now - (TODAY - due) - 28 * DAY
        delivery = announce(mug, 1, 28, now=announced)
        assert delivery.latest_on == due
        came = workdays_after(due, days_late)
        receive_delivery(delivery_id=delivery.id, now=now - (TODAY - came))


def next_due(supplier, now, days=18):
    mug = a_mug(supplier=supplier)
    return mug, announce(mug, 5, days, now=now)


def test_who_is_always_four_working_days_late_is_promised_so(clay, now):
    a_record(clay, 4, now)
    mug, delivery = next_due(clay, now)
    order(mug, 1, "A")

    comes = workdays_after(delivery.latest_on, 4)
    assert (delivery.is_learned, line("A").promise.earliest, line("A").promise.latest) == (True, comes, comes)
    assert places_of(["A"], now)["A"].window.latest == comes


def test_who_is_always_on_time_is_taken_at_their_word(clay, now):
    a_record(clay, 0, now)
    _, delivery = next_due(clay, now)

    assert (delivery.forecast.earliest, delivery.forecast.latest) == (delivery.earliest_on, delivery.latest_on)


def test_a_supplier_nobody_knows_is_judged_by_the_others_and_a_shop_without_any_by_the_word(clay, now):
    _, word = next_due(None, now)
    assert (word.is_learned, word.forecast.latest) == (False, word.latest_on)

    a_record(clay, 4, now)
    _, delivery = next_due(Supplier.objects.create(name="New & Co", closed_weekdays="56"), now)
    assert delivery.forecast.latest > delivery.latest_on


def test_closed_days_of_the_supplier_do_not_count(clay, now):
    a_record(clay, 4, now)
    _, delivery = next_due(clay, now)
    ClosedDay.objects.create(supplier=clay, day=workdays_after(delivery.latest_on, 2))
    refresh_forecasts(now=now)

    delivery.refresh_from_db()
    assert delivery.forecast.latest == workdays_after(delivery.latest_on, 5)


def test_receiving_and_handling_take_working_days_of_the_shop(now, settings):
    settings.BACKORDERS = {
        **settings.BACKORDERS,
        "RECEIVING_DAYS": 1,
        "HANDLING_DAYS": 2,
        "CLOSED_WEEKDAYS": (5, 6),
        "CLOSED_DAYS": (TODAY + 4 * DAY,),
    }
    _, delivery = next_due(None, now, days=2)  # Wednesday; Friday is closed

    assert delivery.forecast.latest == TODAY + 8 * DAY  # Thursday, Monday, Tuesday


def test_late_and_still_not_here_it_moves_on_with_the_record(clay, now):
    a_record(clay, 4, now)
    mug, delivery = next_due(clay, now, days=18)
    order(mug, 1, "A")
    at = now + 20 * DAY
    refresh_forecasts(now=at)
    assert line("A").promise.latest == workdays_after(delivery.latest_on, 4)

    after = now + 40 * DAY  # later than any before it ever was
    refresh_forecasts(now=after)
    delivery.refresh_from_db()
    assert delivery.forecast == OVERDUE or delivery.forecast.latest >= after.date()
    assert not isinstance(places_of(["A"], after)["A"].window, Window)


def test_a_date_that_is_edited_on_the_last_day_flatters_nobody(now):
    mug = a_mug()
    delivery = announce(mug, 1, 10)
    at = now + 20 * DAY
    move_delivery(delivery_id=delivery.id, earliest=at.date(), latest=at.date(), now=at - dt.timedelta(hours=1))
    receive_delivery(delivery_id=delivery.id, now=at)

    delivery.refresh_from_db()
    assert delivery.judged_latest_on == TODAY + 10 * DAY


def test_half_a_window_that_was_announced_in_time_is_the_one_that_counts(now):
    mug = a_mug()
    delivery = announce(mug, 1, 10)
    move_delivery(delivery_id=delivery.id, earliest=TODAY + 20 * DAY, latest=TODAY + 20 * DAY, now=now + DAY)
    receive_delivery(delivery_id=delivery.id, now=now + 20 * DAY)

    assert Delivery.objects.get(id=delivery.id).judged_latest_on == TODAY + 20 * DAY


def test_the_table_shows_every_supplier_and_how_the_windows_would_have_held(clay, now):
    a_record(clay, 4, now)
    cancel_delivery(delivery_id=announce(a_mug(), 1, 3).id, now=now)
    rows = {row.supplier and row.supplier.name: row for row in calibration_table(now=now)}

    assert (rows["Clay & Co"].deliveries, rows["Clay & Co"].median_days_late) == (WEEKS, 4)
    assert rows[None].deliveries == 1
    assert len(rows["Clay & Co"].kept) == 3


def record_shown(supplier, now):
    refresh_forecasts(now=now)
    supplier.refresh_from_db()
    return supplier.dates_kept


def test_of_ten_dates_those_that_held_are_on_record_for_shoppers(clay, now):
    a_record(clay, 0, now)
    assert record_shown(clay, now) == 10
    a_record(clay, 9, now, weeks=3)  # announced last, and late as never before
    assert record_shown(clay, now) == 7


def test_fewer_than_ten_dates_are_no_record(clay, now):
    a_record(clay, 0, now, weeks=9)
    assert record_shown(clay, now) is None


def test_what_never_came_was_a_date_that_did_not_hold(clay, now):
    a_record(clay, 0, now)
    lost = announce(a_mug(supplier=clay), 1, 10, now=now - 20 * DAY)
    cancel_delivery(delivery_id=lost.id, now=now)
    assert record_shown(clay, now + DAY) == 9


def test_a_page_knows_the_record_of_the_usual_supplier_without_a_query_more(clay, now, django_assert_num_queries):
    a_record(clay, 0, now)
    mug, _ = next_due(clay, now)
    refresh_forecasts(now=now)
    with django_assert_num_queries(1):
        answer = availability_for([mug], now)[mug]
    assert answer.dates_kept == 10
    assert availability_of(mug, now).dates_kept == 10


def test_first_dates_that_were_kept_are_counted(now):
    mug = a_mug()
    early, late = announce(mug, 1, 5), announce(mug, 1, 6)
    for name in "ABC":
        order(mug, 1, name)
    receive_delivery(delivery_id=early.id, now=now + 5 * DAY)
    refresh_forecasts(now=now + 9 * DAY)
    receive_delivery(delivery_id=late.id, now=now + 9 * DAY)
    record = first_promises_kept()

    assert (record.lines, record.kept, record.moved, record.share) == (2, 1, 1, 0.5)


def test_a_hundred_forecasts_cost_a_fixed_number_of_queries(clay, now, django_assert_max_num_queries):
    a_record(clay, 1, now, weeks=6)
    mug = a_mug(supplier=clay)
    deliveries = [announce(mug, 1, 10) for _ in range(20)]
    with django_assert_max_num_queries(4):
        forecasts_for(
            Delivery.objects.filter(id__in=[d.id for d in deliveries]).select_related("supplier"), today=TODAY
        )
