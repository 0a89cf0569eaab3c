"""Dates in words: the finest label whose own days contain the window, and a label of its own for the day we stand by.

What to say is chosen here, in plain Python. Babel says it in days and months of any language; the sentences around them
("early {month}", "in 2–3 weeks", "by the end of {month}") are translated in ``storefront.wording``.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from backorders.domain.windows import Confidence, NoDate, Promise, Window, honest

_DAYS_WIDE, _DAYS_AHEAD = 6, 28
_WEEKS_WIDE, _WEEKS_AHEAD = 21, 56
_THIRDS_AHEAD = 122
"""How wide a window may be, and how many days ahead it may end, to be put so; farther out it would be false precision."""


class Kind(StrEnum):
    """What a label names: where a window lies, or (``BY_…``) its upper end alone."""

    TODAY = "today"
    DAY = "day"
    DAYS = "days"
    EARLY = "early"
    MID = "mid"
    LATE = "late"
    WEEKS = "weeks"
    MONTH = "month"
    MONTHS = "months"
    BY_DAY = "by_day"
    BY_MIDDLE = "by_middle"
    BY_END = "by_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Words for a window, in no language yet. Two labels are equal where their words are.

    ``name`` says it in figures: "2027-05-12/2027-05-16", "early 2027-05", "2-3 weeks". ``first`` and ``last`` are the days
    that the words imply, none of them before the day on which they are said. ``fewest`` and ``most``: weeks from then, of
    ``WEEKS`` only. ``has_year``: the words name the year, because it is not this one.
    """

    kind: Kind
    name: str
    first: date = field(compare=False)
    last: date = field(compare=False)
    fewest: int = 0
    most: int = 0
    has_year: bool = field(default=False, compare=False)


def label_of(promise: Promise, *, today: date, is_lasting: bool = False) -> Label | NoDate:
    """This will choose the finest words for a window: those that contain it and imply the fewest days.

    A guess gets the next wider ones, and never names a day.
    ``is_lasting``: words that still hold when they are read days later, as mails and orders are; no "today", no weeks.
    A window that is over becomes ``OVERDUE``; what has no date stays as it is.
    """
    return _finest(promise, (_days, _third, _months) if is_lasting else _OFFERS, today)


def by_label_of(promise: Promise, *, today: date, is_lasting: bool = False) -> Label | NoDate:
    """This will put the upper end of a window into words, never a day too early: "today", "by 16 May", "by the end of May".

    There is no "by early May", which names no day, and no "within 3 weeks", which moves while nothing has changed. A guess
    is put one step wider: "by the middle of May", "by the end of May".
    """
    window = honest(promise, today=today)
    if not isinstance(window, Window):
        return window
    is_guess = window.confidence is Confidence.GUESS
    said_now = None if is_lasting or is_guess else _today(window, today)
    return said_now or _by(window.latest, today, is_guess=is_guess)


def is_same_promise(old: Promise, new: Promise, *, today: date) -> bool:
    """Would a customer see no difference if the one took the place of the other today?

    Asked of the upper end in its lasting words, which is what orders and mails promise. How certain the date is, is not
    compared.
    """
    old_words, new_words = (by_label_of(_as_estimate(one), today=today, is_lasting=True) for one in (old, new))
    return old_words == new_words


def _as_estimate(promise: Promise) -> Promise:
    return replace(promise, confidence=Confidence.ESTIMATED) if isinstance(promise, Window) else promise


# choosing


def _finest(promise: Promise, offers: Iterable[Callable[[Window, date], Label | None]], today: date) -> Label | NoDate:
    """Months are always offered."""
    window = honest(promise, today=today)
    if not isinstance(window, Window):
        return window
    labels = [label for offer in offers if (label := offer(window, today)) is not None]
    finest = min(labels, key=_width)
    return finest if window.confidence is not Confidence.GUESS else _next_wider(finest, labels)


def _width(label: Label) -> timedelta:
    return label.last - label.first


def _next_wider(finest: Label, labels: Iterable[Label]) -> Label:
    """One step, for a date that nobody has confirmed: of words that name no day, the finest beyond those it would have had."""
    vague = [label for label in labels if label.kind not in _NAMED_DAYS]
    wider = vague if finest.kind in _NAMED_DAYS else [label for label in vague if _width(label) > _width(finest)]
    return min(wider, key=_width, default=finest)


_NAMED_DAYS = (Kind.TODAY, Kind.DAY, Kind.DAYS)


def _today(window: Window, today: date) -> Label | None:
    return _label(Kind.TODAY, "today", today, today, today) if window.latest == today else None


def _days(window: Window, today: date) -> Label | None:
    first, last = window.earliest, window.latest
    if (last - first).days > _DAYS_WIDE or (last - today).days > _DAYS_AHEAD:
        return None
    return _label(Kind.DAY if first == last else Kind.DAYS, _span(str(first), str(last)), first, last, today)


