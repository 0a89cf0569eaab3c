"""The promise and the rebuild of an item, in plain Python: goals in microseconds, and a ratio to the bare binary search."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import timeit
from bisect import bisect_left

from backorders.domain.promises import Claim, Standing, Supply, horizon_of, promises_of
from backorders.domain.windows import Window
from benchmarks.report import Report

TODAY = dt.date(2026, 3, 2)


def run(report: Report) -> None:
    if report.has_said("promises"):  # no database takes part
        return
    _promise(report, deliveries=1000, lines=100_000)
    _rebuild(report, deliveries=5, lines=40)


def _supplies(count: int, *, units: int) -> list[Supply]:
    days = [TODAY + dt.timedelta(days=n) for n in range(count)]
    random.Random(7).shuffle(days)
    return [
        Supply(units=units, window=Window(earliest=day, latest=day + dt.timedelta(days=3)), delivery_id=n)
        for n, day in enumerate(days, start=1)
    ]


def _promise(report: Report, *, deliveries: int, lines: int) -> None:
    queued = lines * 2
    standing = Standing(horizon=horizon_of(_supplies(deliveries, units=250)), today=TODAY)
    totals = standing.horizon.totals
    asked = itertools.cycle(random.Random(7).choices(range(queued + 1, queued + 40_000), k=997))
    ours = min(timeit.repeat(lambda: standing.promise_for(next(asked)), number=20_000, repeat=5)) / 20_000
    bare = min(timeit.repeat(lambda: bisect_left(totals, next(asked)), number=20_000, repeat=5)) / 20_000
    name = f"promise, {deliveries:,} x {lines:,}"
    against = f"bare bisect {bare * 1e6:.2f} us: {ours / bare:.1f}x"
    report.line(name, f"{ours * 1e6:.2f} us", against, ours * 1e6, 5, at_most=True, unit="us")


def _rebuild(report: Report, *, deliveries: int, lines: int) -> None:
    supplies = _supplies(deliveries, units=20)
    queue = [Claim(line_id=n, needs=1 + n % 4, asked_on=TODAY) for n in range(lines)]

    def rebuild() -> None:
        promises_of(queue=queue, standing=Standing(horizon=horizon_of(supplies), today=TODAY, on_shelf=3))

    seconds = min(timeit.repeat(rebuild, number=500, repeat=5)) / 500
    name = f"rebuild, {deliveries} x {lines}"
    against = f"{seconds / lines * 1e6:.2f} us a line"
    report.line(name, f"{seconds * 1e6:.0f} us", against, seconds * 1e6, 100, at_most=True, unit="us")
