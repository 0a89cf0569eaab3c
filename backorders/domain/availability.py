"""The one decision: from a frozen snapshot of an item to the state everybody shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from backorders.domain.promises import not_before_release
from backorders.domain.terms import NO_TERMS, Policy, Terms
from backorders.domain.units import NO_UNITS, Units
from backorders.domain.windows import NO_DATE, Confidence, Promise, Source, Window, honest
from backorders.errors import MOST_UNITS


class State(StrEnum):
    IN_STOCK = "in_stock"
    LOW_STOCK = "low_stock"
    BACKORDER = "backorder"
    PREORDER = "preorder"
    COMING_SOON = "coming_soon"
    OUT_OF_STOCK = "out_of_stock"
    DISCONTINUED = "discontinued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the decision looks at.

    ``on_shelf``: what the shop reports. ``held``: units on that shelf that belong to somebody. ``on_hold``: units put aside
    for people who were told, of which ``own`` for whoever asks. ``queued``: units ordered
    and not yet given, of which ``pinned`` come from deliveries of their own. ``inbound``: units announced. ``promise``:
    when the next unit after the queue would come. ``dates_kept``: see ``Availability``. Instants are aware.
    """

    on_shelf: Units
    held: int = 0
    on_hold: int = 0
    own: int = 0
    queued: int = 0
    pinned: int = 0
    inbound: int = 0
    terms: Terms = NO_TERMS
    opens_at: datetime | None = None
    releases_at: datetime | None = None
    is_discontinued: bool = False
    is_visible: bool = True
    promise: Promise = NO_DATE
    dates_kept: int | None = None

    def is_out(self, now: datetime) -> bool:
        """May it be sold as here? Not before its release, nor while it is only announced and nobody knows when that will be."""
        if self.releases_at is None:
            return self.terms.policy is not Policy.ANNOUNCED
        return self.releases_at <= now

    @property
    def owed(self) -> int:
        """Units of the shelf that somebody has, or stands in line for."""
        return self.held + self.on_hold + self.queued - self.pinned

    @property
    def free(self) -> Units:
        """Units on the shelf that are nobody's and not kept back, and those put aside for whoever asks, as far as they are there."""
        free = self.on_shelf.less(self.owed + self.terms.safety_stock)
        if not self.own or free.is_unlimited:
            return free
        return Units(self.on_shelf.less(self.held).at_most(free.value + self.own))

    @property
    def uncovered(self) -> int:
        """Units that are owed, or kept back, and not on the shelf: they have to come first."""
        wanted = self.owed + self.terms.safety_stock
        return wanted - self.on_shelf.at_most(wanted)


@dataclass(frozen=True, slots=True)
class Availability:
    """What a shopper may know and do.

    ``for_sale``: units that can leave now. ``to_order``: units that can be ordered beyond those. ``window``: when such an
    order would come, or ``NO_DATE``. ``opens_at`` and ``releases_at`` are aware instants of a pre-order. ``terms``: least
    and most per order, the limit per customer, and why it is not here. ``more``: of a low shelf, when more comes, whether
    or not it can be ordered ahead. ``is_full``: it may be ordered ahead, and all that may be is taken. ``dates_kept``: of the
    last ten deliveries of its usual supplier, how many came by the day that would have been named; ``None`` where there are
    fewer, or the window is no delivery's.
    """

    state: State
    for_sale: Units = NO_UNITS
    to_order: Units = NO_UNITS
    window: Promise = NO_DATE
    opens_at: datetime | None = None
    releases_at: datetime | None = None
    terms: Terms = NO_TERMS
    more: Promise = NO_DATE
    is_full: bool = False
    dates_kept: int | None = None

    @property
    def is_made_to_order(self) -> bool:
        return self.state is State.BACKORDER and self.terms.policy is Policy.MADE_TO_ORDER

    @property
    def reason(self) -> str:
        """Why it is not here, in the shop's own words; empty while it is."""
        return "" if self.for_sale else self.terms.reason

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
        return not self.is_made_to_order and self.state not in (State.IN_STOCK, State.LOW_STOCK, State.DISCONTINUED)

    def covers(self, quantity: int) -> bool:
        return self.orderable.covers(quantity)


