"""The one decision: from a frozen snapshot of an item to the state everybody shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from backorders.domain.promises import not_before_release
from backorders.domain.units import NO_UNITS, UNLIMITED, Units
from backorders.domain.windows import NO_DATE, Confidence, Promise, Window, honest


class State(StrEnum):
    IN_STOCK = "in_stock"
    LOW_STOCK = "low_stock"
    BACKORDER = "backorder"
    PREORDER = "preorder"
    COMING_SOON = "coming_soon"
    OUT_OF_STOCK = "out_of_stock"
    DISCONTINUED = "discontinued"


class Policy(StrEnum):
    """What an empty shelf means."""

    STOP = "stop"
    BACKORDER = "backorder"
    PREORDER = "preorder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the decision looks at.

    ``on_shelf``: what the shop reports. ``held``: units on that shelf that belong to somebody. ``queued``: units ordered
    and not yet given. ``promise``: when the next unit after the queue would come. Instants are aware.
    """

    on_shelf: Units
    held: int = 0
    queued: int = 0
    policy: Policy = Policy.STOP
    backorder_limit: Units = UNLIMITED
    opens_at: datetime | None = None
    releases_at: datetime | None = None
    is_discontinued: bool = False
    is_visible: bool = True
    promise: Promise = NO_DATE
    low_stock_at: int = 0


@dataclass(frozen=True, slots=True)
class Availability:
    """What a shopper may know and do.

    ``for_sale``: units that can leave now. ``to_order``: units that can be ordered beyond those. ``window``: when such an
    order would come, or ``NO_DATE``. ``opens_at`` and ``releases_at`` are aware instants of a pre-order.
    """

    state: State
    for_sale: Units = NO_UNITS
    to_order: Units = NO_UNITS
    window: Promise = NO_DATE
    opens_at: datetime | None = None
    releases_at: datetime | None = None

    @property
    def on_hand(self) -> Units:
        return self.for_sale

    @property
    def orderable(self) -> Units:
        return self.for_sale.plus(self.to_order)

    @property
    def can_order(self) -> bool:
        return bool(self.orderable)

    @property
    def can_subscribe(self) -> bool:
        """Is there something to wait for? Also while backorder is allowed: "tell me when it is really here"."""
        return self.state not in (State.IN_STOCK, State.LOW_STOCK, State.DISCONTINUED)

    def covers(self, quantity: int) -> bool:
        return self.orderable.covers(quantity)


def for_sale(snapshot: Snapshot, *, now: datetime) -> Units:
    """Units that can be sold and leave now: what is on the shelf, less what is held for or owed to others.

    Nothing leaves before its release.
    """
    if not snapshot.is_visible or (snapshot.releases_at is not None and now < snapshot.releases_at):
        return NO_UNITS
    return snapshot.on_shelf.less(snapshot.held + snapshot.queued)


def decide(snapshot: Snapshot, *, now: datetime, today: date) -> Availability:
    """This will name the state of an item. ``today`` is the shop's calendar day at ``now``."""
    units = for_sale(snapshot, now=now)
    if units:
        is_low = not units.is_unlimited and units.value <= snapshot.low_stock_at
        room = _backorderable(snapshot)
        window = honest(snapshot.promise, today=today) if room else NO_DATE
        return Availability(State.LOW_STOCK if is_low else State.IN_STOCK, units, room, window)
    if not snapshot.is_visible:
        return Availability(State.OUT_OF_STOCK)
    if snapshot.is_discontinued:
        return Availability(State.DISCONTINUED)
    if snapshot.releases_at is not None and now < snapshot.releases_at:
        return _before_release(snapshot, now=now, today=today)
    window = honest(snapshot.promise, today=today)
    room = _backorderable(snapshot)
    return Availability(State.BACKORDER if room else State.OUT_OF_STOCK, NO_UNITS, room, window)


def _backorderable(snapshot: Snapshot) -> Units:
    """A pre-order that was released goes on as a backorder: there is no second allocation system."""
    if snapshot.policy is Policy.STOP or snapshot.is_discontinued:
        return NO_UNITS
    return snapshot.backorder_limit.less(snapshot.queued)


def _before_release(snapshot: Snapshot, *, now: datetime, today: date) -> Availability:
    assert snapshot.releases_at is not None  # noqa: S101 - the caller asked
    is_here = bool(snapshot.on_shelf.less(snapshot.held + snapshot.queued))
    here = Window(earliest=today, latest=today, confidence=Confidence.FIRM)
    promise = here if is_here else honest(snapshot.promise, today=today)
    window = not_before_release(promise, snapshot.releases_at.date(), today=today)
    is_open = snapshot.policy is Policy.PREORDER and (snapshot.opens_at is None or snapshot.opens_at <= now)
    room = snapshot.backorder_limit.less(snapshot.queued) if is_open else NO_UNITS
    state = State.PREORDER if room else State.COMING_SOON
    return Availability(state, NO_UNITS, room, window, snapshot.opens_at, snapshot.releases_at)
