"""Which models are sold, and which adapter reads them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.signals import setting_changed
from django.db.models import Model
from django.utils.module_loading import import_string

from backorders.conf import conf
from backorders.errors import NotSellable
from backorders.shop.adapters import Adapter
from backorders.shop.fields import FieldAdapter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sellable:
    """One product of the host, addressed: its model's content type and its key as text."""

    adapter: Adapter
    content_type_id: int
    pk: Any
    object_id: str

    @property
    def anchor(self) -> tuple[int, str]:
        """What its ``StockItem`` is found by."""
        return self.content_type_id, self.object_id

    @property
    def reference(self) -> str:
        """How the API and forms name it: ``catalogue.variant:12``."""
        return f"{self.adapter.model._meta.label_lower}:{self.object_id}"


def build_adapter(model: type[Model], options: Mapping[str, Any]) -> Adapter:
    """This will make the adapter that one entry of SELLABLES asks for."""
    if "ADAPTER" in options:
        adapter = options["ADAPTER"]
        cls = import_string(adapter) if isinstance(adapter, str) else adapter
        made: Adapter = cls(model, {key: value for key, value in options.items() if key != "ADAPTER"})
        return made
    return FieldAdapter(model, dict(options))


class Sellables:
    """All sellable models of this shop. A proxy or a multi-table child is found through its parents."""

    @cached_property
    def by_model(self) -> dict[type[Model], Adapter]:
        models: dict[str, Any] = {}
        for label in conf.sellables:
            try:
                models[label] = apps.get_model(label)
            except (LookupError, ValueError):  # said by `manage.py check`; it must not break every save in the project
                log.error("BACKORDERS['SELLABLES'] names %r, which is no model; run `manage.py check`.", label)
        return {
            model._meta.concrete_model: build_adapter(model, conf.sellables[label]) for label, model in models.items()
        }

    @cached_property
    def by_label(self) -> dict[str, Adapter]:
        return {adapter.model._meta.label_lower: adapter for adapter in self}

    @cached_property
    def _found(self) -> dict[type, Adapter | None]:
        return {}

    def __iter__(self) -> Iterator[Adapter]:
        return iter(self.by_model.values())

    def adapter_of(self, model: type) -> Adapter | None:
        """The adapter of a model, of the model it is a proxy for, or of the nearest parent it extends."""
        if model not in self._found:
            self._found[model] = next((self.by_model[cls] for cls in model.__mro__ if cls in self.by_model), None)
        return self._found[model]

    def identify(self, product: Any) -> Sellable:
        """Raises ``NotSellable`` for anything SELLABLES does not name, and for instances that were never saved."""
        return self.identify_many([product])[0]

    def identify_many(self, products: Iterable[Any]) -> list[Sellable]:
        """What ``identify`` says of each, in order."""
        kinds: dict[type, tuple[Adapter, int]] = {}
        found = []
        for product in products:
            kind, pk = type(product), getattr(product, "pk", None)
            if kind not in kinds:
                kinds[kind] = self._kind(product)
            if pk is None:
                raise NotSellable(product, sorted(self.by_label))
            found.append(Sellable(*kinds[kind], pk, str(pk)))
        return found

    def identify_key(self, adapter: Adapter, pk: Any) -> Sellable:
        """The same for a key of a known model."""
        return Sellable(adapter, self.content_type_id(adapter), pk, str(pk))

    def _kind(self, product: Any) -> tuple[Adapter, int]:
        adapter = self.adapter_of(type(product))
        if adapter is None:
            raise NotSellable(product, sorted(self.by_label))
        return adapter, self.content_type_id(adapter)

    def content_type_id(self, adapter: Adapter) -> int:
        return ContentType.objects.get_for_model(adapter.model).pk

    @property
    def by_content_type(self) -> dict[int, Adapter]:
        return {self.content_type_id(adapter): adapter for adapter in self}

    def find(self, reference: str) -> Model:
        """The visible product behind ``catalogue.variant:12``. Unknown, hidden and mutilated ones all raise ``NotSellable``."""
        product = self.find_all([reference]).get(reference)
        if product is None:
            raise NotSellable(reference, sorted(self.by_label))
        return product

    def find_all(self, references: Iterable[str]) -> dict[str, Model]:
        """The visible products behind many references, two queries a model; unknown, hidden and mutilated ones are left out."""
        wanted: dict[Adapter, dict[str, Any]] = {}
        for reference in references:
            label, _, text = str(reference).partition(":")
            adapter = self.by_label.get(label.lower())
            pk = key_in_text(adapter, text) if adapter else None
            if adapter and pk is not None:
                wanted.setdefault(adapter, {})[reference] = pk
        found: dict[str, Model] = {}
        for adapter, keys in wanted.items():
            products = adapter.find(set(keys.values()))
            visible = adapter.visible(products)
            found.update(
                {reference: products[pk] for reference, pk in keys.items() if pk in products and pk in visible}
            )
        return found

    def find_many(self, object_ids_by_type: Mapping[int, Iterable[str]]) -> dict[tuple[int, str], Model]:
        """The instances behind anchors, one query a model; what is gone is left out."""
        found: dict[tuple[int, str], Model] = {}
        adapters = self.by_content_type
        for type_id, object_ids in object_ids_by_type.items():
            if adapter := adapters.get(type_id):
                keys = set(adapter.keys_from_texts(object_ids).values())
                found.update({(type_id, str(pk)): product for pk, product in adapter.find(keys).items()})
        return found

    def forget(self) -> None:
        for name in ("by_model", "by_label", "_found"):
            self.__dict__.pop(name, None)


_LONGEST_KEY = 64
_LARGEST_KEY = 2**63


def key_in_text(adapter: Adapter, text: str) -> Any:
    """The primary key in ``text``, or ``None`` when no row of any database could have it."""
    if not text or len(text) > _LONGEST_KEY or not text.isprintable():
        return None
    try:
        pk = adapter.key_from_text(text)
    except (ValueError, OverflowError):
        return None
    return None if isinstance(pk, int) and not -_LARGEST_KEY <= pk < _LARGEST_KEY else pk


sellables = Sellables()


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "BACKORDERS":
        conf.forget()
        sellables.forget()


setting_changed.connect(_forget, dispatch_uid="backorders.shop.registry")
