"""Is a mail still true?"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_noop

from backorders.domain.allocation import Fill
from backorders.domain.outbox import ASKED_FOR, OF_A_RETURN, MailKind, MailState
from backorders.domain.wishes import pays
from backorders.models import Backorder, OutgoingMail, Subscription
from backorders.queries.availability import shop_today
from backorders.queries.facts import Facts, units_of
from backorders.queries.outbox import is_ours, recipient_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the mail leave? ``end`` is the state it ends in when not."""

    is_true: bool
    end: MailState = MailState.QUEUED
    because: str = ""


TRUE = Verdict(is_true=True)


def verdict_on(mail: OutgoingMail, facts: Facts) -> Verdict:
    """This will say whether a mail is still true at this moment."""
    recipient = recipient_of(mail)
    if _is_suppressed(mail, recipient, facts):
        return Verdict(False, MailState.SUPPRESSED, gettext_noop("the address is suppressed"))
    if recipient.item_id not in facts.described:
        return Verdict(False, MailState.CANCELLED, gettext_noop("the product is gone"))
    if mail.kind == MailKind.CONFIRM_SUBSCRIPTION:
        return _if(recipient.email_key in facts.unconfirmed, gettext_noop("already answered"))
    if mail.kind in OF_A_RETURN:
        return _verdict_on_return(mail, facts)
    if mail.kind == MailKind.REQUEST_ENDED:
        return _verdict_on_the_end(mail, facts)
    assert mail.backorder is not None  # noqa: S101 - the kind says so
    return _verdict_on_order(mail, mail.backorder, facts)


def _is_suppressed(mail: OutgoingMail, recipient: Subscription | Backorder, facts: Facts) -> bool:
    if recipient.email_key not in facts.suppressed:
        return False
    until = facts.suppressed[recipient.email_key]
    return until is None or (mail.kind in ASKED_FOR and recipient.placed_at <= until)


def _verdict_on_order(mail: OutgoingMail, line: Backorder, facts: Facts) -> Verdict:
    if not is_ours(MailKind(mail.kind)):
        return _if(False, gettext_noop("the shop writes such mails itself (MAILS_OFF)"))
    if not line.email:
        return _if(False, gettext_noop("the customer was forgotten"))
    match mail.kind:
        case MailKind.BACKORDER_CANCELLED:
            return TRUE
        case MailKind.BACKORDER_FILLED:
            return _verdict_on_arrival(mail, line, facts)
        case MailKind.PROMISE_MOVED:
            return _verdict_on_move(mail, line, facts)
        case MailKind.PREORDER_RELEASED:
            return _verdict_on_release(line, facts)
    return _if(line.state != Backorder.State.CANCELLED, gettext_noop("the order was cancelled"))


def _verdict_on_move(mail: OutgoingMail, line: Backorder, facts: Facts) -> Verdict:
    """Of several moves the last one is told, from the date that the reader knows."""
    move = facts.moves.get(line.id)
    if line.state != Backorder.State.WAITING:
        return _if(False, gettext_noop("nothing is waited for any more"))
    if move is None or move.promise_id != mail.promise_id:
        return _if(False, gettext_noop("the date has moved again"))
    return _if(move.is_news(shop_today(facts.now)), gettext_noop("the date is the one that was told"))


def _verdict_on_release(line: Backorder, facts: Facts) -> Verdict:
    """Whoever was given units hears of those, but for an order that ships as a whole, which may lack another line."""
    if line.state == Backorder.State.CANCELLED:
        return _if(False, gettext_noop("the order was cancelled"))
    if line.item.releases_at is not None and facts.now < line.item.releases_at:
        return _if(False, gettext_noop("the release was put off"))
    is_told = line.is_told or (line.allocated_quantity and line.fill != Fill.WHOLE_ORDER)
    return _if(not is_told and line.state != Backorder.State.SHIPPED, gettext_noop("told of the goods themselves"))


def _verdict_on_arrival(mail: OutgoingMail, line: Backorder, facts: Facts) -> Verdict:
    """What was taken back since is not announced; what has left the house meanwhile did come in."""
    order = facts.orders.get(line.id, [line])
    if all(each.state == Backorder.State.CANCELLED for each in order):
        return _if(False, gettext_noop("the order was cancelled"))
    if line.id in facts.orders:
        return _if(not any(each.needs for each in order), gettext_noop("not all of the order is here any more"))
    return _if(bool(units_of(mail, line, facts)), gettext_noop("the goods are not there after all"))


def _verdict_on_return(mail: OutgoingMail, facts: Facts) -> Verdict:
    subscription = mail.subscription
    assert subscription is not None  # noqa: S101 - the kind says so
    is_meant = subscription.state == Subscription.State.TOLD and subscription.restock_id == mail.restock_id
    if not is_meant:
        return Verdict(False, MailState.CANCELLED, gettext_noop("no longer waiting"))
    if mail.kind == MailKind.HELD and facts.hold_of(mail) is None:
        return _if(False, gettext_noop("nothing is put aside any more"))
    answers = facts.to_holders if mail.kind == MailKind.HELD else facts.availability
    answer = answers.get(subscription.item_id)
    if answer is None or not answer.for_sale.covers(subscription.quantity):
        return _if(False, gettext_noop("the shelf is empty again"))
    if not pays(subscription.highest_price, facts.described[subscription.item_id].price):
        return _if(False, gettext_noop("it costs more than the highest price"))
    if subscription.need_until is not None and subscription.need_until <= facts.now:
        return _if(False, gettext_noop("it was needed by an earlier day"))
    return _if(subscription.id not in facts.told_of_another, gettext_noop("told of another product that would do"))


IN_VAIN = (Subscription.Closed.TOO_LATE, Subscription.Closed.IN_VAIN)


def _verdict_on_the_end(mail: OutgoingMail, facts: Facts) -> Verdict:
    """Whoever was forgotten has no address any more, and whoever has asked again waits."""
    subscription = mail.subscription
    assert subscription is not None  # noqa: S101 - the kind says so
    if not subscription.email or subscription.closed_because not in IN_VAIN:
        return _if(False, gettext_noop("nobody waited in vain"))
    return _if((subscription.item_id, subscription.email_key) not in facts.asked_again, gettext_noop("asked again"))


def _if(is_true: bool, otherwise: str) -> Verdict:
    return TRUE if is_true else Verdict(False, MailState.CANCELLED, otherwise)
