"""Units meet the queue: handed out in its order, taken back from its end. A few statements, however many lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import accumulate
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils.translation import gettext_noop

from backorders.domain.allocation import Plan, plan, shortage
from backorders.domain.outbox import MailKind
from backorders.models import Allocation, Backorder, Delivery, StockEvent, StockItem
from backorders.models.backorders import FillRule
from backorders.queries.backorders import holding_of, is_plain, open_pins, queue_of, rule_in_force, shelf_balance
from backorders.queries.outbox import is_ours
from backorders.services.announce import announce, is_heard
from backorders.services.outbox import cancel_filled_mail, queue_mails
from backorders.services.promises import refresh_next
from backorders.services.shelf import Shelf
from backorders.services.wake import wake
from backorders.shop import Reading
from backorders.signals import backorder_filled


def fill_queue(*, item: StockItem, units: int, event: StockEvent, now: datetime) -> int:
    """This will hand up to ``units`` of a locked item to its queue, in its order, and mail those who got some.

    The units are set aside first: nobody is promised what the shop's own till sells at this very moment. Returns how many
    were given; ``event`` is the arrival they are booked under, and was never given from before.
    """
    shelf = Shelf(item)
    before, got = shelf.read(), shelf.set_aside(min(units, item.queued_units))
    given = give(item_id=item.id, units=got, event=event, now=now)
    if given < got:
        shelf.give_back(got - given)
    note_move(shelf, before, -given, StockEvent.Kind.ALLOCATED, now)
    if given:
        _tell_who_was_given(event, now)
    item.queued_units -= given
    item.save(update_fields=["queued_units", "held_units", "own_quantity"])
    return given


def give(*, item_id: int, units: int, event: StockEvent, now: datetime) -> int:
    """This will give units to the lines of a locked item and write it down, and nothing else. Returns how many were given.

    A plain queue is served by the database itself (``_give_in_order``); as soon as somebody wants everything at once, or
    one delivery only, ``domain.allocation.plan`` decides. Both say the same of a plain queue.
    """
    if is_plain(item_id):
        return _give_in_order(item_id, units, event, now)
    shares = _plan(item_id, units, event.delivery_id)
    _write_shares(shares.assigned, event, now)
    _count_overtakes(shares.overtaken)
    _update_lines(event, now)
    return sum(shares.assigned.values())


def would_give(*, item_id: int, units: int, delivery_id: int | None) -> bool:
    """Would anybody get any of these units? Not when they are kept for one who wants more at once, or for nobody who is here."""
    return is_plain(item_id) or bool(_plan(item_id, units, delivery_id).assigned)


def _plan(item_id: int, units: int, delivery_id: int | None) -> Plan:
    return plan(
        queue=queue_of(item_id),
        units=units,
        rule=rule_in_force(),
        delivery_id=delivery_id,
        open_pins=open_pins(item_id, but=delivery_id),
    )


def note_move(shelf: Shelf, before: Reading, units: int, kind: StockEvent.Kind, now: datetime) -> StockEvent | None:
    """A line in the ledger for units that really moved, and the number we expect to see from now on."""
    if not shelf.moves or not units:
        return None
    shelf.item.seen_quantity = after = shelf.read()
    shelf.item.save(update_fields=["seen_quantity"])
    return StockEvent.objects.create(
        item=shelf.item, kind=kind, before=before, after=after, quantity=units, happened_at=now
    )


def note_leaving(*, item: StockItem, units: int, seen: Reading, now: datetime) -> None:
    """This will note that units of a locked item leave the shelf, and save the number we expect to see there from now on.

    So that nobody is promised them until the next look, also where the shop lowers its number itself.
    """
    item.seen_quantity = after = None if seen is None else max(0, seen - units)
    item.save(update_fields=["seen_quantity", "own_quantity"])
    StockEvent.objects.create(
        item=item, kind=StockEvent.Kind.TAKEN, before=seen, after=after, quantity=-units, happened_at=now
    )
    is_last = item.queued_units - item.pinned_units >= shelf_balance(item)
    if is_last and item.inbound_units and not item.next_units:  # the next order stands in line for a delivery
        refresh_next(item, now=now)


def _tell_who_was_given(event: StockEvent, now: datetime) -> None:
    """One INSERT of mails. Who wants the whole order at once is told by ``tell_whole_orders``, when all of it is ready."""
    given = Allocation.objects.filter(event=event, quantity__gt=0)
    if is_ours(MailKind.BACKORDER_FILLED):
        queue_mails(
            kind=MailKind.BACKORDER_FILLED,
            now=now,
            rows=given.exclude(backorder__fill=FillRule.WHOLE_ORDER).order_by("id"),
            columns={"allocation_id": "id", "backorder_id": "backorder_id"},
        )
        wake("deliver_due_mail")
    if given.filter(backorder__fill=FillRule.WHOLE_ORDER).exists():
        wake("tell_whole_orders")
    for share in given.select_related("backorder").order_by("id") if is_heard(backorder_filled) else []:
        is_complete = share.backorder.needs == 0
        announce(backorder_filled, backorder_id=share.backorder_id, quantity=share.quantity, is_complete=is_complete)


_STRETCH = 1000
"""Lines that are served at a time: nobody knows how far units reach, and most queues are far longer."""

_NEEDS = "quantity - allocated_quantity - cancelled_quantity"
_FRONT = f"""
    SELECT id, rank_class, rank_at, {_NEEDS} AS needs FROM {Backorder._meta.db_table}
    WHERE item_id = %s AND state = 'waiting' ORDER BY rank_class, rank_at, id LIMIT %s
