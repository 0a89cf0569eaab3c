"""Substitutes that can be bought now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from backorders.domain.alternatives import Candidate, Reason, rank
from backorders.domain.availability import Availability
from backorders.models import StockItem
from backorders.queries.availability import availability_for, groups_of
from backorders.queries.stock import describe_products
from backorders.shop import Adapter, Described, Sellable, sellables

_LOOK_AT = 60
"""How many products of a category are looked at; those with stock come first."""

_NOTHING: Mapping[Any, Availability] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitute:
    product: Any
    reason: Reason
    availability: Availability
    described: Described


def alternatives_to(
    product: Any,
    *,
    limit: int = 4,
    quantity: int = 1,
    now: datetime | None = None,
    known: Mapping[Any, Availability] = _NOTHING,
) -> list[Substitute]:
    """This will name up to ``limit`` products that can be bought now in ``quantity`` instead of ``product``.

    Its successor first, then those picked by hand in their order, then its category by nearness of price. Never the
    product itself, never a hidden one, never one that is not on the shelf. ``known``: answers that need not be asked again.
    """
    return alternatives_for([product], limit=limit, quantity=quantity, now=now, known=known)[product]


def alternatives_for(
    products: Iterable[Any],
    *,
    limit: int = 4,
    quantity: int = 1,
    now: datetime | None = None,
    known: Mapping[Any, Availability] = _NOTHING,
) -> dict[Any, list[Substitute]]:
    """The same for many products at once.

    Two queries of ours; of each model of the shop's at most three, one more where the instances do not carry their
    category, and one for each category.
    """
    products = list(dict.fromkeys(products))
    mine = dict(zip(products, sellables.identify_many(products), strict=True))
    offers = _offers(mine)
    others = list(dict.fromkeys(other for offer in offers.values() for _, other in offer))
    answers = _answers(others, known, now or timezone.now())
    here = [other for other in others if answers[other].for_sale.covers(quantity)]
    described = describe_products(dict.fromkeys([*products, *here])) if here else {}
    return {
        product: [
            Substitute(product=c.key, reason=c.reason, availability=answers[c.key], described=described[c.key])
            for c in _ranked(product, offers[product], described, set(here))[:limit]
        ]
        for product in products
    }


def _answers(products: list[Any], known: Mapping[Any, Availability], now: datetime) -> dict[Any, Availability]:
    missing = [product for product in products if product not in known]
    found = availability_for(missing, now=now) if missing else {}
    return {product: found[product] if product in found else known[product] for product in products}


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


Anchor = tuple[int, str]
"""What a ``StockItem`` is found by: its content type and its key."""


def _offers(mine: dict[Any, Sellable]) -> dict[Any, list[tuple[Reason, Any]]]:
    """What may be offered instead of each product, in order: picked ones that are visible, then its category."""
    picked, same = _picked(mine.values()), _same_category(mine)
    wanted: dict[Adapter, set[Any]] = {}
    for adapter, pk in [*_keys_of(picked), *(key for keys in same.values() for key in keys)]:
        wanted.setdefault(adapter, set()).add(pk)
    found = {(adapter, pk): product for adapter, pks in wanted.items() for pk, product in adapter.find(pks).items()}
    visible = _visible(_keys_of(picked))
    offers: dict[Any, list[tuple[Reason, Any]]] = {}
    for product, sellable in mine.items():
        chosen = [(reason, key) for reason, key in picked.get(sellable.anchor, ()) if key in visible]
        keys = [*chosen, *((Reason.SAME_CATEGORY, key) for key in same[product])]
        offers[product] = [(reason, found[key]) for reason, key in keys if key in found]
    return offers


Key = tuple[Adapter, Any]
"""A product that was not read yet."""


def _picked(named: Iterable[Sellable]) -> dict[Anchor, list[tuple[Reason, Key]]]:
    """The successor of each, and what people picked, in one query."""
    wanted = Q()
    for sellable in named:
        wanted |= Q(content_type_id=sellable.content_type_id, object_id=sellable.object_id)
    if not wanted:
        return {}
    successor, picked = "successor", "alternatives__substitute"
    columns = [f"{path}__{name}" for path in (successor, picked) for name in ("content_type_id", "object_id")]
    rows = StockItem.objects.filter(wanted).order_by("alternatives__place", "alternatives__id")
    found: dict[Anchor, dict[tuple[Reason, Key], None]] = {}
    for type_id, object_id, *others in rows.values_list("content_type_id", "object_id", *columns):
        offer = found.setdefault((type_id, object_id), {})
        for reason, other in ((Reason.SUCCESSOR, others[:2]), (Reason.PICKED, others[2:])):
            if key := _key(*other):
                offer[reason, key] = None  # the successor stands in each row
    return {anchor: list(offer) for anchor, offer in found.items()}


def _key(type_id: int | None, object_id: str | None) -> Key | None:
    adapter = sellables.by_content_type.get(type_id) if type_id else None
    keys = adapter.keys_from_texts([object_id]) if adapter and object_id else {}
    return next(((adapter, pk) for pk in keys.values() if adapter), None)


def _keys_of(picked: dict[Anchor, list[tuple[Reason, Key]]]) -> set[Key]:
    return {key for offer in picked.values() for _, key in offer}


def _visible(keys: set[Key]) -> set[Key]:
    by_adapter: dict[Adapter, list[Any]] = {}
    for adapter, pk in keys:
        by_adapter.setdefault(adapter, []).append(pk)
    return {(adapter, pk) for adapter, pks in by_adapter.items() for pk in adapter.visible(pks)}


def _same_category(mine: dict[Any, Sellable]) -> dict[Any, list[Key]]:
    groups = groups_of(mine)
    members = {
        (adapter, group): adapter.members(group, limit=_LOOK_AT)
        for adapter, group in {(mine[product].adapter, group) for product, group in groups.items()}
    }
    return {
        product: [
            (sellable.adapter, pk)
            for pk in members.get((sellable.adapter, groups.get(product)), ())
            if pk != sellable.pk
        ]
        for product, sellable in mine.items()
    }
