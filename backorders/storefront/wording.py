"""From an availability to what a shopper reads: one icon, one word, one line about the date, one line of small print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache

from django.utils import timezone, translation
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backorders.conf import conf
from backorders.domain.availability import Availability, State
from backorders.domain.chances import Odds
from backorders.domain.lateness import RECORD
from backorders.domain.waves import Order
from backorders.domain.windows import NO_DATE, Confidence, NoDate, Promise, Source, Window, honest
from backorders.domain.wording import (
    Kind,
    Label,
    babel_locale,
    by_label_of,
    calendar_words,
    label_of,
)
from backorders.queries.availability import shop_today
from backorders.queries.calendars import working_day_of
from backorders.queries.subscriptions import Due, Standing
from backorders.shop import Described

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


def shown(answer: Availability, *, quantity: int | None = None, payment: str = "") -> Shown:
    """This will put an answer into words of the active language; with ``quantity``, for so many units in a cart.

    ``payment``: what the shop says of when it is paid (see ``payment_of``); part of the small print of what can be ordered ahead.
    """
    asked = quantity or 1
    if quantity and answer.can_order and (rule := _broken_rule(answer, quantity)):
        return rule
    if answer.can_order and not answer.covers(asked):
        return _too_many(answer)
    if answer.for_sale and not answer.for_sale.covers(asked):
        return _partly_here(answer, asked)
    return Shown(
        state=answer.state.value,
        tone=_TONES[answer.state],
        icon="clock" if _is_overdue(answer) or answer.is_full else ICONS[answer.state],
        badge=badge_of(answer),
        line=_line_of(answer, is_cart=bool(quantity)),
        note="" if quantity else _note_of(answer, payment),
    )


def line_in_short(answer: Availability) -> str:
    """When it comes, for one of several sizes or colours: what the badge beside it says already is left out."""
    match answer.state:
        case State.LOW_STOCK:
            return _more(answer.more)
        case State.BACKORDER:
            return "" if _is_overdue(answer) else _shipping(answer.window)
        case State.PREORDER | State.COMING_SOON:
            return _release_day(answer)
        case State.OUT_OF_STOCK:
            return "" if _is_overdue(answer) else _return(answer.window)
        case _:
            return ""


def _is_overdue(answer: Availability) -> bool:
    return not isinstance(answer.window, Window) and answer.window.is_overdue


def badge_of(answer: Availability) -> str:
    """The state in one or two words."""
    is_overdue = _is_overdue(answer)
    match answer.state:
        case State.IN_STOCK:
            return _("In stock")
        case State.LOW_STOCK:
            left = answer.for_sale.value
            return ngettext("Only %(left)s left", "Only %(left)s left", left) % {"left": left}
        case State.BACKORDER if answer.is_made_to_order:
            return _("Made to order")
        case State.BACKORDER:
            return _("On backorder, delayed") if is_overdue else _("On backorder")
        case State.PREORDER:
            return _("Pre-order, delayed") if is_overdue else _("Pre-order")
        case State.COMING_SOON:
            return _("Coming soon")
        case State.OUT_OF_STOCK if answer.is_full:
            return _("All reserved")
        case State.OUT_OF_STOCK:
            return _("Out of stock, delayed") if is_overdue else _("Out of stock")
        case State.DISCONTINUED:
            return _("No longer made")


def button_of(answer: Availability) -> str:
    """What the buy button says: what really happens when it is pressed."""
    match answer.state:
        case State.IN_STOCK | State.LOW_STOCK:
            return _("Add to basket")
        case State.BACKORDER:
            return _("Order now") if answer.is_made_to_order else _("Backorder now")
        case State.PREORDER:
            return _("Pre-order now")
        case _:
            return badge_of(answer)


def payment_of(pay: str, *, deposit: str = "") -> str:
    """When it is paid, for the small print of what is ordered ahead. Money is the shop's: it says ``now`` or ``when_it_ships``, or names
    a ``deposit`` as it writes money. Anything else says nothing.
    """
    if deposit:
        return _("You pay {deposit} now, and the rest when it ships.").format(deposit=deposit)
    match pay:
        case "now":
            return _("You pay now, and it ships later.")
        case "when_it_ships":
            return _("You pay nothing now, only when it ships.")
        case _:
            return ""


def invitation_of(answer: Availability) -> str:
    """The heading above the form that asks to be told."""
    if answer.state in (State.BACKORDER, State.PREORDER):
        return _("Tell me when it is really here")
    return _("Tell me when it is here") if answer.state is State.COMING_SOON else _("Tell me when it is back")


def window_in_words(window: Promise) -> str:
    """Where a date window lies, as plain text for carts, orders and mails: "Dec 4 – 8", "early January", "no date yet".

    Never a date that has passed, and nothing that is wrong when it is read a week later: no "today", no "in 2–3 weeks".
    """
    return _words_of(label_of(window, today=_today(), is_lasting=True))


def window_as_time(window: Promise) -> SafeString | str:
    """The same inside ``<time>``; machines read the upper end, which is the day we stand by."""
    return _as_time(label_of(window, today=_today(), is_lasting=True))


def promise_in_words(window: Promise, *, said_on: date | None = None) -> str:
    """The upper end alone, as plain text that lasts: "by Dec 8", "by the end of January", "no date yet".

    ``said_on``: the day on which it was given, for a date that is not in force any more.
    """
    return _words_of(by_label_of(window, today=said_on or _today(), is_lasting=True))


def promise_as_time(window: Promise, *, said_on: date | None = None) -> SafeString | str:
    """The same inside ``<time>``."""
    return _as_time(by_label_of(window, today=said_on or _today(), is_lasting=True))


def date_in_words(answer: Availability) -> str:
    """The date of an answer as its page puts it, without the sentence around it; empty when there is none.

    What can be ordered is promised by the upper end ("by Dec 8"); of what cannot, one says where the date lies ("in 2–3 weeks").
    """
    if not isinstance(answer.window, Window):
        return ""
    is_promise = answer.can_order and answer.window.source is not Source.RELEASE
    return _date_words(answer.window, _today(), _language(), is_promise=is_promise)


@lru_cache(maxsize=512)
def _date_words(window: Window, today: date, _language: str, *, is_promise: bool) -> str:
    """A list of fifty products says the same few dates again and again; ``_language``, the active one, is for the memory only."""
    label = (by_label_of if is_promise else label_of)(window, today=today)
    return _words_of(label) if isinstance(label, Label) else ""


def _today() -> date:
    return shop_today(timezone.now())


def _as_time(label: Label | NoDate, *, about: str = "") -> SafeString | str:
    """``about``: what else the date is of than the product's own availability."""
    if not isinstance(label, Label):
        return _words_of(label)
    stamp = f"{label.last:%Y-%m}" if label.kind in (Kind.MONTH, Kind.MONTHS) else label.last.isoformat()
    other = format_html(' data-about="{}"', about) if about else ""
    return format_html('<time datetime="{}"{}>{}</time>', stamp, other, _words_of(label))


