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
    HELD = "held"
    REQUEST_ENDED = "request_ended"
    BACKORDER_PLACED = "backorder_placed"
    PROMISE_MOVED = "promise_moved"
    PREORDER_RELEASED = "preorder_released"
    BACKORDER_FILLED = "backorder_filled"
    BACKORDER_CANCELLED = "backorder_cancelled"


class Outcome(StrEnum):
    """What the mail server said."""

    ACCEPTED = "accepted"

    TRY_LATER = "try_later"
    """Not this mail, not now: a full mailbox, greylisting, a template that raised."""

    REFUSED = "refused"
    """Not this mail, ever."""

    NO_MAILBOX = "no_mailbox"
    """Nobody lives there: no mail ever again."""

    UNKNOWN = "unknown"
    """It may have gone out, and nobody told us."""

    FAILED = "failed"
    """The server's own trouble, or what it has against us and not against this mail; it may pass."""

    THROTTLED = "throttled"
    """Too many from us: everything waits as long as the server says."""

    DENIED = "denied"
    """It does not know us (any more): everything waits, and staff have to do something."""

    UNREACHABLE = "unreachable"
    """There was no connection: nothing went out, and it is no mail's fault."""


SHUTS = frozenset({Outcome.THROTTLED, Outcome.DENIED, Outcome.UNREACHABLE})
"""Answers after which nothing more is tried for a while, and for which no mail is charged an attempt."""

REFUSALS = frozenset({Outcome.REFUSED, Outcome.NO_MAILBOX})
"""Answers that are final for their mail, or for its address."""

OPENS_THE_BREAKER = frozenset({Outcome.FAILED, Outcome.UNKNOWN}) | REFUSALS
"""Answers of which so many in a row, with no mail accepted between them, say something about the server, or about us."""


URGENT = 0
"""Somebody is waiting for this mail right now: a confirmation, an order."""

NEWS = 2
"""News of somebody's own order: not behind a wave, nor before a confirmation however many dates moved at once."""

FRONT = 4
"""The first of a wave: they do not wait until another wave, of a hundred thousand perhaps, is through."""

FRONT_OF_A_WAVE = 100

BULK = 5
"""One of many: a wave."""

PRIORITY = {
    MailKind.CONFIRM_SUBSCRIPTION: URGENT,
    MailKind.BACKORDER_PLACED: URGENT,
    MailKind.PROMISE_MOVED: NEWS,
    MailKind.PREORDER_RELEASED: NEWS,
    MailKind.BACKORDER_FILLED: URGENT,
    MailKind.BACKORDER_CANCELLED: URGENT,
    MailKind.BACK_IN_STOCK: BULK,
    MailKind.HELD: BULK,
    MailKind.REQUEST_ENDED: BULK,
}

OF_A_RETURN = (MailKind.BACK_IN_STOCK, MailKind.HELD)
"""Mails of a wave: whoever gets one was told."""

ASKED_FOR = (*OF_A_RETURN, MailKind.REQUEST_ENDED)
"""What unsubscribing ends; a confirmation only asks, and is no such mail."""

OF_AN_ORDER = (
    MailKind.BACKORDER_PLACED,
    MailKind.PROMISE_MOVED,
    MailKind.PREORDER_RELEASED,
    MailKind.BACKORDER_FILLED,
    MailKind.BACKORDER_CANCELLED,
)
"""Mails of an order's life, which a shop may write itself (``MAILS_OFF``)."""

BREAKS_AFTER = 20
"""Failures and refusals in a row, whatever the mail, after which the server is left alone. A server that refuses every mail has
something against us, and no address is given up for that."""

LONGEST_PAUSE = timedelta(hours=1)
"""However long a server asks for."""

_BREAK = timedelta(minutes=5)
_PAUSE_DENIED = timedelta(minutes=5)
_PAUSE_THROTTLED = timedelta(seconds=60)
_UNREACHABLE = (5, 10, 20, 40, 60)


def pause_of_all(outcome: Outcome, *, failures: int, asked_for: timedelta | None = None) -> timedelta | None:
    """How long all mail waits after this answer; ``None`` when only the one mail does, or nothing has to wait.

    ``failures``: how often in a row the server has failed us, this time counted. ``asked_for``: its own word for how long.
    A server that is back after a pause gets one try; if that fails too, the next pause begins.
    """
    if outcome is Outcome.THROTTLED:
        return min(max(asked_for or _PAUSE_THROTTLED, timedelta(seconds=1)), LONGEST_PAUSE)
    if outcome is Outcome.DENIED:
        return _PAUSE_DENIED
    if outcome is Outcome.UNREACHABLE:
        return timedelta(seconds=_UNREACHABLE[min(max(failures, 1), len(_UNREACHABLE)) - 1])
    return _BREAK if outcome in OPENS_THE_BREAKER and failures >= BREAKS_AFTER else None


_PAUSES = (30, 120, 600, 3600, 4 * 3600)


def pause_before(attempt: int, *, jitter: float) -> timedelta:
    """How long to wait before attempt number ``attempt`` + 1: 30 s, 2 m, 10 m, 1 h, then 4 h, with full jitter.

    ``jitter`` is drawn by the caller from [0, 1); at least a tenth of the pause always stays.
    """
    longest = _PAUSES[min(max(attempt, 1), len(_PAUSES)) - 1]
    return timedelta(seconds=longest * (0.1 + 0.9 * jitter))


def refill(*, tokens: float, seconds: float, rate: float) -> float:
    """What a token bucket holds ``seconds`` after it held ``tokens``: ``rate`` more a second, a second's worth at most, one at least.

    A clock that was put back fills nothing.
    """
    return min(tokens + rate * max(0.0, seconds), max(1.0, rate))


SHOP_RESTS = timedelta(seconds=30)
"""So long mails wait after the shop could not be read about any product."""

STRIDE = 0.1
"""Seconds. For so long mails are past stopping: they are marked "sending" together."""

CLAIM = 0.5
"""Seconds. For so long the facts that a claimed mail is checked against may be old."""


def as_many_as_leave(*, within: float, before: int, seconds: float) -> int:
    """How many mails to take on next, after ``before`` mails that took ``seconds``.

    As many as leave within so many seconds at that pace, one at least, and at most four times as many as before.
    """
    pace = before / max(seconds, 1e-6)
    return max(1, min(int(pace * within), before * 4))
