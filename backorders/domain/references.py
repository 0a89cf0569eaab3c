"""Names that a shop gives its orders, order lines and receipts, by which we find them again."""

from __future__ import annotations

from typing import Any

from backorders.errors import InvalidReference

LINE, BOOKING, KEY = 100, 120, 200
"""The longest names of order lines, of receipts and other bookings, and of idempotency keys."""


def checked_reference(value: Any, *, longest: int, least: int = 0) -> str:
    """This will return a name as it is, or raise ``InvalidReference``: a name that is cut off finds something else."""
    if not isinstance(value, str) or not least <= len(value) <= longest:
        raise InvalidReference(value, least=least, longest=longest)
    return value
