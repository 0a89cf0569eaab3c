"""The database goes away, is held by somebody else, or takes no more."""

import os
import signal
import time
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from backorders.models import OutgoingMail, Subscription
from backorders.services.stock import stock_changed
from backorders.services.waves import release_waves
from tests.faults import children
from tests.faults.scene import states, until
from tests.hosts.models import Product

pytestmark = pytest.mark.timeout(180)


def end_all_other_connections():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


@pytest.mark.only("postgresql")
@pytest.mark.fault("F16", "database ends all connections")
def test_senders_come_back_when_the_database_ends_their_connections(scene, size, counted):
    scene, people, times = scene(), size(short=400, full=2_000), size(short=5, full=20)
    scene.mails_are_due(people)
    scene.serve(seconds_a_mail=0.002)
    senders = [scene.start(children.work) for _ in range(2)]
    for turn in range(times):
        scene.until_accepted(people * (turn + 1) // (times + 4))
        scene.kills += end_all_other_connections()
    began, before = time.monotonic(), len(scene.accepted())
    scene.until_accepted(before + 1)
    seconds_to_come_back = time.monotonic() - began
    scene.settle()
    count = counted(scene)

    assert all(sender.is_alive() for sender in senders)
    assert seconds_to_come_back < 5
    assert count.lost == 0
    assert count.duplicates <= scene.kills


def crash():
    """As when the system kills a process of the server: it ends them all, and recovers from its log. Returns when."""
    victim = connection.copy()
    with victim.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    moment = time.time()
    os.kill(pid, signal.SIGKILL)
    until(_is_gone, "the database has noticed", 60)  # until then it takes connections, and ends them a moment later
    for closed in (victim, connection):
        closed.close()
    until(_is_back, "the database has recovered", 60)
    return moment


def _is_gone():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return True
    return False


def _is_back():
    try:
        connection.ensure_connection()
    except OperationalError:
        return False
    return True


@pytest.mark.only("postgresql")
@pytest.mark.fault("F16", "database server crashes, and recovers")
def test_a_database_that_crashes_loses_no_mail_and_repeats_what_it_forgot(own_postgres, scene, size, counted):
    """Marks wait for no disk: what was told in the last moments before the crash is told again, and nothing older than that."""
    scene, people, times = scene(), size(short=300, full=1_500), size(short=2, full=5)
    scene.mails_are_due(people)
    scene.serve(seconds_a_mail=0.005)
    senders = [scene.start(children.work) for _ in range(2)]
    forgettable = 0
    for turn in range(times):
        scene.until_accepted(people * (turn + 1) // (times + 2))
        moment = crash()
        scene.kills += 1
        forgettable += sum(moment - 1 <= one.at <= moment + 1 for one in scene.accepted())
    scene.settle()
    count = counted(scene)

    assert all(sender.is_alive() for sender in senders)
    assert count.lost == 0
    assert count.duplicates <= forgettable < people
    assert states() == {"sent": people}


@pytest.mark.only("sqlite")
@pytest.mark.fault("F17", "another program holds the file")
def test_senders_wait_for_whoever_holds_the_file(scene, size, counted):
    scene = scene(LEASE=20)
    scene.mails_are_due(250)
    scene.serve()
    senders = [scene.start(children.work) for _ in range(2)]
    scene.until_accepted(50)
    scene.run(children.hold_the_file, 3, size(short=2, full=5))
    scene.settle()
    count = counted(scene)

    assert all(sender.is_alive() for sender in senders)
    assert (count.lost, count.duplicates) == (0, 0)
    assert states() == {"sent": 250}


@contextmanager
def full_disk():
    """A database file that may not grow any more: SQLite says then what it says of a full disk."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # other tests leave pages free inside the file
        [pages] = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        yield
        cursor.execute("PRAGMA max_page_count = 1073741823")


@pytest.mark.only("sqlite")
@pytest.mark.fault("F18", "disk full while a wave is written")
def test_a_full_disk_leaves_no_half_wave_behind(scene, counted):
    scene = scene()
    mug = scene.people_wait(500)
    Product.objects.filter(pk=mug.pk).update(stock=500)
    stock_changed(mug)
    with full_disk():
        release_waves()  # logs its trouble
        assert OutgoingMail.objects.count() == 0
        assert Subscription.objects.filter(state="waiting").count() == 500
    scene.serve()
    scene.start(children.work)
    scene.until_accepted(200)
    assert OutgoingMail.objects.count() == 500
    scene.settle()
    count = counted(scene)

    assert (count.lost, count.duplicates) == (0, 0)


@contextmanager
def read_only():
    """A database that takes nothing any more, as after a failover or with a full disk."""
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        end_all_other_connections()
        try:
            yield
        finally:
            cursor.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
            end_all_other_connections()


@pytest.mark.only("postgresql")
@pytest.mark.fault("F18", "database read-only for a while")
def test_a_database_that_takes_nothing_any_more_loses_nothing(scene, counted):
    scene = scene(MAIL_CONNECTIONS=1)
    scene.mails_are_due(200)
    scene.serve(seconds_a_mail=0.01)
    sender = scene.start(children.work)
    scene.until_accepted(30)
    with read_only():
        time.sleep(1)
        before = len(scene.accepted())
        time.sleep(2)
        assert len(scene.accepted()) == before  # what cannot be marked is not sent
    scene.settle()
    count = counted(scene)

    assert sender.is_alive()
    assert count.lost == 0
    assert count.duplicates <= 2  # one for each end of a connection
