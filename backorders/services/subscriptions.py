"""Somebody wants to be told: ask, confirm, leave, and what happens to requests as time goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.addresses import Address, parse_address
from backorders.domain.availability import State
from backorders.domain.outbox import OF_A_RETURN, MailKind, MailState
from backorders.domain.tokens import Purpose
from backorders.domain.units import whole_quantity
from backorders.domain.windows import is_zone
from backorders.errors import AlreadyInStock, InvalidToken, NoLongerMade, NotSellable
from backorders.models import Backorder, Hold, OutgoingMail, StockItem, Subscription, SuppressedAddress
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.queries.availability import availability_of
from backorders.queries.subscriptions import confirmed_together, token_row
from backorders.services.announce import announce
from backorders.services.holds import end_holds_of
from backorders.services.locks import anchor_of, locked_item, locked_items
from backorders.services.outbox import cancel_mail, queue_mail
from backorders.services.wake import wake
from backorders.shop import sellables
from backorders.shop.customers import proven_address
from backorders.signals import subscription_confirmed


class Next(StrEnum):
    """What the person has to do now."""

    CHECK_MAIL = "check_mail"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Asked:
    """The same answer whether the address is new, known, waiting or suppressed."""

    next: Next


def subscribe(
    *,
    product: Any,
    email: str = "",
    customer: Any = None,
    language: str = "",
    time_zone: str = "",
    quantity: int = 1,
    now: datetime | None = None,
) -> Asked:
    """This will remember that somebody wants to be told when ``product`` can be bought from the shelf again.

    A signed-in customer whose address the host vouches for waits at once; everybody else gets a mail with a link first.
    Asking twice changes nothing. ``time_zone`` is an IANA name; one nobody knows is forgotten. Raises ``InvalidAddress``, ``InvalidQuantity``, ``NotSellable``, ``AlreadyInStock``,
    ``NoLongerMade``.
    """
    now = now or timezone.now()
    proven = proven_address(customer)
    address = parse_address(email or proven, allow_local_domains=conf.allow_local_domains)
    is_proven = bool(proven) and address.key == parse_address(proven, allow_local_domains=True).key
    quantity = whole_quantity(quantity)
    _is_worth_waiting(product, quantity, now)
    with transaction.atomic():
        item = locked_item(anchor_of(product).id)
        wanted = Subscription(
            item=item,
            email=address.display,
            email_key=address.key,
            customer=customer if getattr(customer, "is_authenticated", False) else None,
            quantity=quantity,
            language=language[:16],
            time_zone=time_zone if is_zone(time_zone) else "",
            placed_at=now,
        )
        _remember(wanted, address, is_proven=is_proven, now=now)
    return Asked(Next.NOTHING if is_proven else Next.CHECK_MAIL)


def _is_worth_waiting(product: Any, quantity: int, now: datetime) -> None:
    sellable = sellables.identify(product)
    if sellable.pk not in sellable.adapter.visible([sellable.pk]):
        raise NotSellable(product, sorted(sellables.by_label))
    answer = availability_of(product, now)
    if answer.state is State.DISCONTINUED:
        raise NoLongerMade(product)
    if answer.for_sale.covers(quantity):
        raise AlreadyInStock(product)


def _remember(wanted: Subscription, address: Address, *, is_proven: bool, now: datetime) -> None:
    known = Subscription.objects.live().filter(item=wanted.item, email_key=address.key).first()
    if known is not None:
        _ask_again(known, wanted, is_proven=is_proven, now=now)
        return
    if SuppressedAddress.objects.among([address.key]):
        return
    if is_proven:
        wanted.state, wanted.confirmed_at = Subscription.State.WAITING, now
    elif _has_too_many_open(address):
        return
    try:
        with transaction.atomic():
            wanted.save()
    except IntegrityError:  # somebody typed the same address at the same moment: one of the two stands
        return
    if is_proven:
        _begin_waiting([wanted.item_id])
    else:
        _ask_to_confirm(wanted, now)


def _ask_again(known: Subscription, wanted: Subscription, *, is_proven: bool, now: datetime) -> None:
    """A request that nobody confirmed starts over; one that waits stands where it stood."""
    if known.state != Subscription.State.PENDING:
        return
    customer = wanted.customer if is_proven else known.customer
    Subscription.objects.filter(id=known.id).update(placed_at=now, quantity=wanted.quantity, customer=customer)
    if is_proven:
        _confirm_rows([known.id], now)
    else:
        _ask_to_confirm(known, now)


def _has_too_many_open(address: Address) -> bool:
    pending = Subscription.objects.filter(email_key=address.key, state=Subscription.State.PENDING)
    return pending.count() >= int(conf.open_requests_per_address)


def _ask_to_confirm(subscription: Subscription, now: datetime) -> None:
    """One unanswered confirmation mail per mailbox and day; its page covers every open request of that mailbox."""
    asked = OutgoingMail.objects.filter(
        kind=MailKind.CONFIRM_SUBSCRIPTION,
        subscription__email_key=subscription.email_key,
        subscription__state=Subscription.State.PENDING,
        created_at__gt=now - conf.confirm_mail_every,
    ).exclude(state__in=[MailState.DEAD, MailState.CANCELLED])
    if not asked.exists():
        queue_mail(kind=MailKind.CONFIRM_SUBSCRIPTION, now=now, subscription=subscription)


@transaction.atomic
def confirm(*, token: str, now: datetime | None = None) -> list[Subscription]:
    """This will confirm a request, and every other open request of the same mailbox. Returns those that wait from now on.

    Raises ``InvalidToken`` for links that are unknown, expired, used, or made for something else.
    """
    now = now or timezone.now()
    row = token_row(token, Purpose.CONFIRM, now)
    ids = [request.id for request in confirmed_together(row.subscription)]
    waiting = _confirm_rows(ids, now)
    used = type(row).objects.filter(id=row.id, used_at=None).update(used_at=now)
    if not used or not waiting:
        raise InvalidToken
    return waiting


def _confirm_rows(ids: list[int], now: datetime) -> list[Subscription]:
    """The items are locked first, as everywhere. From now on the sweep looks at them; once in any case, for the goods may
    have come meanwhile."""
    pending = Subscription.objects.filter(id__in=ids, state=Subscription.State.PENDING)
    items = locked_items(pending.values_list("item_id", flat=True))
    confirmed = list(pending.values_list("id", flat=True))
    pending.filter(id__in=confirmed).update(state=Subscription.State.WAITING, confirmed_at=now)
    rows = list(Subscription.objects.filter(id__in=confirmed).select_related("item").in_line())
    _begin_waiting([item.id for item in items])
    for row in rows:
        announce(subscription_confirmed, subscription_id=row.id)
    return rows


def _begin_waiting(item_ids: list[int]) -> None:
    StockItem.objects.filter(id__in=item_ids).update(is_watched=True, needs_look=True)
    for item_id in item_ids:
        wake("look_at_item", item_id=item_id)


@transaction.atomic
def unsubscribe(*, token: str, now: datetime | None = None) -> Subscription:
    """This will end a request at once, by the link of any mail about it; what is put aside for it is given back. Asking twice is fine. Raises ``InvalidToken``."""
    now = now or timezone.now()
    row = token_row(token, Purpose.LEAVE, now)
    return _end(row.subscription, Subscription.Closed.LEFT, now)


@transaction.atomic
def leave(*, subscription_id: int, customer: Any, now: datetime | None = None) -> Subscription:
    """This will end a signed-in customer's own request. Raises ``Subscription.DoesNotExist`` for anybody else's."""
    if not getattr(customer, "is_authenticated", False):
        raise Subscription.DoesNotExist("Only a signed-in customer has requests of their own.")
    subscription = Subscription.objects.get(id=subscription_id, customer=customer)
    return _end(subscription, Subscription.Closed.LEFT, now or timezone.now())


@transaction.atomic
def close_request(*, subscription_id: int, now: datetime | None = None) -> Subscription:
    """This will end anybody's request, for staff. Raises ``Subscription.DoesNotExist``."""
    subscription = Subscription.objects.get(id=subscription_id)
    return _end(subscription, Subscription.Closed.BY_STAFF, now or timezone.now())


