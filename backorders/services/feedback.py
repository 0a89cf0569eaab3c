"""What mail providers tell of our mails: who must not be mailed any more, who left, and what did arrive after all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import DataError
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backorders.domain.feedback import Feedback, Mark, Told
from backorders.domain.outbox import MailState
from backorders.models import MailFeedback, OutgoingMail, Subscription
from backorders.models.suppression import address_hash, address_hashes
from backorders.queries.clock import database_now
from backorders.queries.outbox import in_hand, recipient_of
from backorders.services.announce import announce
from backorders.services.apart import apart, each_apart
from backorders.services.locks import locked_items, whole
from backorders.services.outbox import suppress, suppress_requests
from backorders.services.subscriptions import close_requests
from backorders.signals import mail_sent

KEEP_UNMATCHED = timedelta(hours=24)
"""How long we wait for the mail that something was told of. Ours is named within seconds; the rest was never ours."""

_LASTING = frozenset({Told.BOUNCED, Told.COMPLAINED, Told.UNSUBSCRIBED})
"""Kept, so that the same told again changes nothing."""

_CHUNK = 500


class Heard(StrEnum):
    TAKEN = "taken"
    """It changed something, or was noted."""
    KNOWN = "known"
    """It was told before."""
    EARLY = "early"
    """A mail to this person is being sent at this very moment: kept, and asked again by ``tidy``."""
    FOREIGN = "foreign"
    """Not about a mail of ours, or not about the one we sent it to."""


def take_feedback(*, feedback: Feedback, now: datetime | None = None) -> Heard:
    """This will note what a provider told of a mail, however often and in whatever order it tells it.

    A lasting bounce and a complaint suppress the address; leaving by the provider's link closes the requests made before, and
    suppresses the address for whatever was asked for by then. Whatever proves that a mail left settles one whose fate nobody knew. Only mails we sent count, and only to their own
    recipient: what is said of anybody else changes nothing.
    """
    return take_all(feedback=[feedback], now=now)[0]


def take_all(*, feedback: Sequence[Feedback], now: datetime | None = None) -> list[Heard]:
    """The same for many, in their order; most of them change nothing, and cost no query of their own.

    Trouble with one stops no other. It is raised at the end, so that the provider tells all of it again.
    """
    now = now or timezone.now()
    heard: list[Heard] = []
    troubles: list[Exception] = []
    for start in range(0, len(feedback), _CHUNK):
        for part, ledger in _parts_of(feedback[start : start + _CHUNK], troubles):
            for each in part:
                try:
                    heard.append(_hear(each, ledger, now))
                except Exception as trouble:
                    troubles.append(trouble)
    if troubles:
        raise troubles[0]
    return heard


def _parts_of(chunk: Sequence[Feedback], troubles: list[Exception]) -> Iterator[tuple[Sequence[Feedback], _Ledger]]:
    """All of it at once; one by one where the database cannot even be asked about one of them."""
    try:
        yield chunk, _read_about(chunk)
    except (ValueError, ArithmeticError, DataError) as trouble:
        if len(chunk) == 1:
            troubles.append(trouble)
            return
        for each in chunk:
            yield from _parts_of([each], troubles)


def _hear(feedback: Feedback, ledger: _Ledger, now: datetime) -> Heard:
    """The ledger is a moment old: it may say that nothing is to be done, and whatever is done asks again."""
    line = ledger.line_of(feedback)
    if line is None:
        return _keep(feedback, now) if ledger.may_be_early(feedback) else Heard.FOREIGN
    if not line.is_to(feedback):
        return Heard.FOREIGN
    if feedback.told is Told.DELIVERED and not line.is_in_doubt:
        return Heard.KNOWN
    if _is_told(feedback, ledger.told.get((line.id, feedback.told))):
        return Heard.KNOWN
    return _take(line.id, feedback, now)


class _Line(NamedTuple):
    """What has to be known of a mail before anything is done about it."""

    id: int
    state: str
    attempts: int
    email: str
    email_key: str

    @property
    def is_in_doubt(self) -> bool:
        """Nobody knows whether it left; or it is to be sent once more for that."""
        is_again = self.attempts > 0 and self.state in (MailState.QUEUED, MailState.LEASED)
        return is_again or self.state == MailState.SENDING

    def is_to(self, feedback: Feedback) -> bool:
        """A copy that the shop sends to itself bounces under the same name."""
        return not feedback.email_key or not self.email or self.email_key == feedback.email_key


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """What our tables say about some feedback: five questions at most, however much it is, and two when none of it is ours."""

    being_sent_to: frozenset[str]
    named: Mapping[Feedback, int]
    lines: Mapping[int, _Line]
    told: Mapping[tuple[int, str], MailFeedback]

    def line_of(self, feedback: Feedback) -> _Line | None:
        return self.lines.get(self.named.get(feedback, 0))

    def may_be_early(self, feedback: Feedback) -> bool:
        key = feedback.email_key
        return _can_be_early(feedback) and (key in self.being_sent_to if key else bool(self.being_sent_to))


def _read_about(chunk: Sequence[Feedback]) -> _Ledger:
    # Asked first: a mail whose worker notes the provider's id right after this is found by its name.
    being_sent_to = _being_sent_to({each.email_key for each in chunk if _can_be_early(each)})
    named = _mails_named(chunk)
    lines = _lines_of(set(named.values()))
    lasting = {mail_id for each, mail_id in named.items() if each.told in _LASTING}
    before = MailFeedback.objects.filter(mail__in=lasting) if lasting else []
    told = {(row.mail_id or 0, row.told): row for row in before}
    return _Ledger(being_sent_to=being_sent_to, named=named, lines=lines, told=told)


def _can_be_early(feedback: Feedback) -> bool:
    """Where the provider hands our own name back, nothing is."""
    return feedback.mark is None and feedback.told is not Told.DELAYED


def _being_sent_to(keys: set[str]) -> frozenset[str]:
    """Whom mails are being sent to at this moment, of these; of everybody, where a provider does not say whom it means (``""``)."""
    leased = OutgoingMail.objects.order_by().filter(lease_token__isnull=False, state=MailState.SENDING)
    if not keys or not leased.exists():
        return frozenset()
    if "" not in keys:
        leased = leased.filter(Q(subscription__email_key__in=keys) | Q(backorder__email_key__in=keys))
    whom = leased.values_list("subscription__email_key", "backorder__email_key")
    return frozenset(asker or buyer or "" for asker, buyer in whom)


def _mails_named(chunk: Sequence[Feedback]) -> dict[Feedback, int]:
    """A narrow question, for most of what a provider tells is about other mails of the shop."""
    mails = OutgoingMail.objects.order_by()
    marked = {each.mark.mail_id for each in chunk if each.mark is not None}
    queued = dict(mails.filter(id__in=marked).values_list("id", "created_at")) if marked else {}
    marks = {Mark(mail_id, int(created_at.timestamp())) for mail_id, created_at in queued.items()}
    names = {each.provider_id for each in chunk if each.mark is None}
    by_name = mails.filter(provider_id__in=names).exclude(provider_id="").values_list("provider_id", "id")
    ids = dict(by_name) if names else {}
    found = {each: each.mark.mail_id for each in chunk if each.mark in marks and each.mark is not None}
    return found | {each: ids[each.provider_id] for each in chunk if each.mark is None and each.provider_id in ids}


def _lines_of(mail_ids: set[int]) -> dict[int, _Line]:
    if not mail_ids:
        return {}
    whom = ("subscription__email", "subscription__email_key", "backorder__email", "backorder__email_key")
    rows = OutgoingMail.objects.order_by().filter(id__in=mail_ids).values_list("id", "state", "attempts", *whom)
    return {
        mail_id: _Line(mail_id, state, attempts, asker or buyer or "", asker_key or buyer_key or "")
        for mail_id, state, attempts, asker, asker_key, buyer, buyer_key in rows
    }


def _keep(feedback: Feedback, now: datetime) -> Heard:
    row = MailFeedback(
        told=feedback.told,
        provider_id=feedback.provider_id,
        email_hash=address_hash(feedback.email_key) if feedback.email_key else "",
        note=feedback.note,
        happened_at=feedback.happened_at,
        heard_at=now,
    )
    MailFeedback.objects.bulk_create([row], ignore_conflicts=True)
    return Heard.EARLY


def _take(mail_id: int, feedback: Feedback, now: datetime) -> Heard:
    if feedback.told is Told.DELAYED:
        OutgoingMail.objects.filter(id=mail_id, state=MailState.SENT).update(note=feedback.note)
        return Heard.TAKEN
    if feedback.told is Told.DELIVERED:
        return Heard.TAKEN if _has_left(_read(mail_id), feedback, now) else Heard.KNOWN
    return _take_lasting(mail_id, feedback, now)


def _read(mail_id: int) -> OutgoingMail:
    return OutgoingMail.objects.select_related("subscription", "backorder").get(id=mail_id)


def _is_told(feedback: Feedback, before: MailFeedback | None) -> bool:
    """Who leaves, asks anew and leaves once more by the same old mail means it."""
    is_newer = before and before.happened_at and feedback.happened_at and feedback.happened_at > before.happened_at
    return before is not None and not (is_newer and feedback.told is Told.UNSUBSCRIBED)


@whole
def _take_lasting(mail_id: int, feedback: Feedback, now: datetime) -> Heard:
    told, happened_at = feedback.told, min(feedback.happened_at or now, now)
    mail, item_ids = _lock_recipient(mail_id)
    if _is_told(feedback, MailFeedback.objects.filter(mail=mail, told=told).first()):
        return Heard.KNOWN
    about: dict[str, Any] = {"happened_at": feedback.happened_at, "heard_at": now, "note": feedback.note}
    MailFeedback.objects.update_or_create(mail=mail, told=told, defaults=about)
    recipient = recipient_of(mail)
    if key := recipient.email_key if recipient.email else feedback.email_key:
        _suppress(key, told, is_named=bool(recipient.email), happened_at=happened_at, now=now)
    asked = Subscription.objects.filter(email_key=recipient.email_key, item__in=item_ids)
    if told is Told.UNSUBSCRIBED:
        asked = asked.filter(placed_at__lte=happened_at)
    because = Subscription.Closed.UNDELIVERABLE if told is Told.BOUNCED else Subscription.Closed.LEFT
    close_requests(requests=asked, because=because, now=now)
    _has_left(mail, feedback, now)
    OutgoingMail.objects.filter(id=mail.id, state=MailState.SENT).update(note=feedback.note)
    return Heard.TAKEN


def _lock_recipient(mail_id: int) -> tuple[OutgoingMail, list[int]]:
    """The items of everything they asked for, and of the mail itself; read again, for they may be forgotten by now."""
    recipient = recipient_of(_read(mail_id))
    asked = Subscription.objects.live().filter(email_key=recipient.email_key)
    items = locked_items([recipient.item_id, *asked.values_list("item_id", flat=True)])
    return _read(mail_id), [item.id for item in items]


def _suppress(email_key: str, told: str, *, is_named: bool, happened_at: datetime, now: datetime) -> None:
    if told is Told.UNSUBSCRIBED:
        suppress_requests(email_key=email_key, reason="unsubscribed", until=happened_at, is_named=is_named)
    else:
        reason = "bounce" if told is Told.BOUNCED else "complaint"
        suppress(email_key=email_key, reason=reason, now=now, is_named=is_named)


def _has_left(mail: OutgoingMail, feedback: Feedback, now: datetime) -> bool:
    """A mail whose fate nobody knew, or that was to be sent once more for that: the provider had it, and all of its digest."""
    tried = Q(attempts__gt=0, state__in=[MailState.QUEUED, MailState.LEASED]) | Q(state=MailState.SENDING)
    same = Q(id=mail.id) | Q(bundle__isnull=False, bundle=mail.bundle)
    unsure = OutgoingMail.objects.filter(tried, same)
    is_in_hand = unsure.filter(in_hand(database_now())).exists()
    kinds = {} if is_in_hand else dict(unsure.values_list("id", "kind"))
    settled = unsure.update(
        state=MailState.SENT,
        sent_at=min(feedback.happened_at or now, now),
        provider_id=feedback.provider_id,
        note="",
        lease_token=None,
    )
    for mail_id, kind in kinds.items():  # else its worker says so in a moment
        announce(mail_sent, mail_id=mail_id, kind=kind)
    return bool(settled)


def hear_again(*, now: datetime | None = None) -> dict[str, int]:
    """This will ask again what came too early, and drop what stays nobody's for a day."""
    now = now or timezone.now()
    early = MailFeedback.objects.filter(mail=None)
    named = OutgoingMail.objects.filter(provider_id=OuterRef("provider_id")).exclude(provider_id="")
    rows = early.filter(Exists(named)).order_by("id")[:_CHUNK]
    return {
        "feedback matched": apart(
            lambda: each_apart(lambda row: _match(row, now), rows, what="feedback matched"), what="feedback matched"
        ),
        "feedback dropped": apart(
            lambda: early.filter(heard_at__lt=now - KEEP_UNMATCHED).delete()[0], what="feedback dropped"
        ),
    }


def _match(row: MailFeedback, now: datetime) -> bool:
    feedback = Feedback(told=Told(row.told), provider_id=row.provider_id, note=row.note, happened_at=row.happened_at)
    line = _read_about([feedback]).line_of(feedback)
    if line is None:
        return False
    if not row.email_hash or row.email_hash in address_hashes(line.email_key):
        _take(line.id, feedback, now)
    row.delete()
    return True
