"""The shop's products in our pages: their titles in bulk, and the search for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.db.models import CharField, Model, Q, QuerySet, TextField
from django.http import HttpRequest
from django.utils.translation import gettext as _

from backorders.models import StockItem
from backorders.models.stock import attach_products
from backorders.queries.stock import describe_items
from backorders.shop import Adapter, Described, FieldAdapter, sellables
from backorders.shop.paths import PathError, resolve
from backorders.shop.registry import key_in_text

MOST_FOUND = 500
"""How many products of one model a search looks at."""

_MOST_NAMED = 5


def attach_described(items: Iterable[StockItem]) -> None:
    """This will read the products of many items and how the shop shows them, two queries a model."""
    items = list(items)
    attach_products(items)
    described = describe_items(items)
    for item in items:
        item.__dict__["described"] = described.get(item.id)


def described_of(item: StockItem) -> Described | None:
    if "described" not in item.__dict__:
        attach_described([item])
    found: Described | None = item.__dict__["described"]
    return found


def title_of(item: StockItem) -> str:
    described = described_of(item)
    return described.title if described else _("gone from the shop: %(key)s") % {"key": item.object_id}


def products_matching(text: str, *, site: AdminSite, request: HttpRequest, limit: int) -> dict[Adapter, list[Any]]:
    """Keys of products whose title or number contains the text, up to ``limit`` of each sellable model."""
    found = {}
    for adapter in sellables:
        rows = _matching(adapter, text, site, request)
        found[adapter] = list(rows.order_by().values_list("pk", flat=True)[:limit])
    return found


def _matching(adapter: Adapter, text: str, site: AdminSite, request: HttpRequest) -> QuerySet[Model]:
    """As the shop's own admin searches that model; where it does not, by the text columns of the field map."""
    rows = adapter.model._default_manager.all()
    if site.is_registered(adapter.model):
        own = site.get_model_admin(adapter.model)
        if own.get_search_fields(request):
            found, may_repeat = own.get_search_results(request, rows, text)
            return found.distinct() if may_repeat else found
    columns = _text_columns(adapter)
    if not columns:
        return rows.none()
    for word in text.split():
        one_of_them = Q()
        for column in columns:
            one_of_them |= Q(**{f"{column}__icontains": word})
        rows = rows.filter(one_of_them)
    return rows


def _text_columns(adapter: Adapter) -> list[str]:
    if not isinstance(adapter, FieldAdapter):
        return []
    columns = []
    for path in filter(None, (adapter.options.get("title"), adapter.options.get("sku"))):
        try:
            field = resolve(adapter.model, tuple(path.split(".")))
        except PathError:  # a method or a property: nothing the database could search
            continue
        if isinstance(field, (CharField, TextField)):
            columns.append(path.replace(".", "__"))
    return columns


def items_matching(text: str, *, site: AdminSite, request: HttpRequest, prefix: str = "") -> tuple[Q, bool]:
    """A condition for the items (reached through ``prefix``) whose product matches, and whether there were too many to look at all."""
    wanted, is_cut = Q(**{f"{prefix}object_id": text[:64]}), False
    for adapter, keys in products_matching(text, site=site, request=request, limit=MOST_FOUND + 1).items():
        is_cut |= len(keys) > MOST_FOUND
        type_id = sellables.content_type_id(adapter)
        object_ids = [str(key) for key in keys[:MOST_FOUND]]
        wanted |= Q(**{f"{prefix}content_type_id": type_id, f"{prefix}object_id__in": object_ids})
    return wanted, is_cut


def product_typed(text: str, *, site: AdminSite, request: HttpRequest) -> Model:
    """The one product somebody means by a reference (``app.model:key``), its key, its number, or words of its title.

    What somebody wrote out in full wins over products that only contain it. Staff may mean hidden products too. Raises
    ``ValidationError`` that names what else was found.
    """
    text = text.strip()
    if (named := _by_reference(text)) is not None:
        return named
    found = _described(products_matching(text, site=site, request=request, limit=_MOST_NAMED + 1))
    exact = _described({adapter: _keys_of_exactly(adapter, text) for adapter in sellables})
    exact |= {choice: seen for choice, seen in found.items() if text.casefold() in _names(seen)}
    choices = exact or found
    if not choices:
        raise ValidationError(_("No product matches “%(text)s”."), params={"text": text}, code="unknown")
    if len(choices) == 1:
        [(adapter, pk)] = choices
        return adapter.find([pk])[pk]
    names = "; ".join(
        f"{described.title} [{adapter.model._meta.label_lower}:{pk}]"
        for (adapter, pk), described in list(choices.items())[:_MOST_NAMED]
    )
    raise ValidationError(
        _("Several products match. Enter more of the title, or what stands in brackets: %(names)s"),
        params={"names": names},
        code="several",
    )


def _described(keys: dict[Adapter, list[Any]]) -> dict[tuple[Adapter, Any], Described]:
    return {(adapter, pk): seen for adapter, pks in keys.items() if pks for pk, seen in adapter.describe(pks).items()}


def _names(described: Described) -> tuple[str, str]:
    return described.sku.casefold(), described.title.casefold()


def _keys_of_exactly(adapter: Adapter, text: str) -> list[Any]:
    """Keys of products whose own key, title or number is ``text``; a search for parts of it could find hundreds first."""
    is_it = Q()
    for column in _text_columns(adapter):
        is_it |= Q(**{f"{column}__iexact": text})
    if (pk := key_in_text(adapter, text)) is not None:
        is_it |= Q(pk=pk)
    rows = adapter.model._default_manager.filter(is_it) if is_it else adapter.model._default_manager.none()
    return list(rows.order_by().values_list("pk", flat=True)[: _MOST_NAMED + 1])


def _by_reference(text: str) -> Model | None:
    label, _colon, key = text.partition(":")
    adapter = sellables.by_label.get(label.lower())
    pk = key_in_text(adapter, key) if adapter else None
    return adapter.find([pk]).get(pk) if adapter and pk is not None else None
