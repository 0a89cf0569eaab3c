"""Prints the mails of a wave: written once for each text, and after that only the blanks are filled in.

Two mails of one wave in one language differ in the recipient, the ``Message-ID`` and the secret links, and in nothing else.
Whether that is so is not assumed but tried: a template that looks at the one mail or its reader is rendered each time, and
the second mail of a text is written both ways; only if the two are the same are the others printed. MIME is most of what
is left of a mail's cost: where the connection is plain SMTP, a text is serialised once as well, and compared byte for byte.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, AnyStr, Generic

from django.core.mail import EmailMultiAlternatives
from django.utils import translation

from backorders.domain.outbox import OF_A_RETURN
from backorders.models import OutgoingMail, Subscription
from backorders.queries.facts import Facts
from backorders.queries.messages import Tokens, WholeLines, language_of, message_for, message_id_of
from backorders.queries.outbox import recipient_of
from backorders.services.wire import PLAIN_ADDRESS, Printed, bare, serialised, stuffed

_FRESH = 60.0
"""Seconds. A plate carries its Date, and whatever else templates may read from the world."""

_MOST_PLATES = 50


@dataclass(frozen=True, slots=True)
class Cut(Generic[AnyStr]):
    """A text, cut at the places that are the recipient's own."""

    parts: list[AnyStr]
    blanks: list[str]

    @classmethod
    def of(cls, text: AnyStr, own: Mapping[str, AnyStr]) -> Cut[AnyStr]:
        bar: Any = b"|" if isinstance(text, bytes) else "|"
        wanted = re.compile(bar.join(re.escape(value) for value in sorted(own.values(), key=len, reverse=True)))
        names = {value: name for name, value in own.items()}
        return cls(wanted.split(text), [names[found] for found in wanted.findall(text)])

    def filled(self, own: Mapping[str, AnyStr]) -> AnyStr:
        pieces = [self.parts[0]]
        for blank, part in zip(self.blanks, self.parts[1:], strict=True):
            pieces += (own[blank], part)
        return self.parts[0][:0].join(pieces)


@dataclass(slots=True)
class Plate:
    """A written mail whose blanks can be filled in for others. ``is_true``: tried, and found the same."""

    subject: str
    body: Cut[str]
    html: Cut[str]
    headers: dict[str, Cut[str]]
    sender: str
    made_at: float
    data: Cut[bytes] | None = None
    """As it goes over the wire; ``None`` where that is not asked for, or cannot be."""
    boundary: bytes = b""
    is_true: bool = False

    def printed(self, recipient: str, own: Mapping[str, str]) -> Printed | None:
        """``None`` where it is not engraved, or the address would have to be encoded."""
        if self.data is None or not PLAIN_ADDRESS.fullmatch(recipient):
            return None
        return Printed(bare(self.sender), recipient, self.data.filled(_on_the_wire(recipient, own)))

    def message(self, recipient: str, own: Mapping[str, str]) -> WholeLines:
        headers = {name: value.filled(own) for name, value in self.headers.items()}
        message = WholeLines(self.subject, self.body.filled(own), self.sender, [recipient], headers=headers)
        message.attach_alternative(self.html.filled(own), "text/html")
        return message


_NOTHING = Cut([""], list[str]())
_PERSONAL = Plate(subject="", body=_NOTHING, html=_NOTHING, headers={}, sender="", made_at=math.inf)


