"""10,000 units for a queue of 20,000 lines: against a bare UPDATE of the rows it fills, and against the ORM loop people write.

Ours is what a receipt does: decide, write an allocation for each line, update the lines. The mails
are written in the same transaction and timed on a line of their own, since the bare UPDATE tells nobody.
"""

from __future__ import annotations

from statistics import median

from django.db import connection, transaction
from django.utils import timezone

from backorders.models import Allocation, Backorder, StockEvent, StockItem
from backorders.services.allocation import fill_queue, give
from benchmarks import rows
from benchmarks.report import Report, timed

UNITS, LINES, NEEDS = 10_000, 20_000, 2
FILLED = UNITS // NEEDS


def run(report: Report) -> None:
    rounds = [(timed(_bare(_prepare())), timed(_allocate(*_prepare())), timed(_fill(*_prepare()))) for _ in range(9)]
    floor, seconds, all_of_it = (median(times) for times in zip(*rounds, strict=True))
    ratio, whole_ratio = (median(times[n] / times[0] for times in rounds) for n in (1, 2))
    against = f"bare UPDATE of {FILLED:,} rows {floor * 1000:.0f} ms"
    report.line("allocate 10,000 units", f"{seconds * 1000:.0f} ms", against, ratio, 2, at_most=True)
    loop = timed(_loop(*_prepare()))
    against = f"ORM loop {loop * 1000:.0f} ms"
    report.line("  and the loop", f"{seconds * 1000:.0f} ms", against, loop / seconds, 10, at_most=False)
    against = f"bare UPDATE {floor * 1000:.0f} ms, ORM loop {loop / all_of_it:.0f}x slower"
    report.line("  with mails and counters", f"{all_of_it * 1000:.0f} ms", against, whole_ratio, 5, at_most=True)


def _prepare() -> tuple[StockItem, StockEvent]:
    rows.clear()
    [product] = rows.products(1, stock=UNITS)
    [item] = rows.items([product], policy="backorder", seen_quantity=UNITS, queued_units=LINES * NEEDS)
    rows.backorders(item, LINES, quantity=NEEDS)
    event = StockEvent.objects.create(item=item, kind="received", quantity=UNITS, happened_at=timezone.now())
    rows.analyse()
    return item, event


def _allocate(item: StockItem, event: StockEvent):
    def allocate() -> None:
        with transaction.atomic():
            give(item_id=item.id, units=UNITS, event=event, now=timezone.now())

    return lambda: (allocate(), _check())


def _fill(item: StockItem, event: StockEvent):
    def fill() -> None:
        with transaction.atomic():
            fill_queue(item=item, units=UNITS, event=event, now=timezone.now())

    return lambda: (fill(), _check())


def _bare(made: tuple[StockItem, StockEvent]):
    first = list(Backorder.objects.waiting().in_line().values_list("id", flat=True)[:FILLED])
    now = Backorder._meta.get_field("closed_at").get_db_prep_save(timezone.now(), connection)

    def bare() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {Backorder._meta.db_table} SET allocated_quantity = quantity, state = 'filled', closed_at = %s "
                "WHERE id BETWEEN %s AND %s",
                [now, first[0], first[-1]],
            )

    return lambda: (bare(), _check(with_allocations=False))


def _loop(item: StockItem, event: StockEvent):
    def loop() -> None:
        units, now = UNITS, timezone.now()
        with transaction.atomic():
            for line in Backorder.objects.waiting().filter(item=item).in_line():
                given = min(units, line.needs)
                if not given:
                    break
                line.allocated_quantity += given
                line.state, line.closed_at = "filled", now
                line.save()
                Allocation.objects.create(backorder=line, event=event, quantity=given, allocated_at=now)
                units -= given

    return lambda: (loop(), _check())


def _check(*, with_allocations: bool = True) -> None:
    assert Backorder.objects.filter(state="filled").count() == FILLED
    assert not with_allocations or Allocation.objects.count() == FILLED
