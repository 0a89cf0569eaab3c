"""What can be bought, and when the rest comes. At most three queries, however many products and however mixed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import CharField, FloatField, Value
from django.db.models.functions import Cast
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.availability import Availability, Snapshot, decide
from backorders.domain.promises import Lead
from backorders.domain.terms import Terms, terms_in_force
from backorders.domain.units import UNLIMITED, Units, counted
from backorders.domain.windows import NO_DATE, Confidence, Promise, Window, window_of
from backorders.errors import MOST_UNITS, StockUnreadable
from backorders.models import CategoryTerms, Restock, StockEvent, StockItem, Supplier
from backorders.models.stock import BEHIND, TERMS
from backorders.queries.calendars import shop_calendar, working_day_of
from backorders.queries.columns import Columns
from backorders.queries.holds import units_kept_by
from backorders.shop import Adapter, FieldAdapter, Reading, Sellable, sellables
from backorders.shop.adapters import NOT_LOADED, whole_units

log = logging.getLogger(__name__)


class AnchorRow(NamedTuple):
    """The columns of ``StockItem`` that the decision needs, in the order in which they are read. The terms come first, as one block.

    The last is of its usual supplier; pages alone ask for it.
    """

    content_type_id: int
    object_id: str
    policy: str
    backorder_limit: int | None
    only_inbound: bool | None
    customer_limit: int | None
    order_minimum: int | None
    order_maximum: int | None
    safety_stock: int | None
    low_stock_at: int | None
    lead_days: int | None
    reason: str
    opens_at: datetime | None
    releases_at: datetime | None
    is_discontinued: bool
    own_quantity: int | None
    seen_quantity: int | None
    queued_units: int
    pinned_units: int
    held_units: int
    on_hold_units: int
    inbound_units: int
    next_earliest: date | None
    next_latest: date | None
    next_confidence: str
    dates_kept: int | None = None

    @property
    def terms(self) -> TermsRow:
        return tuple(self)[_TERMS]


TermsRow = tuple[Any, ...]
"""What one layer says: the fields of ``SellingTerms``, ``None`` or "" where it says nothing."""

_TERMS = slice(2, 2 + len(TERMS))
_NOTHING: TermsRow = (None,) * len(TERMS)


def shop_today(now: datetime) -> date:
    """The calendar day in the shop's time zone (``settings.TIME_ZONE``), whatever zone is active for the visitor."""
    return now.astimezone(timezone.get_default_timezone()).date()


def availability_of(product: Any, now: datetime | None = None, *, holds: Iterable[str] = ()) -> Availability:
    """This will say what can be done with one product, reading the shelf from the database now. A hidden one is out of stock.

    ``holds``: tokens of the visitor's, as of ``storefront.holds.holds_of``; what they keep is for sale to them. Raises ``NotSellable`` for what ``BACKORDERS["SELLABLES"]`` does not name.
    """
    sellable = sellables.identify(product)
    named = [(product, sellable)]
    anchors = _anchors([sellable])
    on_shelf = _on_shelf(sellable, anchors.row_of(sellable), _stock(named, trust_loaded=False))
    is_visible = sellable.pk in sellable.adapter.visible([sellable.pk])
    layer = anchors.category_layers(named).get(sellable, _NOTHING)
    now = now or timezone.now()
    own = units_kept_by(holds, now).get(sellable.anchor, 0)
    return Frame.at(now).decide(anchors.row_of(sellable), on_shelf, layer, is_visible=is_visible, own=own)


def availability_for(
    products: Iterable[Any], now: datetime | None = None, *, holds: Iterable[str] = ()
) -> dict[Any, Availability]:
    """This will answer for a whole list: one query for our rows, and one or two for stock that the instances do not carry.

    A stock number that a list page has just loaded is not read again; an adapter class of the shop's own costs one query
    for each such model, and so do categories that have terms of their own and are not loaded. ``now`` is an aware instant.
    ``holds``: tokens of the visitor's; what they keep is for sale to them (one more query, where there are any). Raises
    ``NotSellable``.
    """
    return answers_to(products, now, holds=holds).by_product


