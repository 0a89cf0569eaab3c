"""How many people may be told just now: as many as leaves few of those who come before an empty shelf."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, islice, takewhile
from math import ceil

from backorders.domain.odds import BuyRate, overrun
from backorders.domain.responses import Learned
from backorders.domain.units import UNLIMITED, Units

LOSS = 0.03
"""The share of expected buyers who may be expected to come too late, where the shop says nothing."""

MOST_ANSWERS = 0.75
"""What passing shoppers buy while so large a share of the answers comes in, is not there for those who are told now."""

_LOOKS = 500
"""So many looks ahead, who is told is foreseen: five days at one a quarter of an hour."""


class Order(StrEnum):
    """Who of those who wait is told first."""

    FIRST_COME = "first_come"
    LOTTERY = "lottery"
    AGEING = "ageing"


def wave_size(*, stock: int, in_flight: int, waiting: int, rate: BuyRate, loss: float = LOSS) -> int:
    """The most people that may be told, so that of all who then buy, a share of ``loss`` is expected to find nothing.

    ``in_flight``: people who were told and may still answer. Everybody, where that is within the loss too. The share of
    disappointed buyers only grows with the people told (their number is convex in it), so halving finds the most.
    """
    if stock <= 0 or waiting <= 0:
        return 0

    def fits(told: int) -> bool:
        return overrun(told=told, stock=stock, rate=rate) <= loss * told * rate.mean

    everybody = in_flight + waiting
    if fits(everybody):
        return waiting
    low, high = max(in_flight, min(stock, everybody)), everybody
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low - in_flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who may be told: how many people, the units they ask for, and the sum of the squares of these.

    People take their units together or not at all. A crowd of all kinds runs over a shelf about as one in which everybody
    asks for the same ``lot``: sum of squares / sum, the same mean and variance of what is bought. So shelf and crowd
    are counted in lots; where everybody wants one unit, a lot is a unit.
    """

    people: int
    units: int
    squares: float

    @property
    def lot(self) -> float:
        return max(1.0, self.squares / self.units) if self.units else 1.0

    def without(self, others: Crowd) -> Crowd:
        return Crowd(
            people=self.people - others.people,
            units=self.units - others.units,
            squares=self.squares - others.squares,
        )


