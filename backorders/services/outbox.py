"""Every mail leaves through here: claimed by one statement, checked again, marked before and after the call."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.outbox import OF_A_RETURN, PRIORITY, SHUTS, MailKind, MailState, Outcome, pause_before
from backorders.domain.tokens import Purpose, digest_of, new_token
from backorders.models import Hold, OutgoingMail, Subscription, SubscriptionToken, SuppressedAddress
from backorders.models.outbox import ALL
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.models.suppression import address_hash
from backorders.queries.clock import database_now
from backorders.queries.outbox import DOORS, Facts, Tokens, Verdict, facts_for, message_for, recipient_of, verdict_on
from backorders.queries.quiet import awake_at
from backorders.services.announce import announce
from backorders.services.gate import Gate, domains_with_a_pace, give_back, open_gate, take
from backorders.services.holds import end_holds_of
from backorders.services.locks import locked_item
from backorders.services.mailer import Answer, Mailer, note_of
from backorders.services.marks import lazily, mark
from backorders.services.press import Press
from backorders.services.rows import write_from
from backorders.services.wake import wake
from backorders.signals import mail_failed, mail_sent

log = logging.getLogger(__name__)

CLOCK_SKEW = timedelta(seconds=2)
"""Rows are written by web servers whose clocks may run ahead of the database's; no pause between attempts is this short."""

UNSENT = (MailState.QUEUED, MailState.LEASED)


@dataclass(slots=True)
class Delivered:
    """What one run did, by final state of the mails it touched."""

    counts: dict[str, int] = field(default_factory=dict)
    is_unfinished: bool = False
    """Time ran out before the work did."""
    tried: int = 0
    """Mails that the server was told."""
    opens_in: float | None = None
    """Seconds until more may leave, where a pace or a pause holds mail back and that is known."""

    def add(self, state: str) -> None:
        self.counts[state] = self.counts.get(state, 0) + 1

    @property
    def total(self) -> int:
        return sum(self.counts.values())


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
    return rows.update(state=MailState.CANCELLED, note=because, lease_token=None, leased_until=None)


def cancel_mail(*, subscriptions: SubscriptionQuerySet, because: str) -> int:
    """This will stop what has not left yet of telling these people. A mail the server is being told right now is past that.

    The caller holds the item's lock. Confirmations are not touched: one covers every open request of its mailbox.
    """
    rows = OutgoingMail.objects.filter(subscription__in=subscriptions, state__in=UNSENT, kind__in=OF_A_RETURN)
    return rows.update(state=MailState.CANCELLED, note=because, lease_token=None, leased_until=None)


def never() -> bool:
    return False


def deliver_due(*, limit: int | None = None, is_over: Callable[[], bool] = never) -> Delivered:
    """This will send up to ``limit`` due mails (default ``MAIL_BATCH``) and return what became of them.

    Fewer, or none, while mail is stopped, paused after trouble, or faster than ``MAIL_RATE``. ``is_over`` is asked before
    each mail; what is left then goes back into the queue. Safe to run any number of times at once. A process killed between
    the server's "accepted" and our mark sends that one mail twice (``ON_UNKNOWN = "resend"``) or leaves it for staff
    (``"hold"``); none is ever lost.
    """
    return _deliver_due(limit or conf.mail_batch, is_over, Press())


def _deliver_due(limit: int, is_over: Callable[[], bool], press: Press) -> Delivered:
    done, gate = Delivered(), open_gate(limit)
    done.opens_in = gate.opens_in
    with lazily():
        mails = _claim(gate.room) if gate.room else []
        if mails:
            with Mailer() as mailer:
                way = Way(mailer=mailer, gate=gate, press=press)
                for batch in _with_facts(mails):
                    _deliver(batch, way, done, is_over)
            _put_back(mails)
    give_back(ALL, gate.room - done.tried, rate=conf.mail_rate)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a mail passes on its way out."""

    mailer: Mailer
    gate: Gate
    press: Press


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed mails and what they need to know; ``facts`` is ``None`` when it could not be read."""

    mails: list[OutgoingMail]
    facts: Facts | None
    trouble: str = ""


def _with_facts(mails: list[OutgoingMail]) -> Iterator[Batch]:
    """Read in bulk; when one product breaks the reading, one by one, so that it costs its own mail only."""
    try:
        yield Batch(mails, facts_for(mails, timezone.now()))
        return
    except Exception:
        log.exception("A batch of mails could not be prepared; each is tried alone.")
    for mail in mails:
        try:
            yield Batch([mail], facts_for([mail], timezone.now()))
        except Exception as trouble:
            yield Batch([mail], None, note_of(trouble))