def _words_of(label: Label | NoDate) -> str:
    """A label in the active language."""
    if not isinstance(label, Label):
        return _("delayed, no new date yet") if label.is_overdue else _("no date yet")
    match label.kind:
        case Kind.TODAY:
            return _("today")
        case Kind.WEEKS:
            return _weeks(label)
        case _:
            named = calendar_words(label, language=_language())
            return _around(label.kind).format(day=named, month=named)


def _around(kind: Kind) -> str:
    """What stands around the days or months that a label names."""
    match kind:
        case Kind.EARLY:
            return _("early {month}")
        case Kind.MID:
            return _("mid-{month}")
        case Kind.LATE:
            return _("late {month}")
        case Kind.BY_DAY:
            return _("by {day}")
        case Kind.BY_MIDDLE:
            return _("by the middle of {month}")
        case Kind.BY_END:
            return _("by the end of {month}")
        case _:
            return "{day}"


def _weeks(label: Label) -> str:
    """The larger number stands next to the word, so it chooses the plural."""
    if not label.fewest:
        return ngettext("within %(most)s week", "within %(most)s weeks", label.most) % {"most": label.most}
    numbers = {"fewest": label.fewest, "most": label.most}
    return ngettext("in %(fewest)s–%(most)s week", "in %(fewest)s–%(most)s weeks", label.most) % numbers


