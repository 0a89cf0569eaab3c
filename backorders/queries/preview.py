"""Mails as they would look if they left now, for those who work in the shop. No door in them opens."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import translation

from backorders.conf import conf
from backorders.domain.addresses import masked
from backorders.domain.headers import one_line
from backorders.domain.outbox import MailKind, MailState
from backorders.models import Hold, OutgoingMail
from backorders.queries.facts import Facts, facts_for
from backorders.queries.messages import DOORS, Tokens, WholeLines, message_for
from backorders.queries.outbox import item_of, recipient_of
from backorders.queries.verdicts import Verdict, verdict_on

NO_DOOR = "preview"
"""Stands where a secret would. No secret has this shape, so the page it leads to knows nobody."""

_HOLD_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One mail, written or not. ``trouble``: why it could not be; ``has_example``: a moment in it is made up."""

    mail: OutgoingMail
    language: str
    verdict: Verdict
    message: WholeLines | None = None
    trouble: str = ""
    has_example: bool = False

    @property
    def html(self) -> str:
        parts = self.message.alternatives if self.message else []
        return next((str(content) for content, kind in parts if kind == "text/html"), "")


def previews_of(
    mails: Sequence[OutgoingMail], *, now: datetime, language: str = "", with_addresses: bool = False
) -> list[Preview]:
    """This will write mails as they would leave now; it changes no row, and no address is in them unless ``with_addresses``.

    ``language``: another than their readers'. The rows come with subscription, backorder and their items; they are not
    touched, copies of them are.
    """
    mails = [_copied(mail) for mail in mails]
    fellows = [_copied(mail) for mail in _fellows_of(mails)]
    with translation.override(settings.LANGUAGE_CODE):  # as in the worker
        facts = facts_for([*mails, *fellows], now)
    _close_pages(mails, facts)
    return [_preview(mail, fellows, facts, language, with_addresses) for mail in mails]


def _fellows_of(mails: Sequence[OutgoingMail]) -> list[OutgoingMail]:
    """What leaves or left as one digest with one of these."""
    bundles = {mail.bundle for mail in mails if mail.bundle}
    return list(_somebodys().filter(bundle__in=bundles).exclude(state=MailState.CANCELLED)) if bundles else []


def latest_of_each_kind() -> dict[MailKind, OutgoingMail]:
    """This will find an example of each kind among the shop's own mails: the latest whose reader was not forgotten."""
    is_known = Q(subscription__email__gt="") | Q(backorder__email__gt="")
    rows = _somebodys().filter(is_known).order_by("-id")
    found = {kind: rows.filter(kind=kind).first() for kind in MailKind}
    return {kind: mail for kind, mail in found.items() if mail is not None}


def mail_to_preview(mail_id: int) -> OutgoingMail | None:
    """This will read one mail with what it speaks of."""
    return _somebodys().filter(id=mail_id).first()


def _somebodys() -> QuerySet[OutgoingMail]:
    rows = OutgoingMail.objects.select_related("subscription__item", "backorder__item", "allocation", "restock")
    return rows.exclude(subscription=None, backorder=None)


def _copied(mail: OutgoingMail) -> OutgoingMail:
    own = copy(mail)
    own.subscription, own.backorder = copy(mail.subscription), copy(mail.backorder)
    return own


def _preview(
    mail: OutgoingMail, fellows: list[OutgoingMail], facts: Facts, language: str, with_addresses: bool
) -> Preview:
    recipient, verdict = recipient_of(mail), verdict_on(mail, facts)
    recipient.language = language or recipient.language or settings.LANGUAGE_CODE
    known = Preview(mail=mail, language=recipient.language, verdict=verdict)
    if item_of(mail).id not in facts.described:
        return replace(known, trouble=verdict.because)
    if not with_addresses and recipient.email:
        recipient.email = masked(recipient.email)
    with_hold = _with_a_hold(mail, facts)
    try:
        message = message_for(mail, with_hold, tokens=_no_doors(mail), fellows=_beside(mail, fellows, facts))
    except Exception as trouble:  # a template of the shop's own: that it cannot be written is what they came to see
        return replace(known, trouble=one_line(f"{type(trouble).__name__}: {trouble}", longest=300))
    return replace(known, message=message, has_example=with_hold is not facts)


def _close_pages(mails: Sequence[OutgoingMail], facts: Facts) -> None:
    """Links to pages of order lines open nothing either: these rows are copies, and nobody has the id they get."""
    lines = [mail.backorder for mail in mails if mail.backorder]
    for line in [*lines, *(each for order in facts.orders.values() for each in order)]:
        line.public_id = uuid4()


def _no_doors(mail: OutgoingMail) -> Tokens:
    return dict.fromkeys(DOORS.get(MailKind(mail.kind), ()), NO_DOOR)


def _beside(mail: OutgoingMail, fellows: list[OutgoingMail], facts: Facts) -> list[tuple[OutgoingMail, Tokens]]:
    """The others of its digest whose products are still there."""
    if mail.bundle is None or mail.kind == MailKind.HELD:  # what was put aside for others mostly ran out
        return []
    same = (each for each in fellows if each.bundle == mail.bundle and each.id != mail.id)
    return [(each, _no_doors(each)) for each in same if item_of(each).id in facts.described]


def _with_a_hold(mail: OutgoingMail, facts: Facts) -> Facts:
    """What was put aside has mostly run out when somebody looks; then the mail names the moment it would name today."""
    asked = mail.subscription
    if mail.kind != MailKind.HELD or asked is None or mail.restock is None or facts.hold_of(mail) is not None:
        return facts
    asked.told_at = facts.now
    ends_at = facts.now + (conf.hold_for or _HOLD_FOR)
    hold = Hold(subscription=asked, restock=mail.restock, units=asked.quantity, made_at=facts.now, ends_at=ends_at)
    return replace(facts, holds={**facts.holds, asked.id: hold})
