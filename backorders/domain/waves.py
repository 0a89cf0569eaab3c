"""How many people may be told just now."""

from __future__ import annotations

from backorders.domain.units import Units


def wave_size(*, units: Units, in_flight: int, waiting: int) -> int:
    """As many as there are units nobody has been told of yet.

    ``in_flight``: people told a short while ago who have not bought; each of them counts as a buyer until their time is
    up. A product the shop does not count is there for everybody.
    """
    return min(waiting, units.less(in_flight).at_most(waiting))
