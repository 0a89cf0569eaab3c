"""Who may be told, how a restock has gone so far, and what the shop has learned of those it told."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, FloatField, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Coalesce
from django.utils.crypto import salted_hmac

from backorders.conf import conf
from backorders.domain.draws import pledge_of, ticket
from backorders.domain.outbox import MailState
from backorders.domain.responses import Answer, Learned, Outcome, delay_of, learned_from
from backorders.domain.units import NO_UNITS, UNLIMITED, Units
from backorders.domain.waves import (
    Course,
    Crowd,
    Order,
    Told,
    next_wave,
    one_hold_after_the_other,
    people_within,
    waves_if_nobody_answers,
)
from backorders.models import OutgoingMail, Restock, StockEvent, StockItem, Subscription, Wave
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.queries.stock import price_of
from backorders.queries.written import Moment, Written, blank_moment, blank_number

_MOST = 2000
"""How many past waves are learned from; the newest count."""

_ON_ITS_WAY = (MailState.QUEUED, MailState.LEASED, MailState.SENDING)


def may_be_told(item: StockItem, units: Units, now: datetime) -> SubscriptionQuerySet:
    """Those who wait, want no more than there is, and were not told of this item a short while ago.

    Nobody whose highest price lies below the present one (it is read now, with one query), whose last day is over, or who
    has just been told of another product that would do.
    """
    rested = Q(told_at=None) | Q(told_at__lte=now - conf.tell_again_after)
    in_time = Q(need_until=None) | Q(need_until__gt=now)
    has_a_chance = Subscription.objects.filter(group=OuterRef("group"), state=Subscription.State.TOLD)
    people = Subscription.objects.waiting().filter(
        rested, in_time, Q(group=None) | ~Exists(has_a_chance), item_id=item.id
    )
    if (price := price_of(item)) is not None:
        people = people.filter(Q(highest_price=None) | Q(highest_price__gte=price))
    return people if units.is_unlimited else people.filter(quantity__lte=units.value)


def crowd_in(people: SubscriptionQuerySet) -> Crowd:
    """How many they are and what they ask for (one query)."""
    wanted = Cast("quantity", FloatField())
    found = people.order_by().aggregate(people=Count("id"), units=Sum("quantity"), squares=Sum(wanted * wanted))
    return Crowd(people=found["people"], units=found["units"] or 0, squares=found["squares"] or 0.0)


def units_to_tell_of(units: Units) -> Units:
    """None of them, where there are fewer than the shop tells anybody of."""
    return units if units.covers(conf.least_stock_to_tell) else NO_UNITS


def offer_for(*, restock: Restock, units: Units, crowd: Crowd, learned: Learned, now: datetime) -> Units:
    """How many units' worth of people may be told of a restock just now; unlimited: everybody (three queries, none with holds)."""
    units = units_to_tell_of(units)
    if units.is_unlimited or not units:
        return units
    if conf.hold_for is not None:
        return UNLIMITED if units.covers(crowd.units) else units
    course = course_of(restock, item_id=restock.item_id, now=now)
    return next_wave(
        shelf=units, crowd=crowd, course=course, learned=learned, item_id=restock.item_id, loss=conf.wave_loss
    )


def first_of(
    people: SubscriptionQuerySet, *, offer: Units, crowd: Crowd, restock: Restock
) -> tuple[SubscriptionQuerySet, int]:
    """The people from the front of the line for whom the offer is enough, and how many they are."""
    if offer.is_unlimited:
        return people, crowd.people
    if conf.wave_order != Order.FIRST_COME:
        drawn = _drawn(people, restock)
        size = people_within([quantity for _, quantity in drawn], offer)
        return people.filter(id__in=[key for key, _ in drawn[:size]]), size
    size = offer.value
    if crowd.units > crowd.people:  # somebody wants more than one
        size = people_within(people.in_line().values_list("quantity", flat=True)[: max(1, size)], offer)
    return people.filter(id__in=people.in_line().values("id")[:size]), size


def _drawn(people: SubscriptionQuerySet, restock: Restock) -> list[tuple[int, int]]:
    """Ids and quantities in the order of the draw. The same restock always draws the same."""
    seed, rows = seed_of(restock), list(people.order_by().values_list("id", "quantity", "placed_at"))
    ages = conf.wave_order == Order.AGEING

    def place(row: tuple[int, int, datetime]) -> tuple[float, int]:
        days = max(0, (restock.opened_at - row[2]).days) if ages else 0
        return ticket(seed, row[0], tickets=1 + days), row[0]

    return [(key, quantity) for key, quantity, _ in sorted(rows, key=place)]


def seed_of(restock: Restock) -> str:
    """The seed of a restock's draw: nobody can know it before without SECRET_KEY. Publish it when the restock is over."""
    return salted_hmac("backorders.draw", str(restock.id), algorithm="sha256").hexdigest()


