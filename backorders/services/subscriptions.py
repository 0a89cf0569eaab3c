"""Somebody wants to be told: ask, confirm, leave, and what happens to requests as time goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.addresses import Address, parse_address
from backorders.domain.availability import State
from backorders.domain.outbox import OF_A_RETURN, MailKind, MailState
from backorders.domain.tokens import Purpose
from backorders.domain.units import whole_quantity
from backorders.domain.windows import is_zone, zone_named
from backorders.domain.wishes import checked_price, end_of_need
from backorders.errors import AlreadyInStock, InvalidLanguage, InvalidToken, NoLongerMade, NotSellable, TooManyProducts
from backorders.models import Backorder, Hold, OutgoingMail, Restock, StockItem, Subscription, SuppressedAddress
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.queries.availability import availability_of
from backorders.queries.subscriptions import confirmed_together, mailbox_behind, named_by, token_row
from backorders.services.announce import announce
from backorders.services.apart import apart, each_apart
from backorders.services.holds import end_holds_of
from backorders.services.locks import anchors_of, locked_item, locked_items
from backorders.services.outbox import cancel_mail, queue_mail, queue_mails
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for, whatever the product."""

    address: Address
    customer: Any
    quantity: int
    highest_price: Decimal | None
    need_until: datetime | None
    group: UUID | None
    language: str
    time_zone: str
    placed_at: datetime

    @property
    def says(self) -> dict[str, Any]:
        """What asking again says anew."""
        names = ("quantity", "highest_price", "need_until", "group")
        return {name: getattr(self, name) for name in names}

    def about(self, item: StockItem) -> Subscription:
        return Subscription(
            item=item,
            email=self.address.display,
            email_key=self.address.key,
            customer=self.customer,
            language=self.language,
            time_zone=self.time_zone,
            placed_at=self.placed_at,
            **self.says,
        )


def subscribe(
    *,
    product: Any,
    email: str = "",
    customer: Any = None,
    language: str = "",
    time_zone: str = "",
    quantity: int = 1,
    highest_price: Decimal | None = None,
    need_by: date | None = None,
    any_of: Iterable[Any] = (),
    now: datetime | None = None,
) -> Asked:
    """This will remember that somebody wants to be told when ``product`` can be bought from the shelf again.

    A signed-in customer whose address the host vouches for waits at once; everybody else gets a mail with a link first.
    Asking twice changes nothing. ``time_zone`` is an IANA name; one nobody knows is forgotten. Nobody is told while the
    price lies above ``highest_price``, nor after ``need_by``, the last day of use in that time zone. ``any_of``: up to 20 further
    products of which one would do as well; who is told of one is not told of another meanwhile, and who buys one or leaves
    is done with all.

    Raises ``InvalidAddress``, ``InvalidQuantity``, ``InvalidPrice``, ``InvalidDay``, ``TooManyProducts``, ``NotSellable``, and
    ``AlreadyInStock`` or ``NoLongerMade`` with the product that this is true of.
    """
    now = now or timezone.now()
    proven = proven_address(customer)
    address = parse_address(email or proven, allow_local_domains=conf.allow_local_domains)
    is_proven = bool(proven) and address.key == parse_address(proven, allow_local_domains=True).key
    products, time_zone = _choice(product, any_of), time_zone if is_zone(time_zone) else ""
    zone = zone_named(time_zone) or timezone.get_default_timezone()
    wish = Wish(
        address=address,
        customer=customer if getattr(customer, "is_authenticated", False) else None,
        quantity=whole_quantity(quantity),
        highest_price=checked_price(highest_price),
        need_until=end_of_need(need_by, zone=zone, now=now),
        group=uuid4() if len(products) > 1 else None,
        language=language[:16],
        time_zone=time_zone,
        placed_at=now,
    )
    _are_worth_waiting(products, wish.quantity, now)
    with transaction.atomic():
        items = locked_items(item.id for item in anchors_of(products).values())
        _remember(items, wish, is_proven=is_proven, now=now)
    return Asked(Next.NOTHING if is_proven else Next.CHECK_MAIL)


MOST_CHOICES = 20
"""How many further products one request may be about."""


def _choice(product: Any, any_of: Iterable[Any]) -> list[Any]:
    """All products of one request, each once, the first one first."""
    others = list(islice(any_of, MOST_CHOICES + 1))
    if len(others) > MOST_CHOICES:
        raise TooManyProducts(asked=len(others), most=MOST_CHOICES)
    by_key: dict[tuple[int, str], Any] = {}
    for each, sellable in zip([product, *others], sellables.identify_many([product, *others]), strict=True):
        by_key.setdefault((sellable.content_type_id, sellable.object_id), each)
    return list(by_key.values())


