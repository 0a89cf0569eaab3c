"""One day for a reader's calendar, as RFC 5545 writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from unicodedata import category


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A whole day. The same ``uid`` with a higher ``version`` takes the place of the one before; ``is_off`` takes it away."""

    uid: str
    version: int
    day: date
    title: str
    url: str = ""
    is_off: bool = False


def calendar_file(entry: Entry, *, now: datetime) -> str:
    """This will write the file that mail programs offer to add to a calendar. Its lines end as the RFC wants, with CR LF."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//backorders//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{_text(entry.uid)}",
        f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        f"SEQUENCE:{entry.version}",
        f"DTSTART;VALUE=DATE:{_day(entry.day)}",
        *([f"DTEND;VALUE=DATE:{_day(entry.day + timedelta(days=1))}"] if entry.day < date.max else []),
        f"SUMMARY:{_text(entry.title)}",
        *([f"URL:{entry.url}"] if entry.url else []),
        f"STATUS:{'CANCELLED' if entry.is_off else 'CONFIRMED'}",
        "TRANSP:TRANSPARENT",  # whoever waits for a parcel is not busy all day
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _day(day: date) -> str:
    """Not by ``strftime``, which leaves the zeros out of early years on some machines."""
    return day.isoformat().replace("-", "")


def _text(words: str) -> str:
    """Section 3.3.11. A control character has no place in a line, whatever it may do in a product's name."""
    plain = "".join(" " if category(letter) == "Cc" else letter for letter in words)
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")


_LONGEST = 75
"""Octets in a line, its end not counted (section 3.1)."""


def _folded(line: str) -> str:
    """Cut between characters, never within one: a continued line begins with a space, which counts."""
    parts, length = [""], 0
    for letter in line:
        size = len(letter.encode())
        if length + size > _LONGEST:
            parts.append("")
            length = 1
        parts[-1] += letter
        length += size
    return "\r\n ".join(parts)
