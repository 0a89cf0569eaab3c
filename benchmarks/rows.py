"""Many rows, quickly."""

from __future__ import annotations

import datetime as dt

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone

from backorders.domain.promises import Standing
from backorders.models import (
    Allocation,
    Backorder,
    Delivery,
    OutgoingMail,
    Promise,
    Restock,
    StockEvent,
    StockItem,
    Subscription,
    Wave,
)
from backorders.queries.supply import coming_for
from backorders.services.promises import WRITTEN_BY_NOTE_NEXT, note_next
from tests.hosts.models import Product

_ALL = (
    OutgoingMail,
    Wave,
    Subscription,
    Restock,
    Allocation,
    Promise,
    Backorder,
    StockEvent,
    Delivery,
    StockItem,
    Product,
)
"""In an order in which nothing points at what is gone."""


def clear() -> None:
    for model in _ALL:
        model.objects.all().delete() if connection.vendor == "sqlite" else truncate(model)


def truncate(model: type) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {model._meta.db_table} CASCADE")


def products(count: int, *, stock: int = 0) -> list[Product]:
    rows = [Product(name=f"Product {n}", stock=stock, category=f"c{n % 200}") for n in range(count)]
    return Product.objects.bulk_create(rows, batch_size=2000)


def items(of: list[Product], **fields: object) -> list[StockItem]:
    content_type = ContentType.objects.get_for_model(Product)
    long_ago = timezone.now() - dt.timedelta(days=1)
    defaults = {"is_watched": True, "seen_quantity": 0, "for_sale": 0, "settled_at": long_ago}
    rows = [StockItem(content_type=content_type, object_id=str(product.pk), **{**defaults, **fields}) for product in of]
    return StockItem.objects.bulk_create(rows, batch_size=2000)


def deliveries(items: list[StockItem], *, units: int, each: int = 1) -> None:
    """So many deliveries of each item, a week apart, as ``expect_delivery`` leaves them, and the items that know of them."""
    now, rows = timezone.now(), []
    for item in items:
        for week in range(1, each + 1):
            day = now.date() + dt.timedelta(weeks=week)
            rows.append(
                Delivery(
                    item=item,
                    quantity=units,
                    earliest_on=day,
                    latest_on=day,
                    forecast_earliest_on=day,
                    forecast_latest_on=day,
                    created_at=now,
                )
            )
    Delivery.objects.bulk_create(rows, batch_size=2000)
    coming = coming_for([item.id for item in items], today=now.date())
    for item in items:
        note_next(item, Standing(horizon=coming[item.id].horizon, today=now.date()))
    StockItem.objects.bulk_update(items, WRITTEN_BY_NOTE_NEXT, batch_size=500)


def backorders(item: StockItem, count: int, *, quantity: int) -> None:
    """A queue as ``check_out`` leaves it, oldest first."""
    start = timezone.now() - dt.timedelta(days=30)
    rows = [
        Backorder(
            item=item,
            reference=f"line {n}",
            email=f"buyer{n}@example.com",
            email_key=f"buyer{n}@example.com",
            quantity=quantity,
            placed_at=start + dt.timedelta(seconds=n),
            rank_at=start + dt.timedelta(seconds=n),
        )
        for n in range(count)
    ]
    Backorder.objects.bulk_create(rows, batch_size=2000)


def subscriptions(item: StockItem, count: int, *, name: str = "reader") -> None:
    start = timezone.now() - dt.timedelta(days=30)
    rows = [
        Subscription(
            item=item,
            email=f"{name}{n}@example.com",
            email_key=f"{name}{n}@example.com",
            state="waiting",
            placed_at=start + dt.timedelta(seconds=n),
        )
        for n in range(count)
    ]
    Subscription.objects.bulk_create(rows, batch_size=2000)


def analyse() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
