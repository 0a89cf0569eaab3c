"""Dates in words: the finest label whose own interval contains the window, through Babel."""

from __future__ import annotations

from datetime import date, timedelta

from backorders.domain.windows import Window

_PRECISE_DAYS = 6
_PRECISE_HORIZON = 28


def days_of(window: Window, *, today: date) -> tuple[date, date, str]:
    """This will choose what to say: ``(from, to, skeleton)`` with [from, to] containing the window.

    Up to six days wide and four weeks ahead the days are named; wider or farther ahead only months are, since more
    would be false precision.
    """
    width = (window.latest - window.earliest).days
    if width <= _PRECISE_DAYS and (window.latest - today).days <= _PRECISE_HORIZON:
        skeleton = "MMMd" if window.latest.year == today.year else "yMMMd"
        return window.earliest, window.latest, skeleton
    first = window.earliest.replace(day=1)
    after = (window.latest.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first, after - timedelta(days=1), "yMMMM"


def phrase(window: Window, *, today: date, language: str) -> str:
    """The window in words of ``language``: "4 – 8 Dec", "4.–8. Dez.", "December 2026"."""
    from babel.dates import (
        format_interval,
        format_skeleton,
    )  # slow import: 33 MB of locale data stay unread until needed

    locale = babel_locale(language)
    first, last, skeleton = days_of(window, today=today)
    if skeleton == "yMMMM" and (first.year, first.month) == (last.year, last.month):
        return str(format_skeleton(skeleton, first, locale=locale))
    if first == last:
        return str(format_skeleton(skeleton, first, locale=locale))
    return str(format_interval(first, last, skeleton, locale=locale))


def babel_locale(language: str) -> str:
    """Babel's name of a Django language code: ``pt-br`` -> ``pt_BR``; what Babel does not know falls back to its base, then English."""
    from babel import Locale, UnknownLocaleError  # slow import, see above

    for name in (language, language.split("-", 1)[0], "en"):
        try:
            return str(Locale.parse(name, sep="-"))
        except (UnknownLocaleError, ValueError):
            continue
    return "en"
