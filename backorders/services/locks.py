"""Every lock we take, and the anchors it is taken on.

One order for all: items by primary key, then whatever hangs on them (deliveries, lines, requests, mails). Whoever writes
requests together with mails, or lines together with counters, holds the item's lock first; a single row marked alone
needs none.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from backorders.errors import StockUnreadable
from backorders.models import CategoryTerms, StockItem, Subscription
from backorders.models.subscriptions import LIVE
from backorders.queries.availability import without_category_terms
from backorders.queries.columns import Columns
from backorders.queries.stock import read_shelf, units_for_sale
from backorders.shop import sellables


class AnchorsMissing(Exception):
    """Some products were never touched before."""


class LocksMissing(Exception):
    """More items have to be locked than was known, and their turn has passed: start again with these too."""

    def __init__(self, item_ids: Iterable[int]) -> None:
        self.item_ids = frozenset(item_ids)
        super().__init__(f"Items {sorted(self.item_ids)} have to be locked as well.")


Verb = TypeVar("Verb", bound=Callable[..., Any])

_TRIES = 3
_TRY_AGAIN = {"40001", "40P01"}
"""PostgreSQL: could not serialize, deadlock detected. Ours never deadlock with each other, but the shop's own code has locks too."""


def whole(verb: Verb) -> Verb:
    """This will run a service in one transaction and run it again, twice at most, when the database asked for that.

    Only where no transaction of the caller's is open: then it is the caller's to repeat.
    """

    @wraps(verb)
    def run(*args: Any, **kwargs: Any) -> Any:
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                with transaction.atomic():
                    return verb(*args, **kwargs)
            except OperationalError as trouble:
                if last or transaction.get_connection().in_atomic_block or not _may_pass(trouble):
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - spreads load, guards nothing
        raise AssertionError  # the last try returns or raises

    return cast("Verb", run)


def _may_pass(trouble: OperationalError) -> bool:
    state = getattr(trouble.__cause__, "sqlstate", None)
    return state in _TRY_AGAIN or "database is locked" in str(trouble)


def anchor_of(product: Any) -> StockItem:
    """This will find the anchor of a product, or make it: products we never touched have none. Raises ``NotSellable``."""
    return anchors_of([product])[product]


def anchors_of(products: Iterable[Any]) -> dict[Any, StockItem]:
    """The same for many, in one query; missing ones are made in one order, so that two of us never wait for each other."""
    products = list(products)
    named = dict(zip(products, sellables.identify_many(products), strict=True))
    wanted = Q()
    for sellable in named.values():
        wanted |= Q(content_type_id=sellable.content_type_id, object_id=sellable.object_id)
    found = {(item.content_type_id, item.object_id): item for item in StockItem.objects.filter(wanted)} if named else {}
    keys = {product: (sellable.content_type_id, sellable.object_id) for product, sellable in named.items()}
    for type_id, object_id in sorted(set(keys.values()) - set(found)):
        found[type_id, object_id] = _make_anchor(type_id, object_id)
    for product, key in keys.items():
        found[key].product = product
    return {product: found[key] for product, key in keys.items()}


def items_for_order(products: Iterable[Any], *, email_key: str, also: Iterable[int] = ()) -> dict[Any, StockItem]:
    """This will lock the items of an order in key order and say, in the same statement, what else an order has to know.

    ``item.is_awaited``: this buyer asked to be told of it. Written by hand, for every order passes here. No anchor is made,
    since its lock would come out of order: raises ``AnchorsMissing``, and the caller makes them and starts again. ``also``:
    ids of further items to lock with them.
    """
    products = list(products)
    named = list(zip(products, sellables.identify_many(products), strict=True))
    if not named:
        return {}
    holes = " OR ".join(["(item.content_type_id = %s AND item.object_id = %s)"] * len(named))
    keys = [part for _, sellable in named for part in (sellable.content_type_id, sellable.object_id)]
    holes += "".join(" OR item.id = %s" for _ in also)
    lock = "FOR UPDATE OF item" if connection.features.has_select_for_update_of else ""
    with connection.cursor() as cursor:
        cursor.execute(_ORDER_SQL.format(wanted=holes, lock=lock), [email_key, *keys, *also])
        found = {
            (item.content_type_id, item.object_id): item for item in map(_item, _ITEM.converted(cursor.fetchall()))
        }
    items = {product: found.get((sellable.content_type_id, sellable.object_id)) for product, sellable in named}
    for product, item in items.items():
        if item is None:
            raise AnchorsMissing
        item.product = product
    return cast("dict[Any, StockItem]", items)


def _item(row: Sequence[Any]) -> StockItem:
    *values, has_category_terms, is_awaited = row
    item = StockItem.from_db(connection.alias, _ITEM.names, values)
    item.is_awaited = bool(is_awaited)  # type: ignore[attr-defined]
    if not has_category_terms:
        without_category_terms(item)
    return item


_ITEM = Columns(StockItem, [field.name for field in StockItem._meta.concrete_fields], alias="item")
_ORDER_SQL = f"""
SELECT {_ITEM.sql},
    EXISTS (SELECT 1 FROM {CategoryTerms._meta.db_table} terms
            WHERE terms.content_type_id = item.content_type_id) AS has_category_terms,
    EXISTS (SELECT 1 FROM {Subscription._meta.db_table} asked WHERE asked.item_id = item.id AND asked.email_key = %s
            AND asked.state IN ('{"', '".join(LIVE)}')) AS is_awaited
FROM {StockItem._meta.db_table} item WHERE {{wanted}} ORDER BY item.id {{lock}}
"""  # noqa: S608 - our own names


def _make_anchor(content_type_id: int, object_id: str) -> StockItem:
    key = {"content_type_id": content_type_id, "object_id": object_id}
    item, _ = StockItem.objects.get_or_create(**key, defaults=_first_look(StockItem(**key)))
    return item


def _first_look(item: StockItem) -> dict[str, Any]:
    """What is on the shelf when we first touch a product, so that the next change is seen as one."""
    now = timezone.now()
    try:
        shelf = read_shelf(item)
    except StockUnreadable:
        return {}
    return {"seen_quantity": shelf, "for_sale": units_for_sale(item, shelf, now), "settled_at": now}


def locked_items(item_ids: Iterable[int]) -> list[StockItem]:
    """This will lock items until the transaction ends, in key order, so that two of us never wait for each other."""
    return list(StockItem.objects.select_for_update(of=("self",)).filter(id__in=sorted(set(item_ids))).order_by("id"))


def locked_item(item_id: int) -> StockItem:
    return StockItem.objects.select_for_update(of=("self",)).get(id=item_id)
