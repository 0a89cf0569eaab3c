"""Hours in which nobody is written to unasked, by the clock on their own wall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From one time of the day to another, the first included; over midnight where the first is the later one."""

    begin: time
    end: time

    def is_quiet(self, moment: datetime, zone: tzinfo) -> bool:
        """Is it one of these hours in ``zone`` at ``moment``, an aware instant?"""
        clock = moment.astimezone(zone).time()
        if self.begin <= self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end

    def over_at(self, moment: datetime, zone: tzinfo) -> datetime:
        """The end of the quiet hours in which ``moment`` lies in ``zone``, in UTC; ``moment`` itself outside of them.

        Where a clock is put forward over the end, they end up to that much later; where it is put back, with whichever of
        the two ends comes next.
        """
        if not self.is_quiet(moment, zone):
            return moment
        here = moment.astimezone(zone)
        day = here.date() if here.time() < self.end else here.date() + timedelta(days=1)
        ends = [datetime.combine(day, self.end, tzinfo=zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
        return next((end for end in ends if end > moment and not self.is_quiet(end, zone)), max(ends))


def quiet_hours(begin: str, end: str) -> QuietHours:
    """This will read two times of the day, such as "21:00" and "08:00". Raises ``ValueError`` for what is none, or no hours at all."""
    hours = QuietHours(begin=time.fromisoformat(begin), end=time.fromisoformat(end))
    if hours.begin == hours.end or hours.begin.tzinfo or hours.end.tzinfo:
        raise ValueError(f"{begin!r} to {end!r} are no quiet hours.")
    return hours
