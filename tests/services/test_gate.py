"""What the mail server says about all of our mail: pauses, the circuit breaker, the pace, and the switch that staff have."""

import datetime as dt
import time

import pytest
from django.test import override_settings
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.outbox import BREAKS_AFTER, MailState, Outcome, pause_of_all, refill
from backorders.models import MailLane, OutgoingMail, SuppressedAddress
from backorders.queries.outbox import held_up
from backorders.services.delivery import deliver_due, drain
from backorders.services.gate import Gate, open_gate, start_mail, stop_mail
from tests.mailserver import free_port, mail_server, mail_settings
from tests.services.test_outbox import queue_wave

pytestmark = pytest.mark.django_db

SECOND = dt.timedelta(seconds=1)
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def server():
    with mail_server() as sink:
        yield sink


def states():
    return sorted(OutgoingMail.objects.values_list("state", "attempts"))


def over():
    """The pause is over, and whoever was told to wait is due."""
    MailLane.objects.update(paused_until=timezone.now() - SECOND)
    OutgoingMail.objects.filter(state=MailState.QUEUED).update(due_at=timezone.now())


# the switch


def test_staff_hold_all_mail_back_and_let_it_go(server, now):
    queue_wave(3, now=now)
    stop_mail(reason="the newsletter goes out")
    drain(seconds=5)
    assert (server.accepted, states()) == ([], [(MailState.QUEUED, 0)] * 3)
    assert held_up().reason == "the newsletter goes out"
    assert held_up().until is None

    start_mail()
    drain(seconds=5)
    assert len(server.accepted) == 3
    assert held_up() is None


# pauses


def test_a_server_that_cannot_be_reached_is_left_alone_and_nobody_is_charged(now):
    with override_settings(**mail_settings(SMTP, host="127.0.0.1", port=free_port())):
        queue_wave(60, now=now)
        drain(seconds=5)
        assert states() == [(MailState.QUEUED, 0)] * 60
        assert held_up().until <= timezone.now() + 6 * SECOND
        drain(seconds=1)
        assert MailLane.objects.get().failures == 1


def test_each_time_a_server_cannot_be_reached_it_is_left_alone_longer():
    pauses = [pause_of_all(Outcome.UNREACHABLE, failures=n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 1000)]

    assert pauses == [5, 10, 20, 40, 60, 60, 60]


def test_a_server_that_is_back_gets_everything(server, now):
    rows = queue_wave(4, now=now)
    with override_settings(**mail_settings(SMTP, host="127.0.0.1", port=free_port())):
        drain(seconds=2)
    over()
    drain(seconds=10)

    assert sorted(server.addresses) == sorted(row.email for row in rows)
    assert (MailLane.objects.get().failures, held_up()) == (0, None)


@pytest.mark.parametrize("answer", ["432 4.3.2 thread limit", "421 4.7.0 slow down"])
def test_a_server_that_wants_less_is_given_less(server, now, answer):
    queue_wave(5, now=now)
    server.to_all = ["250 taken", answer]
    drain(seconds=5)

    sent = states().count((MailState.SENT, 1))
    assert sent in range(1, conf.mail_connections + 1)  # one, and what stood beside the one that was refused
    assert states() == [(MailState.QUEUED, 0)] * (5 - sent) + [(MailState.SENT, 1)] * sent
    assert 50 * SECOND < held_up().until - timezone.now() <= 60 * SECOND


@pytest.mark.parametrize("answer", ["432 4.3.2 thread limit", "421 4.7.0 slow down"])
def test_a_server_that_wants_less_may_say_so_to_the_address(server, now, answer):
    rows = queue_wave(3, now=now)
    server.answers = {row.email: answer for row in rows}
    drain(seconds=5)

    assert (states(), server.accepted) == ([(MailState.QUEUED, 0)] * 3, [])
    assert 50 * SECOND < held_up().until - timezone.now() <= 60 * SECOND


def test_after_a_pause_another_mail_is_tried_first_in_case_it_was_this_ones_fault(server, now):
    rows = queue_wave(3, now=now)
    server.to_all = ["432 4.3.2 no"]
    drain(seconds=5)
    MailLane.objects.update(paused_until=timezone.now() - SECOND)
    server.to_all = ["432 4.3.2 no"]
    drain(seconds=5)
    tried = OutgoingMail.objects.exclude(note="").values_list("subscription__email", flat=True)

    assert set(tried) == {rows[0].email, rows[1].email}


def test_a_password_that_is_wrong_charges_nobody_and_is_shouted_about(server, now, caplog):
    queue_wave(3, now=now)
    server.to_all = ["535 5.7.8 who are you"]
    drain(seconds=5)

    assert states() == [(MailState.QUEUED, 0)] * 3
    assert [record.levelname for record in caplog.records if "check its password" in record.getMessage()] == ["ERROR"]


# the circuit breaker


