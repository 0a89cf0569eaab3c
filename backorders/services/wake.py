"""Hints to the worker. The rows are the truth: a lost hint costs seconds, never a mail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery import current_app, signature
from django.db import transaction
from kombu.pools import producers

log = logging.getLogger(__name__)

_PAUSE_AFTER_FAILURE = 10.0
"""Seconds without a hint after the broker did not answer, so that an outage costs a request one short wait, not many."""

_QUICKLY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}


@dataclass(slots=True)
class _Broker:
    """Whether hints make sense just now, in this process."""

    silent_until: float = 0.0

    def is_silent(self) -> bool:
        return time.monotonic() < self.silent_until


_broker = _Broker()


def wake(task: str, **ids: int) -> None:
    """This will ask a worker to run ``backorders.<task>`` once the transaction has committed.

    Without a configured broker nothing is sent: ``backorders_worker`` or the beat schedule finds the work. A broker that
    is down is logged and otherwise ignored. The same hint twice in one transaction is sent once.
    """

    def hint() -> None:
        gathered = _gathered.get()
        if gathered is not None:
            gathered[(task, tuple(ids.items()))] = None
        elif current_app.conf.task_always_eager or (current_app.conf.broker_url and not _broker.is_silent()):
            _send(task, ids)

    hint.about = (task, tuple(ids.items()))  # type: ignore[attr-defined]
    if not _is_promised_already(hint):
        transaction.on_commit(hint, robust=True)


_gathered: ContextVar[dict[tuple[str, tuple[Any, ...]], None] | None] = ContextVar("backorders_hints", default=None)


@contextmanager
def one_hint_each() -> Iterator[None]:
    """For work in many transactions, such as a sweep: each hint is sent once, when all is done."""
    gathered: dict[tuple[str, tuple[Any, ...]], None] = {}
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
        for task, ids in gathered:
            wake(task, **dict(ids))


def _is_promised_already(hint: Any) -> bool:
    """Does this transaction hold the same hint, in a savepoint that cannot be rolled back without ours?"""
    connection = transaction.get_connection()
    ours = set(connection.savepoint_ids)
    held: list[tuple[set[str], Callable[[], None], bool]] = connection.run_on_commit
    return any(
        getattr(function, "about", None) == hint.about and savepoints <= ours for savepoints, function, _ in held
    )


def _send(task: str, ids: dict[str, Any]) -> None:
    message = signature(f"backorders.{task}", kwargs=ids)
    try:
        if current_app.conf.task_always_eager:
            message.apply_async()
            return
        with producers[_quick_connection()].acquire(block=True, timeout=1) as producer:
            message.apply_async(producer=producer, retry=False, ignore_result=True)
    except Exception:
        _broker.silent_until = time.monotonic() + _PAUSE_AFTER_FAILURE
        log.warning(
            "The worker could not be woken for backorders.%s; it will find the work by itself.", task, exc_info=True
        )


def _quick_connection() -> Any:
    """The host's own broker, but a web request does not wait for one that is down: Celery alone would try for six seconds."""
    options = {**current_app.conf.broker_transport_options, **_QUICKLY}
    return current_app.connection_for_write(connect_timeout=1, transport_options=options)