def _deliver(batch: Batch, way: Way, done: Delivered, is_over: Callable[[], bool]) -> None:
    facts = batch.facts
    if facts is None:
        for mail in batch.mails:
            is_ours = _mark(None, mail)
            done.add(_settle(mail, Answer(Outcome.TRY_LATER, batch.trouble)) if is_ours else LOST)
        return
    true = _within_pace([mail for mail in batch.mails if _stays(mail, verdict_on(mail, facts), done)])
    tokens = _new_tokens(true, timezone.now())
    accepted: Accepted | None = None
    for mail in true:
        if way.gate.is_shut or is_over():
            break
        is_ours = _mark(accepted, mail)
        accepted = None
        if not is_ours:
            done.add(LOST)
            continue
        answer, pause = _send(mail, facts, tokens.get(mail.id, {}), way, done)
        if answer.outcome is Outcome.ACCEPTED:
            accepted = Accepted(mail, answer.provider_id)
        done.add(MailState.SENT if accepted else _settle(mail, answer, pause=pause))
    _mark(accepted, None)


def _within_pace(mails: list[OutgoingMail]) -> list[OutgoingMail]:
    """Those that may leave now, by the pace of their recipients' domain; the others come again when it is their turn."""
    paces = domains_with_a_pace()
    by_domain: dict[str, list[OutgoingMail]] = {}
    for mail in mails if paces else []:
        domain = recipient_of(mail).email_key.rpartition("@")[2]
        if domain in paces:
            by_domain.setdefault(domain, []).append(mail)
    too_many: set[int] = set()
    for domain, some in sorted(by_domain.items()):
        room, opens_in = take(domain, len(some), rate=paces[domain])
        for place, mail in enumerate(some[room:]):
            turn = database_now() + timedelta(seconds=(opens_in or 0.0) + place / paces[domain])
            _mine(mail, MailState.LEASED).update(
                state=MailState.QUEUED, due_at=turn, lease_token=None, leased_until=None
            )
            too_many.add(mail.id)
    return [mail for mail in mails if mail.id not in too_many]


def _put_back(mails: list[OutgoingMail]) -> None:
    """What was claimed and not come to goes back into the queue."""
    left = OutgoingMail.objects.filter(lease_token=mails[0].lease_token, state=MailState.LEASED)
    left.update(state=MailState.QUEUED, lease_token=None, leased_until=None)


def drain(*, seconds: float, is_stopping: Callable[[], bool] = never) -> Delivered:
    """This will deliver batch after batch until nothing is due, ``seconds`` have passed, or mail is held up for longer."""
    whole, end = Delivered(), time.monotonic() + seconds

    def is_over() -> bool:
        return is_stopping() or time.monotonic() >= end

    press = Press()
    while (done := _deliver_due(conf.mail_batch, is_over, press)).total or _opens_soon(done, end):
        for state, count in done.counts.items():
            whole.counts[state] = whole.counts.get(state, 0) + count
        if is_over():
            whole.is_unfinished = True
            break
        if not done.total and done.opens_in:
            time.sleep(min(done.opens_in, 0.5))
    return whole


def _opens_soon(done: Delivered, end: float) -> bool:
    """Is it worth waiting? Only when some mail is due, and more may leave before the time is over."""
    if done.opens_in is None or time.monotonic() + done.opens_in >= end:
        return False
    return OutgoingMail.objects.filter(_is_due(database_now())).exists()


# claiming


def _is_due(clock: datetime) -> Q:
    """Mail that was never put off is due at once, whatever the clock of whoever wrote it: a web server may be an hour ahead."""
    never_put_off = Q(due_at=F("created_at"))
    return Q(state=MailState.QUEUED) & (Q(due_at__lte=clock + CLOCK_SKEW) | never_put_off)


def _claim(limit: int) -> list[OutgoingMail]:
    """Lease due mails to this process with one UPDATE. Every later write carries the lease token: who wakes late writes nothing."""
    token, clock = uuid.uuid4(), database_now()
    lost = [MailState.LEASED, MailState.SENDING] if conf.on_unknown == "resend" else [MailState.LEASED]
    due = OutgoingMail.objects.filter(
        _is_due(clock) | Q(state__in=lost, leased_until__lte=clock),
        state__in=[MailState.QUEUED, MailState.LEASED, MailState.SENDING],
    ).order_by("priority", "due_at", "id")
    with transaction.atomic():  # SKIP LOCKED wants one; SQLite has no row locks, there the single statement is enough
        claimed = _lease(
            due.select_for_update(skip_locked=True, of=("self",)).values("id")[:limit], token, clock + conf.lease
        )
    if not claimed:
        return []
    related = ("subscription__item", "restock", "backorder__item", "allocation")
    return list(
        OutgoingMail.objects.filter(lease_token=token).select_related(*related).order_by("priority", "due_at", "id")
    )


