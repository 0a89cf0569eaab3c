"""The adapter for the usual shop: a map from what we need to the fields that hold it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any
from urllib.parse import quote

from django.core.exceptions import ValidationError
from django.db.models import DecimalField, F, FloatField, IntegerField, Model, OneToOneField

from backorders.shop.adapters import NOT_LOADED, Adapter, Described
from backorders.shop.paths import PathError, Term, fill_template, parse_expression, resolve, template_paths, walk

MAP_KEYS = ("stock", "title", "sku", "price", "currency", "image", "url", "category", "visible", "moves_stock", "feed")


NUMBERS = (IntegerField, FloatField, DecimalField)


class FieldAdapter(Adapter):
    """Reads a product through a field map such as ``{"stock": "stock", "title": "name", "url": "https://front/p/{slug}"}``.

    ``stock`` may be a path, or paths and whole numbers joined by + and -. ``None`` in a nullable first path means "not
    tracked"; a missing related row reads as 0. Leave ``stock`` out and we keep the number.
    """

    @property
    def keeps_stock(self) -> bool:  # type: ignore[override]
        return bool(self.options.get("stock"))

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return parse_expression(self.options["stock"]) if self.keeps_stock else ()

    @cached_property
    def lookups(self) -> list[str]:
        """The field paths of ``stock`` as ORM lookups."""
        return ["__".join(term.path) for term in self.terms if term.path]

    @cached_property
    def is_numeric(self) -> bool:
        """Do numbers stand in all stock columns, so that a database may compute with them?"""
        return all(isinstance(resolve(self.model, term.path), NUMBERS) for term in self.terms if term.path)

    @cached_property
    def _may_be_untracked(self) -> bool:
        """Can the first operand itself be NULL, as opposed to its row being missing?"""
        return bool(self.terms and self.terms[0].path and resolve(self.model, self.terms[0].path).null)

    # reading

    def stock(self, pks: Iterable[Any]) -> dict[Any, Any]:
        rows = self.model._default_manager.filter(pk__in=list(pks)).values_list("pk", *self.lookups)
        if not self.keeps_stock:
            return {row[0]: None for row in rows}
        if self._is_one_field:
            return dict(rows) if self._may_be_untracked else {pk: 0 if value is None else value for pk, value in rows}
        return {row[0]: self.compute(row[1:]) for row in rows}

    @cached_property
    def _is_one_field(self) -> bool:
        return len(self.terms) == 1 and self.terms[0].sign == 1 and bool(self.terms[0].path)

    def compute(self, values: Sequence[Any]) -> Any:
        """The stock number from the values of ``lookups``, in their order."""
        read = iter(values)
        total: Any = 0
        for place, term in enumerate(self.terms):
            value = next(read) if term.path else term.number
            if value is None:
                if place == 0 and self._may_be_untracked:
                    return None
                value = 0
            if isinstance(value, str):
                return value
            if isinstance(value, Decimal) != isinstance(total, Decimal):
                value, total = Decimal(str(value)), Decimal(str(total))
            total += term.sign * value
        return total

    def loaded_stock(self, product: Model) -> Any:
        if not self._is_one_field:
            return NOT_LOADED
        return self._loaded_value(product, self.terms[0].path)

    def _loaded_value(self, product: Model, path: tuple[str, ...]) -> Any:
        here: Any = product
        for name in path[:-1]:
            if not here._state.fields_cache.get(name):
                return NOT_LOADED
            here = here._state.fields_cache[name]
        value = here.__dict__.get(path[-1], NOT_LOADED)
        if value is None and not self._may_be_untracked:
            return 0
        return NOT_LOADED if hasattr(value, "resolve_expression") else value

    def visible(self, pks: Iterable[Any]) -> set[Any]:
        rows = self.model._default_manager.filter(pk__in=list(pks))
        path = self.options.get("visible")
        if not path:
            return set(rows.values_list("pk", flat=True))
        return set(rows.filter(**{path.replace(".", "__"): True}).values_list("pk", flat=True))

    def look(self, pks: Iterable[Any]) -> dict[Any, tuple[Any, bool]]:
        path = (self.options.get("visible") or "").replace(".", "__")
        columns = ["pk", path] if path else ["pk"]
        rows = self.model._default_manager.filter(pk__in=list(pks)).values_list(*columns, *self.lookups)
        start = len(columns)
        return {row[0]: (self._units_in(row[start:]), row[1] is True if path else True) for row in rows}

    def _units_in(self, values: Sequence[Any]) -> Any:
        if not self._is_one_field:
            return self.compute(values) if self.keeps_stock else None
        return 0 if values[0] is None and not self._may_be_untracked else values[0]

    def group_key(self, pks: Iterable[Any]) -> dict[Any, Hashable]:
        path = self.options.get("category")
        if not path:
            return {}
        rows = self.model._default_manager.filter(pk__in=list(pks)).values_list("pk", path.replace(".", "__"))
        return {pk: key for pk, key in rows if key is not None}

    def loaded_group(self, product: Model) -> Any:
        path = self.options.get("category")
        if not path:
            return None
        here: Any = product
        *way, last = path.split(".")
        for name in way:
            here = here._state.fields_cache.get(name)
            if here is None:
                return NOT_LOADED
        field = resolve(self.model, tuple(path.split(".")))
        return here.__dict__.get(field.attname if field.is_relation else last, NOT_LOADED)

    def members(self, key: Hashable, *, limit: int) -> list[Any]:
        path = self.options.get("category")
        if not path:
            return []
        rows = self.model._default_manager.filter(**{path.replace(".", "__"): key})
        if self.options.get("visible"):
            rows = rows.filter(**{self.options["visible"].replace(".", "__"): True})
        if self._is_one_field and self._moves_one_column:
            rows = rows.order_by(F(self.lookups[0]).desc(nulls_first=True), "pk")
        return list(rows.values_list("pk", flat=True)[:limit])

    def describe(self, pks: Iterable[Any]) -> dict[Any, Described]:
        return {pk: self._describe(product) for pk, product in self._with(self._relations, pks).items()}

    def feed_attributes(self, pks: Iterable[Any]) -> dict[Any, Mapping[str, Any]]:
        written: Mapping[str, str] = self.options.get("feed") or {}
        if not written:
            return {}
        products = self._with(self._relations_in(written.values()), pks)
        return {pk: {name: _said(product, text) for name, text in written.items()} for pk, product in products.items()}

    def _with(self, relations: list[str], pks: Iterable[Any]) -> dict[Any, Model]:
        rows = self.model._default_manager.all()
        if relations:
            rows = rows.select_related(*relations)
        return rows.in_bulk(list(pks))

    @cached_property
    def _relations(self) -> list[str]:
        return self._relations_in(self.options.get(key) or "" for key in ("title", "sku", "price", "image", "url"))

    def _relations_in(self, texts: Iterable[str]) -> list[str]:
        """Relations that descriptive paths walk through, so that describing many products stays one query."""
        found = []
        paths = [path for text in texts for path in (template_paths(text) or [tuple(text.split("."))])]
        for path in paths:
            for depth in range(len(path) - 1, 0, -1):
                try:
                    field = resolve(self.model, path[:depth])
                except PathError:
                    continue
                if field.is_relation:
                    found.append("__".join(path[:depth]))
                    break
        return sorted(set(found))

    def _describe(self, product: Model) -> Described:
        return Described(
            title=str(self._text(product, "title") or product),
            sku=self._text(product, "sku"),
            url=self._url(product),
            image=self._text(product, "image"),
            price=_price(self._value(product, "price")),
            currency=self._currency(product),
        )

    def _value(self, product: Model, key: str) -> Any:
        path = self.options.get(key)
        return walk(product, tuple(path.split("."))) if path else None

    def _text(self, product: Model, key: str) -> str:
        value = self._value(product, key)
        return "" if value is None else str(value)

    def _url(self, product: Model) -> str:
        written = self.options.get("url") or "get_absolute_url"
        if template_paths(written):
            return fill_template(written, lambda path: quote(str(walk(product, path)), safe=""))
        return str(walk(product, tuple(written.split("."))) or "")

    def _currency(self, product: Model) -> str:
        written = self.options.get("currency", "")
        is_code = len(written) == 3 and written.isupper()
        return written if is_code else self._text(product, "currency")

    # moving units

    @cached_property
    def _moves_one_column(self) -> bool:
        if not self._is_one_field or len(self.terms[0].path) != 1:
            return False
        return not resolve(self.model, self.terms[0].path).is_relation

    def can_move_stock(self) -> bool:
        return self._moves_one_column and self.options.get("moves_stock", True) is not False

    def take(self, pk: Any, quantity: int) -> bool:
        column = self.lookups[0]
        rows = self.model._base_manager.filter(pk=pk)
        taken = rows.filter(**{f"{column}__gte": quantity}).update(**{column: F(column) - quantity})
        return bool(taken) or rows.filter(**{f"{column}__isnull": True}).exists()

    def put(self, pk: Any, quantity: int) -> None:
        column = self.lookups[0]
        self.model._base_manager.filter(pk=pk, **{f"{column}__isnull": False}).update(**{column: F(column) + quantity})

    def key_from_text(self, text: str) -> Any:
        field: Any = self.model._meta.pk
        while isinstance(field, OneToOneField):  # the key of a multi-table child is its parent's
            field = field.target_field
        try:
            return field.to_python(text)
        except (ValidationError, TypeError, OverflowError) as error:
            raise ValueError(f"{text!r} is no key of {self.label}") from error


def _said(product: Model, written: str) -> Any:
    """The end of a path, or, after "=", the text itself."""
    return written[1:] if written.startswith("=") else walk(product, tuple(written.split(".")))


def _price(value: Any) -> Decimal | None:
    try:
        price = Decimal(str(getattr(value, "amount", value)))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None
