"""Who gets the units that arrived: strictly first come, first served, inside priority classes."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

Place = tuple[int, datetime, int]


class Fill(StrEnum):
    """How a line takes its units.

    ``PARTIAL``: as they come. ``WHOLE_LINE``: all of them at once or none. ``WHOLE_ORDER``: as they come, and they are kept
    for it; only the order leaves when all its lines are full, so that ``plan`` serves such a line as it does a partial one.
    """

    PARTIAL = "partial"
    WHOLE_LINE = "whole_line"
    WHOLE_ORDER = "whole_order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One line of the queue and what it still needs.

    ``placed_at`` and ``priority`` are those that rank the line, after ageing: see ``stands_at``. ``overtaken``: how often
    later lines were served past it so far. ``pinned_to``: the id of the delivery its units come with.
    """

    line_id: int
    needs: int
    placed_at: datetime
    priority: int = 0
    fill: Fill = Fill.PARTIAL
    overtaken: int = 0
    pinned_to: int | None = None

    @property
    def place(self) -> Place:
        """Lower comes first; the id makes the order total."""
        return (self.priority, self.placed_at, self.line_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens when there is not enough for a line that wants all of its units at once.

    By default it stops the line and the units are kept for it. With ``may_skip`` later lines are served past it, until that
    has happened ``most_overtakes`` times in all to anybody who waits there.
    """

    may_skip: bool = False
    most_overtakes: int = 3

    def passes_left(self, line: Waiting) -> int:
        """How many more lines may be served past this one."""
        return self.most_overtakes - line.overtaken if self.may_skip else 0


STRICT = Rule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was given to whom, what each line still waits for, and what is left.

    All three dicts are by line id; ``overtaken`` says how many more times a line was overtaken here, to be added to what
    its row says. ``blocked_by``: the whole line ``left`` is kept for, if any; those units are not for sale, which counters
    that take what the queue needs off the shelf say already.
    """

    assigned: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)
    left: int = 0
    overtaken: dict[int, int] = field(default_factory=dict)
    blocked_by: int | None = None

    @property
    def units(self) -> int:
        return sum(self.assigned.values())


def plan(
    *,
    queue: Iterable[Waiting],
    units: int,
    rule: Rule = STRICT,
    delivery_id: int | None = None,
    open_pins: Container[int] = (),
) -> Plan:
    """This will hand ``units`` to the line in its order: (priority, placed at, id).

    ``delivery_id``: the delivery they came with; lines pinned to it stand before all others. ``open_pins``: ids of the
    other deliveries that are still to come; a line pinned to one of them waits for its own and takes no part here. Any
    other pin is void (cancelled, closed) and its line stands where it stands.

    Pure, and the order of ``queue`` does not matter. Planning the rest (``rest_of``) with what is left, for the same
    delivery, assigns nothing. Under ``STRICT``, units that arrive in two lots are worth one lot of their sum; not so when
    lines may be skipped, because a line that a small lot was served past would have been full with the large one.
    """
    own, others, absent = _by_pin(queue, delivery_id, open_pins)
    counter = _Counter(units, rule)
    for line in own:
        counter.serve(line)
    for line in others:
        counter.serve(line)
    counter.waiting |= {line.line_id: line.needs for line in absent}
    return Plan(
        assigned=counter.assigned,
        waiting=counter.waiting,
        left=counter.left,
        overtaken=counter.overtaken(),
        blocked_by=counter.head.line_id if counter.head and counter.left else None,
    )


def _by_pin(
    queue: Iterable[Waiting], delivery_id: int | None, open_pins: Container[int]
) -> tuple[list[Waiting], list[Waiting], list[Waiting]]:
    """Who waits for this very delivery, who takes what comes, and who waits for another delivery; each in its order."""
    own: list[Waiting] = []
    others: list[Waiting] = []
    absent: list[Waiting] = []
    for line in sorted(queue, key=lambda line: line.place):
        if line.pinned_to is None:
            others.append(line)
        elif line.pinned_to == delivery_id:
            own.append(line)
        else:
            (absent if line.pinned_to in open_pins else others).append(line)
    return own, others, absent


class _Counter:
    """The counter at which units are handed out, one line after the other."""

    def __init__(self, units: int, rule: Rule) -> None:
        self.left, self._rule = units, rule
        self.assigned: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        self.head: Waiting | None = None
        """The first line that was left waiting because there was not enough for all of it."""
        self._passes_left = 0
        self._passed: dict[int, int] = {}
        """Lines like that, with how many had been served when their turn came: all served since have overtaken them."""

    def serve(self, line: Waiting) -> None:
        given = self._share(line)
        if given > 0:
            self.assigned[line.line_id] = given
            self.left -= given
            self._passes_left -= 1
        if line.needs > given:
            self.waiting[line.line_id] = line.needs - given
            if line.fill == Fill.WHOLE_LINE:
                self._step_aside(line)

    def overtaken(self) -> dict[int, int]:
        served = len(self.assigned)
        return {line_id: served - before for line_id, before in self._passed.items() if served > before}

    def _share(self, line: Waiting) -> int:
        if self.head is not None and self._passes_left <= 0:
            return 0
        if line.fill == Fill.WHOLE_LINE and line.needs > self.left:
            return 0
        return min(line.needs, self.left)

    def _step_aside(self, line: Waiting) -> None:
        passes = self._rule.passes_left(line)
        self._passes_left = passes if self.head is None else min(self._passes_left, passes)
        self.head = self.head or line
        self._passed[line.line_id] = len(self.assigned)


def rest_of(*, queue: Iterable[Waiting], shares: Plan) -> list[Waiting]:
    """This will return the queue as it stands after ``shares``: who waits on, for how much, and how often they were overtaken."""
    return [
        replace(line, needs=needs, overtaken=line.overtaken + shares.overtaken.get(line.line_id, 0))
        for line in queue
        if (needs := shares.waiting.get(line.line_id, 0))
    ]


def stands_at(placed_at: datetime, priority: int, *, leap: timedelta | None) -> tuple[int, datetime]:
    """This will return the class and the instant that rank a line.

    With ``leap`` there is one class, and every step of priority (lower is served first, also below zero) is worth that much
    head start: a line can only be passed by those who come within a leap a step, so nobody waits for ever. Without it,
    classes are absolute. ``placed_at`` is aware; the answer stays within what a ``datetime`` can say.
    """
    if leap is None:
        return priority, placed_at
    try:
        return 0, placed_at + priority * leap
    except OverflowError:
        zone = placed_at.tzinfo
        return 0, datetime.max.replace(tzinfo=zone) if priority > 0 else datetime.min.replace(tzinfo=zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A line that was given units: ``allocated`` counts those that have not left the house. Ranked as in ``Waiting``."""

    line_id: int
    allocated: int
    placed_at: datetime
    priority: int = 0

    @property
    def place(self) -> Place:
        return (self.priority, self.placed_at, self.line_id)


def shortage(*, holders: Iterable[Holding], units: int) -> dict[int, int]:
    """This will say how many units to take back from whom when ``units`` are not there after all: from the end of the line.

    Nobody gives up a unit while somebody behind them keeps one. Returns units by line id, in the order of taking; their sum
    is less than ``units`` when the holders have not got as many.
    """
    taken: dict[int, int] = {}
    for holder in sorted(holders, key=lambda holder: holder.place, reverse=True):
        share = min(holder.allocated, units)
        if share > 0:
            taken[holder.line_id] = share
            units -= share
    return taken