def _lease(due: Any, token: uuid.UUID, until: datetime) -> int:
    """The ids are chosen and marked in one statement; as an array on PostgreSQL, which may run a LIMITed IN more than once."""
    inner, params = due.query.get_compiler(connection=connection).as_sql()
    array, rows = "= ANY(ARRAY(%s))", "IN (SELECT id FROM (%s) AS chosen)"
    chosen = (array if connection.vendor == "postgresql" else rows) % inner
    meta = OutgoingMail._meta
    fields: Any = {field.name: field for field in meta.concrete_fields}
    values = [
        fields[name].get_db_prep_save(value, connection)
        for name, value in (("state", MailState.LEASED.value), ("lease_token", token), ("leased_until", until))
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {meta.db_table} SET state = %s, lease_token = %s, leased_until = %s WHERE id {chosen}",  # noqa: S608 - our own names
            [*values, *params],
        )
        return int(cursor.rowcount)


def _mine(mail: OutgoingMail, *states: MailState) -> Any:
    """The row, as long as it is still leased to us."""
    return OutgoingMail.objects.filter(id=mail.id, lease_token=mail.lease_token, state__in=states)


def _stays(mail: OutgoingMail, verdict: Verdict, done: Delivered) -> bool:
    if mail.attempts >= conf.max_attempts:
        verdict = Verdict(False, MailState.DEAD, mail.note or "too many attempts")
    if verdict.is_true:
        return True
    _end(mail, verdict.end, verdict.because)
    done.add(verdict.end)
    return False


# sending


def _new_tokens(mails: list[OutgoingMail], now: datetime) -> dict[int, dict[Purpose, str]]:
    """Fresh secret links for each mail that carries some; only hashes are kept."""
    tokens: dict[int, dict[Purpose, str]] = {}
    rows: list[SubscriptionToken] = []
    for mail in mails:
        for door in DOORS.get(MailKind(mail.kind), ()):
            tokens.setdefault(mail.id, {})[door] = token = new_token()
            rows.append(
                SubscriptionToken(
                    subscription_id=mail.subscription_id or 0,
                    purpose=door,
                    digest=digest_of(token, door),
                    created_at=now,
                    expires_at=now + conf.confirm_within if door is Purpose.CONFIRM else None,
                )
            )
    SubscriptionToken.objects.bulk_create(rows)
    return tokens


LOST = "lost_lease"
"""Another worker has taken the mail over."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A mail that the server has taken, and that is not marked so yet."""

    mail: OutgoingMail
    provider_id: str


def _mark(accepted: Accepted | None, following: OutgoingMail | None) -> bool:
    """This will note what became of one mail and that the following is about to be told, at once. Is the following ours?

    Stored before the network call, with the attempt counted: a mail that kills the process does so a few times only.
    """
    leased = accepted.mail if accepted else following
    if leased is None or leased.lease_token is None:
        return False
    ours = mark(
        leased.lease_token,
        sent=accepted.mail.id if accepted else None,
        provider_id=accepted.provider_id if accepted else "",
        sending=following.id if following else None,
    )
    if accepted is not None:
        announce(mail_sent, mail_id=accepted.mail.id, kind=accepted.mail.kind)
    if following is None or following.id not in ours:
        return False
    following.attempts += 1
    return True


_OF_ITS_OWN = timedelta(0)
"""Nobody else has to wait."""


def _send(mail: OutgoingMail, facts: Facts, tokens: Tokens, way: Way, done: Delivered) -> tuple[Answer, timedelta]:
    """One mail; its trouble stays its own. Returns the answer, and how long all mail waits because of it."""
    answer = way.mailer.open()
    if answer is None:
        try:
            message = (
                way.press.write(mail, facts, tokens) if way.mailer.prints() else message_for(mail, facts, tokens=tokens)
            )
        except Exception as trouble:
            log.exception("Mail %s cannot be written.", mail.id)
            return Answer(Outcome.TRY_LATER, note_of(trouble)), _OF_ITS_OWN
        done.tried += 1
        answer = way.mailer.send(message)
    return answer, way.gate.note(answer.outcome, note=answer.note, asked_for=answer.asked_for)


