"""A number of units, or no limit at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backorders.errors import MOST_UNITS, InvalidQuantity


@dataclass(frozen=True, slots=True)
class Units:
    """So many units, or unlimited (a product the shop does not count)."""

    value: int = 0
    is_unlimited: bool = False

    def covers(self, quantity: int) -> bool:
        return self.is_unlimited or self.value >= quantity

    def at_most(self, quantity: int) -> int:
        """How many of ``quantity`` there are."""
        return quantity if self.is_unlimited else min(self.value, quantity)

    def less(self, quantity: int) -> Units:
        """What is left after ``quantity`` are gone; never below zero."""
        return self if self.is_unlimited else Units(max(0, self.value - quantity))

    def plus(self, other: Units) -> Units:
        return UNLIMITED if self.is_unlimited or other.is_unlimited else Units(self.value + other.value)

    @property
    def or_none(self) -> int | None:
        """As the database keeps it: ``None`` for no limit."""
        return None if self.is_unlimited else self.value

    def __bool__(self) -> bool:
        return self.is_unlimited or self.value > 0


UNLIMITED = Units(0, is_unlimited=True)
NO_UNITS = Units(0)


def counted(value: int | None) -> Units:
    """This will read the shop's number: ``None`` means "not tracked"."""
    return UNLIMITED if value is None else Units(value)


def whole_quantity(value: Any, *, least: int = 1) -> int:
    """This will return ``value`` as a quantity, or raise ``InvalidQuantity``.

    Only an ``int`` (not a ``bool``) from ``least`` to ``MOST_UNITS`` is one; 1.5, "3" and 2**63 are not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_UNITS:
        raise InvalidQuantity(value, least=least)
    return value
