"""What is in the outbox, and whether any of it may leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q

from backorders.conf import conf
from backorders.domain.outbox import MailKind, MailState
from backorders.models import Backorder, MailClaim, MailLane, OutgoingMail, StockItem, Subscription
from backorders.models.outbox import ALL
from backorders.queries.clock import database_now
from backorders.queries.written import Moment


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
