"""What a mail server's answer means: for the one mail, for its address, or for all mail; and whether anybody knows that it went out."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from backorders.domain.headers import one_line
from backorders.domain.outbox import Outcome
from backorders.services.wire import NothingSent


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message. ``provider_id``: the provider's own name for it, where it has one.

    ``asked_for``: how long the server wants to be left alone, where it says so.
    """

    outcome: Outcome
    note: str = ""
    provider_id: str = ""
    asked_for: timedelta | None = None


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
    if isinstance(trouble, NothingSent):
        return Answer(Outcome.FAILED, note)
    if isinstance(trouble, (smtplib.SMTPServerDisconnected, TimeoutError)):
        return Answer(Outcome.UNKNOWN, note)
    if isinstance(trouble, (smtplib.SMTPException, OSError)):
        return Answer(Outcome.FAILED, note)
    if isinstance(trouble, ValueError):  # a header or an address that cannot be written, now or later
        return Answer(Outcome.REFUSED, note)
    return Answer(Outcome.FAILED, note)  # a provider's own kind of error: nobody's mail is given up for it


def classify_opening(trouble: Exception) -> Answer:
    """This will say why there is no connection: nothing went out."""
    is_denied = isinstance(trouble, smtplib.SMTPAuthenticationError) and trouble.smtp_code >= 500
    if is_denied or isinstance(trouble, ImproperlyConfigured):
        return Answer(Outcome.DENIED, note_of(trouble))
    return Answer(Outcome.UNREACHABLE, note_of(trouble))


def note_of(trouble: Exception) -> str:
    """One line for the outbox."""
    return one_line(f"{type(trouble).__name__}: {trouble}", longest=300)


_WANTS_LESS = {421, 432}
_DENIED = {530, 535}

_NOBODY_THERE = {"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"}
"""What stands behind the 5 of an enhanced status when the address is no good (RFC 3463, RFC 7505): no such mailbox, no such domain,
no address at all, moved away, a domain without mail, a mailbox that is closed. 1.7 and 1.8 are about the sender's address."""

_ABOUT_US = ("1.7", "1.8", "7.")
"""Our address, or what the server thinks of us: no relay, no signature, a block list. It is the same for every other mail."""

_NOBODY_IN_WORDS = re.compile(
    r"(user|recipient|mailbox|account|address)( is|:)? (unknown|not found|does(n.t| not) exist|disabled|closed)"
    r"|unknown (user|recipient|mailbox|account|address|local part)"
    r"|(no such|invalid|not a valid|nonexistent|non-existent) (user|recipient|mailbox|account|person|local part)"
    r"|no mailbox|does not have an account|user doesn.t have",
    re.IGNORECASE,
)
"""Servers that give no enhanced status say it in words. Whoever says something else may mean us."""

_STATUS = re.compile(r"\s*5\.(\d+\.\d+)")


def _refused_recipient(code: int, told: bytes | str) -> Outcome:
    """An address is never mailed again only where the server says that nobody lives there, and not for what it has against us."""
    if code in _WANTS_LESS:
        return Outcome.THROTTLED
    if code < 500:
        return Outcome.TRY_LATER
    text = _text_of(told)
    if (status := _STATUS.match(text)) is not None:
        if status[1] in _NOBODY_THERE:
            return Outcome.NO_MAILBOX
        return Outcome.FAILED if status[1].startswith(_ABOUT_US) else Outcome.REFUSED
    return Outcome.NO_MAILBOX if _NOBODY_IN_WORDS.search(text) else Outcome.FAILED


def _refused_mail(trouble: smtplib.SMTPResponseException) -> Outcome:
    if trouble.smtp_code in _WANTS_LESS:
        return Outcome.THROTTLED
    if trouble.smtp_code in _DENIED:
        return Outcome.DENIED
    if isinstance(trouble, smtplib.SMTPSenderRefused):
        return Outcome.FAILED  # our own address is wrong: no recipient's fault
    if trouble.smtp_code < 500:
        return Outcome.TRY_LATER
    status = _STATUS.match(_text_of(trouble.smtp_error))
    return Outcome.FAILED if status is not None and status[1].startswith(_ABOUT_US) else Outcome.REFUSED


def _text_of(told: bytes | str) -> str:
    return told.decode("ascii", "replace") if isinstance(told, bytes) else told


# providers, through Anymail

_NEVER = {"AnymailInvalidAddress", "AnymailUnsupportedFeature", "AnymailSerializationError"}

_TAKEN_BEFORE = {"invalid_idempotent_request", "duplicate_parameter"}
"""Resend and Brevo know the key from a call that they took: its reply never came, and the words have changed a little since."""

_BEING_TAKEN = "concurrent_idempotent_requests"


def _said_by_provider(trouble: Exception, note: str) -> Answer:
    name, status = type(trouble).__name__, getattr(trouble, "status_code", None)
    if name == "AnymailRecipientsRefused":
        return Answer(_recipient_refused_by_provider(trouble), note)
    if name in _NEVER:
        return Answer(Outcome.REFUSED, note)
    if name == "AnymailConfigurationError" or status in (401, 403):
        return Answer(Outcome.DENIED, note)
    if status == 429:
        return Answer(Outcome.THROTTLED, note, asked_for=_retry_after(trouble))
    if status is None:
        return Answer(_lost_connection(trouble.__cause__), note)
    codes = set(_codes_in(trouble))
    if codes & _TAKEN_BEFORE:
        return Answer(Outcome.ACCEPTED)
    if _BEING_TAKEN in codes:
        return Answer(Outcome.TRY_LATER, note)
    return Answer(Outcome.REFUSED if status in (400, 404, 406, 413, 422) else Outcome.FAILED, note)


def _codes_in(trouble: Any) -> Iterator[str]:
    """The provider's own names for what is wrong."""
    try:
        told = trouble.response.json()
    except (AttributeError, ValueError):
        return
    if isinstance(told, dict):
        yield from (value for value in (told.get("name"), told.get("code")) if isinstance(value, str))


_GIVEN_UP = re.compile(r"hard.?bounce|inactive|unsub|complain|\bspam\b", re.IGNORECASE)
"""Why a provider does not write to an address any more. It may have other reasons: a test account, a sender it does not know."""


def _recipient_refused_by_provider(trouble: Any) -> Outcome:
    recipients = getattr(getattr(trouble.email_message, "anymail_status", None), "recipients", None) or {}
    if {recipient.status for recipient in recipients.values()} == {"invalid"}:
        return Outcome.NO_MAILBOX
    told = str(getattr(trouble.response, "text", ""))
    return Outcome.NO_MAILBOX if _GIVEN_UP.search(told) else Outcome.REFUSED


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
