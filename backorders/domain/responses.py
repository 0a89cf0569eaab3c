"""What a shop has learned of those who are told: how soon they come, and how many of them buy."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import fsum
from operator import attrgetter

from backorders.domain.odds import BuyRate

FIRST_WEIGHT = 20
"""So many buyers weigh as much as the curve with which a shop begins."""

OWN_MEMORY = 20.0
"""An item's earlier restocks count for at most so many people, so that its newest one can say something else."""

FIRST_RESTOCKS = 4
"""So many restocks weigh as much as the belief with which a shop begins, about how much restocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``people`` who were told and bought after ``hours``, or were watched for so long and had not bought."""

    hours: float
    has_bought: bool
    people: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One restock: of ``exposure`` people who had their time to answer, ``buys`` bought.

    ``item_id``: ``None`` while it goes on, for then it will speak for its item itself.
    """

    item_id: int | None
    buys: int
    exposure: float


def first_share_by(hours: float) -> float:
    """Before anything is known: half of the buyers come within an hour, three of four within three, nine of ten within nine."""
    return max(0.0, hours) / (1 + max(0.0, hours))


@dataclass(frozen=True, slots=True)
class Delay:
    """How soon those who buy come. ``hours`` and ``shares``: by then, so many of the buyers seen had come."""

    hours: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    buyers: int = 0
    watched: float = 0.0
    """Hours for which anybody was watched. What comes later is as it is for everybody."""

    def share_by(self, hours: float) -> float:
        """The share of buyers who have come so many hours after they were told, from 0 to 1."""
        first = first_share_by(hours)
        if not self.buyers or hours >= self.watched:
            return first
        place = bisect_right(self.hours, hours)
        seen = self.shares[place - 1] if place else 0.0
        weight = self.buyers / (self.buyers + FIRST_WEIGHT)
        return weight * seen + (1 - weight) * first

    def hours_until(self, share: float) -> float:
        """How long it takes until so large a share of the buyers has come."""
        low, high = 0.0, 1.0
        while self.share_by(high) < share:
            low, high = high, 2 * high
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if self.share_by(middle) >= share else (middle, high)
        return high


def delay_of(answers: Iterable[Answer]) -> Delay:
    """This will learn from answers how soon buyers come, by Kaplan and Meier's product over those still watched.

    Most people never buy, so the curve levels off; it is stretched until it ends where the first curve is by then. Else
    a shop whose shelves empty within minutes would believe that everybody who comes, comes within minutes.
    """
    answers = sorted(answers, key=attrgetter("hours"))
    watched = max((answer.hours for answer in answers), default=0.0)
    at_risk, without, hours, shares, buyers = sum(answer.people for answer in answers), 1.0, [], [], 0
    for moment, group in groupby(answers, key=attrgetter("hours")):
        here = list(group)
        came = sum(answer.people for answer in here if answer.has_bought)
        if came:
            without *= 1 - came / at_risk
            hours.append(moment)
            shares.append(1 - without)
            buyers += came
        at_risk -= sum(answer.people for answer in here)
    if not buyers:
        return Delay()
    stretch = first_share_by(watched) / shares[-1]
    return Delay(tuple(hours), tuple(share * stretch for share in shares), buyers, watched)


def rate_of(outcomes: Sequence[Outcome]) -> BuyRate:
    """This will fit the belief of a shop to its past restocks, by their mean and by how much they differ (Kleinman 1973).

    It moves away from the first belief little by little, and never becomes so sure that a restock of its own kind could
    not change it within some fifty people.
    """
    first = BuyRate()
    outcomes = [outcome for outcome in outcomes if outcome.exposure > 0]
    exposures = [max(outcome.exposure, outcome.buys) for outcome in outcomes]
    everybody = fsum(exposures)
    mean = (first.buys + sum(outcome.buys for outcome in outcomes)) / (first.buys + first.passes + everybody)
    first_likeness = 1 / (first.buys + first.passes + 1)
    seen = _likeness(outcomes, exposures, mean)
    weight = len(outcomes) / (len(outcomes) + FIRST_RESTOCKS)
    likeness = first_likeness if seen is None else weight * seen + (1 - weight) * first_likeness
    certainty = 1 / min(max(likeness, 0.02), 0.5) - 1
    return BuyRate(mean * certainty, (1 - mean) * certainty)


def _likeness(outcomes: Sequence[Outcome], exposures: Sequence[float], mean: float) -> float | None:
    """How much alike the people of one restock are: 0 when restocks differ by chance only. ``None``: nobody can say yet."""
    everybody = fsum(exposures)
    if len(outcomes) < 2 or everybody <= len(outcomes):
        return None
    apart = fsum(
        exposure * (outcome.buys / exposure - mean) ** 2 for outcome, exposure in zip(outcomes, exposures, strict=True)
    )
    by_chance = mean * (1 - mean) * (len(outcomes) - 1)
    pairs = everybody - fsum(exposure**2 for exposure in exposures) / everybody - (len(outcomes) - 1)
    if pairs <= 0:
        return None
    return min(1.0, max(0.0, (apart - by_chance) / (mean * (1 - mean) * pairs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a shop goes by when it tells people. ``sees_buyers``: its till has said at least once that a told person bought."""

    rate: BuyRate = field(default_factory=BuyRate)
    delay: Delay = field(default_factory=Delay)
    sees_buyers: bool = False
    own: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Buys and exposure of each item's earlier restocks, by item id."""

    def rate_of_item(self, item_id: int) -> BuyRate:
        """The shop's belief, moved by what this item's earlier restocks have shown."""
        buys, exposure = self.own.get(item_id, (0.0, 0.0))
        weight = min(1.0, OWN_MEMORY / exposure) if exposure else 0.0
        return self.rate.after(buys=weight * buys, exposure=weight * exposure)


def learned_from(outcomes: Sequence[Outcome], *, delay: Delay) -> Learned:
    """This will put together what a shop's past restocks have shown."""
    own: dict[int, tuple[float, float]] = {}
    for outcome in outcomes:
        if outcome.item_id is not None:
            buys, exposure = own.get(outcome.item_id, (0.0, 0.0))
            own[outcome.item_id] = (buys + outcome.buys, exposure + max(outcome.exposure, outcome.buys))
    return Learned(rate=rate_of(outcomes), delay=delay, sees_buyers=any(outcome.buys for outcome in outcomes), own=own)
