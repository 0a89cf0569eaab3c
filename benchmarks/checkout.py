"""``check_out`` of one backordered line under eight writers, against a bare conditional UPDATE plus INSERT of the same rows.

Both run in processes of their own, through Django's connection, one transaction an order. The floor does what cannot be
left out: take the units under the limit, and write the line. Ours also checks the shelf, the terms and the buyer, writes
the promise, its ledger row and the customer's mail, and tells the counters.

Beside it the race of ``tests/races/test_oversell.py``, timed: eight processes order the same four items, in any order, until
a limit stops them.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import random
import time
from collections.abc import Callable

from celery import current_app
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from backorders.errors import NotOrderable
from backorders.models import Backorder, StockItem
from backorders.services.checkout import Line, check_out
from benchmarks import rows
from benchmarks.report import Report
from tests.hosts.models import Product

WRITERS, ORDERS = 8, 60
"""Orders a writer and round; rounds of ours and of the floor take turns."""

ROUNDS = 3

RACE_ORDERS, RACE_LIMIT, RACE_SECONDS = 40, 100, 10


def run(report: Report) -> None:
    for name, spread in (("hot item", 1), ("2,000 items", 2000)):
        ratios = []
        for _ in range(ROUNDS):
            ours, floor = _rate(_order, spread), _rate(_bare, spread)
            ratios.append((ours / floor, ours, floor))
        ratio, ours, floor = sorted(ratios)[len(ratios) // 2]
        report.line(
            f"check_out, {name}",
            f"{ours:,.0f} orders/s",
            f"bare UPDATE + INSERT {floor:,.0f}/s",
            ratio,
            0.4,
            at_most=False,
        )
    seconds = _race()
    report.line(
        "oversell race, 4 items",
        f"{WRITERS} x {RACE_ORDERS} orders",
        f"exactly {RACE_LIMIT} each",
        seconds,
        RACE_SECONDS,
        at_most=True,
        unit=" s",
    )


def _race() -> float:
    rows.clear()
    made = rows.products(4)
    rows.items(made, policy="backorder", backorder_limit=RACE_LIMIT)
    rows.analyse()

    def buy_one_of_each(_product: Product, _n: int, reference: str) -> None:
        lines = [Line(mug, 1, f"{reference}-{mug.pk}") for mug in random.sample(made, len(made))]
        with contextlib.suppress(NotOrderable):
            check_out(lines=lines, email=f"{reference}@example.com")

    seconds = _together(buy_one_of_each, made, RACE_ORDERS)
    assert list(StockItem.objects.values_list("queued_units", flat=True)) == [RACE_LIMIT] * len(made)
    return seconds


def _rate(order: Callable[[Product, int, str], None], spread: int) -> float:
    rows.clear()
    made = rows.products(spread)
    items = rows.items(made, policy="backorder")
    rows.deliveries(items, units=1_000_000)
    for product, item in zip(made, items, strict=True):
        product.item_id = item.id
    rows.analyse()
    seconds = _together(order, made, ORDERS)
    assert Backorder.objects.count() == WRITERS * ORDERS
    assert sum(StockItem.objects.values_list("queued_units", flat=True)) == WRITERS * ORDERS
    return WRITERS * ORDERS / seconds


def _together(order: Callable[[Product, int, str], None], made: list[Product], orders: int) -> float:
    """Seconds from the moment at which all writers may go to the moment at which the last is through."""
    connection.close()
    assert (
        current_app.connection_for_write().transport_cls
    )  # the broker's client is loaded before there are eight of us
    context = multiprocessing.get_context("fork")
    barrier, done = context.Barrier(WRITERS + 1), context.Barrier(WRITERS + 1)
    writers = [
        context.Process(target=_write, args=(order, made, orders, number, barrier, done)) for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    barrier.wait()
    start = time.perf_counter()
    done.wait()
    seconds = time.perf_counter() - start
    for writer in writers:
        writer.join()
    return seconds


def _write(order, made, orders, number, barrier, done) -> None:
    connection.close()
    random.seed(number)
    mine = itertools.cycle(made[number :: min(WRITERS, len(made))] or made)
    Product.objects.exists()  # connected
    barrier.wait()
    for n in range(orders):
        order(next(mine), n, f"{os.getpid()}-{n}")
    done.wait()
    connection.close()


def _order(product: Product, n: int, reference: str) -> None:
    check_out(lines=[Line(product, 1, reference)], email=f"{reference}@example.com")


def _bare(product: Product, n: int, reference: str) -> None:
    now, item_id = timezone.now(), product.item_id
    with transaction.atomic():
        under_limit = StockItem.objects.filter(id=item_id, queued_units__lt=1_000_000)
        assert under_limit.update(queued_units=F("queued_units") + 1)
        Backorder.objects.create(
            item_id=item_id,
            reference=reference,
            email=f"{reference}@example.com",
            email_key=f"{reference}@example.com",
            quantity=1,
            placed_at=now,
            rank_at=now,
        )
