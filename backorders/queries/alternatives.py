"""Substitutes that can be bought now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from backorders.domain.alternatives import Candidate, Reason, rank
from backorders.domain.availability import Availability
from backorders.models import Alternative, StockItem
from backorders.models.stock import attach_products
from backorders.queries.availability import availability_for
from backorders.shop import Described, Sellable, sellables

_LOOK_AT = 60
"""How many products of a category are looked at; those with stock come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitute:
    product: Any
    reason: Reason
    availability: Availability
    described: Described


def alternatives_to(
    product: Any, *, limit: int = 4, quantity: int = 1, now: datetime | None = None
) -> list[Substitute]:
    """This will name up to ``limit`` products that can be bought now in ``quantity`` instead of ``product``.

    Its successor first, then those picked by hand in their order, then its category by nearness of price. Never the
    product itself, never a hidden one, never one that is not on the shelf.
    """
    me = sellables.identify(product)
    item = StockItem.objects.of(me).first()
    picked = _picked(item) if item else []
    same = [(Reason.SAME_CATEGORY, other) for other in _same_category(me)]
    products = {other: None for _, other in [*picked, *same] if other != product}
    answers = availability_for(products, now=now or timezone.now())
    here = [other for other in products if answers[other].for_sale.covers(quantity)]
    described = _described([product, *here])
    candidates = [
        Candidate(key=other, reason=reason, place=place, price=described[other].price)
        for place, (reason, other) in enumerate(picked + same)
        if other in described and other != product
    ]
    best = rank(_by_price_only(candidates), price=described[product].price if product in described else None)
    return [
        Substitute(product=c.key, reason=c.reason, availability=answers[c.key], described=described[c.key])
        for c in best[:limit]
    ]


def _by_price_only(candidates: list[Candidate]) -> list[Candidate]:
    """Only what people picked has an order of its own; the rest of the category is ranked by price."""
    return [
        c if c.reason is not Reason.SAME_CATEGORY else Candidate(key=c.key, reason=c.reason, price=c.price)
        for c in candidates
    ]


def _picked(item: StockItem) -> list[tuple[Reason, Any]]:
    rows = list(Alternative.objects.filter(item=item).select_related("substitute"))
    substitutes = [row.substitute for row in rows]
    successor = item.successor
    attach_products([*substitutes, successor] if successor else substitutes)
    products = [(Reason.SUCCESSOR, successor.product)] if successor else []
    products += [(Reason.PICKED, substitute.product) for substitute in substitutes]
    known = [(reason, product) for reason, product in products if product is not None]
    return [(reason, product) for reason, product in known if _is_visible(product)]


def _is_visible(product: Any) -> bool:
    sellable = sellables.identify(product)
    return sellable.pk in sellable.adapter.visible([sellable.pk])


def _same_category(me: Sellable) -> list[Any]:
    key = me.adapter.group_key([me.pk]).get(me.pk)
    if key is None:
        return []
    members = [pk for pk in me.adapter.members(key, limit=_LOOK_AT) if pk != me.pk]
    found = me.adapter.find(members)
    return [found[pk] for pk in members if pk in found]


def _described(products: list[Any]) -> dict[Any, Described]:
    by_adapter: dict[Any, list[Any]] = {}
    for product in products:
        by_adapter.setdefault(sellables.identify(product).adapter, []).append(product)
    found: dict[Any, Described] = {}
    for adapter, group in by_adapter.items():
        described = adapter.describe([product.pk for product in group])
        found.update({product: described[product.pk] for product in group if product.pk in described})
    return found
