"""Which delivery serves which place in the line: one cumulative axis of units and a binary search."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Promise, Source, Window, honest


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Units still to come with one delivery."""

    units: int
    window: Window
    delivery_id: int = 0


@dataclass(frozen=True, slots=True)
class Horizon:
    """The deliveries of one item in the order of their latest day, with the running total of their units."""

    supplies: tuple[Supply, ...]
    totals: tuple[int, ...]

    def promise_for(self, unit: int, *, today: date) -> Promise:
        """When the ``unit``-th unit of the line (counted from 1) comes; beyond the horizon there is no honest date."""
        place = bisect_left(self.totals, unit)
        return honest(self.supplies[place].window, today=today) if place < len(self.supplies) else NO_DATE

    def supply_for(self, unit: int) -> Supply | None:
        """The delivery that brings the ``unit``-th unit; ``None`` beyond the horizon, and below 1, where no delivery is needed."""
        if unit < 1:
            return None
        place = bisect_left(self.totals, unit)
        return self.supplies[place] if place < len(self.supplies) else None

    @property
    def units(self) -> int:
        return self.totals[-1] if self.totals else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides when a place in the line is served: units that are here and nobody's yet, deliveries, and a release."""

    horizon: Horizon
    today: date
    on_shelf: int = 0
    releases_on: date | None = None

    def promise_for(self, unit: int) -> Promise:
        """When the ``unit``-th unit of the line (counted from 1) may leave: first what is on the shelf, then delivery by delivery.

        Not before the release; where nothing is announced yet, the release itself is the date.
        """
        if unit <= self.on_shelf:
            here: Promise = Window(earliest=self.today, latest=self.today, confidence=Confidence.FIRM)
        else:
            here = self.horizon.promise_for(unit - self.on_shelf, today=self.today)
        return not_before_release(here, self.releases_on, today=self.today)


def not_before_release(promise: Promise, releases_on: date | None, *, today: date) -> Promise:
    if releases_on is None or releases_on <= today or promise == OVERDUE:
        return promise
    if isinstance(promise, Window):
        return promise.not_before(releases_on)
    return Window(earliest=releases_on, latest=releases_on, source=Source.RELEASE)


def horizon_of(supplies: Iterable[Supply]) -> Horizon:
    """This will put deliveries in the order in which they serve the line: by latest day, then earliest, then id."""
    ordered = tuple(
        sorted(
            (supply for supply in supplies if supply.units > 0),
            key=lambda supply: (supply.window.latest, supply.window.earliest, supply.delivery_id),
        )
    )
    return Horizon(supplies=ordered, totals=tuple(accumulate(supply.units for supply in ordered)))
