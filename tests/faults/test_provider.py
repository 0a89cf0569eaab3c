"""A provider that is told by HTTP wants less, or takes a mail and does not say so."""

import itertools

import pytest

from backorders.models import OutgoingMail
from tests.faults import children
from tests.faults.scene import states


@pytest.mark.fault("F6", "provider says 429")
def test_a_provider_that_wants_less_is_not_called_before_its_time(scene, counted):
    scene = scene()
    scene.mails_are_due(60)
    scene.serve_as_provider(too_many_for=3, retry_after=2)
    scene.start(children.work)
    scene.start(children.work)
    scene.until(lambda: states() == {"sent": 60}, "every mail has left", 60)
    count = counted(scene)
    refused = [call["at"] for call in scene.calls() if call["status"] == 429]
    waves = [b - a for a, b in itertools.pairwise(sorted(refused)) if b - a > 0.5]

    assert (count.lost, count.duplicates) == (0, 0)
    assert 1 <= len(refused) <= 4  # each sender may have had a call on its way, and both came back once
    assert all(gap >= 1.9 for gap in waves)
    assert set(OutgoingMail.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.fault("F7", "provider takes mails and does not answer, senders killed")
def test_a_provider_that_knows_our_key_sends_nothing_twice_whoever_dies(scene, size, counted):
    scene, kills = scene(MAIL_TIMEOUT=1, LEASE=5), 4
    scene.mails_are_due(size(short=80, full=400))
    scene.serve_as_provider(silent=0.05)
    senders = [scene.start(children.work) for _ in range(2)]
    for kill in range(kills):
        scene.until_accepted((kill + 1) * 12)
        scene.kill(senders[kill % 2])
        senders[kill % 2] = scene.start(children.work)
    scene.settle()
    count = counted(scene)
    answers = [call["status"] for call in scene.calls()]

    assert (count.lost, count.duplicates) == (0, 0)
    assert states() == {"sent": len(scene.addresses)}
    assert 409 in answers
