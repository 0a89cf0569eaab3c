"""What somebody who waits may say: a highest price, a last day. Checked here, in plain values."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from backorders.errors import InvalidDay, InvalidPrice

PRICE_DIGITS, PRICE_DECIMALS = 15, 4
"""What the column holds: four decimals are enough for every currency, fuel and yarn by the gram."""

FARTHEST = timedelta(days=3650)
"""How far ahead a last day may lie."""

_PRICES_END = Decimal(10) ** (PRICE_DIGITS - PRICE_DECIMALS)


def checked_price(value: Any) -> Decimal | None:
    """This will return a highest price as the column keeps it; ``None`` stays. Raises ``InvalidPrice``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise InvalidPrice(value)
    price = Decimal(value)
    if not price.is_finite() or not 0 < price < _PRICES_END:
        raise InvalidPrice(value)
    kept = round(price, PRICE_DECIMALS)
    if kept != price:
        raise InvalidPrice(value)
    return kept


def pays(highest: Decimal | None, price: Decimal | None) -> bool:
    """Would somebody with this highest price buy at ``price``? Where either is unknown, nothing speaks against it."""
    return highest is None or price is None or price <= highest


def end_of_need(day: Any, *, zone: tzinfo, now: datetime) -> datetime | None:
    """The instant at which a last day is over for somebody who lives in ``zone``; ``None`` stays.

    Raises ``InvalidDay`` for a day that has passed there, for one that lies too far ahead, and for what is no day.
    """
    if day is None:
        return None
    today = now.astimezone(zone).date()
    if isinstance(day, datetime) or not isinstance(day, date) or not today <= day <= today + FARTHEST:
        raise InvalidDay(day, first=today, last=today + FARTHEST)
    return datetime.combine(day + timedelta(days=1), time.min, zone)


def last_day_before(moment: datetime, zone: tzinfo) -> date:
    """The day that ``end_of_need`` was given. Its noon, for at midnight clocks are changed."""
    return (moment.astimezone(zone) - timedelta(hours=12)).date()
