"""What has to run when, and how: for Celery beat, for Celery workers, and for ``backorders_worker``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from backorders.conf import conf

REUSES_CONNECTIONS = "CELERY_DB_REUSE_MAX"
"""Celery's setting: it closes database connections after twice so many tasks, and around each task without it."""


_GONE_AFTER = 300
"""Seconds. Messages that no worker took on are worth little, but beat writes by its clock when they end, and the worker looks at
its own: with little time, a worker whose clock is ahead would drop every one of them, and nobody would notice."""


def beat_schedule() -> dict[str, dict[str, Any]]:
    """This will return entries for ``CELERY_BEAT_SCHEDULE``. Call it after the settings are complete, as in ``celery.py``:

    ``app.conf.beat_schedule |= beat_schedule()``
    """
    return {
        f"backorders.{name}": {
            "task": f"backorders.{name}",
            "schedule": every,
            "options": {"expires": max(every.total_seconds(), _GONE_AFTER)},
        }
        for name, every in intervals().items()
    }


def intervals() -> dict[str, timedelta]:
    """How often each job runs. All of them find their work in the database; none depends on another having run."""
    return {
        "sweep_stock": conf.sweep_every,
        "release_waves": conf.poll_every,
        "tell_whole_orders": conf.sweep_every,
        "tell_releases": conf.sweep_every,
        "deliver_due_mail": conf.poll_every,
        "refresh_forecasts": timedelta(hours=6),
        "tidy": timedelta(hours=1),
    }


def celery_settings(broker_url: str = "", transport_options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """This will return settings with which Celery neither loses nor repeats work: ``app.conf.update(celery_settings(url))``.

    They hold for all tasks of the app, so look through them if it has others. A task is acknowledged when it is done, given to
    another worker when its own was killed, and ended after five minutes; one at a time is fetched; a worker that has to stop
    hands back what it does not finish in ten seconds; one that found its broker again fetches as many as before (else threads
    of a worker may wait for each other on the connection, for ever); messages are JSON; database connections last from task to
    task, as ``CONN_MAX_AGE`` and ``CONN_HEALTH_CHECKS`` say. For Redis: what a killed worker had is given out again after ten
    minutes, in one scan and not in ten. ``transport_options``: the app's own ``broker_transport_options``, which stay, such as
    the ``master_name`` of a Sentinel. The values and why: docs/mail.md.
    """
    time_limit = max(_TIME_LIMIT, longest_send())
    settings: dict[str, Any] = {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": time_limit,
        "worker_prefetch_multiplier": 1,
        "worker_soft_shutdown_timeout": 10.0,
        "worker_enable_prefetch_count_reduction": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        REUSES_CONNECTIONS: 1_000_000,
    }
    if broker_url.startswith(_REDIS):
        settings["worker_enable_soft_shutdown_on_idle"] = True
        settings["broker_transport_options"] = {
            "visibility_timeout": 2 * time_limit,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            **(transport_options or {}),
        }
    if broker_url.startswith(("amqp", "pyamqp")):
        settings["broker_transport_options"] = {"confirm_publish": True, **(transport_options or {})}
    return settings


_REDIS = ("redis://", "rediss://", "redis+socket://", "sentinel://")
"""What kombu calls a Redis; with each, a message that was taken on and not acknowledged is given out again after a time."""

_TIME_LIMIT = 300
"""Seconds. Half of the time after which Redis gives a task to a second worker."""


def longest_send() -> int:
    """For how many seconds a task may be held up by a mail server that says nothing: ``MAIL_TIMEOUT`` on each of
    ``MAIL_CONNECTIONS``, and twice more. 0 where these are no settings at all, which ``manage.py check`` says."""
    if not isinstance(conf.mail_timeout, timedelta) or not isinstance(conf.mail_connections, int):
        return 0
    return math.ceil((conf.mail_connections + 2) * conf.mail_timeout.total_seconds())
