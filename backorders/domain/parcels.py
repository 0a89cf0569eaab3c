"""What a cart would become: what ships now and what later, and the choice between two parcels and one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backorders.domain.promises import order_promise
from backorders.domain.windows import NO_DATE, Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One line of a cart: ``now`` units leave the shelf at once, ``later`` follow within ``window``.

    ``is_possible``: the line can be ordered as it is; else nothing of it ships.
    """

    product: Any
    quantity: int
    now: int = 0
    later: int = 0
    window: Promise = NO_DATE
    is_possible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Units that leave together: at once (``is_now``), or within ``window``."""

    units: int
    window: Promise = NO_DATE
    is_now: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """A whole cart, as it would be ordered now."""

    shares: tuple[Share, ...] = ()

    @property
    def now(self) -> int:
        """Units that leave at once."""
        return sum(share.now for share in self.shares)

    @property
    def later(self) -> int:
        """Units that follow."""
        return sum(share.later for share in self.shares)

    @property
    def parcels(self) -> tuple[Parcel, ...]:
        """What comes when it is sent as it comes: first what is here, then date by date, what has no date last."""
        units: dict[Promise, int] = {}
        for share in self.shares:
            if share.later:
                units[share.window] = units.get(share.window, 0) + share.later
        here = [Parcel(units=self.now, is_now=True)] if self.now else []
        return tuple(here + [Parcel(units=units[window], window=window) for window in sorted(units, key=_when)])

    @property
    def window(self) -> Promise:
        """When all of it can leave together: with its last unit."""
        return order_promise(share.window for share in self.shares if share.later)

    @property
    def has_choice(self) -> bool:
        """Would it come at different times? Then somebody may rather wait for all of it."""
        return len(self.parcels) > 1


def _when(window: Promise) -> tuple[bool, str, str]:
    """Dates first, by the day we stand by; of what has none, what is late."""
    latest, earliest = getattr(window, "latest", None), getattr(window, "earliest", None)
    return (latest is None, str(latest), str(earliest))
