"""Which substitutes to show, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import exp, log
from typing import Any


class Reason(StrEnum):
    SUCCESSOR = "successor"
    PICKED = "picked"
    SAME_CATEGORY = "same_category"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something that may be offered instead. ``place`` orders what people picked by hand."""

    key: Any
    reason: Reason
    place: int = 0
    price: Decimal | None = None


_ORDER = (Reason.SUCCESSOR, Reason.PICKED, Reason.SAME_CATEGORY)


def rank(candidates: Iterable[Candidate], *, price: Decimal | None) -> list[Candidate]:
    """This will put the successor first, then what people picked in their order, then the rest by nearness of price.

    Nearness is ``exp(-|ln(p/q)| / 0.25)``: half or twice the price is far away, a tenth more is near. Each key once.
    """
    best: dict[Any, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (_ORDER.index(c.reason), c.place, -nearness(c.price, price))):
        best.setdefault(candidate.key, candidate)
    return list(best.values())


def nearness(one: Decimal | None, other: Decimal | None) -> float:
    """1 for equal prices, towards 0 the further they are apart; 0 when a price is unknown or not positive."""
    if one is None or other is None or one <= 0 or other <= 0:
        return 0.0
    return exp(-abs(log(float(one) / float(other))) / 0.25)