def test_so_many_failures_in_a_row_open_the_breaker(server, now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_TIMEOUT": dt.timedelta(seconds=1)}
    queue_wave(2, now=now)
    MailLane.objects.create(failures=BREAKS_AFTER - 1)
    server.seconds_a_mail = 3.0
    drain(seconds=5)

    assert states() == [(MailState.QUEUED, 0), (MailState.QUEUED, 1)]
    assert held_up().until > timezone.now() + 4 * 60 * SECOND


def test_a_mail_that_leaves_closes_it(server, now):
    queue_wave(1, now=now)
    MailLane.objects.create(failures=BREAKS_AFTER + 3, paused_until=timezone.now() - SECOND)
    drain(seconds=5)

    assert MailLane.objects.get().failures == 0


def test_refusals_between_accepted_mails_say_nothing_about_the_server(server, now):
    rows = queue_wave(45, now=now)
    refused = [row.email for number, row in enumerate(rows) if number % 3]
    server.answers = dict.fromkeys(refused, "552 5.2.3 too big for this mailbox")
    drain(seconds=20)

    assert len(server.accepted) == 15
    assert states() == [(MailState.DEAD, 1)] * 30 + [(MailState.SENT, 1)] * 15
    assert held_up() is None


@pytest.mark.parametrize(
    "answer",
    [
        "550 relay not permitted",
        "554 5.7.1 Relay access denied",
        "550 Rejected because 192.0.2.1 is in a black list",
        "550 5.1.8 sender address does not exist",
    ],
)
def test_a_server_that_has_something_against_us_costs_no_address_and_no_mail(server, now, caplog, answer):
    rows = queue_wave(60, now=now)
    server.answers = {row.email: answer for row in rows}
    drain(seconds=20)

    assert states() == [(MailState.QUEUED, 0)] * (60 - BREAKS_AFTER) + [(MailState.QUEUED, 1)] * BREAKS_AFTER
    assert held_up().until > timezone.now() + 4 * 60 * SECOND
    assert [record.levelname for record in caplog.records if "All mail waits" in record.getMessage()] == ["ERROR"]
    assert not SuppressedAddress.objects.exists()

    server.answers.clear()
    over()
    drain(seconds=20)
    assert sorted(server.addresses) == sorted(row.email for row in rows)


def test_a_server_that_knows_nobody_any_more_is_not_believed_for_ever(server, now, caplog):
    rows = queue_wave(60, now=now)
    server.answers = {row.email: "550 5.1.1 no such user" for row in rows}
    drain(seconds=20)
    over()
    drain(seconds=20)

    assert SuppressedAddress.objects.count() == BREAKS_AFTER - 1
    assert [state for state, _ in states()].count(MailState.QUEUED) == 60 - (BREAKS_AFTER - 1)
    assert {record.levelname for record in caplog.records if "refuses one mail" in record.getMessage()} == {"ERROR"}


# the pace


def test_a_bucket_fills_at_its_rate_and_no_further_than_a_second():
    assert refill(tokens=0, seconds=0.5, rate=10) == 5
    assert refill(tokens=8, seconds=60, rate=10) == 10
    assert refill(tokens=0, seconds=1, rate=0.1) == pytest.approx(0.1)
    assert refill(tokens=0, seconds=3600, rate=0.1) == 1
    assert refill(tokens=3, seconds=-5, rate=10) == 3


def test_all_workers_together_keep_the_pace(server, now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_RATE": 10.0}
    queue_wave(25, now=now)
    start = time.monotonic()
    drain(seconds=10)
    seconds = time.monotonic() - start

    assert len(server.accepted) == 25
    assert seconds >= 1.4  # ten at once, then ten a second
    assert deliver_due().total == 0


def test_one_domain_has_a_pace_of_its_own_and_holds_up_nobody_else(server, now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_RATE_BY_DOMAIN": {"Slow.example": 2}}
    rows = queue_wave(8, now=now)
    for row in rows[:6]:
        name = f"{row.id}@slow.example"
        type(row).objects.filter(id=row.id).update(email=name, email_key=name)
    deliver_due()
    waiting = list(OutgoingMail.objects.filter(state=MailState.QUEUED).values_list("id", flat=True))

    assert len(server.accepted) == 4
    assert len(waiting) == 4

    drain(seconds=5)
    left_at = sorted(OutgoingMail.objects.filter(id__in=waiting).values_list("sent_at", flat=True))
    assert left_at[-1] - left_at[0] == pytest.approx(1.5 * SECOND, abs=0.3 * SECOND)


def test_a_mail_that_left_ends_no_pause_that_began_meanwhile_and_no_stop_of_staff():
    """Two workers: while one was being served, the other was told to wait, and staff stopped everything."""
    until = timezone.now() + SECOND * 60
    MailLane.objects.create(failures=2)
    gate = open_gate(10)
    MailLane.objects.update(failures=3, paused_until=until, reason="432 too many connections")
    gate.note(Outcome.ACCEPTED)
    assert MailLane.objects.get().paused_until == until

    gate = Gate(room=10, failures=3)
    stop_mail(reason="wrong prices")
    gate.note(Outcome.ACCEPTED)
    assert (MailLane.objects.get().is_stopped, MailLane.objects.get().reason) == (True, "wrong prices")
