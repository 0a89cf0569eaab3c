"""A dress rehearsal of waves: an invented crowd, the real code, and how many come before an empty shelf.

Every policy meets the same crowd: who would buy, and how long each needs, is drawn once for each seed. The shop is new: it
has no past restock, and knows neither how many buy (the truth lies around 3, 12.5 or 50 %) nor how late (log-normal, half within
an hour, one in six within eight minutes, one in six not within seven hours). Ours begins from the first belief, one in six,
and learns from this one restock; it is not told what the truth is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import exp, inf, sqrt
from random import Random
from statistics import fmean, stdev

from backorders.domain.responses import Learned
from backorders.domain.units import Units
from backorders.domain.waves import LOSS, Course, Crowd, Told, next_wave

REGIMES = {"low": 0.03, "mid": 0.125, "hot": 0.5}
"""How many of those who are told buy, on average over the seeds."""

PEOPLE, UNITS = 2000, 50
HOURS = 72
"""So long is watched; what is not sold by then counts as sold at the end."""

OURS, RIVAL = "ours (loss 3 %)", "2 per unit, hourly"

_TICK = 0.25
_MOST_SOLD = 0.9
_ALIKE = 2.0
_SPREAD = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One restock under one policy: share of clicks on an empty shelf, hours until 90 % were sold, share sold."""

    disappointed: float
    hours: float
    sold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of paired differences, and its standard error."""

    mean: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """``runs``: by regime and policy, one for each seed, in the same order everywhere."""

    runs: dict[str, dict[str, list[Run]]]

    def mean(self, regime: str, policy: str) -> Run:
        runs = self.runs[regime][policy]
        return Run(
            disappointed=fmean(run.disappointed for run in runs),
            hours=fmean(run.hours for run in runs),
            sold=fmean(run.sold for run in runs),
        )

    def points_apart(self, regime: str) -> Difference:
        """Ours minus two per unit hourly, in points of clicks disappointed, seed by seed."""
        return self._apart(regime, lambda run: 100 * run.disappointed)

    def hours_apart(self, regime: str) -> Difference:
        return self._apart(regime, lambda run: run.hours)

    def _apart(self, regime: str, what: Callable[[Run], float]) -> Difference:
        ours, rival = self.runs[regime][OURS], self.runs[regime][RIVAL]
        apart = [what(mine) - what(theirs) for mine, theirs in zip(ours, rival, strict=True)]
        return Difference(mean=fmean(apart), error=stdev(apart) / sqrt(len(apart)) if len(apart) > 1 else inf)


def rehearse(*, seed: int, repetitions: int) -> Rehearsal:
    """This will let every policy sell ``repetitions`` restocks of each regime; 100 take some 6 seconds."""
    runs: dict[str, dict[str, list[Run]]] = {}
    for regime, share in REGIMES.items():
        crowds = [_crowd(share, Random(f"{seed} {regime} {n}")) for n in range(repetitions)]  # noqa: S311 - no secret
        runs[regime] = {name: [_run(crowd, policy()) for crowd in crowds] for name, policy in POLICIES.items()}
    return Rehearsal(runs=runs)


def _crowd(share: float, dice: Random) -> list[float]:
    """Hours that each person needs, in the order in which they wait; never, for those who would not buy.

    Restocks differ: the share of buyers is drawn around that of the regime.
    """
    rate = dice.betavariate(_ALIKE, _ALIKE / share - _ALIKE)
    return [exp(dice.gauss(0.0, _SPREAD)) if dice.random() < rate else inf for _ in range(PEOPLE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a policy may look at. ``told``: when (in ticks) and how many; ``bought``: of these."""

    tick: int
    stock: int
    waiting: int
    told: Sequence[tuple[int, int]]
    bought: int


Policy = Callable[[Scene], int]


def _run(crowd: Sequence[float], policy: Policy) -> Run:
    """Every quarter of an hour the policy tells people, while there is stock; they click between."""
    told: list[tuple[int, int]] = []
    coming: list[float] = []
    clicks: list[float] = []
    reached = 0
    for tick in range(int(HOURS / _TICK)):
        stock, now = max(0, UNITS - len(clicks)), tick * _TICK
        if stock and reached < len(crowd):
            size = policy(Scene(tick=tick, stock=stock, waiting=len(crowd) - reached, told=told, bought=len(clicks)))
            for hours in crowd[reached : reached + size]:
                heappush(coming, now + hours)
            if size:
                told.append((tick, size))
            reached = min(len(crowd), reached + size)
        while coming and coming[0] <= now + _TICK:
            clicks.append(heappop(coming))
    return _run_of(clicks)


def _run_of(clicks: Sequence[float]) -> Run:
    """The first clicks get the units."""
    most = int(_MOST_SOLD * UNITS)
    return Run(
        disappointed=max(0, len(clicks) - UNITS) / len(clicks) if clicks else 0.0,
        hours=clicks[most - 1] if len(clicks) >= most else float(HOURS),
        sold=min(UNITS, len(clicks)) / UNITS,
    )


def _everybody() -> Policy:
    return lambda scene: scene.waiting


def _per_unit(people: int) -> Callable[[], Policy]:
    """So many for each unit there is, once an hour."""

    def policy(scene: Scene) -> int:
        return 0 if scene.tick % int(1 / _TICK) else people * scene.stock

    return lambda: policy


def _ours() -> Policy:
    """The code that a shop runs, as a shop runs it that has just begun."""
    learned = Learned(sees_buyers=True)

    def policy(scene: Scene) -> int:
        told = [Told(people=size, units=size, hours=(scene.tick - tick) * _TICK) for tick, size in scene.told]
        crowd = Crowd(people=scene.waiting, units=scene.waiting, squares=float(scene.waiting))
        course = Course(told=told, bought=scene.bought)
        offer = next_wave(shelf=Units(scene.stock), crowd=crowd, course=course, learned=learned, loss=LOSS)
        return offer.at_most(scene.waiting)

    return policy


POLICIES: dict[str, Callable[[], Policy]] = {
    "tell all": _everybody,
    "1 per unit, hourly": _per_unit(1),
    RIVAL: _per_unit(2),
    "5 per unit, hourly": _per_unit(5),
    OURS: _ours,
}
