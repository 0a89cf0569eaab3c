"""What a mail looks like: one of the outbox as it would leave now, and an example of each kind. To look changes nothing."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import get_language_bidi, get_language_info, gettext_lazy, override
from django.utils.translation import gettext as _

from backorders.admin.base import Page
from backorders.admin.look import masked_within, may_see_addresses, state_badge
from backorders.admin.words import why
from backorders.domain.outbox import MailState, Outcome
from backorders.domain.schemes import in_scheme
from backorders.errors import InvalidAddress
from backorders.models import OutgoingMail
from backorders.queries.preview import Preview, latest_of_each_kind, mail_to_preview, previews_of
from backorders.services.preview import send_test

_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' http: https: data:; "
    "font-src http: https: data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""A mail brings styles of its own and shows pictures; it runs nothing, sends nothing and opens nothing."""


class LookForm(forms.Form):
    language = forms.ChoiceField(label=gettext_lazy("Language"), required=False)
    scheme = forms.ChoiceField(
        label=gettext_lazy("Colours"),
        required=False,
        choices=[("light", gettext_lazy("light")), ("dark", gettext_lazy("dark"))],
    )
    width = forms.ChoiceField(
        label=gettext_lazy("Width"),
        required=False,
        choices=[("wide", gettext_lazy("desktop")), ("phone", gettext_lazy("phone (375 px)"))],
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.fields["language"].choices = [("", gettext_lazy("the reader's own")), *_languages()]  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, str]:
        """What is no choice counts as not chosen: the address may have been typed by hand."""
        self.full_clean()
        asked = {name: self.cleaned_data.get(name, "") for name in self.fields}
        return {**asked, "scheme": asked["scheme"] or "light", "width": asked["width"] or "wide"}


def _languages() -> list[tuple[str, str]]:
    """Each by its own name, as the shop offers them."""
    return [(code, _name_of_language(code, str(name))) for code, name in settings.LANGUAGES]


def _name_of_language(code: str, otherwise: str = "") -> str:
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return otherwise or code


def preview_page(page: Page, request: HttpRequest, pk: int) -> HttpResponse:
    """For whoever may see the outbox; also sends a test to their own address, which is the only thing it ever does."""
    mail = _mail(page, request, pk)
    form = LookForm(request.POST if request.method == "POST" else request.GET)
    look = form.chosen()
    if request.method == "POST":
        _send_test(page, request, mail, look["language"])
        return HttpResponseRedirect(f"{request.path}?{urlencode(look)}")
    preview = _written(request, [mail], look["language"])[0]
    context = {
        **page.page_context(request, title=_("Preview: %(mail)s") % {"mail": mail.get_kind_display()}),
        **_shown(page, preview, look),
        "form": LookForm(look),
        "look": look,
        "own_address": _own_address(request),
        "back": page.link("outgoingmail_change", mail.pk),
        "kinds_url": page.link("outgoingmail_kinds"),
    }
    return TemplateResponse(request, "backorders/admin/preview.html", context)


def body_page(page: Page, request: HttpRequest, pk: int) -> HttpResponse:
    """The HTML part alone, for the frame."""
    mail, look = _mail(page, request, pk), LookForm(request.GET).chosen()
    html = _inert(_written(request, [mail], look["language"])[0].html, scheme=look["scheme"])
    return HttpResponse(html, headers={"Content-Security-Policy": _POLICY, "X-Frame-Options": "SAMEORIGIN"})


def kinds_page(page: Page, request: HttpRequest) -> HttpResponse:
    """Each kind of mail with an example from the shop's own rows."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    look = LookForm(request.GET).chosen()
    latest = latest_of_each_kind()
    previews = {preview.mail.kind: preview for preview in _written(request, list(latest.values()), look["language"])}
    kinds = [
        {"name": kind.label, "key": kind.value, **(_shown(page, previews[kind], look) if kind in previews else {})}
        for kind in OutgoingMail.Kind
    ]
    context = {
        **page.page_context(request, title=_("Mails, kind by kind")),
        "form": LookForm(look),
        "look": look,
        "kinds": kinds,
    }
    return TemplateResponse(request, "backorders/admin/kinds.html", context)


def _mail(page: Page, request: HttpRequest, pk: int) -> OutgoingMail:
    if not page.has_view_permission(request):
        raise PermissionDenied
    mail = mail_to_preview(pk)
    if mail is None:
        raise Http404
    return mail


def _written(request: HttpRequest, mails: list[OutgoingMail], language: str) -> list[Preview]:
    return previews_of(mails, now=timezone.now(), language=language, with_addresses=may_see_addresses(request))


def _shown(page: Page, preview: Preview, look: dict[str, str]) -> dict[str, Any]:
    mail, message = preview.mail, preview.message
    with override(preview.language):
        direction = "rtl" if get_language_bidi() else "ltr"
    asked = urlencode({name: look[name] for name in ("language", "scheme")})
    return {
        "mail": mail,
        "preview": preview,
        "state": state_badge(mail),
        "fate": _fate(preview),
        "trouble": masked_within(why(preview.trouble)),
        "subject": message.subject if message else "",
        "sender": (message.from_email or settings.DEFAULT_FROM_EMAIL) if message else "",
        "recipient": ", ".join(message.to) if message else "",
        "text": message.body if message else "",
        "headers": list(message.extra_headers.items()) if message else [],
        "direction": direction,
        "language_name": _name_of_language(preview.language),
        "body_url": f"{page.link('outgoingmail_preview_body', mail.pk)}?{asked}",
        "preview_url": f"{page.link('outgoingmail_preview', mail.pk)}?{urlencode(look)}",
    }


def _fate(preview: Preview) -> str:
    """What would become of it if it were its turn now."""
    if preview.mail.state == MailState.SENT:
        return _("It has left. This is how it would look today.")
    if preview.mail.state not in (MailState.QUEUED, MailState.LEASED):
        return _("This is how it would look today.")
    if preview.verdict.is_true:
        return _("If it were its turn now, it would leave like this.")
    return _("If it were its turn now, it would not leave: %(reason)s.") % {"reason": why(preview.verdict.because)}


def _inert(html: str, *, scheme: str) -> str:
    """The same mail in one colour scheme, whatever the reader's own is; no link in it leads out of its frame."""
    html = in_scheme(html, scheme)
    base = '<base target="_blank">'  # a new window is what a sandbox never opens
    whole, heads = re.subn(r"<head\b[^>]*>", lambda head: head[0] + base, html, count=1, flags=re.IGNORECASE)
    return whole if heads else base + html


def _own_address(request: HttpRequest) -> str:
    return str(getattr(request.user, request.user.get_email_field_name(), "") or "")  # type: ignore[union-attr]


def _send_test(page: Page, request: HttpRequest, mail: OutgoingMail, language: str) -> None:
    own = _own_address(request)
    if not own:
        page.message_user(request, _("Your account has no e-mail address. Enter one there first."), messages.ERROR)
        return
    try:
        answer = send_test(
            mail=mail, to=own, now=timezone.now(), language=language, with_addresses=may_see_addresses(request)
        )
    except InvalidAddress as error:
        page.message_user(request, str(error), messages.ERROR)
        return
    if answer.outcome != Outcome.ACCEPTED:
        said = _("The test was not sent: %(reason)s") % {"reason": masked_within(answer.note)}
        page.message_user(request, said, messages.ERROR)
        return
    page.log_change(request, mail, _("A test was sent."))
    page.message_user(request, _("A test was sent to %(address)s.") % {"address": own}, messages.SUCCESS)
