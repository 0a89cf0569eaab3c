"""Substitutes that can be bought now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backorders.domain.alternatives import Candidate, Reason, rank
from backorders.domain.availability import Availability
from backorders.models import Alternative, StockItem
from backorders.models.stock import attach_products
from backorders.queries.availability import availability_for
from backorders.shop import Adapter, Described, Sellable, sellables

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
    return alternatives_for([product], limit=limit, quantity=quantity, now=now)[product]


def alternatives_for(
    products: Iterable[Any], *, limit: int = 4, quantity: int = 1, now: datetime | None = None
) -> dict[Any, list[Substitute]]:
    """The same for many products at once: a few queries, and one for each of their categories."""
    products = list(dict.fromkeys(products))
    mine = dict(zip(products, sellables.identify_many(products), strict=True))
    picked, same = _picked(mine), _same_category(mine)
    offers = {product: [*picked[product], *same[product]] for product in products}
    others = list(dict.fromkeys(other for offer in offers.values() for _, other in offer))
    answers = availability_for(others, now=now or timezone.now())
    here = [other for other in others if answers[other].for_sale.covers(quantity)]
    described = _described(list(dict.fromkeys([*products, *here])))
    return {
        product: [
            Substitute(product=c.key, reason=c.reason, availability=answers[c.key], described=described[c.key])
            for c in _ranked(product, offers[product], described, set(here))[:limit]
        ]
        for product in products
    }


def _ranked(
    product: Any, offers: list[tuple[Reason, Any]], described: dict[Any, Described], here: set[Any]
) -> list[Candidate]:
    candidates = [
        Candidate(key=other, reason=reason, place=place, price=described[other].price)
        for place, (reason, other) in enumerate(offers)
        if other in here and other in described and other != product
    ]
    return rank(_by_price_only(candidates), price=described[product].price if product in described else None)


def _by_price_only(candidates: list[Candidate]) -> list[Candidate]:
    """Only what people picked has an order of its own; the rest of the category is ranked by price."""
    return [
        c if c.reason is not Reason.SAME_CATEGORY else Candidate(key=c.key, reason=c.reason, price=c.price)
        for c in candidates
    ]


def _picked(mine: dict[Any, Sellable]) -> dict[Any, list[tuple[Reason, Any]]]:
    """The successor, and what people picked, of each product."""
    wanted = Q()
    for sellable in mine.values():
        wanted |= Q(content_type_id=sellable.content_type_id, object_id=sellable.object_id)
    items = {
        (item.content_type_id, item.object_id): item
        for item in (StockItem.objects.filter(wanted).select_related("successor") if mine else [])
    }
    rows = list(Alternative.objects.filter(item__in=items.values()).select_related("substitute")) if items else []
    successors = [item.successor for item in items.values() if item.successor]
    attach_products([*(row.substitute for row in rows), *successors])
    found: dict[Any, list[tuple[Reason, Any]]] = {}
    for product, sellable in mine.items():
        item = items.get((sellable.content_type_id, sellable.object_id))
        first = [(Reason.SUCCESSOR, item.successor.product)] if item and item.successor else []
        picked = [(Reason.PICKED, row.substitute.product) for row in rows if item and row.item_id == item.id]
        found[product] = [(reason, other) for reason, other in [*first, *picked] if other is not None]
    visible = _visible({other for offer in found.values() for _, other in offer})
    return {product: [each for each in offer if each[1] in visible] for product, offer in found.items()}


def _visible(products: set[Any]) -> set[Any]:
    named = {product: sellables.identify(product) for product in products}
    by_adapter: dict[Adapter, list[Any]] = {}
    for sellable in named.values():
        by_adapter.setdefault(sellable.adapter, []).append(sellable.pk)
    seen = {adapter: adapter.visible(pks) for adapter, pks in by_adapter.items()}
    return {product for product, sellable in named.items() if sellable.pk in seen[sellable.adapter]}


def _same_category(mine: dict[Any, Sellable]) -> dict[Any, list[tuple[Reason, Any]]]:
    by_adapter: dict[Adapter, dict[Any, Any]] = {}
    for product, sellable in mine.items():
        by_adapter.setdefault(sellable.adapter, {})[sellable.pk] = product
    found: dict[Any, list[tuple[Reason, Any]]] = {product: [] for product in mine}
    for adapter, products in by_adapter.items():
        groups = adapter.group_key(list(products))
        members = {key: adapter.members(key, limit=_LOOK_AT) for key in set(groups.values())}
        others = adapter.find({pk for pks in members.values() for pk in pks}) if members else {}
        for pk, key in groups.items():
            found[products[pk]] = [
                (Reason.SAME_CATEGORY, others[other]) for other in members[key] if other != pk and other in others
            ]
    return found


def _described(products: list[Any]) -> dict[Any, Described]:
    by_adapter: dict[Any, list[Any]] = {}
    for product in products:
        by_adapter.setdefault(sellables.identify(product).adapter, []).append(product)
    found: dict[Any, Described] = {}
    for adapter, group in by_adapter.items():
        described = adapter.describe([product.pk for product in group])
        found.update({product: described[product.pk] for product in group if product.pk in described})
    return found
