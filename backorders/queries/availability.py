"""What can be bought, and when the rest comes. At most three queries, however many products and however mixed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, NamedTuple

from django.db.models import CharField, FloatField, Q, Value
from django.db.models.functions import Cast
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.availability import Availability, Policy, Snapshot, decide
from backorders.domain.units import UNLIMITED, Units, counted
from backorders.domain.windows import NO_DATE, Confidence, Promise, Window
from backorders.errors import MOST_UNITS, StockUnreadable
from backorders.models import StockItem
from backorders.shop import Adapter, FieldAdapter, Reading, Sellable, sellables
from backorders.shop.adapters import NOT_LOADED, whole_units

log = logging.getLogger(__name__)


class AnchorRow(NamedTuple):
    """The columns of ``StockItem`` that the decision needs, in the order in which they are read."""

    content_type_id: int
    object_id: str
    policy: str
    backorder_limit: int | None
    opens_at: datetime | None
    releases_at: datetime | None
    is_discontinued: bool
    own_quantity: int | None
    seen_quantity: int | None
    queued_units: int
    held_units: int
    next_earliest: date | None
    next_latest: date | None
    next_confidence: str


def shop_today(now: datetime) -> date:
    """The calendar day in the shop's time zone (``settings.TIME_ZONE``), whatever zone is active for the visitor."""
    return now.astimezone(timezone.get_default_timezone()).date()


def availability_of(product: Any, now: datetime | None = None) -> Availability:
    """This will say what can be done with one product, reading the shelf from the database now. A hidden one is out of stock.

    Raises ``NotSellable`` for what ``BACKORDERS["SELLABLES"]`` does not name.
    """
    named = [(product, sellables.identify(product))]
    [(_, sellable)] = named
    row = _anchors([sellable]).get((sellable.content_type_id, sellable.object_id))
    on_shelf = _on_shelf(sellable, row, _stock(named, trust_loaded=False))
    is_visible = sellable.pk in sellable.adapter.visible([sellable.pk])
    return Frame.at(now or timezone.now()).decide(row, on_shelf, is_visible=is_visible)


def availability_for(products: Iterable[Any], now: datetime | None = None) -> dict[Any, Availability]:
    """This will answer for a whole list: one query for our rows, and one or two for stock that the instances do not carry.

    A stock number that a list page has just loaded is not read again; an adapter class of the shop's own costs one query
    for each such model. ``now`` is an aware instant. Raises ``NotSellable``.
    """
    products = list(products)
    named = list(zip(products, sellables.identify_many(products), strict=True))
    anchors = _anchors([sellable for _, sellable in named])
    stock = _stock(named, trust_loaded=True)
    frame = Frame.at(now or timezone.now())
    answers: dict[Any, Availability] = {}
    for product, sellable in named:
        row = anchors.get((sellable.content_type_id, sellable.object_id))
        answers[product] = frame.decide(row, _on_shelf(sellable, row, stock))
    return answers


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for every product of one question: the moment, the shop's zone and its settings."""

    now: datetime
    today: date
    zone: tzinfo
    default_policy: Policy
    low_stock_at: int

    @classmethod
    def at(cls, now: datetime) -> Frame:
        zone, default = timezone.get_default_timezone(), Policy(conf.default_policy)
        return cls(now=now, today=shop_today(now), zone=zone, default_policy=default, low_stock_at=conf.low_stock_at)

    def decide(self, row: AnchorRow | None, on_shelf: Units, *, is_visible: bool = True) -> Availability:
        return decide(self.snapshot(row, on_shelf, is_visible=is_visible), now=self.now, today=self.today)

    def snapshot(self, row: AnchorRow | None, on_shelf: Units, *, is_visible: bool = True) -> Snapshot:
        """What the decision looks at, from our row (or none: a product never touched) and the shelf."""
        if row is None:
            return Snapshot(
                on_shelf=on_shelf, policy=self.default_policy, is_visible=is_visible, low_stock_at=self.low_stock_at
            )
        return Snapshot(
            on_shelf=on_shelf,
            held=row.held_units,
            queued=row.queued_units,
            policy=_POLICIES[row.policy] if row.policy else self.default_policy,
            backorder_limit=counted(row.backorder_limit),
            opens_at=row.opens_at and row.opens_at.astimezone(self.zone),
            releases_at=row.releases_at and row.releases_at.astimezone(self.zone),
            is_discontinued=row.is_discontinued,
            is_visible=is_visible,
            promise=_promise(row),
            low_stock_at=self.low_stock_at,
        )


_POLICIES = {policy.value: policy for policy in Policy}


def _anchors(named: list[Sellable]) -> dict[tuple[int, str], AnchorRow]:
    if not named:
        return {}
    ids_by_type: dict[int, list[str]] = {}
    for sellable in named:
        ids_by_type.setdefault(sellable.content_type_id, []).append(sellable.object_id)
    wanted = Q()
    for type_id, object_ids in ids_by_type.items():
        wanted |= Q(content_type_id=type_id, object_id__in=object_ids)
    rows = StockItem.objects.filter(wanted).values_list(*AnchorRow._fields)
    return {(row[0], row[1]): AnchorRow._make(row) for row in rows.iterator(chunk_size=2000)}


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


def _promise(row: AnchorRow) -> Promise:
    if row.next_earliest is None or row.next_latest is None:
        return NO_DATE
    confidence = Confidence(row.next_confidence or Confidence.ESTIMATED)
    return Window(earliest=row.next_earliest, latest=row.next_latest, confidence=confidence)


def availability_of_items(items: Iterable[StockItem], now: datetime) -> dict[int, Availability]:
    """This will answer for anchors, reading the shelf now; hidden and vanished products are out of stock. Keys are item ids."""
    by_adapter: dict[Adapter, list[StockItem]] = {}
    for item in items:
        if adapter := sellables.by_content_type.get(item.content_type_id):
            by_adapter.setdefault(adapter, []).append(item)
    frame = Frame.at(now)
    answers: dict[int, Availability] = {}
    for adapter, group in by_adapter.items():
        keys = adapter.keys_from_texts(item.object_id for item in group)
        pks = list(keys.values())
        visible = {str(pk) for pk in adapter.visible(pks)}
        numbers = adapter.stock(pks) if adapter.keeps_stock else {}
        stock = {(group[0].content_type_id, pk): number for pk, number in numbers.items()}
        for item in (item for item in group if item.object_id in keys):
            row = AnchorRow(*(getattr(item, name) for name in AnchorRow._fields))
            sellable = Sellable(adapter, item.content_type_id, keys[item.object_id], item.object_id)
            on_shelf = _on_shelf(sellable, row, stock)
            answers[item.id] = frame.decide(row, on_shelf, is_visible=item.object_id in visible)
    return answers
