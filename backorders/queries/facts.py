"""What mails need to know, read in bulk just before they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from django.utils import translation

from backorders.conf import conf
from backorders.domain.allocation import Fill
from backorders.domain.availability import Availability
from backorders.domain.outbox import MailKind, MailState
from backorders.domain.windows import Promise as PromisedWindow
from backorders.domain.windows import Window, honest
from backorders.domain.wording import is_same_promise
from backorders.models import Backorder, Hold, OutgoingMail, StockItem, Subscription, SuppressedAddress
from backorders.models.stock import attach_products
from backorders.queries.alternatives import Substitute, alternatives_for
from backorders.queries.availability import availability_of_items, shop_today
from backorders.queries.backorders import Given, Place, history_of, orders_of, places_of_lines, units_kept
from backorders.queries.outbox import item_of, recipient_of
from backorders.queries.stock import describe_items
from backorders.shop import Described

WITH_CALENDAR = (
    MailKind.BACKORDER_PLACED,
    MailKind.PROMISE_MOVED,
    MailKind.PREORDER_RELEASED,
    MailKind.BACKORDER_CANCELLED,
)


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

    suppressed: Mapping[str, datetime | None]
    """Addresses that get no mail; where there is a moment, none of what was asked for by then."""
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


_LOOK_AT = 20
"""So many substitutes are looked at, to find a few that are there in the number that was asked for."""


def _told_of_another(requests: list[Subscription]) -> frozenset[int]:
    """Of two that were told at the same moment, the one that stands first goes on (one query, where anybody chose at all)."""
    groups = {row.group for row in requests if row.group}
    if not groups:
        return frozenset()
    told = Subscription.objects.filter(group__in=groups, state=Subscription.State.TOLD)
    first = dict(told.order_by("-told_at", "-id").values_list("group", "id"))
    return frozenset(row.id for row in requests if first.get(row.group, row.id) != row.id)


def _tells_of_dates(mail: OutgoingMail) -> bool:
    return mail.kind == MailKind.PROMISE_MOVED or (conf.mail_calendar and mail.kind in WITH_CALENDAR)


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


def units_of(mail: OutgoingMail, line: Backorder, facts: Facts) -> int:
    """What the line still has of the units that came; or those that were cancelled."""
    if mail.units is not None:
        return mail.units
    return line.allocated_quantity if mail.allocation_id is None else facts.to_tell.get(mail.allocation_id, 0)
