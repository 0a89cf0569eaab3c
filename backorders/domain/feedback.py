"""What a mail provider tells of a mail after it took it, in words that are the same for every provider."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Told(StrEnum):
    DELIVERED = "delivered"
    DELAYED = "delayed"
    """Tried again by the provider, or refused for a reason that passes: worth a note, no more."""
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True)
class Mark:
    """Our own name of a mail: its id and the second at which it was queued, so that no other database has the same one."""

    mail_id: int
    second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One thing that was told of one mail. ``email_key`` is empty when the provider does not say whom it speaks of."""

    told: Told
    mark: Mark | None = None
    provider_id: str = ""
    email_key: str = ""
    note: str = ""
    happened_at: datetime | None = None


_MESSAGE_ID = re.compile(r"<?backorders\.([1-9][0-9]{0,17})\.([0-9]{1,10})@[^\s<>@]{1,255}>?")
_VALUE = re.compile(r"([1-9][0-9]{0,17})\.([0-9]{1,10})")


def mark_in_message_id(text: object) -> Mark | None:
    """This will read our mark out of a ``Message-ID``; nothing for everybody else's."""
    return _mark(_MESSAGE_ID.fullmatch(text)) if isinstance(text, str) and len(text) < 400 else None


def mark_from(value: object) -> Mark | None:
    """This will read what ``str_of`` wrote."""
    return _mark(_VALUE.fullmatch(value)) if isinstance(value, str) and len(value) < 40 else None


def str_of(mark: Mark) -> str:
    return f"{mark.mail_id}.{mark.second}"


def _mark(found: re.Match[str] | None) -> Mark | None:
    return Mark(int(found[1]), int(found[2])) if found else None


_REJECTED = {
    "bounced": Told.BOUNCED,
    "invalid": Told.BOUNCED,
    "spam": Told.COMPLAINED,
    "unsubscribed": Told.UNSUBSCRIBED,
}
"""Why a provider would not even try: what it remembers of the address."""


def told_by(event_type: object, reject_reason: object, *, is_soft: bool) -> Told | None:
    """This will say what an event of Anymail's vocabulary means for us; ``None`` for what does not concern us.

    A bounce lasts only when it is about the address: "spam" or "blocked" beside a bounce is said of the text or the sender.
    """
    if event_type == "bounced":
        lasts = not is_soft and reject_reason in ("bounced", "invalid", None)
        return Told.BOUNCED if lasts else Told.DELAYED
    if event_type == "rejected":
        return _REJECTED.get(str(reject_reason), Told.DELAYED)
    if event_type in ("deferred", "failed"):
        return Told.DELAYED
    if event_type in ("delivered", "complained", "unsubscribed"):
        return Told(str(event_type))
    return None