def _language() -> str:
    return translation.get_language() or "en"


def day_as_time(moment: date | datetime) -> SafeString:
    """One day of the shop's calendar, written out: "January 15, 2027"."""
    from babel.dates import format_date  # slow import: locale data stay unread until needed

    day = moment.astimezone(timezone.get_default_timezone()).date() if isinstance(moment, datetime) else moment
    words = format_date(day, format="long", locale=babel_locale(_language()))
    return format_html('<time datetime="{}">{}</time>', day.isoformat(), words)


def split_in_words(parcels: int) -> str:
    """An order that is sent as it comes: "In 2 parcels", as far as anybody can say now."""
    return ngettext("In %(parcels)s parcel", "In %(parcels)s parcels", parcels) % {"parcels": parcels}


def moment_in_words(moment: datetime) -> str:
    """An instant on the clock of the active time zone, as plain text: "Tuesday, March 3, 8:00 AM (CET)"."""
    from babel.dates import format_skeleton, format_time, get_datetime_format

    here, locale = timezone.localtime(moment), babel_locale(_language())
    day = format_skeleton("MMMMEEEEd", here, tzinfo=here.tzinfo, fuzzy=True, locale=locale)
    clock = format_time(here, format="short", tzinfo=here.tzinfo, locale=locale)
    joined = str(get_datetime_format("medium", locale=locale)).replace("'", "").format(clock, day)
    return f"{joined} ({here.tzname()})"


def price_in_words(described: Described) -> str:
    """A described product's price as its reader writes money, or an empty string."""
    from babel.numbers import format_currency  # slow import: locale data stay unread until needed

    price = getattr(described, "price", None)
    if price is None:
        return ""
    return str(format_currency(price, described.currency or conf.currency, locale=babel_locale(_language())))


def _too_many(answer: Availability) -> Shown:
    most = answer.orderable.value
    badge = ngettext("Only %(most)s available", "Only %(most)s available", most) % {"most": most}
    return Shown(state=State.OUT_OF_STOCK.value, tone="gone", icon="cross", badge=badge)


def _broken_rule(answer: Availability, asked: int) -> Shown | None:
    """What the terms say of a line of the cart that is too small or too large for one order."""
    if asked < answer.terms.order_minimum:
        badge, line = _("Too few"), _least(answer)
    elif not answer.terms.order_maximum.covers(asked):
        badge, line = _("Too many"), _most(answer)
    else:
        return None
    return Shown(state=State.OUT_OF_STOCK.value, tone="gone", icon="cross", badge=badge, line=line)


def _least(answer: Availability) -> str:
    return _("Order at least %(least)s.") % {"least": answer.terms.order_minimum}


def _most(answer: Availability) -> str:
    return _("Order at most %(most)s.") % {"most": answer.terms.order_maximum.value}


def _partly_here(answer: Availability, asked: int) -> Shown:
    here, state = answer.for_sale.value, State.BACKORDER
    line = _("%(here)s can leave now, %(later)s follow when they arrive.") % {"here": here, "later": asked - here}
    if isinstance(answer.window, Window):
        line = format_html("{} {}", line, _shipping(answer.window))
    return Shown(state=state.value, tone=_TONES[state], icon=ICONS[state], badge=_("Partly on backorder"), line=line)


def _line_of(answer: Availability, *, is_cart: bool) -> str:
    match answer.state:
        case State.IN_STOCK:
            return "" if is_cart else _leaves_today()
        case State.LOW_STOCK:
            return _more(answer.more) or ("" if is_cart else _leaves_today())
        case State.BACKORDER if answer.is_made_to_order:
            return format_html("{} {}", _("Made for you."), _shipping(answer.window))
        case State.BACKORDER:
            return _shipping(answer.window)
        case State.PREORDER:
            return _released(answer, with_shipping=True)
        case State.COMING_SOON:
            return _released(answer, with_shipping=False)
        case State.OUT_OF_STOCK if answer.is_full:
            return format_html("{} {}", _("All that can be ordered ahead is taken."), _return(answer.window))
        case State.OUT_OF_STOCK:
            return _return(answer.window)
        case _:
            return ""


