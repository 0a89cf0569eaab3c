"""Many do the same, or the opposite, in one second."""

import time

import pytest

from backorders.models import OutgoingMail, Restock, Subscription, Wave
from backorders.services.stock import stock_changed
from tests.factories import token_for
from tests.faults import children
from tests.faults.scene import states
from tests.hosts.models import Product

pytestmark = pytest.mark.timeout(300)


@pytest.mark.fault("F11", "four processes restock one item")
def test_four_restocks_in_one_second_write_to_each_reader_once(scene, size, counted):
    scene, people = scene(), size(short=500, full=10_000)
    mug = scene.people_wait(people)
    scene.serve()
    at = time.time() + 1
    crew = [scene.start(children.restock, mug.pk, people, at) for _ in range(4)]
    for process in crew:
        process.join(200)
    scene.settle()
    count = counted(scene)

    assert [process.exitcode for process in crew] == [0] * 4
    assert (count.lost, count.duplicates) == (0, 0)
    assert OutgoingMail.objects.count() == people
    assert Restock.objects.count() == Wave.objects.count() == 1


@pytest.mark.fault("F12", "shelf flaps 50 times in 5 s")
def test_a_flapping_shelf_writes_to_nobody_twice(scene, counted):
    scene = scene()
    mug = scene.people_wait(40)
    scene.serve()
    scene.start(children.work)
    scene.run(children.flap, mug.pk, 51, 0.1)
    scene.settle()
    told = [one.to for one in scene.accepted()]
    count = counted(scene, expected=told)

    assert Product.objects.get(pk=mug.pk).stock == 1
    assert len(told) == len(set(told))
    assert 1 <= len(told) <= 26  # the shelf was full 26 times, with one unit
    assert count.duplicates == 0


@pytest.mark.fault("F12", "empty shelf when the mail would leave")
def test_no_mail_leaves_for_an_empty_shelf_and_the_next_restock_tells_all(scene, counted):
    scene = scene()
    mug = scene.mails_are_due(40)
    scene.serve()
    Product.objects.filter(pk=mug.pk).update(stock=0)
    scene.run(children.drain)
    left_for_an_empty_shelf = scene.accepted()
    stock_changed(mug)
    Product.objects.filter(pk=mug.pk).update(stock=40)
    scene.start(children.work)
    scene.until_accepted(40)
    count = counted(scene)

    assert left_for_an_empty_shelf == []
    assert (count.lost, count.duplicates) == (0, 0)
    assert Restock.objects.count() == 2


@pytest.mark.fault("F13", "leaving while the mails leave")
def test_who_left_before_the_mail_was_handed_over_is_not_written_to(scene, size, counted):
    people = size(short=300, full=3_000)
    scene = scene()
    scene.mails_are_due(people)
    rows = list(Subscription.objects.order_by("id"))
    leavers = [(token_for(row), row.pk, row.email) for row in scene.dice.sample(rows, people // 2)]
    scene.serve(seconds_a_mail=0.002)
    for _ in range(2):
        scene.start(children.work)
    log = scene.folder / "left"
    scene.start(children.leave, leavers, log, scene.seed)
    scene.settle()
    left = [line.split() for line in log.read_text().splitlines()]
    stopped = {address for address, _, state in left if state == "cancelled"}
    counted(scene, expected=set(scene.addresses) - {address for address, *_ in left})
    accepted = {one.to: one.at for one in scene.accepted()}

    assert stopped
    assert stopped.isdisjoint(accepted)
    assert all(accepted[address] < float(at) + 3 for address, at, state in left if state == "sending")
    assert set(scene.addresses) - set(accepted) <= {address for address, *_ in left}


@pytest.mark.fault("F14", "clock of the senders jumps by an hour, both ways")
def test_a_sender_whose_clock_jumps_neither_repeats_nor_waits(scene, counted):
    scene = scene()
    scene.mails_are_due(200)
    scene.serve(seconds_a_mail=0.01)
    began = time.monotonic()
    for hours in ((0, 1, -1), (1, -1, 0)):
        scene.start(children.work_by_a_wrong_clock, *hours)
    scene.until_accepted(200, seconds=30)
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)
    assert states().keys() <= {"sent", "sending"}
    assert time.monotonic() - began < 30


@pytest.mark.fault("F14", "clock of one worker an hour ahead")
def test_a_wave_written_by_a_clock_that_is_ahead_does_not_wait_for_it(scene, counted):
    scene = scene()
    mug = scene.people_wait(20)
    Product.objects.filter(pk=mug.pk).update(stock=20)
    scene.serve()
    scene.start(children.work_by_a_wrong_clock, 1)
    scene.until_accepted(20, seconds=8)
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)
