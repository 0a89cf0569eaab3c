"""What the hourly cleaning does: nothing about a person is kept for ever, and nothing that is still needed goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.outbox import MailState
from backorders.domain.tokens import Purpose
from backorders.models import Backorder, MailFeedback, OutgoingMail, PlacedOrder, Subscription, SubscriptionToken
from backorders.models.suppression import address_hash
from backorders.services.apart import apart
from backorders.services.feedback import hear_again
from backorders.services.gate import bring_back_mail
from backorders.services.locks import locked_items
from backorders.services.subscriptions import tidy_subscriptions

CHUNK = 500
"""Rows in one transaction, so that nobody waits long for it."""

_MOST_CHUNKS = 100
"""Of one kind in one run. The next run goes on."""

ENDED = (MailState.SENT, MailState.DEAD, MailState.SUPPRESSED, MailState.CANCELLED)
OPEN = (Backorder.State.WAITING, Backorder.State.FILLED)
"""States of a backorder that is still a contract: something is owed to the customer."""

OVER = (Backorder.State.SHIPPED, Backorder.State.CANCELLED)


def tidy(*, now: datetime | None = None) -> dict[str, int]:
    """This will close what is over, hear again what providers told too early, bring back mails whose lane is gone, and
    remove or blank what is old.

    Returns how many rows of which kind. What is still live is never touched, however old: open requests and backorders,
    their mails, and mails whose fate nobody knows. What fails is logged, and keeps nothing else from being done.
    """
    now = now or timezone.now()
    removals = {
        "links removed": _remove_links,
        "mails removed": _remove_mails,
        "requests blanked": _blank_requests,
        "backorders blanked": _blank_backorders,
        "order keys removed": _remove_order_keys,
    }
    return {
        **tidy_subscriptions(now=now),
        **hear_again(now=now),
        "mails brought back": apart(bring_back_mail, what="mails brought back"),
        **{name: apart(lambda work=work: _repeat(work, now), what=name) for name, work in removals.items()},  # type: ignore[misc]
    }


def _repeat(work: Callable[[datetime], int], now: datetime) -> int:
    total = 0
    for _ in range(_MOST_CHUNKS):
        count = work(now)
        total += count
        if count < CHUNK:
            break
    return total


@transaction.atomic
def _remove_links(now: datetime) -> int:
    """Confirmations that open nothing any more. A way out, or to change, stays as long as its request is somebody's."""
    nobodys = Q(
        purpose__in=[Purpose.LEAVE, Purpose.HOLD],
        subscription__email="",
        created_at__lt=now - conf.keep_closed_requests,
    )
    rows = SubscriptionToken.objects.filter(Q(expires_at__lt=now) | nobodys)
    return _delete(rows)


def _remove_order_keys(now: datetime) -> int:
    return _delete(PlacedOrder.objects.filter(placed_at__lt=now - conf.keep_order_keys))


def _delete(rows: QuerySet[Any]) -> int:
    ids = list(rows.order_by("id").values_list("id", flat=True)[:CHUNK])
    rows.model.objects.filter(id__in=ids).delete()
    return len(ids)


@transaction.atomic
def _remove_mails(now: datetime) -> int:
    """Only of what is closed: until then the row is what keeps anybody from being told of the same thing twice."""
    old = OutgoingMail.objects.filter(
        state__in=ENDED, created_at__lt=now - conf.keep_mail, due_at__lt=now - conf.keep_mail
    )
    of_order = Q(backorder__state__in=OVER) & ~Exists(open_lines_of_the_same_order("backorder__"))
    over = old.filter(Q(subscription__state=Subscription.State.CLOSED) | of_order)
    # Locked, so that nobody queues a mail again that is just going; whoever holds one keeps it for this time.
    locked = over.order_by("id").select_for_update(skip_locked=True, of=("self",))
    ids = list(locked.values_list("id", flat=True)[:CHUNK])
    MailFeedback.objects.filter(mail__in=ids).delete()
    OutgoingMail.objects.filter(id__in=ids, state__in=ENDED).delete()
    return len(ids)


def _blank_requests(now: datetime) -> int:
    closed = Subscription.objects.filter(state=Subscription.State.CLOSED)
    return _blank_old(closed.filter(closed_at__lt=now - conf.keep_closed_requests), "subscription")


def _blank_backorders(now: datetime) -> int:
    closed = Backorder.objects.filter(~Exists(open_lines_of_the_same_order()), state__in=OVER)
    return _blank_old(closed.filter(closed_at__lt=now - conf.keep_closed_backorders), "backorder")


@transaction.atomic
def _blank_old(rows: QuerySet[Any], name: str) -> int:
    """One chunk of requests or backorders. A mail of theirs that nobody knows the fate of keeps them."""
    unsent = OutgoingMail.objects.exclude(state__in=ENDED).filter(**{name: OuterRef("pk")})
    old = rows.filter(~Exists(unsent)).exclude(email="")
    chosen = list(old.order_by("id").values_list("id", "item_id")[:CHUNK])
    locked_items([item_id for _, item_id in chosen])
    ids = [row_id for row_id, _ in chosen]
    blank_mails(OutgoingMail.objects.filter(**{f"{name}__in": ids}))
    for key in set(old.filter(id__in=ids).order_by().values_list("email_key", flat=True)):
        blank(old.filter(id__in=ids, email_key=key), email_key=address_hash(key))
    return len(ids)


def open_lines_of_the_same_order(prefix: str = "") -> QuerySet[Backorder]:
    """For ``Exists``: an order is one contract, and its lines know each other by the customer's address."""
    same = {name: OuterRef(f"{prefix}{name}") for name in ("order_reference", "email_key")}
    return Backorder.objects.filter(state__in=OPEN, **same).exclude(order_reference="")


def blank(rows: QuerySet[Any], *, email_key: str) -> int:
    """This will take the person out of requests or backorders that are over; the rows stay for figures.

    ``email_key``: what stands for the address from now on, equal for rows of one person.
    """
    nobody: dict[str, Any] = {"email": "", "email_key": email_key, "customer": None, "language": ""}
    if rows.model is Subscription:
        nobody["time_zone"] = ""
    return rows.update(**nobody)


def blank_mails(mails: QuerySet[OutgoingMail]) -> None:
    """What servers answered may name the address, and the provider's id leads to its log. What was given up stays so."""
    mails.filter(state=MailState.DEAD).update(state=MailState.CANCELLED)
    mails.filter(state__in=ENDED).update(note="", provider_id="")