def _end(subscription: Subscription, because: Subscription.Closed, now: datetime) -> Subscription:
    locked_item(subscription.item_id)
    _close(Subscription.objects.filter(id=subscription.id), because, now)
    subscription.refresh_from_db()
    return subscription


def _close(rows: SubscriptionQuerySet, because: Subscription.Closed, now: datetime) -> int:
    """The caller holds the lock of the item these rows wait for."""
    ids = list(rows.live().values_list("id", flat=True))
    chosen = Subscription.objects.filter(id__in=ids)
    has_bought = because == Subscription.Closed.BOUGHT
    end_holds_of(subscriptions=chosen, state=Hold.State.USED if has_bought else Hold.State.GIVEN_BACK, now=now)
    cancel_mail(subscriptions=chosen, because=str(because))
    return chosen.close(because, now)


def note_purchase(*, item_ids: list[int], email_key: str, now: datetime) -> int:
    """This will close the requests of somebody who has bought; the caller holds the items' locks. Returns how many."""
    rows = Subscription.objects.filter(item_id__in=item_ids, email_key=email_key)
    return _close(rows, Subscription.Closed.BOUGHT, now)


def close_requests(*, requests: SubscriptionQuerySet, because: Subscription.Closed, now: datetime) -> int:
    """This will close those of some requests that are live; the caller holds their items' locks. Returns how many."""
    return _close(requests, because, now)


