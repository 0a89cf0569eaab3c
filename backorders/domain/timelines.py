"""What has happened to one order line so far, and what comes next: ordered, supply booked, arrived, set aside, shipped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Step(StrEnum):
    ORDERED = "ordered"
    BOOKED = "booked"
    """A delivery is announced that covers the line's place."""
    ARRIVED = "arrived"
    SET_ASIDE = "set_aside"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class Progress(StrEnum):
    DONE = "done"
    PARTLY = "partly"
    NEXT = "next"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One step. ``units`` have taken it so far; ``at``: when the last of them did, as an aware instant or the shop's calendar day."""

    step: Step
    progress: Progress
    units: int = 0
    at: datetime | date | None = None

    @property
    def is_partly(self) -> bool:
        return self.progress is Progress.PARTLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is known of a line. ``wanted``: units ordered and not cancelled. ``is_booked`` is asked only while units are awaited.

    A line that was served from the shelf never had a delivery; then the step is left out.
    """

    wanted: int
    allocated: int
    shipped: int
    placed_at: datetime
    is_booked: bool = False
    booked_at: datetime | None = None
    arrived_on: date | None = None
    set_aside_at: datetime | None = None
    closed_at: datetime | None = None


def timeline(course: Course) -> tuple[Mark, ...]:
    """This will put the steps of a line in their order. The first that is not done is ``NEXT``, or ``PARTLY``."""
    ordered = Mark(step=Step.ORDERED, progress=Progress.DONE, units=course.wanted, at=course.placed_at)
    if not course.wanted:
        return (ordered, Mark(step=Step.CANCELLED, progress=Progress.DONE, at=course.closed_at))
    given, has_all = course.allocated, course.allocated >= course.wanted
    booked = course.wanted if course.is_booked else 0
    steps = [
        (Step.BOOKED, booked, course.booked_at),
        (Step.ARRIVED, given, course.arrived_on or course.set_aside_at),
        (Step.SET_ASIDE, given, course.set_aside_at),
        (Step.SHIPPED, course.shipped, course.closed_at if course.shipped >= course.wanted else None),
    ]
    if has_all and not course.is_booked:
        del steps[0]
    marks, is_open = [ordered], False
    for step, units, at in steps:
        progress = _progress(units, course.wanted, is_open=is_open)
        is_open = is_open or progress is not Progress.DONE
        marks.append(Mark(step=step, progress=progress, units=units, at=at if units else None))
    return tuple(marks)


def _progress(units: int, wanted: int, *, is_open: bool) -> Progress:
    if units >= wanted:
        return Progress.DONE
    if units:
        return Progress.PARTLY
    return Progress.LATER if is_open else Progress.NEXT