def _settle(mail: OutgoingMail, answer: Answer, *, pause: timedelta = timedelta(0)) -> str:
    """A mail that was not accepted. ``pause``: how long all mail waits after this answer."""
    if answer.outcome in SHUTS:  # charged nothing; but another mail is tried first, in case it is this one's fault
        return _queue_again(mail, pause, answer.note, attempts=mail.attempts - 1)
    if answer.outcome is Outcome.NO_MAILBOX:
        _end(mail, MailState.SUPPRESSED, answer.note, suppresses="the mail server knows no such address")
        return MailState.SUPPRESSED
    if answer.outcome is Outcome.REFUSED or mail.attempts >= conf.max_attempts:
        _end(mail, MailState.DEAD, answer.note)
        return MailState.DEAD
    if answer.outcome is Outcome.UNKNOWN and conf.on_unknown == "hold":
        _mine(mail, MailState.SENDING).update(note=answer.note)
        return MailState.SENDING
    pause = pause_before(mail.attempts, jitter=random.random())  # noqa: S311 - spreads load, guards nothing
    return _queue_again(mail, pause, answer.note, attempts=mail.attempts)


def _queue_again(mail: OutgoingMail, pause: timedelta, note: str, *, attempts: int) -> str:
    marks = {"state": MailState.QUEUED, "due_at": database_now() + pause, "note": note, "attempts": attempts}
    _mine(mail, MailState.SENDING).update(**marks, lease_token=None, leased_until=None)
    return MailState.QUEUED


@transaction.atomic
def _end(mail: OutgoingMail, state: MailState, because: str, *, suppresses: str = "") -> None:
    """The mail will not leave. Whoever waited for it keeps the place; only a suppressed address ends the request.

    A ``dead`` mail leaves its reader "told": staff see it in the outbox and may send it again. What was put aside for its
    reader is given back at once. ``suppresses``: why its
    address is never mailed again, read anew under the lock, for the person may have been forgotten meanwhile.
    """
    locked_item(recipient_of(mail).item_id)
    ended = _mine(mail, MailState.LEASED, MailState.SENDING).update(
        state=state, note=because[:300], lease_token=None, leased_until=None
    )
    if not ended:
        return
    if suppresses:
        recipient = recipient_of(mail)
        recipient.refresh_from_db(fields=["email_key"])
        suppress(email_key=recipient.email_key, reason=suppresses, now=timezone.now())
    if mail.kind in OF_A_RETURN:
        told = Subscription.objects.filter(
            id=mail.subscription_id or 0, state=Subscription.State.TOLD, restock=mail.restock
        )
        end_holds_of(subscriptions=told, state=Hold.State.GIVEN_BACK, now=timezone.now())
        if state is MailState.CANCELLED:
            told.never_told()
            _forget_being_told(mail)
        if state is MailState.SUPPRESSED:
            told.close(Subscription.Closed.UNDELIVERABLE, timezone.now())
    if state is MailState.DEAD:
        announce(mail_failed, mail_id=mail.id, kind=mail.kind, reason=because)


def _forget_being_told(mail: OutgoingMail) -> None:
    """The shelf emptied while this mail was on its way out, and then the server sent it back: nobody was told after all."""
    asked = mail.subscription
    assert asked is not None  # noqa: S101 - the kind says so
    told_at = [mail.created_at, awake_at(asked.time_zone, mail.created_at)]
    Subscription.objects.filter(id=asked.id, state=Subscription.State.WAITING, told_at__in=told_at).update(told_at=None)


def suppress(*, email_key: str, reason: str, now: datetime) -> None:
    """This will make sure that an address is never mailed again."""
    about = {"email_key": email_key, "reason": reason, "suppressed_at": now}
    SuppressedAddress.objects.get_or_create(email_hash=address_hash(email_key), defaults=about)


def send_again(*, mail_ids: list[int]) -> int:
    """This will queue mails again that were given up, or whose fate nobody knows. Returns how many."""
    now = database_now()
    stuck = Q(state=MailState.DEAD) | Q(state=MailState.SENDING, leased_until__lte=now)
    rows = OutgoingMail.objects.filter(stuck, id__in=mail_ids)
    count = rows.update(state=MailState.QUEUED, due_at=now, attempts=0, lease_token=None, leased_until=None)
    if count:
        wake("deliver_due_mail")
    return count
