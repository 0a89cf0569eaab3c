"""The moment at which something happens: told by the caller, or now."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from backorders.errors import InvalidWindow


def moment(now: datetime | None) -> datetime:
    """This will return ``now``, or the present when nobody says. Raises ``InvalidWindow`` for an instant without a time zone."""
    if now is None:
        return timezone.now()
    if timezone.is_naive(now):
        raise InvalidWindow(f"{now!r} has no time zone. Pass an aware datetime, such as django.utils.timezone.now().")
    return now
