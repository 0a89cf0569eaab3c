"""The life of a mail: its states, the legal moves, and when to try again."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class MailState(StrEnum):
    """queued -> leased -> sending -> sent | queued (later) | dead | suppressed | cancelled."""

    QUEUED = "queued"
    LEASED = "leased"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


class MailKind(StrEnum):
    CONFIRM_SUBSCRIPTION = "confirm_subscription"
    BACK_IN_STOCK = "back_in_stock"
    BACKORDER_PLACED = "backorder_placed"
    BACKORDER_FILLED = "backorder_filled"


class Outcome(StrEnum):
    """What the mail server said."""

    ACCEPTED = "accepted"
    TRY_LATER = "try_later"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    """There was no connection: nothing went out, and it is no mail's fault."""


URGENT = 0
"""Somebody is waiting for this mail right now: a confirmation, an order."""

BULK = 5
"""One of many: a wave."""

PRIORITY = {
    MailKind.CONFIRM_SUBSCRIPTION: URGENT,
    MailKind.BACKORDER_PLACED: URGENT,
    MailKind.BACKORDER_FILLED: URGENT,
    MailKind.BACK_IN_STOCK: BULK,
}

PAUSE_UNREACHABLE = timedelta(seconds=30)
"""How long to leave a mail server alone that cannot be reached; no attempt is charged."""

_PAUSES = (30, 120, 600, 3600, 4 * 3600)


def pause_before(attempt: int, *, jitter: float) -> timedelta:
    """How long to wait before attempt number ``attempt`` + 1: 30 s, 2 m, 10 m, 1 h, then 4 h, with full jitter.

    ``jitter`` is drawn by the caller from [0, 1); at least a tenth of the pause always stays.
    """
    longest = _PAUSES[min(max(attempt, 1), len(_PAUSES)) - 1]
    return timedelta(seconds=longest * (0.1 + 0.9 * jitter))
