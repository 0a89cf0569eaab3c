"""One day for a reader's calendar, as RFC 5545 writes it; by the library of the extra ``[ics]``."""

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


def can_write_calendars() -> bool:
    """Without the extra a mail leaves as it would without ``MAIL_CALENDAR``; ``manage.py check`` says what to install."""
    try:
        import icalendar  # noqa: F401
    except ImportError:
        return False
    return True


def calendar_file(entry: Entry, *, now: datetime) -> str:
    """This will write the file that mail programs offer to add to a calendar.

    Raises ``ImportError`` without the ``icalendar`` package.
    """
    from icalendar import Calendar, Event

    event = Event()
    for name, value in _properties(entry, now=now).items():
        event.add(name, value)
    calendar = Calendar()
    for name, value in {"version": "2.0", "prodid": "-//backorders//EN", "method": "PUBLISH"}.items():
        calendar.add(name, value)
    calendar.add_component(event)
    return str(calendar.to_ical(), "utf-8")


def _properties(entry: Entry, *, now: datetime) -> dict[str, object]:
    properties: dict[str, object] = {
        "uid": _plain(entry.uid),
        "dtstamp": now.astimezone(UTC),
        "sequence": entry.version,
        "dtstart": entry.day,
        "summary": _plain(entry.title),
        "status": "CANCELLED" if entry.is_off else "CONFIRMED",
        "transp": "TRANSPARENT",  # whoever waits for a parcel is not busy all day
    }
    if entry.day < date.max:
        properties["dtend"] = entry.day + timedelta(days=1)
    if entry.url:
        properties["url"] = _plain(entry.url)
    return properties


def _plain(words: str) -> str:
    """A control character has no place in a line, whatever it may do in a product's name. The library lets most of them in,
    and refuses to write an address with a line break."""
    return "".join(" " if category(letter) == "Cc" else letter for letter in words)
