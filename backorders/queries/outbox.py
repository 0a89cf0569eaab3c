"""Is a mail still true, and what does it say?"""

from __future__ import annotations

import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote, urljoin, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import Count, Exists, F, OuterRef, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_noop

from backorders.conf import conf
from backorders.domain.allocation import Fill
from backorders.domain.availability import Availability
from backorders.domain.headers import one_line
from backorders.domain.outbox import ASKED_FOR, OF_A_RETURN, MailKind, MailState
from backorders.domain.tokens import Purpose
from backorders.domain.windows import Promise as PromisedWindow
from backorders.domain.windows import Window, honest, zone_named
from backorders.domain.wishes import pays
from backorders.domain.wording import Label, by_label_of, is_same_promise
from backorders.models import (
    Backorder,
    Hold,
    MailClaim,
    MailLane,
    OutgoingMail,
    StockItem,
    Subscription,
    SuppressedAddress,
)
from backorders.models.outbox import ALL
from backorders.models.stock import attach_products
from backorders.queries.alternatives import Substitute, alternatives_for
from backorders.queries.availability import availability_of_items, shop_today
from backorders.queries.backorders import Given, Place, history_of, orders_of, places_of_lines, units_kept
from backorders.queries.clock import database_now
from backorders.queries.ics import Entry, calendar_file, can_write_calendars
from backorders.queries.stock import describe_items
from backorders.queries.subscriptions import confirmed_together
from backorders.queries.timelines import line_path
from backorders.queries.written import Moment
from backorders.shop import Described

DOORS: dict[MailKind, tuple[Purpose, ...]] = {
    MailKind.CONFIRM_SUBSCRIPTION: (Purpose.CONFIRM, Purpose.LEAVE),
    MailKind.BACK_IN_STOCK: (Purpose.LEAVE,),
    MailKind.HELD: (Purpose.LEAVE, Purpose.HOLD),
}
"""Which secret links a kind of mail carries. Whoever confirms keeps a way out in the same mail, which also opens the page to change it."""

