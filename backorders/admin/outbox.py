"""The outbox: every mail and what became of it; "send again", and the switch that holds all of it back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.acts import links
from backorders.admin.base import OpenFirst, ReadOnlyPage, WithAddresses
from backorders.admin.flow import banner, flow_page
from backorders.admin.look import masked_within, may_see_addresses, state_badge
from backorders.admin.preview import body_page, kinds_page, preview_page
from backorders.admin.words import why
from backorders.models import OutgoingMail
from backorders.services.outbox import send_again

_STUCK = Q(state__in=[OutgoingMail.State.DEAD, OutgoingMail.State.SENDING])


class Fate(OpenFirst):
    options = (
        ("all", _("all"), Q()),
        ("stuck", _("given up or unknown"), _STUCK),
        *((state.value, state.label, Q(state=state)) for state in OutgoingMail.State),
    )

    def rules(self) -> tuple[tuple[str, Any, Q], ...]:
        return self.options


@admin.register(OutgoingMail)
class OutgoingMailAdmin(WithAddresses, ReadOnlyPage):
    bare_columns = {"masked_address": "address", "masked_answer": "answer"}
    item_paths = ("subscription__item", "backorder__item")
    list_display = [
        "id",
        "kind",
        "look",
        "item_name",
        "masked_address",
        "badge",
        "attempts",
        "due_at",
        "sent_at",
        "masked_answer",
    ]
    list_filter = [Fate, "kind"]
    list_select_related = ["subscription__item", "backorder__item"]
    search_fields = ["subscription__item__object_id"]
    actions = ["again"]
    change_list_template = "backorders/admin/outbox.html"
    fields = ["kind", "look", "item_name", "masked_address", "badge", "attempts", "created_at", "due_at", "sent_at"]
    fields += ["wave_number", "provider_id", "masked_answer"]
    readonly_fields = ["look"]

    def get_urls(self) -> Any:
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("flow/", flow_page, "flow"),
            ("kinds/", kinds_page, "kinds"),
            ("<int:pk>/preview/", preview_page, "preview"),
            ("<int:pk>/preview/body/", body_page, "preview_body"),
        ]
        ours = [
            path(address, self.admin_site.admin_view(partial(view, self)), name=f"backorders_outgoingmail_{name}")
            for address, view, name in pages
        ]
        return [*ours, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        kinds_url = self.link("outgoingmail_kinds")
        return super().changelist_view(request, {**banner(self), "kinds_url": kinds_url, **(extra_context or {})})

    def columns_to_search(self, request: HttpRequest) -> tuple[str, ...]:
        return ("subscription__email", "backorder__email") if may_see_addresses(request) else ()

    @admin.display(description=_("item"))
    def item_name(self, mail: OutgoingMail) -> str:
        return self.item_link(self.item_of(mail))

    @admin.display(description=_("to"))
    def address(self, row: OutgoingMail) -> str:
        recipient = row.subscription or row.backorder
        return recipient.email if recipient else ""

    @admin.display(description=_("state"), ordering="state")
    def badge(self, mail: OutgoingMail) -> str:
        return state_badge(mail)

    @admin.display(description=_("last answer"))
    def answer(self, mail: OutgoingMail) -> str:
        return why(mail.note)

    @admin.display(description=_("last answer"))
    def masked_answer(self, mail: OutgoingMail) -> str:
        return masked_within(why(mail.note))

    @admin.display(description=_("preview"))
    def look(self, mail: OutgoingMail) -> str:
        return links([(self.link("outgoingmail_preview", mail.pk), gettext("Preview"))])

    def name_of(self, row: OutgoingMail) -> str:
        return f"{row.get_kind_display()} · {super().name_of(row)}"

    @admin.action(description=_("Send again…"), permissions=["act"])
    def again(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> HttpResponse | None:
        says = gettext(
            "These mails were given up, or nobody knows whether they arrived. Each is checked once more and leaves only "
            "if it is still true. Others among those you chose are left alone."
        )
        return self.two_steps(request, queryset.filter(_STUCK), says=says, button=gettext("Send again"), do=_again)


def _again(mail: OutgoingMail) -> str:
    return gettext("Queued again.") if send_again(mail_ids=[mail.pk]) else gettext("Left alone: it is on its way.")