def tidy_subscriptions(*, now: datetime | None = None) -> dict[str, int]:
    """This will drop requests nobody confirmed, close those that were told in good time, and stop watching idle items."""
    now = now or timezone.now()
    late = Subscription.objects.filter(state=Subscription.State.PENDING, placed_at__lt=now - conf.confirm_within)
    expired = sum(
        _expire(item_id, late, now) for item_id in late.order_by().values_list("item_id", flat=True).distinct()
    )
    return {"expired": expired, "served": _close_served(now), "unwatched": _stop_watching(now)}


@transaction.atomic
def _expire(item_id: int, late: SubscriptionQuerySet, now: datetime) -> int:
    locked_item(item_id)
    return _close(late.filter(item_id=item_id), Subscription.Closed.EXPIRED, now)


def _close_served(now: datetime) -> int:
    """They were told, and the goods stayed on the shelf long enough for them to come."""
    sent = OutgoingMail.objects.filter(kind__in=OF_A_RETURN, state=MailState.SENT)
    # "Not cancelled" says nothing new, but lets SQLite use the index on what was not cancelled.
    mails = sent.filter(subscription=OuterRef("id"), restock=OuterRef("restock_id")).exclude(state=MailState.CANCELLED)
    told = Subscription.objects.filter(state=Subscription.State.TOLD, told_at__lt=now - conf.place_kept_for)
    held = Hold.objects.open().filter(subscription=OuterRef("id"))
    return told.filter(Exists(mails), ~Exists(held)).close(Subscription.Closed.SERVED, now)


def _stop_watching(now: datetime) -> int:
    waiting = Subscription.objects.live().filter(item=OuterRef("id"))
    owed = Backorder.objects.waiting().filter(item=OuterRef("id"))
    # needs_look and queued_units are rechecked by PostgreSQL when somebody joins at this very moment; the sub-selects are not.
    idle = StockItem.objects.filter(
        is_watched=True, needs_look=False, queued_units=0, settled_at__lt=now - timedelta(hours=1)
    )
    return idle.filter(~Exists(waiting), ~Exists(owed)).update(is_watched=False)
