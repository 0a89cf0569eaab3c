"""What one process has taken on: which mails are its own, which of them the server is being told, and what is left when it dies.

A batch of mails is claimed by one statement, together with a ``MailClaim`` row that says how far its process has come. Mails
are marked "sending" and "sent" in strides of a tenth of a second; before each call, or few calls side by side, the claim's
row names the mails that the server is about to be told. So a mail costs the database a short write or less, and a process
that dies leaves exactly those mails whose fate nobody knows: the ones before them in its stride were accepted, the ones
after them were never tried.

Within a stride mails go in the order of their places. Whatever becomes of one of them but "accepted" is written to its row
at once, and takes the row out of the claim. Mails of one mailbox that are bundled share a place, and leave as one letter.

A process that dies before it has told anything may have died of reading what one of its mails speaks of. From then on these are
suspects, and claimed alone: all but one of them leave, and the one that kills alone is charged, until it is given up.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, prefetch_related_objects
from django.utils.translation import gettext_noop

from backorders.conf import conf
from backorders.domain.outbox import MailState
from backorders.models import MailClaim, OutgoingMail, StockItem
from backorders.models.outbox import ORDINARY, PLACE, SUSPECT
from backorders.queries.clock import database_now
from backorders.queries.outbox import is_due
from backorders.queries.written import Moment, Written, blank_moment, sql_of
from backorders.services.announce import announce
from backorders.services.locks import locked_items
from backorders.signals import mail_sent


@dataclass(slots=True)
class Letter:
    """What leaves at once: a mail, or all mails of a bundle. The first of them gives it its name, its priority and its time."""

    mails: list[OutgoingMail]

    @property
    def head(self) -> OutgoingMail:
        return self.mails[0]

    @property
    def ids(self) -> list[int]:
        return [mail.id for mail in self.mails]


def letters_of(mails: Iterable[OutgoingMail]) -> list[Letter]:
    """Mails as they leave, in the order in which they come."""
    by_place: dict[int, Letter] = {}
    for mail in mails:
        if (letter := by_place.get(mail.place)) is None:
            by_place[mail.place] = Letter([mail])
        else:
            letter.mails.append(mail)
    return list(by_place.values())


FREE = {"state": MailState.QUEUED, "lease_token": None}
"""What a mail is that belongs to nobody."""


def claim(limit: int, *, rooms: Mapping[int, int] | None = None) -> list[OutgoingMail]:
    """This will claim up to ``limit`` due mails for this process, and what is bundled with them; all carry one ``lease_token``. Empty: nothing is due.

    ``rooms``: lanes of domains in which mail waits, and how many of it may leave. Every later write carries the token: who
    wakes late, after the lease, writes nothing.
    """
    token, clock = uuid.uuid4(), database_now()
    recover(clock)
    with transaction.atomic():
        if rooms:
            leased = _lease_of_all(rooms, limit, token, clock)
        else:
            leased = _lease(_most_urgent(limit).filled(clock=clock), token)
        if not leased:
            return []
        MailClaim.objects.bulk_create([MailClaim(token=token, leased_until=clock + conf.lease)])
    return _claimed(token)


@lru_cache(maxsize=100)
def _most_urgent(limit: int) -> Written:
    return Written(lambda: _due(blank_moment("clock"))[:limit])


def _waiting(clock: Moment, *, lane: int) -> QuerySet[OutgoingMail]:
    return OutgoingMail.objects.filter(is_due(clock), lane=lane).order_by("priority", "due_at", "id")


def _due(clock: Moment, *, lane: int = ORDINARY) -> QuerySet[Any, Any]:
    """In the order of their turn. SQLite has no row locks; there the single statement is enough."""
    return _waiting(clock, lane=lane).select_for_update(skip_locked=True, of=("self",)).values("id")


def _lease_of_all(rooms: Mapping[int, int], limit: int, token: uuid.UUID, clock: datetime) -> int:
    """Of all lanes, those whose turn comes first. What is locked here and not taken is free again with the commit."""
    lanes = [(ORDINARY, limit), *sorted(rooms.items())]
    waiting = [
        mail
        for lane, room in lanes
        for mail in _due(clock, lane=lane).values_list("priority", "due_at", "id")[: min(room, limit)]
    ]
    ids = [mail_id for _, _, mail_id in sorted(waiting)[:limit]]
    chosen = OutgoingMail.objects.filter(id__in=ids, state=MailState.QUEUED).values("id")
    return _lease(sql_of(chosen), token) if ids else 0


def claim_suspect() -> list[OutgoingMail]:
    """This will claim one letter alone, of those whose claim died before it had told anything. Empty: there is none.

    While one is read that may kill its process, no other about the same product is tried.
    """
    token, clock = uuid.uuid4(), database_now()
    busy = OutgoingMail.objects.filter(lane=SUSPECT, state=MailState.LEASED, lease_token__isnull=False)
    if not (item_ids := _items_of(_waiting(clock, lane=SUSPECT).exclude(_about(_items_of(busy)))[:1])):
        return []
    with transaction.atomic():
        locked_items(item_ids)  # two that come at the same moment take one of it, not two
        of_product = _due(clock, lane=SUSPECT).filter(_about(item_ids)).exclude(_about(_items_of(busy)))
        if not _lease(sql_of(of_product[:1]), token):
            return []
        MailClaim.objects.bulk_create([MailClaim(token=token, leased_until=clock + conf.lease)])
    return _claimed(token)


def _items_of(mails: QuerySet[OutgoingMail]) -> set[int]:
    pairs = mails.values_list("subscription__item_id", "backorder__item_id")
    return {item_id for pair in pairs for item_id in pair if item_id is not None}


def _about(item_ids: set[int]) -> Q:
    return Q(subscription__item__in=item_ids) | Q(backorder__item__in=item_ids)


def _claimed(token: uuid.UUID) -> list[OutgoingMail]:
    """In the order of their turn, each with its reader, and with what is bundled with it."""
    mails = _with_readers(OutgoingMail.objects.filter(lease_token=token).select_related("subscription"))
    if bundles := {mail.bundle for mail in mails if mail.bundle}:
        with transaction.atomic():
            fellows = OutgoingMail.objects.filter(bundle__in=bundles, state=MailState.QUEUED)
            free = fellows.select_for_update(skip_locked=True, of=("self",)).values("id")
            _lease(sql_of(free), token)
        known = [mail.id for mail in mails]
        fellows = OutgoingMail.objects.filter(lease_token=token, bundle__in=bundles).exclude(id__in=known)
        mails += _with_readers(fellows.select_related("subscription"))
    return sorted(mails, key=lambda mail: (mail.priority, mail.due_at, mail.id))


def _with_readers(rows: QuerySet[OutgoingMail]) -> list[OutgoingMail]:
    """A wave has thousands of readers, one item, and no backorder: each is read once, or not at all."""
    mails = list(rows)
    prefetch_related_objects([mail for mail in mails if mail.backorder_id], "backorder__item", "allocation")
    asked = [mail.subscription for mail in mails if mail.subscription]
    items = StockItem.objects.in_bulk({subscription.item_id for subscription in asked})
    for subscription in asked:
        subscription.item = items[subscription.item_id]
    return mails


def _lease(due: tuple[str, tuple[Any, ...]], token: uuid.UUID) -> int:
    """The ids are chosen and marked in one statement; as an array on PostgreSQL, which may run a LIMITed IN more than once."""
    inner, params = due
    array, rows = "= ANY(ARRAY(%s))", "IN (SELECT id FROM (%s) AS chosen)"
    chosen = (array if connection.vendor == "postgresql" else rows) % inner
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_MAILS} SET state = %s, lease_token = %s WHERE id {chosen}{_lazily()}",  # noqa: S608 - our own names
            [MailState.LEASED.value, _param(OutgoingMail, "lease_token", token), *params],
        )
        return int(cursor.rowcount)


def begin(token: uuid.UUID, letters: Sequence[Letter]) -> list[Letter]:
    """This will mark a stride "sending", and return what still is this process's own: nobody cancelled it meanwhile.

    Their turn has come, so whatever comes back waits where most do.
    """
    # First of all: by the mail of the stride before, whatever is "sending" now would be taken for accepted.
    key = _param(MailClaim, "token", token)
    begun = f"UPDATE {_CLAIMS} SET telling = NULL, has_begun = TRUE WHERE token = %s{_lazily()}"  # noqa: S608 - our own names
    if not _write(begun, key):
        return []
    ids = [mail_id for letter in letters for mail_id in letter.ids]
    ours_of = f"lease_token = %s AND id IN ({_listed(ids)})"
    marked = _write(
        f"UPDATE {_MAILS} SET state = 'sending', lane = {ORDINARY:d} WHERE state = 'leased' AND {ours_of}{_lazily()}",  # noqa: S608 - our own
        _param(OutgoingMail, "lease_token", token),
    )
    if marked == len(ids):
        return list(letters)
    rows = OutgoingMail.objects.filter(id__in=ids, lease_token=token, state=MailState.SENDING)
    ours = set(rows.values_list("id", flat=True))
    return letters_of(mail for letter in letters for mail in letter.mails if mail.id in ours)


def step(token: uuid.UUID, first: int, last: int) -> bool:
    """This will note that the server is about to be told the letters of these places, and renew the lease. ``False``: another
    worker has taken over.

    It is whole, with numbers of our own in it: nothing for the driver to fill in.
    """
    return bool(_write(_a_step(token, conf.lease).format(first=first, last=last)))


@lru_cache(maxsize=100)
def _a_step(token: uuid.UUID, lease: timedelta) -> str:
    """The statement, with two blanks: a claim has hundreds of them."""
    clock = _CLOCK[connection.vendor].format(f"{lease.total_seconds():f}")
    return (
        f"UPDATE {_CLAIMS} SET telling = {{first:d}}, telling_to = {{last:d}}, leased_until = {clock} "  # noqa: S608 - our own names
        f"WHERE token = '{_param(MailClaim, 'token', token)}'{_lazily()}"
    )


def finish(token: uuid.UUID, accepted: Mapping[int, str]) -> None:
    """This will mark mails "sent". ``accepted``: the provider's own name for each, empty where it has none."""
    clock = _CLOCK[connection.vendor].format(0).replace("%", "%%")
    by_name: dict[str, list[int]] = {}
    for mail_id, provider_id in accepted.items():
        by_name.setdefault(provider_id, []).append(mail_id)
    for provider_id, ids in by_name.items():
        sql = f"""
            UPDATE {_MAILS} SET state = 'sent', sent_at = {clock}, attempts = attempts + 1,
                provider_id = %s, note = '', lease_token = NULL
            WHERE lease_token = %s AND state = 'sending' AND id IN ({_listed(ids)}){_lazily()}
        """  # noqa: S608 - our own names
        _write(sql, provider_id, _param(OutgoingMail, "lease_token", token))


