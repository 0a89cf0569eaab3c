"""A list page of 100 products out of 100,000, against a raw cursor that reads the same columns of the same rows.

With terms on items and categories, deliveries, and a queue of 20,000 lines for one of the products on the page.
"""

from __future__ import annotations

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backorders.models import StockItem
from backorders.queries.availability import AnchorRow, availability_for
from backorders.services.repair import repair_counters
from backorders.services.terms import set_category_terms
from benchmarks import rows
from benchmarks.report import Report, paired
from tests.hosts.models import Product

PRODUCTS, PAGE, QUEUE = 100_000, 100, 20_000


def run(report: Report) -> None:
    rows.clear()
    made = rows.products(PRODUCTS, stock=0)
    items = rows.items(made, policy="backorder", backorder_limit=500, safety_stock=1, lead_days=10, queued_units=2)
    rows.deliveries(items[:: PRODUCTS // PAGE], units=9, each=3)
    rows.backorders(items[0], QUEUE, quantity=2)
    for category in range(20):
        set_category_terms(model=Product, category=f"c{category}", low_stock_at=2, reason="The pottery is closed.")
    shown = [item.id for item in items[:: PRODUCTS // PAGE]]
    assert list(
        repair_counters(item_ids=shown)
    )  # what is owed, on its way and next, as the services would have left it
    rows.analyse()
    page = [product.pk for product in made[:: PRODUCTS // PAGE]]
    keys = [str(pk) for pk in page]
    columns = ", ".join(AnchorRow._fields[:-1])  # the last is another table's
    type_id = ContentType.objects.get_for_model(Product).pk
    loaded = list(Product.objects.filter(pk__in=page))
    holes = ", ".join(["%s"] * PAGE)

    def raw() -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {columns} FROM {StockItem._meta.db_table} "
                f"WHERE content_type_id = %s AND object_id IN ({holes})",
                [type_id, *keys],
            )
            return cursor.fetchall()

    def attach() -> dict:
        return availability_for(loaded)

    def whole() -> dict:
        return availability_for(Product.objects.filter(pk__in=page))

    def raw_whole() -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, name, stock, price, category, is_visible FROM hosts_product WHERE id IN ({holes})", page
            )
            return [*cursor.fetchall(), *raw()]

    assert len(raw()) == len(attach()) == len(whole()) == PAGE
    with CaptureQueriesContext(connection) as queries:
        whole()
    report.line("list page, queries", f"{PAGE} of {PRODUCTS:,}", "", len(queries), 2, at_most=True, unit="")
    for name, ours, floor in (("list page, our part", attach, raw), ("list page, whole", whole, raw_whole)):
        seconds, bare, ratio = paired(ours, floor, rounds=60)
        report.line(name, f"{seconds * 1000:.2f} ms", f"raw cursor {bare * 1000:.2f} ms", ratio, 4, at_most=True)
