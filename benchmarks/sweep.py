"""The sweep: every watched item compared with the shop's stock."""

from __future__ import annotations

from backorders.models import Restock
from backorders.services.stock import sweep_stock
from benchmarks import rows
from benchmarks.report import Report, timed
from tests.hosts.models import Product

ITEMS, CHANGED = 100_000, 20


def run(report: Report) -> None:
    rows.clear()
    made = rows.products(ITEMS)
    rows.items(made)
    rows.analyse()
    sweep_stock()
    seconds = min(timed(sweep_stock) for _ in range(3))
    report.line("sweep, unchanged", f"{ITEMS:,} items", "", seconds, 3, at_most=True, unit=" s")
    Product.objects.filter(pk__in=[product.pk for product in made[:: ITEMS // CHANGED]]).update(stock=5)
    seconds = timed(sweep_stock)
    assert Restock.objects.count() == CHANGED
    report.line("sweep, some changed", f"{ITEMS:,} items, {CHANGED} back", "", seconds, 3, at_most=True, unit=" s")
