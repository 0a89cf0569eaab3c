"""Is a mail still true, and what does it say?"""

from __future__ import annotations

import email.policy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from backorders.conf import conf
from backorders.domain.availability import Availability
from backorders.domain.headers import one_line
from backorders.domain.outbox import MailKind, MailState
from backorders.domain.tokens import Purpose
from backorders.models import Backorder, OutgoingMail, StockItem, Subscription, SuppressedAddress
from backorders.models.stock import attach_products
from backorders.queries.availability import availability_of_items
from backorders.queries.backorders import Place, places_of_lines
from backorders.queries.stock import describe_items
from backorders.queries.subscriptions import confirmed_together
from backorders.shop import Described

DOORS: dict[MailKind, tuple[Purpose, ...]] = {
    MailKind.CONFIRM_SUBSCRIPTION: (Purpose.CONFIRM, Purpose.LEAVE),
    MailKind.BACK_IN_STOCK: (Purpose.LEAVE,),
}
"""Which secret links a kind of mail carries. Whoever confirms keeps a way out in the same mail."""

Tokens = Mapping[Purpose, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the mail leave? ``end`` is the state it ends in when not."""

    is_true: bool
    end: MailState = MailState.QUEUED
    because: str = ""


TRUE = Verdict(is_true=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What many mails need to know, read in bulk just before they leave."""

    suppressed: frozenset[str]
    unconfirmed: frozenset[str]
    availability: dict[int, Availability]
    described: dict[int, Described]
    places: dict[int, Place]


def facts_for(mails: list[OutgoingMail], now: datetime) -> Facts:
    """This will read what the mails speak of, with a number of queries that does not grow with the number of mails."""
    items = {item.id: item for item in map(item_of, mails)}
    attach_products(items.values())
    keys = {recipient_of(mail).email_key for mail in mails}
    pending = Subscription.objects.filter(state=Subscription.State.PENDING)
    lines = [mail.backorder for mail in mails if mail.backorder]
    return Facts(
        suppressed=frozenset(SuppressedAddress.objects.filter(email_key__in=keys).values_list("email_key", flat=True)),
        unconfirmed=frozenset(pending.filter(email_key__in=keys).values_list("email_key", flat=True)),
        availability=availability_of_items(items.values(), now),
        described=describe_items(items.values()),
        places=places_of_lines(lines, now) if lines else {},
    )


def item_of(mail: OutgoingMail) -> StockItem:
    return recipient_of(mail).item


def recipient_of(mail: OutgoingMail) -> Subscription | Backorder:
    """Whom the mail is for: a subscription or a backorder, never both."""
    recipient = mail.subscription or mail.backorder
    assert recipient is not None  # noqa: S101 - every kind of mail has one
    return recipient


def verdict_on(mail: OutgoingMail, facts: Facts) -> Verdict:
    """This will say whether a mail is still true at this moment."""
    if recipient_of(mail).email_key in facts.suppressed:
        return Verdict(False, MailState.SUPPRESSED, "the address is suppressed")
    if item_of(mail).id not in facts.described:
        return Verdict(False, MailState.CANCELLED, "the product is gone")
    if mail.kind == MailKind.CONFIRM_SUBSCRIPTION:
        return _if(recipient_of(mail).email_key in facts.unconfirmed, "already answered")
    if mail.kind == MailKind.BACK_IN_STOCK:
        return _verdict_on_return(mail, facts)
    return _if(mail.backorder.state != Backorder.State.CANCELLED, "the order was cancelled")  # type: ignore[union-attr]


def _verdict_on_return(mail: OutgoingMail, facts: Facts) -> Verdict:
    subscription = mail.subscription
    assert subscription is not None  # noqa: S101 - the kind says so
    is_meant = subscription.state == Subscription.State.TOLD and subscription.restock_id == mail.restock_id
    if not is_meant:
        return Verdict(False, MailState.CANCELLED, "no longer waiting")
    answer = facts.availability.get(subscription.item_id)
    return _if(answer is not None and answer.for_sale.covers(subscription.quantity), "the shelf is empty again")


def _if(is_true: bool, otherwise: str) -> Verdict:
    return TRUE if is_true else Verdict(False, MailState.CANCELLED, otherwise)


# what it says


class WholeLines(EmailMultiAlternatives):
    """A message whose lines are never broken inside a link.

    From Django 6.0 on the modern e-mail policy wraps at 78 characters and encodes a longer token, which would garble the
    address in ``List-Unsubscribe``; 998 is what RFC 5322 allows.
    """

    def message(self, **options: Any) -> Any:
        if django.VERSION >= (6, 0):
            options["policy"] = options.get("policy", email.policy.default).clone(max_line_length=998)
        return super().message(**options)


def message_for(mail: OutgoingMail, facts: Facts, *, tokens: Tokens) -> EmailMultiAlternatives:
    """This will write one mail in the language of its reader. ``tokens`` open the doors its kind links to."""
    recipient = recipient_of(mail)
    language = recipient.language or settings.LANGUAGE_CODE
    with translation.override(language), timezone.override(zone_of(recipient)):
        context = context_for(mail, facts, tokens=tokens)
        name = f"backorders/mail/{mail.kind}"
        message = WholeLines(
            subject=one_line(render_to_string(f"{name}_subject.txt", context)),
            body=render_to_string(f"{name}.txt", context).strip() + "\n",
            from_email=conf.from_email or None,
            to=[recipient.email],
            headers=_headers(mail, context),
        )
        message.attach_alternative(render_to_string(f"{name}.html", context), "text/html")
    return message


def zone_of(recipient: Subscription | Backorder) -> ZoneInfo | None:
    """The reader's time zone; a name nobody knows is no reason to lose a mail."""
    try:
        return ZoneInfo(getattr(recipient, "time_zone", ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def context_for(mail: OutgoingMail, facts: Facts, *, tokens: Tokens) -> dict[str, Any]:
    recipient = recipient_of(mail)
    described = facts.described[recipient.item_id]
    context: dict[str, Any] = {
        "mail": mail,
        "product": described,
        "product_url": absolute(described.url),
        "image_url": absolute(described.image),
        "availability": facts.availability.get(recipient.item_id),
        "shop_name": shop_name(),
        "shop_url": conf.site_url,
        "language": translation.get_language(),
        "is_rtl": translation.get_language_bidi(),
    }
    context |= {f"{door}_url": absolute(reverse(f"backorders:{door}", args=[token])) for door, token in tokens.items()}
    if mail.kind == MailKind.CONFIRM_SUBSCRIPTION:
        together = confirmed_together(mail.subscription)  # type: ignore[arg-type]
        context["products"] = list(describe_items([row.item for row in together]).values())
    if mail.backorder is not None:
        context |= {
            "backorder": mail.backorder,
            "place": facts.places.get(mail.backorder.id),
            "allocation": mail.allocation,
        }
    return context


def _headers(mail: OutgoingMail, context: dict[str, Any]) -> dict[str, str]:
    domain = urlsplit(conf.site_url).hostname or "localhost"
    stamp = f"{mail.id}.{int(mail.created_at.timestamp())}"
    headers = {"Message-ID": f"<backorders.{stamp}@{domain}>", "Auto-Submitted": "auto-generated"}
    if leave_url := context.get("leave_url"):
        headers["List-Unsubscribe"] = f"<{leave_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        headers["List-Id"] = f"<back-in-stock.{domain}>"
    return headers


def absolute(url: str) -> str:
    """A link that works in a mail: on the configured site, http(s) only; anything else is dropped."""
    whole = urljoin(conf.site_url.rstrip("/") + "/", url) if url else ""
    return whole if urlsplit(whole).scheme in ("http", "https") else ""


def shop_name() -> str:
    return conf.shop_name or urlsplit(conf.site_url).hostname or "the shop"
