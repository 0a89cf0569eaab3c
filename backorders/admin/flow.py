"""The page on the flow of mail: does it leave, why not, and the switch that holds it back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backorders.admin.base import Page
from backorders.admin.look import masked_within
from backorders.models import MailLane
from backorders.models.outbox import ALL
from backorders.queries.outbox import held_up, waiting_mail
from backorders.services.gate import start_mail, stop_mail


class StopForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("For your colleagues; customers never see it."),
    )


def flow_page(page: Page, request: HttpRequest) -> HttpResponse:
    if not page.has_view_permission(request):
        raise PermissionDenied
    form = StopForm(request.POST or None)
    if request.method == "POST":
        if not page.has_act_permission(request):
            raise PermissionDenied
        if "start" in request.POST or form.is_valid():
            return _act(page, request, form)
    held = held_up()
    context = {
        **page.page_context(request, title=_("Flow of mail")),
        "form": form,
        "held": held,
        "answer": masked_within(held.reason) if held else "",
        "is_stopped": held is not None and held.until is None,
        "waiting": waiting_mail(),
        "may_act": page.has_act_permission(request),
    }
    return TemplateResponse(request, "backorders/admin/flow.html", context)


def _act(page: Page, request: HttpRequest, form: StopForm) -> HttpResponse:
    """The switch is one row, so both ways are in its history."""
    if "start" in request.POST:
        start_mail()
        said = _("Mail leaves again.")
    else:
        stop_mail(reason=form.cleaned_data["reason"])
        said = _("All mail is held back. New mail is kept in the outbox until you let it leave.")
    lane = MailLane.objects.filter(name=ALL).first()
    if lane is not None:
        page.log_change(request, lane, said)
    page.message_user(request, said, messages.SUCCESS)
    return HttpResponseRedirect(request.path)


def banner(page: Page) -> dict[str, Any]:
    """What the list of mails shows above its rows."""
    return {"held": held_up(), "flow_url": page.link("outgoingmail_flow")}
