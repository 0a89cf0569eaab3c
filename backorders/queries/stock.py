"""What is on the shelf, and what of it is for sale."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from backorders.domain.availability import for_sale
from backorders.domain.units import counted
from backorders.models import StockItem
from backorders.queries.availability import snapshot_of_item
from backorders.shop import Adapter, Described, Reading, sellables
from backorders.shop.adapters import whole_units


def adapter_of(item: StockItem) -> Adapter | None:
    """The adapter of the host model behind an anchor; ``None`` when SELLABLES no longer names it."""
    return sellables.by_content_type.get(item.content_type_id)


def moves_units(item: StockItem) -> bool:
    """Do units really leave and come when we book them, as opposed to being held in a number that the shop books itself?"""
    adapter = adapter_of(item)
    return adapter is not None and (not adapter.keeps_stock or adapter.can_move_stock())


def read_shelf(item: StockItem) -> Reading:
    """This will read the shelf now: the shop's number, or ours where the shop has none. A vanished product has 0.

    Raises ``StockUnreadable``.
    """
    adapter = adapter_of(item)
    if adapter is None:
        return 0
    if not adapter.keeps_stock:
        return item.own_quantity
    keys = list(adapter.keys_from_texts([item.object_id]).values())
    stock = adapter.stock(keys) if keys else {}
    return whole_units(next(iter(stock.values()), 0), label=adapter.label, pk=item.object_id)


def units_for_sale(item: StockItem, shelf: Reading, now: datetime) -> Reading:
    """Units that can be sold and leave now, given what is on the shelf; ``None``: not counted."""
    units = for_sale(snapshot_of_item(item, counted(shelf), now), now=now)
    return None if units.is_unlimited else units.value


def price_of(item: StockItem) -> Decimal | None:
    """What the shop asks for it now (one query); ``None`` where the shop says no price."""
    adapter = adapter_of(item)
    keys = list(adapter.keys_from_texts([item.object_id]).values()) if adapter else []
    described = adapter.describe(keys) if adapter and keys else {}
    return next((each.price for each in described.values()), None)


def item_of(product: Any) -> StockItem | None:
    """The anchor of a product, or ``None`` when we never touched it."""
    return StockItem.objects.of(sellables.identify(product)).first()


def describe_products(products: Iterable[Any]) -> dict[Any, Described]:
    """How the shop shows some products, by product and in their order (one query a model); vanished ones are left out."""
    products = list(products)
    named = dict(zip(products, sellables.identify_many(products), strict=True))
    by_adapter: dict[Adapter, list[Any]] = {}
    for sellable in named.values():
        by_adapter.setdefault(sellable.adapter, []).append(sellable.pk)
    described = {adapter: adapter.describe(pks) for adapter, pks in by_adapter.items()}
    return {
        product: described[sellable.adapter][sellable.pk]
        for product, sellable in named.items()
        if sellable.pk in described[sellable.adapter]
    }


def describe_items(items: Iterable[StockItem]) -> dict[int, Described]:
    """How the shop shows its products, by item id; vanished ones are left out."""
    by_type: dict[int, list[StockItem]] = {}
    for item in items:
        if item.product is not None:
            by_type.setdefault(item.content_type_id, []).append(item)
    found: dict[int, Described] = {}
    for type_id, group in by_type.items():
        described = sellables.by_content_type[type_id].describe([item.product.pk for item in group])
        found.update({item.id: described[item.product.pk] for item in group if item.product.pk in described})
    return found
