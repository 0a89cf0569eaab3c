"""Runs every job in one loop, for shops without a broker."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from backorders.conf import conf
from backorders.schedule import intervals
from backorders.services.backorders import tell_releases, tell_whole_orders
from backorders.services.delivery import Delivered
from backorders.services.retention import tidy
from backorders.services.stock import Swept, sweep_stock
from backorders.services.supply import refresh_forecasts
from backorders.services.waves import deliver_mail, release_waves

log = logging.getLogger(__name__)


def told(result: Any) -> str:
    """One job's result in words."""
    match result:
        case Swept():
            return f"{result.looked_at} items looked at, {len(result.settled)} settled"
        case Delivered():
            return ", ".join(f"{count} {state}" for state, count in result.counts.items()) or "no mail was due"
        case dict():
            return ", ".join(f"{count} {what}" for what, count in result.items())
        case int():
            return f"{result} changed or told"
        case _:
            return f"{sum(wave.size for wave in result)} people told"


class Command(BaseCommand):
    help = "Sweeps stock, releases waves, sends mail and tidies up, again and again: the same jobs Celery would run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="run every job once and stop (for cron)")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        self.is_stopping, self.says_results = False, once
        self.jobs: dict[str, Callable[[], Any]] = {
            "sweep_stock": sweep_stock,
            "release_waves": release_waves,
            "tell_whole_orders": tell_whole_orders,
            "tell_releases": tell_releases,
            "deliver_due_mail": lambda: deliver_mail(seconds=20, is_stopping=lambda: self.is_stopping),
            "refresh_forecasts": refresh_forecasts,
            "tidy": tidy,
        }
        if once:
            if failed := [name for name in self.jobs if not self.run(name)]:
                raise CommandError(f"Failed: {', '.join(failed)}. The log says why; the other jobs were run.")
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        self.stdout.write("backorders_worker runs. Stop it with Ctrl-C.")
        self.loop()

    def stop(self, *_: Any) -> None:
        self.is_stopping = True

    def loop(self) -> None:
        pause = conf.worker_pause.total_seconds()
        due = dict.fromkeys(self.jobs, 0.0)
        while not self.is_stopping:
            for name in self.jobs:
                if not self.is_stopping and time.monotonic() >= due[name]:
                    close_old_connections()
                    self.run(name)
                    due[name] = time.monotonic() + self.rest(name, pause)
            time.sleep(min(pause, 0.5))

    def rest(self, name: str, pause: float) -> float:
        """Mail and waves are looked for often: without a broker nobody wakes us."""
        every = intervals()[name].total_seconds()
        return min(every, pause) if name in ("release_waves", "deliver_due_mail") else every

    def run(self, name: str) -> bool:
        """One job's trouble (a database that restarts, say) ends neither the worker nor the other jobs."""
        try:
            result = self.jobs[name]()
        except Exception:
            log.exception("The job %s failed and is tried again.", name)
            return False
        if self.says_results:
            self.stdout.write(f"{name}: {told(result)}")
        return True
