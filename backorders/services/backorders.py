"""The queue: join it, move in it, leave it, and leave the house."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Model, OuterRef, Q, Sum

from backorders.conf import conf
from backorders.domain.addresses import parse_address
from backorders.domain.allocation import Fill, stands_at
from backorders.domain.availability import Availability, State
from backorders.domain.outbox import MailKind, MailState
from backorders.domain.promises import Standing
from backorders.domain.references import LINE, checked_reference
from backorders.domain.units import NO_UNITS, Units, whole_quantity
from backorders.domain.windows import Window
from backorders.errors import (
    BelowMinimum,
    InvalidQuantity,
    InvalidWindow,
    LimitReached,
    NotCancellable,
    NotOrderable,
    NotShippable,
    PinFull,
    ReferenceTaken,
)
from backorders.models import Allocation, Backorder, Delivery, OutgoingMail, StockEvent, StockItem
from backorders.models.backorders import NEEDS, BackorderQuerySet, FillRule
from backorders.queries.availability import answer_to, looks_at, shop_today
from backorders.queries.backorders import standing_behind, standing_of
from backorders.queries.calendars import working_day_of
from backorders.queries.outbox import is_ours
from backorders.services.allocation import note_leaving, note_move
from backorders.services.announce import announce, is_heard
from backorders.services.locks import anchor_of, locked_item, locked_items, whole
from backorders.services.moments import moment
from backorders.services.outbox import new_mail, queue_mail, queue_mails
from backorders.services.promises import WRITTEN_BY_NOTE_NEXT, first_promise, keep_promises, note_next, refresh_next
from backorders.services.rows import write_together
from backorders.services.shelf import Shelf
from backorders.services.wake import wake
from backorders.shop import Reading
from backorders.signals import backorder_cancelled, backorder_placed, preorder_released, refund_due

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Who orders. ``email`` is checked and normalised when the claim is written."""

    email: str
    customer: Any = None
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a line wants to be served: as units come, the whole line or the whole order at once; not before a day; before others."""

    fill: Fill = Fill.PARTIAL
    order_reference: str = ""
    priority: int = 0
    not_before: date | None = None
    pinned_to: int | None = None

    def __post_init__(self) -> None:
        if self.not_before is not None and (
            isinstance(self.not_before, datetime) or not isinstance(self.not_before, date)
        ):
            raise InvalidWindow(
                f"{self.not_before!r} is no calendar day. Pass a datetime.date, in the shop's time zone."
            )
        checked_reference(self.order_reference, longest=LINE)
        _refuse_odd_priority(self.priority)


_MOST_PRIORITY = 1000
"""Either way. More steps than anybody tells apart, and they fit every database's smallest integer."""


def _refuse_odd_priority(priority: int) -> None:
    """Raises ``InvalidQuantity`` for what is no whole number, or one out of reach."""
    if type(priority) is not int or abs(priority) > _MOST_PRIORITY:
        raise InvalidQuantity(priority, least=-_MOST_PRIORITY, name="priority")


PLAIN = Wish()


@whole
def place_backorder(
    *,
    product: Any,
    quantity: int,
    reference: str,
    email: str,
    customer: Any = None,
    language: str = "",
    fill: Fill | str = Fill.PARTIAL,
    order_reference: str = "",
    priority: int = 0,
    not_before: date | None = None,
    pinned_to: int | None = None,
    now: datetime | None = None,
) -> Backorder:
    """This will put ``quantity`` units for one order line at the end of the queue.

    ``reference`` names the line in the shop and is unique per item: the same one again, of the same customer and quantity,
    returns the first claim. ``order_reference`` names its order. ``fill``: ``partial``, ``whole_line`` or ``whole_order``. ``priority``: lower is
    served first. ``not_before``: a day, shop time zone; the line keeps its place. ``pinned_to``: the id of the one delivery
    it waits for. Raises ``InvalidQuantity``, ``InvalidAddress``, ``InvalidWindow``, ``NotSellable``, ``NotOrderable``,
    ``LimitReached`` (with what is possible and by when), ``BelowMinimum``, ``PinFull``, ``ReferenceTaken``.
    """
    now = moment(now)
    quantity = whole_quantity(quantity)
    checked_reference(reference, least=1, longest=LINE)
    wish = Wish(
        fill=Fill(fill),
        order_reference=order_reference,
        priority=priority,
        not_before=not_before,
        pinned_to=pinned_to,
    )
    item = locked_item(anchor_of(product).id)
    item.product = product
    buyer = Buyer(email=email, customer=customer, language=language)
    if (known := _known_claim(item, reference, buyer, quantity)) is not None:
        return known
    look = looks_at([item])[item.id]
    answer = answer_to(item, look, now)
    with dated_refusal(item, look.shelf, now):
        refuse_unless_possible(product, answer, asked=quantity, possible=answer.to_order.at_most(quantity))
        refuse_beyond_terms(product, answer, asked=quantity, had=units_of_customer(item, buyer, answer))
    return join_queue(
        item=item,
        quantity=quantity,
        reference=reference,
        buyer=buyer,
        answer=answer,
        wish=wish,
        shelf=look.shelf,
        now=now,
    )