def read_again(token: uuid.UUID) -> None:
    """This will note that what some mails of a claim speak of is read only now, after others of it were begun."""
    MailClaim.objects.filter(token=token).update(has_begun=False, telling=None)


def put_off(token: uuid.UUID, mails: Iterable[OutgoingMail], *, pause: timedelta, note: str) -> int:
    """This will put claimed mails back for a while, with one statement; none is charged. Returns how many."""
    ids, due_at = [mail.id for mail in mails], database_now() + pause
    mine = OutgoingMail.objects.filter(id__in=ids, lease_token=token, state=MailState.LEASED)
    return mine.update(**FREE, due_at=due_at, note=note[:300])


def change_lane(token: uuid.UUID, letters: Sequence[Letter], *, lane: int) -> int:
    """This will have claimed letters wait in another lane, with one statement. Returns how many mails that is."""
    ids = [mail_id for letter in letters for mail_id in letter.ids]
    return OutgoingMail.objects.filter(id__in=ids, lease_token=token, state=MailState.LEASED).update(**FREE, lane=lane)


def put_back(token: uuid.UUID) -> None:
    """This will give up a claim: what was not tried goes back into the queue. What was accepted has been marked before."""
    OutgoingMail.objects.filter(_held_by(token)).update(**FREE)
    MailClaim.objects.filter(token=token).delete()