def crowd_of(quantities: Iterable[int]) -> Crowd:
    """The crowd of people who ask for so many units each."""
    quantities = list(quantities)
    return Crowd(people=len(quantities), units=sum(quantities), squares=float(sum(q * q for q in quantities)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """People told together ``hours`` ago, and the units they asked for. ``None``: their mails have not left yet."""

    people: int
    units: int
    hours: float | None

    def later(self, hours: float) -> Told:
        return self if self.hours is None else replace(self, hours=self.hours + hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a restock has gone so far.

    ``earlier``: told of the restock before, and perhaps still on their way. ``bought``: of the people told. ``left``: units
    that left the shelf, whoever took them; ``left_to_told``: of these, to people who were told; ``hours``: since it began.
    """

    told: Sequence[Told] = ()
    earlier: Sequence[Told] = ()
    bought: int = 0
    left: int = 0
    left_to_told: int = 0
    hours: float = 0.0

    def later(self, hours: float, crowd: Crowd) -> Course:
        """The same so many hours after ``crowd`` was told too, if nobody has bought since."""
        told = [*self.told, Told(people=crowd.people, units=crowd.units, hours=0.0)] if crowd.people else self.told
        return replace(
            self,
            told=[each.later(hours) for each in told],
            earlier=[each.later(hours) for each in self.earlier],
            hours=self.hours + hours,
        )


def next_wave(*, shelf: Units, crowd: Crowd, course: Course, learned: Learned, item_id: int = 0, loss: float) -> Units:
    """How many units' worth of people may be told now; unlimited: everybody.

    A product that is not counted is there for everybody. The belief of the shop and of the item is moved by what this
    restock has shown: of each earlier wave, only the share of buyers that should have come by now counts as an answer; the
    rest is in flight (half a person rounds to nobody: one unit and one person told, and the next is told when half of
    all buyers would have come). What passing shoppers are expected to take meanwhile is not offered, down to one unit:
    those who waited must get a chance.
    """
    if shelf.is_unlimited or not crowd.people:
        return UNLIMITED
    if not shelf:
        return shelf
    exposure, in_flight = _answered(course, learned)
    rate = learned.rate_of_item(item_id).after(buys=_buys(course, learned), exposure=exposure)
    lot, stock = crowd.lot, max(1, shelf.value - expected_to_pass(course, learned))
    waiting = ceil(crowd.units / lot)
    lots = wave_size(
        stock=max(1, int(stock / lot)), in_flight=round(in_flight / lot), waiting=waiting, rate=rate, loss=loss
    )
    return UNLIMITED if lots == waiting else Units(int(lots * lot))


def _answered(course: Course, learned: Learned) -> tuple[float, float]:
    """People who have answered, most of them by not coming; and the units that people asked for who may still come.

    Of the restock before, only those on their way count: while the shelf was empty, nobody could answer by buying.
    """
    exposure = in_flight = 0.0
    for wave in course.told:
        share = _share_by(wave, learned)
        exposure += wave.people * share
        in_flight += wave.units * (1 - share)
    return exposure, in_flight + sum(wave.units * (1 - _share_by(wave, learned)) for wave in course.earlier)


def _share_by(wave: Told, learned: Learned) -> float:
    return 0.0 if wave.hours is None else learned.delay.share_by(wave.hours)


def _buys(course: Course, learned: Learned) -> int:
    """Where the till never says who bought, whatever left the shelf counts as bought by people who were told."""
    if learned.sees_buyers or course.bought:
        return course.bought
    return min(course.left, sum(wave.people for wave in course.told))


def expected_to_pass(course: Course, learned: Learned) -> int:
    """Units that shoppers nobody told will buy while most of those who are told make up their minds.

    At the pace of this restock so far, as if it had begun an hour earlier: one sale in the first minute is no pace.
    """
    if not (learned.sees_buyers or course.bought):
        return 0
    pace = max(0, course.left - course.left_to_told) / (course.hours + 1)
    return round(pace * learned.delay.hours_until(MOST_ANSWERS)) if pace else 0


def people_within(quantities: Iterable[int], units: Units) -> int:
    """How many people from the front of the line are told: nobody is passed over, and where anything may be offered, the first is."""
    if units.is_unlimited:
        return sum(1 for _ in quantities)
    if not units:
        return 0
    return max(1, sum(1 for _ in takewhile(units.covers, accumulate(quantities))))


def one_hold_after_the_other(*, shelf: Units, quantities: Sequence[int]) -> Iterator[int]:
    """This will yield the waves of a shelf that is put aside whole for each of them, if nobody comes for it; 500 at most."""
    reached = 0
    for _ in range(_LOOKS):
        size = people_within(islice(quantities, reached, None), shelf) if reached < len(quantities) else 0
        if not size:
            return
        reached += size
        yield size


def waves_if_nobody_answers(
    *,
    shelf: Units,
    quantities: Sequence[int],
    learned: Learned,
    course: Course,
    hours: float,
    item_id: int,
    loss: float,
) -> Iterator[int]:
    """This will yield the waves as people would be told if nobody bought or left, one look every ``hours``, 500 looks at most."""
    crowd, reached = crowd_of(quantities), 0
    for _ in range(_LOOKS):
        if not crowd.people or not shelf:
            return
        offer = next_wave(shelf=shelf, crowd=crowd, course=course, learned=learned, item_id=item_id, loss=loss)
        size = people_within(islice(quantities, reached, None), offer)
        told = crowd_of(quantities[reached : reached + size])
        crowd, reached = crowd.without(told), reached + size
        if size:
            yield size
        course = course.later(hours, told)
