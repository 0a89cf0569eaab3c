"""Who is waiting to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Aggregate, Count, FloatField, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Cast
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.chances import Odds, chance_in_draw, chance_in_line, in_steps
from backorders.domain.odds import BuyRate
from backorders.domain.outbox import MailState
from backorders.domain.responses import Learned
from backorders.domain.tokens import Purpose, digest_of, looks_like_a_token
from backorders.domain.waves import Crowd, Order
from backorders.domain.windows import Window
from backorders.errors import InvalidToken
from backorders.models import OutgoingMail, Subscription, SubscriptionToken
from backorders.models.stock import attach_products
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.queries.backorders import FreeUnits, free_arrivals
from backorders.queries.waves import learned_lately
from backorders.shop import sellables


def subscription_behind(token: str, purpose: Purpose, now: datetime | None = None) -> Subscription:
    """The subscription a link speaks of. Raises ``InvalidToken`` for every link that opens nothing (any more)."""
    return token_row(token, purpose, now or timezone.now()).subscription


def token_row(token: str, purpose: Purpose, now: datetime) -> SubscriptionToken:
    if not looks_like_a_token(token):
        raise InvalidToken
    rows = SubscriptionToken.objects.select_related("subscription__item")
    row = rows.filter(digest=digest_of(token, purpose), purpose=purpose).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise InvalidToken
    return row


def named_by(row: SubscriptionToken) -> SubscriptionQuerySet:
    """The requests that the mail of a link to leave was about, and with each those of which one would have done.

    A digest names several. One mail whose rows have been tidied away speaks for the first of them.
    """
    rows = Subscription.objects.filter(id=row.subscription_id)
    if row.bundle is not None:
        mails = OutgoingMail.objects.filter(bundle=row.bundle).exclude(state=MailState.CANCELLED)
        same_mailbox = Subscription.objects.filter(email_key=row.subscription.email_key)
        rows = same_mailbox.filter(Q(id=row.subscription_id) | Q(id__in=mails.values("subscription_id")))
    return rows.with_choice()


def requests_to_leave(token: str, now: datetime | None = None) -> list[Subscription]:
    """What a link to leave speaks of, in order; each with its ``item.product``. Raises ``InvalidToken``."""
    row = token_row(token, Purpose.LEAVE, now or timezone.now())
    found = list(named_by(row).select_related("item").in_line())
    attach_products([row.item for row in found])
    return found


def confirmed_together(subscription: Subscription) -> list[Subscription]:
    """The unconfirmed requests of the same mailbox, which one confirmation covers; each with its ``item.product``."""
    pending = Subscription.objects.filter(email_key=subscription.email_key, state=Subscription.State.PENDING)
    found = list(pending.select_related("item").in_line())
    attach_products([row.item for row in found])
    return found


def mailbox_behind(token: str, now: datetime) -> str:
    """The mailbox (its ``email_key``) that a link to change requests was sent to. Raises ``InvalidToken``."""
    return token_row(token, Purpose.LEAVE, now).subscription.email_key


def requests_behind(token: str, now: datetime | None = None) -> list[Subscription]:
    """The live requests of the mailbox that a link to change requests was sent to, each with its ``item.product``.

    Raises ``InvalidToken`` also when none is left: the link lives as long as one of them.
    """
    rows = Subscription.objects.live().filter(email_key=mailbox_behind(token, now or timezone.now()))
    found = list(rows.select_related("item").in_line())
    if not found:
        raise InvalidToken
    attach_products([row.item for row in found])
    return found


def by_choice(rows: Iterable[Subscription]) -> list[list[Subscription]]:
    """Requests as people see them: those of which one would do are one, where the first of them stands."""
    together: dict[Any, list[Subscription]] = {}
    for row in rows:
        together.setdefault(row.group or row.id, []).append(row)
    return list(together.values())


def by_urgency(wishes: Iterable[list[Subscription]]) -> list[list[Subscription]]:
    """What can be bought now comes first, then what was never confirmed, then what waits; each in its order."""
    ranks = {Subscription.State.TOLD: 0, Subscription.State.PENDING: 1}
    return sorted(wishes, key=lambda rows: min(ranks.get(Subscription.State(row.state), 2) for row in rows))


def subscriptions_of(customer: Any) -> list[Subscription]:
    """The live requests of a signed-in customer, oldest first, each with its ``item.product``."""
    if not getattr(customer, "is_authenticated", False):
        return []
    found = list(Subscription.objects.live().filter(customer=customer).select_related("item").in_line())
    attach_products([row.item for row in found])
    return found


def own_request(customer: Any, subscription_id: int) -> Subscription:
    """One request of a signed-in customer, live or over. Raises ``Subscription.DoesNotExist`` for anybody else's."""
    return Subscription.objects.select_related("item").get(id=subscription_id, customer_id=customer.pk)


def requests_about(products: Iterable[Any], *, customer: Any) -> dict[Any, Subscription]:
    """The confirmed live requests of a signed-in customer about some products, by product; the oldest of each (one query)."""
    if not getattr(customer, "is_authenticated", False):
        return {}
    products = list(products)
    named = {
        sellable.anchor: product for product, sellable in zip(products, sellables.identify_many(products), strict=True)
    }
    confirmed = Subscription.objects.filter(
        state__in=(Subscription.State.WAITING, Subscription.State.TOLD),
        customer=customer,
        item__content_type_id__in={type_id for type_id, _ in named},
        item__object_id__in=[object_id for _, object_id in named],
    )
    found: dict[Any, Subscription] = {}
    for row in confirmed.select_related("item").in_line():
        if (product := named.get((row.item.content_type_id, row.item.object_id))) is not None:
            found.setdefault(product, row)
    return found