def _are_worth_waiting(products: list[Any], quantity: int, now: datetime) -> None:
    for product in products:
        sellable = sellables.identify(product)
        if sellable.pk not in sellable.adapter.visible([sellable.pk]):
            raise NotSellable(product, sorted(sellables.by_label))
        answer = availability_of(product, now)
        if answer.state is State.DISCONTINUED:
            raise NoLongerMade(product)
        if answer.for_sale.covers(quantity):
            raise AlreadyInStock(product)


def _remember(items: list[StockItem], wish: Wish, *, is_proven: bool, now: datetime) -> None:
    key = wish.address.key
    known = list(Subscription.objects.live().filter(item__in=items, email_key=key))
    new = [item for item in items if item.id not in {row.item_id for row in known}]
    again = [row.id for row in known if row.state == Subscription.State.PENDING]
    _ask_again(again, wish, is_proven=is_proven)
    if new and (SuppressedAddress.objects.is_silent(key) or (not is_proven and _has_too_many_open(key))):
        new = []
    saved = [row for item in new if (row := _saved(wish, item, is_proven=is_proven)) is not None]
    if is_proven:
        _confirm_rows(again, now)
        _begin_waiting([row.item_id for row in saved])
    elif asked := next(iter([*saved, *Subscription.objects.filter(id__in=again[:1])]), None):
        _ask_to_confirm(asked, now)


def _saved(wish: Wish, item: StockItem, *, is_proven: bool) -> Subscription | None:
    row = wish.about(item)
    if is_proven:
        row.state, row.confirmed_at = Subscription.State.WAITING, wish.placed_at
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:  # somebody typed the same address at the same moment: one of the two stands
        return None
    return row


def _ask_again(pending_ids: list[int], wish: Wish, *, is_proven: bool) -> None:
    """Requests that nobody confirmed start over; those that wait stand where they stood, as they are."""
    own = {"customer": wish.customer} if is_proven else {}
    Subscription.objects.filter(id__in=pending_ids).update(**wish.says, placed_at=wish.placed_at, **own)


def _has_too_many_open(email_key: str) -> bool:
    """Products of which one would do are one request."""
    pending = Subscription.objects.filter(email_key=email_key, state=Subscription.State.PENDING)
    groups = list(pending.order_by().values_list("group", flat=True))
    return groups.count(None) + len({*groups} - {None}) >= int(conf.open_requests_per_address)


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
def unsubscribe(*, token: str, now: datetime | None = None) -> list[Subscription]:
    """This will end what a mail was about, by its link, at once: a request, all of which one would have done, or all that a
    digest named. What is put aside for them is given back. Asking twice is fine. Raises ``InvalidToken``."""
    now = now or timezone.now()
    rows = named_by(token_row(token, Purpose.LEAVE, now))
    ids = list(rows.order_by().values_list("id", flat=True))
    _end_all(Subscription.objects.filter(id__in=ids), Subscription.Closed.LEFT, now)
    return list(Subscription.objects.filter(id__in=ids).select_related("item").in_line())


@transaction.atomic
def leave(*, subscription_id: int, customer: Any = None, token: str = "", now: datetime | None = None) -> Subscription:
    """This will end somebody's own request: a signed-in customer's, or one of the mailbox that a link to change requests
    was sent to. Raises ``Subscription.DoesNotExist`` for anybody else's, and ``InvalidToken``."""
    now = now or timezone.now()
    subscription = _own(token=token, customer=customer, now=now).get(id=subscription_id)
    return _end(subscription, Subscription.Closed.LEFT, now)


@transaction.atomic
def leave_all(*, token: str, now: datetime | None = None) -> list[Subscription]:
    """This will end every request of the mailbox that a link to change requests was sent to. Raises ``InvalidToken``."""
    now = now or timezone.now()
    rows = list(_own(token=token, customer=None, now=now).live().select_related("item").in_line())
    if not rows:
        raise InvalidToken
    _end_all(Subscription.objects.filter(id__in=[row.id for row in rows]), Subscription.Closed.LEFT, now)
    return rows


