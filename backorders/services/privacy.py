"""A person asks what we know of them, or to be forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from backorders.domain.outbox import MailState
from backorders.domain.tokens import Purpose
from backorders.models import Backorder, OutgoingMail, Subscription, SubscriptionToken
from backorders.queries.clock import database_now
from backorders.queries.outbox import in_hand
from backorders.queries.privacy import Person, held_about, person_behind
from backorders.services.locks import locked_items, whole
from backorders.services.retention import OPEN, OVER, blank, blank_mails, open_lines_of_the_same_order
from backorders.services.subscriptions import close_requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that stays, and why. ``references``: the order lines it is about, where it is about some."""

    what: str
    why: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What ``forget_customer`` did, or would do."""

    requests_closed: int
    requests_forgotten: int
    backorders_forgotten: int
    mails_cancelled: int
    kept: tuple[Kept, ...]


def export_customer(*, email: str = "", customer: Any = None) -> dict[str, Any]:
    """This will return everything we hold about somebody, ready for JSON: requests, backorders with every date given and
    why, mails, and whether the address is suppressed. Raises ``InvalidAddress``."""
    return held_about(person_behind(email=email, customer=customer))


@whole
def forget_customer(
    *, email: str = "", customer: Any = None, dry_run: bool = False, now: datetime | None = None
) -> Forgotten:
    """This will forget somebody, known by address, by account or by both: open requests end, mails that have not left are
    cancelled, and the person goes out of every row that is over. Asking twice is fine.

    ``kept`` says what stays: an open backorder is a contract, with its address and its mails; ship or cancel it and ask
    again. Of a suppressed address the hash stays, so that it is still never mailed. What is left cannot be traced back:
    it carries a random name, the same for all rows of the person. ``dry_run`` only tells. Raises ``InvalidAddress``.
    """
    now, person = now or timezone.now(), person_behind(email=email, customer=customer)
    requests, lines = Subscription.objects.filter(person.rows), Backorder.objects.filter(person.rows)
    item_ids = {*requests.values_list("item_id", flat=True), *lines.values_list("item_id", flat=True)}
    items = [item.id for item in locked_items(item_ids)]
    # What is asked for anew, of other items and at this very moment, is a new request.
    forgotten = _forget(requests.filter(item__in=items), lines.filter(item__in=items), person, now)
    if dry_run:
        transaction.set_rollback(True)
    return forgotten


def _forget(requests: QuerySet[Subscription], lines: QuerySet[Backorder], person: Person, now: datetime) -> Forgotten:
    request_ids = list(requests.values_list("id", flat=True))
    own = Subscription.objects.filter(id__in=request_ids)
    over = lines.filter(~Exists(open_lines_of_the_same_order()), state__in=OVER)
    cancelled = _cancel(Q(subscription__in=request_ids) | Q(backorder__in=list(over.values_list("id", flat=True))))
    closed = close_requests(requests=own, because=Subscription.Closed.LEFT, now=now)
    leaving = OutgoingMail.objects.filter(backorder=OuterRef("pk"), state=MailState.SENDING)
    over_ids = list(over.filter(~Exists(leaving)).values_list("id", flat=True))
    SubscriptionToken.objects.filter(subscription__in=request_ids, purpose=Purpose.CONFIRM).delete()
    nobody = f"forgotten-{secrets.token_hex(16)}"
    blank_mails(OutgoingMail.objects.filter(Q(subscription__in=request_ids) | Q(backorder__in=over_ids)))
    is_suppressed = bool(person.suppressed.update(email_key=""))
    kept = tuple(_kept(lines.exclude(id__in=over_ids), is_suppressed=is_suppressed))
    blank(own, email_key=nobody)
    blank(Backorder.objects.filter(id__in=over_ids), email_key=nobody)
    return Forgotten(
        requests_closed=closed,
        requests_forgotten=len(request_ids),
        backorders_forgotten=len(over_ids),
        mails_cancelled=cancelled,
        kept=kept,
    )


def _cancel(about: Q) -> int:
    """Whatever has not left, is given up, or nobody knows of; one that the server is being told right now is past that."""
    states = [MailState.QUEUED, MailState.LEASED, MailState.SENDING, MailState.DEAD]
    rows = OutgoingMail.objects.filter(about, state__in=states).exclude(in_hand(database_now()))
    return rows.update(state=MailState.CANCELLED, note="", lease_token=None)


def _kept(lines: QuerySet[Backorder], *, is_suppressed: bool) -> Iterator[Kept]:
    if references := _references(lines.filter(state__in=OPEN)):
        why = "An open backorder is a contract. Ship or cancel it, then forget the customer again."
        yield Kept(what="open backorders and the mails about them", why=why, references=references)
    if references := _references(lines.filter(Exists(open_lines_of_the_same_order()), state__in=OVER)):
        why = "Other lines of the same order are still open."
        yield Kept(what="closed lines of open orders", why=why, references=references)
    if references := _references(lines.filter(~Exists(open_lines_of_the_same_order()), state__in=OVER)):
        why = "A mail about them is being sent at this moment. Forget the customer again in a few minutes."
        yield Kept(what="backorders whose mail is on its way", why=why, references=references)
    if is_suppressed:
        why = "The address bounced, complained or unsubscribed, and that has to be kept to. Only a keyed hash of it stays."
        yield Kept(what="a suppressed address", why=why)


def _references(lines: QuerySet[Backorder]) -> tuple[str, ...]:
    return tuple(lines.order_by("id").values_list("reference", flat=True))
