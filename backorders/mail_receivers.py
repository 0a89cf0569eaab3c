"""Anymail tells us what became of a mail at the provider. Without Anymail there is nobody to listen to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from backorders.domain.addresses import masked_within, parse_address
from backorders.domain.feedback import Feedback, Told, mark_from, mark_in_message_id, str_of, told_by
from backorders.domain.headers import one_line
from backorders.errors import InvalidAddress
from backorders.services.feedback import take_all

METADATA = "backorders_mail"
"""Our name for a mail, where the provider hands it back with every event: then none is too early to be understood."""

HANDS_METADATA_BACK = {
    "Amazon SES",
    "Brevo",
    "Mailgun",
    "Mailjet",
    "Mailtrap",
    "Mandrill",
    "Postmark",
    "Resend",
    "SendGrid",
    "SparkPost",
    "Unisender Go",
}
"""Others refuse a mail with metadata (MailerSend, Postal) or do not say; there the provider's id has to do."""

SOFT: dict[str, tuple[tuple[str, ...], frozenset[object]]] = {
    "Amazon SES": (("bounce", "bounceType"), frozenset({"Transient", "Undetermined"})),
    "Brevo": (("event",), frozenset({"soft_bounce"})),
    "MailerSend": (("data", "type"), frozenset({"soft_bounced"})),
    "Mailjet": (("hard_bounce",), frozenset({False, "0", "false"})),
    "Mandrill": (("event",), frozenset({"soft_bounce"})),
    "Postmark": (("Type",), frozenset({"SoftBounce"})),
    "Resend": (("data", "bounce", "type"), frozenset({"Transient", "Undetermined"})),
    "SparkPost": (
        ("msys", "message_event", "bounce_class"),
        frozenset({"1", "20", "21", "22", "23", "24", "40", "70"}),
    ),
}
"""Where a provider says that a bounce will pass. Anymail calls these "bounced" as well."""


_gathered: ContextVar[list[Feedback] | None] = ContextVar("backorders_gathered", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """This will hear all that is told within as one, at its end: Anymail tells event by event of what came in one request.

    At the end whatever happened within. Nothing is lost with the process, for the provider has no answer until then.
    """
    heard: list[Feedback] = []
    before = _gathered.set(heard)
    try:
        yield
    finally:
        _gathered.reset(before)
        take_all(feedback=heard)


def on_tracking(*, event: Any, esp_name: str = "", **_: Any) -> None:
    """A receiver that raises makes the provider send it all again: right for a database in trouble, wrong for odd data."""
    feedback = feedback_in(event, esp_name)
    if feedback is None:
        return
    heard = _gathered.get()
    if heard is None:
        take_all(feedback=[feedback])
    else:
        heard.append(feedback)


def on_pre_send(*, message: Any, esp_name: str = "", **_: Any) -> None:
    """Only our own mails are marked; whatever the shop put there stays."""
    mark = mark_in_message_id(getattr(message, "extra_headers", {}).get("Message-ID"))
    if mark is not None and esp_name in HANDS_METADATA_BACK:
        message.metadata = {**(getattr(message, "metadata", None) or {}), METADATA: str_of(mark)}


def feedback_in(event: Any, esp_name: str) -> Feedback | None:
    """This will read one Anymail event; ``None`` for what does not concern us, or cannot be about a mail of ours."""
    told = told_by(event.event_type, event.reject_reason, is_soft=_is_soft(event.esp_event, esp_name))
    metadata = event.metadata if isinstance(event.metadata, Mapping) else {}
    provider_id = _plain(event.message_id)[:200]
    mark = mark_from(metadata.get(METADATA)) or mark_in_message_id(provider_id)
    if told is None or not (mark or provider_id):
        return None
    try:
        key = parse_address(event.recipient, allow_local_domains=True).key if event.recipient else ""
    except InvalidAddress:
        return None  # nobody we ever wrote to
    return Feedback(
        told=told,
        mark=mark,
        provider_id=provider_id,
        email_key=key,
        note=_note(told, event),
        happened_at=_moment(event.timestamp),
    )


def _is_soft(raw: Any, esp_name: str) -> bool:
    path, soft = SOFT.get(esp_name, ((), frozenset()))
    for step in path:
        raw = raw.get(step) if isinstance(raw, Mapping) else None
    return bool(path) and isinstance(raw, (str, int)) and raw in soft


def _plain(value: Any) -> str:
    """Providers send text or numbers; PostgreSQL takes no NUL, and no database half a character (JSON's ``\\ud800``)."""
    return str(value).replace("\x00", "").encode(errors="ignore").decode() if isinstance(value, (str, int)) else ""


def _note(told: Told, event: Any) -> str:
    answer = _plain(event.mta_response) or _plain(event.description)
    return one_line(masked_within(f"{told}: {answer[:1000]}".rstrip(": ")), longest=300)


def _moment(timestamp: Any) -> datetime | None:
    if not isinstance(timestamp, datetime):
        return None
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)


if find_spec("anymail"):
    from anymail.signals import pre_send, tracking

    tracking.connect(on_tracking, dispatch_uid="backorders.tracking")
    pre_send.connect(on_pre_send, dispatch_uid="backorders.pre_send")
