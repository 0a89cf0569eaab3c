"""The doctor, the first steps, the worker."""

import datetime as dt
import io
from importlib import import_module

import pytest
import time_machine
from celery import current_app
from celery.worker.request import Request
from django.core.management import call_command
from django.utils import timezone

from backorders.models import Backorder, OutgoingMail, Restock, StockItem
from backorders.queries.availability import shop_today
from backorders.schedule import beat_schedule, intervals
from backorders.services.backorders import place_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Cloth, Kept, Poster, Product
from tests.mailserver import mail_server

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def doctor(**options):
    out = io.StringIO()
    try:
        call_command("backorders_doctor", stdout=out, **options)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def test_the_doctor_prints_three_rows_of_each_sellable():
    ProductFactory.create_batch(5, stock=7)
    told, code = doctor()

    assert code == 0
    assert told.count("stock    7") == 3
    assert "no stock number in the shop: we keep it" in told
    assert "the shop books it" in told
    assert "All is well." in told


def test_the_doctor_shows_what_it_makes_of_odd_numbers():
    Kept.objects.create(name="kept", stock=-2)
    Cloth.objects.create(name="cloth", metres=2.5)
    Cloth.objects.create(name="bad", metres=float("inf"))
    Poster.objects.create(name="poster")
    told, _ = doctor()

    assert "-2 (read as 0)" in told
    assert "2.5 (read as 2)" in told
    assert "which is no number of units" in told
    assert "no number set yet: always available" in told


def test_the_doctor_says_what_is_missing_to_send_mail(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "SITE_URL": ""}
    told, code = doctor()

    assert code == 1
    assert "SITE_URL" in told


def test_the_doctor_sends_a_test_mail_through_the_real_server():
    with mail_server() as server:
        told, code = doctor(mail="me@example.com")

    assert (code, server.addresses) == (0, ["me@example.com"])
    assert "took it for me@example.com" in told


def test_the_doctor_says_why_a_test_mail_failed():
    with mail_server() as server:
        server.answers["me@example.com"] = "550 no such user"
        told, code = doctor(mail="me@example.com")

    assert code == 1
    assert "no such user" in told


def test_the_first_steps_are_printed_for_the_models_of_this_shop():
    out = io.StringIO()
    call_command("backorders_init", stdout=out)
    told = out.getvalue()

    assert "'hosts.Product': {'stock': 'stock', 'title': 'name'" in told
    assert "'demo_shop.Variant'" in told
    assert "path('backorders/', include('backorders.urls'))" in told


def test_the_worker_without_a_broker_runs_every_job(outbox):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 2)
    Product.objects.update(stock=1)
    out = io.StringIO()
    call_command("backorders_worker", once=True, stdout=out)

    assert Restock.objects.count() == 1
    assert len(outbox) == 1
    assert "release_waves: 1 people told\n" in out.getvalue()
    assert "deliver_due_mail: 1 sent\n" in out.getvalue()


EVERY_JOB = [
    "sweep_stock",
    "release_waves",
    "tell_whole_orders",
    "tell_releases",
    "deliver_due_mail",
    "refresh_forecasts",
    "tidy",
]


def test_the_worker_says_of_every_job_what_it_did():
    out = io.StringIO()
    call_command("backorders_worker", once=True, stdout=out)
    assert [line.partition(":")[0] for line in out.getvalue().splitlines()] == EVERY_JOB


def test_the_worker_tells_whole_orders_in_the_round_in_which_they_are_complete(outbox):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    check_out(lines=[Line(mug, 2, "A-1")], email="ana@example.com", ship="together")
    Product.objects.update(stock=2)
    call_command("backorders_worker", once=True, stdout=io.StringIO())
    assert outbox[-1].subject == f"Your order is ready to ship: {mug.name}"


def test_the_worker_announces_a_release_once():
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="preorder", releases_at=timezone.now() + dt.timedelta(days=1))
    place_backorder(product=mug, quantity=1, reference="A-1", email="ana@example.com")
    StockItem.objects.update(releases_at=timezone.now() - dt.timedelta(hours=1))
    for _ in range(2):
        call_command("backorders_worker", once=True, stdout=io.StringIO())
    assert OutgoingMail.objects.filter(kind="preorder_released").count() == 1


