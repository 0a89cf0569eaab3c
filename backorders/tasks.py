"""Celery tasks: a name, ids, one call. ``**_later`` lets old workers meet new messages during a deploy."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import current_app, shared_task
from celery.signals import task_postrun, task_prerun
from django.db import close_old_connections

from backorders.models import StockItem
from backorders.schedule import REUSES_CONNECTIONS
from backorders.services.backorders import tell_releases as tell_of_releases
from backorders.services.backorders import tell_whole_orders as tell_orders
from backorders.services.retention import tidy as tidy_up
from backorders.services.stock import look_at, sweep_stock
from backorders.services.supply import refresh_forecasts as forecast
from backorders.services.ticks import tick
from backorders.services.wake import one_hint_each
from backorders.services.waves import release_waves as release


@task_prerun.connect
@task_postrun.connect
def keep_connections_as_requests_do(*, sender: Any, **_: Any) -> None:
    """Celery closes the database connection around each task, or never. ``celery_settings()`` asks for never, and here it ends
    when ``CONN_MAX_AGE`` and ``CONN_HEALTH_CHECKS`` say so. A new one costs a small task as much as its work."""
    if current_app.conf.get(REUSES_CONNECTIONS) and not sender.request.is_eager:
        close_old_connections()


@shared_task(name="backorders.look_at_item", ignore_result=True)
def look_at_item(*, item_id: int, **_later: Any) -> None:
    with suppress(StockItem.DoesNotExist):  # it was deleted since
        look_at(item_id=item_id)


@shared_task(name="backorders.sweep_stock", ignore_result=True)
def sweep(**_later: Any) -> None:
    sweep_stock()


@shared_task(name="backorders.release_waves", ignore_result=True)
def release_waves(**_later: Any) -> None:
    """Whoever has released a wave sends the front of it as well, and wakes others after that: until then they would be in its way.

    That takes half a second. If this process dies over it, or its mail server hangs, the schedule finds the rest.
    """
    with one_hint_each():
        if release():
            deliver_due_mail()


@shared_task(name="backorders.deliver_due_mail", ignore_result=True)
def deliver_due_mail(*, place: int | None = None, turn: int | None = None, **_later: Any) -> None:
    tick(place=place, turn=turn)


@shared_task(name="backorders.tidy", ignore_result=True)
def tidy(**_later: Any) -> None:
    tidy_up()


@shared_task(name="backorders.tell_whole_orders", ignore_result=True)
def tell_whole_orders(**_later: Any) -> None:
    tell_orders()


@shared_task(name="backorders.tell_releases", ignore_result=True)
def tell_releases(**_later: Any) -> None:
    tell_of_releases()


@shared_task(name="backorders.refresh_forecasts", ignore_result=True)
def refresh_forecasts(**_later: Any) -> None:
    forecast()