def _own(*, token: str, customer: Any, now: datetime) -> SubscriptionQuerySet:
    """The requests of whoever holds a link, or else of a signed-in customer."""
    if token:
        return Subscription.objects.filter(email_key=mailbox_behind(token, now))
    if not getattr(customer, "is_authenticated", False):
        raise Subscription.DoesNotExist("Only a signed-in customer has requests of their own.")
    return Subscription.objects.filter(customer=customer)


class Same(Enum):
    """Nothing is said about it: it stays as it is. ``None`` would take it back."""

    SAME = "same"


SAME = Same.SAME


@transaction.atomic
def change_request(
    *,
    subscription_id: int,
    customer: Any = None,
    token: str = "",
    quantity: int | Same = SAME,
    highest_price: Decimal | Same | None = SAME,
    need_by: date | Same | None = SAME,
    language: str | Same = SAME,
    now: datetime | None = None,
) -> Subscription:
    """This will say anew what somebody wants, as ``leave`` finds their request. The place in line stays, whatever changes.

    What would have done as well changes with it. Raises ``Subscription.DoesNotExist`` for anybody else's request and one
    that is over, ``InvalidToken``, ``InvalidQuantity``, ``InvalidPrice``, ``InvalidDay``, ``InvalidLanguage``.
    """
    now = now or timezone.now()
    own = _own(token=token, customer=customer, now=now).live().get(id=subscription_id)
    says: dict[str, Any] = {}
    if not isinstance(quantity, Same):
        says["quantity"] = whole_quantity(quantity)
    if not isinstance(highest_price, Same):
        says["highest_price"] = checked_price(highest_price)
    if not isinstance(need_by, Same):
        says["need_until"] = end_of_need(need_by, zone=own.zone, now=now)
    if not isinstance(language, Same):
        says["language"] = _known_language(language)
    rows = Subscription.objects.filter(id=own.id).with_choice()
    locked_items(rows.order_by().values_list("item_id", flat=True))
    if says:
        rows.live().update(**says)
        Restock.objects.look_again(list(rows.order_by().values_list("item_id", flat=True)))
    own.refresh_from_db()
    return own


def _known_language(language: Any) -> str:
    known = [code for code, _ in settings.LANGUAGES]
    if language not in known:
        raise InvalidLanguage(language, known=known)
    return str(language)


@transaction.atomic
def close_request(*, subscription_id: int, now: datetime | None = None) -> Subscription:
    """This will end anybody's request, for staff. Raises ``Subscription.DoesNotExist``."""
    subscription = Subscription.objects.get(id=subscription_id)
    return _end(subscription, Subscription.Closed.BY_STAFF, now or timezone.now())


def _end(subscription: Subscription, because: Subscription.Closed, now: datetime) -> Subscription:
    """Whoever leaves is done with all products of which one would have done."""
    rows = Subscription.objects.filter(id=subscription.id)
    _end_all(rows if because == Subscription.Closed.BY_STAFF else rows.with_choice(), because, now)
    subscription.refresh_from_db()
    return subscription


def _end_all(rows: SubscriptionQuerySet, because: Subscription.Closed, now: datetime) -> int:
    """Which products they are about never changes, so it may be read before their items are locked."""
    ids, item_ids = zip(*rows.order_by("id").values_list("id", "item_id"), strict=True)
    locked_items(item_ids)
    return _close(Subscription.objects.filter(id__in=ids), because, now)


def _close(rows: SubscriptionQuerySet, because: Subscription.Closed, now: datetime) -> int:
    """The caller holds the lock of the item these rows wait for."""
    ids = list(rows.live().values_list("id", flat=True))
    chosen = Subscription.objects.filter(id__in=ids)
    has_bought = because == Subscription.Closed.BOUGHT
    end_holds_of(subscriptions=chosen, state=Hold.State.USED if has_bought else Hold.State.GIVEN_BACK, now=now)
    cancel_mail(subscriptions=chosen, because=str(because))
    return chosen.close(because, now)


def note_purchase(*, item_ids: list[int], email_key: str, now: datetime) -> int:
    """This will close the requests of somebody who has bought, and with each those of which one would have done.

    The caller holds the locks of these items and of ``items_of_choices``. Returns how many.
    """
    rows = Subscription.objects.live().filter(item_id__in=item_ids, email_key=email_key)
    return _close(rows.with_choice(), Subscription.Closed.BOUGHT, now)


def close_requests(*, requests: SubscriptionQuerySet, because: Subscription.Closed, now: datetime) -> int:
    """This will close those of some requests that are live; the caller holds their items' locks. Returns how many."""
    return _close(requests, because, now)