def abandon(token: uuid.UUID) -> None:
    """This will end a claim's lease now, after trouble: whoever comes next finds out what became of its mails."""
    MailClaim.objects.filter(token=token).update(leased_until=database_now())


def recover(clock: datetime | None = None) -> int:
    """This will settle the mails of processes that died, by how far they had come. Returns how many mails that was."""
    clock = clock or database_now()
    if not _ANY_OVER.rows(clock=clock):
        return 0
    with transaction.atomic():
        return sum(_recover(left) for left in _over(clock).select_for_update(skip_locked=True))


def _over(clock: Moment) -> QuerySet[MailClaim]:
    return MailClaim.objects.filter(leased_until__lte=clock)


_ANY_OVER = Written(lambda: _over(blank_moment("clock")).values("token")[:1])


def _recover(left: MailClaim) -> int:
    rows = OutgoingMail.objects.filter(_held_by(left.token))
    count = 0
    if left.telling is not None:
        told = rows.filter(state=MailState.SENDING).alias(row=PLACE)
        count += _were_accepted(told.filter(row__lt=left.telling), left.leased_until - conf.lease)
        unknown: dict[str, Any] = FREE if conf.on_unknown == "resend" else {"lease_token": None}
        note = gettext_noop("its worker died while the mail server was told")
        in_doubt = told.filter(row__gte=left.telling, row__lte=left.telling_to)
        count += in_doubt.update(**unknown, attempts=F("attempts") + 1, note=note)
    elif not left.has_begun:
        count += _suspect(rows)
    count += rows.update(**FREE)
    left.delete()
    return count


