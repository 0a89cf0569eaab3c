"""The queue: join it, be served from it, leave it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.addresses import parse_address
from backorders.domain.allocation import Plan, plan
from backorders.domain.availability import Availability, State
from backorders.domain.outbox import MailKind
from backorders.domain.units import whole_quantity
from backorders.domain.windows import Promise as PromisedWindow
from backorders.domain.windows import Window
from backorders.errors import LimitReached, NotCancellable, NotOrderable, ReferenceTaken
from backorders.models import Allocation, Backorder, Promise, StockEvent, StockItem
from backorders.queries.availability import availability_of, shop_today
from backorders.queries.backorders import queue_of, standing_of, units_on_shelf
from backorders.queries.supply import horizons_of
from backorders.services.announce import announce
from backorders.services.locks import anchor_of, locked_item
from backorders.services.outbox import queue_mail
from backorders.services.shelf import Shelf
from backorders.services.wake import wake
from backorders.shop import Reading
from backorders.signals import backorder_cancelled, backorder_filled, backorder_placed, refund_due


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Who orders. ``email`` is checked and normalised when the claim is written."""

    email: str
    customer: Any = None
    language: str = ""


@transaction.atomic
def place_backorder(
    *,
    product: Any,
    quantity: int,
    reference: str,
    email: str,
    customer: Any = None,
    language: str = "",
    now: datetime | None = None,
) -> Backorder:
    """This will put ``quantity`` units for one order line at the end of the queue.

    ``reference`` names the line in the shop and is unique per item: the same one again returns the first claim. Raises
    ``InvalidQuantity``, ``InvalidAddress``, ``NotSellable``, ``NotOrderable``, ``LimitReached`` (with what is possible).
    """
    now = now or timezone.now()
    quantity = whole_quantity(quantity)
    item = locked_item(anchor_of(product).id)
    item.product = product
    known = Backorder.objects.filter(item=item, reference=reference).exclude(state=Backorder.State.CANCELLED).first()
    if known is not None:
        return known
    answer = availability_of(product, now)
    refuse_unless_possible(product, answer, asked=quantity, possible=answer.to_order.at_most(quantity))
    return join_queue(
        item=item,
        quantity=quantity,
        reference=reference,
        buyer=Buyer(email=email, customer=customer, language=language),
        answer=answer,
        now=now,
    )


def refuse_unless_possible(product: Any, answer: Availability, *, asked: int, possible: int) -> None:
    """Raises ``NotOrderable`` when nothing can be ordered and ``LimitReached`` when not that much."""
    if possible >= asked:
        return
    if possible < 1:
        raise NotOrderable(product=product, state=answer.state)
    raise LimitReached(product=product, state=answer.state, asked=asked, possible=possible)


def join_queue(
    *, item: StockItem, quantity: int, reference: str, buyer: Buyer, answer: Availability, now: datetime
) -> Backorder:
    """This will write the claim on a locked item, with the date it was promised, and mail the customer."""
    address = parse_address(buyer.email, allow_local_domains=conf.allow_local_domains)
    if Backorder.objects.filter(item=item, reference=reference).exclude(state=Backorder.State.CANCELLED).exists():
        raise ReferenceTaken(reference)
    horizon = horizons_of([item.id])[item.id]
    last_unit = item.queued_units + quantity
    last_placed = Backorder.objects.filter(item=item).aggregate(last=Max("placed_at"))["last"]
    backorder = Backorder.objects.create(
        item=item,
        reference=reference,
        email=address.display,
        email_key=address.key,
        customer=buyer.customer if getattr(buyer.customer, "is_authenticated", False) else None,
        language=buyer.language[:16],
        quantity=quantity,
        is_preorder=answer.state is State.PREORDER,
        # Whoever got the lock later stands later, even if their clock, or their request, began earlier.
        placed_at=max(now, last_placed) if last_placed else now,
    )
    standing = standing_of(item, horizon, today=shop_today(now))
    supply = horizon.supply_for(last_unit - standing.on_shelf)
    _promise(backorder, standing.promise_for(last_unit), delivery_id=supply.delivery_id if supply else None, now=now)
    item.queued_units += quantity
    item.is_watched = item.needs_look = True
    item.save(update_fields=["queued_units", "is_watched", "needs_look"])
    refresh_next(item)
    queue_mail(kind=MailKind.BACKORDER_PLACED, now=now, backorder=backorder)
    announce(backorder_placed, backorder_id=backorder.id)
    return backorder


def _promise(backorder: Backorder, window: PromisedWindow, *, delivery_id: int | None, now: datetime) -> None:
    earliest, latest = (window.earliest, window.latest) if isinstance(window, Window) else (None, None)
    Promise.objects.create(
        backorder=backorder, earliest_on=earliest, latest_on=latest, delivery_id=delivery_id, promised_at=now
    )


