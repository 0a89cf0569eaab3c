"""Honest windows: how late deliveries really come, and what may be said about the next one.

A supplier's own history says most, the other suppliers' fill in where it is short, deliveries that are overdue and still
on their way count for what they have shown so far, and those that were called off count as never. Firm, estimated and
guessed dates are three worlds: whoever calls gives histories of one confidence only, never mixed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from math import sqrt
from statistics import fmean

from backorders.domain.calendars import Calendar
from backorders.domain.windows import NO_DATE, OVERDUE, Promise, Window, honest

TARGET = 0.8
"""The share of promises a shop means to keep."""

EARLY = 0.2
"""The share of deliveries that may come before the first day of a window."""

FEWEST = 5
"""With fewer observations nothing is learned and the stated window stands: four cannot show what happens once in five times."""

RECENT = 30
"""How many of a supplier's latest deliveries speak for it."""

PER_SUPPLIER = 15
"""How many of each other supplier's: a big one must not drown the rest."""

POOL_WEIGHT = 8
"""The others together weigh as much as this many deliveries of the supplier's own."""

REPLAYED = 60
"""How many deliveries the level of the next promise learns from."""

GAMMA = 0.03
"""How far one kept or broken promise moves that level."""

LEVELS = (0.5, TARGET, 0.95)
"""What staff see of how promises were kept."""

_LEAST, _MOST = 0.5, 0.99
_NOTHING = 1e-9
"""Sums of weights are floats: below this is zero, and a share this near to a level has reached it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One delivery, in open days after its stated latest day; negative is early.

    ``days``: when the first unit came. ``is_open``: it has not, and ``days`` is the last whole open day without it
    (right-censored). ``is_lost``: it never will, and ``days`` is when it was called off.
    """

    days: int
    is_open: bool = False
    is_lost: bool = False


@dataclass(slots=True)
class _Day:
    """The weight of what was seen at one lateness."""

    came: float = 0.0
    still_open: float = 0.0
    lost: float = 0.0
    count: int = 0