def pledge_for(restock: Restock) -> str:
    """The hash of that seed, which may be published before: it binds the shop to its draw."""
    return pledge_of(seed_of(restock))


def course_of(restock: Restock | None, *, item_id: int | None, now: datetime) -> Course:
    """How an item's restock has gone so far, or how one that begins now would find things (three queries).

    A mail counts from when it left, by the mail server's side of the clock; where that lies ahead of ``now``, from when
    it was written. Units that left the shelf are those the ledger saw go: taken by an order, or missing at a look. A
    correction downwards that the shop makes by itself looks the same; what is set by hand or written off here does not.
    """
    waves = _waves_told(restock, item_id, now)
    ours = [wave for wave in waves if restock is not None and wave["restock_id"] == restock.id]
    return Course(
        told=[_told(wave, now) for wave in ours],
        earlier=[_told(wave, now) for wave in waves if wave not in ours],
        bought=sum(wave["bought"] for wave in ours),
        left=_units_gone(restock) if restock else 0,
        left_to_told=sum(wave["bought_units"] or 0 for wave in ours),
        hours=_hours(restock.opened_at, now) if restock else 0.0,
    )


def _waves_told(restock: Restock | None, item_id: int | None, now: datetime) -> list[dict[str, Any]]:
    """The mails of a restock that left or will, by wave; and those that left in the last day of a restock before it."""
    day_ago = now - timedelta(days=1)
    if not _ANY_NEAR.rows(since=day_ago, item=item_id, restock=restock.id if restock else None):
        return []  # nobody to look for among a hundred thousand
    just_sent = Q(state=MailState.SENT, created_at__gt=day_ago)
    bought = Q(subscription__closed_because=Subscription.Closed.BOUGHT)
    mails = OutgoingMail.objects.filter(subscription__item=item_id, restock__isnull=False)
    waves = (
        mails.filter(just_sent | Q(restock=restock, state__in=[*_ON_ITS_WAY, MailState.SENT]) if restock else just_sent)
        .order_by()
        .values("restock_id", "created_at", is_sent=Q(state=MailState.SENT))
        .annotate(
            people=Count("id"),
            units=Sum("subscription__quantity"),
            last=Max("sent_at"),
            bought=Count("id", filter=bought),
            bought_units=Sum("subscription__quantity", filter=bought),
        )
    )
    return [dict(wave) for wave in waves]


def _any_near(since: Moment, item: Any, restock: Any) -> QuerySet[Any, Any]:
    is_near = Q(released_at__gt=since) | Q(restock=restock)
    return Wave.objects.filter(is_near, restock__item=item).order_by().values_list("id")[:1]


_ANY_NEAR = Written(lambda: _any_near(blank_moment("since"), blank_number("item"), blank_number("restock")))


def _told(wave: dict[str, Any], now: datetime) -> Told:
    left_at = _left_at(wave["created_at"], wave["last"], now)
    return Told(people=wave["people"], units=wave["units"], hours=_hours(left_at, now) if wave["is_sent"] else None)


def _left_at(written_at: datetime, sent_at: datetime | None, now: datetime) -> datetime:
    return sent_at if sent_at is not None and written_at < sent_at <= now else written_at


def _hours(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since) / timedelta(hours=1))


def _units_gone(restock: Restock) -> int:
    gone = _GONE.rows(item=restock.item_id, since=restock.opened_at)
    return -int(gone[0][0]) if gone else 0


def _gone(item: Any, since: Moment) -> QuerySet[Any, Any]:
    goes = [StockEvent.Kind.SEEN, StockEvent.Kind.TAKEN]
    events = StockEvent.objects.filter(item=item, kind__in=goes, quantity__lt=0, happened_at__gte=since)
    return events.order_by().values("item").annotate(units=Sum("quantity")).values_list("units")


_GONE = Written(lambda: _gone(blank_number("item"), blank_moment("since")))


