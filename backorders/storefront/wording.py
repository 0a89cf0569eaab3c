"""From an availability to what a shopper reads: one icon, one word, one line about the date, one line of small print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backorders.domain.availability import Availability, State
from backorders.domain.windows import Confidence, Promise, Window
from backorders.domain.wording import babel_locale, days_of, phrase
from backorders.queries.availability import shop_today

ICONS = {
    State.IN_STOCK: "tick",
    State.LOW_STOCK: "tick",
    State.BACKORDER: "clock",
    State.PREORDER: "calendar",
    State.COMING_SOON: "calendar",
    State.OUT_OF_STOCK: "cross",
    State.DISCONTINUED: "dash",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """``tone`` names the colour: ``good``, ``wait``, ``soon`` or ``gone``; icon and words say the same without it."""

    state: str
    tone: str
    icon: str
    badge: str
    line: str = ""
    note: str = ""


_TONES = {
    State.IN_STOCK: "good",
    State.LOW_STOCK: "good",
    State.BACKORDER: "wait",
    State.PREORDER: "soon",
    State.COMING_SOON: "soon",
    State.OUT_OF_STOCK: "gone",
    State.DISCONTINUED: "gone",
}


def shown(answer: Availability, *, quantity: int | None = None) -> Shown:
    """This will put an answer into words of the active language; with ``quantity``, for so many units in a cart."""
    asked = quantity or 1
    if answer.can_order and not answer.covers(asked):
        return _too_many(answer)
    if answer.for_sale and not answer.for_sale.covers(asked):
        return _partly_here(answer, asked)
    is_overdue = not isinstance(answer.window, Window) and answer.window.is_overdue
    return Shown(
        state=answer.state.value,
        tone=_TONES[answer.state],
        icon="clock" if is_overdue else ICONS[answer.state],
        badge=badge_of(answer),
        line=_line_of(answer),
        note="" if quantity else _note_of(answer),
    )


def badge_of(answer: Availability) -> str:
    """The state in one or two words."""
    is_overdue = not isinstance(answer.window, Window) and answer.window.is_overdue
    match answer.state:
        case State.IN_STOCK:
            return _("In stock")
        case State.LOW_STOCK:
            left = answer.for_sale.value
            return ngettext("Only %(left)s left", "Only %(left)s left", left) % {"left": left}
        case State.BACKORDER:
            return _("On backorder, delayed") if is_overdue else _("On backorder")
        case State.PREORDER:
            return _("Pre-order, delayed") if is_overdue else _("Pre-order")
        case State.COMING_SOON:
            return _("Coming soon")
        case State.OUT_OF_STOCK:
            return _("Out of stock")
        case State.DISCONTINUED:
            return _("No longer made")


def button_of(answer: Availability) -> str:
    """What the buy button says: what really happens when it is pressed."""
    match answer.state:
        case State.IN_STOCK | State.LOW_STOCK:
            return _("Add to basket")
        case State.BACKORDER:
            return _("Backorder now")
        case State.PREORDER:
            return _("Pre-order now")
        case _:
            return badge_of(answer)


def invitation_of(answer: Availability) -> str:
    """The heading above the form that asks to be told."""
    if answer.state in (State.BACKORDER, State.PREORDER):
        return _("Tell me when it is really here")
    return _("Tell me when it is here") if answer.state is State.COMING_SOON else _("Tell me when it is back")


def window_in_words(window: Promise) -> str:
    """A date window as plain text: "Dec 4 – 8", "no date yet", "delayed, no new date yet". Never a date that has passed."""
    if not isinstance(window, Window):
        return _("delayed, no new date yet") if window.is_overdue else _("no date yet")
    return phrase(window, today=shop_today(timezone.now()), language=_language())


def window_as_time(window: Promise) -> SafeString | str:
    """The same inside ``<time>``; machines read the upper end, which is the day we stand by."""
    if not isinstance(window, Window):
        return window_in_words(window)
    is_by_day = _is_by_day(window)
    stamp = window.latest.isoformat() if is_by_day else f"{window.latest:%Y-%m}"
    return format_html('<time datetime="{}">{}</time>', stamp, window_in_words(window))


def _is_by_day(window: Window) -> bool:
    return days_of(window, today=shop_today(timezone.now()))[2] != "yMMMM"


def _language() -> str:
    return translation.get_language() or "en"


def _day(moment: date | datetime) -> SafeString:
    """One announced day, written out: "January 15, 2027"."""
    from babel.dates import format_date  # slow import: locale data stay unread until needed

    day = moment.astimezone(timezone.get_default_timezone()).date() if isinstance(moment, datetime) else moment
    words = format_date(day, format="long", locale=babel_locale(_language()))
    return format_html('<time datetime="{}">{}</time>', day.isoformat(), words)


def _too_many(answer: Availability) -> Shown:
    most = answer.orderable.value
    badge = ngettext("Only %(most)s available", "Only %(most)s available", most) % {"most": most}
    return Shown(state=State.OUT_OF_STOCK.value, tone="gone", icon="cross", badge=badge)


def _partly_here(answer: Availability, asked: int) -> Shown:
    here, state = answer.for_sale.value, State.BACKORDER
    line = _("%(here)s can leave now, %(later)s follow when they arrive.") % {"here": here, "later": asked - here}
    if isinstance(answer.window, Window):
        line = format_html("{} {}", line, _shipping(answer.window))
    return Shown(state=state.value, tone=_TONES[state], icon=ICONS[state], badge=_("Partly on backorder"), line=line)


def _line_of(answer: Availability) -> str:
    match answer.state:
        case State.BACKORDER:
            return _shipping(answer.window)
        case State.PREORDER:
            return _released(answer, with_shipping=True)
        case State.COMING_SOON:
            return _released(answer, with_shipping=False)
        case State.OUT_OF_STOCK:
            return _return(answer.window)
        case _:
            return ""


def _shipping(window: Promise) -> str:
    """No full stop after a date: many languages end one with a dot of its own."""
    if not isinstance(window, Window):
        if window.is_overdue:
            return _("The delivery is late, and no new date is confirmed yet.")
        return _("We do not know yet when it ships.")
    if _is_by_day(window):
        sentence = {
            Confidence.FIRM: _("Ships {when}"),
            Confidence.ESTIMATED: _("Expected to ship {when}"),
            Confidence.GUESS: _("May ship {when}; our supplier has not confirmed it"),
        }[window.confidence]
    else:
        sentence = {
            Confidence.FIRM: _("Ships in {when}"),
            Confidence.ESTIMATED: _("Expected to ship in {when}"),
            Confidence.GUESS: _("May ship in {when}; our supplier has not confirmed it"),
        }[window.confidence]
    return format_html(sentence, when=window_as_time(window))


def _return(window: Promise) -> str:
    if not isinstance(window, Window):
        if window.is_overdue:
            return _("The delivery is late, and no new date is confirmed yet.")
        return _("We do not know yet when it comes back.")
    sentence = _("Expected back {when}") if _is_by_day(window) else _("Expected back in {when}")
    return format_html(sentence, when=window_as_time(window))


def _released(answer: Availability, *, with_shipping: bool) -> str:
    if answer.releases_at is None:
        return _("The date will be announced.")
    parts: list[str] = [format_html(_("Released {day}."), day=_day(answer.releases_at))]
    if answer.opens_at is not None and answer.opens_at > timezone.now():
        parts.append(format_html(_("Pre-orders open {day}."), day=_day(answer.opens_at)))
    if with_shipping:
        released_on = answer.releases_at.astimezone(timezone.get_default_timezone()).date()
        is_on_release = isinstance(answer.window, Window) and answer.window.latest <= released_on
        parts.append(_("Ships from that day.") if is_on_release else _shipping(answer.window))
    return format_html(" ".join(["{}"] * len(parts)), *parts)


def _note_of(answer: Availability) -> str:
    if answer.state not in (State.BACKORDER, State.PREORDER):
        return ""
    queue = _("Orders are served first come, first served. We write to you as soon as yours is ready.")
    is_estimate = isinstance(answer.window, Window) and answer.window.confidence is Confidence.ESTIMATED
    if is_estimate and answer.state is State.BACKORDER:
        return _("The date is an estimate.") + " " + queue
    return queue
