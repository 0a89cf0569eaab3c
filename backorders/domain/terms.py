"""How something is sold when the shelf is empty: an item's own words, else its category's, else the shop's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from backorders.domain.units import UNLIMITED, Units, counted


class Policy(StrEnum):
    """What an empty shelf means."""

    STOP = "stop"
    BACKORDER = "backorder"
    PREORDER = "preorder"
    MADE_TO_ORDER = "made_to_order"
    ANNOUNCED = "announced"

    @property
    def takes_orders(self) -> bool:
        """May more be ordered than is on the shelf, once it is out?"""
        return self not in (Policy.STOP, Policy.ANNOUNCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms in force. ``lead_days``: working days, ``None`` where nobody said; ``reason``: text for shoppers."""

    policy: Policy = Policy.STOP
    backorder_limit: Units = UNLIMITED
    only_inbound: bool = False
    customer_limit: Units = UNLIMITED
    order_minimum: int = 1
    order_maximum: Units = UNLIMITED
    safety_stock: int = 0
    low_stock_at: int = 0
    lead_days: int | None = None
    reason: str = ""


NO_TERMS = Terms()
"""Nobody said anything: an empty shelf stops the sale."""


def _first_said(values: tuple[Any, ...]) -> Any:
    return next((value for value in values if value is not None and value != ""), None)


@lru_cache(maxsize=4096)
def terms_in_force(*layers: tuple[Any, ...]) -> Terms:
    """This will take each term from the first layer that says something about it: item, category, shop.

    Where the least of one layer is more than the most of another, the one that is said first counts for both.
    """
    columns = list(zip(*layers, strict=True))
    policy, limit, inbound, customer, least, most, safety, low, lead, reason = map(_first_said, columns)
    if least is not None and most is not None and least > most:
        least_by_layer, most_by_layer = columns[4:6]
        least = most = most if most_by_layer.index(most) <= least_by_layer.index(least) else least
    return Terms(
        policy=Policy(policy or Policy.STOP),
        backorder_limit=counted(limit),
        only_inbound=bool(inbound),
        customer_limit=counted(customer),
        order_minimum=max(1, least or 1),
        order_maximum=counted(most),
        safety_stock=safety or 0,
        low_stock_at=low or 0,
        lead_days=lead,
        reason=reason or "",
    )
