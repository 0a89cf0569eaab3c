"""Units put aside for people who were told: made with their wave, ended at once when nobody needs them any more.

Whoever calls holds the lock of the item. ``StockItem.on_hold_units`` is written here only, always as the sum of its rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, DateTimeField, OuterRef, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from backorders.models import Hold, Restock, StockItem
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.models.waves import HoldQuerySet
from backorders.queries.written import Written, blank_moment
from backorders.services.locks import locked_item, whole
from backorders.services.rows import write_from
from backorders.services.wake import wake

log = logging.getLogger(__name__)


def make_holds(
    *, item: StockItem, restock: Restock, told: SubscriptionQuerySet, span: timedelta, now: datetime
) -> None:
    """This will put aside what each of these people asked for, until so long after their mail may leave; one INSERT for all."""
    moments = list(told.order_by().values_list("told_at", flat=True).distinct())
    ends = [When(told_at=moment, then=_instant(moment + span)) for moment in moments if moment]
    write_from(
        Hold,
        rows=told.annotate(held_until=Case(*ends, default=_instant(now + span))),
        columns={"subscription_id": "id", "units": "quantity", "ends_at": "held_until"},
        constants={"item_id": item.id, "restock_id": restock.id, "state": Hold.State.OPEN.value, "made_at": now},
    )
    _count([item.id])


def _instant(moment: datetime) -> Value:
    return Value(moment, output_field=DateTimeField())


def end_holds_of(*, subscriptions: SubscriptionQuerySet, state: Hold.State, now: datetime) -> int:
    """This will end what is put aside for these people, at once. Returns how many holds."""
    return _end(Hold.objects.open().filter(subscription__in=subscriptions), state, now)


def end_over(*, item: StockItem, now: datetime) -> int:
    """This will end the holds of a locked item that have run out by the clock. Returns how many."""
    return _end(Hold.objects.over(now).filter(item=item), Hold.State.OVER, now)


def give_back(*, holds: HoldQuerySet, now: datetime) -> int:
    """This will end some holds of locked items before their time. Returns how many."""
    return _end(holds.open(), Hold.State.GIVEN_BACK, now)


def _end(holds: HoldQuerySet, state: Hold.State, now: datetime) -> int:
    ids, item_ids = [], set()
    for hold_id, item_id in holds.order_by("id").values_list("id", "item_id"):
        ids.append(hold_id)
        item_ids.add(item_id)
    if not ids:
        return 0
    ended = Hold.objects.open().filter(id__in=ids).update(state=state, ended_at=now)
    _count(item_ids, needs_look=True)
    for item_id in sorted(item_ids):
        wake("look_at_item", item_id=item_id)
    return ended


def _count(item_ids: Iterable[int], **also: Any) -> None:
    """The counter of list pages, from the rows."""
    units = Hold.objects.open().filter(item=OuterRef("id")).order_by().values("item").annotate(all=Sum("units"))
    on_hold = Coalesce(Subquery(units.values("all")), 0)
    StockItem.objects.filter(id__in=list(item_ids)).update(on_hold_units=on_hold, **also)


def end_holds(*, now: datetime | None = None) -> int:
    """This will free what was put aside for people who did not come in time, item by item. Returns how many holds."""
    now = now or timezone.now()
    return sum(_end_one(item_id, now) for (item_id,) in _ITEMS_WITH_ANY_OVER.rows(now=now))


_ITEMS_WITH_ANY_OVER = Written(lambda: Hold.objects.over(blank_moment("now")).order_by().values_list("item").distinct())


def _end_one(item_id: int, now: datetime) -> int:
    """One item's trouble never keeps the others waiting."""
    try:
        return _end_of_item(item_id, now)
    except Exception:
        log.exception("Holds of item %s could not be ended; the next run tries again.", item_id)
        return 0


@whole
def _end_of_item(item_id: int, now: datetime) -> int:
    return end_over(item=locked_item(item_id), now=now)


@whole
def give_back_hold(*, hold_id: int, now: datetime | None = None) -> Hold:
    """This will end one hold before its time, for staff; whoever it was for stays told. Raises ``Hold.DoesNotExist``."""
    hold = Hold.objects.get(id=hold_id)
    locked_item(hold.item_id)
    give_back(holds=Hold.objects.filter(id=hold_id), now=now or timezone.now())
    hold.refresh_from_db()
    return hold
