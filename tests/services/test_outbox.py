"""Mails leave once, through a real mail server, and the rows say what became of them."""

import datetime as dt
import re

import pytest
from anymail.exceptions import AnymailRequestsAPIError
from django.core import mail as django_mail
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backorders.domain.outbox import MailKind, MailState, Outcome
from backorders.models import MailClaim, OutgoingMail, Subscription, SubscriptionToken, SuppressedAddress
from backorders.services import claims
from backorders.services.answers import Answer, classify
from backorders.services.delivery import deliver_due, drain
from backorders.services.endings import end_mail, settle
from backorders.services.mailer import Mailer
from backorders.services.outbox import queue_mail, send_again, suppress
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Product
from tests.mailserver import mail_server, mail_settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def server():
    with mail_server() as sink:
        yield sink


def queue_wave(people, *, now, **fields):
    mug = ProductFactory(stock=0, **fields)
    rows = waiting_for(mug, people)
    Product.objects.filter(pk=mug.pk).update(stock=people)
    sweep_stock(now=now)
    release_waves(now=now)
    return rows


def die_over(mail):
    """A worker claims what is due and dies while the server is told this mail; its lease is over."""
    mine = claims.claim(50)
    claims.begin(mine[0].lease_token, claims.letters_of(mine))
    assert claims.step(mine[0].lease_token, mail.place, mail.place)
    MailClaim.objects.update(leased_until=timezone.now() - dt.timedelta(minutes=1))


