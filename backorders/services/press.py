"""Prints the mails of a wave: written and serialised once for each text, and after that only the blanks are filled in.

MIME is most of what a mail costs. Two mails of one wave in one language differ in the recipient, the ``Message-ID`` and the
secret links, and in nothing else; whether that is so is not assumed but tried: the second mail of a text is written both ways,
and only if the two are the same, byte for byte, are the others printed. A template that greets by name is written each time.
"""

from __future__ import annotations

import email.policy
import re
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from email.utils import parseaddr
from functools import lru_cache

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from backorders.conf import conf
from backorders.domain.outbox import OF_A_RETURN
from backorders.models import OutgoingMail, Subscription
from backorders.queries.outbox import Facts, Tokens, message_for, message_id_of, recipient_of

_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9.-]{1,64}")
"""What stands in a header as it is: no encoding, and no line that has to be folded."""

_FRESH = 60.0
"""Seconds. A plate carries its Date, and whatever else templates may read from the world."""

_MOST_PLATES = 50


@dataclass(frozen=True, slots=True)
class Printed:
    """A whole message, ready for the wire. ``sender`` and ``recipient`` are bare addresses."""

    sender: str
    recipient: str
    data: bytes


@dataclass(slots=True)
class Plate:
    """A serialised mail, cut at the places that are the recipient's own. ``is_true``: tried, and found the same."""

    parts: list[bytes]
    blanks: list[str]
    boundary: bytes
    made_at: float
    is_true: bool = False

    def print(self, fillings: dict[str, bytes]) -> bytes:
        pieces = [self.parts[0]]
        for blank, part in zip(self.blanks, self.parts[1:], strict=True):
            pieces += (fillings[blank], part)
        return b"".join(pieces)


@dataclass(slots=True)
class Press:
    """Plates by text. ``None``: this text has to be written anew for each reader."""

    plates: dict[Hashable, Plate | None] = field(default_factory=dict)

    def write(self, mail: OutgoingMail, facts: Facts, tokens: Tokens) -> Printed | EmailMultiAlternatives:
        """This will print a mail if its text is known, and write it otherwise. Raises what a template raises."""
        key, sender = _text_of(mail, facts), _bare(conf.from_email or settings.DEFAULT_FROM_EMAIL)
        if key is None or not sender or not tokens or not _PLAIN_ADDRESS.fullmatch(recipient_of(mail).email):
            return message_for(mail, facts, tokens=tokens)
        plate = self._plate(key)
        if plate is None and key in self.plates:
            return message_for(mail, facts, tokens=tokens)
        fillings = _fillings(mail, tokens)
        if plate is not None and plate.is_true:
            return Printed(sender, recipient_of(mail).email, plate.print(fillings))
        message = message_for(mail, facts, tokens=tokens)
        if plate is None:
            self.plates[key] = _plate_of(message, fillings)
        elif _is_same(message, plate, fillings):
            plate.is_true = True
        else:
            self.plates[key] = None
        return message

    def _plate(self, key: Hashable) -> Plate | None:
        plate = self.plates.get(key)
        if plate is not None and time.monotonic() - plate.made_at > _FRESH:
            del self.plates[key]
            return None
        if len(self.plates) > _MOST_PLATES:
            self.plates.clear()
            return None
        return plate


def _text_of(mail: OutgoingMail, facts: Facts) -> Hashable | None:
    """What the words of a mail depend on, as far as we know; the trial finds out about the rest."""
    if mail.kind not in OF_A_RETURN or not isinstance(recipient := recipient_of(mail), Subscription):
        return None
    item_id = recipient.item_id
    return (
        mail.kind,
        mail.restock_id,
        recipient.language,
        recipient.time_zone,
        recipient.quantity,
        facts.described[item_id],
        facts.availability.get(item_id),
        facts.held_until(mail),
    )


@lru_cache
def _bare(sender: str) -> str:
    """The address alone; empty where it is not plain."""
    address = parseaddr(sender)[1]
    return address if _PLAIN_ADDRESS.fullmatch(address) else ""


def _fillings(mail: OutgoingMail, tokens: Tokens) -> dict[str, bytes]:
    own = {f"token {purpose}": token.encode() for purpose, token in tokens.items()}
    return {**own, "id": message_id_of(mail).encode(), "to": b"To: " + recipient_of(mail).email.encode()}


def serialised(message: EmailMultiAlternatives) -> bytes:
    """As Django's SMTP backend puts it on the wire."""
    if django.VERSION >= (6, 0):
        return bytes(message.message(policy=email.policy.SMTP).as_bytes())
    return bytes(message.message().as_bytes(linesep="\r\n"))  # type: ignore[call-arg]


_BOUNDARY = re.compile(rb'boundary="([^"\r\n]+)"')


def _plate_of(message: EmailMultiAlternatives, fillings: dict[str, bytes]) -> Plate | None:
    """``None`` where the recipient's own do not stand in it as they are."""
    data = serialised(message)
    wanted = re.compile(b"|".join(re.escape(own) for own in sorted(fillings.values(), key=len, reverse=True)))
    names = {own: name for name, own in fillings.items()}
    blanks = [names[found] for found in wanted.findall(data)]
    boundary = _BOUNDARY.search(data)
    if boundary is None or set(blanks) != set(fillings) or blanks.count("to") != 1 or blanks.count("id") != 1:
        return None
    return Plate(parts=wanted.split(data), blanks=blanks, boundary=boundary[1], made_at=time.monotonic())


def _is_same(message: EmailMultiAlternatives, plate: Plate, fillings: dict[str, bytes]) -> bool:
    """Byte for byte, but for the boundary, which is drawn at random, and the second at which it was written."""
    data = serialised(message)
    boundary = _BOUNDARY.search(data)
    if boundary is None:
        return False
    return _undated(data.replace(boundary[1], plate.boundary)) == _undated(plate.print(fillings))


def _undated(data: bytes) -> bytes:
    return re.sub(rb"^Date: [^\r\n]*\r\n", b"", data, count=1, flags=re.MULTILINE)
