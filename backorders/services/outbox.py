"""What waits to be mailed: put into the outbox in the caller's transaction, stopped when it is no longer true, bundled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, QuerySet, Value, When

from backorders.conf import conf
from backorders.domain.outbox import (
    OF_A_RETURN,
    PRIORITY,
    MailKind,
    MailState,
)
from backorders.models import OutgoingMail, SuppressedAddress
from backorders.models.outbox import ORDINARY
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.models.suppression import address_hash
from backorders.queries.clock import database_now
from backorders.queries.outbox import in_hand
from backorders.queries.written import Written, blank_number
from backorders.services.claims import FREE
from backorders.services.rows import write_from
from backorders.services.wake import wake

UNSENT = (MailState.QUEUED, MailState.LEASED)


def queue_mail(*, kind: MailKind, now: datetime, **about: Any) -> OutgoingMail:
    """This will put one mail into the outbox, in the caller's transaction. ``about``: subscription, restock, backorder, allocation."""
    mail = new_mail(kind=kind, now=now, **about)
    mail.save(force_insert=True)
    wake("deliver_due_mail")
    return mail


def new_mail(*, kind: MailKind, now: datetime, **about: Any) -> OutgoingMail:
    """The same, for who writes it with other rows and wakes the worker then."""
    return OutgoingMail(kind=kind, priority=PRIORITY[kind], created_at=now, due_at=now, **about)


def queue_mails(
    *, kind: MailKind, now: datetime, rows: QuerySet[Any, Any], columns: Mapping[str, str], **about: Any
) -> int:
    """This will put one mail for each of ``rows`` into the outbox with one statement, however many. Returns how many.

    ``columns``: column of the outbox -> field of the rows; ``about``: columns that are the same for all. Whoever was
    written to of the same thing before is left out.
    """
    constants = {
        "kind": kind.value,
        "state": MailState.QUEUED.value,
        "priority": PRIORITY[kind],
        "lane": ORDINARY,
        "created_at": now,
        **({} if "due_at" in columns else {"due_at": now}),
        "attempts": 0,
        "provider_id": "",
        "note": "",
        **about,
    }
    return write_from(OutgoingMail, rows=rows, columns=columns, constants=constants)


def cancel_filled_mail(*, line_ids: list[int], because: str) -> int:
    """This will stop what has not left yet of telling these lines that goods are ready. The caller holds the item's lock."""
    rows = OutgoingMail.objects.filter(backorder__in=line_ids, state__in=UNSENT, kind=MailKind.BACKORDER_FILLED)
    return rows.update(state=MailState.CANCELLED, note=because, lease_token=None)


def cancel_mail(*, subscriptions: SubscriptionQuerySet, because: str) -> int:
    """This will stop what has not left yet of telling these people. A mail the server is being told right now is past that.

    The caller holds the item's lock. Confirmations are not touched: one covers every open request of its mailbox.
    """
    rows = OutgoingMail.objects.filter(subscription__in=subscriptions, state__in=UNSENT, kind__in=OF_A_RETURN)
    return rows.update(state=MailState.CANCELLED, note=because, lease_token=None)


def bundle_mails(*, beside: int) -> int:
    """This will make one digest of what waits to tell one mailbox that several products are back. Returns how many mails that are.

    Up to ``DIGEST_OF`` products share a mail, in the language they were asked for in. A mail that was tried before stays alone.
    ``beside``: a restock of which mails may wait; where no others do there is nothing to bundle.
    """
    if not _ANY_BESIDE.rows(restock=beside):
        return 0  # a wave of a hundred thousand, of one thing
    waiting = _waiting_to_tell()
    alike = ("subscription__email_key", "subscription__language", "kind")
    several = waiting.order_by().values(*alike).annotate(mails=Count("id")).filter(mails__gt=1)
    new = list(several.filter(mails__gt=Count("bundle")).values_list("subscription__email_key", flat=True))
    some = (new[start : start + _MOST] for start in range(0, len(new), _MOST))
    return sum(_bundle(waiting.filter(subscription__email_key__in=keys), alike) for keys in some)


