"""The mail server hangs, goes away, comes back."""

import itertools
import time

import pytest

from backorders.models import OutgoingMail
from tests.faults import children
from tests.faults.scene import hurry, states, until


def longest_silence(scene):
    """Seconds between one accepted mail and the next: how long the mail that hangs kept its sender."""
    moments = [one.at for one in scene.accepted()]
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


@pytest.mark.fault("F4", "server hangs after DATA, resend")
def test_a_server_that_hangs_costs_its_time_out_once_and_the_mail_is_tried_again(scene, counted):
    scene = scene(MAIL_TIMEOUT=2, MAX_ATTEMPTS=2)
    scene.mails_are_due(30, hangs=1)
    scene.serve(seconds_hanging=30)
    scene.start(children.work)
    scene.settle()
    counted(scene, expected=scene.readers)

    assert longest_silence(scene) < 4
    assert states() == {"sent": 29, "dead": 1}
    assert OutgoingMail.objects.get(state="dead").attempts == 2
    assert "timed out" in OutgoingMail.objects.get(state="dead").note


@pytest.mark.fault("F4", "server hangs after DATA, hold")
def test_a_server_that_hangs_leaves_the_mail_to_staff_where_the_shop_wants_it_so(scene, counted):
    scene = scene(MAIL_TIMEOUT=2, LEASE=3, ON_UNKNOWN="hold")
    scene.mails_are_due(30, hangs=1)
    scene.serve(seconds_hanging=30)
    scene.start(children.work)
    until(lambda: states() == {"sent": 29, "sending": 1}, "the rest is marked", told=scene.told)
    time.sleep(4)  # longer than the lease: nobody takes it over
    counted(scene, expected=scene.readers)

    assert longest_silence(scene) < 4
    assert states() == {"sent": 29, "sending": 1}
    assert OutgoingMail.objects.get(state="sending").attempts == 1


@pytest.mark.fault("F4", "server slow, reply after reply")
def test_a_server_that_is_slow_reply_after_reply_gets_no_mail_twice(scene, counted):
    """Each reply is within the time-out, and all of them together take longer than a mail may: nobody else takes it over."""
    scene = scene(MAIL_TIMEOUT=2, LEASE=8)
    scene.mails_are_due(12)
    scene.serve(seconds_a_reply=1.6)
    scene.start(children.work)
    scene.start(children.work)
    until(lambda: OutgoingMail.objects.filter(attempts__gte=1).count() >= 4, "some were tried", told=scene.told)
    scene.serve()
    scene.settle()
    count = counted(scene)

    assert OutgoingMail.objects.filter(attempts__gte=2).exists()
    assert (count.lost, count.duplicates) == (0, 0)


@pytest.mark.fault("F5", "server down")
def test_while_the_server_is_down_no_attempt_is_charged_and_then_all_leave(scene, size, counted):
    scene, down = scene(), size(short=5, full=20)
    scene.mails_are_due(200)
    scene.start(children.work)
    scene.start(children.work)
    end = time.monotonic() + down
    while time.monotonic() < end:
        hurry()  # so that it is tried many times, and not twice a minute
        time.sleep(0.2)
    notes = OutgoingMail.objects.filter(note__contains="Refused").count()
    most = max(OutgoingMail.objects.values_list("attempts", flat=True))
    scene.serve()
    scene.settle()
    count = counted(scene)

    assert notes > 0
    assert most <= 1  # the one that is being tried at this very moment
    assert (count.lost, count.duplicates) == (0, 0)
    assert set(OutgoingMail.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.fault("F5", "server SIGKILLed and back, five times")
def test_a_server_that_is_killed_again_and_again_gets_every_mail_in_the_end(scene, counted):
    scene, deaths = scene(), 5
    scene.mails_are_due(300)
    scene.serve()
    scene.start(children.work)
    for death in range(deaths):
        scene.until_accepted((death + 1) * 40)
        scene.close_server()
        scene.kills += 1
        time.sleep(0.3)
        scene.serve()
        hurry()
    scene.settle()
    count = counted(scene)

    assert count.lost == 0
    assert count.duplicates <= deaths
