"""``BACKORDERS``: what each setting may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from backorders.conf import Settings
from backorders.domain.calendars import public_holidays
from backorders.domain.colours import LEAST_CONTRAST, WHITE, contrast, is_colour
from backorders.domain.outbox import OF_AN_ORDER
from backorders.domain.quiet import quiet_hours
from backorders.domain.waves import Order
from backorders.queries.ics import can_write_calendars
from backorders.shop.checking import doubts_about, problems_of
from backorders.shop.paths import did_you_mean

LEAST = dict.fromkeys(("low_stock_at", "safety_stock", "receiving_days", "handling_days", "most_overtakes"), 0)
"""The smallest sensible number of a setting; 1 where nothing is said."""

CHOICES = {
    "default_policy": ("stop", "backorder", "made_to_order"),
    "on_unknown": ("resend", "hold"),
    "allocation": ("strict", "skip"),
    "wave_order": tuple(order.value for order in Order),
}

NUMBERS_OR_NONE = ("backorder_limit", "customer_limit", "lead_days")
"""Settings whose default is ``None``: nothing is said."""

SPANS_OR_NONE = ("priority_leap", "hold_for", "requests_end_after")
"""Durations that may be ``None``: turned off."""


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    given = getattr(settings, "BACKORDERS", None)
    if given is None:
        return [
            Warning(
                "BACKORDERS is not set; nothing is sellable yet.",
                hint="Run `manage.py backorders_init`.",
                id="backorders.W001",
            )
        ]
    if not isinstance(given, Mapping):
        return [Error(f"BACKORDERS has to be a dict, not {type(given).__name__}.", id="backorders.E001")]
    return [*_names(given), *_values(given), *_colours(given), *_sellables(given.get("SELLABLES", {}))]


def _names(given: Mapping[str, Any]) -> Iterator[CheckMessage]:
    known = [f.name.upper() for f in fields(Settings)]
    for name in given:
        if name not in known:
            yield Error(
                f"BACKORDERS['{name}'] is no setting.{did_you_mean(str(name).upper(), known)}", id="backorders.E002"
            )


def _values(given: Mapping[str, Any]) -> Iterator[CheckMessage]:
    defaults = Settings()
    for name, value in given.items():
        if told := _wrong_of_its_kind(str(name).lower(), value):
            yield Error(f"BACKORDERS['{name}'] = {value!r} {told}", id="backorders.E003")
            continue
        default = getattr(defaults, str(name).lower(), None)
        choices = CHOICES.get(str(name).lower())
        if choices and value not in choices:
            yield Error(
                f"BACKORDERS['{name}'] = {value!r} has to be one of {', '.join(map(repr, choices))}.",
                id="backorders.E003",
            )
        elif str(name).lower() in SPANS_OR_NONE:
            continue  # judged above; it may be None
        elif isinstance(default, timedelta) and not (isinstance(value, timedelta) and value > timedelta(0)):
            yield Error(
                f"BACKORDERS['{name}'] = {value!r} has to be a positive datetime.timedelta.", id="backorders.E003"
            )
        elif isinstance(default, bool) and not isinstance(value, bool):
            yield Error(f"BACKORDERS['{name}'] = {value!r} has to be True or False.", id="backorders.E003")
        elif type(default) is int and (type(value) is not int or value < LEAST.get(str(name).lower(), 1)):
            least = LEAST.get(str(name).lower(), 1)
            yield Error(
                f"BACKORDERS['{name}'] = {value!r} has to be a whole number, {least} or more.", id="backorders.E003"
            )
        elif isinstance(default, float) and not (type(value) in (int, float) and 0 < value < 1):
            yield Error(
                f"BACKORDERS['{name}'] = {value!r} has to be a share between 0 and 1, such as 0.03.",
                id="backorders.E003",
            )
        elif isinstance(default, str) and not isinstance(value, str):
            yield Error(f"BACKORDERS['{name}'] = {value!r} has to be text.", id="backorders.E003")


def _colours(given: Mapping[str, Any]) -> Iterator[CheckMessage]:
    colour = given.get("MAIL_COLOR", Settings.mail_color)
    if is_colour(colour) and (found := contrast(colour, WHITE)) < LEAST_CONTRAST:
        yield Warning(
            f"BACKORDERS['MAIL_COLOR'] = {colour!r} is hard to read: as a link it has a contrast of {found:.1f} to white.",
            hint=f"Take a darker one, of {LEAST_CONTRAST} or more.",
            id="backorders.W015",
        )


def _wrong_of_its_kind(name: str, value: Any) -> str:
    """What is wrong with a setting of a kind of its own: working days, times, and numbers that may be ``None``."""
    if name in NUMBERS_OR_NONE and value is not None and (type(value) is not int or value < 0):
        return "has to be a whole number, 0 or more, or None."
    if name in SPANS_OR_NONE and value is not None and not (isinstance(value, timedelta) and value > timedelta(0)):
        return "has to be a positive datetime.timedelta, or None."
    if name == "cut_off" and value is not None and (not isinstance(value, time) or value.tzinfo is not None):
        return "has to be a datetime.time without a time zone, such as time(14, 30), or None."
    if name == "quiet_hours" and value is not None and not _are_quiet_hours(value):
        return 'has to be two different times of the day, such as ("21:00", "08:00"), or None.'
    if name == "closed_weekdays":
        is_list = isinstance(value, (tuple, list, set, frozenset))
        if not is_list or not set(value) <= set(range(7)) or len(set(value)) > 6:
            return "has to be a tuple of weekdays from 0 (Monday) to 6 (Sunday), not all seven."
    if name == "closed_days":
        days = value if isinstance(value, (tuple, list, set, frozenset)) else [None]
        if any(isinstance(day, datetime) or not isinstance(day, date) for day in days):
            return "has to be a tuple of datetime.date values."
    if name == "holidays" and isinstance(value, str) and value:
        return _wrong_holidays(value)
    if name == "mail_calendar" and value is True and not can_write_calendars():
        return "needs the icalendar package: pip install 'backorders[ics]'."
    if name == "mails_off":
        kinds = value if isinstance(value, (tuple, list, set, frozenset)) else [None]
        if any(kind not in list(OF_AN_ORDER) for kind in kinds):
            return f"has to be a tuple of mails about orders: {', '.join(OF_AN_ORDER)}."
    if name == "mail_color" and not is_colour(value):
        return "has to be a colour of the form '#rrggbb', such as '#1d4f91'."
    if name == "mail_logo" and isinstance(value, str) and not _is_address(value):
        return "has to be the address of a picture (http or https), or a path on the shop's site."
    if name == "order_url" and value and not (isinstance(value, str) and ("{order}" in value or "{line}" in value)):
        return "has to be an address with {order} or {line} in it, such as '/orders/{order}/'."
    if name == "mail_rate" and value is not None and not _is_pace(value):
        return "has to be a number of mails a second above 0, or None."
    if name == "mail_rate_by_domain" and not (
        isinstance(value, Mapping) and all(_is_domain(domain) and _is_pace(rate) for domain, rate in value.items())
    ):
        return "has to be a dict of domains and mails a second above 0, such as {'gmail.com': 5}."
    return ""


def _is_address(value: str) -> bool:
    try:
        return urlsplit(value).scheme in ("", "http", "https")
    except ValueError:
        return False


def _are_quiet_hours(value: Any) -> bool:
    try:
        quiet_hours(*value)
    except (TypeError, ValueError):
        return False
    return True


def _is_pace(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < float("inf")


def _is_domain(value: Any) -> bool:
    return isinstance(value, str) and "." in value and "@" not in value and not value.startswith("*")


def _wrong_holidays(place: str) -> str:
    try:
        public_holidays(place, date.today().year)  # noqa: DTZ011 - any year would do
    except ImportError:
        return "needs the holidays package: pip install 'backorders[holidays]'."
    except (NotImplementedError, KeyError, ValueError) as error:
        return f"is no place whose public holidays are known: {error}"
    return ""


def _sellables(sellables: Any) -> Iterator[CheckMessage]:
    if not isinstance(sellables, Mapping):
        yield Error(
            f"BACKORDERS['SELLABLES'] has to be a dict of model labels, not {type(sellables).__name__}.",
            id="backorders.E004",
        )
        return
    if not sellables:
        yield Warning(
            "BACKORDERS['SELLABLES'] is empty; nothing is sellable yet.",
            hint="Run `manage.py backorders_init`.",
            id="backorders.W001",
        )
    for label, options in sellables.items():
        problems = [Error(f"BACKORDERS: {problem}", id="backorders.E004") for problem in problems_of(label, options)]
        yield from problems
        if not problems:
            yield from (Warning(f"BACKORDERS: {doubt}", id="backorders.W004") for doubt in doubts_about(label, options))
    yield from _named_twice(sellables)


def _named_twice(sellables: Mapping[str, Any]) -> Iterator[CheckMessage]:
    labels = [str(label).lower() for label in sellables]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield Error(f"BACKORDERS['SELLABLES'] names {label} twice. Keep one of the entries.", id="backorders.E004")
