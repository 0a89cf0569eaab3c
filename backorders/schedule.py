"""What has to run when: for Celery beat, and for ``backorders_worker``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backorders.conf import conf


def beat_schedule() -> dict[str, dict[str, Any]]:
    """This will return entries for ``CELERY_BEAT_SCHEDULE``. Call it after the settings are complete, as in ``celery.py``:

    ``app.conf.beat_schedule |= beat_schedule()``
    """
    return {
        f"backorders.{name}": {
            "task": f"backorders.{name}",
            "schedule": every,
            "options": {"expires": max(every.total_seconds(), 10)},
        }
        for name, every in intervals().items()
    }


def intervals() -> dict[str, timedelta]:
    """How often each job runs. All of them find their work in the database; none depends on another having run."""
    return {
        "sweep_stock": conf.sweep_every,
        "release_waves": conf.poll_every,
        "tell_whole_orders": conf.sweep_every,
        "deliver_due_mail": conf.poll_every,
        "refresh_forecasts": timedelta(hours=6),
        "tidy": timedelta(hours=1),
    }