@dataclass(frozen=True, slots=True)
class Answers:
    """What can be had of some products, and which of them were on sale before the release that is set for them now."""

    by_product: dict[Any, Availability]
    released_before: set[Any]


def answers_to(products: Iterable[Any], now: datetime | None = None, *, holds: Iterable[str] = ()) -> Answers:
    """The same as ``availability_for``, for as many queries, with what only machines are told: was it released before?

    It was, when it came back to the shelf once, or was taken off it by an order: nothing that waits for its release can.
    """
    products = list(products)
    named = list(zip(products, sellables.identify_many(products), strict=True))
    anchors = _anchors([sellable for _, sellable in named])
    stock = _stock(named, trust_loaded=True)
    layers = anchors.category_layers(named)
    frame = Frame.at(now or timezone.now())
    kept = units_kept_by(holds, frame.now)
    answers: dict[Any, Availability] = {}
    for product, sellable in named:
        row = anchors.row_of(sellable)
        layer = layers.get(sellable, _NOTHING) if layers else _NOTHING
        own = kept.get(sellable.anchor, 0) if kept else 0
        answers[product] = frame.decide(row, _on_shelf(sellable, row, stock), layer, own=own)
    released = anchors.released
    return Answers(
        answers, {product for product, sellable in named if sellable.anchor in released} if released else set()
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for every product of one question: the moment, the shop's zone, its calendar and its own terms."""

    now: datetime
    today: date
    zone: tzinfo
    terms: TermsRow

    @classmethod
    def at(cls, now: datetime) -> Frame:
        return cls(now=now, today=shop_today(now), zone=timezone.get_default_timezone(), terms=_shop_terms())

    def decide(
        self,
        row: AnchorRow | None,
        on_shelf: Units,
        category: TermsRow = _NOTHING,
        *,
        is_visible: bool = True,
        own: int = 0,
    ) -> Availability:
        snapshot = self.snapshot(row, on_shelf, category, is_visible=is_visible, own=own)
        return decide(snapshot, now=self.now, today=self.today)

    def snapshot(
        self,
        row: AnchorRow | None,
        on_shelf: Units,
        category: TermsRow = _NOTHING,
        *,
        is_visible: bool = True,
        own: int = 0,
    ) -> Snapshot:
        """What the decision looks at, from our row (or none: a product never touched), its category's terms, and the shelf.

        ``own``: units put aside for whoever asks.
        """
        if row is None:
            terms = terms_in_force(category, self.terms)
            return Snapshot(on_shelf=on_shelf, terms=terms, is_visible=is_visible, promise=self._by_lead_time(terms))
        terms = terms_in_force(row[_TERMS], category, self.terms)
        return Snapshot(
            on_shelf=on_shelf,
            held=row.held_units,
            on_hold=row.on_hold_units,
            own=own,
            queued=row.queued_units,
            pinned=row.pinned_units,
            inbound=row.inbound_units,
            terms=terms,
            opens_at=row.opens_at and row.opens_at.astimezone(self.zone),
            releases_at=row.releases_at and row.releases_at.astimezone(self.zone),
            is_discontinued=row.is_discontinued,
            is_visible=is_visible,
            promise=self._promise(row, terms),
            dates_kept=row.dates_kept,
        )

    def _promise(self, row: AnchorRow, terms: Terms) -> Promise:
        announced = _promise(row)
        if isinstance(announced, Window) and not announced.is_over(self.today):
            return announced
        by_lead_time = self._by_lead_time(terms)
        if isinstance(by_lead_time, Window) and row.next_latest and row.next_latest > by_lead_time.latest:
            by_lead_time = replace(by_lead_time, earliest=row.next_latest, latest=row.next_latest)
        return by_lead_time if isinstance(by_lead_time, Window) else announced

    def _by_lead_time(self, terms: Terms) -> Promise:
        """Where no delivery is announced: the lead time, counted from the working day on which an order would count."""
        if terms.lead_days is None or not terms.policy.takes_orders:
            return NO_DATE
        return Lead(days=terms.lead_days, calendar=shop_calendar()).window_for(working_day_of(self.now))


def _shop_terms() -> TermsRow:
    """The settings, as the last layer."""
    return (
        conf.default_policy,
        conf.backorder_limit,
        conf.only_inbound,
        conf.customer_limit,
        None,
        None,
        conf.safety_stock,
        conf.low_stock_at,
        conf.lead_days,
        "",
    )


@dataclass(frozen=True, slots=True)
class Anchors:
    """Our rows for some products, by (content type, key), and the terms of categories, by (content type, category)."""

    items: dict[tuple[int, str], AnchorRow]
    categories: dict[tuple[int, str], TermsRow]
    released: frozenset[tuple[int, str]] = frozenset()

    def row_of(self, sellable: Sellable) -> AnchorRow | None:
        return self.items.get(sellable.anchor)

    def category_layers(self, named: list[tuple[Any, Sellable]]) -> dict[Sellable, TermsRow]:
        """What the categories of these products say; no query at all where no category says anything."""
        if not self.categories:
            return {}
        types = {type_id for type_id, _ in self.categories}
        wanted = {product: sellable for product, sellable in named if sellable.content_type_id in types}
        found = {
            wanted[product]: self.categories.get((wanted[product].content_type_id, str(group)))
            for product, group in groups_of(wanted).items()
        }
        return {sellable: layer for sellable, layer in found.items() if layer is not None}


def groups_of(named: Mapping[Any, Sellable]) -> dict[Any, Any]:
    """The category of each product that has one: from the instances where they carry it, else one query a model."""
    found: dict[Any, Any] = {}
    missing: dict[Adapter, dict[Any, Any]] = {}
    for product, sellable in named.items():
        group = sellable.adapter.loaded_group(product)
        if group is NOT_LOADED:
            missing.setdefault(sellable.adapter, {})[sellable.pk] = product
        else:
            found[product] = group
    for adapter, wanted in missing.items():
        found.update({wanted[pk]: group for pk, group in adapter.group_key(list(wanted)).items()})
    return {product: group for product, group in found.items() if group is not None}


def _anchors(named: list[Sellable]) -> Anchors:
    """One statement for both tables: written by hand, since building it anew for every list page costs more than running it."""
    ids_by_type: dict[int, list[str]] = {}
    for sellable in named:
        ids_by_type.setdefault(sellable.content_type_id, []).append(sellable.object_id)
    if not ids_by_type:
        return Anchors({}, {})
    sql, params = _anchors_statement(ids_by_type)
    items: dict[tuple[int, str], AnchorRow] = {}
    categories: dict[tuple[int, str], TermsRow] = {}
    released = set()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = _ITEM.converted(cursor.fetchall())
    for row in rows:
        if row[-1]:
            items[row[0], row[1]] = AnchorRow._make(row[:-2])
            if row[-2]:
                released.add((row[0], row[1]))
        else:
            categories[row[0], row[1]] = tuple(row[_TERMS])
    return Anchors(items, categories, frozenset(released))


def _anchors_statement(ids_by_type: dict[int, list[str]]) -> tuple[str, list[Any]]:
    items, categories = StockItem._meta.db_table, CategoryTerms._meta.db_table
    wanted, params = [], []
    for type_id, object_ids in ids_by_type.items():
        if connection.vendor == "postgresql":
            wanted.append("(item.content_type_id = %s AND item.object_id = ANY(%s))")
            params += [type_id, object_ids]
        else:
            wanted.append(f"(item.content_type_id = %s AND item.object_id IN ({', '.join(['%s'] * len(object_ids))}))")
            params += [type_id, *object_ids]
    types = ", ".join(["%s"] * len(ids_by_type))
    sql = (
        f"SELECT {_ITEM_COLUMNS} FROM {items} item LEFT JOIN {Supplier._meta.db_table} supplier "  # noqa: S608 - our own names
        f"ON supplier.id = item.supplier_id WHERE {' OR '.join(wanted)} "
        f"UNION ALL SELECT {_CATEGORY_COLUMNS} FROM {categories} WHERE content_type_id IN ({types})"
    )
    return sql, [*params, *ids_by_type]


_OWN = AnchorRow._fields[:-1]
_ITEM = Columns(StockItem, _OWN, alias="item")
_LEAD_DAYS = "COALESCE(item.lead_days, supplier.lead_days)"
_WAS_RELEASED = (  # looked up only of what has a release: nearly nothing on any list has one
    "CASE WHEN item.releases_at IS NULL THEN 0 "  # noqa: S608 - our own names
    f"WHEN EXISTS (SELECT 1 FROM {Restock._meta.db_table} again WHERE again.item_id = item.id) THEN 1 "
    f"WHEN EXISTS (SELECT 1 FROM {StockEvent._meta.db_table} event WHERE event.item_id = item.id "
    f"AND event.kind = '{StockEvent.Kind.TAKEN.value}') THEN 1 ELSE 0 END"
)
_ITEM_COLUMNS = f"{_ITEM.sql.replace('item.lead_days', _LEAD_DAYS)}, supplier.dates_kept, {_WAS_RELEASED}, 1"
_CATEGORY_COLUMNS = ", ".join(
    ["content_type_id", "key", *TERMS, *["NULL"] * (len(AnchorRow._fields) - 2 - len(TERMS)), "0", "0"]
)


def _stock(named: list[tuple[Any, Sellable]], *, trust_loaded: bool) -> dict[tuple[int, Any], Any]:
    """Raw stock numbers by (content type, key): from the instances where they carry them, else from the database."""
    found: dict[tuple[int, Any], Any] = {}
    missing: dict[Adapter, list[Sellable]] = {}
    for product, sellable in named:
        if not sellable.adapter.keeps_stock:
            continue
        loaded = sellable.adapter.loaded_stock(product) if trust_loaded else NOT_LOADED
        if loaded is NOT_LOADED:
            missing.setdefault(sellable.adapter, []).append(sellable)
        else:
            found[sellable.content_type_id, sellable.pk] = loaded
    maps = {
        adapter: wanted
        for adapter, wanted in missing.items()
        if isinstance(adapter, FieldAdapter) and adapter.is_numeric
    }
    if len(maps) > 1:
        found.update(_stock_of_many_models(maps))
        missing = {adapter: wanted for adapter, wanted in missing.items() if adapter not in maps}
    for adapter, wanted in missing.items():
        type_id = wanted[0].content_type_id
        numbers = adapter.stock([sellable.pk for sellable in wanted])
        found.update({(type_id, pk): number for pk, number in numbers.items()})
    return found


def _stock_of_many_models(maps: dict[FieldAdapter, list[Sellable]]) -> dict[tuple[int, Any], Any]:
    """One UNION over several sellable models: their keys travel as text, their numbers as floats."""
    adapters = list(maps)
    width = max(len(adapter.lookups) for adapter in adapters)
    parts = []
    for place, adapter in enumerate(adapters):
        rows = adapter.model._default_manager.filter(pk__in=[sellable.pk for sellable in maps[adapter]]).order_by()
        numbers = {f"bo_{n}": Cast(lookup, FloatField()) for n, lookup in enumerate(adapter.lookups)}
        blanks = {f"bo_{n}": Cast(Value(None), FloatField()) for n in range(len(adapter.lookups), width)}
        rows = rows.annotate(bo_model=Value(place), bo_key=Cast("pk", CharField(max_length=64)), **numbers, **blanks)
        parts.append(rows.values_list("bo_model", "bo_key", *[f"bo_{n}" for n in range(width)]))
    found: dict[tuple[int, Any], Any] = {}
    for place, key, *values in parts[0].union(*parts[1:], all=True):
        adapter = adapters[place]
        type_id = maps[adapter][0].content_type_id
        found[type_id, adapter.key_from_text(key)] = adapter.compute(values[: len(adapter.lookups)])
    return found


def _on_shelf(sellable: Sellable, row: AnchorRow | None, stock: dict[tuple[int, Any], Any]) -> Units:
    if not sellable.adapter.keeps_stock:
        return counted(row.own_quantity) if row else UNLIMITED
    raw = stock.get((sellable.content_type_id, sellable.pk), 0)
    if type(raw) is int and 0 <= raw <= MOST_UNITS:  # nearly always, and lists are long
        return Units(raw)
    try:
        return counted(whole_units(raw, label=sellable.adapter.label, pk=sellable.pk))
    except StockUnreadable as problem:
        log.warning("%s", problem)
        last_good: Reading = row.seen_quantity if row and row.seen_quantity is not None else 0
        return counted(last_good)


def shelves_of(items: Iterable[StockItem]) -> dict[int, int]:
    """Units on the shelves of counted products, by item id: as their instances carry it, else read now (one query a model).

    Each item has its ``product``. What nobody counts has 0 here: it is never short.
    """
    named = [(item, sellables.identify(item.product)) for item in items]
    stock = _stock([(item.product, sellable) for item, sellable in named], trust_loaded=True)
    return {item.id: _on_shelf(sellable, row_of_item(item), stock).value for item, sellable in named}


def _promise(row: AnchorRow) -> Promise:
    if row.next_confidence == BEHIND:
        return NO_DATE
    return window_of(row.next_earliest, row.next_latest, Confidence(row.next_confidence or Confidence.ESTIMATED))


def availability_of_items(
    items: Iterable[StockItem], now: datetime, *, to_holders: bool = False
) -> dict[int, Availability]:
    """This will answer for anchors, reading the shelf now; hidden and vanished products are out of stock. Keys are item ids.

    ``to_holders``: as all for whom units are put aside find it, together.
    """
    items = [item for item in items if item.content_type_id in sellables.by_content_type]
    frame, looks, layers = Frame.at(now), looks_at(items), category_layers_of(items)
    return {
        item.id: frame.decide(
            row_of_item(item),
            counted(looks[item.id].shelf),
            layers.get(item.id, _NOTHING),
            is_visible=looks[item.id].is_visible,
            own=item.on_hold_units if to_holders else 0,
        )
        for item in items
    }


@dataclass(frozen=True, slots=True)
class Look:
    """What one read of a shelf found. ``shelf``: the shop's number, ``None`` for not counted."""

    shelf: Reading
    is_visible: bool = True

    def less(self, units: int) -> Look:
        """The same after we took units, whether or not the shop's own number has moved yet."""
        return self if self.shelf is None else Look(max(0, self.shelf - units), self.is_visible)


def looks_at(items: Iterable[StockItem]) -> dict[int, Look]:
    """This will read the shelves of locked anchors, and whether shoppers may see them, in one query a model (two for an adapter class)."""
    by_adapter: dict[Adapter, list[StockItem]] = {}
    looks: dict[int, Look] = {}
    for item in items:
        if adapter := sellables.by_content_type.get(item.content_type_id):
            by_adapter.setdefault(adapter, []).append(item)
        else:
            looks[item.id] = Look(0, is_visible=False)
    for adapter, group in by_adapter.items():
        looks |= _looks_of(adapter, group)
    return looks


def _looks_of(adapter: Adapter, items: list[StockItem]) -> dict[int, Look]:
    keys = adapter.keys_from_texts(item.object_id for item in items)
    found = adapter.look(list(keys.values()))
    stock = {(items[0].content_type_id, pk): units for pk, (units, _) in found.items()} if adapter.keeps_stock else {}
    looks = {}
    for item in items:
        pk = keys.get(item.object_id)
        sellable = Sellable(adapter, item.content_type_id, pk, item.object_id)
        is_visible = pk in found and found[pk][1]
        looks[item.id] = Look(_on_shelf(sellable, row_of_item(item), stock).or_none, is_visible=is_visible)
    return looks


def answer_to(item: StockItem, look: Look, now: datetime, *, own: int = 0) -> Availability:
    """This will decide for one anchor as it is in memory, with a shelf that was read before; no query but for its category's terms.

    ``own``: units put aside for whoever asks.
    """
    frame, layer = Frame.at(now), _category_layer(item)
    return frame.decide(row_of_item(item), counted(look.shelf), layer, is_visible=look.is_visible, own=own)


def row_of_item(item: StockItem) -> AnchorRow:
    """A loaded anchor as the decision wants it. Its supplier's lead time is read when the item has none of its own."""
    row = AnchorRow(*(getattr(item, name) for name in _OWN))
    if row.lead_days is None and item.supplier_id is not None and item.supplier is not None:
        return row._replace(lead_days=item.supplier.lead_days)
    return row


def category_layers_of(items: Iterable[StockItem]) -> dict[int, TermsRow]:
    """What the categories of these items say about their terms, by item id. One query where no category says anything."""
    by_type: dict[int, list[StockItem]] = {}
    for item in items:
        by_type.setdefault(item.content_type_id, []).append(item)
    said: dict[int, dict[str, TermsRow]] = {}
    for type_id, key, *terms in CategoryTerms.objects.filter(content_type_id__in=list(by_type)).values_list(
        "content_type_id", "key", *TERMS
    ):
        said.setdefault(type_id, {})[key] = tuple(terms)
    layers: dict[int, TermsRow] = {}
    for type_id, terms_by_key in said.items():
        if adapter := sellables.by_content_type.get(type_id):
            keys = adapter.keys_from_texts(item.object_id for item in by_type[type_id])
            groups = {str(pk): str(group) for pk, group in adapter.group_key(list(keys.values())).items()}
            layers |= {
                item.id: terms_by_key[groups[item.object_id]]
                for item in by_type[type_id]
                if groups.get(item.object_id) in terms_by_key
            }
    return layers


def snapshot_of_item(item: StockItem, on_shelf: Units, now: datetime) -> Snapshot:
    """What the decision looks at for one loaded anchor; ``on_shelf`` was read by the caller."""
    return Frame.at(now).snapshot(row_of_item(item), on_shelf, _category_layer(item))


def terms_of_item(item: StockItem) -> Terms:
    """The terms in force for one loaded anchor: its own, its category's, the shop's."""
    return terms_in_force(row_of_item(item).terms, _category_layer(item), _shop_terms())


def with_category_terms(items: list[StockItem]) -> None:
    """This will read what the categories of many loaded anchors say, at once, so that nobody asks for each."""
    layers = category_layers_of(items)
    for item in items:
        item.__dict__["_category_layer"] = layers.get(item.id, _NOTHING)


def without_category_terms(item: StockItem) -> None:
    """This will note on a loaded anchor that no category of its model says anything, so that nobody asks again."""
    item.__dict__["_category_layer"] = _NOTHING


def _category_layer(item: StockItem) -> TermsRow:
    """Read once for each loaded anchor: within one transaction the same terms hold."""
    if "_category_layer" not in item.__dict__:
        item.__dict__["_category_layer"] = category_layers_of([item]).get(item.id, _NOTHING)
    layer: TermsRow = item.__dict__["_category_layer"]
    return layer
