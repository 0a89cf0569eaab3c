"""A list page of 100 products out of 100,000, against a raw cursor that reads the same rows."""

from __future__ import annotations

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backorders.queries.availability import availability_for
from benchmarks import rows
from benchmarks.report import Report, paired
from tests.hosts.models import Product

PRODUCTS, PAGE = 100_000, 100


def run(report: Report) -> None:
    rows.clear()
    made = rows.products(PRODUCTS, stock=0)
    rows.items(made, policy="backorder", queued_units=2, inbound_units=9)
    rows.analyse()
    page = [product.pk for product in made[:: PRODUCTS // PAGE]]
    keys = [str(pk) for pk in page]
    type_id = ContentType.objects.get_for_model(Product).pk
    loaded = list(Product.objects.filter(pk__in=page))
    holes = ", ".join(["%s"] * PAGE)

    def raw() -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT object_id, policy, backorder_limit, opens_at, releases_at, is_discontinued, own_quantity, seen_quantity, "
                "queued_units, held_units, next_earliest, next_latest, next_confidence FROM backorders_stockitem "
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