def _leaves_today() -> str:
    """Until ``CUT_OFF`` of a working day, where what is on the shelf needs no day to get to the carrier.

    The hour, and no "in the next 3 hours": a page is read later than it was drawn.
    """
    now = timezone.now()
    if conf.cut_off is None or conf.handling_days or working_day_of(now) != _today():
        return ""
    return _("Order by {hour}: leaves today").format(hour=_hour_in_words(now, conf.cut_off))


def _hour_in_words(now: datetime, hour: time) -> str:
    """An hour on the shop's clock; whoever reads by another is told whose it is: "2:00 PM (CET)"."""
    from babel.dates import format_time  # slow import: locale data stay unread until needed

    there = timezone.localtime(now, timezone.get_default_timezone())
    words = str(format_time(hour, format="short", locale=babel_locale(_language())))
    is_theirs = there.utcoffset() == timezone.localtime(now).utcoffset()
    return words if is_theirs else f"{words} ({there.tzname()})"


def _more(promise: Promise) -> str:
    """Only what was announced: nobody hurries because of a lead time."""
    if not isinstance(promise, Window) or promise.source is not Source.DELIVERY:
        return ""
    label = label_of(promise, today=_today())
    if not isinstance(label, Label):
        return ""
    sentence = _("More expected in {when}") if label.kind in _WITH_IN else _("More expected {when}")
    return format_html(sentence, when=_as_time(label, about="more"))


def _shipping(window: Promise) -> str:
    """We promise the upper end. No full stop after a date: many languages end one with a dot of its own."""
    promised = honest(window, today=_today())
    if not isinstance(promised, Window):
        return _no_date(promised, _("We do not know yet when it ships."))
    sentence = {
        Confidence.FIRM: _("Ships {when}"),
        Confidence.ESTIMATED: _("Expected to ship {when}"),
        Confidence.GUESS: _("May ship {when}; our supplier has not confirmed it"),
    }[promised.confidence]
    return format_html(sentence, when=_as_time(by_label_of(promised, today=_today())))


_WITH_IN = (Kind.EARLY, Kind.MID, Kind.LATE, Kind.MONTH, Kind.MONTHS)


def _return(window: Promise) -> str:
    label = label_of(window, today=_today())
    if not isinstance(label, Label):
        return _no_date(label, _("We do not know yet when it comes back."))
    sentence = _("Expected back in {when}") if label.kind in _WITH_IN else _("Expected back {when}")
    return format_html(sentence, when=_as_time(label))


def _no_date(answer: NoDate, unknown: str) -> str:
    return _("The delivery is late, and no new date is confirmed yet.") if answer.is_overdue else unknown


FAR_BACK = 1000
"""Behind so many people, the exact number says nothing more."""


def standing_in_words(standing: Standing) -> str:
    """Where somebody stands and what that is worth: "You are number 14 in line. 30 units are due Jun 12 – 18: very likely yours."

    Never a promise, and never a date that has passed.
    """
    return f"{_place(standing)} {_outlook(standing.due)}"


def _place(standing: Standing) -> str:
    if standing.position is None and conf.wave_order == Order.AGEING:
        return _("Lots are drawn among those who wait, with one more for each day of waiting.")
    if standing.position is None:
        return _("Lots are drawn among those who wait.")
    if standing.position > FAR_BACK + 1:
        return _("More than %(people)s people are before you.") % {
            "people": number_format(FAR_BACK, force_grouping=True)
        }
    return _("You are number %(position)s in line.") % {"position": standing.position}


def _outlook(due: Due | None) -> str:
    label = label_of(due.window, today=_today(), is_lasting=True) if due else NO_DATE
    if due is None or not isinstance(label, Label):
        return _("No delivery is announced yet.")
    sentence = (
        ngettext("%(units)s unit is due in %(when)s", "%(units)s units are due in %(when)s", due.units)
        if label.kind in _WITH_IN
        else ngettext("%(units)s unit is due %(when)s", "%(units)s units are due %(when)s", due.units)
    )
    named = sentence % {"units": number_format(due.units, force_grouping=True), "when": _words_of(label)}
    return _with_odds(due.odds).format(due=named)


