"""Telling 100,000 people of one item: against a bare INSERT ... SELECT of the same columns with the same status update."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone

from backorders.models import OutgoingMail, Subscription
from backorders.services.waves import open_restock, release_wave
from benchmarks import rows
from benchmarks.report import Report, timed
from tests.hosts.models import Product

PEOPLE = 100_000
COLUMNS = (
    "kind, state, priority, restock_id, wave_number, created_at, due_at, attempts, provider_id, note, subscription_id"
)


def run(report: Report) -> None:
    ratios = []
    for _ in range(3):
        ours, floor = timed(prepare_ours()), timed(prepare_floor())
        ratios.append((floor / ours, ours, floor))
    ratio, ours, floor = sorted(ratios)[1]
    report.line(
        "fan-out",
        f"{PEOPLE / ours:,.0f} people/s",
        f"bare insert+update {PEOPLE / floor:,.0f}/s",
        ratio,
        0.5,
        at_most=False,
    )


def prepare():
    rows.clear()
    [product] = rows.products(1, stock=PEOPLE)
    [item] = rows.items([product])
    rows.subscriptions(item, PEOPLE)
    rows.analyse()
    return item


def prepare_ours():
    item = prepare()
    restock = open_restock(item=item, units=PEOPLE, now=timezone.now())

    def ours() -> None:
        release_wave(restock_id=restock.id)

    return lambda: (ours(), check())


def check() -> None:
    assert OutgoingMail.objects.count() == PEOPLE
    assert Subscription.objects.filter(state="told").count() == PEOPLE
    assert Product.objects.count() == 1


def prepare_floor():
    item = prepare()
    now = timezone.now()
    restock = open_restock(item=item, units=PEOPLE, now=now)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare_mail")
        cursor.execute(f"CREATE TABLE bare_mail AS SELECT {COLUMNS} FROM {OutgoingMail._meta.db_table} WHERE 1 = 0")

    def floor() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO bare_mail ({COLUMNS}) SELECT 'back_in_stock', 'queued', 5, {restock.id}, 1, "
                f"{stamp()}, {stamp()}, 0, '', '', id FROM {Subscription._meta.db_table} WHERE item_id = %s AND state = 'waiting'",
                [now, now, item.id] if connection.vendor == "postgresql" else [str(now), str(now), item.id],
            )
            cursor.execute(
                f"UPDATE {Subscription._meta.db_table} SET state = 'told', told_at = {stamp()}, restock_id = {restock.id} WHERE item_id = %s AND state = 'waiting'",
                [now if connection.vendor == "postgresql" else str(now), item.id],
            )

    def counted() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bare_mail")
            assert cursor.fetchone()[0] == PEOPLE
        assert Subscription.objects.filter(state="told").count() == PEOPLE

    return lambda: (floor(), counted())


def stamp() -> str:
    return "CAST(%s AS timestamptz)" if connection.vendor == "postgresql" else "%s"
