"""What is missing before a mail can leave with links that work, and what would send one twice or silence its reader."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils.module_loading import import_string

from backorders.conf import Settings, read
from backorders.shop.paths import did_you_mean


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