@dataclass(slots=True)
class Press:
    """Plates by text, ``_PERSONAL`` for those that have to be written anew for each reader."""

    plates: dict[Hashable, Plate] = field(default_factory=dict)
    sights: dict[Hashable, int] = field(default_factory=dict)
    """Products as they were seen, numbered: a number is compared sooner than all that is known of a product."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """None is given out twice."""
    of_items: dict[tuple[int, str], int] = field(default_factory=dict)
    """By item and language, as of ``facts``."""
    facts: Facts | None = None

    def write(
        self, mail: OutgoingMail, facts: Facts, tokens: Tokens, *, in_bytes: bool
    ) -> Printed | EmailMultiAlternatives:
        """This will print a mail if its text is known, and write it otherwise. Raises what a template raises.

        ``in_bytes``: as it goes over the wire, where that can be; else as a message.
        """
        key = self._text_of(mail, facts)
        if key is None or not tokens:
            return message_for(mail, facts, tokens=tokens)
        key = (key, in_bytes)
        plate, recipient = self._plate(key), recipient_of(mail).email
        if plate is _PERSONAL:
            return message_for(mail, facts, tokens=tokens)
        own = _own(mail, tokens)
        if plate is not None and plate.is_true:
            return plate.printed(recipient, own) or plate.message(recipient, own)
        message = message_for(mail, facts, tokens=tokens)
        if plate is None:
            plate = self.plates[key] = _plate_of(message, recipient, own, in_bytes=in_bytes) or _PERSONAL
        elif _is_same(message, plate, recipient, own):
            plate.is_true = True
        else:
            plate = self.plates[key] = _PERSONAL
        return plate.printed(recipient, own) or message  # these bytes are the message: serialised once is enough

    def _text_of(self, mail: OutgoingMail, facts: Facts) -> Hashable | None:
        """What the words of a mail depend on, as far as we know; the trial finds out about the rest."""
        if mail.kind not in OF_A_RETURN or not isinstance(recipient := recipient_of(mail), Subscription):
            return None
        sight, held_until = self._sight_of(recipient, facts), facts.held_until(mail)
        reader = (recipient.language, recipient.time_zone, recipient.quantity)
        return (mail.kind, mail.restock_id, *reader, sight, held_until)

    def _sight_of(self, reader: Subscription, facts: Facts) -> int:
        if self.facts is not facts:
            self.facts, self.of_items = facts, {}
        key = (reader.item_id, reader.language)
        if key not in self.of_items:
            with translation.override(language_of(reader)):
                seen = (facts.described[reader.item_id], facts.availability.get(reader.item_id))
            self.of_items[key] = self.sights.setdefault(seen, next(self.numbers))
        return self.of_items[key]

    def _plate(self, key: Hashable) -> Plate | None:
        """``None`` where the text is new."""
        plate = self.plates.get(key)
        if plate is not None and time.monotonic() - plate.made_at > _FRESH:
            del self.plates[key]
            return None
        if len(self.plates) > _MOST_PLATES:
            self.plates.clear()
            self.sights.clear()
            self.of_items.clear()
            return None
        return plate


def _own(mail: OutgoingMail, tokens: Tokens) -> dict[str, str]:
    return {**{f"token {purpose}": token for purpose, token in tokens.items()}, "id": message_id_of(mail)}


def _on_the_wire(recipient: str, own: Mapping[str, str]) -> dict[str, bytes]:
    return {**{name: value.encode() for name, value in own.items()}, "to": b"To: " + recipient.encode()}


_BOUNDARY = re.compile(rb'boundary="([^"\r\n]+)"')


def _plate_of(message: WholeLines, recipient: str, own: dict[str, str], *, in_bytes: bool) -> Plate | None:
    """``None`` where the text is the one reader's, or the secret links do not stand in it as they are."""
    html = Cut.of(_html_of(message), own)
    headers = {name: Cut.of(str(value), own) for name, value in message.extra_headers.items()}
    plate = Plate(
        subject=str(message.subject),
        body=Cut.of(str(message.body), own),
        html=html,
        headers=headers,
        sender=message.from_email,
        made_at=time.monotonic(),
    )
    blanks = {*plate.body.blanks, *html.blanks, *(blank for cut in headers.values() for blank in cut.blanks)}
    if message.is_personal or blanks != set(own):
        return None
    if in_bytes and bare(plate.sender):
        _engrave(plate, message, _on_the_wire(recipient, own))
    return plate


def _engrave(plate: Plate, message: WholeLines, own: dict[str, bytes]) -> None:
    """The bytes as well, if what is the recipient's own stands in them as it is."""
    data = stuffed(serialised(message))
    cut, boundary = Cut.of(data, own), _BOUNDARY.search(data)
    if boundary and set(cut.blanks) == set(own) and cut.blanks.count("to") == cut.blanks.count("id") == 1:
        plate.data, plate.boundary = cut, boundary[1]


def _html_of(message: EmailMultiAlternatives) -> str:
    return str(message.alternatives[0][0])


def _is_same(message: WholeLines, plate: Plate, recipient: str, own: dict[str, str]) -> bool:
    """Word for word, and where it is engraved byte for byte, but for the boundary, which is drawn at random, and the second."""
    printed = plate.message(recipient, own)
    words = (message.subject, message.body, _html_of(message), message.from_email, message.extra_headers)
    if message.is_personal or words != (
        printed.subject,
        printed.body,
        _html_of(printed),
        printed.from_email,
        printed.extra_headers,
    ):
        return False
    if plate.data is None:
        return True
    data = stuffed(serialised(message))
    boundary = _BOUNDARY.search(data)
    if boundary is None:
        return False
    wire = plate.data.filled(_on_the_wire(recipient, own))
    return _undated(data.replace(boundary[1], plate.boundary)) == _undated(wire)


def _undated(data: bytes) -> bytes:
    return re.sub(rb"^Date: [^\r\n]*\r\n", b"", data, count=1, flags=re.MULTILINE)
