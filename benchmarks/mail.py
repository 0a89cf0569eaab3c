"""Mails a second, accepted by a C mail server, with two processes and every mark written; against the same loop without bookkeeping.

The floor sends the same words over the same kind of connection and writes nothing: ordinary messages from texts that were
rendered once (MIME for each), and printed ones (bytes alone). Needs ``smtp-sink`` on the PATH or in ``SMTP_SINK``: it is in
Debian's package postfix. A mail server in Python would be the slowest part.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from backorders.models import OutgoingMail
from backorders.queries.facts import facts_for
from backorders.queries.messages import WholeLines, message_for
from backorders.services.delivery import drain
from backorders.services.mailer import Mailer
from backorders.services.press import Press
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from backorders.services.wire import Printed, serialised, stuffed
from benchmarks import rows
from benchmarks.report import Report
from tests.mailserver import free_port, mail_settings

PROCESSES = 2
ORDINARY, PRINTED = 2_000, 6_000
ROUNDS = 3


def run(report: Report) -> None:
    if (sink := smtp_sink()) is None:
        print(
            "mail: not measured. It needs smtp-sink (Debian's package postfix) on the PATH, or its path in SMTP_SINK."
        )
        return
    with mail_server(sink):
        for name, count, prints, goal in (("ordinary", ORDINARY, False, 1000), ("printed", PRINTED, True, 2500)):
            rates = []
            for _ in range(ROUNDS):
                prepare(count)
                ours = rate(count, drained, prints)
                prepare(count)
                rates.append((ours / (floor := rate(count, _floor, prints)), ours, floor))
            ratio, ours, floor = sorted(rates)[len(rates) // 2]
            against = f"without bookkeeping {floor:,.0f}/s"
            report.line(f"mails a second, {name}", f"{ours:,.0f}/s", against, ratio, 0.5, at_most=False)
            report.line("", f"{ours:,.0f}/s", "", ours, goal, at_most=False, unit="/s")


def smtp_sink() -> str | None:
    return os.environ.get("SMTP_SINK") or shutil.which("smtp-sink")


@contextlib.contextmanager
def mail_server(sink: str) -> Iterator[int]:
    port = free_port()
    as_whom = ["-u", "nobody"] if os.getuid() == 0 else []
    server = subprocess.Popen([sink, *as_whom, f"127.0.0.1:{port}", "1000"])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        backend = mail_settings("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port)
        with override_settings(**backend):
            yield port
    finally:
        server.kill()
        server.wait()


def prepare(people: int) -> None:
    rows.clear()
    [product] = rows.products(1, stock=people)
    [item] = rows.items([product])
    rows.subscriptions(item, people)
    sweep_stock()
    release_waves()
    rows.analyse()
    assert OutgoingMail.objects.filter(state="queued").count() == people


def rate(count: int, work: Callable[[int, bool], None], prints: bool, *, processes: int = PROCESSES) -> float:
    connection.close()
    context = multiprocessing.get_context("fork")
    barrier, done = context.Barrier(processes + 1), context.Barrier(processes + 1)
    workers = [
        context.Process(target=_work, args=(work, count // processes, prints, barrier, done)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    start = time.perf_counter()
    done.wait()
    seconds = time.perf_counter() - start
    for worker in workers:
        worker.join()
    if work is drained:
        assert OutgoingMail.objects.filter(state="sent").count() == count
    return count / seconds


def _work(work, count, prints, barrier, done) -> None:
    connection.close()
    if not prints:
        _serialise_each()
    barrier.wait()
    work(count, prints)
    done.wait()
    connection.close()


def _serialise_each() -> None:
    """Texts are rendered once, and MIME is done for each mail: as over a provider's API, or where a template is personal."""
    write = Press.write
    Press.write = lambda self, *args, in_bytes: write(self, *args, in_bytes=False)  # type: ignore[method-assign]


def drained(count: int, prints: bool) -> None:
    drain(seconds=600)


def _floor(count: int, prints: bool) -> None:
    mails = list(OutgoingMail.objects.select_related("subscription__item", "restock").order_by("id")[:count])
    facts = facts_for(mails[:1], timezone.now())
    model = message_for(mails[0], facts, tokens={})
    with Mailer() as mailer:
        mailer.open()
        lanes, write = mailer.at_once(), _bytes if prints else _copy
        for start in range(0, count, lanes):
            some = mails[start : start + lanes]
            mailer.send([write(model, mail.subscription.email) for mail in some if mail.subscription])


def _copy(model: EmailMultiAlternatives, recipient: str) -> EmailMultiAlternatives:
    copy = WholeLines(model.subject, model.body, model.from_email, [recipient], headers=model.extra_headers)
    copy.attach_alternative(str(model.alternatives[0][0]), "text/html")
    return copy


_known: dict[int, bytes] = {}


def _bytes(model: EmailMultiAlternatives, recipient: str) -> Printed:
    data = _known.get(id(model))
    if data is None:
        data = _known[id(model)] = stuffed(serialised(model))
    return Printed("shop@shop.example", recipient, data)
