"""One mail that breaks its sender, and a deploy in the middle of a wave."""

import time

import pytest

from backorders.models import OutgoingMail
from tests.faults import children
from tests.faults.scene import FINAL, ask_to_end, hurry, states

pytestmark = pytest.mark.timeout(180)


@pytest.mark.fault("F19", "one mail raises, one kills its sender")
def test_poison_is_given_up_after_a_few_attempts_and_all_others_leave(scene, size, counted):
    scene, people = scene(LEASE=2, MAIL_TIMEOUT=0.6, MAX_ATTEMPTS=3), size(short=300, full=1_000)
    scene.mails_are_due(people, raises=1, kills=1)
    scene.serve()
    sender = scene.start(children.work_with_a_poisoned_template)
    end = time.monotonic() + 60
    while OutgoingMail.objects.exclude(state__in=FINAL).exists():
        assert time.monotonic() < end, scene.told()
        hurry()
        if not sender.is_alive():
            scene.kills += 1
            sender = scene.start(children.work_with_a_poisoned_template)
        time.sleep(0.05)
    count = counted(scene, expected=scene.readers)

    assert (count.lost, count.duplicates) == (0, 0)
    assert scene.kills == 3
    assert states() == {"sent": people - 2, "dead": 2}
    assert set(OutgoingMail.objects.filter(state="dead").values_list("attempts", flat=True)) == {3}


@pytest.mark.fault("F19", "one product kills whoever reads it")
@pytest.mark.parametrize("senders", [1, 2])
def test_a_product_that_kills_its_readers_is_given_up_and_all_others_leave(scene, size, counted, senders):
    """Its readers are charged together: it kills once in a crowd, and MAX_ATTEMPTS times alone, for each sender at most."""
    scene, people = scene(LEASE=2, MAIL_TIMEOUT=0.5, MAX_ATTEMPTS=3), size(short=100, full=1_000)
    deadly = scene.mails_are_due(5)
    unlucky = set(scene.addresses)
    scene.mails_are_due(people)
    scene.serve()
    crew = [scene.start(children.work_with_a_deadly_product, deadly.pk) for _ in range(senders)]
    end = time.monotonic() + 90
    while OutgoingMail.objects.exclude(state__in=FINAL).exists():
        assert time.monotonic() < end, scene.told()
        for place, sender in enumerate(crew):
            if not sender.is_alive():
                scene.kills += 1
                crew[place] = scene.start(children.work_with_a_deadly_product, deadly.pk)
        time.sleep(0.05)
    count = counted(scene, expected=[address for address in scene.addresses if address not in unlucky])

    assert (count.lost, count.duplicates) == (0, 0)
    assert states() == {"sent": people, "dead": 5}
    assert 1 + 3 <= scene.kills <= (1 + 3) * senders
    assert set(OutgoingMail.objects.filter(state="dead").values_list("attempts", flat=True)) == {3}


@pytest.mark.fault("F20", "SIGTERM under load, plain worker")
def test_a_deploy_sends_nothing_twice_and_waits_for_nothing(scene, size, counted):
    scene, deploys = scene(), size(short=4, full=10)
    people = deploys * 60
    scene.mails_are_due(people)
    scene.serve(seconds_a_mail=0.02)
    waits = []
    for deploy in range(deploys):
        sender = scene.start(children.work)
        scene.until_accepted(deploy * 40 + 20)
        waits.append(ask_to_end(sender))
        assert sender.exitcode == 0
    scene.start(children.work)
    scene.settle()
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)
    assert max(waits) < 15


@pytest.mark.fault("F20", "SIGTERM under load, Celery")
@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_deploy_of_celery_sends_nothing_twice_and_does_not_wait_for_the_whole_tick(scene, redis, counted, pool):
    scene = scene()
    scene.mails_are_due(400)
    scene.serve(seconds_a_mail=0.05)
    worker = scene.celery_worker(broker=redis.url, pool=pool)
    scene.celery_beat(broker=redis.url)
    scene.until_accepted(20)
    seconds = ask_to_end(worker)
    left = states()
    scene.close_server()
    scene.serve()
    scene.start(children.work)
    scene.settle()
    count = counted(scene)

    assert "leased" not in left
    assert (count.lost, count.duplicates) == (0, 0)
    assert seconds < 15