def _known_claim(item: StockItem, reference: str, buyer: Buyer, quantity: int) -> Backorder | None:
    """The claim this line has already. Raises ``ReferenceTaken`` when it is somebody else's, or of another size."""
    known = Backorder.objects.filter(item=item, reference=reference).exclude(state=Backorder.State.CANCELLED).first()
    if known is None:
        return None
    address = parse_address(buyer.email, allow_local_domains=conf.allow_local_domains)
    if (known.email_key, known.quantity) != (address.key, quantity):
        raise ReferenceTaken(reference)
    return known


def refuse_unless_possible(product: Any, answer: Availability, *, asked: int, possible: int) -> None:
    """Raises ``NotOrderable`` when nothing can be ordered and ``LimitReached`` when not that much."""
    if possible >= asked:
        return
    if possible < 1:
        raise NotOrderable(product=product, state=answer.state)
    raise LimitReached(product=product, state=answer.state, asked=asked, possible=possible, window=answer.window)


def refuse_beyond_terms(
    product: Any, answer: Availability, *, asked: int, had: int = 0, here: Units = NO_UNITS
) -> None:
    """Raises ``BelowMinimum`` or ``LimitReached`` when an order asks for less or more of a product than its terms allow.

    ``had``: units this customer has on backorder already; ``here``: units that the order takes off the shelf, which the
    customer's limit does not count.
    """
    terms = answer.terms
    if asked < terms.order_minimum:
        raise BelowMinimum(product=product, state=answer.state, asked=asked, least=terms.order_minimum)
    most = min(terms.order_maximum.at_most(asked), terms.customer_limit.less(had).plus(here).at_most(asked))
    if most < asked:
        raise LimitReached(product=product, state=answer.state, asked=asked, possible=most, window=answer.window)


@contextmanager
def dated_refusal(item: StockItem, shelf: Reading, now: datetime) -> Iterator[None]:
    """Whoever is refused for asking too much of a locked item hears when all that is possible would be here, not when the first unit is."""
    try:
        yield
    except LimitReached as refusal:
        if refusal.possible:
            behind = item.queued_units - item.pinned_units
            standing, asked_on = standing_of(item, now=now, shelf=shelf), working_day_of(now)
            refusal = refusal.by(standing.promise_for(behind + refusal.possible, asked_on=asked_on))
        raise refusal from None


def units_of_customer(item: StockItem, buyer: Buyer, answer: Availability) -> int:
    """Units of an item that this customer, by address or by account, has on backorder now; only asked where a limit is set."""
    if answer.terms.customer_limit.is_unlimited:
        return 0
    address = parse_address(buyer.email, allow_local_domains=conf.allow_local_domains)
    theirs = Q(email_key=address.key)
    if getattr(buyer.customer, "is_authenticated", False):
        theirs |= Q(customer=buyer.customer)
    units = F("quantity") - F("cancelled_quantity") - F("shipped_quantity")
    return int(Backorder.objects.filter(theirs, item=item).aggregate(units=Sum(units, default=0))["units"])


