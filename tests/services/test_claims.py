"""A process that dies leaves few mails whose fate nobody knows; those before them have left, those after them have not."""

import datetime as dt
import uuid

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.outbox import MailState, Outcome
from backorders.models import MailClaim, OutgoingMail, Subscription
from backorders.services import claims
from backorders.services import delivery as service
from backorders.services.answers import Answer
from backorders.services.delivery import drain
from backorders.services.endings import settle
from backorders.services.outbox import cancel_mail
from backorders.signals import mail_sent
from tests.mailserver import mail_server
from tests.services.test_outbox import queue_wave

HOUR = dt.timedelta(hours=1)


def states():
    return list(OutgoingMail.objects.order_by("id").values_list("state", flat=True))


def attempts():
    return list(OutgoingMail.objects.order_by("id").values_list("attempts", flat=True))


def leases_end():
    MailClaim.objects.update(leased_until=timezone.now() - HOUR)


def taken(count, *, now):
    queue_wave(count, now=now)
    mails = claims.claim(100)
    return claims.letters_of(mails), mails[0].lease_token


def step(token, first, last=None):
    return claims.step(token, first.head.place, (last or first).head.place)


@pytest.mark.django_db
def test_how_far_a_dead_process_had_come_is_known_by_the_mail_it_was_telling(now):
    letters, token = taken(5, now=now)
    assert claims.begin(token, letters[:4]) == letters[:4]
    for letter in letters[:3]:
        assert step(token, letter)
    leases_end()

    assert claims.recover() == 5
    assert states() == ["sent", "sent", "queued", "queued", "queued"]
    assert attempts() == [1, 1, 1, 0, 0]
    assert not MailClaim.objects.exists()
    assert not OutgoingMail.objects.filter(lease_token__isnull=False).exists()


@pytest.mark.django_db
def test_of_mails_that_are_told_side_by_side_nobody_knows_which_have_left(now):
    letters, token = taken(6, now=now)
    claims.begin(token, letters[:5])
    assert step(token, letters[0], letters[1])
    assert step(token, letters[2], letters[3])
    leases_end()

    assert claims.recover() == 6
    assert states() == ["sent", "sent", "queued", "queued", "queued", "queued"]
    assert attempts() == [1, 1, 1, 1, 0, 0]


@pytest.mark.django_db
def test_where_staff_decide_about_unknown_mails_only_that_one_is_left_to_them(now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "ON_UNKNOWN": "hold"}
    letters, token = taken(3, now=now)
    claims.begin(token, letters)
    step(token, letters[0])
    step(token, letters[1])
    leases_end()
    claims.recover()

    assert states() == ["sent", "sending", "queued"]


@pytest.mark.django_db
def test_a_stride_that_was_begun_and_not_told_is_nobodys_success(now):
    """Its ids may be smaller than that of the mail told last."""
    letters, token = taken(4, now=now)
    claims.begin(token, letters[2:])
    step(token, letters[2])
    step(token, letters[3])
    claims.finish(token, {letter.head.id: "" for letter in letters[2:]})
    claims.begin(token, letters[:2])
    leases_end()
    claims.recover()

    assert states() == ["queued", "queued", "sent", "sent"]


@pytest.mark.django_db
def test_what_the_server_refused_before_the_process_died_is_no_success(now):
    letters, token = taken(3, now=now)
    claims.begin(token, letters)
    step(token, letters[0])
    settle(letters[0].head, Answer(Outcome.TRY_LATER, "451 busy"))
    step(token, letters[1])
    leases_end()
    claims.recover()

    assert states() == ["queued", "queued", "queued"]
    assert OutgoingMail.objects.order_by("id")[0].note == "451 busy"


@pytest.mark.django_db
def test_a_stride_leaves_out_who_was_cancelled_meanwhile(now):
    letters, token = taken(3, now=now)
    cancel_mail(subscriptions=Subscription.objects.filter(id=letters[1].head.subscription_id), because="left")

    assert claims.begin(token, letters) == [letters[0], letters[2]]
    assert states() == ["sending", "cancelled", "sending"]


@pytest.mark.django_db
def test_a_process_whose_lease_was_taken_over_begins_and_marks_nothing(now):
    letters, token = taken(2, now=now)
    claims.begin(token, letters)
    leases_end()
    claims.recover()
    others = claims.claim(100)

    assert not step(token, letters[0])
    assert claims.begin(token, letters) == []
    claims.finish(token, {letters[0].head.id: ""})
    claims.put_back(token)
    assert states() == ["leased", "leased"]
    assert {mail.lease_token for mail in others} == set(MailClaim.objects.values_list("token", flat=True))


@pytest.mark.django_db
def test_marks_carry_the_databases_time_and_the_providers_name(now):
    letters, token = taken(2, now=now)
    claims.begin(token, letters)
    step(token, letters[1])
    claims.finish(token, {letters[0].head.id: "", letters[1].head.id: "re_1"})
    first, second = OutgoingMail.objects.order_by("id")
    [held] = MailClaim.objects.all()

    assert (first.state, first.provider_id, first.attempts) == (MailState.SENT, "", 1)
    assert (second.state, second.provider_id, second.lease_token) == (MailState.SENT, "re_1", None)
    assert abs(timezone.now() - first.sent_at) < dt.timedelta(seconds=5)
    assert (
        conf.lease - dt.timedelta(seconds=20)
        < held.leased_until - timezone.now()
        <= conf.lease + dt.timedelta(seconds=1)
    )


@pytest.mark.django_db
def test_two_mails_of_a_wave_cost_one_statement_and_a_share_of_a_few(now, monkeypatch):
    monkeypatch.setattr(service, "STRIDE", 60.0)
    costs = []
    for people in (10, 50):
        with mail_server():
            queue_wave(people, now=now)
            with CaptureQueriesContext(connection) as queries:
                drain(seconds=20)
        costs.append(len(queries))

    assert costs[1] - costs[0] < 0.75 * 40


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_in_the_middle_costs_no_mail_and_no_copy(now, monkeypatch):
    """What the server took before is marked through a new connection."""
    heard = []
    mail_sent.connect(listener := lambda mail_id, **_: heard.append(mail_id))
    steps, step = [], service.step

    def breaks_at_the_third(*places):
        steps.append(places)
        if len(steps) == 3:
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            raise OperationalError("server closed the connection unexpectedly")
        return step(*places)

    monkeypatch.setattr(service, "step", breaks_at_the_third)
    with mail_server() as server:
        queue_wave(6, now=now)
        with pytest.raises(OperationalError):
            drain(seconds=10)
        drain(seconds=10)
    mail_sent.disconnect(listener)

    assert len(server.addresses) == len(set(server.addresses)) == 6
    assert states() == ["sent"] * 6
    assert sorted(heard) == sorted(OutgoingMail.objects.values_list("id", flat=True))


@pytest.mark.django_db
def test_a_claim_that_nobody_made_recovers_nothing():
    MailClaim.objects.create(token=uuid.uuid4(), leased_until=timezone.now() - HOUR, telling=7, telling_to=8)

    assert claims.recover() == 0
    assert not MailClaim.objects.exists()