def test_the_worker_gives_a_new_date_to_whoever_waits_past_the_old_one():
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    today = shop_today(timezone.now())
    expect_delivery(product=mug, quantity=5, earliest=today, latest=today)
    line = place_backorder(product=mug, quantity=1, reference="A-1", email="ana@example.com")
    Backorder.objects.update(promised_earliest_on=today - DAY, promised_latest_on=today - DAY)
    call_command("backorders_worker", once=True, stdout=io.StringIO())
    line.refresh_from_db()
    assert line.promise.latest == today


def test_the_schedule_of_celery_names_every_job_and_tasks_that_exist():
    import_module("backorders.tasks")
    schedule = beat_schedule()
    assert sorted(schedule) == sorted(f"backorders.{name}" for name in EVERY_JOB)
    for entry in schedule.values():
        assert entry["task"] in current_app.tasks
        assert entry["schedule"] > dt.timedelta(0) and entry["options"]["expires"] >= 10


@pytest.mark.parametrize(("minutes_ahead", "is_dropped"), [(0, False), (4, False), (6, True)])
def test_a_worker_whose_clock_is_minutes_ahead_of_beats_does_what_the_schedule_says(
    monkeypatch, minutes_ahead, is_dropped
):
    """Beat writes when a message ends by its own clock; what a worker finds ended it drops without a word."""
    import_module("backorders.tasks")
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    entry = beat_schedule()["backorders.deliver_due_mail"]
    current_app.send_task(entry["task"], queue="beat", **entry["options"])
    with current_app.connection_for_read() as line:
        message = line.SimpleQueue("beat").get_nowait()
        message.ack()
    task = current_app.tasks[entry["task"]]
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes_ahead)):
        request = Request(message, app=current_app, task=task, eventer=None, connection_errors=())
        assert bool(request.maybe_expire()) == is_dropped


def test_every_scheduled_task_runs_and_bears_arguments_of_later_versions():
    import_module("backorders.tasks")
    for name in intervals():
        current_app.tasks[f"backorders.{name}"](said_by_a_newer_version=1)


# counters that have drifted


def repair(**options):
    out = io.StringIO()
    call_command("backorders_repair", stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def mug_in_demand():
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    today = shop_today(timezone.now())
    expect_delivery(product=mug, quantity=9, earliest=today + DAY, latest=today + 2 * DAY)
    place_backorder(product=mug, quantity=4, reference="A-1", email="ana@example.com")
    return mug


def test_counters_that_are_right_are_left_alone(mug_in_demand):
    assert repair() == "Every counter is what its rows say.\n"


def test_a_dry_run_tells_what_has_drifted_and_changes_nothing(mug_in_demand):
    StockItem.objects.update(queued_units=7)
    told = repair(dry_run=True)
    item = StockItem.objects.get()

    assert f"item {item.id}: queued_units was 7, the rows say 4\n" in told
    assert "Run it again without --dry-run" in told
    assert item.queued_units == 7


def test_drifted_counters_are_repaired_and_reported_as_a_bug(mug_in_demand):
    StockItem.objects.update(queued_units=7, inbound_units=1, next_latest=None, next_earliest=None)
    told = repair()
    item = StockItem.objects.get()

    assert told.endswith("4 counters repaired. Please tell us how they came to drift: it is a bug.\n")
    assert (item.queued_units, item.inbound_units) == (4, 9)
    assert repair() == "Every counter is what its rows say.\n"


def test_a_line_that_says_it_was_given_what_nobody_gave_it_is_repaired(mug_in_demand):
    Backorder.objects.update(allocated_quantity=4, state="filled")
    assert "allocated_quantity was 4, the rows say 0" in repair()
    line = Backorder.objects.get()
    assert (line.allocated_quantity, line.state) == (0, "waiting")
