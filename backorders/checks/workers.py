"""The host's Celery, where it differs from ours in a way that loses, repeats or holds up work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Warning, register

from backorders.schedule import longest_send


@register()
def check_celery(**_: Any) -> list[CheckMessage]:
    """What of the app's Celery would lose, repeat or hold up our work. Without a broker there is nothing to say."""
    celery = current_app.conf
    return list(_celery(celery)) if celery.broker_url else []


_SHORTEST_VISIBILITY = 60
"""Seconds. A tick of ours takes five, and a slow mail server may hold it up for another thirty."""


def _celery(celery: Any) -> Iterator[CheckMessage]:
    scheme = str(celery.broker_url).partition(":")[0]
    if scheme.startswith(("filesystem", "sqla", "memory")):
        yield Warning(
            f"Celery's broker {scheme}:// loses hints or takes seconds for each.",
            hint="Use Redis or RabbitMQ, or no broker at all and `manage.py backorders_worker`.",
            id="backorders.W007",
        )
    timeout = (celery.broker_transport_options or {}).get("visibility_timeout")
    if timeout is not None and timeout < _SHORTEST_VISIBILITY:
        yield Warning(
            f"Celery's visibility_timeout of {timeout} s makes Redis give running tasks to a second worker.",
            hint="Set it to 600, or use backorders.schedule.celery_settings().",
            id="backorders.W008",
        )
    yield from _late_acknowledgement(celery)
    yield from _time_limit(celery)
    if {"pickle", "yaml"} & {str(kind) for kind in celery.accept_content or ()}:
        yield Warning(
            "Celery accepts pickle or yaml: whoever can write to the broker can run code.",
            hint="Set accept_content = ['json']; tasks of backorders need no more.",
            id="backorders.W009",
        )
    is_plain_beat = str(celery.beat_scheduler or "").endswith("PersistentScheduler")
    if is_plain_beat and not any(str(name).startswith("backorders.") for name in celery.beat_schedule or {}):
        yield Warning(
            "Celery's beat does not know our jobs: a lost hint would hold mail up for ever.",
            hint="Add app.conf.beat_schedule.update(backorders.schedule.beat_schedule()), as in docs/mail.md.",
            id="backorders.W010",
        )


def _late_acknowledgement(celery: Any) -> Iterator[CheckMessage]:
    if not celery.task_acks_late:
        yield Warning(
            "Celery's task_acks_late is off: what a killed worker was doing is done by nobody until the schedule comes round.",
            hint="Set task_acks_late = True, or use backorders.schedule.celery_settings().",
            id="backorders.W011",
        )
    elif not celery.task_reject_on_worker_lost:
        yield Warning(
            "Celery's task_reject_on_worker_lost is off: the task of a worker process that was killed counts as done.",
            hint="Set task_reject_on_worker_lost = True, or use backorders.schedule.celery_settings().",
            id="backorders.W012",
        )
    if celery.worker_prefetch_multiplier == 0 or celery.worker_prefetch_multiplier > _MOST_PREFETCHED:
        number = celery.worker_prefetch_multiplier or "any number of"
        yield Warning(
            f"Celery fetches {number} messages for each process: hints wait behind a task of five seconds while others are idle.",
            hint="Set worker_prefetch_multiplier = 1, or use backorders.schedule.celery_settings().",
            id="backorders.W013",
        )


_MOST_PREFETCHED = 4
"""Celery's own default, which is bearable."""


def _time_limit(celery: Any) -> Iterator[CheckMessage]:
    limits = [limit for limit in (celery.task_time_limit, celery.task_soft_time_limit) if limit]
    least = longest_send()
    if limits and min(limits) < least:
        yield Warning(
            f"Celery ends tasks after {min(limits)} s, while a mail server that says nothing may hold one up for {least} s.",
            hint=f"Set task_time_limit to {least} or more, or MAIL_TIMEOUT to less.",
            id="backorders.W014",
        )