def learned_shop(now: datetime) -> Learned:
    """What this shop has learned from the newest 2,000 waves: how soon buyers come, and how many they are (two queries).

    From told to bought is read from the rows of those who were told: ``told_at``, and ``closed_at`` where they bought. All
    others of a wave were watched until their restock was over. Open restocks count once they are older than
    ``PLACE_KEPT_FOR``: until then, only for themselves. People and purchases are counted, not units.
    """
    is_settled = Q(restock__closed_at__isnull=False) | Q(restock__opened_at__lt=now - conf.place_kept_for)
    waves = list(
        Wave.objects.filter(is_settled)
        .order_by("-id")
        .values_list("restock_id", "restock__item_id", "restock__closed_at", "released_at", "size")[:_MOST]
    )
    rows = Subscription.objects.filter(
        closed_because=Subscription.Closed.BOUGHT, restock__isnull=False, restock__in={wave[0] for wave in waves}
    )
    bought = [
        (restock_id, told_at, closed_at)
        for restock_id, told_at, closed_at in rows.order_by().values_list("restock_id", "told_at", "closed_at")
        if told_at and closed_at
    ]
    came = [Answer(hours=_hours(told_at, closed_at), has_bought=True) for _, told_at, closed_at in bought]
    by_wave = _buyers_by_wave(
        sorted((restock_id, released_at) for restock_id, _, _, released_at, _ in waves),
        [(restock_id, told_at) for restock_id, told_at, _ in bought],
    )
    watched = [
        Answer(
            hours=_hours(released_at, closed_at or now),
            has_bought=False,
            people=max(0, size - by_wave[restock_id, released_at]),
        )
        for restock_id, _, closed_at, released_at, size in waves
    ]
    delay = delay_of([*came, *watched])
    buys, exposure = Counter(restock_id for restock_id, _, _ in bought), dict[int, float]()
    for restock_id, _, closed_at, released_at, size in waves:
        answered = size * delay.share_by(_hours(released_at, closed_at or now))
        exposure[restock_id] = exposure.get(restock_id, 0.0) + answered
    items = {restock_id: item_id if closed_at else None for restock_id, item_id, closed_at, _, _ in waves}
    return learned_from(
        [Outcome(item_id=items[key], buys=buys[key], exposure=share) for key, share in exposure.items()], delay=delay
    )


def with_buyers(restocks: QuerySet[Restock]) -> QuerySet[Restock]:
    """These, each with ``buyers``: how many of those who were told of it have bought."""
    return restocks.annotate(buyers=_count(_buyers().filter(restock=OuterRef("id"))))


def with_buyers_of_waves(waves: QuerySet[Wave]) -> QuerySet[Wave]:
    """The same by wave. It is read from the mails, which are kept for ``KEEP_MAIL``; earlier ones count for nobody."""
    told = OutgoingMail.objects.filter(
        subscription=OuterRef("id"), restock=OuterRef("restock"), wave_number=OuterRef(OuterRef("number"))
    )
    return waves.annotate(buyers=_count(_buyers().filter(Exists(told), restock=OuterRef("restock"))))


def _buyers() -> SubscriptionQuerySet:
    return Subscription.objects.filter(closed_because=Subscription.Closed.BOUGHT, restock__isnull=False).order_by()


def _count(rows: QuerySet[Any]) -> Coalesce:
    """Of a sub-select: one query, however many rows ask."""
    return Coalesce(Subquery(rows.values("restock").annotate(all=Count("id")).values("all")), 0)


LEARNED_FOR = timedelta(minutes=5)
"""It changes slowly, and takes a second to read where tens of thousands have bought."""


@dataclass(slots=True)
class _Lately:
    """What this process has read last."""

    learned: Learned = field(default_factory=Learned)
    read_at: datetime | None = None


_lately = _Lately()


def learned_lately(now: datetime) -> Learned:
    """The same, read at most five minutes ago by this process."""
    if _lately.read_at is None or abs(now - _lately.read_at) >= LEARNED_FOR:
        _lately.learned, _lately.read_at = learned_shop(now), now
    return _lately.learned


def forget_learned() -> None:
    """For tests, whose shops come and go."""
    _lately.read_at = None


def _buyers_by_wave(
    waves: Sequence[tuple[int, datetime]], bought: Iterable[tuple[int, datetime]]
) -> Counter[tuple[int, datetime]]:
    """Who slept when their wave was released was told later, and counts for the newest wave of their restock until then."""
    newest = (waves[place - 1] for each in bought if (place := bisect(waves, each)) and waves[place - 1][0] == each[0])
    return Counter(newest)


def foreseen_waves(item: StockItem, units: Units, now: datetime) -> Iterator[int]:
    """The waves of an item with so many units for sale, if nobody buys or leaves; in the order of the line, also where a draw decides."""
    units = units_to_tell_of(units)
    people = may_be_told(item, units, now)
    quantities = list(people.in_line().values_list("quantity", flat=True))
    if units.is_unlimited or not quantities:
        return iter([len(quantities)] if quantities else [])
    if conf.hold_for is not None:
        return one_hold_after_the_other(shelf=units, quantities=quantities)
    restock = Restock.objects.filter(item_id=item.id, closed_at=None).first()
    return waves_if_nobody_answers(
        shelf=units,
        quantities=quantities,
        learned=learned_lately(now),
        course=course_of(restock, item_id=item.id, now=now),
        hours=conf.wave_every / timedelta(hours=1),
        item_id=item.id,
        loss=conf.wave_loss,
    )