def join_queue(
    *,
    item: StockItem,
    quantity: int,
    reference: str,
    buyer: Buyer,
    answer: Availability,
    shelf: Reading,
    now: datetime,
    wish: Wish = PLAIN,
) -> Backorder:
    """This will write the claim on a locked item, with the date it was promised, and mail the customer.

    ``shelf``: what was just read there. The number last seen may be old where nobody waited, and it promises nothing.
    """
    address = parse_address(buyer.email, allow_local_domains=conf.allow_local_domains)
    # Whoever got the lock later stands later, even if their clock, or their request, began earlier.
    placed_at = max(now, item.last_placed_at) if item.last_placed_at else now
    rank_class, rank_at = stands_at(placed_at, wish.priority, leap=conf.priority_leap)
    backorder = Backorder(
        item=item,
        reference=reference,
        email=address.display,
        email_key=address.key,
        customer=buyer.customer if getattr(buyer.customer, "is_authenticated", False) else None,
        language=buyer.language[:16],
        quantity=quantity,
        is_preorder=answer.state is State.PREORDER,
        placed_at=placed_at,
        order_reference=wish.order_reference,
        fill=wish.fill.value,
        priority=wish.priority,
        rank_class=rank_class,
        rank_at=rank_at,
        not_before=wish.not_before,
        pinned_to=_pin(item, wish.pinned_to, quantity),
    )
    is_plain = not (item.has_ranks or wish.priority or wish.pinned_to)
    is_last = is_plain or (not wish.pinned_to and not _anybody_behind(backorder))
    is_as_seen = shelf == item.seen_quantity and _is_to_come(item.next_latest, now)
    is_covered = is_last and is_as_seen and quantity < item.next_units
    standing = (
        standing_behind(item, now=now) if is_covered else standing_of(item, now=now, has_changed=False, shelf=shelf)
    )
    behind = 0 if is_covered else item.queued_units - item.pinned_units
    delivery_id = _promise_last(backorder, standing, behind=behind) if is_last else None
    item.queued_units += quantity
    item.is_watched = item.needs_look = True
    item.has_ranks = item.has_ranks or wish.priority != 0
    item.last_placed_at = placed_at
    if is_covered:
        item.next_units -= quantity
    else:
        note_next(item, standing)
    followers: list[Model] = []
    if is_ours(MailKind.BACKORDER_PLACED):
        followers.append(new_mail(kind=MailKind.BACKORDER_PLACED, now=now))
    if is_last:
        followers.append(first_promise(backorder.promise, delivery_id, now))
    _write(backorder, followers, item)
    if not is_last:
        refresh_next(item, now=now)
        keep_promises(item=item, now=now, newcomer=backorder)
        backorder.refresh_from_db(fields=["promised_earliest_on", "promised_latest_on"])
    wake("deliver_due_mail")
    announce(backorder_placed, backorder_id=backorder.id)
    return backorder


def _anybody_behind(backorder: Backorder) -> bool:
    """Do lines wait that a newcomer would stand before? Only asked where some line ever had a priority."""
    here = Q(rank_class=backorder.rank_class, rank_at__gt=backorder.rank_at)
    lines = Backorder.objects.waiting().filter(item=backorder.item)
    return lines.filter(Q(rank_class__gt=backorder.rank_class) | here).exists()


def _is_to_come(day: date | None, now: datetime) -> bool:
    """What was noted of the next delivery counts until its day is over; then the others have to be looked at."""
    return day is not None and day >= shop_today(now)


_WRITTEN_BY_A_PLACEMENT = [
    "queued_units",
    "is_watched",
    "needs_look",
    "has_ranks",
    "last_placed_at",
    *WRITTEN_BY_NOTE_NEXT,
]


def _promise_last(backorder: Backorder, standing: Standing, *, behind: int) -> int | None:
    """Put the date for the last place in the line onto a new line; returns the delivery it comes from, if one does."""
    unit = behind + backorder.quantity
    window = standing.promise_for(unit, asked_on=working_day_of(backorder.placed_at), not_before=backorder.not_before)
    if isinstance(window, Window):
        backorder.promised_earliest_on, backorder.promised_latest_on = window.earliest, window.latest
    supply = standing.horizon.supply_for(unit - standing.on_shelf)
    return supply.delivery_id if supply else None


def _write(backorder: Backorder, followers: list[Model], item: StockItem) -> None:
    """The database says whether the line stands in the queue already; asking first would cost every order a query."""
    try:
        write_together(
            backorder,
            followers=[(row, "backorder") for row in followers],
            changed=item,
            fields=_WRITTEN_BY_A_PLACEMENT,
        )
    except IntegrityError as error:
        if "unique" in str(error).lower():
            raise ReferenceTaken(backorder.reference) from None
        raise