def for_sale(snapshot: Snapshot, *, now: datetime) -> Units:
    """Units that can be sold and leave now: what is on the shelf, less what others have or stand in line for, less the safety stock.

    Nothing leaves before its release.
    """
    if not snapshot.is_visible or not snapshot.is_out(now):
        return NO_UNITS
    return snapshot.free


def decide(snapshot: Snapshot, *, now: datetime, today: date) -> Availability:
    """This will name the state of an item. ``today`` is the shop's calendar day at ``now``."""
    terms, units = snapshot.terms, for_sale(snapshot, now=now)
    if units:
        is_low = not units.is_unlimited and units.value <= terms.low_stock_at
        room = _backorderable(snapshot)
        promise = honest(snapshot.promise, today=today) if room or is_low else NO_DATE
        state, window = State.LOW_STOCK if is_low else State.IN_STOCK, promise if room else NO_DATE
        return Availability(state, units, room, window, terms=terms, more=promise if is_low else NO_DATE)
    if not snapshot.is_visible:
        return Availability(State.OUT_OF_STOCK, terms=terms)
    if snapshot.is_discontinued:
        return Availability(State.DISCONTINUED, terms=terms)
    if not snapshot.is_out(now):
        return _before_release(snapshot, now=now, today=today)
    window = honest(snapshot.promise, today=today)
    room = _backorderable(snapshot)
    if room:
        return Availability(State.BACKORDER, NO_UNITS, room, window, terms=terms, dates_kept=_kept(snapshot, window))
    is_full = terms.policy.takes_orders and snapshot.queued > 0
    return Availability(State.OUT_OF_STOCK, NO_UNITS, room, window, terms=terms, is_full=is_full)


def _kept(snapshot: Snapshot, window: Promise) -> int | None:
    """A supplier's record says nothing of a day that comes from nothing but a lead time."""
    is_delivery = isinstance(window, Window) and window.source is Source.DELIVERY
    return snapshot.dates_kept if is_delivery else None


def _backorderable(snapshot: Snapshot) -> Units:
    """A pre-order that was released goes on as a backorder: there is no second allocation system."""
    if not snapshot.terms.policy.takes_orders or snapshot.is_discontinued:
        return NO_UNITS
    return _room(snapshot)


def _room(snapshot: Snapshot) -> Units:
    """Units that may still be owed: up to the limit, and, where only announced goods are sold, up to what is on its way."""
    terms = snapshot.terms
    room = terms.backorder_limit.less(snapshot.queued)
    if not terms.only_inbound or terms.policy is Policy.MADE_TO_ORDER:
        return room
    coming = max(0, snapshot.inbound - snapshot.pinned - snapshot.uncovered)
    return Units(room.at_most(coming))


def _before_release(snapshot: Snapshot, *, now: datetime, today: date) -> Availability:
    if snapshot.releases_at is None:
        return Availability(State.COMING_SOON, terms=snapshot.terms)
    here = Window(earliest=today, latest=today, confidence=Confidence.FIRM)
    promise = here if snapshot.free else honest(snapshot.promise, today=today)
    window = not_before_release(promise, snapshot.releases_at.date(), today=today)
    is_open = snapshot.terms.policy is Policy.PREORDER and (snapshot.opens_at is None or snapshot.opens_at <= now)
    room = _room_before_release(snapshot) if is_open else NO_UNITS
    state = State.PREORDER if room else State.COMING_SOON
    return Availability(state, NO_UNITS, room, window, snapshot.opens_at, snapshot.releases_at, snapshot.terms)


def _room_before_release(snapshot: Snapshot) -> Units:
    """As after it, but goods that are here already cannot leave, so they are ordered like goods on their way."""
    room = _room(snapshot)
    if not snapshot.terms.only_inbound:
        return room
    limit = snapshot.terms.backorder_limit.less(snapshot.queued)
    return Units(limit.at_most(room.plus(snapshot.free).at_most(MOST_UNITS)))
