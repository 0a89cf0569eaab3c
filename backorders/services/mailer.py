"""The one place that talks to Django's mail: plain SMTP or Anymail, EMAIL_* settings (5.2) or MAILERS (6.1)."""

from __future__ import annotations

import contextlib
import re
import smtplib
import time
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends import smtp
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.headers import one_line
from backorders.domain.outbox import Outcome
from backorders.services.press import Printed


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message. ``provider_id``: the provider's own name for it, where it has one.

    ``asked_for``: how long the server wants to be left alone, where it says so.
    """

    outcome: Outcome
    note: str = ""
    provider_id: str = ""
    asked_for: timedelta | None = None


_MOST_MAILS = 100
_LONGEST = 60.0
"""Seconds. Many mail servers end a connection that brings more, or lasts longer, and some of them are rude about it."""


class Mailer:
    """One connection to the mail server, opened anew after any trouble and after a hundred mails. Use it as a context manager."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._mails, self._opened_at = 0, 0.0

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def open(self) -> Answer | None:
        """This will see to a connection; the answer when there is none to be had."""
        if self._mails >= _MOST_MAILS or time.monotonic() - self._opened_at > _LONGEST:
            self._close()
        try:
            if self._connection is None:
                self._connection = open_connection()
                self._mails, self._opened_at = 0, time.monotonic()
        except Exception as trouble:
            return Answer(_outcome_of_opening(trouble), note_of(trouble))
        return None

    def takes_bytes(self) -> bool:
        """Does this connection take a message as it goes over the wire? Only plain SMTP: providers and other backends write their own."""
        return type(self._connection) is smtp.EmailBackend

    def send(self, message: EmailMultiAlternatives | Printed) -> Answer:
        """This will hand one message to the mail server and say what it answered; it never raises for the server's trouble."""
        if (closed := self.open()) is not None:
            return closed
        self._mails += 1
        try:
            if isinstance(message, Printed):
                self._connection.connection.sendmail(message.sender, [message.recipient], message.data)
                return Answer(Outcome.ACCEPTED)
            _make_repeatable(self._connection, message)
            self._connection.send_messages([message])
        except Exception as trouble:
            self._close()
            return classify(trouble)
        provider_id = getattr(getattr(message, "anymail_status", None), "message_id", None)
        return Answer(Outcome.ACCEPTED, provider_id="" if provider_id is None else str(provider_id)[:200])

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is being thrown away
                connection.close()


def open_connection() -> Any:
    """This will open the shop's mail connection. Django's own default time-out is "never"; ours is ``MAIL_TIMEOUT``."""
    connection: Any = mail.mailers[conf.mailer] if hasattr(mail, "mailers") else mail.get_connection()
    if getattr(connection, "timeout", 0) is None:
        connection.timeout = conf.mail_timeout.total_seconds()
    connection.open()
    return connection


def _outcome_of_opening(trouble: Exception) -> Outcome:
    if isinstance(trouble, smtplib.SMTPAuthenticationError) and trouble.smtp_code >= 500:
        return Outcome.DENIED
    if isinstance(trouble, ImproperlyConfigured):
        return Outcome.DENIED
    return Outcome.UNREACHABLE


def _make_repeatable(connection: Any, message: EmailMultiAlternatives) -> None:
    """The same mail again, after a crash, is no second mail where the provider takes a key for that."""
    provider, key = getattr(connection, "esp_name", ""), message.extra_headers.get("Message-ID", "").strip("<>")
    if provider == "Resend":  # a header of the call, not of the mail: Anymail has no way to say that
        connection.session.headers["Idempotency-Key"] = key
    elif provider == "Brevo":
        message.extra_headers["idempotencyKey"] = str(uuid5(NAMESPACE_URL, key))


