"""A mail as it goes over SMTP, and the conversation in which a mail server takes it.

As ``smtplib`` has it, and with its errors, but the envelope goes out in one breath where the server allows that (RFC 2920):
two round trips a mail, not four.
"""

from __future__ import annotations

import email.policy
import math
import re
import smtplib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache
from typing import Any
from uuid import uuid4

import django
from django.core.mail import EmailMultiAlternatives

PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9.-]{1,64}")
"""What stands in a header and in an envelope as it is: no encoding, and no line that has to be folded."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A whole message, ready for the wire. ``sender`` and ``recipient`` are plain addresses; ``data`` is ``stuffed``."""

    sender: str
    recipient: str
    data: bytes


class _Shortly:
    """A policy of the e-mail package, of which most of the work is headers that fit on their line: there they stand as they are."""

    linesep: str

    def fold_binary(self, name: str, value: Any) -> bytes:
        line = f"{name}: {value}"
        if _is_plain(value) and len(line) <= _UNFOLDED:
            return f"{line}{self.linesep}".encode()
        return bytes(super().fold_binary(name, value))  # type: ignore[misc]


def _is_plain(value: Any) -> bool:
    """Where a policy takes addresses and dates apart, it puts them together again in words of its own."""
    is_taken_apart = hasattr(value, "addresses") or hasattr(value, "datetime")
    return isinstance(value, str) and not is_taken_apart and _PLAIN_VALUE.fullmatch(value) is not None


_UNFOLDED = 76
_PLAIN_VALUE = re.compile(r"[!->@-~]+(?: [!->@-~]+)*")
"""ASCII, without question marks: it may not look like something encoded."""


class _Compat(_Shortly, email.policy.Compat32):
    """Django's up to 5.2."""


class _Modern(_Shortly, email.policy.EmailPolicy):
    """Django's from 6.0 on."""


_COMPAT, _MODERN = _Compat(linesep="\r\n"), _Modern(linesep="\r\n")


def serialised(message: EmailMultiAlternatives) -> bytes:
    """As Django's SMTP backend hands it to ``smtplib``, byte for byte but for the boundaries, and in half the time."""
    is_modern = django.VERSION >= (6, 0)
    whole: Any = message.message(policy=_MODERN) if is_modern else message.message()
    for part in whole.walk():
        if part.is_multipart():
            part.set_boundary(f"=={uuid4().hex}==")  # else it is searched for in all of the text
    if is_modern:
        return bytes(whole.as_bytes())
    whole.policy = _COMPAT
    return bytes(whole.as_bytes(linesep="\r\n"))


_DOT = re.compile(rb"^\.", re.MULTILINE)


def stuffed(data: bytes) -> bytes:
    """With the dots doubled that begin a line, and the line that ends it all (RFC 5321, 4.5.2)."""
    return _DOT.sub(b"..", data) + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")


@lru_cache
def bare(address: str) -> str:
    """The address alone, without a name; empty where it is not plain."""
    alone = parseaddr(address)[1]
    return alone if PLAIN_ADDRESS.fullmatch(alone) else ""


def as_printed(message: EmailMultiAlternatives) -> Printed | None:
    """A message to one person, ready for the wire; ``None`` where an address is not plain."""
    sender, [recipient] = bare(message.from_email), message.recipients()
    if not sender or not PLAIN_ADDRESS.fullmatch(recipient):
        return None
    return Printed(sender, recipient, stuffed(serialised(message)))


Reply = tuple[int, bytes]


class NothingSent(smtplib.SMTPException):
    """The connection broke, or took too long, before the text of the mail was handed over: it has not gone out."""


def tell(talks: Sequence[tuple[smtplib.SMTP, Printed]], *, within: float = math.inf) -> list[Exception | None]:
    """This will hand a mail to each of some servers, or connections to one, all at the same time: while one reads, another is written to.

    By mail, ``None`` where it was accepted, otherwise what ``smtplib.SMTP.sendmail`` would have raised, or ``NothingSent``.
    ``within``: seconds for all of it, however short each wait for a reply is.
    """
    results: list[Exception | None] = [None] * len(talks)
    end = time.monotonic() + within
    going = [(place, _talk(Line(server, end), mail)) for place, (server, mail) in enumerate(talks)]
    while going:
        still = []
        for place, talk in going:
            try:
                next(talk)
                still.append((place, talk))
            except StopIteration:
                pass
            except Exception as trouble:
                results[place] = trouble
        going = still
    return results


_A_MOMENT = 0.05
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Line:
    """A connection, and the moment by which its mail has to be through."""

    server: smtplib.SMTP
    end: float

    def reply(self) -> Reply:
        """This will wait for the server's answer: as long as for any, but not past the end. One that lies there is read even then:
        another connection may have taken all the time."""
        left = max(self.end - time.monotonic(), _A_MOMENT)
        usual = self.server.timeout if isinstance(self.server.timeout, (int, float)) else math.inf
        seconds = min(left, usual) if min(left, usual) < math.inf else None
        if self.server.sock is not None and self.server.sock.gettimeout() != seconds:
            self.server.sock.settimeout(seconds)
        return self.server.getreply()


def _talk(line: Line, mail: Printed) -> Iterator[None]:
    """One mail; it pauses wherever the server is to answer."""
    replies: list[Reply] = []
    try:
        yield from _envelope(line, mail, replies)
    except smtplib.SMTPResponseException:
        raise
    except OSError as lost:
        line.server.close()
        raise NothingSent(f"before the text: {type(lost).__name__}: {lost}") from lost
    sender, recipient, data = replies + [_NOT_ASKED] * (3 - len(replies))
    if sender[0] != 250:
        raise smtplib.SMTPSenderRefused(*sender, mail.sender)
    if recipient[0] not in _WELCOME:
        raise smtplib.SMTPRecipientsRefused({mail.recipient: recipient})
    if data[0] != _GO_AHEAD:
        raise smtplib.SMTPDataError(*data)
    line.server.send(mail.data)
    yield
    taken = line.reply()
    if taken[0] != 250:
        raise smtplib.SMTPDataError(*taken)


def _envelope(line: Line, mail: Printed, replies: list[Reply]) -> Iterator[None]:
    line.server.ehlo_or_helo_if_needed()
    size = f" size={len(mail.data)}" if line.server.has_extn("size") else ""
    commands = (f"mail FROM:<{mail.sender}>{size}", f"rcpt TO:<{mail.recipient}>", "data")
    yield from (_in_one_breath if line.server.has_extn("pipelining") else _one_by_one)(line, commands, replies)


_WELCOME = (250, 251)
_GO_AHEAD = 354

_NOT_ASKED: Reply = (-1, b"")


def _in_one_breath(line: Line, commands: Sequence[str], replies: list[Reply]) -> Iterator[None]:
    line.server.send("\r\n".join(commands) + "\r\n")
    yield
    replies += [line.reply() for _ in commands]
    if replies[-1][0] == _GO_AHEAD and (replies[0][0] != 250 or replies[1][0] not in _WELCOME):
        line.server.close()  # it waits for the text of a mail to nobody


def _one_by_one(line: Line, commands: Sequence[str], replies: list[Reply]) -> Iterator[None]:
    for command in commands:
        line.server.putcmd(command)
        yield
        replies.append(line.reply())
        if replies[-1][0] not in (*_WELCOME, _GO_AHEAD):
            return
