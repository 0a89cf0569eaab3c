"""Mail that leaves by a provider's HTTP API, through Anymail."""

import datetime as dt
import http.server
import json
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from anymail.exceptions import AnymailRecipientsRefused
from anymail.message import AnymailRecipientStatus, AnymailStatus
from django.core.mail import EmailMultiAlternatives
from django.test import override_settings
from django.utils import timezone
from requests import Response

from backorders.domain.outbox import MailState, Outcome
from backorders.queries.outbox import held_up
from backorders.services.answers import classify
from backorders.services.delivery import drain
from tests.mailserver import free_port, mail_settings
from tests.services.test_gate import over, states
from tests.services.test_outbox import queue_wave

pytestmark = pytest.mark.django_db


class Provider:
    """A mail provider on a loopback port. ``answers``: status, headers and delay of the next calls."""

    def __init__(self):
        self.calls, self.accepted, self.answers = [], {}, []

    def handle(self, key, body):
        """The status to answer with, and when. A key it knows sends nothing again, and 409 tells that the words have changed."""
        status, headers, delay = self.answers.pop(0) if self.answers else (200, {}, 0)
        self.calls.append(key)
        if status == 200 and self.accepted.setdefault(key, body) != body:
            status = 409
        return status, headers, delay


@contextmanager
def on_loopback(answer):
    """``answer``: from a call's headers and body to status, headers, seconds to wait and what the answer says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, delay, told = answer(self.headers, body)
            time.sleep(delay)
            with suppress(BrokenPipeError):  # whoever asked has gone
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{service.server_port}/"
    finally:
        service.shutdown()


@contextmanager
def resend():
    provider = Provider()

    def answer(headers, body):
        status, more, delay = provider.handle(headers.get("Idempotency-Key"), body)
        told = {200: {"id": "re_1"}, 409: {"statusCode": 409, "name": "invalid_idempotent_request", "message": "no"}}
        return status, more, delay, told.get(status, {"message": "no"})

    with on_loopback(answer) as url:
        anymail = {"RESEND_API_KEY": "re_key", "RESEND_API_URL": url, "REQUESTS_TIMEOUT": 1}
        with override_settings(ANYMAIL=anymail, **mail_settings("anymail.backends.resend.EmailBackend")):
            yield provider


@contextmanager
def brevo():
    provider = Provider()

    def answer(headers, body):
        key = json.loads(body)["headers"]["idempotencyKey"]
        is_known = key in provider.accepted
        status, more, delay = provider.handle(key, body)
        if is_known:  # whatever it says: the same key again is an error for half an hour
            return 400, more, delay, {"code": "duplicate_parameter", "message": "no"}
        return status, more, delay, {"messageId": "<1@brevo>"} if status == 200 else {"code": "no"}

    with on_loopback(answer) as url:
        anymail = {"BREVO_API_KEY": "key", "BREVO_API_URL": url, "REQUESTS_TIMEOUT": 1}
        with override_settings(ANYMAIL=anymail, **mail_settings("anymail.backends.brevo.EmailBackend")):
            yield provider


@pytest.fixture
def provider():
    with resend() as found:
        yield found


def test_a_provider_that_says_429_is_not_called_again_before_its_time(provider, now):
    queue_wave(4, now=now)
    provider.answers = [(200, {}, 0), (429, {"Retry-After": "30"}, 0)]
    drain(seconds=10)
    assert len(provider.calls) == 2
    assert (held_up().until - timezone.now()).total_seconds() == pytest.approx(30, abs=10)

    over()
    drain(seconds=10)
    assert len(provider.accepted) == 4
    assert states() == [(MailState.SENT, 1)] * 4


def test_a_pause_that_is_over_soon_is_waited_for(provider, now):
    queue_wave(2, now=now)
    provider.answers = [(429, {"Retry-After": "2"}, 0)]
    start = time.monotonic()
    drain(seconds=20)

    assert time.monotonic() - start >= 1.9
    assert states() == [(MailState.SENT, 1)] * 2


def test_a_longer_pause_than_an_hour_is_not_believed(provider, now):
    queue_wave(1, now=now)
    provider.answers = [(429, {"Retry-After": "999999999999"}, 0)]
    drain(seconds=1)

    assert held_up().until - timezone.now() <= dt.timedelta(hours=1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_the_provider_does_not_know_charges_nobody(provider, now, status):
    queue_wave(2, now=now)
    provider.answers = [(status, {}, 0)]
    drain(seconds=1)

    assert (states(), len(provider.calls)) == ([(MailState.QUEUED, 0)] * 2, 1)


@pytest.mark.parametrize("service", [resend, brevo])
def test_a_reply_that_never_comes_is_asked_for_again_under_the_same_key(service, now):
    """Its links are new and so are its words: providers answer that they know the key from another call, which they took."""
    with service() as provider:
        queue_wave(1, now=now)
        provider.answers = [(200, {}, 2)]
        drain(seconds=1)
        assert states() == [(MailState.QUEUED, 1)]
        over()
        drain(seconds=5)

    [key] = provider.accepted
    assert provider.calls == [key, key]  # one mail: a key that it knows sends nothing
    assert states() == [(MailState.SENT, 2)]


def refused_by_provider(status, told):
    """As Anymail raises it, with what the provider told."""
    message, response = EmailMultiAlternatives(), Response()
    message.anymail_status = AnymailStatus()
    message.anymail_status.set_recipient_status({"ana@example.com": AnymailRecipientStatus("1", status)})
    response._content = json.dumps(told).encode()
    return AnymailRecipientsRefused(email_message=message, response=response)


@pytest.mark.parametrize(
    ("status", "told", "outcome"),
    [
        ("invalid", {}, Outcome.NO_MAILBOX),
        ("rejected", [{"reject_reason": "hard-bounce"}], Outcome.NO_MAILBOX),
        ("rejected", {"ErrorCode": 406, "Message": "marked as inactive"}, Outcome.NO_MAILBOX),
        ("rejected", [{"reject_reason": "unsigned"}], Outcome.REFUSED),
        ("rejected", [{"reject_reason": "test-mode-limit"}], Outcome.REFUSED),
    ],
)
def test_a_provider_gives_an_address_up_and_not_only_a_mail(status, told, outcome):
    assert classify(refused_by_provider(status, told)).outcome is outcome


def test_a_provider_that_is_not_there_charges_nobody(now):
    anymail = {"RESEND_API_KEY": "re_key", "RESEND_API_URL": f"http://127.0.0.1:{free_port()}/", "REQUESTS_TIMEOUT": 1}
    with override_settings(ANYMAIL=anymail, **mail_settings("anymail.backends.resend.EmailBackend")):
        queue_wave(2, now=now)
        drain(seconds=1)

    assert states() == [(MailState.QUEUED, 0)] * 2