Tokens = Mapping[Purpose, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the mail leave? ``end`` is the state it ends in when not."""

    is_true: bool
    end: MailState = MailState.QUEUED
    because: str = ""


TRUE = Verdict(is_true=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A date as its reader knows it, and as it stands. ``before``: the last one they were told, or that there was none.

    ``said_on``: the day on which that was; ``count``: how many dates there were before the one that stands, ``promise_id``.
    """

    before: PromisedWindow
    said_on: date
    after: PromisedWindow
    reason: str
    promise_id: int | None
    count: int

    @property
    def is_earlier(self) -> bool:
        if not isinstance(self.before, Window) or not isinstance(self.after, Window):
            return False
        return self.after.latest < self.before.latest

    def is_news(self, today: date) -> bool:
        """It may have moved to and fro before anybody was told."""
        return not is_same_promise(self.before, self.after, today=today)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the shop shows of products, in the language in force: read once for each that is asked for, all products together."""

    items: list[StockItem]
    ended: list[StockItem]
    """Items of requests that have ended, whose mails name substitutes."""
    now: datetime
    _described: dict[str, dict[int, Described]] = field(default_factory=dict)
    _substitutes: dict[str, dict[int, list[Substitute]]] = field(default_factory=dict)

    def described(self) -> dict[int, Described]:
        language = translation.get_language() or ""
        if language not in self._described:
            self._described[language] = describe_items(self.items)
        return self._described[language]

    def substitutes(self) -> dict[int, list[Substitute]]:
        """What can be bought instead, best first, by item."""
        language = translation.get_language() or ""
        if language not in self._substitutes:
            self._substitutes[language] = _substitutes_of(self.ended, self.now) if self.ended else {}
        return self._substitutes[language]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What many mails need to know, read in bulk just before they leave."""

    suppressed: Mapping[str, bool]
    """Addresses, and whether mails about their orders still leave."""
    unconfirmed: frozenset[str]
    availability: dict[int, Availability]
    words: Words
    places: dict[int, Place]
    orders: dict[int, list[Backorder]]
    """All lines of an order that ships as a whole, by the line its mail hangs on."""
    to_tell: dict[int, int]
    """Units that a mail about an allocation tells of."""
    to_holders: dict[int, Availability]
    """Availability as those find it for whom units are put aside, all together."""
    holds: dict[int, Hold]
    """What is put aside, by request."""
    told_of_another: frozenset[int]
    """Requests whose reader was told of another product that would do, and still has that chance."""
    asked_again: frozenset[tuple[int, str]]
    """Item and mailbox of requests that are live, where others of the same have ended."""
    choices: dict[int, list[StockItem]]
    """All products that would have done, by the ended request a mail hangs on."""
    moves: dict[int, Move]
    """What became of the dates of lines, where a mail tells of that or brings a calendar entry."""
    now: datetime

    @property
    def described(self) -> dict[int, Described]:
        """By item, in the language in force; a product that has vanished is not there."""
        return self.words.described()

    def hold_of(self, mail: OutgoingMail) -> Hold | None:
        """What a mail tells of, as long as half of its time is left: one that a server held up for longer comes too late."""
        hold, asked = self.holds.get(mail.subscription_id or 0), mail.subscription
        if hold is None or asked is None or asked.told_at is None or hold.restock_id != mail.restock_id:
            return None
        return hold if self.now - asked.told_at <= (hold.ends_at - asked.told_at) / 2 else None

    def held_until(self, mail: OutgoingMail) -> datetime | None:
        hold = self.hold_of(mail)
        return None if hold is None else hold.ends_at


def facts_for(mails: list[OutgoingMail], now: datetime) -> Facts:
    """This will read what the mails speak of, with a number of queries that does not grow with the number of mails."""
    filled = [mail.backorder for mail in mails if mail.backorder and mail.kind == MailKind.BACKORDER_FILLED]
    orders = orders_of([line for line in filled if line.fill == Fill.WHOLE_ORDER])
    items = {item.id: item for item in map(item_of, mails)}
    items |= {line.item_id: line.item for order in orders.values() for line in order if line.item_id not in items}
    ended = [mail.subscription for mail in mails if mail.subscription and mail.kind == MailKind.REQUEST_ENDED]
    choices = _choices_of(ended) if ended else {}
    items |= {item.id: item for choice in choices.values() for item in choice if item.id not in items}
    attach_products(items.values())
    keys = {recipient_of(mail).email_key for mail in mails}
    asked = {recipient_of(mail).email_key for mail in mails if mail.kind == MailKind.CONFIRM_SUBSCRIPTION}
    pending = Subscription.objects.filter(state=Subscription.State.PENDING, email_key__in=asked)
    lines = [mail.backorder for mail in mails if mail.backorder]
    held = [mail for mail in mails if mail.kind == MailKind.HELD]
    holds = Hold.objects.open().filter(subscription__in=[mail.subscription_id for mail in held]) if held else []
    words = Words(items=list(items.values()), ended=[items[key] for key in {row.item_id for row in ended}], now=now)
    words.described()  # trouble with a product shows before anything is said of it
    return Facts(
        suppressed=SuppressedAddress.objects.among(keys),
        unconfirmed=frozenset(pending.values_list("email_key", flat=True) if asked else []),
        availability=availability_of_items(items.values(), now),
        words=words,
        places=places_of_lines(lines, now) if lines else {},
        orders=orders,
        to_tell=_units_to_tell([line.id for line in filled]) if filled else {},
        to_holders=_to_holders([item_of(mail) for mail in held], now) if held else {},
        holds={hold.subscription_id: hold for hold in holds},
        told_of_another=_told_of_another([mail.subscription for mail in mails if mail.subscription]),
        asked_again=_asked_again(ended) if ended else frozenset(),
        moves=_moves_of([mail.backorder for mail in mails if mail.backorder and _tells_of_dates(mail)], now),
        choices={row_id: [items[item.id] for item in choice] for row_id, choice in choices.items()},
        now=now,
    )


def read_product(item: StockItem, now: datetime) -> None:
    """This will ask the shop about one product what mails need to know, and raise whatever its adapter raises."""
    attach_products([item])
    availability_of_items([item], now)
    describe_items([item])


def _to_holders(items: list[StockItem], now: datetime) -> dict[int, Availability]:
    once = {item.id: item for item in items}
    return availability_of_items(once.values(), now, to_holders=True)


def _choices_of(ended: list[Subscription]) -> dict[int, list[StockItem]]:
    """The products of which one would have done, the one the mail hangs on first (one query, where anybody chose at all)."""
    others: dict[UUID | None, list[Subscription]] = {row.group: [] for row in ended if row.group}
    if others:
        for other in Subscription.objects.filter(group__in=others).select_related("item").order_by("id"):
            others[other.group].append(other)
    return {
        row.id: [row.item, *(other.item for other in others.get(row.group, []) if other.item_id != row.item_id)]
        for row in ended
    }


def _asked_again(ended: list[Subscription]) -> frozenset[tuple[int, str]]:
    same = {"item__in": {row.item_id for row in ended}, "email_key__in": {row.email_key for row in ended}}
    return frozenset(Subscription.objects.live().filter(**same).values_list("item_id", "email_key"))


def _substitutes_of(items: list[StockItem], now: datetime) -> dict[int, list[Substitute]]:
    products = {item.id: item.product for item in items if item.product is not None}
    found = alternatives_for(products.values(), limit=_LOOK_AT, now=now)
    return {item_id: found[product] for item_id, product in products.items()}


_LOOK_AT, _NAMED = 20, 3
"""So many substitutes are looked at, to find so many that are there in the number that was asked for."""


def _told_of_another(requests: list[Subscription]) -> frozenset[int]:
    """Of two that were told at the same moment, the one that stands first goes on (one query, where anybody chose at all)."""
    groups = {row.group for row in requests if row.group}
    if not groups:
        return frozenset()
    told = Subscription.objects.filter(group__in=groups, state=Subscription.State.TOLD)
    first = dict(told.order_by("-told_at", "-id").values_list("group", "id"))
    return frozenset(row.id for row in requests if first.get(row.group, row.id) != row.id)


def _tells_of_dates(mail: OutgoingMail) -> bool:
    return mail.kind == MailKind.PROMISE_MOVED or (conf.mail_calendar and mail.kind in _WITH_CALENDAR)


def _moves_of(lines: list[Backorder], now: datetime) -> dict[int, Move]:
    """By line, where there are any (two queries). A date counts as told unless its own mail was stopped, or waits."""
    if not lines:
        return {}
    line_ids = {line.id for line in lines}
    mails = OutgoingMail.objects.filter(backorder__in=line_ids, kind=MailKind.PROMISE_MOVED)
    reached = (MailState.SENT, MailState.SENDING)
    untold = set(mails.exclude(state__in=reached).values_list("promise_id", flat=True))
    today = shop_today(now)
    return {line_id: _move(given, untold, today) for line_id, given in history_of(line_ids).items()}


def _move(given: Sequence[Given], untold: set[int], today: date) -> Move:
    """The first date was told where the order was taken."""
    last = given[-1]
    before = next((one for one in reversed(given[:-1]) if one.promise_id not in untold), given[0])
    return Move(
        before=before.window,
        said_on=shop_today(before.given_at),
        after=honest(last.window, today=today),
        reason=last.reason,
        promise_id=last.promise_id,
        count=len(given) - 1,
    )


def _units_to_tell(backorder_ids: list[int]) -> dict[int, int]:
    """By allocation: what a line still has of it, and of those just before whose own mail was stopped (two queries)."""
    mails = OutgoingMail.objects.filter(backorder__in=backorder_ids, kind=MailKind.BACKORDER_FILLED)
    stopped = set(mails.filter(state=MailState.CANCELLED).values_list("allocation_id", flat=True))
    to_tell: dict[int, int] = {}
    for kept in units_kept(backorder_ids).values():
        untold = 0
        for allocation_id, units in kept.items():
            to_tell[allocation_id] = units + untold
            untold = to_tell[allocation_id] if allocation_id in stopped else 0
    return to_tell


def item_of(mail: OutgoingMail) -> StockItem:
    return recipient_of(mail).item


def recipient_of(mail: OutgoingMail) -> Subscription | Backorder:
    """Whom the mail is for: a subscription or a backorder, never both."""
    recipient = mail.subscription or mail.backorder
    assert recipient is not None  # noqa: S101 - every kind of mail has one
    return recipient


def is_ours(kind: MailKind) -> bool:
    """Do we write mails of this kind, or does the shop itself (``MAILS_OFF``)?"""
    return kind not in conf.mails_off


def verdict_on(mail: OutgoingMail, facts: Facts) -> Verdict:
    """This will say whether a mail is still true at this moment."""
    recipient = recipient_of(mail)
    lets_orders_through = facts.suppressed.get(recipient.email_key)
    if lets_orders_through is False or (lets_orders_through and mail.kind in ASKED_FOR):
        return Verdict(False, MailState.SUPPRESSED, gettext_noop("the address is suppressed"))
    if recipient.item_id not in facts.described:
        return Verdict(False, MailState.CANCELLED, gettext_noop("the product is gone"))
    if mail.kind == MailKind.CONFIRM_SUBSCRIPTION:
        return _if(recipient.email_key in facts.unconfirmed, gettext_noop("already answered"))
    if mail.kind in OF_A_RETURN:
        return _verdict_on_return(mail, facts)
    if mail.kind == MailKind.REQUEST_ENDED:
        return _verdict_on_the_end(mail, facts)
    assert mail.backorder is not None  # noqa: S101 - the kind says so
    return _verdict_on_order(mail, mail.backorder, facts)


def _verdict_on_order(mail: OutgoingMail, line: Backorder, facts: Facts) -> Verdict:
    if not is_ours(MailKind(mail.kind)):
        return _if(False, gettext_noop("the shop writes such mails itself (MAILS_OFF)"))
    if not line.email:
        return _if(False, gettext_noop("the customer was forgotten"))
    match mail.kind:
        case MailKind.BACKORDER_CANCELLED:
            return TRUE
        case MailKind.BACKORDER_FILLED:
            return _verdict_on_arrival(mail, line, facts)
        case MailKind.PROMISE_MOVED:
            return _verdict_on_move(mail, line, facts)
        case MailKind.PREORDER_RELEASED:
            return _verdict_on_release(line, facts)
    return _if(line.state != Backorder.State.CANCELLED, gettext_noop("the order was cancelled"))


def _verdict_on_move(mail: OutgoingMail, line: Backorder, facts: Facts) -> Verdict:
    """Of several moves the last one is told, from the date that the reader knows."""
    move = facts.moves.get(line.id)
    if line.state != Backorder.State.WAITING:
        return _if(False, gettext_noop("nothing is waited for any more"))
    if move is None or move.promise_id != mail.promise_id:
        return _if(False, gettext_noop("the date has moved again"))
    return _if(move.is_news(shop_today(facts.now)), gettext_noop("the date is the one that was told"))


def _verdict_on_release(line: Backorder, facts: Facts) -> Verdict:
    """Whoever was given units hears of those, but for an order that ships as a whole, which may lack another line."""
    if line.state == Backorder.State.CANCELLED:
        return _if(False, gettext_noop("the order was cancelled"))
    if line.item.releases_at is not None and facts.now < line.item.releases_at:
        return _if(False, gettext_noop("the release was put off"))
    is_told = line.is_told or (line.allocated_quantity and line.fill != Fill.WHOLE_ORDER)
    return _if(not is_told and line.state != Backorder.State.SHIPPED, gettext_noop("told of the goods themselves"))


def _verdict_on_arrival(mail: OutgoingMail, line: Backorder, facts: Facts) -> Verdict:
    """What was taken back since is not announced; what has left the house meanwhile did come in."""
    order = facts.orders.get(line.id, [line])
    if all(each.state == Backorder.State.CANCELLED for each in order):
        return _if(False, gettext_noop("the order was cancelled"))
    if line.id in facts.orders:
        return _if(not any(each.needs for each in order), gettext_noop("not all of the order is here any more"))
    return _if(bool(_units_of(mail, line, facts)), gettext_noop("the goods are not there after all"))


def _units_of(mail: OutgoingMail, line: Backorder, facts: Facts) -> int:
    """What the line still has of the units that came; or those that were cancelled."""
    if mail.units is not None:
        return mail.units
    return line.allocated_quantity if mail.allocation_id is None else facts.to_tell.get(mail.allocation_id, 0)


def _verdict_on_return(mail: OutgoingMail, facts: Facts) -> Verdict:
    subscription = mail.subscription
    assert subscription is not None  # noqa: S101 - the kind says so
    is_meant = subscription.state == Subscription.State.TOLD and subscription.restock_id == mail.restock_id
    if not is_meant:
        return Verdict(False, MailState.CANCELLED, gettext_noop("no longer waiting"))
    if mail.kind == MailKind.HELD and facts.hold_of(mail) is None:
        return _if(False, gettext_noop("nothing is put aside any more"))
    answers = facts.to_holders if mail.kind == MailKind.HELD else facts.availability
    answer = answers.get(subscription.item_id)
    if answer is None or not answer.for_sale.covers(subscription.quantity):
        return _if(False, gettext_noop("the shelf is empty again"))
    if not pays(subscription.highest_price, facts.described[subscription.item_id].price):
        return _if(False, gettext_noop("it costs more than the highest price"))
    if subscription.need_until is not None and subscription.need_until <= facts.now:
        return _if(False, gettext_noop("it was needed by an earlier day"))
    return _if(subscription.id not in facts.told_of_another, gettext_noop("told of another product that would do"))


IN_VAIN = (Subscription.Closed.TOO_LATE, Subscription.Closed.IN_VAIN)


def _verdict_on_the_end(mail: OutgoingMail, facts: Facts) -> Verdict:
    """Whoever was forgotten has no address any more, and whoever has asked again waits."""
    subscription = mail.subscription
    assert subscription is not None  # noqa: S101 - the kind says so
    if not subscription.email or subscription.closed_because not in IN_VAIN:
        return _if(False, gettext_noop("nobody waited in vain"))
    return _if((subscription.item_id, subscription.email_key) not in facts.asked_again, gettext_noop("asked again"))


def _if(is_true: bool, otherwise: str) -> Verdict:
    return TRUE if is_true else Verdict(False, MailState.CANCELLED, otherwise)


# may any of it leave


CLOCK_SKEW = timedelta(seconds=2)
"""Rows are written by web servers whose clocks may run ahead of the database's; no pause between attempts is this short."""


def is_due(clock: Moment) -> Q:
    """Mail that was never put off is due at once, whatever the clock of whoever wrote it: a web server may be an hour ahead.

    Of a bundle only the mail that leads is due, as long as it is on its way.
    """
    never_put_off = Q(due_at=F("created_at"))
    on_its_way = Q(state__in=[MailState.QUEUED, MailState.LEASED]) | Q(
        state=MailState.SENDING, lease_token__isnull=False
    )
    leader = OutgoingMail.objects.filter(on_its_way, id=OuterRef("bundle"))
    leads = Q(bundle=None) | Q(bundle=F("id")) | Q(~Exists(leader))
    return Q(state=MailState.QUEUED) & (Q(due_at__lte=clock + CLOCK_SKEW) | never_put_off) & leads


def in_hand(clock: datetime) -> Q:
    """Mails that a server is being told at this moment; another one that is "sending" is one whose fate nobody knows."""
    live = MailClaim.objects.filter(leased_until__gt=clock)
    return Q(state=MailState.SENDING, lease_token__in=live.values("token"))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUp:
    """Why nothing leaves just now. ``until``: when it is tried again; ``None`` where staff stopped it."""

    reason: str
    until: datetime | None


def held_up() -> HeldUp | None:
    """This will say whether all mail is held up, and why."""
    lane = MailLane.objects.filter(name=ALL).first()
    if lane is None:
        return None
    if lane.is_stopped:
        return HeldUp(reason=lane.reason, until=None)
    if lane.paused_until is not None and lane.paused_until > database_now():
        return HeldUp(reason=lane.reason, until=lane.paused_until)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMail:
    """Mails that have not left: due by now, due later, given up."""

    due: int
    later: int
    dead: int


def waiting_mail() -> WaitingMail:
    """This will count what is in the outbox (one query)."""
    open_states = [MailState.QUEUED, MailState.LEASED, MailState.SENDING]
    is_open, is_due = Q(state__in=open_states), Q(due_at__lte=database_now())
    counts = OutgoingMail.objects.filter(is_open | Q(state=MailState.DEAD)).aggregate(
        due=Count("id", filter=is_open & is_due),
        later=Count("id", filter=is_open & ~is_due),
        dead=Count("id", filter=Q(state=MailState.DEAD)),
    )
    return WaitingMail(**counts)


# what it says


class WholeLines(EmailMultiAlternatives):
    """A message whose lines are never broken inside a link.

    From Django 6.0 on the modern e-mail policy wraps at 78 characters and encodes a longer token, which would garble the
    address in ``List-Unsubscribe``; 998 is what RFC 5322 allows.
    """

    is_personal = False
    """Its templates looked at the one mail or the one reader, not only at the product."""

    def message(self, **options: Any) -> Any:
        if django.VERSION >= (6, 0):
            options["policy"] = options.get("policy", email.policy.default).clone(max_line_length=998)
        return super().message(**options)


def message_for(
    mail: OutgoingMail, facts: Facts, *, tokens: Tokens, fellows: Sequence[tuple[OutgoingMail, Tokens]] = ()
) -> WholeLines:
    """This will write one mail in the language of its reader. ``tokens`` open the doors its kind links to.

    ``fellows``: further mails to the same reader that leave as one with it, each with its tokens.
    """
    recipient = recipient_of(mail)
    with translation.override(language_of(recipient)), timezone.override(zone_of(recipient)):
        context = context_for(mail, facts, tokens=tokens)
        name = f"backorders/mail/{mail.kind}"
        if fellows:
            name = f"backorders/mail/{_TOGETHER[MailKind(mail.kind)]}"
            context["all"] = [context, *(context_for(each, facts, tokens=own) for each, own in fellows)]
            context["others"] = len(fellows)
        message = WholeLines(
            subject=one_line(render_to_string(f"{name}_subject.txt", context)),
            body=render_to_string(f"{name}.txt", context).strip() + "\n",
            from_email=conf.from_email or None,
            to=[recipient.email],
            headers=_headers(mail, context),
        )
        message.attach_alternative(render_to_string(f"{name}.html", context), "text/html")
        several = zip([mail, *(each for each, _ in fellows)], context.get("all", [context]), strict=True)
        entries = [entry for each, own in several if (entry := _calendar_entry(each, facts, own))]
        for number, entry in enumerate(entries):
            message.attach(f"date{number or ''}.ics", calendar_file(entry, now=facts.now), "text/calendar")
    message.is_personal = context["mail"].was_read
    return message


_TOGETHER = {
    MailKind.BACK_IN_STOCK: "digest",
    MailKind.HELD: "digest",
    MailKind.PROMISE_MOVED: "promises_moved",
}
"""What several mails of a kind are written by, when they leave as one."""

_WITH_CALENDAR = (
    MailKind.BACKORDER_PLACED,
    MailKind.PROMISE_MOVED,
    MailKind.PREORDER_RELEASED,
    MailKind.BACKORDER_CANCELLED,
)


def _calendar_entry(mail: OutgoingMail, facts: Facts, context: dict[str, Any]) -> Entry | None:
    """The day we stand by; or, where there is none any more, the last one, taken away. Nothing where there never was one."""
    line = mail.backorder
    if not conf.mail_calendar or mail.kind not in _WITH_CALENDAR or line is None or not can_write_calendars():
        return None
    move, place = facts.moves.get(line.id), facts.places[line.id]
    is_over = line.state == Backorder.State.CANCELLED
    if mail.kind == MailKind.BACKORDER_CANCELLED and not is_over:
        return None
    is_off = is_over or (mail.kind == MailKind.PROMISE_MOVED and not place.window.is_known)
    known = [place.window, *([line.promise, move.before] if is_off and move else [])]
    window = next((one for one in known if isinstance(one, Window)), None)
    if window is None:
        return None
    return Entry(
        uid=f"backorder-{line.public_id}@{_domain()}",
        version=(move.count if move else 0) + is_over,
        day=_day_of(window, today=shop_today(facts.now)),
        title=one_line(render_to_string("backorders/mail/calendar.txt", context)),
        url=context["order_url"] or context["line_url"] or context["product_url"],
        is_off=is_off,
    )


def _day_of(window: Window, *, today: date) -> date:
    """The last day that the mail's own words imply: a slip within the words is told nobody, and must not make the entry wrong."""
    label = by_label_of(window, today=today, is_lasting=True)
    return label.last if isinstance(label, Label) else window.latest


class Watched:
    """A row as templates see it, which knows whether they looked at it."""

    def __init__(self, row: OutgoingMail) -> None:
        self._row, self.was_read = row, False

    def __getattr__(self, name: str) -> Any:
        self.was_read = True
        return getattr(self._row, name)

    def __str__(self) -> str:
        self.was_read = True
        return str(self._row)


def language_of(recipient: Subscription | Backorder) -> str:
    """The reader's language, or the shop's."""
    return recipient.language or settings.LANGUAGE_CODE


def zone_of(recipient: Subscription | Backorder) -> ZoneInfo | None:
    """The reader's time zone, where we know it."""
    return zone_named(getattr(recipient, "time_zone", ""))


def context_for(mail: OutgoingMail, facts: Facts, *, tokens: Tokens) -> dict[str, Any]:
    recipient = recipient_of(mail)
    described = facts.described[recipient.item_id]
    context: dict[str, Any] = {
        "mail": Watched(mail),
        "quantity": recipient.quantity,
        "product": described,
        "product_url": absolute(described.url),
        "image_url": absolute(described.image),
        "availability": facts.availability.get(recipient.item_id),
        "shop_name": shop_name(),
        "shop_url": conf.site_url,
        "language": translation.get_language(),
        "is_rtl": translation.get_language_bidi(),
    }
    if (held_until := facts.held_until(mail)) is not None:
        context["held_until"] = held_until
    context |= {f"{door}_url": absolute(reverse(f"backorders:{door}", args=[token])) for door, token in tokens.items()}
    if leave := tokens.get(Purpose.LEAVE):
        context["manage_url"] = absolute(reverse("backorders:manage", args=[leave]))
    if mail.kind == MailKind.CONFIRM_SUBSCRIPTION:
        together = confirmed_together(mail.subscription)  # type: ignore[arg-type]
        context["products"] = list(describe_items([row.item for row in together]).values())
    if mail.kind == MailKind.REQUEST_ENDED:
        context |= _what_ended(mail.subscription, facts)  # type: ignore[arg-type]
    if mail.backorder is not None:
        own_page = line_path(mail.backorder.public_id)
        context |= {
            "backorder": mail.backorder,
            "place": facts.places.get(mail.backorder.id),
            "allocation": mail.allocation,
            "units": _units_of(mail, mail.backorder, facts),
            "order_url": order_url(mail.backorder),
            "line_url": absolute(own_page),
            "can_cancel": conf.customers_cancel and bool(own_page),
            "moved": facts.moves.get(mail.backorder.id),
        }
        context |= _order_in_one_mail(mail.backorder, facts)
    return context


def _what_ended(request: Subscription, facts: Facts) -> dict[str, Any]:
    """``last_day`` is set where one was named. Substitutes are those that are there in the number asked for."""
    titles = [facts.described[item.id].title for item in facts.choices[request.id] if item.id in facts.described]
    best = (each for each in facts.words.substitutes().get(request.item_id, []) if _is_enough(each, request))
    return {
        "titles": titles,
        "others": len(titles) - 1,
        "last_day": request.need_by if request.closed_because == Subscription.Closed.TOO_LATE else None,
        "asked_on": request.placed_at.astimezone(request.zone).date(),
        "substitutes": [
            {
                "product": each.described,
                "product_url": absolute(each.described.url),
                "image_url": absolute(each.described.image),
            }
            for each in islice(best, _NAMED)
        ],
    }


def _is_enough(substitute: Substitute, request: Subscription) -> bool:
    is_affordable = pays(request.highest_price, substitute.described.price)
    return is_affordable and substitute.availability.for_sale.covers(request.quantity)


def _order_in_one_mail(line: Backorder, facts: Facts) -> dict[str, Any]:
    """All lines of an order that ships as a whole; the first of them stands where a mail about one line has its product."""
    order = [_order_line(each, facts.described) for each in facts.orders.get(line.id, []) if each.allocated_quantity]
    return {**order[0], "order": order, "others": len(order) - 1} if order else {}


def _order_line(line: Backorder, described: Mapping[int, Described]) -> dict[str, Any]:
    """A product that is gone since goes by the name of its order line."""
    product = described.get(line.item_id) or Described(title=line.reference)
    return {
        "product": product,
        "product_url": absolute(product.url),
        "image_url": absolute(product.image),
        "units": line.allocated_quantity,
        "reference": line.reference,
        "line_url": absolute(line_path(line.public_id)),
    }


def message_id_of(mail: OutgoingMail) -> str:
    """The same each time the mail is sent: some mailboxes fold copies, and providers name it when it bounces."""
    return f"<backorders.{mail.id}.{int(mail.created_at.timestamp())}@{_domain()}>"


def _domain() -> str:
    return _host_in(conf.site_url)


@lru_cache(maxsize=8)
def _host_in(url: str) -> str:
    return urlsplit(url).hostname or "localhost"


def _headers(mail: OutgoingMail, context: dict[str, Any]) -> dict[str, str]:
    headers = {"Message-ID": message_id_of(mail), "Auto-Submitted": "auto-generated"}
    if leave_url := context.get("leave_url"):
        headers["List-Unsubscribe"] = f"<{leave_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        headers["List-Id"] = f"<back-in-stock.{_domain()}>"
    return headers


def absolute(url: str) -> str:
    """A link that works in a mail: on the configured site, http(s) only; anything else is dropped."""
    whole = urljoin(conf.site_url.rstrip("/") + "/", url) if url else ""
    return whole if urlsplit(whole).scheme in ("http", "https") else ""


def order_url(line: Backorder) -> str:
    """The shop's page of an order, by ``ORDER_URL``; a line that names no order has none where the order is asked for."""
    url = str(conf.order_url)
    if "{order}" in url and not line.order_reference:
        return ""
    names = {"{order}": line.order_reference, "{line}": line.reference}
    for hole, name in names.items():
        url = url.replace(hole, quote(name, safe=""))
    return absolute(url)


def shop_name() -> str:
    return conf.shop_name or urlsplit(conf.site_url).hostname or "the shop"
