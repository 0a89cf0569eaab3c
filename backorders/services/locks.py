"""Every lock we take, and the anchors it is taken on.

One order for all: items by primary key, then whatever hangs on them (deliveries, lines, requests, mails). Whoever writes
requests together with mails, or lines together with counters, holds the item's lock first; a single row marked alone
needs none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backorders.errors import StockUnreadable
from backorders.models import StockItem
from backorders.queries.stock import read_shelf, units_for_sale
from backorders.shop import sellables


def anchor_of(product: Any) -> StockItem:
    """This will find the anchor of a product, or make it: products we never touched have none. Raises ``NotSellable``."""
    return anchors_of([product])[product]


def anchors_of(products: Iterable[Any]) -> dict[Any, StockItem]:
    """The same for many, in one query; missing ones are made in one order, so that two of us never wait for each other."""
    products = list(products)
    named = dict(zip(products, sellables.identify_many(products), strict=True))
    wanted = Q()
    for sellable in named.values():
        wanted |= Q(content_type_id=sellable.content_type_id, object_id=sellable.object_id)
    found = {(item.content_type_id, item.object_id): item for item in StockItem.objects.filter(wanted)} if named else {}
    keys = {product: (sellable.content_type_id, sellable.object_id) for product, sellable in named.items()}
    for type_id, object_id in sorted(set(keys.values()) - set(found)):
        found[type_id, object_id] = _make_anchor(type_id, object_id)
    for product, key in keys.items():
        found[key].product = product
    return {product: found[key] for product, key in keys.items()}


def _make_anchor(content_type_id: int, object_id: str) -> StockItem:
    key = {"content_type_id": content_type_id, "object_id": object_id}
    item, _ = StockItem.objects.get_or_create(**key, defaults=_first_look(StockItem(**key)))
    return item


def _first_look(item: StockItem) -> dict[str, Any]:
    """What is on the shelf when we first touch a product, so that the next change is seen as one."""
    now = timezone.now()
    try:
        shelf = read_shelf(item)
    except StockUnreadable:
        return {}
    return {"seen_quantity": shelf, "for_sale": units_for_sale(item, shelf, now), "settled_at": now}


def locked_items(item_ids: Iterable[int]) -> list[StockItem]:
    """This will lock items until the transaction ends, in key order, so that two of us never wait for each other."""
    return list(StockItem.objects.select_for_update(of=("self",)).filter(id__in=sorted(set(item_ids))).order_by("id"))


def locked_item(item_id: int) -> StockItem:
    return StockItem.objects.select_for_update(of=("self",)).get(id=item_id)
