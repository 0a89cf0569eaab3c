"""Who gets the units that arrived: strictly first come, first served, inside priority classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One line of the queue and what it still needs."""

    line_id: int
    needs: int
    placed_at: datetime
    priority: int = 0

    @property
    def place(self) -> tuple[int, datetime, int]:
        """Lower comes first; the id makes the order total."""
        return (self.priority, self.placed_at, self.line_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was given to whom, what each line still waits for, and what is left for the shelf."""

    assigned: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)
    left: int = 0

    @property
    def units(self) -> int:
        return sum(self.assigned.values())


def plan(*, queue: Iterable[Waiting], units: int) -> Plan:
    """This will hand ``units`` to the line in its order; a line may be served in part.

    Pure and idempotent: planning the rest of a plan with nothing left assigns nothing.
    """
    assigned: dict[int, int] = {}
    waiting: dict[int, int] = {}
    for line in sorted(queue, key=lambda line: line.place):
        given = min(line.needs, units)
        units -= given
        if given > 0:
            assigned[line.line_id] = given
        if line.needs > given:
            waiting[line.line_id] = line.needs - given
    return Plan(assigned=assigned, waiting=waiting, left=units)
