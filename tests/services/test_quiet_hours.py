"""Whoever sleeps is told in the morning, and loses nothing by it."""

import datetime as dt

import pytest

from backorders.models import OutgoingMail, Subscription, Wave
from backorders.queries.waves import learned_shop
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.outbox import queue_mail
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import subscribe, tidy_subscriptions
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, told, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

NIGHT = ("21:00", "08:00")
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def quiet(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "QUIET_HOURS": NIGHT}


@pytest.fixture
def evening():
    """22:30 in Brussels, 16:30 in New York, 06:30 of the next day in Tokyo. In the future, for mail is due by the database's clock."""
    return dt.datetime(2040, 11, 20, 21, 30, tzinfo=dt.UTC)


def back(mug, *, units, now):
    Product.objects.filter(pk=mug.pk).update(stock=units)
    sweep_stock(now=now)
    release_waves(now=now)


def people_of_the_world(mug):
    zones = ["Europe/Brussels", "America/New_York", "Asia/Tokyo", "", "Mars/Phobos"]
    return [waiting_for(mug, 1, time_zone=zone)[0] for zone in zones]


def due(row):
    return OutgoingMail.objects.get(subscription=row).due_at


def test_everybody_is_told_when_they_are_awake(quiet, settings, evening):
    settings.TIME_ZONE = "UTC"
    mug = ProductFactory()
    rows = people_of_the_world(mug)
    back(mug, units=50, now=evening)
    brussels, new_york, tokyo, nowhere, mars = rows
    assert told(rows) == [row.email for row in rows]
    assert due(new_york) == evening
    assert due(brussels) == evening + dt.timedelta(hours=9, minutes=30)
    assert due(tokyo) == evening + dt.timedelta(hours=1, minutes=30)
    assert due(nowhere) == due(mars) == evening + dt.timedelta(hours=10, minutes=30)


def test_without_the_setting_nobody_waits(evening):
    mug = ProductFactory()
    rows = people_of_the_world(mug)
    back(mug, units=50, now=evening)
    assert {due(row) for row in rows} == {evening}


def test_a_confirmation_never_waits(quiet, evening):
    subscribe(product=ProductFactory(), email="owl@example.com", time_zone="Europe/Brussels", now=evening)
    assert OutgoingMail.objects.get().due_at == evening


def test_a_wave_over_many_zones_costs_one_more_query_than_a_wave(quiet, evening, django_assert_max_num_queries):
    mug = ProductFactory()
    for _ in range(6):
        people_of_the_world(mug)
    Product.objects.update(stock=50)
    sweep_stock(now=evening)
    with django_assert_max_num_queries(31):
        release_waves(now=evening)
    assert OutgoingMail.objects.count() == 30


def test_who_sleeps_keeps_the_place_when_the_shelf_empties_over_night(quiet, evening):
    mug = ProductFactory()
    row = waiting_for(mug, 1, time_zone="Europe/Brussels")[0]
    back(mug, units=1, now=evening)
    Product.objects.update(stock=0)
    sweep_stock(now=evening + HOUR)
    row.refresh_from_db()
    assert (row.state, row.told_at) == ("waiting", None)
    assert OutgoingMail.objects.get().state == "cancelled"


def test_the_time_for_which_a_place_is_kept_begins_in_the_morning(quiet, evening):
    mug = ProductFactory()
    asleep, awake = (waiting_for(mug, 1, time_zone=zone)[0] for zone in ("Europe/Brussels", "America/New_York"))
    back(mug, units=50, now=evening)
    OutgoingMail.objects.update(state="sent", sent_at=evening + 10 * HOUR)
    tidy_subscriptions(now=evening + 73 * HOUR)
    assert told([asleep, awake]) == [asleep.email]
    Product.objects.update(stock=0)
    sweep_stock(now=evening + 80 * HOUR)
    assert Subscription.objects.get(id=asleep.id).state == "waiting"


def test_nobody_behind_them_is_told_in_their_stead(quiet, evening):
    mug = ProductFactory()
    asleep = waiting_for(mug, 1, time_zone="Europe/Brussels")[0]
    awake = waiting_for(mug, 1, time_zone="America/New_York")[0]
    for hours in (0, 1, 5):
        back(mug, units=1, now=evening + hours * HOUR)
    assert told([asleep, awake]) == [asleep.email]


def test_a_later_wave_writes_nobody_a_second_mail(quiet, evening):
    mug = ProductFactory()
    rows = [waiting_for(mug, 1, time_zone="Europe/Brussels")[0] for _ in range(40)]
    for hours in range(6):
        back(mug, units=2 + 3 * hours, now=evening + hours * HOUR)
    assert Wave.objects.count() > 1
    assert sum(Wave.objects.values_list("size", flat=True)) == OutgoingMail.objects.count() == len(told(rows))


def test_the_time_to_an_answer_counts_from_the_morning(quiet, evening):
    mug = ProductFactory()
    row = waiting_for(mug, 1, time_zone="Europe/Brussels")[0]
    back(mug, units=5, now=evening)
    morning = evening + dt.timedelta(hours=9, minutes=30)
    check_out(lines=[Line(mug, 1, "order 1")], email=row.email, now=morning + HOUR)
    delay = learned_shop(morning + 200 * HOUR).delay
    assert (delay.hours, delay.buyers) == ((1.0,), 1)


def test_a_mail_is_checked_again_in_the_morning(quiet):
    """Last night in Brussels it was written; by now its reader has left."""
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    night = yesterday.replace(hour=21, minute=30) - dt.timedelta(days=1)
    mug = ProductFactory()
    stays, leaves = (waiting_for(mug, 1, time_zone="Europe/Brussels")[0] for _ in range(2))
    back(mug, units=50, now=night)
    Subscription.objects.filter(id=leaves.id).update(state="closed")
    assert drain(seconds=20).counts == {"sent": 1, "cancelled": 1}
    assert OutgoingMail.objects.get(state="sent").subscription_id == stays.id


def test_mail_to_who_sleeps_does_not_leave_and_an_urgent_one_does(quiet, evening):
    mug = ProductFactory()
    row = waiting_for(mug, 1, time_zone="Europe/Brussels")[0]
    back(mug, units=50, now=evening)
    queue_mail(kind="confirm_subscription", now=evening, subscription=row)
    drain(seconds=20)
    assert set(OutgoingMail.objects.values_list("kind", "state")) == {
        ("back_in_stock", "queued"),
        ("confirm_subscription", "cancelled"),
    }