def tidy_subscriptions(*, now: datetime | None = None) -> dict[str, int]:
    """This will drop requests nobody confirmed, end those that waited in vain, with a last mail, close those that were told
    in good time, and stop watching idle items. What fails is logged, and keeps nothing else from being done."""
    now = now or timezone.now()
    late = Subscription.objects.filter(state=Subscription.State.PENDING, placed_at__lt=now - conf.confirm_within)
    outlasted = _without_a_chance(now)
    steps: dict[str, Callable[[], int]] = {
        "expired": lambda: each_apart(lambda item: _expire(item, late, now), _items_of(late), what="expired"),
        "ended": lambda: each_apart(lambda item: _end_in_vain(item, now), _items_of(outlasted), what="ended"),
        "served": lambda: _close_served(now),
        "unwatched": lambda: _stop_watching(now),
    }
    return {name: apart(step, what=name) for name, step in steps.items()}


def _items_of(rows: SubscriptionQuerySet) -> list[int]:
    return list(rows.order_by("item_id").values_list("item_id", flat=True).distinct())


@transaction.atomic
def _expire(item_id: int, late: SubscriptionQuerySet, now: datetime) -> int:
    locked_item(item_id)
    return _close(late.filter(item_id=item_id), Subscription.Closed.EXPIRED, now)


def _without_a_chance(now: datetime) -> SubscriptionQuerySet:
    """Whoever was just told of another product that would do, still has that chance."""
    told = Subscription.objects.filter(group=OuterRef("group"), state=Subscription.State.TOLD)
    outlasted = Subscription.objects.outlasted(now, longest=conf.requests_end_after)
    return outlasted.filter(Q(group=None) | ~Exists(told))


CHUNK = 1000
"""People in one transaction, so that nobody waits long for an item's lock."""


def _end_in_vain(item_id: int, now: datetime) -> int:
    total = 0
    while ended := _end_some_in_vain(item_id, now):
        total += ended
    return total


@transaction.atomic
def _end_some_in_vain(item_id: int, now: datetime) -> int:
    """One mail for each request, however many products would have done."""
    rows = _without_a_chance(now).filter(item_id=item_id)
    locked_items([item_id, *rows.exclude(group=None).with_choice().order_by().values_list("item_id", flat=True)])
    chosen = dict(rows.in_line().values_list("id", "need_until")[:CHUNK])
    too_late = [row_id for row_id, need_until in chosen.items() if need_until is not None and need_until <= now]
    _end_with_a_mail(too_late, Subscription.Closed.TOO_LATE, now)
    _end_with_a_mail([*(chosen.keys() - too_late)], Subscription.Closed.IN_VAIN, now)
    return len(chosen)


def _end_with_a_mail(ids: list[int], because: Subscription.Closed, now: datetime) -> None:
    if not ids:
        return
    ended = Subscription.objects.filter(id__in=ids)
    _close(ended.with_choice(), because, now)
    queue_mails(kind=MailKind.REQUEST_ENDED, now=now, rows=ended.in_line(), columns={"subscription_id": "id"})
    wake("deliver_due_mail")


@transaction.atomic
def _close_served(now: datetime) -> int:
    """They were told, and the goods stayed on the shelf long enough for them to come."""
    sent = OutgoingMail.objects.filter(kind__in=OF_A_RETURN, state=MailState.SENT)
    # "Not cancelled" says nothing new, but lets SQLite use the index on what was not cancelled.
    mails = sent.filter(subscription=OuterRef("id"), restock=OuterRef("restock_id")).exclude(state=MailState.CANCELLED)
    told = Subscription.objects.filter(state=Subscription.State.TOLD, told_at__lt=now - conf.place_kept_for)
    held = Hold.objects.open().filter(subscription=OuterRef("id"))
    return told.filter(Exists(mails), ~Exists(held)).close(Subscription.Closed.SERVED, now)


@transaction.atomic
def _stop_watching(now: datetime) -> int:
    waiting = Subscription.objects.live().filter(item=OuterRef("id"))
    owed = Backorder.objects.waiting().filter(item=OuterRef("id"))
    # needs_look and queued_units are rechecked by PostgreSQL when somebody joins at this very moment; the sub-selects are not.
    idle = StockItem.objects.filter(
        is_watched=True, needs_look=False, queued_units=0, settled_at__lt=now - timedelta(hours=1)
    )
    return idle.filter(~Exists(waiting), ~Exists(owed)).update(is_watched=False)
