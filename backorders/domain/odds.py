"""How many of those who are told will buy, and how many of them would find the shelf empty."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log, log1p

EXACT_UP_TO = 400
"""Up to this stock the overrun is summed; above it is taken from a smooth curve, so that a million units cost no more."""

_HUGE = 1e200
_LOG_HUGE = log(_HUGE)


@dataclass(frozen=True, slots=True)
class BuyRate:
    """What we believe of the share of told people who buy: Beta(buys, passes), as if so many had bought and passed.

    A shop that has seen nothing believes that one in six buys, and is ready to be told otherwise at once.
    """

    buys: float = 1.0
    passes: float = 5.0

    @property
    def mean(self) -> float:
        return self.buys / (self.buys + self.passes)

    def after(self, *, buys: float, exposure: float) -> BuyRate:
        """The belief once ``buys`` of ``exposure`` people who have had their time to answer have bought."""
        return BuyRate(self.buys + buys, self.passes + max(0.0, exposure - buys))


def overrun(*, told: int, stock: int, rate: BuyRate) -> float:
    """How many buyers too many to expect when ``told`` people share ``stock`` units: E[(X - stock)+].

    X ~ BetaBinomial(told, rate), the number of buyers.
    """
    if told <= stock:
        return 0.0
    if stock <= EXACT_UP_TO:
        return _summed(told, stock, rate)
    return _smooth(told, stock, rate)


def _summed(told: int, stock: int, rate: BuyRate) -> float:
    """E[X] - stock + sum of (stock - k) P(X = k) for k < stock, each term from the one before.

    The terms are carried relative to P(X = 0), and scaled down whenever they grow large: P(X = 0) alone may be too small
    for a float while the sum is not.
    """
    a, b = rate.buys, rate.passes
    scale = lgamma(told + b) - lgamma(b) - (lgamma(told + a + b) - lgamma(a + b))
    term, below = 1.0, float(stock)
    for k in range(stock - 1):
        term *= (told - k) * (a + k) / ((k + 1) * (b + told - k - 1))
        below += (stock - k - 1) * term
        if below > _HUGE:
            term, below, scale = term / _HUGE, below / _HUGE, scale + _LOG_HUGE
    idle = (
        exp(min(scale + log(below), log(stock))) if stock else 0.0
    )  # units that nobody takes; never more than there are
    return max(0.0, told * rate.mean - stock + idle)


def _smooth(told: int, stock: int, rate: BuyRate) -> float:
    """The same with X / told ~ Beta of the same mean and variance, which for hundreds of units is as good."""
    likeness = 1 / (rate.buys + rate.passes + 1)
    spread = (1 + (told - 1) * likeness) / told
    weight = 1 / spread - 1
    if weight <= 0:  # all of them buy, or none
        return rate.mean * (told - stock)
    a, b, share = rate.mean * weight, (1 - rate.mean) * weight, stock / told
    beyond = rate.mean * beta_below(1 - share, b, a + 1) - share * beta_below(1 - share, b, a)
    return max(0.0, told * beyond)


def beta_below(x: float, a: float, b: float) -> float:
    """The chance that a Beta(a, b) variable lies below ``x``: the regularised incomplete beta function.

    By its continued fraction (DLMF 8.17.22), evaluated from the front as Lentz does, on the side where it converges fast.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_below(1 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    return min(1.0, front / _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...))."""
    tiny = 1e-300
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, 20_001):
        m = step // 2
        if step % 2:
            part = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            part = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + part * d) or tiny)
        c = (1 + part / c) or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-13:
            break
    return value