def _waiting_to_tell() -> QuerySet[OutgoingMail]:
    return OutgoingMail.objects.filter(state=MailState.QUEUED, kind__in=OF_A_RETURN, attempts=0)


_ANY_BESIDE = Written(lambda: _waiting_to_tell().exclude(restock=blank_number("restock")).order_by().values("id")[:1])


def bundle_moves(*, promise_ids: list[int]) -> int:
    """This will make one mail of the new dates of one order: of these, and of what still waits to tell of its other lines.

    It leaves when the first of them would have. Up to ``DIGEST_OF`` lines share a mail. Returns how many mails that are.
    """
    waiting = OutgoingMail.objects.filter(state=MailState.QUEUED, kind=MailKind.PROMISE_MOVED, attempts=0)
    named = waiting.filter(promise__in=promise_ids).exclude(backorder__order_reference="")
    orders = list(named.order_by().values_list("backorder__order_reference", flat=True).distinct())
    some = (orders[start : start + _MOST] for start in range(0, len(orders), _MOST))
    alike = ("backorder__email_key", "backorder__order_reference")
    return sum(_bundle(waiting.filter(backorder__order_reference__in=keys), alike) for keys in some)


_MOST = 100
"""So many readers' mails are bundled by one statement."""


def _bundle(rows: QuerySet[OutgoingMail], alike: tuple[str, ...]) -> int:
    """One mail of those that are alike, in the order of their turn."""
    leaders = _leaders(rows.order_by("priority", "due_at", "id").values_list("id", *alike))
    leads = Case(*(When(id__in=ids, then=Value(leader)) for leader, ids in leaders.items()))
    ids = [mail_id for ids in leaders.values() for mail_id in ids]
    return OutgoingMail.objects.filter(id__in=ids, state=MailState.QUEUED).update(bundle=leads) if ids else 0


def _leaders(mails: Iterable[tuple[Any, ...]]) -> dict[int, list[int]]:
    """By the most urgent mail of each bundle, which leads, all mails of it."""
    by_reader: dict[tuple[Any, ...], list[int]] = {}
    for mail_id, *alike in mails:
        by_reader.setdefault(tuple(alike), []).append(mail_id)
    most = int(conf.digest_of)
    parts = [ids[start : start + most] for ids in by_reader.values() for start in range(0, len(ids), most)]
    return {part[0]: part for part in parts if len(part) > 1}


def suppress(*, email_key: str, reason: str, now: datetime, is_named: bool = True) -> None:
    """This will make sure that an address is never mailed again.

    ``is_named``: whether staff may read the address; of who was forgotten only the hash is kept: enough to keep quiet, too
    little to write.
    """
    about = {"reason": reason, "suppressed_at": now, "lets_orders_through": False}
    row = _suppressed(email_key, is_named=is_named, about=about)
    SuppressedAddress.objects.filter(id=row.id, lets_orders_through=True).update(**about)


def suppress_requests(*, email_key: str, reason: str, until: datetime, is_named: bool = True) -> None:
    """This will make sure that an address gets nothing of what was asked for until a moment; mails about its orders still leave."""
    about = {"reason": reason, "suppressed_at": until, "lets_orders_through": True}
    row = _suppressed(email_key, is_named=is_named, about=about)
    SuppressedAddress.objects.filter(id=row.id, lets_orders_through=True, suppressed_at__lt=until).update(**about)


def _suppressed(email_key: str, *, is_named: bool, about: Mapping[str, Any]) -> SuppressedAddress:
    defaults = {**about, "email_key": email_key if is_named else ""}
    row, _ = SuppressedAddress.objects.get_or_create(email_hash=address_hash(email_key), defaults=defaults)
    return row


def send_again(*, mail_ids: list[int]) -> int:
    """This will queue mails again that were given up, or whose fate nobody knows. Returns how many."""
    now = database_now()
    stuck = OutgoingMail.objects.filter(state__in=[MailState.DEAD, MailState.SENDING], id__in=mail_ids)
    count = stuck.exclude(in_hand(now)).update(**FREE, due_at=now, attempts=0)
    if count:
        wake("deliver_due_mail")
    return count
