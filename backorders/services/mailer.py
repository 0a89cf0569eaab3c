"""The one place that talks to Django's mail: plain SMTP or Anymail, EMAIL_* settings (5.2) or MAILERS (6.1)."""

from __future__ import annotations

import contextlib
import logging
import re
import smtplib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
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
from backorders.services.wire import Printed, as_printed, tell

log = logging.getLogger(__name__)

Message = EmailMultiAlternatives | Printed


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


@dataclass(slots=True)
class Lane:
    """One connection, and what it has carried."""

    connection: Any
    mails: int = 0
    opened_at: float = field(default_factory=time.monotonic)

    def is_worn(self) -> bool:
        return self.mails >= _MOST_MAILS or time.monotonic() - self.opened_at > _LONGEST


class Mailer:
    """Connections to the mail server, opened anew after any trouble and after a hundred mails. Use it as a context manager."""

    def __init__(self) -> None:
        self._lanes: list[Lane] = []

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(*self._lanes)

    def open(self) -> Answer | None:
        """This will see to a connection; the answer when there is none to be had."""
        self._close(*(lane for lane in self._lanes if lane.is_worn()))
        try:
            if not self._lanes:
                self._lanes.append(Lane(open_connection()))
        except Exception as trouble:
            return Answer(_outcome_of_opening(trouble), note_of(trouble))
        return None

    def takes_bytes(self) -> bool:
        """Does it take a message as it goes over the wire? Only plain SMTP: providers and other backends write their own."""
        return bool(self._lanes) and type(self._lanes[0].connection) is smtp.EmailBackend

    def at_once(self) -> int:
        """How many messages it can be handed at once, so that they leave side by side."""
        return conf.mail_connections if self.takes_bytes() else 1

    def send(self, messages: Sequence[Message]) -> list[Answer]:
        """This will hand messages to the mail server and say what it answered to each; it never raises for the server's trouble."""
        answers: list[Answer] = []
        while len(answers) < len(messages):
            if (closed := self.open()) is not None:
                return answers + [closed] * (len(messages) - len(answers))
            rest = messages[len(answers) :]
            answers += self._in_bytes(rest) if self.takes_bytes() else [self._by_django(rest[0])]
        return answers

    def _in_bytes(self, messages: Sequence[Message]) -> list[Answer]:
        """As many of the first ones as there are connections; one alone where Django has to write it."""
        ready: list[Printed] = []
        for message in messages[: conf.mail_connections]:
            try:
                printed = message if isinstance(message, Printed) else as_printed(message)
            except Exception as trouble:
                if not ready:
                    return [classify(trouble)]
                break
            if printed is None:
                if not ready:
                    return [self._by_django(message)]
                break
            ready.append(printed)
        talks = list(zip(self._widened(len(ready)), ready, strict=False))
        results = tell([(lane.connection.connection, printed) for lane, printed in talks])
        return [self._answer(lane, trouble) for (lane, _), trouble in zip(talks, results, strict=True)]

    def _widened(self, lanes: int) -> list[Lane]:
        """So many connections, or as many as the server allows."""
        while len(self._lanes) < lanes:
            try:
                self._lanes.append(Lane(open_connection()))
            except Exception as trouble:
                log.info("The mail server takes %d connections and no more: %s", len(self._lanes), note_of(trouble))
                break
        return self._lanes[:lanes]

    def _by_django(self, message: Message) -> Answer:
        assert not isinstance(message, Printed)  # noqa: S101 - only written for SMTP
        [lane, *_] = self._lanes
        try:
            _make_repeatable(lane.connection, message)
            lane.connection.send_messages([message])
        except Exception as trouble:
            return self._answer(lane, trouble)
        provider_id = getattr(getattr(message, "anymail_status", None), "message_id", None)
        return self._answer(lane, None, provider_id="" if provider_id is None else str(provider_id)[:200])

    def _answer(self, lane: Lane, trouble: Exception | None, *, provider_id: str = "") -> Answer:
        lane.mails += 1
        if trouble is None:
            return Answer(Outcome.ACCEPTED, provider_id=provider_id)
        self._close(lane)
        return classify(trouble)

    def _close(self, *lanes: Lane) -> None:
        self._lanes = [lane for lane in self._lanes if lane not in lanes]
        for lane in lanes:
            with contextlib.suppress(Exception):  # it is being thrown away
                lane.connection.close()


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
