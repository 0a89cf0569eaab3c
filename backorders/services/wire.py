"""A mail as it goes over SMTP, and the conversation in which a mail server takes it.

As ``smtplib`` has it, and with its errors, but the envelope goes out in one breath where the server allows that (RFC 2920):
two round trips a mail, not four.
"""

from __future__ import annotations

import email.policy
import re
import smtplib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache

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


def serialised(message: EmailMultiAlternatives) -> bytes:
    """As Django's SMTP backend hands it to ``smtplib``."""
    if django.VERSION >= (6, 0):
        return bytes(message.message(policy=email.policy.SMTP).as_bytes())
    return bytes(message.message().as_bytes(linesep="\r\n"))  # type: ignore[call-arg]


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


def tell(talks: Sequence[tuple[smtplib.SMTP, Printed]]) -> list[Exception | None]:
    """This will hand a mail to each of some servers, or connections to one, all at the same time: while one reads, another is written to.

    By mail, ``None`` where it was accepted, otherwise what ``smtplib.SMTP.sendmail`` would have raised.
    """
    results: list[Exception | None] = [None] * len(talks)
    going = [(place, _talk(server, mail)) for place, (server, mail) in enumerate(talks)]
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


def _talk(server: smtplib.SMTP, mail: Printed) -> Iterator[None]:
    """One mail; it pauses wherever the server is to answer."""
    server.ehlo_or_helo_if_needed()
    size = f" size={len(mail.data)}" if server.has_extn("size") else ""
    commands = (f"mail FROM:<{mail.sender}>{size}", f"rcpt TO:<{mail.recipient}>", "data")
    replies: list[Reply] = []
    yield from (_in_one_breath if server.has_extn("pipelining") else _one_by_one)(server, commands, replies)
    sender, recipient, data = replies + [_NOT_ASKED] * (len(commands) - len(replies))
    if sender[0] != 250:
        raise smtplib.SMTPSenderRefused(*sender, mail.sender)
    if recipient[0] not in _WELCOME:
        raise smtplib.SMTPRecipientsRefused({mail.recipient: recipient})
    if data[0] != _GO_AHEAD:
        raise smtplib.SMTPDataError(*data)
    server.send(mail.data)
    yield
    taken = server.getreply()
    if taken[0] != 250:
        raise smtplib.SMTPDataError(*taken)


Reply = tuple[int, bytes]

_WELCOME = (250, 251)
_GO_AHEAD = 354

_NOT_ASKED: Reply = (-1, b"")


def _in_one_breath(server: smtplib.SMTP, commands: Sequence[str], replies: list[Reply]) -> Iterator[None]:
    server.send("\r\n".join(commands) + "\r\n")
    yield
    replies += [server.getreply() for _ in commands]
    if replies[-1][0] == _GO_AHEAD and (replies[0][0] != 250 or replies[1][0] not in _WELCOME):
        server.close()  # it waits for the text of a mail to nobody


def _one_by_one(server: smtplib.SMTP, commands: Sequence[str], replies: list[Reply]) -> Iterator[None]:
    for command in commands:
        server.putcmd(command)
        yield
        replies.append(server.getreply())
        if replies[-1][0] not in (*_WELCOME, _GO_AHEAD):
            return
