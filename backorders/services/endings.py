"""What becomes of a claimed mail that was not accepted, and of whoever waited for it."""

from __future__ import annotations

import random
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.outbox import OF_A_RETURN, REFUSALS, SHUTS, MailState, Outcome, pause_before
from backorders.models import Hold, OutgoingMail, Subscription, SuppressedAddress
from backorders.queries.clock import database_now
from backorders.queries.outbox import recipient_of
from backorders.queries.quiet import awake_at
from backorders.services.announce import announce
from backorders.services.answers import Answer
from backorders.services.claims import FREE
from backorders.services.holds import end_holds_of
from backorders.services.locks import locked_item
from backorders.services.outbox import suppress
from backorders.signals import mail_failed


def settle(mail: OutgoingMail, answer: Answer, *, pause: timedelta = timedelta(0)) -> str:
    """A mail that was not accepted. ``pause``: how long all mail waits after this answer."""
    if answer.outcome in SHUTS:  # charged nothing; but another mail is tried first, in case it is this one's fault
        return _queue_again(mail, pause, answer.note)
    mail.attempts += 1
    is_doubtful = bool(pause)  # so many in a row were refused that it may be us, and no fault of this address
    if answer.outcome is Outcome.NO_MAILBOX and not is_doubtful:
        end_mail(mail, MailState.SUPPRESSED, answer.note, suppresses="the mail server knows no such address")
        return MailState.SUPPRESSED
    if (answer.outcome in REFUSALS and not is_doubtful) or mail.attempts >= conf.max_attempts:
        end_mail(mail, MailState.DEAD, answer.note)
        return MailState.DEAD
    if answer.outcome is Outcome.UNKNOWN and conf.on_unknown == "hold":
        _mine(mail, MailState.SENDING).update(note=answer.note, attempts=mail.attempts, lease_token=None)
        return MailState.SENDING
    own = pause_before(mail.attempts, jitter=random.random())  # noqa: S311 - spreads load, guards nothing
    return _queue_again(mail, max(own, pause), answer.note)


def _queue_again(mail: OutgoingMail, pause: timedelta, note: str) -> str:
    due_at = database_now() + pause
    _mine(mail, MailState.SENDING).update(**FREE, due_at=due_at, note=note, attempts=mail.attempts)
    return MailState.QUEUED


@transaction.atomic
def end_mail(mail: OutgoingMail, state: MailState, because: str, *, suppresses: str = "") -> None:
    """The mail will not leave. Whoever waited for it keeps the place; only a suppressed address ends the request.

    A ``dead`` mail leaves its reader "told": staff see it in the outbox and may send it again. What was put aside for its
    reader is given back at once. ``suppresses``: why its address is never mailed again, read anew under the lock, for the
    person may have been forgotten meanwhile.
    """
    locked_item(recipient_of(mail).item_id)
    ended = _mine(mail, MailState.LEASED, MailState.SENDING).update(
        state=state, note=because[:300], attempts=mail.attempts, lease_token=None
    )
    if not ended:
        return
    if suppresses:
        recipient = recipient_of(mail)
        recipient.refresh_from_db(fields=["email_key"])
        _suppress(recipient.email_key, reason=suppresses)
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


def _suppress(email_key: str, *, reason: str) -> None:
    """Whoever has unsubscribed is refused by the provider for that, it may be: no reason for more than they asked for."""
    if not SuppressedAddress.objects.of([email_key]).exists():
        suppress(email_key=email_key, reason=reason, now=timezone.now())


def _forget_being_told(mail: OutgoingMail) -> None:
    """The shelf emptied while this mail was on its way out, and then the server sent it back: nobody was told after all."""
    asked = mail.subscription
    assert asked is not None  # noqa: S101 - the kind says so
    told_at = [mail.created_at, awake_at(asked.time_zone, mail.created_at)]
    Subscription.objects.filter(id=asked.id, state=Subscription.State.WAITING, told_at__in=told_at).update(told_at=None)


def _mine(mail: OutgoingMail, *states: MailState) -> QuerySet[OutgoingMail]:
    """Its row, as long as it is still leased to us."""
    return OutgoingMail.objects.filter(id=mail.id, lease_token=mail.lease_token, state__in=states)
