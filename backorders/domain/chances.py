"""Will units be left when it is one's turn? The odds of somebody in line, from what is announced and who tends to buy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from math import ceil, exp, fsum, lgamma

from backorders.domain.odds import BuyRate
from backorders.domain.waves import Crowd

MOST_STEPS = 2000
"""A longer line is counted in bundles: how many of 100,000 people buy is unsure because nobody knows the share who do, not
because each of them decides alone."""


class Odds(StrEnum):
    """A probability in five steps, for people."""

    VERY_LIKELY = "very_likely"
    LIKELY = "likely"
    EVEN = "even"
    UNLIKELY = "unlikely"
    HARDLY = "hardly"


_STEPS = ((0.9, Odds.VERY_LIKELY), (0.7, Odds.LIKELY), (0.4, Odds.EVEN), (0.1, Odds.UNLIKELY))


def in_steps(probability: float) -> Odds:
    return next((odds for least, odds in _STEPS if probability >= least), Odds.HARDLY)


def chance_in_line(*, ahead: Crowd, own: int, free: Iterable[int], rate: BuyRate) -> list[float]:
    """The probability that ``own`` units are left at one's turn, once each of the coming deliveries is here.

    ``free``: units of each delivery that nobody is owed, in the order in which they come. ``ahead``: those who are told
    first; each takes what they ask for together or not at all, and the number of buyers among them is
    BetaBinomial(people, rate). Whoever passes by and buys without having waited is not counted.
    """
    buyers = buyers_among(ahead, rate)
    by_then = list(accumulate(buyers.chances))
    chances = []
    for units in accumulate(free):
        room = int((units - own) / buyers.lot) if units >= own else -1
        chances.append(0.0 if room < 0 else min(1.0, by_then[min(room, len(by_then) - 1)]))
    return chances


def chance_in_draw(*, others: Crowd, own: int, free: Iterable[int], rate: BuyRate) -> list[float]:
    """The same where lots are drawn: every order of those who wait is as likely as any other.

    Of ``b`` buyers among the others, the first ``k`` in the order drawn find something; one's own place among the ``b + 1``
    is any, so that it is among the first ``k + 1`` with probability ``min(1, (k + 1) / (b + 1))``.
    """
    buyers = buyers_among(others, rate)
    chances = []
    for units in accumulate(free):
        room = int((units - own) / buyers.lot) if units >= own else -1
        found = fsum(chance * min(1.0, (room + 1) / (count + 1)) for count, chance in enumerate(buyers.chances))
        chances.append(min(1.0, max(0.0, found)))
    return chances


@dataclass(frozen=True, slots=True)
class Buyers:
    """How many buyers there are among a crowd, counted in lots: ``chances[n]`` of exactly ``n``."""

    chances: Sequence[float]
    lot: float


def buyers_among(crowd: Crowd, rate: BuyRate) -> Buyers:
    """This will lay out the beta-binomial distribution, by logarithms: the largest line never underflows."""
    if not crowd.people:
        return Buyers([1.0], 1.0)
    lot = max(crowd.lot, crowd.units / MOST_STEPS)
    size, a, b = ceil(crowd.units / lot), rate.buys, rate.passes
    front = lgamma(size + 1) + lgamma(a + b) - lgamma(a) - lgamma(b) - lgamma(size + a + b)
    chances = [
        exp(front + lgamma(n + a) + lgamma(size - n + b) - lgamma(n + 1) - lgamma(size - n + 1))
        for n in range(size + 1)
    ]
    return Buyers(chances, lot)
