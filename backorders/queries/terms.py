"""The terms of an item, each with the place where it was said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from backorders.models import StockItem
from backorders.models.stock import TERMS
from backorders.queries.availability import Frame, category_layers_of
from backorders.shop import Adapter, FieldAdapter
from backorders.shop.paths import resolve


class Said(StrEnum):
    """Where a term comes from; ``NOBODY``: nothing is said anywhere."""

    ITEM = "item"
    CATEGORY = "category"
    SUPPLIER = "supplier"
    SHOP = "shop"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermInForce:
    """One term of ``SellingTerms`` by its name, its value, and who says it."""

    name: str
    value: Any
    said_by: Said


def terms_explained(item: StockItem, now: datetime | None = None) -> list[TermInForce]:
    """This will say of each term what counts and who says so, in the order of ``TERMS``."""
    nothing = (None,) * len(TERMS)
    supplier = item.supplier if item.supplier_id else None
    layers = {
        Said.ITEM: tuple(getattr(item, name) for name in TERMS),
        Said.SUPPLIER: tuple(supplier.lead_days if supplier and name == "lead_days" else None for name in TERMS),
        Said.CATEGORY: category_layers_of([item]).get(item.id, nothing),
        Said.SHOP: Frame.at(now or timezone.now()).terms,
    }
    return [
        _in_force(name, {said_by: layer[place] for said_by, layer in layers.items()})
        for place, name in enumerate(TERMS)
    ]


def _in_force(name: str, values: dict[Said, Any]) -> TermInForce:
    for said_by, value in values.items():
        if value is not None and value != "":
            return TermInForce(name=name, value=value, said_by=said_by)
    return TermInForce(name=name, value=None, said_by=Said.NOBODY)


def has_categories(adapter: Adapter) -> bool:
    """Does this model know categories at all?"""
    if isinstance(adapter, FieldAdapter):
        return bool(adapter.options.get("category"))
    return type(adapter).group_key is not Adapter.group_key


def known_categories(adapter: Adapter, *, most: int) -> dict[str, str]:
    """This will list the categories in which the shop has products now, and their names; none where only asking each could tell.

    Keys as ``CategoryTerms.key`` has them. Two queries.
    """
    path = adapter.options.get("category") if isinstance(adapter, FieldAdapter) else None
    if not path:
        return {}
    lookup = path.replace(".", "__")
    rows = adapter.model._default_manager.exclude(**{lookup: None}).order_by(lookup)
    return _with_names(adapter, path, list(rows.values_list(lookup, flat=True).distinct()[:most]))


def category_names(adapter: Adapter, keys: Iterable[str]) -> dict[str, str]:
    """How the shop calls these categories; one that is gone, or has no row of its own, is called by its key (one query)."""
    path = adapter.options.get("category") if isinstance(adapter, FieldAdapter) else None
    return _with_names(adapter, path, list(keys)) if path else {key: key for key in keys}


def _with_names(adapter: Adapter, path: str, keys: list[Any]) -> dict[str, str]:
    field = resolve(adapter.model, tuple(path.split(".")))
    texts = [str(key) for key in keys]
    if not field.is_relation or field.related_model is None:
        return {text: text for text in texts}
    rows = _rows_of(field.related_model, field.target_field, texts)
    return {text: rows.get(text, text) for text in texts}


def _rows_of(model: Any, target: Any, texts: list[str]) -> dict[str, str]:
    """Names by key, leaving out texts that no row of that model could have as its key."""
    keys = [key for text in texts if (key := _key(target, text)) is not None]
    rows = model._default_manager.filter(**{f"{target.name}__in": keys})
    return {str(getattr(row, target.attname)): str(row) for row in rows}


def _key(target: Any, text: str) -> Any:
    try:
        key = target.to_python(text)
    except (ValidationError, OverflowError):
        return None
    return None if isinstance(key, int) and not -_LARGEST <= key < _LARGEST else key


_LARGEST = 2**63
"""Beyond it no database has integers."""