@dataclass(slots=True)
class _Tally:
    """Observations by lateness; a replay moves it along a supplier's history."""

    unseen: float
    count: int = 0
    weight: float = 0.0
    days: dict[int, _Day] = field(default_factory=dict)

    @classmethod
    def of(cls, own: Iterable[Observation], pool: Iterable[Sequence[Observation]]) -> _Tally:
        others = [seen for each in pool for seen in each[-PER_SUPPLIER:]]
        pool_weight = min(POOL_WEIGHT, len(others))
        tally = cls(unseen=1 - pool_weight / POOL_WEIGHT)
        if others:
            tally.add(*others, weight=pool_weight / len(others))
        tally.add(*own)
        return tally

    def add(self, *observations: Observation, weight: float = 1.0, count: int = 1) -> None:
        """Hundreds at a time, for every delivery that is replayed."""
        days = self.days
        for seen in observations:
            day = days.get(seen.days)
            if day is None:
                day = days[seen.days] = _Day()
            day.count += count
            if seen.is_lost:
                day.lost += weight
            elif seen.is_open:
                day.still_open += weight
            else:
                day.came += weight
        self.count += count * len(observations)
        self.weight += weight * len(observations)

    def forget(self, seen: Observation) -> None:
        self.add(seen, weight=-1.0, count=-1)

    def quantile(self, level: float) -> int | None:
        """That of ``lateness()``, from the early end and no further than needed: a replay asks dozens of times."""
        level = _cautious(level, weight=self.weight, unseen=self.unseen) - _NOTHING
        at_risk, awaited = self.weight, 1.0
        for lateness, day in sorted(self.days.items()):
            if day.came > _NOTHING:
                awaited *= 1 - day.came / at_risk
                if 1 - awaited >= level:
                    return lateness
            at_risk -= day.came + day.still_open
        return None

    def lateness(self) -> Lateness:
        return _lateness(sorted(self.days.items()), unseen=self.unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """The share of deliveries that come at most so many open days after their stated latest day.

    A Kaplan–Meier step function over weighted observations (Kaplan & Meier 1958). ``count``: how many there are.
    ``weight``: what they weigh. ``days`` and ``shares``: where the function steps, and up to where. The shares end below 1
    when some never came, or when none that came was as late as one that is still open.
    """

    days: tuple[int, ...]
    shares: tuple[float, ...]
    count: int
    weight: float
    _unseen: float = field(repr=False)
    """The weight of the next delivery, which nobody has seen: 1 without a pool, 0 with a full one."""
    _tally: tuple[tuple[int, _Day], ...] = field(repr=False)
    """What was seen at which lateness, ascending."""

    def quantile(self, level: float) -> int | None:
        """This will return the first lateness that a share ``level`` of deliveries does not exceed.

        ``None``: there is no honest number, since too many never came or are still open. Where there is little to lean on
        besides the supplier's own deliveries, the next one counts among them (split conformal: rank ceil(level (n + 1)),
        at most the latest seen; Vovk, Gammerman & Shafer 2005), for n of them promise less than they seem to.
        """
        level = _cautious(level, weight=self.weight, unseen=self._unseen)
        place = bisect_left(self.shares, level - _NOTHING)
        return self.days[place] if place < len(self.days) else None

    def beyond(self, days: int) -> Lateness:
        """This will return the lateness of deliveries that were still awaited when ``days`` open days were over.

        It leaves out what had come or had been called off by then; every quantile of it is later than ``days``.
        """
        if not self._tally or days < self._tally[0][0]:
            return self
        return _lateness([(day, seen) for day, seen in self._tally if day > days], unseen=self._unseen)


def _lateness(tally: Sequence[tuple[int, _Day]], *, unseen: float) -> Lateness:
    days, shares = _curve(tally)
    return Lateness(
        days=tuple(days),
        shares=tuple(shares),
        count=sum(seen.count for _, seen in tally),
        weight=sum(seen.came + seen.still_open + seen.lost for _, seen in tally),
        _unseen=unseen,
        _tally=tuple(tally),
    )


def _curve(tally: Sequence[tuple[int, _Day]]) -> tuple[list[int], list[float]]:
    """Kaplan–Meier: at each lateness the share of those still awaited that came. What is lost is awaited for ever.

    Those at risk are summed from the late end, so that the last step of a full history is exactly 1.
    """
    at_risk = 0.0
    for _, seen in tally:
        at_risk += seen.lost
    steps = []
    for day, seen in reversed(tally):
        came = seen.came
        at_risk += came + seen.still_open
        if came > _NOTHING:
            steps.append((day, 1 - came / at_risk))
    days, shares, awaited = [], [], 1.0
    for day, staying in reversed(steps):
        awaited *= staying
        days.append(day)
        shares.append(1 - awaited)
    return days, shares


def _cautious(level: float, *, weight: float, unseen: float) -> float:
    return min(1.0, level * (weight + unseen) / weight) if level > 0.5 and weight > _NOTHING else level


def _moved(level: float, said: int | None, seen: Observation, *, target: float, gamma: float) -> float:
    """The next level. Where no date was named no promise was broken: the level falls back to the target, and no further."""
    if said is None:
        return min(level, max(target, level - gamma * (1 - target)))
    if seen.is_open and seen.days < said:
        return level
    is_kept = not seen.is_lost and not seen.is_open and seen.days <= said
    return min(max(level + gamma * (target - is_kept), _LEAST), _MOST)


def lateness_of(own: Sequence[Observation], *, pool: Iterable[Sequence[Observation]] = ()) -> Lateness:
    """This will learn how late one supplier comes: F = (n F_own + m F_pool) / (n + m), as one Kaplan–Meier curve.

    ``own``: its deliveries of one confidence, oldest first, of which the last 30 count. ``pool``: the same of each *other*
    supplier, the last 15 of each. m is 8, or the size of the pool where that is smaller. Without censored deliveries this
    is exactly the formula; with them, a tail the supplier has not shown yet comes from the pool.
    """
    return _Tally.of(own[-RECENT:], pool).lateness()


def adapted_level(
    own: Sequence[Observation],
    *,
    pool: Iterable[Sequence[Observation]] = (),
    target: float = TARGET,
    gamma: float = GAMMA,
) -> float:
    """This will return the level to promise at, so that a share ``target`` of promises is kept when a supplier changes.

    Adaptive conformal inference (Gibbs & Candès 2021): replays the last 60 of ``own`` (oldest first) with what was known
    before each; a broken promise raises the level by ``gamma * target``, a kept one lowers it by ``gamma * (1 - target)``.
    Stays within [.5, .99]. Takes about a millisecond: once a supplier and day, not once a page.
    """
    level = target
    start = max(0, len(own) - REPLAYED)
    known = _Tally.of(own[max(0, start - RECENT) : start], pool)
    for place in range(start, len(own)):
        if known.count >= FEWEST:
            level = _moved(level, known.quantile(level), own[place], target=target, gamma=gamma)
        known.add(own[place])
        if place >= RECENT:
            known.forget(own[place - RECENT])
    return level


def learned(window: Window, *, lateness: Lateness | None, level: float, today: date, calendar: Calendar) -> Promise:
    """This will say when a delivery stated for ``window`` may honestly be expected, given that it has not come before ``today``.

    From P20 to P``level`` of its lateness, counted in open days of ``calendar`` from the stated latest day; never a past
    date. ``today`` is the shop's. ``NO_DATE``, or ``OVERDUE`` once the stated window is over, when too many like it never
    came. When fewer than 5 like it are known (or ``lateness`` is ``None``) nothing is learned: the stated window stands as
    long as it is not over.
    """
    rest = lateness.beyond(calendar.between(window.latest, today) - 1) if lateness is not None else None
    if rest is None or rest.count < FEWEST:
        return honest(window, today=today)
    early, late = rest.quantile(EARLY), rest.quantile(level)
    if early is None or late is None:
        return OVERDUE if window.is_over(today) else NO_DATE
    return Window(
        earliest=max(today, calendar.plus(window.latest, early)),
        latest=max(today, calendar.plus(window.latest, late)),
        confidence=window.confidence,
        source=window.source,
    )


# -- how promises were kept ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDelivery:
    """A delivery as it was announced and as it ended; days of the shop's time zone.

    ``stated``: the window in force when it was announced; dates edited the day before arrival must not flatter a supplier.
    ``closed_on``: when its first unit came or, ``is_lost``, when it was called off; ``None`` while it is on its way.
    """

    announced_on: date
    stated: Window
    closed_on: date | None = None
    is_lost: bool = False

    def seen_on(self, day: date, *, calendar: Calendar) -> Observation:
        """This will return what was known of it when ``day`` began."""
        if self.closed_on is None or self.closed_on >= day:
            return Observation(days=calendar.between(self.stated.latest, day) - 1, is_open=True)
        return Observation(days=calendar.between(self.stated.latest, self.closed_on), is_lost=self.is_lost)

    def is_here_by(self, day: date) -> bool:
        """Did its first unit come on ``day`` or before?"""
        return self.closed_on is not None and not self.is_lost and self.closed_on <= day


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What would have been said of one delivery when it was announced, by level."""

    past: PastDelivery
    said: Mapping[float, Promise]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How promises at one level were kept.

    ``trials``: promises whose last day is over. ``hits``: those kept. ``silent``: deliveries for which no date would have
    been named. ``width``: mean open days from the first to the last day, both included. ``pinball``: mean quantile loss of
    the last day in open days, of deliveries that came.
    """

    level: float
    trials: int
    hits: int
    silent: int = 0
    width: float = 0.0
    pinball: float = 0.0

    @property
    def share(self) -> float:
        return self.hits / self.trials if self.trials else 0.0

    @property
    def low(self) -> float:
        return wilson_interval(self.hits, self.trials)[0]

    @property
    def high(self) -> float:
        return wilson_interval(self.hits, self.trials)[1]


def observed(
    deliveries: Iterable[PastDelivery], *, on: date, calendar: Calendar, most: int = RECENT + REPLAYED
) -> list[Observation]:
    """This will return what a supplier's deliveries had shown when ``on`` began, oldest first, the last ``most`` of them.

    Of each whose stated latest day was over by then, whatever became of it: choosing by the stated day alone favours
    neither the quick nor the slow.
    """
    due = sorted((past for past in deliveries if past.stated.latest < on), key=lambda past: past.stated.latest)
    return [past.seen_on(on, calendar=calendar) for past in due[-most:]]


def replay(
    own: Iterable[PastDelivery],
    *,
    pool: Sequence[Sequence[PastDelivery]],
    calendar: Calendar,
    today: date,
    most: int | None = None,
) -> Iterator[Trial]:
    """This will say of each delivery due before ``today`` what would have been said on the day it was announced.

    With what was known that day, of the supplier and of the others (``pool``), and nothing else. Deliveries announced when
    too little was known to learn from are left out. ``most``: only of the last so many. 1 to 2 ms a delivery with 25 suppliers.
    """
    own = list(own)
    due = [past for past in own if past.stated.latest < today]
    for past in due if most is None else due[-most:]:
        seen = observed(own, on=past.announced_on, calendar=calendar)
        others = [observed(each, on=past.announced_on, calendar=calendar, most=PER_SUPPLIER) for each in pool]
        lateness = lateness_of(seen, pool=others)
        if lateness.count >= FEWEST:
            levels = {level: level for level in LEVELS} | {TARGET: adapted_level(seen, pool=others)}
            named = partial(learned, past.stated, lateness=lateness, today=past.announced_on, calendar=calendar)
            yield Trial(past=past, said={name: named(level=level) for name, level in levels.items()})


def calibration(trials: Iterable[Trial], *, calendar: Calendar, today: date) -> list[Kept]:
    """This will count how promises at P50, P80 and P95 were kept: a row each. P80 is the one shown, adapted as shoppers saw it.

    Counts promises whose last day is over ``today``, so that what is still on its way can neither help nor hurt.
    """
    trials = list(trials)
    return [_kept(level, trials, calendar=calendar, today=today) for level in LEVELS]


RECORD = 10
"""So many dates are a record to speak of."""


def dates_kept(trials: Iterable[Trial], *, today: date) -> int | None:
    """This will count how many of the last ten dates held, of those that would have been named and are over; ``None`` with fewer.

    The newest are those of the deliveries that were announced last.
    """
    said = [(trial.past, trial.said[TARGET]) for trial in sorted(trials, key=lambda trial: trial.past.announced_on)]
    over = [(past, window) for past, window in said if isinstance(window, Window) and window.latest < today]
    last = over[-RECORD:]
    return sum(past.is_here_by(window.latest) for past, window in last) if len(last) == RECORD else None


def _kept(level: float, trials: Sequence[Trial], *, calendar: Calendar, today: date) -> Kept:
    said = [(trial.past, trial.said[level]) for trial in trials]
    named = [(past, window) for past, window in said if isinstance(window, Window) and window.latest < today]
    came = [(past.closed_on, window) for past, window in named if past.closed_on is not None and not past.is_lost]
    return Kept(
        level=level,
        trials=len(named),
        hits=sum(closed_on <= window.latest for closed_on, window in came),
        silent=sum(not isinstance(promise, Window) for _, promise in said),
        width=_mean(calendar.between(window.earliest, window.latest) + 1 for _, window in named),
        pinball=_mean(pinball_loss(calendar.between(window.latest, closed_on), level) for closed_on, window in came),
    )


def pinball_loss(days_late: int, level: float) -> float:
    """This will weigh a miss of the last day by ``days_late`` (negative: too pessimistic) for a promise at ``level``.

    Its mean is least for the true quantile (Koenker & Bassett 1978): what a promise costs in days, too long or too short.
    """
    return days_late * level if days_late > 0 else -days_late * (1 - level)


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return fmean(values) if values else 0.0


def wilson_interval(hits: int, trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """This will return the range in which the true share lies with 95 % confidence (Wilson 1927), (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, spread = hits / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)
