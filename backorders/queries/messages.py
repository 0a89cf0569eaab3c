"""What a mail says."""

from __future__ import annotations

import email.policy
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from backorders.conf import Settings, conf
from backorders.domain.colours import is_colour, palette_of
from backorders.domain.headers import one_line
from backorders.domain.outbox import MailKind
from backorders.domain.tokens import Purpose
from backorders.domain.windows import Window, zone_named
from backorders.domain.wishes import pays
from backorders.domain.wording import Label, by_label_of
from backorders.models import Backorder, OutgoingMail, Subscription
from backorders.queries.alternatives import Substitute
from backorders.queries.availability import shop_today
from backorders.queries.facts import WITH_CALENDAR, Facts, units_of
from backorders.queries.ics import Entry, calendar_file, can_write_calendars
from backorders.queries.outbox import recipient_of
from backorders.queries.site import absolute, order_url, shop_name
from backorders.queries.stock import describe_items
from backorders.queries.subscriptions import confirmed_together
from backorders.queries.timelines import line_path
from backorders.shop import Described

DOORS: dict[MailKind, tuple[Purpose, ...]] = {
    MailKind.CONFIRM_SUBSCRIPTION: (Purpose.CONFIRM, Purpose.LEAVE),
    MailKind.BACK_IN_STOCK: (Purpose.LEAVE,),
    MailKind.HELD: (Purpose.LEAVE, Purpose.HOLD),
}
"""Which secret links a kind of mail carries. Whoever confirms keeps a way out in the same mail, which also opens the page to change it."""

Tokens = Mapping[Purpose, str]


class WholeLines(EmailMultiAlternatives):
    """A message whose lines are never broken inside a link.

    From Django 6.0 on the modern e-mail policy wraps at 78 characters and encodes a longer token, which would garble the
    address in ``List-Unsubscribe``; 998 is what RFC 5322 allows.
    """

    is_personal = False
    """Its templates looked at the one mail or the one reader, not only at the product."""

    def message(self, **options: Any) -> Any:
        if django.VERSION >= (6, 0):
            options["policy"] = options.get("policy", email.policy.default).clone(max_line_length=998)
        return super().message(**options)


def message_for(
    mail: OutgoingMail, facts: Facts, *, tokens: Tokens, fellows: Sequence[tuple[OutgoingMail, Tokens]] = ()
) -> WholeLines:
    """This will write one mail in the language of its reader. ``tokens`` open the doors its kind links to.

    ``fellows``: further mails to the same reader that leave as one with it, each with its tokens.
    """
    recipient = recipient_of(mail)
    with translation.override(language_of(recipient)), timezone.override(zone_of(recipient)):
        context = context_for(mail, facts, tokens=tokens)
        name = f"backorders/mail/{mail.kind}"
        if fellows:
            name = f"backorders/mail/{_TOGETHER[MailKind(mail.kind)]}"
            context["all"] = [context, *(context_for(each, facts, tokens=own) for each, own in fellows)]
            context["others"] = len(fellows)
        message = WholeLines(
            subject=one_line(render_to_string(f"{name}_subject.txt", context)),
            body=render_to_string(f"{name}.txt", context).strip() + "\n",
            from_email=conf.from_email or None,
            to=[recipient.email],
            headers=_headers(mail, context),
        )
        message.attach_alternative(render_to_string(f"{name}.html", context), "text/html")
        several = zip([mail, *(each for each, _ in fellows)], context.get("all", [context]), strict=True)
        entries = [entry for each, own in several if (entry := _calendar_entry(each, facts, own))]
        for number, entry in enumerate(entries):
            message.attach(f"date{number or ''}.ics", calendar_file(entry, now=facts.now), "text/calendar")
    message.is_personal = context["mail"].was_read
    return message


_TOGETHER = {
    MailKind.BACK_IN_STOCK: "digest",
    MailKind.HELD: "digest",
    MailKind.PROMISE_MOVED: "promises_moved",
}
"""What several mails of a kind are written by, when they leave as one."""


def _calendar_entry(mail: OutgoingMail, facts: Facts, context: dict[str, Any]) -> Entry | None:
    """The day we stand by; or, where there is none any more, the last one, taken away. Nothing where there never was one."""
    line = mail.backorder
    if not conf.mail_calendar or mail.kind not in WITH_CALENDAR or line is None or not can_write_calendars():
        return None
    move, place = facts.moves.get(line.id), facts.places[line.id]
    is_over = line.state == Backorder.State.CANCELLED
    if mail.kind == MailKind.BACKORDER_CANCELLED and not is_over:
        return None
    is_off = is_over or (mail.kind == MailKind.PROMISE_MOVED and not place.window.is_known)
    known = [place.window, *([line.promise, move.before] if is_off and move else [])]
    window = next((one for one in known if isinstance(one, Window)), None)
    if window is None:
        return None
    return Entry(
        uid=f"backorder-{line.public_id}@{_domain()}",
        version=(move.count if move else 0) + is_over,
        day=_day_of(window, today=shop_today(facts.now)),
        title=one_line(render_to_string("backorders/mail/calendar.txt", context)),
        url=context["order_url"] or context["line_url"] or context["product_url"],
        is_off=is_off,
    )


def _day_of(window: Window, *, today: date) -> date:
    """The last day that the mail's own words imply: a slip within the words is told nobody, and must not make the entry wrong."""
    label = by_label_of(window, today=today, is_lasting=True)
    return label.last if isinstance(label, Label) else window.latest


