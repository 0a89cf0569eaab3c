"""The terms on which a product or a category is sold: checked, written, and looked at again by the next sweep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils import timezone

from backorders.domain.headers import one_line
from backorders.domain.terms import Policy
from backorders.domain.units import whole_quantity
from backorders.errors import InvalidPolicy, InvalidQuantity, NotSellable
from backorders.models import CategoryTerms, StockItem, Supplier
from backorders.models.stock import TERMS
from backorders.services.locks import anchors_of, locked_items, whole
from backorders.services.wake import wake
from backorders.shop import sellables

_CHUNK = 2000


@whole
def set_selling_policy(
    *,
    product: Any,
    policy: Policy | str | None = None,
    opens_at: datetime | None = None,
    releases_at: datetime | None = None,
    discontinued: bool = False,
    successor: Any = None,
    supplier: Supplier | None = None,
    **terms: Any,
) -> StockItem:
    """This will say how one product is sold when its shelf is empty, all of it: what is not named is as if never said.

    ``policy``: ``stop``, ``backorder``, ``preorder``, ``made_to_order``, ``announced`` (coming soon, and nobody knows when), or
    ``None`` for what the category or the shop's setting says. ``terms``: ``backorder_limit``, ``only_inbound``, ``customer_limit``, ``order_minimum``,
    ``order_maximum``, ``safety_stock``, ``low_stock_at``, ``lead_days`` (working days), ``reason`` (shoppers read it).
    Instants are aware. Raises ``NotSellable``, ``InvalidQuantity``, ``InvalidPolicy``.
    """
    said = checked_terms({"policy": policy, **terms})
    _refuse_impossible(said["policy"], opens_at, releases_at)
    item, replacement = _locked_pair(product, successor)
    _refuse_to_withdraw(item, said["policy"])
    for name in TERMS:
        setattr(item, name, said.get(name, _UNSAID.get(name)))
    item.opens_at, item.releases_at = opens_at, releases_at
    item.is_discontinued = discontinued
    item.successor = replacement
    item.supplier = supplier
    item.needs_look = True
    item.save()
    wake("look_at_item", item_id=item.id)
    return item


def _locked_pair(product: Any, successor: Any) -> tuple[StockItem, StockItem | None]:
    """The anchors of both, locked in one order: to name a successor locks its row too, if only against being deleted."""
    anchors = anchors_of([product] if successor is None else [product, successor])
    items = {item.id: item for item in locked_items(anchor.id for anchor in anchors.values())}
    return items[anchors[product].id], None if successor is None else items[anchors[successor].id]


@whole
def change_terms(*, products: Iterable[Any], **changes: Any) -> int:
    """This will change some terms of many products at once and leave the others as they are. All products or none.

    ``changes``: the names of ``set_selling_policy``, and ``opens_at``, ``releases_at``. Returns how many products changed.
    Raises what ``set_selling_policy`` raises, naming the first product that cannot be changed so.
    """
    return change_terms_of(item_ids=[item.id for item in anchors_of(products).values()], **changes)


@whole
def change_terms_of(*, item_ids: Iterable[int], **changes: Any) -> int:
    """The same for anchors."""
    moments = {name: changes.pop(name) for name in ("opens_at", "releases_at") if name in changes}
    changes = checked_terms(changes) | moments
    if not changes:
        return 0
    items = locked_items(item_ids)
    for item in items:
        try:
            _refuse_to_withdraw(item, changes.get("policy", item.policy))
            for name, value in changes.items():
                setattr(item, name, value)
            _refuse_impossible(item.policy, item.opens_at, item.releases_at)
            _refuse_crossed(item.order_minimum, item.order_maximum)
        except InvalidPolicy as problem:
            raise InvalidPolicy(f"{item}: {problem}") from None
        item.needs_look = True
    StockItem.objects.bulk_update(items, [*changes, "needs_look"], batch_size=500)
    wake("sweep_stock")
    return len(items)


@whole
def set_category_terms(*, model: type[Model], category: Any, **terms: Any) -> CategoryTerms:
    """This will say how the products of one category are sold, where they say nothing themselves.

    ``model``: a sellable model; ``category``: the value of its field map's ``category`` path, such as the key of a row,
    the row itself, or a name of at most 100 characters. ``terms``: as for ``set_selling_policy``; what is not named is as
    the settings say. Raises ``NotSellable``, ``InvalidQuantity``, ``InvalidPolicy``.
    """
    adapter = sellables.adapter_of(model)
    if adapter is None:
        raise NotSellable(model, sorted(sellables.by_label))
    said = checked_terms(terms)
    if said.get("policy") == Policy.PREORDER:
        raise InvalidPolicy("A pre-order needs a release of its own. Set it on each product, not on a category.")
    if said.get("policy") == Policy.ANNOUNCED:
        raise InvalidPolicy("Products are announced one by one. Set it on each product, not on a category.")
    type_id, key = sellables.content_type_id(adapter), _category_key(category)
    values = {name: said.get(name, _UNSAID.get(name)) for name in TERMS}
    row, _ = CategoryTerms.objects.update_or_create(content_type_id=type_id, key=key, defaults=values)
    look_again_at(content_type_id=type_id)
    return row


@whole
def clear_category_terms(*, model: type[Model], category: Any) -> bool:
    """This will let a category say nothing any more. Returns whether it said something.

    ``category``: as for ``set_category_terms``. Raises ``NotSellable``, ``InvalidPolicy``.
    """
    adapter = sellables.adapter_of(model)
    if adapter is None:
        raise NotSellable(model, sorted(sellables.by_label))
    type_id, key = sellables.content_type_id(adapter), _category_key(category)
    gone, _ = CategoryTerms.objects.filter(content_type_id=type_id, key=key).delete()
    look_again_at(content_type_id=type_id)
    return bool(gone)


def _category_key(category: Any) -> str:
    """A category as its terms are kept. A name that is cut off finds another category, or none."""
    key = str(category.pk if isinstance(category, Model) else category)
    if isinstance(category, Model) and category.pk is None:
        raise InvalidPolicy(f"{category!r} was never saved, so no product can be in it. Save it first.")
    if len(key) > _LONGEST_CATEGORY:
        raise InvalidPolicy(f"The category {key[:40]!r}… is longer than {_LONGEST_CATEGORY} characters. Pass its key.")
    return key


_LONGEST_CATEGORY = 100


@whole
def look_again_at(*, content_type_id: int) -> None:
    """This will have every watched product of a model looked at by the next sweep, since its terms may have changed."""
    watched = StockItem.objects.filter(content_type_id=content_type_id, is_watched=True)
    item_ids = list(watched.select_for_update(of=("self",)).order_by("id").values_list("id", flat=True))
    for start in range(0, len(item_ids), _CHUNK):  # an UPDATE alone locks its rows in any order
        StockItem.objects.filter(id__in=item_ids[start : start + _CHUNK]).update(needs_look=True)
    wake("sweep_stock")


_UNSAID = {"policy": "", "reason": ""}
_LEAST = {"order_minimum": 1, "order_maximum": 1}
_MOST_LEAD_DAYS = 3650


def checked_terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """This will check terms typed by people or programs and return them as the database keeps them.

    Raises ``InvalidPolicy`` and ``InvalidQuantity``, with the name of the term.
    """
    unknown = sorted(set(terms) - set(TERMS))
    if unknown:
        raise InvalidPolicy(f"{unknown[0]!r} is no term of selling. Use one of: {', '.join(TERMS)}.")
    said = {name: _checked_term(name, value) for name, value in terms.items()}
    _refuse_crossed(said.get("order_minimum"), said.get("order_maximum"))
    return said


def _checked_term(name: str, value: Any) -> Any:
    if value is None or value == "":
        return _UNSAID.get(name)
    if name == "policy":
        if value not in list(Policy):
            raise InvalidPolicy(f"{value!r} is no selling policy. Use one of: {', '.join(Policy)}.")
        return Policy(value).value
    if name == "reason":
        if not isinstance(value, str) or len(value) > 200:
            raise InvalidPolicy("The reason has to be text of at most 200 characters.")
        return one_line(value, longest=200)
    if name == "only_inbound":
        if not isinstance(value, bool):
            raise InvalidPolicy(f"only_inbound = {value!r} has to be True, False or None.")
        return value
    try:
        number = whole_quantity(value, least=_LEAST.get(name, 0))
    except InvalidQuantity as problem:
        raise InvalidQuantity(value, least=_LEAST.get(name, 0), name=name) from problem
    if name == "lead_days" and number > _MOST_LEAD_DAYS:
        raise InvalidPolicy(
            f"lead_days = {number} is more than ten years. Give working days, at most {_MOST_LEAD_DAYS}."
        )
    return number


def _refuse_crossed(least: int | None, most: int | None) -> None:
    if least is not None and most is not None and least > most:
        raise InvalidPolicy(f"order_minimum = {least} is more than order_maximum = {most}. Swap the two.")


def _refuse_to_withdraw(item: StockItem, policy: str) -> None:
    """Whoever has ordered was promised the goods: that is not taken back by calling them announced."""
    if policy == Policy.ANNOUNCED and item.policy != Policy.ANNOUNCED and item.queued_units:
        raise InvalidPolicy(
            f"{item.queued_units} units are ordered already, so it is more than announced. Keep its release, or cancel them first."
        )


def _refuse_impossible(policy: str, opens_at: datetime | None, releases_at: datetime | None) -> None:
    for instant in (opens_at, releases_at):
        if instant is not None and timezone.is_naive(instant):
            raise InvalidPolicy(f"{instant!r} has no time zone. Pass an aware datetime.")
    if policy == Policy.PREORDER and releases_at is None:
        raise InvalidPolicy("A pre-order needs its release: pass releases_at, or use 'announced' or 'backorder'.")
    if policy == Policy.ANNOUNCED and (opens_at or releases_at):
        raise InvalidPolicy("What is only announced has no date yet. Use 'preorder', or 'stop' with its release.")
    if opens_at is not None and releases_at is not None and opens_at >= releases_at:
        raise InvalidPolicy(f"The pre-order opens at {opens_at}, after its release at {releases_at}. Swap the two.")
