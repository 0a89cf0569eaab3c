"""Where order lines stand, as their customers see it: by a signed link without an account, or signed in."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import Case, Count, IntegerField, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from backorders.domain.addresses import parse_address
from backorders.domain.allocation import Fill
from backorders.domain.timelines import Course, Mark, timeline
from backorders.domain.windows import NO_DATE, Promise
from backorders.errors import InvalidAddress, InvalidToken
from backorders.models import Allocation, Backorder, Delivery
from backorders.models import Promise as PromiseRow
from backorders.models.backorders import NEEDS, BackorderQuerySet
from backorders.models.stock import attach_products
from backorders.queries.availability import shop_today
from backorders.queries.backorders import (
    Given,
    Place,
    history_of,
    lines_ahead_of,
    order_window,
    orders_of,
    places_of_lines,
    shelf_balance,
)
from backorders.queries.stock import describe_items
from backorders.queries.supply import coming_for
from backorders.shop import Described
from backorders.shop.customers import proven_address

# the way in

KEPT_AFTER = timedelta(days=90)
"""A link opens the page for as long as its line is open, and so long after it was shipped or cancelled."""

OVER = (Backorder.State.SHIPPED, Backorder.State.CANCELLED)


def line_token(public_id: UUID) -> str:
    """The secret of the link to one order line's page: its ``public_id``, signed with ``SECRET_KEY``. No row is written."""
    return _signer().sign(base64.urlsafe_b64encode(public_id.bytes).rstrip(b"=").decode())


def line_path(public_id: UUID) -> str:
    """The path of that page; empty in a shop that does not include ``backorders.urls``."""
    try:
        return reverse("backorders:line", args=[line_token(public_id)])
    except NoReverseMatch:
        return ""


def line_behind(token: str, now: datetime | None = None) -> Backorder:
    """The order line a link speaks of, with its item and product (two queries).

    Raises ``InvalidToken`` for a link that nobody signed, one whose line is over for longer than ``KEPT_AFTER``, and one
    whose customer was forgotten.
    """
    lines = reachable(now or timezone.now()).filter(public_id=_unsigned(token)).select_related("item")
    line = lines.first()
    if line is None:
        raise InvalidToken
    attach_products([line.item])
    return line


def reachable(now: datetime) -> BackorderQuerySet:
    """Lines whose pages still open."""
    is_recent = Q(closed_at__gt=now - KEPT_AFTER)
    return Backorder.objects.filter(~Q(state__in=OVER) | is_recent).exclude(email="")


def _signer() -> signing.Signer:
    """Made anew each time: keys may be rotated, and ``SECRET_KEY_FALLBACKS`` count."""
    return signing.Signer(salt="backorders.line", sep=".")


def _unsigned(token: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(_signer().unsign(token) + "=="))
    except (signing.BadSignature, binascii.Error, ValueError):
        raise InvalidToken from None


# one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One order line from the order to the parcel.

    ``given``: every date its customer was given, the first one first. ``described``: ``None`` for a product that is gone.
    ``whole``: when the whole order can leave, where it ships together with other lines.
    """

    line: Backorder
    place: Place
    given: list[Given]
    marks: tuple[Mark, ...]
    described: Described | None = None
    whole: Promise | None = None


def story_of(line: Backorder, now: datetime | None = None) -> Story:
    """This will read all there is to tell of one line; its item has its ``product``. Ten queries at most."""
    now = now or timezone.now()
    place = places_of_lines([line], now)[line.id]
    given = history_of([line.id]).get(line.id, [])
    return Story(
        line=line,
        place=place,
        given=given,
        marks=timeline(_course(line, given, now)),
        described=describe_items([line.item]).get(line.item_id),
        whole=_whole_order(line, now),
    )


def _course(line: Backorder, given: list[Given], now: datetime) -> Course:
    set_aside_at = _set_aside_at(line)
    booked = _delivery_for(line, now) if line.needs else _delivery_named(given)
    arrived_on = booked.arrived_on if booked and not line.needs else None
    is_plausible = arrived_on is not None and set_aside_at is not None and arrived_on <= shop_today(set_aside_at)
    return Course(
        wanted=line.quantity - line.cancelled_quantity,
        allocated=line.allocated_quantity,
        shipped=line.shipped_quantity,
        placed_at=line.placed_at,
        is_booked=booked is not None,
        booked_at=max(booked.created_at, line.placed_at) if booked else None,
        arrived_on=arrived_on if is_plausible else None,
        set_aside_at=set_aside_at,
        closed_at=line.closed_at,
    )


def _set_aside_at(line: Backorder) -> datetime | None:
    """When the last units came to the line; what was taken back since changes nothing about that."""
    if not line.allocated_quantity:
        return None
    rows = Allocation.objects.filter(backorder=line, quantity__gt=0).order_by("-id")
    return rows.values_list("allocated_at", flat=True).first()


def _delivery_for(line: Backorder, now: datetime) -> Delivery | None:
    """The announced delivery that brings the line's last unit, late or not (four queries at most)."""
    if line.pinned_to_id is not None and line.pinned_to is not None and line.pinned_to.state == Delivery.State.EXPECTED:
        return line.pinned_to
    coming = coming_for([line.item_id], today=shop_today(now))[line.item_id]
    ahead = lines_ahead_of(line).filter(Q(pinned_to=None) | ~Q(pinned_to__state=Delivery.State.EXPECTED))
    units = int(ahead.aggregate(units=Sum(NEEDS, default=0))["units"]) + line.needs - shelf_balance(line.item)
    if units < 1:  # it is on the shelf, and handed out in a moment
        return None
    supply = coming.horizon.supply_for(units)
    open_ones = Delivery.objects.open().filter(item=line.item_id)
    if supply is not None:
        return open_ones.filter(id=supply.delivery_id).first()
    is_late_one = units <= coming.horizon.units + coming.overdue - coming.pinned_overdue
    return open_ones.order_by("latest_on", "id").first() if coming.overdue and is_late_one else None


