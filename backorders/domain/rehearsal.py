"""A dress rehearsal of honest windows: invented suppliers, the real code, and how often its promises hold.

It proves the mechanism in a world whose truth is known. What holds in a shop, ``lateness.calibration`` shows on the shop's
own deliveries. Everything here follows from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import islice
from math import exp
from random import Random
from statistics import fmean, pstdev

from backorders.domain.calendars import Calendar
from backorders.domain.lateness import (
    TARGET,
    Observation,
    PastDelivery,
    adapted_level,
    lateness_of,
    learned,
    observed,
    pinball_loss,
)
from backorders.domain.windows import Promise, Window

HISTORIES = (0, 2, 5, 10, 30, 100)
"""How many deliveries of its own a supplier has when it is asked for a date."""

CALLED_OFF = 0.06
"""The share of deliveries that never come, in the worlds where some do not."""

DRIFT = 6
"""By how many open days a supplier becomes later, and stays so."""

_SUPPLIERS = 25
_DRIFTING_SUPPLIERS = 3
_BEFORE_DRIFT, _AFTER_DRIFT = 100, 60
_TRIES = 100
_TODAY = date(2026, 3, 2)
_DUE = Window(earliest=date(2026, 3, 20), latest=date(2026, 3, 20))
_CALENDAR = Calendar(closed_weekdays=frozenset({5, 6}), closed_days=frozenset({date(2026, 4, 6), date(2026, 5, 1)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How P80 holds for suppliers with ``n_own`` deliveries.

    ``coverage``: the share of promises kept, the mean of all suppliers. ``sd``: how far they differ. ``pinball``: in open
    days, see ``lateness.pinball_loss``. ``stated``: the share of the suppliers' own dates that hold.
    """

    n_own: int
    coverage: float
    sd: float
    pinball: float
    stated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Promises one by one. ``coverage``: the share kept of those that named a date; what never came is broken.

    ``silent``: the share without a date. ``past``: how many named a day that was over. ``farthest``: the most days from
    the promise to its last day.
    """

    trials: int
    coverage: float
    silent: float
    past: int
    farthest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """``rows``: by length of history. ``drift``: the 60 deliveries after a supplier became 6 open days later.

    ``overdue``: new dates for deliveries 1 to 10 open days late. ``called_off`` and ``overdue_called_off``: fresh and new
    dates where 6 % of deliveries never come.
    """

    rows: list[Row]
    drift: Tried
    overdue: Tried
    called_off: Tried
    overdue_called_off: Tried


def rehearse(*, seed: int, repetitions: int) -> Rehearsal:
    """This will try P80 in ``repetitions`` invented worlds of 25 suppliers for each figure; 20 take some 10 seconds."""

    def dice(part: str) -> Random:
        return Random(f"{seed} {part}")  # noqa: S311 - a simulation, no secret; each part is its own so that none moves another

    return Rehearsal(
        rows=[_row(n_own, dice(f"own {n_own}"), repetitions) for n_own in HISTORIES],
        drift=_tried(_drifting(dice("drift"), repetitions)),
        overdue=_tried(_overdue(dice("overdue"), repetitions)),
        called_off=_tried(_fresh(dice("called off"), repetitions, called_off=CALLED_OFF)),
        overdue_called_off=_tried(_overdue(dice("overdue, called off"), repetitions, called_off=CALLED_OFF)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Supplier:
    """Early or late by habit, more or less regular, and one delivery in eight gets stuck: a heavy tail."""

    bias: float
    spread: float
    called_off: float

    def delivery(self, stated: Window, dice: Random) -> PastDelivery:
        is_lost = dice.random() < self.called_off
        return PastDelivery(
            announced_on=stated.latest - timedelta(days=30),
            stated=stated,
            closed_on=_CALENDAR.plus(stated.latest, dice.randint(-10, 10) if is_lost else self.days_late(dice)),
            is_lost=is_lost,
        )

    def days_late(self, dice: Random) -> int:
        stuck = dice.expovariate(1 / (5 * self.spread)) if dice.random() < 1 / 8 else 0.0
        return round(dice.gauss(self.bias, self.spread) + stuck)

    def history(self, weeks: int, dice: Random) -> list[Observation]:
        """What is known today of deliveries that were due once a week; late ones may still be open."""
        due = (_TODAY - timedelta(weeks=ago) for ago in range(weeks, 0, -1))
        past = [self.delivery(Window(earliest=day, latest=day), dice) for day in due]
        return observed(past, on=_TODAY, calendar=_CALENDAR)


@dataclass(slots=True, kw_only=True)
class _Shop:
    """What a shop knows of one supplier and of its others."""

    supplier: _Supplier
    own: list[Observation]
    pool: list[list[Observation]]

    def promises(self) -> Callable[[Window], Promise]:
        """What it says today of a stated window."""
        level = adapted_level(self.own, pool=self.pool)
        lateness = lateness_of(self.own, pool=self.pool)
        return partial(learned, lateness=lateness, level=level, today=_TODAY, calendar=_CALENDAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """A promise, and what came of it."""

    promise: Promise
    past: PastDelivery

    @property
    def is_kept(self) -> bool:
        return isinstance(self.promise, Window) and self.past.is_here_by(self.promise.latest)


def _shops(dice: Random, *, worlds: int, n_own: int, called_off: float = 0.0) -> Iterator[_Shop]:
    """Worlds of 25 suppliers of all kinds; each is asked in turn, with 15 deliveries of each of the others as its pool."""
    for _ in range(worlds):
        suppliers = [
            _Supplier(bias=dice.gauss(0.5, 2.1), spread=2.5 * exp(dice.gauss(0, 0.4)), called_off=called_off)
            for _ in range(_SUPPLIERS)
        ]
        histories = [supplier.history(15, dice) for supplier in suppliers]
        for place, supplier in enumerate(suppliers):
            pool = histories[:place] + histories[place + 1 :]
            yield _Shop(supplier=supplier, own=supplier.history(n_own, dice), pool=pool)


def _fresh(dice: Random, worlds: int, *, n_own: int = 30, called_off: float = 0.0) -> Iterator[_Try]:
    """100 new deliveries of each supplier, all promised today."""
    for shop in _shops(dice, worlds=worlds, n_own=n_own, called_off=called_off):
        promise = shop.promises()(_DUE)
        for _ in range(_TRIES):
            yield _Try(promise=promise, past=shop.supplier.delivery(_DUE, dice))


def _drifting(dice: Random, worlds: int) -> Iterator[_Try]:
    """Three suppliers of each world become later overnight; each delivery is known before the next is promised."""
    for _ in range(worlds):
        for shop in islice(_shops(dice, worlds=1, n_own=_BEFORE_DRIFT), _DRIFTING_SUPPLIERS):
            yield from _deliveries_after_drift(shop, dice)


def _deliveries_after_drift(shop: _Shop, dice: Random) -> Iterator[_Try]:
    for _ in range(_AFTER_DRIFT):
        days = shop.supplier.days_late(dice) + DRIFT
        came = PastDelivery(announced_on=_TODAY, stated=_DUE, closed_on=_CALENDAR.plus(_DUE.latest, days))
        yield _Try(promise=shop.promises()(_DUE), past=came)
        shop.own.append(Observation(days=days))


def _overdue(dice: Random, worlds: int, *, called_off: float = 0.0) -> Iterator[_Try]:
    """Deliveries that are 1 to 10 open days late and not here today: drawn until that is so, a few of each supplier."""
    for shop in _shops(dice, worlds=worlds, n_own=30, called_off=called_off):
        promise = shop.promises()
        for _ in range(_TRIES // 5):
            due = _CALENDAR.plus(_TODAY, -dice.randint(1, 10))
            past = shop.supplier.delivery(Window(earliest=due, latest=due), dice)
            if past.seen_on(_TODAY, calendar=_CALENDAR).is_open:
                yield _Try(promise=promise(past.stated), past=past)


def _row(n_own: int, dice: Random, worlds: int) -> Row:
    tries = _fresh(dice, worlds, n_own=n_own)
    by_supplier = [list(islice(tries, _TRIES)) for _ in range(worlds * _SUPPLIERS)]
    coverages = [fmean(each.is_kept for each in group) for group in by_supplier]
    everything = [each for group in by_supplier for each in group]
    return Row(
        n_own=n_own,
        coverage=fmean(coverages),
        sd=pstdev(coverages),
        pinball=fmean(_losses(everything)),
        stated=fmean(each.past.is_here_by(each.past.stated.latest) for each in everything),
    )


def _losses(tries: Iterable[_Try]) -> Iterator[float]:
    for each in tries:
        if isinstance(each.promise, Window) and each.past.closed_on is not None:
            yield pinball_loss(_CALENDAR.between(each.promise.latest, each.past.closed_on), TARGET)


def _tried(tries: Iterable[_Try]) -> Tried:
    tries = list(tries)
    named = [(each, each.promise) for each in tries if isinstance(each.promise, Window)]
    return Tried(
        trials=len(tries),
        coverage=fmean(each.is_kept for each, _ in named),
        silent=1 - len(named) / len(tries),
        past=sum(window.earliest < _TODAY for _, window in named),
        farthest=max((window.latest - _TODAY).days for _, window in named),
    )