def test_mails_arrive_at_a_real_server_in_text_and_html_with_one_click_leave(server, now):
    rows = queue_wave(3, now=now)
    drain(seconds=10)

    assert server.addresses == [row.email for row in rows]
    message = server.accepted[0]
    assert message.get_body(("plain",)) is not None
    assert message.get_body(("html",)) is not None
    assert message["List-Unsubscribe"].strip().startswith("<https://shop.example/backorders/leave/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"


def test_links_leave_whole_in_headers_and_text(server, now):
    queue_wave(1, now=now)
    drain(seconds=10)
    [raw] = server.raw
    [header] = re.findall(rb"List-Unsubscribe:\s+(<[^\r\n]+>)\r\n", raw)

    assert re.fullmatch(rb"<https://shop\.example/backorders/leave/[\w-]{43}/>", header)
    assert header[1:-1] in raw.split(b"\r\n\r\n", 1)[1]


def test_running_it_again_sends_nothing_again(server, now):
    queue_wave(3, now=now)
    drain(seconds=10)
    drain(seconds=10)

    assert len(server.accepted) == 3


def test_whoever_runs_out_of_time_says_so_even_if_nothing_has_left(server, now):
    """Else nobody would be asked to go on."""
    queue_wave(2, now=now)
    done = drain(seconds=0)

    assert (done.total, done.is_unfinished) == (0, True)
    assert not drain(seconds=10).is_unfinished
    assert len(server.accepted) == 2


def test_a_mail_keeps_its_message_id_when_it_is_sent_again(server, now):
    [row] = queue_wave(1, now=now)
    server.answers[row.email] = "451 try later"
    drain(seconds=10)
    OutgoingMail.objects.update(due_at=now)
    del server.answers[row.email]
    drain(seconds=10)
    OutgoingMail.objects.update(state=MailState.QUEUED)
    die_over(OutgoingMail.objects.get())
    drain(seconds=10)

    first, second = server.accepted
    assert first["Message-ID"] == second["Message-ID"]


def test_a_busy_server_is_tried_again_later(server, now):
    [row] = queue_wave(1, now=now)
    server.answers[row.email] = "451 greylisted"
    drain(seconds=10)
    mail = OutgoingMail.objects.get()

    assert (mail.state, mail.attempts) == (MailState.QUEUED, 1)
    assert mail.due_at > timezone.now()
    assert "greylisted" in mail.note


def test_a_refused_recipient_is_given_up_and_stops_nobody_else(server, now):
    rows = queue_wave(3, now=now)
    server.answers[rows[1].email] = "552 5.2.3 too big for this mailbox"
    drain(seconds=10)

    assert server.addresses == [rows[0].email, rows[2].email]
    assert OutgoingMail.objects.get(subscription=rows[1]).state == MailState.DEAD
    assert not SuppressedAddress.objects.exists()


def test_an_address_nobody_lives_at_is_never_mailed_again(server, now):
    [row] = queue_wave(1, now=now)
    server.answers[row.email] = "550 5.1.1 no such user"
    drain(seconds=10)
    row.refresh_from_db()

    assert OutgoingMail.objects.get().state == MailState.SUPPRESSED
    assert SuppressedAddress.objects.get().email_key == row.email_key
    assert (row.state, row.closed_because) == (Subscription.State.CLOSED, Subscription.Closed.UNDELIVERABLE)


def test_a_server_that_is_down_loses_nothing(now):
    with mail_server():
        pass
    with override_settings(**mail_settings("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=9)):
        queue_wave(3, now=now)
        drain(seconds=10)

    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {MailState.QUEUED}


def test_a_mail_is_given_up_after_so_many_attempts(server, now):
    [row] = queue_wave(1, now=now)
    server.answers[row.email] = "451 never"
    for _ in range(10):
        OutgoingMail.objects.update(due_at=now)
        drain(seconds=10)
    mail = OutgoingMail.objects.get()

    assert (mail.state, mail.attempts) == (MailState.DEAD, 8)
    row.refresh_from_db()
    assert row.state == Subscription.State.TOLD


def test_staff_can_send_a_given_up_mail_again(server, now):
    [row] = queue_wave(1, now=now)
    server.answers[row.email] = "552 5.2.3 too big for this mailbox"
    drain(seconds=10)
    server.answers.clear()

    assert send_again(mail_ids=[OutgoingMail.objects.get().id]) == 1
    drain(seconds=10)
    assert server.addresses == [row.email]


def test_a_claim_of_a_dead_worker_is_taken_over_when_its_lease_ends(server, now):
    queue_wave(2, now=now)
    abandoned = claims.claim(50)
    assert deliver_due().total == 0
    MailClaim.objects.update(leased_until=now)
    drain(seconds=10)

    assert len(abandoned) == len(server.accepted) == 2


def test_a_worker_that_wakes_late_writes_nothing(server, now):
    queue_wave(1, now=now)
    [stale] = claims.claim(1)
    MailClaim.objects.update(leased_until=now)
    drain(seconds=10)
    assert not claims.step(stale.lease_token, stale.place, stale.place)
    assert claims.begin(stale.lease_token, claims.letters_of([stale])) == []
    claims.finish(stale.lease_token, {stale.id: "from the past"})
    end_mail(stale, MailState.DEAD, "from the past")
    settle(stale, Answer(Outcome.TRY_LATER, "from the past"))

    assert OutgoingMail.objects.get().state == MailState.SENT


@pytest.mark.parametrize(("policy", "mails"), [("resend", 1), ("hold", 0)])
def test_a_mail_whose_fate_nobody_knows_follows_the_setting(server, settings, now, policy, mails):
    settings.BACKORDERS = {**settings.BACKORDERS, "ON_UNKNOWN": policy}
    queue_wave(1, now=now)
    die_over(OutgoingMail.objects.get())
    drain(seconds=10)

    assert len(server.accepted) == mails
    assert OutgoingMail.objects.get().attempts == 1 + mails
    send_again(mail_ids=[OutgoingMail.objects.get().id])
    drain(seconds=10)
    assert len(server.accepted) == 1


def test_a_suppressed_address_gets_nothing_and_its_request_ends(server, now):
    [row] = queue_wave(1, now=now)
    suppress(email_key=row.email_key, reason="complaint", now=now)
    drain(seconds=10)

    row.refresh_from_db()
    assert server.accepted == []
    assert (OutgoingMail.objects.get().state, row.closed_because) == (MailState.SUPPRESSED, "undeliverable")


def test_a_template_that_raises_stops_nobody_else(server, now, settings, tmp_path):
    rows = queue_wave(3, now=now)
    folder = tmp_path / "backorders" / "mail"
    folder.mkdir(parents=True)
    second = f"{{% if mail.subscription.email == '{rows[1].email}' %}}{{{{ 1|divisibleby:0 }}}}{{% endif %}}"
    (folder / "back_in_stock.txt").write_text(second + "{{ leave_url }}")
    [engine] = settings.TEMPLATES
    with override_settings(TEMPLATES=[{**engine, "DIRS": [str(tmp_path), *engine.get("DIRS", [])]}]):
        drain(seconds=10)

    assert server.addresses == [rows[0].email, rows[2].email]
    assert "ZeroDivisionError" in OutgoingMail.objects.get(subscription=rows[1]).note


@pytest.mark.parametrize("title", ["Mug\r\nBcc: e@x.com", "Mug \u202eevil", "x" * 5000])
def test_a_products_name_never_reaches_the_headers_raw(server, now, title):
    queue_wave(1, now=now, name=title)
    drain(seconds=10)

    [message] = server.accepted
    assert message["Bcc"] is None
    assert "\u202e" not in message["Subject"]
    assert len(message["Subject"].strip()) <= 200  # folded, it begins on a line of its own


def test_it_works_through_anymail_as_well(now):
    with override_settings(**mail_settings("anymail.backends.test.EmailBackend")):
        [row] = queue_wave(1, now=now, name="Mug\r\nBcc: e@x.com")
        drain(seconds=10)
        [message] = django_mail.outbox

    assert message.to == [row.email]
    assert "\n" not in message.subject
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert OutgoingMail.objects.get().provider_id != ""


def test_what_anymail_says_is_understood():
    class Reply:
        status_code, reason, url = 429, "Too Many Requests", "https://esp.example"
        text, content = "", b""
        headers = {}

        def json(self):
            return {}

    busy = AnymailRequestsAPIError(response=Reply())
    busy.status_code = 429
    assert classify(busy).outcome is Outcome.THROTTLED
    busy.status_code = 422
    assert classify(busy).outcome is Outcome.REFUSED


def test_a_link_is_kept_only_as_its_hash(server, now):
    queue_wave(1, now=now)
    drain(seconds=10)
    token = server.accepted[0]["List-Unsubscribe"].split("/leave/")[1].strip("/>")
    [kept] = SubscriptionToken.objects.values_list("digest", flat=True)

    assert len(token) == 43
    assert token not in kept


def test_an_urgent_mail_overtakes_a_wave(server, now):
    queue_wave(3, now=now)
    [late] = waiting_for(ProductFactory(stock=0), state="pending")
    queue_mail(kind=MailKind.CONFIRM_SUBSCRIPTION, now=now + dt.timedelta(minutes=1), subscription=late)
    drain(seconds=10)

    assert server.addresses[0] == late.email


def test_a_wave_of_any_size_is_written_with_a_fixed_number_of_statements(now):
    counts = []
    for people in (1, 2, 40):  # beside the first, each finds another wave that may have to share its mails
        mug = ProductFactory(stock=0)
        waiting_for(mug, people)
        Product.objects.filter(pk=mug.pk).update(stock=people)
        sweep_stock(now=now)
        with CaptureQueriesContext(connection) as queries:
            release_waves(now=now)
        counts.append(len(queries))

    assert counts[1] == counts[2]
    assert OutgoingMail.objects.count() == 43


def test_the_language_and_the_zone_of_the_reader_are_used(server, now):
    from backorders.services.subscriptions import subscribe

    subscribe(product=ProductFactory(stock=0), email="a@example.com", language="de", time_zone="Asia/Tokyo", now=now)
    drain(seconds=10)

    row = Subscription.objects.get()
    assert (row.language, row.time_zone) == ("de", "Asia/Tokyo")
    assert 'lang="de"' in server.accepted[0].get_body(("html",)).get_content()


def test_an_unknown_time_zone_costs_nobody_their_mail(server, now):
    rows = queue_wave(1, now=now)
    Subscription.objects.update(time_zone="Mars/Olympus")
    drain(seconds=10)

    assert server.addresses == [rows[0].email]


def test_the_mailer_gives_a_hanging_server_a_time_limit():
    with mail_server(), Mailer() as mailer:
        from backorders.services.mailer import open_connection

        connection = open_connection()
        assert connection.timeout == 30
        connection.close()
        assert mailer is not None