def _delivery_named(given: list[Given]) -> Delivery | None:
    """The delivery of the last date that was given, once all of the line has come."""
    named = next((each.delivery_id for each in reversed(given) if each.delivery_id), None)
    return None if named is None else Delivery.objects.filter(id=named).first()


def _whole_order(line: Backorder, now: datetime) -> Promise | None:
    """When an order that ships as a whole can leave; ``None`` for a line that does not wait for others."""
    if line.fill != Fill.WHOLE_ORDER:
        return None
    others = [each for each in orders_of([line])[line.id] if each.needs]
    if not others or [each.id for each in others] == [line.id]:
        return None
    return order_window(places_of_lines(others, now).values())


# all of one customer


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLine:
    """One order line in a list of one's own. ``first``: the date that was given first; ``is_urgent``: it is late, or its date moved."""

    line: Backorder
    place: Place
    described: Described | None
    first: Promise
    said_on: date
    is_urgent: bool

    @property
    def has_moved(self) -> bool:
        return bool(self.place.position) and self.first.is_known and self.is_urgent


def backorders_of(customer: Any, now: datetime | None = None) -> BackorderQuerySet:
    """The order lines of a signed-in customer, by account and by the address they have proven, as far as their pages open.

    What may need an answer comes first: late, without a date, moved; then what waits by its date, what is ready, what is over.
    """
    now = now or timezone.now()
    if not getattr(customer, "is_authenticated", False):
        return Backorder.objects.none()
    theirs = Q(customer=customer)
    with suppress(InvalidAddress):
        theirs |= Q(email_key=parse_address(proven_address(customer), allow_local_domains=True).key)
    waits, today = Q(state=Backorder.State.WAITING), shop_today(now)
    dates = PromiseRow.objects.filter(backorder=OuterRef("id")).order_by().values("backorder")
    count = Coalesce(Subquery(dates.annotate(n=Count("id")).values("n"), output_field=IntegerField()), 0)
    rank = Case(
        When(waits & Q(promised_latest_on__lt=today), then=Value(0)),
        When(waits & Q(promised_latest_on=None), then=Value(1)),
        When(waits & Q(dates_given__gt=1), then=Value(2)),
        When(waits, then=Value(3)),
        When(state=Backorder.State.FILLED, then=Value(4)),
        default=Value(5),
    )
    lines = reachable(now).filter(theirs).annotate(dates_given=count).annotate(rank=rank)
    return lines.order_by("rank", "promised_latest_on", "-placed_at", "-id")


def own_lines(lines: Iterable[Backorder], now: datetime | None = None) -> list[OwnLine]:
    """This will read what a list says of lines of ``backorders_of`` (places, dates, products: four queries, and more per model)."""
    now, lines = now or timezone.now(), list(lines)
    if not lines:
        return []
    attach_products([line.item for line in lines])
    described = describe_items([line.item for line in lines])
    places = places_of_lines(lines, now)
    given = history_of(line.id for line in lines)
    return [_own_line(line, places[line.id], described.get(line.item_id), given.get(line.id, [])) for line in lines]


def _own_line(line: Backorder, place: Place, described: Described | None, given: list[Given]) -> OwnLine:
    return OwnLine(
        line=line,
        place=place,
        described=described,
        first=given[0].window if given else NO_DATE,
        said_on=shop_today(given[0].given_at if given else line.placed_at),
        is_urgent=bool(place.position) and (len(given) > 1 or not place.window.is_known),
    )