def _pin(item: StockItem, delivery_id: int | None, quantity: int) -> Delivery | None:
    """The delivery a line is pinned to, if it has so many units that nobody else is pinned to. Raises ``PinFull``."""
    if delivery_id is None:
        return None
    delivery = Delivery.objects.open().filter(id=delivery_id, item=item).first()
    pinned = Backorder.objects.waiting().filter(item=item, pinned_to=delivery_id).aggregate(units=Sum(NEEDS, default=0))
    free = delivery.outstanding - int(pinned["units"]) if delivery else 0
    if free < quantity:
        raise PinFull(delivery_id=delivery_id, asked=quantity, possible=max(0, free))
    return delivery


@whole
def cancel_backorder(*, backorder_id: int, quantity: int | None = None, now: datetime | None = None) -> Backorder:
    """This will take a line out of the queue, or ``quantity`` of its units. Units it was already given go to whoever is next.

    Units it still waits for go first. Its customer gets a mail. Raises ``NotCancellable`` when so many have not been left
    to cancel (shipped, or cancelled before), ``InvalidQuantity``, ``Backorder.DoesNotExist``.
    """
    now = moment(now)
    item, line = _locked_line(backorder_id)
    possible = line.needs + line.ready
    wanted = possible if quantity is None else whole_quantity(quantity)
    if not possible or wanted > possible:
        raise NotCancellable(backorder_id=line.id, state=line.state, asked=wanted, possible=possible)
    return _cancel(item, line, wanted, now)


@whole
def give_up_place(*, backorder_id: int, waiting: int, now: datetime | None = None) -> Backorder:
    """This will cancel what a line still waits for, and nothing of what was set aside for it, if that is what its customer saw.

    ``waiting``: the units they were shown. A second press, or goods that came in between, raise ``NotCancellable`` with what
    waits now as ``possible``. Else as ``cancel_backorder``.
    """
    now = moment(now)
    item, line = _locked_line(backorder_id)
    wanted = whole_quantity(waiting)
    if wanted != line.needs:
        raise NotCancellable(backorder_id=line.id, state=line.state, asked=wanted, possible=line.needs)
    return _cancel(item, line, wanted, now)


def _cancel(item: StockItem, line: Backorder, wanted: int, now: datetime) -> Backorder:
    """Take units off a locked line, those it waits for first."""
    waited = min(line.needs, wanted)
    line.cancelled_quantity += wanted
    item.queued_units -= waited
    _free(item, line, wanted - waited, now)
    _note_state(line, now)
    line.save(update_fields=["cancelled_quantity", "allocated_quantity", "state", "closed_at"])
    item.needs_look = True
    item.save(update_fields=["queued_units", "held_units", "own_quantity", "needs_look"])
    refresh_next(item, now=now)
    _promise_those_without(item, now)
    _tell_of_cancellation(line, wanted, now)
    announce(backorder_cancelled, backorder_id=line.id, quantity=wanted)
    announce(refund_due, backorder_id=line.id, quantity=wanted, reason="cancelled")
    wake("look_at_item", item_id=item.id)
    return line


def _tell_of_cancellation(line: Backorder, units: int, now: datetime) -> None:
    """Whoever cancels one unit after the other gets one mail, as long as it has not left."""
    if not is_ours(MailKind.BACKORDER_CANCELLED):
        return
    about = {"backorder": line, "kind": MailKind.BACKORDER_CANCELLED, "state": MailState.QUEUED}
    if not OutgoingMail.objects.filter(**about).update(units=F("units") + units):
        queue_mail(kind=MailKind.BACKORDER_CANCELLED, now=now, backorder=line, units=units)


def _locked_line(backorder_id: int) -> tuple[StockItem, Backorder]:
    """The item first, then its line: the same order everywhere."""
    item = locked_item(Backorder.objects.values_list("item_id", flat=True).get(id=backorder_id))
    line = Backorder.objects.select_for_update(of=("self",)).get(id=backorder_id)
    return item, line


def _free(item: StockItem, line: Backorder, units: int, now: datetime) -> None:
    """Units that were set aside for a line are nobody's again."""
    if not units:
        return
    shelf = Shelf(item)
    before = shelf.read()
    shelf.give_back(units)
    line.allocated_quantity -= units
    event = note_move(shelf, before, units, StockEvent.Kind.RETURNED, now)
    Allocation.objects.create(backorder=line, event=event, quantity=-units, allocated_at=now)


def _note_state(line: Backorder, now: datetime) -> None:
    """What a line's numbers say about it."""
    if line.needs:
        line.state, line.closed_at = Backorder.State.WAITING, None
        return
    if line.cancelled_quantity == line.quantity:
        line.state = Backorder.State.CANCELLED
    else:
        line.state = Backorder.State.FILLED if line.ready else Backorder.State.SHIPPED
    line.closed_at = now


