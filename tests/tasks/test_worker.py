"""A real Celery worker on a real Redis, in a process of its own, with a real mail server."""

import os
import subprocess
import sys
import time

import pytest
from celery import current_app
from django.db import connection

from backorders.models import OutgoingMail, Subscription
from backorders.services.locks import anchor_of
from backorders.services.stock import stock_changed
from backorders.services.supply import expect_delivery, receive_delivery
from tests.factories import ProductFactory, told, waiting_for
from tests.hosts.models import Product
from tests.mailserver import mail_server

pytestmark = [
    pytest.mark.worker,
    pytest.mark.xdist_group("worker"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]


@pytest.fixture
def broker():
    url = os.environ.get("CELERY_BROKER_URL")
    if not url:
        pytest.fail("These tests need a Redis. Run them with `python3 dev.py test`, or set CELERY_BROKER_URL.")
    current_app.control.purge()
    return url


@pytest.fixture
def server():
    with mail_server() as sink:
        yield sink


def start(*arguments, server, broker):
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.worker_settings",
        "WORKER_DATABASE": str(connection.settings_dict["NAME"]),
        "WORKER_MAIL_PORT": str(server.port),
        "CELERY_BROKER_URL": broker,
    }
    return subprocess.Popen([sys.executable, "-m", "celery", "-A", "demo_shop", *arguments], env=environment)


@pytest.fixture
def worker(broker, server):
    process = start(
        "worker",
        "--pool",
        "threads",
        "-c",
        "2",
        "--without-mingle",
        "--without-gossip",
        "-l",
        "INFO",
        server=server,
        broker=broker,
    )
    yield process
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture
def beat(broker, server, tmp_path):
    process = start("beat", "--schedule", str(tmp_path / "beat"), "-l", "WARNING", server=server, broker=broker)
    yield process
    process.terminate()
    process.wait(timeout=30)


def what_became_of_mails():
    return list(OutgoingMail.objects.values_list("kind", "state", "attempts", "note", "due_at"))


def until(condition, *, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in time; the outbox: {what_became_of_mails()}"
        time.sleep(0.05)


def test_a_delivery_of_three_is_told_to_four_of_five_by_the_worker(worker, beat, server, now):
    mug = ProductFactory(stock=0)
    five = waiting_for(mug, 5)
    delivery = expect_delivery(product=mug, quantity=3, earliest=now.date(), latest=now.date())
    receive_delivery(delivery_id=delivery.id)
    until(lambda: OutgoingMail.objects.filter(state="sent").count() == 4, seconds=60)  # not all of them will buy

    assert server.addresses == [row.email for row in five[:4]] == told(five)
    assert Product.objects.get().stock == 3


def test_what_no_hint_told_of_is_found_by_the_schedule(worker, beat, server, now):
    mug = ProductFactory(stock=0)
    [ana] = waiting_for(mug)
    Product.objects.update(stock=1)  # past Django: no signal, no hint
    until(lambda: server.addresses == [ana.email], seconds=90)

    assert Subscription.objects.get().state == "told"


def test_a_mail_that_was_queued_while_no_worker_ran_leaves_when_one_comes_back(broker, server, now):
    mug = ProductFactory(stock=0)
    [ana] = waiting_for(mug)
    Product.objects.update(stock=1)
    stock_changed(mug)
    assert anchor_of(mug).for_sale == 1
    late = start("worker", "--pool", "threads", "-c", "1", "-l", "INFO", server=server, broker=broker)
    try:
        until(lambda: server.addresses == [ana.email])
    finally:
        late.terminate()
        late.wait(timeout=30)


def test_a_worker_that_is_killed_loses_nobody(broker, beat, server, now):
    people, kills, threads = 80, 3, 2
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, people)
    server.seconds_a_mail = 0.03
    Product.objects.update(stock=people)
    stock_changed(mug)
    arguments = (
        "worker",
        "--pool",
        "threads",
        "-c",
        str(threads),
        "--without-mingle",
        "--without-gossip",
        "-l",
        "ERROR",
    )
    for kill in range(kills):
        victim = start(*arguments, server=server, broker=broker)
        until(lambda wanted=(kill + 1) * 15: len(set(server.addresses)) >= wanted, seconds=60)
        victim.kill()
        victim.wait()
    last = start(*arguments, server=server, broker=broker)
    try:
        until(lambda: OutgoingMail.objects.filter(state="sent").count() == people, seconds=60)
    finally:
        last.terminate()
        last.wait(timeout=30)

    assert set(server.addresses) == {row.email for row in rows}
    assert len(server.addresses) - people <= kills * threads