def classify(trouble: Exception) -> Answer:
    """This will say what an error means: for this mail, or for all of them, and whether anybody knows that it went out."""
    note = note_of(trouble)
    if isinstance(trouble, smtplib.SMTPRecipientsRefused):
        [(code, told), *_] = [*trouble.recipients.values(), (0, b"")]
        return Answer(_refused_recipient(code, told), note)
    if isinstance(trouble, (smtplib.SMTPSenderRefused, smtplib.SMTPDataError)):
        return Answer(_refused_mail(trouble), note)
    if type(trouble).__module__.startswith("anymail."):
        return _said_by_provider(trouble, note)
    if isinstance(trouble, smtplib.SMTPAuthenticationError):
        return Answer(Outcome.DENIED, note)
    if isinstance(trouble, (smtplib.SMTPServerDisconnected, TimeoutError)):
        return Answer(Outcome.UNKNOWN, note)
    if isinstance(trouble, (smtplib.SMTPException, OSError)):
        return Answer(Outcome.FAILED, note)
    if isinstance(trouble, ValueError):  # a header or an address that cannot be written, now or later
        return Answer(Outcome.REFUSED, note)
    return Answer(Outcome.FAILED, note)  # a provider's own kind of error: nobody's mail is given up for it


_NOBODY_THERE = {550, 551, 553}
_WANTS_LESS = {421, 432}


def _refused_recipient(code: int, told: bytes | str) -> Outcome:
    """RFC 3463: X.1 is about the address, X.2 about the mailbox (X.2.2 is full), X.7 about what the server thinks of us."""
    if code < 500:
        return Outcome.TRY_LATER
    text = told.decode("ascii", "replace") if isinstance(told, bytes) else told
    status = re.match(r"\s*5\.(\d+)\.(\d+)", text)
    if status is None:
        return Outcome.NO_MAILBOX if code in _NOBODY_THERE else Outcome.REFUSED
    is_gone = status[1] == "1" or (status[1], status[2]) == ("2", "1")
    return Outcome.NO_MAILBOX if is_gone else Outcome.REFUSED


def _refused_mail(trouble: smtplib.SMTPResponseException) -> Outcome:
    if trouble.smtp_code in _WANTS_LESS:
        return Outcome.THROTTLED
    if trouble.smtp_code == 530 or trouble.smtp_code == 535:
        return Outcome.DENIED
    if isinstance(trouble, smtplib.SMTPSenderRefused):
        return Outcome.FAILED  # our own address is wrong: no recipient's fault
    return Outcome.REFUSED if trouble.smtp_code >= 500 else Outcome.TRY_LATER


def note_of(trouble: Exception) -> str:
    """One line for the outbox."""
    return one_line(f"{type(trouble).__name__}: {trouble}", longest=300)


_NEVER = {"AnymailInvalidAddress", "AnymailUnsupportedFeature", "AnymailSerializationError"}


def _said_by_provider(trouble: Exception, note: str) -> Answer:
    name, status = type(trouble).__name__, getattr(trouble, "status_code", None)
    if name == "AnymailRecipientsRefused":
        return Answer(Outcome.NO_MAILBOX, note)
    if name in _NEVER:
        return Answer(Outcome.REFUSED, note)
    if name == "AnymailConfigurationError" or status in (401, 403):
        return Answer(Outcome.DENIED, note)
    if status == 429:
        return Answer(Outcome.THROTTLED, note, asked_for=_retry_after(trouble))
    if status is None:
        return Answer(_lost_connection(trouble.__cause__), note)
    return Answer(Outcome.REFUSED if status in (400, 404, 406, 413, 422) else Outcome.FAILED, note)


def _lost_connection(cause: BaseException | None) -> Outcome:
    """No connection, no mail; a reply that never came may have had one."""
    name = type(cause).__name__
    if name in ("ConnectTimeout", "SSLError", "ProxyError") or (
        name == "ConnectionError" and "establish" in str(cause)
    ):
        return Outcome.UNREACHABLE
    return (
        Outcome.UNKNOWN
        if name in ("ReadTimeout", "Timeout", "ConnectionError", "ChunkedEncodingError")
        else Outcome.FAILED
    )


def _retry_after(trouble: Exception) -> timedelta | None:
    """RFC 9110: seconds, or a date."""
    told = getattr(getattr(trouble, "response", None), "headers", {}).get("retry-after", "")
    if str(told).strip().isdecimal():
        return timedelta(seconds=min(int(told), 86400))
    try:
        return parsedate_to_datetime(str(told)) - timezone.now()
    except (TypeError, ValueError):
        return None


def probe_message(address: str) -> EmailMultiAlternatives:
    """The test mail of ``backorders_doctor``."""
    return EmailMultiAlternatives(
        subject="backorders can send mail",
        body=f"This is the test mail of manage.py backorders_doctor.\nLinks in mails will start with {conf.site_url}.\n",
        from_email=conf.from_email or None,
        to=[address],
    )
