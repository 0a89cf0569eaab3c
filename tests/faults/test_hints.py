"""The broker may lose, repeat or forget what it likes: the rows are the truth."""

import time

import pytest
from celery import current_app

from backorders.models import Restock, Wave
from backorders.services.stock import stock_changed
from tests.faults import children
from tests.faults.scene import states
from tests.hosts.models import Product

SWEEP = 2
TASKS = ("sweep_stock", "release_waves", "tell_whole_orders", "deliver_due_mail", "tidy")
pytestmark = pytest.mark.timeout(180)


@pytest.mark.fault("F8", "Redis SIGKILLed in mid-drain, back empty")
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"], indirect=True)
def test_a_broker_that_forgot_everything_costs_two_sweeps(scene, broker, size, counted):
    scene, people = scene(), size(short=200, full=1_000)
    scene.mails_are_due(people)
    scene.serve(seconds_a_mail=0.01)
    scene.celery_worker_with_supervisor(broker=broker.url)  # kombu may raise while it reconnects, and end the worker
    scene.celery_beat(broker=broker.url)
    scene.until_accepted(people // 4)
    broker.kill()
    scene.kills += 1
    time.sleep(1)
    broker.start()
    scene.settle()
    scene.until(broker.has_listener, "a worker listens again", 60)
    scene.mails_are_due(1)  # without a hint: beat must have come back as well
    scene.settle()
    scene.mails_are_due(people)
    began = time.monotonic()
    scene.until_accepted(people + 2)
    seconds = time.monotonic() - began
    scene.settle()
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)
    assert seconds <= 2 * SWEEP + 1


@pytest.mark.fault("F9", "every hint lost")
def test_without_a_single_hint_the_schedule_finds_everything(scene, redis, counted):
    scene = scene()
    mug = scene.people_wait(100)
    Product.objects.update(stock=100)
    scene.serve()
    scene.celery_worker(broker=redis.url, app="tests.faults.deaf_celery")
    scene.celery_beat(broker=redis.url)
    scene.until_accepted(100)
    scene.settle()
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)
    assert Product.objects.get(pk=mug.pk).stock == 100


@pytest.mark.fault("F10", "every task five times at once")
def test_tasks_that_are_delivered_five_times_at_once_have_their_effect_once(scene, counted):
    scene = scene()
    scene.people_wait(200)
    Product.objects.update(stock=200)
    scene.serve()
    at = time.time() + 1
    copies = [scene.start(children.run_every_task, at) for _ in range(5)]
    for copy in copies:
        copy.join(60)
    scene.start(children.work)  # a task sends for a moment; what is left is found by whoever comes next
    scene.settle()
    count = counted(scene)

    assert [copy.exitcode for copy in copies] == [0] * 5
    assert (count.lost, count.duplicates) == (0, 0)
    assert Restock.objects.count() == Wave.objects.count() == 1


@pytest.mark.fault("F10", "every message five times, through Redis")
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"], indirect=True)
def test_messages_that_are_delivered_five_times_have_their_effect_once(scene, broker, counted):
    scene = scene()
    scene.people_wait(200)
    Product.objects.update(stock=200)
    scene.serve()
    with current_app.connection_for_write(broker.url) as line:
        for name in TASKS * 5:
            current_app.send_task(f"backorders.{name}", connection=line, ignore_result=True)
    for _ in range(2):
        scene.celery_worker(broker=broker.url)
    scene.until_accepted(200)
    scene.settle()
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)
    assert Restock.objects.count() == Wave.objects.count() == 1


@pytest.mark.fault("F21", "two beats, two Celery workers, two plain workers")
def test_two_of_everything_do_what_one_does(scene, redis, counted):
    scene = scene()
    mug = scene.people_wait(100)
    scene.serve(seconds_a_mail=0.005)
    for _ in range(2):
        scene.celery_worker(broker=redis.url)
        scene.celery_beat(broker=redis.url)
        scene.start(children.work)
    time.sleep(2)
    Product.objects.update(stock=100)
    stock_changed(mug)
    scene.until_accepted(100)
    scene.settle()
    time.sleep(2 * SWEEP)  # every schedule comes round once more
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)
    assert Restock.objects.count() == Wave.objects.count() == 1
    assert states() == {"sent": 100}
