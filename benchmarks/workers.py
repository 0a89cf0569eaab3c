"""Real workers: 100,000 mails through Celery, the memory that takes, and how soon after a restock the first mail is accepted.

Celery's worker has two processes. Throughput is measured with the C mail server; for the waits a mail server that writes the
time of each mail down (``tests/faults/sink.py``) takes its place. Needs PostgreSQL, a Redis in ``CELERY_BROKER_URL``, and
``smtp-sink`` on the PATH or in ``SMTP_SINK``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from celery import current_app
from django.db import connection

from backorders.models import MailLane, OutgoingMail
from backorders.services.gate import start_mail, stop_mail
from backorders.services.stock import stock_changed
from backorders.services.wake import wake
from benchmarks import mail, rows
from benchmarks.report import Report
from tests.hosts.models import Product
from tests.mailserver import free_port

MANY = int(os.environ.get("BENCH_MAILS", "100000"))
RESTOCKS = 40
SEED = 7


def run(report: Report) -> None:
    sink = mail.smtp_sink()
    broker = os.environ.get("CELERY_BROKER_URL")
    if sink is None or not broker or connection.vendor != "postgresql":
        print("workers: not measured. They need PostgreSQL, a Redis in CELERY_BROKER_URL, and smtp-sink on the PATH.")
        return
    with mail.mail_server(sink) as port:
        _throughput(report, port)
    _waits(report)
    current_app.pool.force_close_all()  # a later benchmark forks, and its processes would wait for an answer on these
    MailLane.objects.all().delete()
    rows.clear()


def _throughput(report: Report, port: int) -> None:
    stop_mail()
    mail.prepare(MANY)
    with _process("worker", port, "-c", "2") as worker:
        began = time.perf_counter()
        start_mail()
        wake("deliver_due_mail")
        while OutgoingMail.objects.exclude(state="sent").exists():
            time.sleep(0.2)
        seconds = time.perf_counter() - began
        memory = max(_most_memory(pid) for pid in _family(worker.pid))
    whole = 75 * MANY / 100_000
    report.line(
        f"{MANY:,} mails, Celery",
        f"{seconds:,.1f} s",
        f"{MANY / seconds:,.0f}/s",
        seconds,
        whole,
        at_most=True,
        unit=" s",
    )
    report.line("memory of a worker", f"{memory:,.0f} MB", "", memory, 150, at_most=True, unit=" MB")


def _waits(report: Report) -> None:
    with _timed_mail_server() as (port, log):
        rows.clear()
        with _process("worker", port, "-c", "2"):
            _line(report, "first mail, idle worker", _waits_for(log, pause=0.2), 0.05)
            stop_mail()
            mail.prepare(MANY)
            start_mail()
            wake("deliver_due_mail")
            time.sleep(8)
            _line(report, f"first mail, behind {MANY:,}", _waits_for(log, pause=1.0), 1)
            assert OutgoingMail.objects.filter(state="queued").exists()
        rows.clear()
        with _process("plain", port):
            _line(report, "first mail, no broker", _waits_for(log, pause=1.0), 2)


def _line(report: Report, name: str, waits: list[float], goal: float) -> None:
    waits.sort()
    p95, median = waits[int(len(waits) * 0.95) - 1], waits[len(waits) // 2]
    report.line(
        name, f"p95 {p95 * 1000:,.0f} ms", f"median {median * 1000:,.0f} ms", p95, goal, at_most=True, unit=" s"
    )


def _waits_for(log: Path, *, pause: float) -> list[float]:
    """Seconds from the commit of a restock to the mail server's "accepted", of so many products, one after the other."""
    dice = random.Random(SEED)
    waits = []
    for number, product in enumerate(rows.products(RESTOCKS)):
        [item] = rows.items([product])
        rows.subscriptions(item, 1, name=f"{log.stat().st_size}-{number}-")
        address = item.subscriptions.get().email
        time.sleep(pause * (0.5 + dice.random()))
        Product.objects.filter(pk=product.pk).update(stock=1)
        stock_changed(product)
        committed = time.time()
        while (accepted := _accepted(log, address)) is None:
            assert time.time() < committed + 60, "no mail within a minute"
            time.sleep(0.01)
        waits.append(max(0.0, accepted - committed))
    return waits


def _accepted(log: Path, address: str) -> float | None:
    with log.open("rb") as lines:
        lines.seek(max(0, log.stat().st_size - 2_000_000))
        for line in reversed(lines.read().splitlines()):
            if address.encode() in line:
                return float(json.loads(line)["at"])
    return None


@contextlib.contextmanager
def _timed_mail_server() -> Iterator[tuple[int, Path]]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "accepted"
        log.touch()
        server = subprocess.Popen([sys.executable, "-m", "tests.faults.sink", str(port), str(log), "{}"])
        try:
            time.sleep(1.5)
            yield port, log
        finally:
            server.kill()
            server.wait()


@contextlib.contextmanager
def _process(kind: str, port: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.worker_settings",
        "WORKER_DATABASE": str(connection.settings_dict["NAME"]),
        "WORKER_MAIL_PORT": str(port),
    }
    quiet = ["--without-mingle", "--without-gossip", "-l", "WARNING"]
    command = ["-m", "celery", "-A", "demo_shop", "worker", *quiet, *words]
    if kind == "plain":
        command = ["manage.py", "backorders_worker"]
        environment.pop("CELERY_BROKER_URL")
    else:
        current_app.control.purge()
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if kind == "plain":
            time.sleep(5)
        else:
            while not current_app.control.ping(timeout=1):
                pass
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _most_memory(pid: int) -> float:
    """Megabytes, the most it ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