def _promise_those_without(item: StockItem, now: datetime) -> None:
    """Places became free; dates that were given stand, and whoever had none may get one now."""
    if Backorder.objects.waiting().filter(item=item, promised_latest_on=None).exists():
        keep_promises(item=item, now=now)


@whole
def ship_backorder(*, backorder_id: int, quantity: int | None = None, now: datetime | None = None) -> Backorder:
    """This will note that units of a line, by default all it has, left the house; held ones are the shop's to book off.

    Raises ``NotShippable`` when it has not so many, when it is not wanted before a later day, or when the rest of an order
    that ships as a whole is not ready; ``InvalidQuantity``, ``Backorder.DoesNotExist``.
    """
    now = moment(now)
    item, line = _locked_line(backorder_id)
    wanted = line.ready if quantity is None else whole_quantity(quantity)
    _refuse_to_ship(item, line, wanted, now)
    line.shipped_quantity += wanted
    _note_state(line, now)
    line.save(update_fields=["shipped_quantity", "state", "closed_at"])
    _let_go(item, wanted, now)
    return line


def _let_go(item: StockItem, units: int, now: datetime) -> None:
    """Where units are held in a number that the shop books itself, it books them off in the same transaction, before or after."""
    shelf = Shelf(item)
    if shelf.moves:
        return
    shelf.let_go(units)
    item.save(update_fields=["held_units"])
    seen, here = item.seen_quantity, shelf.read()
    gone = units if here == seen else (seen or 0) - (here or 0)
    if gone > 0:
        note_leaving(item=item, units=gone, seen=seen, now=now)


def _refuse_to_ship(item: StockItem, line: Backorder, wanted: int, now: datetime) -> None:
    today = shop_today(now)
    if not wanted or wanted > line.ready:
        raise NotShippable(backorder_id=line.id, state=line.state, asked=wanted, possible=line.ready)
    if item.releases_at is not None and now < item.releases_at:
        released_on = shop_today(item.releases_at)
        raise NotShippable(backorder_id=line.id, state=line.state, asked=wanted, possible=0, until=released_on)
    if line.not_before is not None and today < line.not_before:
        raise NotShippable(backorder_id=line.id, state=line.state, asked=wanted, possible=0, until=line.not_before)
    if line.fill == Fill.WHOLE_ORDER and _order_of(line).waiting().exists():
        raise NotShippable(backorder_id=line.id, state=line.state, asked=wanted, possible=0, waits_for_order=True)


def _order_of(line: Backorder) -> BackorderQuerySet:
    """The lines of the same order of the same customer; of a line without an order, itself."""
    if not line.order_reference:
        return Backorder.objects.filter(id=line.id)
    return Backorder.objects.filter(order_reference=line.order_reference, email_key=line.email_key)


@whole
def prioritise(*, backorder_id: int, priority: int, now: datetime | None = None) -> Backorder:
    """This will move a line in its queue: lower is served first, 0 is everybody's. Whoever is passed and loses a date is told.

    What a step is worth: ``PRIORITY_LEAP``. Raises ``NotCancellable`` when it waits for nothing any more, ``InvalidQuantity``.
    """
    now = moment(now)
    _refuse_odd_priority(priority)
    item, line = _locked_line(backorder_id)
    if line.state != Backorder.State.WAITING:
        raise NotCancellable(backorder_id=line.id, state=line.state)
    line.priority = priority
    line.rank_class, line.rank_at = stands_at(line.placed_at, priority, leap=conf.priority_leap)
    line.save(update_fields=["priority", "rank_class", "rank_at"])
    item.has_ranks = True
    item.save(update_fields=["has_ranks"])
    keep_promises(item=item, now=now)
    return line


@whole
def pin_backorder(*, backorder_id: int, delivery_id: int | None, now: datetime | None = None) -> Backorder:
    """This will tie a waiting line to one delivery, or (``None``) let it take what comes. Raises ``PinFull``, ``NotCancellable``."""
    now = moment(now)
    item, line = _locked_line(backorder_id)
    if line.state != Backorder.State.WAITING:
        raise NotCancellable(backorder_id=line.id, state=line.state)
    line.pinned_to = None
    line.save(update_fields=["pinned_to"])
    line.pinned_to = _pin(item, delivery_id, line.needs)
    line.save(update_fields=["pinned_to"])
    item.needs_look = True
    item.save(update_fields=["needs_look"])
    refresh_next(item, now=now)
    keep_promises(item=item, now=now)
    wake("look_at_item", item_id=item.id)
    return line


