"""Wrong settings become sentences in ``manage.py check``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils.module_loading import import_string

from backorders.conf import Settings, read
from backorders.domain.calendars import public_holidays
from backorders.domain.colours import LEAST_CONTRAST, WHITE, contrast, is_colour
from backorders.domain.outbox import OF_AN_ORDER
from backorders.domain.quiet import quiet_hours
from backorders.domain.waves import Order
from backorders.queries.ics import can_write_calendars
from backorders.schedule import longest_send
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


@register()
def check_mail(**_: Any) -> list[CheckMessage]:
    """What is still missing before a mail can leave with links that work."""
    current = read()
    return [*_site(current), *_sender(current), *_verified_email(current)]


def _site(current: Settings) -> Iterator[CheckMessage]:
    site = urlsplit(current.site_url) if isinstance(current.site_url, str) else urlsplit("")
    if site.scheme not in ("http", "https") or not site.hostname:
        missing = "BACKORDERS['SITE_URL'] is missing or no web address; links in mails need it."
        hint = "Set it to the public address of this Django site, such as 'https://shop.example'."
        yield Error(missing, hint=hint, id="backorders.E005")
    elif site.path.strip("/"):
        lost = f"BACKORDERS['SITE_URL'] = '{current.site_url}' has a path, which links in mails would lose."
        hint = "Leave the path out; where our pages stand below it is up to your URLs (or FORCE_SCRIPT_NAME)."
        yield Error(lost, hint=hint, id="backorders.E005")


def _sender(current: Settings) -> Iterator[CheckMessage]:
    if (current.from_email or settings.DEFAULT_FROM_EMAIL) == "webmaster@localhost":
        refused = "Mails would be sent from webmaster@localhost, which most servers refuse."
        yield Warning(refused, hint="Set DEFAULT_FROM_EMAIL, or BACKORDERS['FROM_EMAIL'].", id="backorders.W002")
    mailers = getattr(settings, "MAILERS", None)  # Django 6.1; there, reading EMAIL_* beside it raises
    if mailers is not None and current.mailer not in mailers:
        near = did_you_mean(current.mailer, list(mailers))
        yield Error(f"BACKORDERS['MAILER'] = '{current.mailer}' is not in MAILERS.{near}", id="backorders.E006")


def _verified_email(current: Settings) -> Iterator[CheckMessage]:
    try:
        import_string(current.verified_email)
    except (ImportError, AttributeError, TypeError) as error:
        told = f"BACKORDERS['VERIFIED_EMAIL'] = {current.verified_email!r} cannot be imported: {error}."
        yield Error(told, id="backorders.E007")


@register(Tags.urls)
def check_urls(**_: Any) -> list[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        reverse("backorders:confirm", args=["token"])
    except NoReverseMatch:
        hint = "Add path('backorders/', include('backorders.urls')) to your urlpatterns."
        return [Error("The pages behind the links in our mails are not in your URLs.", hint=hint, id="backorders.E008")]
    return []


@register(Tags.urls)
def check_webhooks(**_: Any) -> list[CheckMessage]:
    """Whoever can post to an open webhook can silence any address. Including ``anymail.urls`` opens those of all providers."""
    if not getattr(settings, "ROOT_URLCONF", None) or not (open_ones := sorted(set(_open_webhooks()))):
        return []
    wanted = "Set ANYMAIL = {'WEBHOOK_SECRET': '<random>:<random>'} and put it into the address you give your provider,"
    hint = f"{wanted} https://<random>:<random>@shop.example/… Or have in your URLs only the webhook of a provider that signs."
    told = f"Anybody may post mail events here, for Anymail's webhooks have no secret: {', '.join(open_ones)}."
    return [Error(told, hint=hint, id="backorders.E011")]


def _open_webhooks() -> Iterator[str]:
    """Providers whose tracking webhook is in the URLs and answers without a secret or a signature."""
    try:
        from anymail.signals import inbound
        from anymail.webhooks.base import AnymailCoreWebhookView
    except ImportError:
        return
    for pattern in _all_patterns(get_resolver().url_patterns):
        view = getattr(pattern.callback, "view_class", None)
        if view is None or not issubclass(view, AnymailCoreWebhookView) or view.signal is inbound:
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                made = view(**pattern.callback.view_initkwargs)
        except Exception:  # noqa: S112 - it lacks a key it cannot do without, and refuses to answer
            continue
        if getattr(made, "warn_if_no_basic_auth", False) and not getattr(made, "basic_auth", None):
            yield made.esp_name


def _all_patterns(patterns: Iterable[Any]) -> Iterator[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _all_patterns(pattern.url_patterns)
        else:
            yield pattern


@register()
def check_lease(**_: Any) -> list[CheckMessage]:
    current = read()
    times, lanes = (current.lease, current.mail_timeout), current.mail_connections
    if not all(isinstance(span, timedelta) for span in times) or not isinstance(lanes, int):
        return []  # said elsewhere
    wait = max(current.mail_timeout, *map(_as_span, _time_outs_of_the_shop(current)), key=timedelta.total_seconds)
    least = (lanes + 2) * wait
    if current.lease >= least:
        return []
    hint = f"Set it to at least {least}: the mail server's time-out of {wait} for each of {lanes} MAIL_CONNECTIONS, and twice more."
    return [
        Warning(
            "BACKORDERS['LEASE'] is so short that a slow mail server makes two workers send one mail.",
            hint=hint,
            id="backorders.W005",
        )
    ]


def _time_outs_of_the_shop(current: Settings) -> Iterator[Any]:
    """The shop's own, in seconds: of Django's mail, and of Anymail, where it may be one for connecting and one for the answer."""
    mailers = getattr(settings, "MAILERS", None)  # Django 6.1; there, reading EMAIL_* beside it raises
    if mailers is None:
        yield getattr(settings, "EMAIL_TIMEOUT", None)
    else:
        yield mailers.get(current.mailer, {}).get("OPTIONS", {}).get("timeout")
    told = getattr(settings, "ANYMAIL", {}).get("REQUESTS_TIMEOUT")
    yield sum(told) if isinstance(told, (tuple, list)) else told


def _as_span(seconds: Any) -> timedelta:
    return timedelta(seconds=seconds) if isinstance(seconds, (int, float)) else timedelta(0)


@register()
def check_celery(**_: Any) -> list[CheckMessage]:
    """What of the app's Celery would lose, repeat or hold up our work. Without a broker there is nothing to say."""
    celery = current_app.conf
    return list(_celery(celery)) if celery.broker_url else []


