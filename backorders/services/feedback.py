"""What mail providers tell of our mails: who must not be mailed any more, who left, and what did arrive after all."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backorders.domain.feedback import Feedback, Told
from backorders.domain.outbox import MailState
from backorders.models import Backorder, MailFeedback, OutgoingMail, Subscription, SuppressedAddress
from backorders.models.suppression import address_hash, address_hashes
from backorders.queries.clock import database_now
from backorders.queries.outbox import in_hand, recipient_of
from backorders.services.announce import announce
from backorders.services.locks import locked_items, whole
from backorders.services.outbox import suppress
from backorders.services.subscriptions import close_requests
from backorders.signals import mail_sent

KEEP_UNMATCHED = timedelta(hours=24)
"""How long we wait for the mail that something was told of. Ours is named within seconds; the rest was never ours."""

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

    A lasting bounce and a complaint suppress the address, leaving by the provider's link closes the requests made before;
    whatever proves that a mail left settles one whose fate nobody knew. Only mails we sent count, and only to their own
    recipient: what is said of anybody else changes nothing.
    """
    now = now or timezone.now()
    # Asked first: a mail whose worker notes the provider's id right after this is found below.
    may_be_early = feedback.mark is None and _is_being_sent(feedback)
    mail_id = _mail_named(feedback)
    if mail_id is None:
        return _keep(feedback, now) if may_be_early else Heard.FOREIGN
    mail = _read(mail_id)
    if not _is_to(mail, feedback):
        return Heard.FOREIGN
    return _take(mail, feedback, now)


def _mail_named(feedback: Feedback) -> int | None:
    """A narrow question, for most of what a provider tells is about other mails of the shop."""
    rows = OutgoingMail.objects.order_by().values_list("id", flat=True)
    if feedback.mark is not None:
        second = datetime.fromtimestamp(feedback.mark.second, tz=timezone.get_fixed_timezone(0))
        queued = {"created_at__gte": second, "created_at__lt": second + timedelta(seconds=1)}
        rows = rows.filter(id=feedback.mark.mail_id, **queued)
    else:
        rows = rows.filter(provider_id=feedback.provider_id).exclude(provider_id="")
    return next(iter(rows[:1]), None)


def _read(mail_id: int) -> OutgoingMail:
    return OutgoingMail.objects.select_related("subscription", "backorder").get(id=mail_id)


def _is_to(mail: OutgoingMail, feedback: Feedback) -> bool:
    """A copy that the shop sends to itself bounces under the same name."""
    recipient = recipient_of(mail)
    return not feedback.email_key or not recipient.email or recipient.email_key == feedback.email_key


def _is_being_sent(feedback: Feedback) -> bool:
    leased = OutgoingMail.objects.filter(lease_token__isnull=False, state=MailState.SENDING)
    if feedback.told is Told.DELAYED or not leased.exists():
        return False
    key = feedback.email_key
    return not key or leased.filter(Q(subscription__email_key=key) | Q(backorder__email_key=key)).exists()


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


def _take(mail: OutgoingMail, feedback: Feedback, now: datetime) -> Heard:
    if feedback.told is Told.DELAYED:
        OutgoingMail.objects.filter(id=mail.id, state=MailState.SENT).update(note=feedback.note)
        return Heard.TAKEN
    if feedback.told is Told.DELIVERED:
        return Heard.TAKEN if _has_left(mail, feedback, now) else Heard.KNOWN
    return Heard.KNOWN if _was_told(mail, feedback) else _take_lasting(mail.id, feedback, now)


def _was_told(mail: OutgoingMail, feedback: Feedback) -> bool:
    """Who leaves, asks anew and leaves once more by the same old mail means it."""
    before = MailFeedback.objects.filter(mail=mail, told=feedback.told).first()
    is_newer = before and before.happened_at and feedback.happened_at and feedback.happened_at > before.happened_at
    return before is not None and not (is_newer and feedback.told is Told.UNSUBSCRIBED)


@whole
def _take_lasting(mail_id: int, feedback: Feedback, now: datetime) -> Heard:
    told, happened_at = feedback.told, min(feedback.happened_at or now, now)
    mail, item_ids = _lock_recipient(mail_id)
    if _was_told(mail, feedback):
        return Heard.KNOWN
    about: dict[str, Any] = {"happened_at": feedback.happened_at, "heard_at": now, "note": feedback.note}
    MailFeedback.objects.update_or_create(mail=mail, told=told, defaults=about)
    recipient = recipient_of(mail)
    if told is not Told.UNSUBSCRIBED:
        _suppress(recipient, feedback, now)
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


def _suppress(recipient: Subscription | Backorder, feedback: Feedback, now: datetime) -> None:
    """Of who was forgotten only the hash is kept: enough to keep quiet, too little to write."""
    reason = "bounce" if feedback.told is Told.BOUNCED else "complaint"
    if recipient.email:
        suppress(email_key=recipient.email_key, reason=reason, now=now)
    elif feedback.email_key:
        SuppressedAddress.objects.get_or_create(
            email_hash=address_hash(feedback.email_key), defaults={"reason": reason, "suppressed_at": now}
        )


def _has_left(mail: OutgoingMail, feedback: Feedback, now: datetime) -> bool:
    """A mail whose fate nobody knew, or that was to be sent once more for that: the provider had it."""
    tried = Q(attempts__gt=0, state__in=[MailState.QUEUED, MailState.LEASED]) | Q(state=MailState.SENDING)
    unsure = OutgoingMail.objects.filter(tried, id=mail.id)
    is_in_hand = unsure.filter(in_hand(database_now())).exists()
    settled = unsure.update(
        state=MailState.SENT,
        sent_at=min(feedback.happened_at or now, now),
        provider_id=feedback.provider_id,
        note="",
        lease_token=None,
    )
    if settled and not is_in_hand:  # else its worker says so in a moment
        announce(mail_sent, mail_id=mail.id, kind=mail.kind)
    return bool(settled)


def hear_again(*, now: datetime | None = None) -> dict[str, int]:
    """This will ask again what came too early, and drop what stays nobody's for a day."""
    now = now or timezone.now()
    early = MailFeedback.objects.filter(mail=None)
    named = OutgoingMail.objects.filter(provider_id=OuterRef("provider_id")).exclude(provider_id="")
    matched = sum(_match(row, now) for row in early.filter(Exists(named)).order_by("id")[:_CHUNK])
    dropped, _ = early.filter(heard_at__lt=now - KEEP_UNMATCHED).delete()
    return {"feedback matched": matched, "feedback dropped": dropped}


def _match(row: MailFeedback, now: datetime) -> bool:
    feedback = Feedback(told=Told(row.told), provider_id=row.provider_id, note=row.note, happened_at=row.happened_at)
    mail_id = _mail_named(feedback)
    if mail_id is None:
        return False
    mail = _read(mail_id)
    if not row.email_hash or row.email_hash in address_hashes(recipient_of(mail).email_key):
        _take(mail, feedback, now)
    row.delete()
    return True