def tell_whole_orders(*, now: datetime | None = None) -> int:
    """This will write to customers who wanted their order at once and whose last line is here. Returns how many were told."""
    now = moment(now)
    filled = Backorder.objects.filter(fill=FillRule.WHOLE_ORDER, state=Backorder.State.FILLED, is_told=False)
    named = filled.exclude(order_reference="").order_by().values_list("order_reference", "email_key").distinct()
    orders = [Q(order_reference=name, email_key=key) for name, key in named.exclude(Exists(_of_the_same_order()))]
    orders += [Q(id=line_id) for line_id in filled.filter(order_reference="").values_list("id", flat=True)]
    return sum(_tell_one(order, now) for order in orders)


def _of_the_same_order() -> BackorderQuerySet:
    """Lines of an order that still wait: until they are filled nobody has to look at it."""
    same = {"order_reference": OuterRef("order_reference"), "email_key": OuterRef("email_key")}
    return Backorder.objects.waiting().filter(**same)


def _tell_one(order: Q, now: datetime) -> int:
    """One order's trouble never keeps the others waiting."""
    try:
        return _tell_order(order, now)
    except Exception:
        parts: list[Any] = order.children
        named = [value for name, value in parts if name != "email_key"]  # no address in a log
        log.exception("The order %s could not be announced; the next run tries again.", named)
        return 0


@transaction.atomic
def _tell_order(order: Q, now: datetime) -> int:
    """All items of the order first, in key order, so that no line changes under our eyes."""
    lines = Backorder.objects.filter(order)
    locked_items(lines.order_by().values_list("item_id", flat=True))
    ready = list(lines.filter(state=Backorder.State.FILLED, fill=FillRule.WHOLE_ORDER, is_told=False).order_by("id"))
    if not ready or lines.waiting().exists():
        return 0
    Backorder.objects.filter(id__in=[line.id for line in ready]).update(is_told=True)
    last = Allocation.objects.filter(backorder=ready[0], quantity__gt=0).order_by("id").last()
    told = OutgoingMail.objects.filter(allocation=last).first()
    if told is not None and told.state != MailState.CANCELLED:
        return 0  # some of it was taken back since, and the customer did without: there is no more to tell
    if is_ours(MailKind.BACKORDER_FILLED):
        about = {"backorder": ready[0], "allocation": last if told is None else None}
        queue_mail(kind=MailKind.BACKORDER_FILLED, now=now, **about)
    return 1


def tell_releases(*, now: datetime | None = None) -> int:
    """This will write to those who pre-ordered what is released by now, and send ``preorder_released``. Returns how many lines.

    Once a line, also when the release is moved afterwards.
    """
    now = moment(now)
    waiting = Backorder.objects.unreleased().order_by().values("item")
    released = StockItem.objects.filter(releases_at__lte=now, id__in=waiting).order_by("id")
    return sum(_tell_release_of(item_id, now) for item_id in list(released.values_list("id", flat=True)))


def _tell_release_of(item_id: int, now: datetime) -> int:
    """One product's trouble never keeps the others waiting."""
    try:
        return _tell_release(item_id, now)
    except Exception:
        log.exception("The release of stock item %s could not be announced; the next run tries again.", item_id)
        return 0


@transaction.atomic
def _tell_release(item_id: int, now: datetime) -> int:
    """Under the item's lock: its release may have been put off at this very moment."""
    item = locked_item(item_id)
    if item.releases_at is None or now < item.releases_at:
        return 0
    lines = Backorder.objects.unreleased().filter(item=item)
    if is_ours(MailKind.PREORDER_RELEASED):
        # By then the next sweep has handed out what is here, and whoever got some hears that instead.
        due_at, columns = now + 2 * conf.sweep_every, {"backorder_id": "id"}
        queue_mails(kind=MailKind.PREORDER_RELEASED, now=now, rows=lines.in_line(), columns=columns, due_at=due_at)
    if is_heard(preorder_released):
        for line in lines.in_line():
            announce(preorder_released, backorder_id=line.id, quantity=line.quantity - line.cancelled_quantity)
    return lines.update(is_released=True)