def _third(window: Window, today: date) -> Label | None:
    kind, first, last = _third_around(window.earliest)
    if window.latest > last or (window.latest - today).days > _THIRDS_AHEAD:
        return None
    return _label(kind, f"{kind} {first:%Y-%m}", first, last, today)


def _third_around(day: date) -> tuple[Kind, date, date]:
    if day.day <= 10:
        return Kind.EARLY, day.replace(day=1), day.replace(day=10)
    if day.day <= 20:
        return Kind.MID, day.replace(day=11), day.replace(day=20)
    return Kind.LATE, day.replace(day=21), _end_of_month(day)


def _weeks(window: Window, today: date) -> Label | None:
    """Whole weeks from today, down and up; never one number alone, which would name a single day far ahead."""
    near, far = (window.earliest - today).days, (window.latest - today).days
    if far - near > _WEEKS_WIDE or far > _WEEKS_AHEAD:
        return None
    fewest = near // 7
    most = max(-(-far // 7), fewest + 1)
    first, last = today + timedelta(weeks=fewest), today + timedelta(weeks=most)
    return Label(kind=Kind.WEEKS, name=f"{fewest}-{most} weeks", first=first, last=last, fewest=fewest, most=most)


def _months(window: Window, today: date) -> Label:
    first, last = window.earliest.replace(day=1), _end_of_month(window.latest)
    name = _span(f"{first:%Y-%m}", f"{last:%Y-%m}")
    return _label(Kind.MONTHS if "/" in name else Kind.MONTH, name, first, last, today)


def _by(day: date, today: date, *, is_guess: bool) -> Label:
    """The middle of a month is its 15th: who is promised the middle does not mean the 20th."""
    ahead = (day - today).days
    if ahead <= _DAYS_AHEAD and not is_guess:
        return _label(Kind.BY_DAY, f"by {day}", today, day, today)
    if ahead <= (_DAYS_AHEAD if is_guess else _THIRDS_AHEAD) and day.day <= 15:
        return _label(Kind.BY_MIDDLE, f"by the middle of {day:%Y-%m}", today, day.replace(day=15), today)
    return _label(Kind.BY_END, f"by the end of {day:%Y-%m}", today, _end_of_month(day), today)


_OFFERS = (_today, _days, _third, _weeks, _months)
"""Finest first, for where two imply equally many days."""


def _label(kind: Kind, name: str, first: date, last: date, today: date) -> Label:
    """Who reads "early May" on 5 May knows that four of its days are over."""
    return Label(kind=kind, name=name, first=max(first, today), last=last, has_year=last.year != today.year)


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first}/{last}"


def _end_of_month(day: date) -> date:
    """By the calendar and not by adding days, which ends in an error on 31 December 9999."""
    return day.replace(day=monthrange(day.year, day.month)[1])


# saying it in days and months


def calendar_words(label: Label, *, language: str) -> str:
    """The days or months a label names, bare: "12 – 16 May" for ``DAYS``, "May" for ``EARLY`` and for ``BY_END``."""
    locale = babel_locale(language)
    match label.kind:
        case Kind.TODAY | Kind.DAY | Kind.BY_DAY:
            return _day_in(locale, label)
        case Kind.DAYS | Kind.WEEKS:
            return _days_in(locale, label)
        case Kind.MONTHS:
            return _months_in(locale, label)
        case _:
            return _month_in(locale, label.last, has_year=label.has_year)


def _day_in(locale: str, label: Label) -> str:
    from babel.dates import format_skeleton  # slow import: 33 MB of locale data stay unread until needed

    return str(format_skeleton(_skeleton(label), label.last, locale=locale))


def _days_in(locale: str, label: Label) -> str:
    from babel.dates import format_interval  # slow import, see above

    return str(format_interval(label.first, label.last, _skeleton(label), locale=locale))


def _skeleton(label: Label) -> str:
    return "yMMMd" if label.has_year else "MMMd"


def _month_in(locale: str, day: date, *, has_year: bool) -> str:
    """Without its year by format and not by skeleton: where a language has none for "MMMM", Babel takes a shortened one."""
    from babel.dates import format_date, format_skeleton  # slow import, see above

    words = format_skeleton("yMMMM", day, locale=locale) if has_year else format_date(day, "LLLL", locale=locale)
    return str(words)


def _months_in(locale: str, label: Label) -> str:
    from babel import Locale  # slow import, see above
    from babel.dates import format_interval

    if label.has_year:
        return str(format_interval(label.first, label.last, "yMMMM", locale=locale))
    first, last = (_month_in(locale, day, has_year=False) for day in (label.first, label.last))
    pattern = str(Locale.parse(locale).interval_formats[None])
    return pattern.replace("{0}", first).replace("{1}", last)


def babel_locale(language: str) -> str:
    """Babel's name of a Django language code: ``pt-br`` -> ``pt_BR``; what Babel does not know falls back to its base, then English."""
    from babel import Locale, UnknownLocaleError  # slow import, see above

    for name in (language, language.split("-", 1)[0], "en"):
        try:
            return str(Locale.parse(name, sep="-"))
        except (UnknownLocaleError, ValueError):
            continue
    return "en"