def place_of(subscription: Subscription) -> int | None:
    """The place in line of somebody who waits, from 1; ``None`` for who does not."""
    if subscription.state != Subscription.State.WAITING:
        return None
    earlier = Q(placed_at__lt=subscription.placed_at) | Q(placed_at=subscription.placed_at, id__lt=subscription.id)
    return Subscription.objects.waiting().filter(earlier, item=subscription.item_id).count() + 1


def items_of_choices(requests: SubscriptionQuerySet) -> set[int]:
    """The items of all products of which one would do for those who asked for these (two queries)."""
    return set(requests.live().with_choice().live().values_list("item_id", flat=True))


def waiting_counts(item_ids: Iterable[int]) -> dict[int, int]:
    """How many people wait to be told, per item, in one query; items without any are left out."""
    rows = Subscription.objects.waiting().filter(item_id__in=list(item_ids)).order_by()
    return dict(rows.values_list("item_id").annotate(people=Count("id")))


# where somebody stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """``units`` of a delivery that nobody is owed, when they can be here, and the odds that one's own are left by then.

    ``odds``: ``None`` where the draw favours those who waited longer, and nobody can honestly say.
    """

    units: int
    window: Window
    odds: Odds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a request that waits stands. ``position``: people before it, and one; ``None`` where lots are drawn.

    ``dues``: the deliveries announced, in the order in which they come. An estimate, never a promise.
    """

    position: int | None
    dues: tuple[Due, ...]

    @property
    def due(self) -> Due | None:
        """The first delivery that will likely be enough; the next one, where none is."""
        good = (Odds.VERY_LIKELY, Odds.LIKELY)
        return next((due for due in self.dues if due.odds in good), self.dues[0] if self.dues else None)


def standings_of(subscriptions: Iterable[Subscription], now: datetime | None = None) -> dict[int, Standing]:
    """This will say where requests stand, by their id; those that do not wait are left out. Eight queries, however many.

    Who of those ahead will buy is what the shop has learned of its people; a shop whose till never says who bought goes by
    the first belief, one in six.
    """
    now = now or timezone.now()
    waiting = [row for row in subscriptions if row.state == Subscription.State.WAITING]
    if not waiting:
        return {}
    crowds = _ahead_of(waiting) if conf.wave_order == Order.FIRST_COME else _others_of(waiting)
    items = {row.item_id: row.item for row in waiting}
    arrivals = free_arrivals(items.values(), now=now)
    learned = learned_lately(now) if any(arrivals.values()) else Learned()
    return {row.id: _standing(row, crowds[row.id], arrivals[row.item_id], learned) for row in waiting}


def _standing(row: Subscription, crowd: Crowd, arrivals: list[FreeUnits], learned: Learned) -> Standing:
    free = [arrival.units for arrival in arrivals]
    rate = learned.rate_of_item(row.item_id) if learned.sees_buyers else BuyRate()
    odds: list[Odds | None] = [None] * len(arrivals)
    if conf.wave_order == Order.FIRST_COME:
        odds = [in_steps(each) for each in chance_in_line(ahead=crowd, own=row.quantity, free=free, rate=rate)]
    elif conf.wave_order == Order.LOTTERY:
        odds = [in_steps(each) for each in chance_in_draw(others=crowd, own=row.quantity, free=free, rate=rate)]
    return Standing(
        position=crowd.people + 1 if conf.wave_order == Order.FIRST_COME else None,
        dues=tuple(
            Due(units=arrival.units, window=arrival.window, odds=step)
            for arrival, step in zip(arrivals, odds, strict=True)
        ),
    )


def _ahead_of(rows: list[Subscription]) -> dict[int, Crowd]:
    """Those who stand before each of some requests, by an index scan of the line for each, in one statement."""
    here = Q(placed_at=OuterRef("placed_at"), id__lt=OuterRef("id"))
    ahead = Subscription.objects.waiting().filter(
        Q(placed_at__lt=OuterRef("placed_at")) | here, item=OuterRef("item"), placed_at__lte=OuterRef("placed_at")
    )
    found = Subscription.objects.filter(id__in=[row.id for row in rows]).order_by()
    return {row_id: _crowd(*numbers) for row_id, *numbers in found.values_list("id", *map(_counted(ahead), _NUMBERS))}


def _others_of(rows: list[Subscription]) -> dict[int, Crowd]:
    """Everybody else who waits for the same."""
    others = Subscription.objects.waiting().filter(item=OuterRef("item")).exclude(id=OuterRef("id"))
    found = Subscription.objects.filter(id__in=[row.id for row in rows]).order_by()
    return {row_id: _crowd(*numbers) for row_id, *numbers in found.values_list("id", *map(_counted(others), _NUMBERS))}


_NUMBERS: tuple[Aggregate, ...] = (
    Count("id"),
    Sum("quantity"),
    Sum(Cast("quantity", FloatField()) * Cast("quantity", FloatField())),
)


def _counted(people: SubscriptionQuerySet) -> Callable[[Aggregate], Subquery]:
    grouped = people.order_by().values("item")
    return lambda number: Subquery(grouped.annotate(number=number).values("number"), output_field=FloatField())


def _crowd(people: float | None, units: float | None, squares: float | None) -> Crowd:
    return Crowd(people=int(people or 0), units=int(units or 0), squares=squares or 0.0)
