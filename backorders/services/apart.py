"""One step's or one row's trouble never keeps the others waiting: it is logged, and the next run tries again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

log = logging.getLogger(__name__)

Each = TypeVar("Each")


def apart(do: Callable[[], int], *, what: str) -> int:
    """This will return what a step returns, or 0 where it fails. ``what``: its name in the log."""
    try:
        return do()
    except Exception:
        log.exception("The step %r failed; the next run tries again.", what)
        return 0


def each_apart(do: Callable[[Each], int], rows: Iterable[Each], *, what: str) -> int:
    """This will do the same for each of some rows, and return the sum."""
    return sum(apart(lambda row=row: do(row), what=f"{what}, {row}") for row in rows)  # type: ignore[misc]