def _with_odds(odds: Odds | None) -> str:
    match odds:
        case Odds.VERY_LIKELY:
            return _("{due}: very likely yours.")
        case Odds.LIKELY:
            return _("{due}: likely yours.")
        case Odds.EVEN:
            return _("{due}: an even chance for you.")
        case Odds.UNLIKELY:
            return _("{due}: not likely to reach you.")
        case Odds.HARDLY:
            return _("{due}: hardly a chance for you.")
        case None:
            return "{due}"


def _released(answer: Availability, *, with_shipping: bool) -> str:
    if answer.releases_at is None:
        return _release_day(answer)
    parts: list[str] = [_release_day(answer)]
    if answer.opens_at is not None and answer.opens_at > timezone.now():
        parts.append(format_html(_("Pre-orders open {day}."), day=day_as_time(answer.opens_at)))
    if with_shipping:
        released_on = answer.releases_at.astimezone(timezone.get_default_timezone()).date()
        is_on_release = isinstance(answer.window, Window) and answer.window.latest <= released_on
        parts.append(_("Ships from that day.") if is_on_release else _shipping(answer.window))
    return format_html(" ".join(["{}"] * len(parts)), *parts)


def _release_day(answer: Availability) -> str:
    if answer.releases_at is None:
        return _("The date will be announced.")
    is_out = answer.releases_at <= timezone.now()
    return format_html(_("Out since {day}.") if is_out else _("Out on {day}."), day=day_as_time(answer.releases_at))


def _note_of(answer: Availability, payment: str) -> str:
    """What it costs when comes first. Why it is away comes last, as the shop's staff wrote it, or as the shop's catalogue has that."""
    is_ahead = answer.state in (State.BACKORDER, State.PREORDER)
    notes = [
        payment if is_ahead else "",
        _small_print(answer),
        *_quantity_rules(answer),
        _in_readers_words(answer.reason),
    ]
    return format_html_join(" ", "{}", ((note,) for note in notes if note))


def _in_readers_words(reason: str) -> str:
    """A shop that repeats its reasons translates them once, among its own sentences."""
    return _(reason) if reason else ""


def _quantity_rules(answer: Availability) -> Iterator[str]:
    """What the checkout would refuse is said beforehand."""
    terms = answer.terms
    if not answer.can_order:
        return
    if terms.order_minimum > 1:
        yield _least(answer)
    if not terms.order_maximum.is_unlimited:
        yield _most(answer)
    if answer.state in (State.BACKORDER, State.PREORDER) and not terms.customer_limit.is_unlimited:
        yield _("At most %(most)s per customer.") % {"most": terms.customer_limit.value}


def _small_print(answer: Availability) -> str:
    """How sure the date is, what we write of, and until when one may change one's mind."""
    if answer.state not in (State.BACKORDER, State.PREORDER):
        return ""
    notes = [_sureness(answer), _news_to_come(answer.window)]
    if conf.customers_cancel:
        notes.append(_("Until it is ready, you can cancel free of charge."))
    return " ".join(filter(None, notes))


def _sureness(answer: Availability) -> str:
    if answer.state is not State.BACKORDER or not isinstance(answer.window, Window):
        return ""
    if answer.window.confidence is Confidence.FIRM:
        return ""
    said = [_("The date is an estimate.")] if answer.window.confidence is Confidence.ESTIMATED else []
    if answer.dates_kept is not None:
        said.append(_record(answer.dates_kept))
    return " ".join(said)


def _record(kept: int) -> str:
    """Of the last ten, however many it was: a record that is told only while it is good is none."""
    return _("Dates like this held for {kept} of the last {all} deliveries from this supplier.").format(
        kept=kept, all=RECORD
    )


def _news_to_come(window: Promise) -> str:
    if isinstance(window, Window):
        return _(
            "Orders are served first come, first served. We write to you as soon as yours is ready, and if the date moves."
        )
    return _(
        "Orders are served first come, first served. We write to you as soon as there is a date, and when yours is ready."
    )
