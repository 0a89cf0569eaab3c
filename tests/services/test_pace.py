"""A domain whose pace is used up: its mails wait in a lane of their own, and no other mail waits with them."""

import datetime as dt
import time
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backorders.domain.outbox import URGENT, MailState
from backorders.models import MailLane, OutgoingMail, Subscription
from backorders.models.outbox import ORDINARY
from backorders.services import delivery as service
from backorders.services.delivery import deliver_due, drain
from backorders.services.retention import tidy
from tests.mailserver import mail_server
from tests.services.test_outbox import queue_wave

pytestmark = pytest.mark.django_db

SLOW = "slow.example"


@pytest.fixture
def server():
    with mail_server() as sink:
        yield sink


@pytest.fixture
def pace(settings):
    def say(rate, **others):
        paces = {SLOW: rate} if rate else {}
        settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_RATE_BY_DOMAIN": paces, **others}

    return say


@pytest.fixture
def claimed(monkeypatch):
    """How often each mail was taken on."""
    times, claim = Counter(), service.claim

    def counted(*arguments, **options):
        mails = claim(*arguments, **options)
        times.update(mail.id for mail in mails)
        return mails

    monkeypatch.setattr(service, "claim", counted)
    return times


def wave(people, *, slow, now):
    """So many mails are due, the first of them to the slow domain."""
    rows = queue_wave(people, now=now)
    for row in rows[:slow]:
        name = f"{row.id}@{SLOW}"
        Subscription.objects.filter(id=row.id).update(email=name, email_key=name)
    return rows


def to(server, domain):
    return [address for address in server.addresses if address.endswith(f"@{domain}")]


def test_hundreds_of_mails_over_the_pace_of_a_domain_keep_no_other_mail_waiting(server, pace, now):
    pace(1)
    wave(300, slow=290, now=now)
    began = time.monotonic()
    drain(seconds=8)

    assert len(to(server, "example.com")) == 10
    assert len(to(server, SLOW)) <= 1 + (time.monotonic() - began)


def test_each_mail_over_the_pace_is_taken_on_twice_and_they_leave_in_their_order(server, pace, claimed, now):
    pace(30)
    rows = wave(160, slow=160, now=now)
    began = time.monotonic()
    drain(seconds=30)
    seconds = time.monotonic() - began

    assert server.addresses == [f"{row.id}@{SLOW}" for row in rows]
    assert max(claimed.values()) <= 2
    assert seconds >= 4.2  # thirty at once, then thirty a second


def test_an_urgent_mail_to_a_domain_with_a_backlog_takes_the_next_turn(server, pace, now):
    pace(2)
    rows = wave(40, slow=40, now=now)
    deliver_due()
    OutgoingMail.objects.filter(subscription=rows[-1]).update(priority=URGENT)
    drain(seconds=1.5)

    assert server.addresses[2] == f"{rows[-1].id}@{SLOW}"


def test_a_mail_that_is_true_no_more_leaves_its_turn_to_the_next(server, pace, now):
    pace(2)
    rows = wave(30, slow=30, now=now)
    deliver_due()
    told = Subscription.objects.filter(id__in=[row.id for row in rows[2:20]])
    told.update(state=Subscription.State.CLOSED)
    drain(seconds=6)

    assert server.addresses[:2] == [f"{row.id}@{SLOW}" for row in rows[:2]]
    assert server.addresses[2:4] == [f"{row.id}@{SLOW}" for row in rows[20:22]]


def test_a_pace_that_was_taken_back_holds_nothing_up_any_more(server, pace, now):
    pace(1)
    wave(20, slow=20, now=now)
    deliver_due()
    pace(None)
    drain(seconds=5)

    assert len(server.accepted) == 20


def test_two_workers_keep_the_pace_of_a_domain_together(server, pace, now):
    pace(5)
    wave(30, slow=30, now=now)
    began = time.monotonic()
    for _ in range(4):
        deliver_due()
    drain(seconds=1)

    assert len(server.accepted) <= 5 + 5 * (time.monotonic() - began) + 1


def test_a_mail_in_a_lane_that_is_refused_for_now_is_tried_again(server, pace, now):
    pace(1)
    rows = wave(3, slow=3, now=now)
    server.answers[f"{rows[1].id}@{SLOW}"] = "451 not now"
    deliver_due()
    drain(seconds=2.5)

    assert server.addresses == [f"{rows[0].id}@{SLOW}", f"{rows[2].id}@{SLOW}"]
    assert OutgoingMail.objects.get(subscription=rows[1]).attempts == 1


def test_five_hundred_mails_are_put_out_of_the_way_with_one_statement_and_without_asking_the_shop(server, pace, now):
    pace(1)
    wave(202, slow=202, now=now)
    deliver_due(limit=1)
    with CaptureQueriesContext(connection) as queries:
        deliver_due(limit=200)

    assert OutgoingMail.objects.filter(state=MailState.QUEUED).count() == 201
    assert len(queries) < 30


def test_under_a_pace_for_all_the_lane_of_a_domain_gets_its_turn_by_age(server, pace, now):
    """Those in the lane were there first."""
    pace(50, MAIL_RATE=4)
    rows = wave(6, slow=3, now=now)
    MailLane.objects.create(name=SLOW, tokens=0, filled_at=timezone.now() + dt.timedelta(seconds=1))
    deliver_due(limit=4)
    MailLane.objects.filter(name=SLOW).update(tokens=50)
    drain(seconds=2)

    assert len(server.accepted) == 6
    assert server.addresses[0] == rows[3].email


def test_the_outbox_of_others_is_found_at_once_behind_a_long_lane(server, pace, now):
    pace(1)
    wave(120, slow=120, now=now)
    drain(seconds=1)
    [other] = queue_wave(1, now=now)
    drain(seconds=1)

    assert other.email in server.addresses


def test_a_lane_that_somebody_deleted_keeps_no_mail(server, pace, now):
    """By hand, in the database. The hourly cleaning finds its mails."""
    pace(1)
    wave(4, slow=3, now=now)
    deliver_due()
    waiting = set(OutgoingMail.objects.exclude(lane=ORDINARY).values_list("id", flat=True))
    MailLane.objects.filter(name=SLOW).delete()
    pace(None)
    drain(seconds=1)
    assert {mail.id for mail in OutgoingMail.objects.filter(state=MailState.QUEUED)} == waiting != set()

    assert tidy(now=now)["mails brought back"] == len(waiting)
    drain(seconds=1)
    assert Counter(OutgoingMail.objects.values_list("state", flat=True)) == {MailState.SENT: 4}
    assert tidy(now=now)["mails brought back"] == 0


def test_the_cleaning_leaves_mails_in_the_lane_they_wait_in(server, pace, now):
    pace(1)
    wave(4, slow=3, now=now)
    deliver_due()
    before = list(OutgoingMail.objects.values_list("id", "lane").order_by("id"))

    assert tidy(now=now)["mails brought back"] == 0
    assert list(OutgoingMail.objects.values_list("id", "lane").order_by("id")) == before