def _suspect(rows: QuerySet[OutgoingMail]) -> int:
    """One of these may have killed their process; if there was only one, it has.

    What it is charged, others of its product that are suspected as well are charged too: they kill as it does, or leave,
    each alone, long before they are given up. So a product with a thousand readers kills as often as one with a single one.
    """
    if len(set(rows.values_list(PLACE, flat=True))) != 1:
        return rows.update(**FREE, lane=SUSPECT)
    charge: dict[str, Any] = {
        "attempts": F("attempts") + 1,
        "note": gettext_noop("its worker died while it was prepared"),
    }
    OutgoingMail.objects.filter(_about(_items_of(rows)), lane=SUSPECT, state=MailState.QUEUED).update(**charge)
    return rows.update(**FREE, lane=SUSPECT, **charge)


def _were_accepted(rows: Any, when: datetime) -> int:
    accepted = list(rows.values_list("id", "kind"))
    rows.update(state=MailState.SENT, sent_at=when, attempts=F("attempts") + 1, note="", lease_token=None)
    for mail_id, kind in accepted:
        announce(mail_sent, mail_id=mail_id, kind=kind)
    return len(accepted)


def _held_by(token: uuid.UUID) -> Q:
    return Q(lease_token=token, state__in=[MailState.LEASED, MailState.SENDING])


# statements that many mails share: written by hand, for Django takes longer to write one than a mail takes to leave

_MAILS, _CLAIMS = OutgoingMail._meta.db_table, MailClaim._meta.db_table


def _write(sql: str, *params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return int(cursor.rowcount)


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(f"{each:d}" for each in ids)


# without waiting for the disk


def _param(model: type[Any], name: str, value: object) -> Any:
    field: Any = model._meta.get_field(name)
    return field.get_db_prep_save(value, connection)


_CLOCK = {
    "postgresql": "clock_timestamp() + interval '{} s'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '{} seconds')",
}
"""The database's time in so many seconds."""


def _lazily() -> str:
    """For this statement's commit only. A database *server* that crashes may forget the last half second of such writes:
    then mails that were taken on since are free again, and what was told of them is sent again, as if nobody knew its fate.
    A process that dies loses none of them."""
    if connection.vendor != "postgresql":
        return ""
    return " AND set_config('synchronous_commit', 'off', true) IS NOT NULL"


@contextmanager
def lazily() -> Iterator[None]:
    """While this lasts SQLite does not wait for the disk at each commit, if it keeps a write-ahead log. PostgreSQL is told per statement."""
    if connection.vendor != "sqlite" or connection.in_atomic_block or _pragma("journal_mode") != "wal":
        yield
        return
    before = _pragma("synchronous")
    _pragma("synchronous", "NORMAL")
    try:
        yield
    finally:
        if not connection.in_atomic_block:
            _pragma("synchronous", before)


def _pragma(name: str, value: object = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}" if value is None else f"PRAGMA {name} = {value}")
        row = cursor.fetchone()
    return row[0] if row else None