class Watched:
    """A row as templates see it, which knows whether they looked at it."""

    def __init__(self, row: OutgoingMail) -> None:
        self._row, self.was_read = row, False

    def __getattr__(self, name: str) -> Any:
        self.was_read = True
        return getattr(self._row, name)

    def __str__(self) -> str:
        self.was_read = True
        return str(self._row)


def language_of(recipient: Subscription | Backorder) -> str:
    """The reader's language, or the shop's."""
    return recipient.language or settings.LANGUAGE_CODE


def zone_of(recipient: Subscription | Backorder) -> ZoneInfo | None:
    """The reader's time zone, where we know it."""
    return zone_named(getattr(recipient, "time_zone", ""))


def context_for(mail: OutgoingMail, facts: Facts, *, tokens: Tokens) -> dict[str, Any]:
    recipient = recipient_of(mail)
    described = facts.described[recipient.item_id]
    context: dict[str, Any] = {
        "mail": Watched(mail),
        "quantity": recipient.quantity,
        "product": described,
        "product_url": absolute(described.url),
        "image_url": absolute(described.image),
        "availability": facts.availability.get(recipient.item_id),
        "shop_name": shop_name(),
        "shop_url": conf.site_url,
        "logo_url": absolute(conf.mail_logo),
        "look": palette_of(conf.mail_color if is_colour(conf.mail_color) else Settings.mail_color),
        "language": translation.get_language(),
        "is_rtl": translation.get_language_bidi(),
    }
    if (held_until := facts.held_until(mail)) is not None:
        context["held_until"] = held_until
    context |= {f"{door}_url": absolute(reverse(f"backorders:{door}", args=[token])) for door, token in tokens.items()}
    if leave := tokens.get(Purpose.LEAVE):
        context["manage_url"] = absolute(reverse("backorders:manage", args=[leave]))
    if mail.kind == MailKind.CONFIRM_SUBSCRIPTION:
        together = confirmed_together(mail.subscription)  # type: ignore[arg-type]
        context["products"] = list(describe_items([row.item for row in together]).values())
    if mail.kind == MailKind.REQUEST_ENDED:
        context |= _what_ended(mail.subscription, facts)  # type: ignore[arg-type]
    if mail.backorder is not None:
        own_page = line_path(mail.backorder.public_id)
        context |= {
            "backorder": mail.backorder,
            "place": facts.places.get(mail.backorder.id),
            "allocation": mail.allocation,
            "units": units_of(mail, mail.backorder, facts),
            "order_url": order_url(mail.backorder),
            "line_url": absolute(own_page),
            "can_cancel": conf.customers_cancel and bool(own_page),
            "moved": facts.moves.get(mail.backorder.id),
        }
        context |= _order_in_one_mail(mail.backorder, facts)
    return context


def _what_ended(request: Subscription, facts: Facts) -> dict[str, Any]:
    """``last_day`` is set where one was named. Substitutes are those that are there in the number asked for."""
    titles = [facts.described[item.id].title for item in facts.choices[request.id] if item.id in facts.described]
    best = (each for each in facts.words.substitutes().get(request.item_id, []) if _is_enough(each, request))
    return {
        "titles": titles,
        "others": len(titles) - 1,
        "last_day": request.need_by if request.closed_because == Subscription.Closed.TOO_LATE else None,
        "asked_on": request.placed_at.astimezone(request.zone).date(),
        "substitutes": [
            {
                "product": each.described,
                "product_url": absolute(each.described.url),
                "image_url": absolute(each.described.image),
            }
            for each in islice(best, _NAMED)
        ],
    }


_NAMED = 3
"""Substitutes."""


def _is_enough(substitute: Substitute, request: Subscription) -> bool:
    is_affordable = pays(request.highest_price, substitute.described.price)
    return is_affordable and substitute.availability.for_sale.covers(request.quantity)


def _order_in_one_mail(line: Backorder, facts: Facts) -> dict[str, Any]:
    """All lines of an order that ships as a whole; the first of them stands where a mail about one line has its product."""
    order = [_order_line(each, facts.described) for each in facts.orders.get(line.id, []) if each.allocated_quantity]
    return {**order[0], "order": order, "others": len(order) - 1} if order else {}


def _order_line(line: Backorder, described: Mapping[int, Described]) -> dict[str, Any]:
    """A product that is gone since goes by the name of its order line."""
    product = described.get(line.item_id) or Described(title=line.reference)
    return {
        "product": product,
        "product_url": absolute(product.url),
        "image_url": absolute(product.image),
        "units": line.allocated_quantity,
        "reference": line.reference,
        "line_url": absolute(line_path(line.public_id)),
    }


def message_id_of(mail: OutgoingMail) -> str:
    """The same each time the mail is sent: some mailboxes fold copies, and providers name it when it bounces."""
    return f"<backorders.{mail.id}.{int(mail.created_at.timestamp())}@{_domain()}>"


def _domain() -> str:
    return _host_in(conf.site_url)


@lru_cache(maxsize=8)
def _host_in(url: str) -> str:
    return urlsplit(url).hostname or "localhost"


def _headers(mail: OutgoingMail, context: dict[str, Any]) -> dict[str, str]:
    headers = {"Message-ID": message_id_of(mail), "Auto-Submitted": "auto-generated"}
    if leave_url := context.get("leave_url"):
        headers["List-Unsubscribe"] = f"<{leave_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        headers["List-Id"] = f"<back-in-stock.{_domain()}>"
    return headers
