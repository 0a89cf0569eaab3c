"""The one place that talks to Django's mail: plain SMTP or Anymail, EMAIL_* settings (5.2) or MAILERS (6.1)."""

from __future__ import annotations

import contextlib
import smtplib
from dataclasses import dataclass
from typing import Any

from django.core import mail
from django.core.mail import EmailMultiAlternatives

from backorders.conf import conf
from backorders.domain.headers import one_line
from backorders.domain.outbox import Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message. ``provider_id``: the provider's own name for it, where it has one."""

    outcome: Outcome
    note: str = ""
    provider_id: str = ""


class Mailer:
    """One connection to the mail server, reopened after any trouble. Use it as a context manager."""

    def __init__(self) -> None:
        self._connection: Any = None

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def send(self, message: EmailMultiAlternatives) -> Answer:
        """This will hand one message to the mail server and say what it answered; it never raises for the server's trouble."""
        try:
            if self._connection is None:
                self._connection = open_connection()
        except Exception as trouble:
            return Answer(Outcome.UNREACHABLE, note_of(trouble))
        try:
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


def classify(trouble: Exception) -> Answer:
    """This will say what an error means for the mail: try later, give up, or nobody knows whether it went out."""
    note = note_of(trouble)
    if isinstance(trouble, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in trouble.recipients.values()]
        return Answer(Outcome.REFUSED if codes and min(codes) >= 500 else Outcome.TRY_LATER, note)
    if isinstance(trouble, smtplib.SMTPSenderRefused):
        return Answer(Outcome.TRY_LATER, note)  # our own address is wrong: no recipient's fault
    if isinstance(trouble, smtplib.SMTPDataError):
        return Answer(Outcome.REFUSED if trouble.smtp_code >= 500 else Outcome.TRY_LATER, note)
    if type(trouble).__module__.startswith("anymail."):
        return Answer(_anymail_outcome(trouble), note)
    if isinstance(trouble, (smtplib.SMTPServerDisconnected, TimeoutError)):
        return Answer(Outcome.UNKNOWN, note)
    if isinstance(trouble, (smtplib.SMTPException, OSError)):
        return Answer(Outcome.TRY_LATER, note)
    if isinstance(trouble, ValueError):  # a header or an address that cannot be written, now or later
        return Answer(Outcome.REFUSED, note)
    return Answer(Outcome.TRY_LATER, note)  # a provider's own kind of error: nobody's mail is given up for it


def note_of(trouble: Exception) -> str:
    """One line for the outbox."""
    return one_line(f"{type(trouble).__name__}: {trouble}", longest=300)


def _anymail_outcome(trouble: Exception) -> Outcome:
    name, status = type(trouble).__name__, getattr(trouble, "status_code", None)
    if name in {
        "AnymailRecipientsRefused",
        "AnymailInvalidAddress",
        "AnymailUnsupportedFeature",
        "AnymailSerializationError",
    }:
        return Outcome.REFUSED
    if status is None:
        return Outcome.UNKNOWN if "Timeout" in type(trouble.__cause__).__name__ else Outcome.TRY_LATER
    return Outcome.REFUSED if status in (400, 404, 406, 413, 422) else Outcome.TRY_LATER


def probe_message(address: str) -> EmailMultiAlternatives:
    """The test mail of ``backorders_doctor``."""
    return EmailMultiAlternatives(
        subject="backorders can send mail",
        body=f"This is the test mail of manage.py backorders_doctor.\nLinks in mails will start with {conf.site_url}.\n",
        from_email=conf.from_email or None,
        to=[address],
    )