def refresh_next(item: StockItem) -> None:
    """This will write onto a locked item when the next unit after the queue comes, so that a list page needs one query."""
    horizon = horizons_of([item.id])[item.id]
    supply = horizon.supply_for(max(1, item.queued_units + 1 - units_on_shelf(item)))
    item.inbound_units = horizon.units
    item.next_earliest = supply.window.earliest if supply else None
    item.next_latest = supply.window.latest if supply else None
    item.next_confidence = supply.window.confidence.value if supply else ""
    item.save(update_fields=["inbound_units", "next_earliest", "next_latest", "next_confidence"])


def fill_queue(*, item: StockItem, units: int, event: StockEvent, now: datetime) -> Plan:
    """This will hand up to ``units`` of a locked item to its queue, first come first served, and mail those who got some.

    The units are set aside first: nobody is promised what the shop's own till sells at this very moment.
    """
    shelf = Shelf(item)
    before, got = shelf.read(), shelf.set_aside(min(units, item.queued_units))
    shares = plan(queue=queue_of(item.id), units=got)
    if shares.left:
        shelf.give_back(shares.left)
    _note_move(shelf, before, -shares.units, StockEvent.Kind.ALLOCATED, now)
    lines = {line.id: line for line in Backorder.objects.filter(id__in=list(shares.assigned))}
    for line_id, quantity in shares.assigned.items():
        _give(lines[line_id], quantity, event, now)
    item.queued_units -= shares.units
    item.save(update_fields=["queued_units", "held_units", "own_quantity"])
    refresh_next(item)
    return shares


def _note_move(shelf: Shelf, before: Reading, units: int, kind: StockEvent.Kind, now: datetime) -> None:
    """A line in the ledger for units that really moved, and the number we expect to see from now on."""
    if not shelf.moves or not units:
        return
    shelf.item.seen_quantity = after = shelf.read()
    shelf.item.save(update_fields=["seen_quantity"])
    StockEvent.objects.create(item=shelf.item, kind=kind, before=before, after=after, quantity=units, happened_at=now)


def _give(line: Backorder, quantity: int, event: StockEvent, now: datetime) -> None:
    line.allocated_quantity += quantity
    if line.needs == 0:
        line.state, line.closed_at = Backorder.State.FILLED, now
    line.save(update_fields=["allocated_quantity", "state", "closed_at"])
    allocation = Allocation.objects.create(backorder=line, event=event, quantity=quantity, allocated_at=now)
    queue_mail(kind=MailKind.BACKORDER_FILLED, now=now, backorder=line, allocation=allocation)
    announce(backorder_filled, backorder_id=line.id, quantity=quantity, is_complete=line.needs == 0)


@transaction.atomic
def cancel_backorder(*, backorder_id: int, now: datetime | None = None) -> Backorder:
    """This will take a line out of the queue. Units it was already given go to whoever is next, then to the shelf.

    Raises ``NotCancellable`` when it has shipped or was cancelled before, ``Backorder.DoesNotExist`` when unknown.
    """
    now = now or timezone.now()
    item = locked_item(Backorder.objects.values_list("item_id", flat=True).get(id=backorder_id))
    line = Backorder.objects.select_for_update(of=("self",)).get(id=backorder_id)
    if line.state in (Backorder.State.SHIPPED, Backorder.State.CANCELLED):
        raise NotCancellable(backorder_id=line.id, state=line.state)
    freed, waited = line.allocated_quantity, line.needs
    line.cancelled_quantity, line.allocated_quantity = line.quantity, 0
    line.state, line.closed_at = Backorder.State.CANCELLED, now
    line.save(update_fields=["cancelled_quantity", "allocated_quantity", "state", "closed_at"])
    item.queued_units -= waited
    shelf = Shelf(item)
    before = shelf.read()
    shelf.give_back(freed)
    item.needs_look = True
    item.save(update_fields=["queued_units", "held_units", "own_quantity", "needs_look"])
    _note_move(shelf, before, freed, StockEvent.Kind.RETURNED, now)
    refresh_next(item)
    announce(backorder_cancelled, backorder_id=line.id, quantity=line.quantity)
    announce(refund_due, backorder_id=line.id, quantity=line.quantity, reason="cancelled")
    wake("look_at_item", item_id=item.id)
    return line


@transaction.atomic
def ship_backorder(*, backorder_id: int, now: datetime | None = None) -> Backorder:
    """This will note that a filled line has left the house; units that were only held are the shop's to book off.

    Raises ``NotCancellable`` when the line is not filled.
    """
    now = now or timezone.now()
    item = locked_item(Backorder.objects.values_list("item_id", flat=True).get(id=backorder_id))
    line = Backorder.objects.select_for_update(of=("self",)).get(id=backorder_id)
    if line.state != Backorder.State.FILLED:
        raise NotCancellable(backorder_id=line.id, state=line.state)
    line.state, line.closed_at = Backorder.State.SHIPPED, now
    line.save(update_fields=["state", "closed_at"])
    Shelf(item).let_go(line.allocated_quantity)
    item.save(update_fields=["held_units"])
    return line
