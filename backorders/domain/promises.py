"""Which delivery serves which place in the line: one cumulative axis of units and a binary search.

Deliveries in the order of their last day, and lines in the order in which they are served, are laid end to end along the
same axis of units: first what is on the shelf, then delivery by delivery. A line that stands behind ``n`` units and needs
``q`` holds the units ``n + 1`` to ``n + q``; whatever lies over them on the axis brings them. That is available to promise
(ATP) with the queue counted in, and for a queue that takes everything as soon as it comes it is exact: it says what handing
out unit by unit would do if every delivery kept its window.

Pins come first: a line pinned to a delivery takes its units out of that delivery, in the line's order, and the axis is what
is left. What does not fit there, or is pinned to a delivery that is not expected, stands in the ordinary line at its place.

A line that wants nothing before some day keeps its place, and its units are set aside when its turn comes; nobody behind it
is served from them in the meantime. So no delivery is looked ahead to, and the axis stays one axis.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate
from typing import NamedTuple, Protocol

from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Promise, Source, Window, honest


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Units still to come with one delivery, of which ``pinned`` go to lines that wait for this very delivery."""

    units: int
    window: Window
    delivery_id: int = 0
    pinned: int = 0

    @property
    def free(self) -> int:
        """What the ordinary line takes of it."""
        return max(0, self.units - self.pinned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line of the queue. ``asked_on``: the day it was placed; ``not_before``: it wants nothing earlier."""

    line_id: int
    needs: int
    not_before: date | None = None
    asked_on: date | None = None
    pinned_to: int | None = None


class Part(NamedTuple):
    """Units that come together. ``delivery_id`` is 0 for the shelf and ``None`` for what nobody has announced yet."""

    delivery_id: int | None
    units: int


class Promised(NamedTuple):
    """When a line gets its first units and when its last, and what comes with which delivery, in the order of the axis."""

    first: Promise
    complete: Promise
    parts: tuple[Part, ...]


class Free(NamedTuple):
    """``free`` of the ``units`` in a delivery nobody waits for."""

    delivery_id: int
    units: int
    free: int


class Workdays(Protocol):
    """What counts as a day; ``domain.calendars.Calendar`` is one."""

    def plus(self, day: date, days: int, /) -> date: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """How long it takes to get what nobody has announced yet, by the shop's own word: so many days of a calendar."""

    days: int
    calendar: Workdays

    def window_for(self, asked_on: date) -> Window:
        day = self.calendar.plus(asked_on, self.days)
        return Window(earliest=day, latest=day, confidence=Confidence.ESTIMATED, source=Source.LEAD_TIME)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The deliveries of one item in the order of their latest day, with the running total of what they leave the ordinary line."""

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

    def units_left(self, unit: int) -> int:
        """Units from the ``unit``-th (counted from 1) to the last of the delivery that brings it; 0 beyond the horizon."""
        place = bisect_left(self.totals, unit)
        return self.totals[place] - unit + 1 if place < len(self.totals) else 0

    def free_by_delivery(self, demand: int) -> tuple[Free, ...]:
        """What ``demand`` (as above) leaves of each delivery: "7 of 40 in May are left"."""
        return tuple(
            Free(supply.delivery_id, supply.units, min(supply.free, max(0, total - demand)))
            for supply, total in zip(self.supplies, self.totals, strict=True)
        )

    @property
    def units(self) -> int:
        """What the ordinary line can take of all deliveries."""
        return self.totals[-1] if self.totals else 0

    @property
    def pinned(self) -> int:
        """What is set aside for pinned lines: the ordinary line is that much shorter than the whole queue."""
        return sum(supply.units - supply.free for supply in self.supplies)

    @property
    def last(self) -> Window | None:
        """When the last unit for the ordinary line comes; ``None`` when nothing does."""
        return self.supplies[bisect_left(self.totals, self.units)].window if self.units else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides when a place in the line is served: units that are here and nobody's yet, deliveries, a release, a lead time.

    ``overdue``: units of deliveries that are late and for which no day can honestly be named. They stand behind all others:
    whatever has a date may well come before them. ``pinned_overdue`` of them go to lines that wait for these very deliveries
    and do not stand in the ordinary line. ``on_shelf`` is below zero where the first units that come belong to nobody in
    line: a safety stock that is not full.
    """

    horizon: Horizon
    today: date
    on_shelf: int = 0
    releases_on: date | None = None
    lead: Lead | None = None
    overdue: int = 0
    pinned_overdue: int = 0

    def promise_for(self, unit: int, *, asked_on: date | None = None, not_before: date | None = None) -> Promise:
        """When the ``unit``-th unit of the line (counted from 1) may leave: first what is on the shelf, then delivery by delivery.

        Beyond the last delivery the lead time counts, from ``asked_on`` (today, when nobody says) and never to a day before
        that delivery, whose units go to those who stand before; without a lead time there is no honest date. Not before the
        release; where nothing is announced yet, the release itself is the date. Nor before the day the line wants it.
        """
        place = -1 if unit <= self.on_shelf else bisect_left(self.horizon.totals, unit - self.on_shelf)
        return _no_earlier(self._promise_at(place, asked_on), not_before)

    def _promise_at(self, place: int, asked_on: date | None = None) -> Promise:
        """The same for all units of one delivery, by its place on the horizon: -1 is the shelf, its length is beyond it."""
        if place >= len(self.horizon.supplies):
            return self._beyond(asked_on or self.today)
        if place < 0:
            found: Promise = Window(earliest=self.today, latest=self.today, confidence=Confidence.FIRM)
        else:
            found = honest(self.horizon.supplies[place].window, today=self.today)
        return not_before_release(found, self.releases_on, today=self.today)

    def _beyond(self, asked_on: date) -> Promise:
        unknown = OVERDUE if self.overdue else NO_DATE
        guess = honest(self.lead.window_for(asked_on), today=self.today) if self.lead else unknown
        last = self.horizon.last
        has_goods = last is not None or self.on_shelf > 0
        if has_goods and not isinstance(guess, Window):
            return guess  # they are all spoken for: the release says nothing about more of them
        promise = not_before_release(guess, self.releases_on, today=self.today)
        return promise if last is None else _no_earlier(promise, last.latest)


def not_before_release(promise: Promise, releases_on: date | None, *, today: date) -> Promise:
    if releases_on is None or releases_on <= today or promise == OVERDUE:
        return promise
    if isinstance(promise, Window):
        return promise.not_before(releases_on)
    return Window(earliest=releases_on, latest=releases_on, source=Source.RELEASE)


def _no_earlier(promise: Promise, day: date | None) -> Promise:
    """This moves a date and creates none; the date still comes from where it came from."""
    if day is None or not isinstance(promise, Window) or day <= promise.earliest:
        return promise
    return _pushed(promise, day)


def _pushed(window: Window, day: date) -> Window:
    return Window(
        earliest=max(window.earliest, day),
        latest=max(window.latest, day),
        confidence=window.confidence,
        source=window.source,
    )


def horizon_of(supplies: Iterable[Supply], queue: Sequence[Claim] = ()) -> Horizon:
    """This will put deliveries in the order in which they serve the line: by latest day, then earliest, then id.

    With the ``queue`` in serving order, what its pinned lines take of each delivery is set aside, and the axis is the one a
    newcomer stands on. Ids are unique.
    """
    expected = [supply for supply in supplies if supply.units > 0]
    pins = _pins_of(queue, expected)
    return _laid_out([_with_pin(supply, pins.units_of) for supply in expected] if pins.shares else expected)


def _laid_out(supplies: list[Supply]) -> Horizon:
    supplies.sort(key=lambda supply: (supply.window.latest, supply.window.earliest, supply.delivery_id))
    return Horizon(supplies=tuple(supplies), totals=tuple(accumulate([supply.free for supply in supplies])))


class _Pins(NamedTuple):
    """What pinned lines take of their own deliveries: units by line id, and units by delivery id."""

    shares: dict[int, int]
    units_of: dict[int, int]


def _pins_of(queue: Sequence[Claim], supplies: Iterable[Supply]) -> _Pins:
    pins = _Pins({}, {})
    pinned = [claim for claim in queue if claim.pinned_to is not None]
    room = {supply.delivery_id: supply.units for supply in supplies} if pinned else {}
    for claim in pinned:
        delivery_id = claim.pinned_to
        assert delivery_id is not None  # noqa: S101 - chosen above, for the type checker
        share = min(claim.needs, room.get(delivery_id, 0))
        if share > 0:
            room[delivery_id] -= share
            pins.shares[claim.line_id] = share
            pins.units_of[delivery_id] = pins.units_of.get(delivery_id, 0) + share
    return pins


def _with_pin(supply: Supply, units_of: Mapping[int, int]) -> Supply:
    pinned = units_of.get(supply.delivery_id, 0)
    return replace(supply, pinned=pinned) if pinned > supply.pinned else supply


def promises_of(*, queue: Sequence[Claim], standing: Standing) -> dict[int, Promised]:
    """This will say for every line of ``queue``, in serving order, when its first and its last units come, and with what.

    ``complete`` is the day by which all of the line is here; it is unknown when that of any unit is. Pins are taken from
    ``queue``, whether the horizon knows them already or not. One pass; lines that need nothing are left out.
    """
    pins = _pins_of(queue, standing.horizon.supplies)
    walk = _Walk(_with_pins(standing, pins))
    return {claim.line_id: walk.serve(claim, pins.shares.get(claim.line_id, 0)) for claim in queue if claim.needs > 0}


def newcomer(
    *, standing: Standing, after: int, needs: int, asked_on: date | None = None, not_before: date | None = None
) -> Promised:
    """This will say the same for an order of ``needs`` units behind ``after`` units of the ordinary line.

    For an item with pins the horizon is ``horizon_of(supplies, queue)``, and ``after`` is what the whole queue needs less
    ``horizon.pinned``.
    """
    claim = Claim(line_id=0, needs=needs, asked_on=asked_on, not_before=not_before)
    return _Walk(standing, after).serve(claim, 0)


def _with_pins(standing: Standing, pins: _Pins) -> Standing:
    supplies = standing.horizon.supplies
    known = [_with_pin(supply, pins.units_of) for supply in supplies] if pins.shares else list(supplies)
    return standing if tuple(known) == supplies else replace(standing, horizon=_laid_out(known))


class _Walk:
    """A walk along the axis, line by line; what a delivery promises is worked out once.

    A place is an index on the horizon, as for ``Standing``. Positions count units from the end of the shelf.
    """

    def __init__(self, standing: Standing, after: int = 0) -> None:
        self._standing, self._horizon = standing, standing.horizon
        self._position = after - standing.on_shelf
        self._place = -1 if self._position < 0 else bisect_right(self._horizon.totals, self._position)
        self._known: dict[int, Promise] = {}
        self._beyond: dict[date | None, Promise] = {}
        self._places: dict[int, int] = {}

    def serve(self, claim: Claim, pinned: int = 0) -> Promised:
        """This will give a line that has ``pinned`` units of its own delivery the next units of the axis for the rest."""
        spans = self._take(claim.needs - pinned)
        if len(spans) == 1 and not pinned:
            place, units = spans[0]
            promise = self._promise(place, claim)
            return Promised(promise, promise, (Part(self._delivery(place), units),))
        promises = [self._promise(place, claim) for place, _ in spans]
        if not pinned:
            return Promised(promises[0], order_promise(promises), self._parts(spans))
        own = self._place_of(claim.pinned_to)
        promise = self._promise(own, claim)
        first = _sooner(promise, promises[0]) if promises else promise
        return Promised(first, order_promise([promise, *promises]), self._parts(sorted([(own, pinned), *spans])))

    def _take(self, units: int) -> list[tuple[int, int]]:
        """The next units of the axis, as places with what they give."""
        totals, place, start = self._horizon.totals, self._place, self._position
        end, beyond = start + units, len(totals)
        spans: list[tuple[int, int]] = []
        while start < end:
            limit = end if place == beyond else 0 if place < 0 else totals[place]
            stop = limit if limit < end else end
            if stop > start:
                spans.append((place, stop - start))
                start = stop
            if start == limit and place < beyond:
                place += 1
        self._place, self._position = place, end
        return spans

    def _promise(self, place: int, claim: Claim) -> Promise:
        asked_on = claim.asked_on
        if place < len(self._horizon.totals):
            promise = self._known.get(place)
            if promise is None:
                promise = self._known[place] = self._standing._promise_at(place)
        else:
            promise = self._beyond.get(asked_on)
            if promise is None:
                promise = self._beyond[asked_on] = self._standing._promise_at(place, asked_on)
        return promise if claim.not_before is None else _no_earlier(promise, claim.not_before)

    def _parts(self, spans: list[tuple[int, int]]) -> tuple[Part, ...]:
        return tuple([Part(self._delivery(place), units) for place, units in spans])

    def _delivery(self, place: int) -> int | None:
        if place < 0:
            return 0
        return self._horizon.supplies[place].delivery_id if place < len(self._horizon.supplies) else None

    def _place_of(self, delivery_id: int | None) -> int:
        if not self._places:
            self._places = {supply.delivery_id: place for place, supply in enumerate(self._horizon.supplies)}
        return self._places[delivery_id or 0]


def _sooner(one: Promise, other: Promise) -> Promise:
    windows = [promise for promise in (one, other) if isinstance(promise, Window)]
    if windows:
        return min(windows, key=lambda window: (window.latest, window.earliest))
    return OVERDUE if OVERDUE in (one, other) else NO_DATE


def order_promise(promises: Iterable[Promise]) -> Promise:
    """This will say when all of it is here: the last of the windows, and not before any of them begins.

    ``OVERDUE`` when any of them is, else ``NO_DATE`` when any of them is, or when there are none. Of equal windows the
    least certain one speaks.
    """
    known = list(promises)
    if OVERDUE in known:
        return OVERDUE
    windows = [promise for promise in known if isinstance(promise, Window)]
    if len(windows) < max(1, len(known)):
        return NO_DATE
    last = max(windows, key=lambda window: (window.latest, window.earliest, _DOUBT[window.confidence], window.source))
    begins = max(window.earliest for window in windows)
    return last if begins <= last.earliest else _pushed(last, begins)


_DOUBT = {confidence: doubt for doubt, confidence in enumerate(Confidence)}