"""  # noqa: S608 - our own names


def _give_in_order(item_id: int, units: int, event: StockEvent, now: datetime) -> int:
    """``plan`` in SQL, for lines that take what comes: stretch by stretch in full, and the last one as far as units reach."""
    left, last = units, 0
    while left > 0:
        lines = min(_STRETCH, left)  # every line takes one unit at least
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COALESCE(SUM(needs), 0) FROM ({_FRONT}) AS front", [item_id, lines])  # noqa: S608
            needs = int(cursor.fetchone()[0])
        if needs > left:
            _write_shares_in_order(item_id, lines, left, event, now)
            _update_lines(event, now, after=last)
            return units
        if not needs:
            break
        last = _serve_in_full(item_id, lines, event, now, after=last)
        left -= needs
    return units - left


def _serve_in_full(item_id: int, lines: int, event: StockEvent, now: datetime, *, after: int) -> int:
    """The first ``lines`` get all they need. Takes and returns the last row of the ledger that was written under ``event``."""
    moment = _MOMENT[connection.vendor]
    shares, queue = Allocation._meta.db_table, Backorder._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {shares} (backorder_id, event_id, quantity, allocated_at) "  # noqa: S608 - our own names
            f"SELECT id, %s, needs, {moment} FROM ({_FRONT}) AS front",
            [event.id, _moment(now), item_id, lines],
        )
        cursor.execute(
            f"UPDATE {queue} SET allocated_quantity = quantity - cancelled_quantity, state = 'filled', closed_at = {moment} "  # noqa: S608
            f"WHERE id IN (SELECT backorder_id FROM {shares} WHERE event_id = %s AND id > %s)",
            [_moment(now), event.id, after],
        )
    return Allocation.objects.filter(event=event).order_by("-id").values_list("id", flat=True)[0]


def _write_shares_in_order(item_id: int, lines: int, units: int, event: StockEvent, now: datetime) -> None:
    """A running total of what the first ``lines`` need, cut where the units end."""
    sql = f"""
        INSERT INTO {Allocation._meta.db_table} (backorder_id, event_id, quantity, allocated_at)
        SELECT id, %s, CASE WHEN upto <= %s THEN needs ELSE %s - (upto - needs) END, {_MOMENT[connection.vendor]}
        FROM (
            SELECT id, needs, SUM(needs) OVER (ORDER BY rank_class, rank_at, id ROWS UNBOUNDED PRECEDING) AS upto
            FROM ({_FRONT}) AS front
        ) AS line
        WHERE upto - needs < %s
    """  # noqa: S608 - our own names
    with connection.cursor() as cursor:
        cursor.execute(sql, [event.id, units, units, _moment(now), item_id, lines, units])


def _write_shares(shares: Mapping[int, int], event: StockEvent, now: datetime) -> None:
    rows = [
        Allocation(backorder_id=line_id, event=event, quantity=quantity, allocated_at=now)
        for line_id, quantity in shares.items()
    ]
    Allocation.objects.bulk_create(rows, batch_size=1000)


def _update_lines(event: StockEvent, now: datetime, *, after: int = 0) -> None:
    """Note on each line what the ledger says it was given under ``event``, from behind one of its rows on."""
    lines = Backorder._meta.db_table
    is_full = f"{lines}.quantity - {lines}.allocated_quantity - {lines}.cancelled_quantity <= share.quantity"
    sql = (
        f"UPDATE {lines} SET allocated_quantity = {lines}.allocated_quantity + share.quantity, "  # noqa: S608 - our own names
        f"state = CASE WHEN {is_full} THEN 'filled' ELSE state END, "
        f"closed_at = CASE WHEN {is_full} THEN {_MOMENT[connection.vendor]} ELSE closed_at END "
        f"FROM {Allocation._meta.db_table} share "
        f"WHERE share.event_id = %s AND share.id > %s AND share.quantity > 0 AND {lines}.id = share.backorder_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [_moment(now), event.id, after])


_MOMENT = {"postgresql": "CAST(%s AS timestamptz)", "sqlite": "%s"}


def _moment(now: datetime) -> Any:
    return Allocation._meta.get_field("allocated_at").get_db_prep_save(now, connection)


def _count_overtakes(overtaken: Mapping[int, int]) -> None:
    for line_id, times in overtaken.items():
        Backorder.objects.filter(id=line_id).update(overtaken=F("overtaken") + times)


def take_back(*, item: StockItem, units: int, event: StockEvent, now: datetime) -> int:
    """This will take up to ``units`` back from the end of the queue of a locked item, for goods that are not there after all.

    Only units that have not left the house. The lines wait again, at the place they had; a mail that has not left is
    stopped. Returns how many it got; the caller moves the shelf.
    """
    owed = Backorder.objects.filter(item=item).owed()
    lines = {line.id: line for line in owed.select_for_update(of=("self",)).order_by("id")}
    taken = shortage(holders=map(holding_of, lines.values()), units=units)
    for line_id, quantity in taken.items():
        _take_from(lines[line_id], quantity, event, now)
    cancel_filled_mail(line_ids=list(taken), because=gettext_noop("the goods are not there after all"))
    item.queued_units += sum(taken.values())
    for delivery in Delivery.objects.open().filter(pinned__in=list(taken)).distinct().order_by("id"):
        unpin_surplus(item=item, delivery=delivery)
    return sum(taken.values())


def _take_from(line: Backorder, quantity: int, event: StockEvent, now: datetime) -> None:
    line.allocated_quantity -= quantity
    line.state, line.closed_at, line.is_told = Backorder.State.WAITING, None, False
    line.save(update_fields=["allocated_quantity", "state", "closed_at", "is_told"])
    Allocation.objects.create(backorder=line, event=event, quantity=-quantity, allocated_at=now)


def unpin_surplus(*, item: StockItem, delivery: Delivery) -> int:
    """This will let lines of a locked item go that a delivery cannot serve any more, from the end. Returns how many lines.

    From the first that it cannot serve wholly: nobody keeps a place there who stands behind one that lost it.
    """
    lines = Backorder.objects.waiting().filter(item=item, pinned_to=delivery).in_line()
    upto = accumulate(line.needs for line in lines)
    freed = [line.id for line, units in zip(lines, upto, strict=True) if units > delivery.outstanding]
    return Backorder.objects.filter(id__in=freed).update(pinned_to=None)
