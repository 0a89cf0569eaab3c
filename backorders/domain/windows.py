"""When something comes: a window of days, or an explicit "no honest date"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from backorders.errors import InvalidWindow


class Confidence(StrEnum):
    FIRM = "firm"
    ESTIMATED = "estimated"
    GUESS = "guess"


class Source(StrEnum):
    """Where a date comes from."""

    DELIVERY = "delivery"
    RELEASE = "release"
    LEAD_TIME = "lead_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The first and the last day on which it may come, both included, in the shop's time zone."""

    earliest: date
    latest: date
    confidence: Confidence = Confidence.ESTIMATED
    source: Source = Source.DELIVERY
    is_known: bool = True

    def __post_init__(self) -> None:
        if self.latest < self.earliest:
            raise InvalidWindow(
                f"The window ends on {self.latest} before it starts on {self.earliest}. Swap the two dates."
            )

    def is_over(self, today: date) -> bool:
        return self.latest < today

    def not_before(self, day: date) -> Window:
        """The same promise, but nothing happens before ``day`` (a release date, or today)."""
        return Window(
            earliest=max(self.earliest, day),
            latest=max(self.latest, day),
            confidence=self.confidence,
            source=self.source if self.latest >= day else Source.RELEASE,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDate:
    """We do not know when, and say so. ``is_overdue``: a date was named and has passed."""

    is_overdue: bool = False
    is_known: bool = False


NO_DATE = NoDate()
OVERDUE = NoDate(is_overdue=True)

Promise = Window | NoDate


def window_between(earliest: object, latest: object, confidence: object = Confidence.ESTIMATED) -> Window:
    """This will check two days typed by people or programs and return their window, or raise ``InvalidWindow``."""
    for day in (earliest, latest):
        if isinstance(day, datetime) or not isinstance(day, date):
            raise InvalidWindow(f"{day!r} is no calendar day. Pass datetime.date values, in the shop's time zone.")
    try:
        certain = Confidence(str(confidence))
    except ValueError:
        known = ", ".join(Confidence)
        raise InvalidWindow(f"{confidence!r} says nothing about certainty. Use one of: {known}.") from None
    assert isinstance(earliest, date) and isinstance(latest, date)  # noqa: S101 - told above, for the type checker
    return Window(earliest=earliest, latest=latest, confidence=certain)


def window_of(earliest: date | None, latest: date | None, confidence: Confidence = Confidence.ESTIMATED) -> Promise:
    """What two columns of a row say: a window, or that there is no date."""
    if earliest is None or latest is None:
        return NO_DATE
    return Window(earliest=earliest, latest=latest, confidence=confidence)


def is_zone(name: str) -> bool:
    """Is this the IANA name of a time zone, such as ``Europe/Brussels``, that this machine knows?"""
    return name in _zones()


_zones = cache(available_timezones)


def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of this name, or ``None``: a name nobody knows is no reason to fail anybody."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def honest(promise: Promise, *, today: date) -> Promise:
    """This will never let a past date through: a window that is over becomes ``OVERDUE``, one that has begun starts today."""
    if not isinstance(promise, Window):
        return promise
    if promise.is_over(today):
        return OVERDUE
    return promise.not_before(today) if promise.earliest < today else promise
