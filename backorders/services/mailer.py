"""The one place that talks to Django's mail: plain SMTP or Anymail, EMAIL_* settings (5.2) or MAILERS (6.1)."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends import smtp

from backorders.conf import conf
from backorders.domain.outbox import Outcome
from backorders.services.answers import Answer, classify, classify_opening, note_of
from backorders.services.wire import Printed, as_printed, tell

log = logging.getLogger(__name__)

Message = EmailMultiAlternatives | Printed

_MOST_MAILS = 100
_LONGEST = 60.0
"""Seconds. Many mail servers end a connection that brings more, or lasts longer, and some of them are rude about it."""

_NARROW = 60.0
"""Seconds without asking for another connection, after the server took no more."""


@dataclass(slots=True)
class Channel:
    """One connection, and what it has carried."""

    connection: Any
    mails: int = 0
    opened_at: float = field(default_factory=time.monotonic)

    def is_worn(self) -> bool:
        return self.mails >= _MOST_MAILS or time.monotonic() - self.opened_at > _LONGEST


class Mailer:
    """Connections to the mail server, opened anew after any trouble and after a hundred mails. Use it as a context manager."""

    def __init__(self) -> None:
        self._channels: list[Channel] = []
        self._narrow_until = 0.0

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(*self._channels)

    def open(self, channels: int = 1) -> Answer | None:
        """This will see to a connection, and to more of them where the server allows that; the answer when there is none to be had."""
        self._close(*(channel for channel in self._channels if channel.is_worn()))
        try:
            if not self._channels:
                self._channels.append(Channel(open_connection()))
        except Exception as trouble:
            return classify_opening(trouble)
        if len(self._channels) < channels and self.takes_bytes():
            self._widen(channels)
        return None

    def takes_bytes(self) -> bool:
        """Does it take a message as it goes over the wire? Only plain SMTP: providers and other backends write their own."""
        return bool(self._channels) and type(self._channels[0].connection) is smtp.EmailBackend

    def at_once(self) -> int:
        """How many messages it can be handed at once, so that they leave side by side."""
        return conf.mail_connections if self.takes_bytes() else 1

    def send(self, messages: Sequence[Message]) -> list[Answer]:
        """This will hand messages to the mail server and say what it answered to each; it never raises for the server's trouble."""
        answers: list[Answer] = []
        while len(answers) < len(messages):
            rest = messages[len(answers) :]
            if (closed := self.open(min(len(rest), conf.mail_connections))) is not None:
                return answers + [closed] * len(rest)
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
        talks = list(zip(self._channels, ready, strict=False))
        results = tell(
            [(channel.connection.connection, printed) for channel, printed in talks],
            within=conf.lease.total_seconds() / 2,
        )
        return [self._answer(channel, trouble) for (channel, _), trouble in zip(talks, results, strict=True)]

    def _widen(self, channels: int) -> None:
        """So many connections, or as many as the server allows; one that has just said no is not asked again and again."""
        while len(self._channels) < channels and time.monotonic() >= self._narrow_until:
            try:
                self._channels.append(Channel(open_connection()))
            except Exception as trouble:
                log.info("The mail server takes %d connections and no more: %s", len(self._channels), note_of(trouble))
                self._narrow_until = time.monotonic() + _NARROW

    def _by_django(self, message: Message) -> Answer:
        assert not isinstance(message, Printed)  # noqa: S101 - only written for SMTP
        [channel, *_] = self._channels
        try:
            _make_repeatable(channel.connection, message)
            channel.connection.send_messages([message])
        except Exception as trouble:
            return self._answer(channel, trouble)
        provider_id = getattr(getattr(message, "anymail_status", None), "message_id", None)
        return self._answer(channel, None, provider_id="" if provider_id is None else str(provider_id)[:200])

    def _answer(self, channel: Channel, trouble: Exception | None, *, provider_id: str = "") -> Answer:
        channel.mails += 1
        if trouble is None:
            return Answer(Outcome.ACCEPTED, provider_id=provider_id)
        self._close(channel)
        return classify(trouble)

    def _close(self, *channels: Channel) -> None:
        self._channels = [channel for channel in self._channels if channel not in channels]
        for channel in channels:
            with contextlib.suppress(Exception):  # it is being thrown away
                channel.connection.close()


def open_connection() -> Any:
    """This will open the shop's mail connection. Django's own default time-out is "never"; ours is ``MAIL_TIMEOUT``."""
    connection: Any = mail.mailers[conf.mailer] if hasattr(mail, "mailers") else mail.get_connection()
    if getattr(connection, "timeout", 0) is None:
        connection.timeout = conf.mail_timeout.total_seconds()
    connection.open()
    if type(connection) is smtp.EmailBackend and connection.connection is not None:
        connection.connection.ehlo_or_helo_if_needed()  # part of connecting: no mail has to wait for it
    return connection


def _make_repeatable(connection: Any, message: EmailMultiAlternatives) -> None:
    """The same mail again, after a crash, is no second mail where the provider takes a key for that."""
    provider, key = getattr(connection, "esp_name", ""), message.extra_headers.get("Message-ID", "").strip("<>")
    if provider == "Resend":  # a header of the call, not of the mail: Anymail has no way to say that
        connection.session.headers["Idempotency-Key"] = key
    elif provider == "Brevo":
        message.extra_headers["idempotencyKey"] = str(uuid5(NAMESPACE_URL, key))


def probe_message(address: str) -> EmailMultiAlternatives:
    """The test mail of ``backorders_doctor``."""
    return EmailMultiAlternatives(
        subject="backorders can send mail",
        body=f"This is the test mail of manage.py backorders_doctor.\nLinks in mails will start with {conf.site_url}.\n",
        from_email=conf.from_email or None,
        to=[address],
    )