_SHORTEST_VISIBILITY = 60
"""Seconds. A tick of ours takes five, and a slow mail server may hold it up for another thirty."""


def _celery(celery: Any) -> Iterator[CheckMessage]:
    scheme = str(celery.broker_url).partition(":")[0]
    if scheme.startswith(("filesystem", "sqla", "memory")):
        yield Warning(
            f"Celery's broker {scheme}:// loses hints or takes seconds for each.",
            hint="Use Redis or RabbitMQ, or no broker at all and `manage.py backorders_worker`.",
            id="backorders.W007",
        )
    timeout = (celery.broker_transport_options or {}).get("visibility_timeout")
    if timeout is not None and timeout < _SHORTEST_VISIBILITY:
        yield Warning(
            f"Celery's visibility_timeout of {timeout} s makes Redis give running tasks to a second worker.",
            hint="Set it to 600, or use backorders.schedule.celery_settings().",
            id="backorders.W008",
        )
    yield from _late_acknowledgement(celery)
    yield from _time_limit(celery)
    if {"pickle", "yaml"} & {str(kind) for kind in celery.accept_content or ()}:
        yield Warning(
            "Celery accepts pickle or yaml: whoever can write to the broker can run code.",
            hint="Set accept_content = ['json']; tasks of backorders need no more.",
            id="backorders.W009",
        )
    is_plain_beat = str(celery.beat_scheduler or "").endswith("PersistentScheduler")
    if is_plain_beat and not any(str(name).startswith("backorders.") for name in celery.beat_schedule or {}):
        yield Warning(
            "Celery's beat does not know our jobs: a lost hint would hold mail up for ever.",
            hint="Add app.conf.beat_schedule.update(backorders.schedule.beat_schedule()), as in docs/mail.md.",
            id="backorders.W010",
        )


