"""Times things in turn, and prints figure, floor, ratio, goal, ok or SHORT."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable


class Report:
    def __init__(self, database: str) -> None:
        self.database = database
        self.is_short = False
        self._said: set[str] = set()

    def has_said(self, name: str) -> bool:
        """Was this asked before in this run?"""
        is_known = name in self._said
        self._said.add(name)
        return is_known

    def line(
        self, name: str, figure: str, against: str, reached: float, goal: float, *, at_most: bool, unit: str = "x"
    ) -> None:
        is_ok = reached <= goal if at_most else reached >= goal
        self.is_short |= not is_ok
        sign = "<=" if at_most else ">="
        print(
            f"{self.database:<11}{name:<26}{figure:>22}  {against:<34}{reached:>8.2f}{unit}  goal {sign} {goal:g}{unit}  "
            f"{'ok' if is_ok else 'SHORT'}",
            flush=True,
        )


def timed(call: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def paired(ours: Callable[[], object], floor: Callable[[], object], *, rounds: int) -> tuple[float, float, float]:
    """Seconds of ours and of the floor (medians), and the median of their ratios, run in turn so that drift hits both."""
    pairs = [(timed(ours), timed(floor)) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio
