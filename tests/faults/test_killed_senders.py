"""A sender may be killed at any moment. Nobody is lost; a mail comes twice only when its sender died over it."""

import itertools
import signal
import time

import pytest

from backorders.models import MailClaim, OutgoingMail
from tests.faults import children
from tests.faults.scene import Count, states

pytestmark = pytest.mark.timeout(300)


def storm(scene, *, people, kills, senders=2):
    """Kills a sender whenever so many mails are through, at random, and starts another in its place."""
    crew = [scene.start(children.work) for _ in range(senders)]
    for moment in sorted(scene.dice.sample(range(people // 20, people * 17 // 20), kills)):
        scene.until_accepted(moment)
        time.sleep(scene.dice.random() * 0.02)
        victim = scene.dice.randrange(senders)
        scene.kill(crew[victim])
        crew[victim] = scene.start(children.work)
    scene.settle()


@pytest.mark.fault("F1", "kill storm, 5 % 4xx, 1 % 5xx")
def test_twenty_kills_lose_nobody(scene, size, counted):
    """As shops have it, each sender tells three mails at a time; F2 is the storm with one."""
    scene, people, kills = scene(MAIL_CONNECTIONS=3), size(short=2_000, full=10_000), 20
    scene.mails_are_due(people, refused=people // 100)
    scene.serve(temporary=0.05)
    began = time.monotonic()
    storm(scene, people=people, kills=kills)
    count = counted(scene, expected=scene.readers)

    assert count.lost == 0
    assert count.duplicates <= 3 * kills  # what was in flight at the kills
    assert count.most_copies <= 2
    assert states() == {"sent": people - people // 100, "suppressed": people // 100}
    assert time.monotonic() - began <= 120


@pytest.mark.fault("F2", "5 % 451, 1 % dropped after DATA, kills")
def test_connections_that_break_after_the_mail_cost_one_copy_each(scene, size, counted):
    scene, people, kills = scene(MAIL_CONNECTIONS=1), size(short=600, full=2_000), 10
    scene.mails_are_due(people)
    scene.serve(temporary=0.05, dropped=0.01)
    storm(scene, people=people, kills=kills)
    count = counted(scene)

    assert count.lost == 0
    assert count.drops > 0
    assert count.duplicates <= count.drops + kills


@pytest.mark.fault("F1", "processes of Celery's pool SIGKILLed")
def test_a_celery_worker_whose_processes_are_killed_loses_nobody(scene, redis, size, counted):
    """Celery's own default pool: the worker stays, puts another process in the place of each, and gives its task out again."""
    scene, people, kills = scene(MAIL_CONNECTIONS=3), size(short=300, full=1_500), size(short=5, full=15)
    scene.mails_are_due(people)
    scene.serve(seconds_a_mail=0.01)
    worker = scene.celery_worker(broker=redis.url, pool="prefork")
    scene.celery_beat(broker=redis.url)
    for kill in range(kills):
        scene.until_accepted(people * (kill + 1) // (kills + 3))
        scene.kill_a_child_of(worker)
    scene.settle()
    count = counted(scene)

    assert worker.poll() is None
    assert count.lost == 0
    assert count.duplicates <= 3 * kills
    assert states() == {"sent": people}


@pytest.mark.fault("F3", "crash at every step")
def test_a_crash_at_any_step_between_claim_and_mark_loses_nothing(scene, size, counted):
    """With two mails, the steps from one to the next are walked as well."""
    scene, mails = scene(), size(short=1, full=2)
    scene.mails_are_due(mails)
    scene.serve()
    trails, copied = [], []
    for step in itertools.count(1):
        began, trail = len(scene.accepted()), scene.folder / "trail"
        if scene.run(children.drain_until_step, step, trail) != 9:
            break
        scene.kills += 1
        trails.append(trail.read_text().splitlines())
        MailClaim.objects.update(leased_until="2026-01-01T00:00Z")
        assert scene.run(children.drain) == 0
        names = [one.name for one in scene.accepted(after=began)]
        assert len(set(names)) == mails, trails[-1]
        assert len(names) <= mails + 1, trails[-1]
        copied += [trails[-1]] if len(names) > mails else []
        OutgoingMail.objects.update(state="queued", attempts=0)
    counted(scene, count=Count(mails=mails * len(trails), lost=0, duplicates=len(copied), most_copies=2, drops=0))

    assert step > 30
    assert copied
    for trail in copied:
        assert is_between_sending_and_sent(trail), trail


def is_between_sending_and_sent(trail):
    """Not yet marked "sent" when it ended, and past the note that the server is about to be told."""
    notes = [line for line in trail[:-1] if line.startswith("sql UPDATE backorders_outgoingmail") or is_step(line)]
    return is_step(notes[-1])


def is_step(line):
    return line == "sql UPDATE backorders_mailclaim telling"


@pytest.mark.fault("F15", "SIGSTOP past the lease, then SIGCONT")
@pytest.mark.parametrize("connections", [1, 3])
def test_a_sender_that_slept_past_its_lease_wakes_up_and_sends_nothing_more(scene, counted, connections):
    scene = scene(LEASE=3, MAIL_TIMEOUT=0.6, MAIL_CONNECTIONS=connections)
    scene.mails_are_due(40)
    scene.serve(seconds_a_mail=0.02)
    sleeper = scene.start(children.drain)
    scene.until_accepted(5)
    children.os.kill(sleeper.pid, signal.SIGSTOP)
    scene.start(children.work)
    scene.settle()
    children.os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(30)
    count = counted(scene)

    assert sleeper.exitcode == 0
    assert count.lost == 0
    assert count.duplicates <= connections  # what was being told at that moment
