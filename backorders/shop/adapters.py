"""What a shop has to be able to say about the things it sells. Bulk first: every question takes many keys."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Model

from backorders.errors import MOST_UNITS, StockUnreadable

Reading = int | None
"""Whole units on the shelf; ``None`` means the shop does not count this product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """How a product is shown in mails, the API and lists. ``url`` and ``image`` may be empty or relative."""

    title: str
    sku: str = ""
    url: str = ""
    image: str = ""
    price: Decimal | None = None
    currency: str = ""


class Adapter:
    """Base class for shops whose products a field map cannot describe. Name it in ``BACKORDERS["SELLABLES"]``.

    Required: ``stock`` and ``describe``. The rest has honest defaults. Keys (``pk``) are values of the model's primary key.
    """

    keeps_stock = True
    """False: the shop has no stock number at all, and ``backorders`` keeps it."""

    def __init__(self, model: type[Model], options: dict[str, Any] | None = None) -> None:
        self.model = model
        self.options = options or {}

    @property
    def label(self) -> str:
        return self.model._meta.label

    def stock(self, pks: Iterable[Any]) -> dict[Any, Any]:
        """Units on the shelf per key, read from the database now. ``None``: not tracked. Missing key: no such product."""
        raise NotImplementedError(f"{type(self).__name__} has to implement stock(pks) -> {{pk: units or None}}.")

    def describe(self, pks: Iterable[Any]) -> dict[Any, Described]:
        raise NotImplementedError(f"{type(self).__name__} has to implement describe(pks) -> {{pk: Described}}.")

    def feed_attributes(self, pks: Iterable[Any]) -> dict[Any, Mapping[str, Any]]:
        """What else the merchant feed says, by Google's names: ``{pk: {"brand": "Ardent", "gtin": "4006381333931"}}``.

        A list repeats an attribute, a dict nests (``shipping``). They go before ours, but nobody else speaks of availability.
        """
        return {}

    def visible(self, pks: Iterable[Any]) -> set[Any]:
        """Those of ``pks`` that shoppers may see now."""
        return set(self.stock(pks))

    def look(self, pks: Iterable[Any]) -> dict[Any, tuple[Any, bool]]:
        """``stock`` and ``visible`` at once: units and whether shoppers may see it, per key that exists. Every order asks this."""
        pks = list(pks)
        visible, stock = self.visible(pks), self.stock(pks) if self.keeps_stock else dict.fromkeys(pks)
        return {pk: (units, pk in visible) for pk, units in stock.items()}

    def group_key(self, pks: Iterable[Any]) -> dict[Any, Hashable]:
        """What makes two products alike, such as a category; products without one are left out."""
        return {}

    def members(self, key: Hashable, *, limit: int) -> list[Any]:
        """Keys of up to ``limit`` visible products of one group, those with stock first."""
        return []

    def loaded_stock(self, product: Model) -> Any:
        """The stock number a loaded instance already carries, or ``NOT_LOADED``. Never used for selling."""
        return NOT_LOADED

    def loaded_group(self, product: Model) -> Any:
        """The ``group_key`` a loaded instance already carries, ``None`` for none, or ``NOT_LOADED``."""
        return NOT_LOADED

    def find(self, pks: Iterable[Any]) -> dict[Any, Model]:
        """The instances, as the shop's default manager sees them."""
        return self.model._default_manager.in_bulk(list(pks))

    def can_move_stock(self) -> bool:
        """Does this adapter implement ``take`` and ``put``?"""
        return type(self).take is not Adapter.take

    def take(self, pk: Any, quantity: int) -> bool:
        """Take units off the shop's shelf in one conditional statement; ``False`` when there were not that many."""
        raise NotImplementedError

    def put(self, pk: Any, quantity: int) -> None:
        """Put units onto the shop's shelf in one statement."""
        raise NotImplementedError

    def keys_from_texts(self, texts: Iterable[str]) -> dict[str, Any]:
        """The same for many; texts that are no key (the shop changed the type of its keys, say) are left out."""
        keys: dict[str, Any] = {}
        for text in texts:
            with contextlib.suppress(ValueError):
                keys[text] = self.key_from_text(text)
        return keys

    def key_from_text(self, text: str) -> Any:
        """The primary key that ``str(pk)`` wrote. Raises ``ValueError`` for text that is none."""
        from django.core.exceptions import ValidationError

        try:
            return self.model._meta.pk.to_python(text)
        except (ValidationError, TypeError, OverflowError) as error:
            raise ValueError(f"{text!r} is no key of {self.label}") from error


class _NotLoaded:
    def __repr__(self) -> str:
        return "NOT_LOADED"


NOT_LOADED = _NotLoaded()
"""The instance does not carry the number; ask the database."""


OURS = frozenset({"availability", "availability_date"})
"""Attributes of a feed that a shop cannot set."""

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]*")


def is_attribute(name: Any) -> bool:
    """Is this the name of an attribute as Google writes them?"""
    return isinstance(name, str) and _ATTRIBUTE.fullmatch(name) is not None


def whole_units(value: Any, *, label: str, pk: Any) -> Reading:
    """This will turn what a shop stores into whole units.

    4.7 metres are 4 units for sale. Below zero (the shop has oversold) is an empty shelf. Text, NaN and infinity raise
    ``StockUnreadable``; booleans too.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not math.isfinite(value):
        raise StockUnreadable(label=label, pk=pk, value=value)
    return min(max(0, math.floor(value)), MOST_UNITS)
