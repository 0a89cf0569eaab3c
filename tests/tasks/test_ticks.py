"""However many hints there are, a few tasks work off a backlog; and none stops before the pace lets the last mail go."""

import datetime as dt
import time

import pytest
from celery import current_app
from django.utils import timezone

from backorders.models import MailTick, OutgoingMail
from backorders.services import ticks as service
from backorders.services.wake import wake
from backorders.signals import mail_sent
from backorders.tasks import deliver_due_mail, release_waves
from tests.mailserver import mail_server
from tests.services.test_outbox import queue_wave
from tests.services.test_waves import a_crowd

pytestmark = pytest.mark.django_db(transaction=True)


class Queue:
    """What waits for a worker, in a broker that lives in this process."""

    def __init__(self, line):
        self.simple = line.SimpleQueue("celery")

    def take(self):
        """The next message: a task's name and what it is told."""
        message = self.simple.get_nowait()
        message.ack()
        return message.headers["task"], message.payload[1]

    def __len__(self):
        return self.simple.qsize()

    def take_all(self):
        return [self.take() for _ in range(len(self))]


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    with current_app.connection_for_read() as line:
        waiting = Queue(line)
        waiting.take_all()
        yield waiting
        waiting.take_all()


@pytest.fixture
def server():
    with mail_server() as sink:
        yield sink


@pytest.fixture
def backlog(server, queue, now):
    """More than hints and a few tasks get through."""
    server.seconds_a_mail = 0.03
    rows = queue_wave(700, now=now)
    queue.take_all()
    return rows


def mail_tasks(messages):
    return [told for name, told in messages if name == "backorders.deliver_due_mail"]


def test_of_six_hints_two_tasks_are_left_that_go_on(backlog, queue):
    for _ in range(6):
        deliver_due_mail()

    assert len(mail_tasks(queue.take_all())) == 2


def test_whoever_has_released_a_wave_sends_it_before_others_are_woken(server, queue, now):
    """They would claim mails at the same moment, and the first one would leave later."""
    a_crowd(3, units=9, now=now)
    queue.take_all()
    waiting = []

    def count(**_):
        waiting.append(len(queue))

    mail_sent.connect(count)
    release_waves()

    assert len(server.accepted) == 3
    assert waiting == [0, 0, 0]
    assert mail_tasks(queue.take_all()) == [{}]


def test_a_hint_in_a_backlog_is_a_matter_of_a_moment(backlog, queue, server, now):
    [confirmation] = queue_wave(1, now=now)
    OutgoingMail.objects.filter(subscription=confirmation).update(priority=0)
    began = time.monotonic()
    deliver_due_mail()

    assert time.monotonic() - began < service._SECONDS
    assert server.addresses[0] == confirmation.email


def test_tasks_follow_each_other_until_all_is_sent_and_never_more_than_two(backlog, queue, server):
    server.seconds_a_mail = 0.005
    for _ in range(3):
        deliver_due_mail()
    most = []
    while messages := mail_tasks(queue.take_all()):
        most.append(len(messages))
        for told in messages:
            deliver_due_mail(**told)

    assert len(server.accepted) == 700
    assert max(most) <= 2
    assert not MailTick.objects.exclude(kept_until=None).exists()


def test_a_message_that_is_lost_costs_half_a_minute(backlog, queue):
    deliver_due_mail()
    deliver_due_mail()
    queue.take_all()  # lost, both
    deliver_due_mail()
    assert mail_tasks(queue.take_all()) == []

    MailTick.objects.update(kept_until=timezone.now() - dt.timedelta(seconds=1))
    deliver_due_mail()
    assert len(mail_tasks(queue.take_all())) == 1


def test_a_message_that_comes_five_times_is_followed_by_one_task(backlog, queue, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_TASKS": 1}
    deliver_due_mail()
    [told] = mail_tasks(queue.take_all())
    for _ in range(5):
        deliver_due_mail(**told)

    assert len(mail_tasks(queue.take_all())) == 1


@pytest.mark.parametrize("rate", [4, 0.5])
def test_under_a_pace_one_task_waits_for_it_however_many_hints_there_are(server, queue, settings, now, rate):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_RATE": rate}
    queue_wave(int(12 * rate), now=now)
    queue.take_all()
    began = time.monotonic()
    for _ in range(4):
        deliver_due_mail()
    tasks = 0
    while messages := mail_tasks(queue.take_all()):
        assert len(messages) == 1
        tasks += 1
        deliver_due_mail(**messages[0])

    assert len(server.accepted) == int(12 * rate)
    assert tasks <= 1 + (time.monotonic() - began) / 3  # it does not come back again and again to find nothing


def test_hints_of_a_restock_are_given_whatever_waits_already(backlog, queue, now):
    deliver_due_mail()
    deliver_due_mail()
    queue.take_all()
    wake("release_waves")
    wake("deliver_due_mail")

    assert [name for name, _ in queue.take_all()] == ["backorders.release_waves", "backorders.deliver_due_mail"]


def test_a_restock_with_nothing_else_to_do_leaves_no_message_behind(server, queue, now):
    queue_wave(1, now=now)
    queue.take_all()
    release_waves()
    deliver_due_mail()

    assert len(server.accepted) == 1
    assert queue.take_all() == []
