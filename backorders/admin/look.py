"""How things look in lists: badges with an icon and a word, days, masked addresses."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import localdate, now
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from backorders.domain.addresses import masked as masked
from backorders.domain.addresses import masked_within as masked_within
from backorders.domain.availability import Availability, State
from backorders.domain.windows import Promise, Window
from backorders.domain.wording import babel_locale
from backorders.models import Delivery
from backorders.queries.availability import shop_today
from backorders.queries.supply import ships_within

NOTHING = "–"

AVAILABILITY = {
    State.IN_STOCK: ("good", "●", _("in stock")),
    State.LOW_STOCK: ("warn", "◐", _("few left")),
    State.BACKORDER: ("info", "↻", _("backorder")),
    State.PREORDER: ("info", "◷", _("pre-order")),
    State.COMING_SOON: ("info", "◌", _("coming soon")),
    State.OUT_OF_STOCK: ("bad", "○", _("sold out")),
    State.DISCONTINUED: ("mute", "✕", _("no longer made")),
}

TONES = {
    "expected": ("info", "→"),
    "received": ("good", "✓"),
    "cancelled": ("mute", "✕"),
    "pending": ("mute", "?"),
    "waiting": ("info", "◷"),
    "told": ("good", "✓"),
    "closed": ("mute", "·"),
    "filled": ("good", "●"),
    "shipped": ("mute", "✓"),
    "queued": ("info", "◷"),
    "leased": ("info", "◷"),
    "sending": ("warn", "→"),
    "sent": ("good", "✓"),
    "dead": ("bad", "!"),
    "suppressed": ("mute", "✕"),
    "open": ("good", "●"),
    "used": ("mute", "✓"),
    "over": ("mute", "◷"),
    "given_back": ("mute", "✕"),
}


def badge(tone: str, icon: str, text: Any) -> str:
    """Never colour alone: an icon and a word too."""
    return format_html(
        '<span class="bo-badge bo-{}"><span class="bo-icon" aria-hidden="true">{}</span> {}</span>', tone, icon, text
    )


def trouble_badge(text: Any) -> str:
    """A whole sentence of trouble; it may take several lines."""
    return badge("bad bo-long", "!", text)


def availability_badge(answer: Availability | None) -> str:
    return badge(*AVAILABILITY[answer.state]) if answer else badge("mute", "✕", _("not in the shop"))


def state_badge(row: Any) -> str:
    """The badge of a row with a ``state`` column."""
    tone, icon = TONES[row.state]
    return badge(tone, icon, row.get_state_display())


def days(earliest: date | None, latest: date | None) -> str:
    """A window of days, with the year where it is not this one: "4 – 8 Dec", "29 Dec 2026 – 3 Jan 2027"."""
    if earliest is None or latest is None:
        return NOTHING
    from babel.dates import format_interval, format_skeleton  # slow import, see domain.wording

    locale = babel_locale(get_language() or "en")
    skeleton = "MMMd" if earliest.year == latest.year == localdate().year else "yMMMd"
    if earliest == latest:
        return str(format_skeleton(skeleton, earliest, locale=locale))
    return str(format_interval(earliest, latest, skeleton, locale=locale))


def promised(promise: Promise) -> str:
    """A date that was given, or that there is none; never a day that has passed and nobody can name anew."""
    if isinstance(promise, Window):
        return days(promise.earliest, promise.latest)
    return badge("bad", "!", gettext("late")) if promise.is_overdue else gettext("no date")


def forecast_of(delivery: Delivery) -> str:
    """What we say of an open delivery, and whether it was learned from past ones or only stated."""
    if delivery.state != Delivery.State.EXPECTED:
        return NOTHING
    promise = ships_within(delivery, today=shop_today(now()))
    if not isinstance(promise, Window):
        return badge("bad", "!", gettext("no honest date"))
    source = gettext("learned from past deliveries") if delivery.is_learned else gettext("as stated")
    return format_html('{} <span class="bo-quiet bo-sku">{}</span>', days(promise.earliest, promise.latest), source)


def may_see_addresses(request: HttpRequest) -> bool:
    return request.user.has_perm("backorders.view_addresses")