def _late_acknowledgement(celery: Any) -> Iterator[CheckMessage]:
    if not celery.task_acks_late:
        yield Warning(
            "Celery's task_acks_late is off: what a killed worker was doing is done by nobody until the schedule comes round.",
            hint="Set task_acks_late = True, or use backorders.schedule.celery_settings().",
            id="backorders.W011",
        )
    elif not celery.task_reject_on_worker_lost:
        yield Warning(
            "Celery's task_reject_on_worker_lost is off: the task of a worker process that was killed counts as done.",
            hint="Set task_reject_on_worker_lost = True, or use backorders.schedule.celery_settings().",
            id="backorders.W012",
        )
    if celery.worker_prefetch_multiplier == 0 or celery.worker_prefetch_multiplier > _MOST_PREFETCHED:
        number = celery.worker_prefetch_multiplier or "any number of"
        yield Warning(
            f"Celery fetches {number} messages for each process: hints wait behind a task of five seconds while others are idle.",
            hint="Set worker_prefetch_multiplier = 1, or use backorders.schedule.celery_settings().",
            id="backorders.W013",
        )


_MOST_PREFETCHED = 4
"""Celery's own default, which is bearable."""


def _time_limit(celery: Any) -> Iterator[CheckMessage]:
    limits = [limit for limit in (celery.task_time_limit, celery.task_soft_time_limit) if limit]
    least = longest_send()
    if limits and min(limits) < least:
        yield Warning(
            f"Celery ends tasks after {min(limits)} s, while a mail server that says nothing may hold one up for {least} s.",
            hint=f"Set task_time_limit to {least} or more, or MAIL_TIMEOUT to less.",
            id="backorders.W014",
        )


@register()
def check_frame(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not settings.USE_TZ:
        found.append(
            Error(
                "USE_TZ is False; promises and leases need aware instants.",
                hint="Set USE_TZ = True.",
                id="backorders.E009",
            )
        )
    if not apps.is_installed("django.contrib.contenttypes"):
        found.append(
            Error(
                "django.contrib.contenttypes is not installed.", hint="Add it to INSTALLED_APPS.", id="backorders.E010"
            )
        )
    return found


@register()
def check_databases(**_: Any) -> list[CheckMessage]:
    """Without IMMEDIATE two writers on SQLite fail at once with "database is locked", whatever the time-out."""
    found: list[CheckMessage] = []
    for alias in connections:
        options = connections[alias].settings_dict.get("OPTIONS", {})
        if connections[alias].vendor not in ("sqlite", "postgresql"):
            hint = "Use PostgreSQL or SQLite; others may be added when somebody tests them."
            found.append(
                Warning(
                    f"The database '{alias}' is neither PostgreSQL nor SQLite, which backorders is tested on.",
                    hint=hint,
                    id="backorders.W006",
                )
            )
        if connections[alias].vendor == "sqlite" and str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
            wanted = "{'transaction_mode': 'IMMEDIATE', 'timeout': 20, 'init_command': 'PRAGMA journal_mode=WAL;'}"
            hint = f"Set DATABASES['{alias}']['OPTIONS'] = {wanted}."
            found.append(
                Warning(
                    "SQLite without IMMEDIATE transactions locks up as soon as two processes write.",
                    hint=hint,
                    id="backorders.W003",
                )
            )
    return found
