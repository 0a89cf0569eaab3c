"""What came back to the shelf and is still there, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from backorders.domain.availability import Availability
from backorders.models import Restock
from backorders.models.stock import attach_products
from backorders.queries.availability import availability_of_items
from backorders.queries.stock import describe_items
from backorders.shop import Described, sellables

MOST = 50
_LOOK_AT = 4
"""For each arrival that is wanted, so many are looked at: some are hidden or sold out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """``key`` is the restock's own, and never given to another."""

    key: int
    came_at: datetime
    product: Any
    described: Described
    availability: Availability


def arrivals(*, limit: int = MOST, now: datetime | None = None) -> list[Arrival]:
    """Up to ``limit`` products that came back and can be bought now, by when they came; a handful of queries.

    A restock that is over is not news any more: nobody is sent to an empty shelf.
    """
    open_now = Restock.objects.filter(closed_at=None, item__content_type_id__in=list(sellables.by_content_type))
    rows = list(open_now.select_related("item__supplier").order_by("-opened_at", "-id")[: limit * _LOOK_AT])
    items = [row.item for row in rows]
    attach_products(items)
    answers = availability_of_items(items, now or timezone.now())
    here = [row for row in rows if answers[row.item_id].for_sale][:limit]
    described = describe_items([row.item for row in here])
    return [
        Arrival(
            key=row.id,
            came_at=row.opened_at,
            product=row.item.product,
            described=described[row.item_id],
            availability=answers[row.item_id],
        )
        for row in here
        if row.item_id in described
    ]


def references_of(keys: Iterable[int]) -> dict[int, str]:
    """What came back with some arrivals, whatever became of it since, as ``catalogue.product:12`` (one query)."""
    rows = Restock.objects.filter(id__in=list(keys)).order_by()
    adapters = sellables.by_content_type
    return {
        key: f"{adapters[type_id].model._meta.label_lower}:{object_id}"
        for key, type_id, object_id in rows.values_list("id", "item__content_type_id", "item__object_id")
        if type_id in adapters
    }
