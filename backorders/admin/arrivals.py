"""If so many arrive: who is served, who goes on waiting, who is told, and what is left for sale. Nothing is booked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backorders.admin.acts import units_field
from backorders.admin.base import Page
from backorders.admin.look import masked, may_see_addresses, promised
from backorders.admin.products import title_of
from backorders.admin.shelf import arrival_in_words
from backorders.admin.standing import DeliveryChoice
from backorders.admin.words import told
from backorders.errors import MOST_UNITS, BackordersError
from backorders.models import Delivery, StockItem
from backorders.queries.simulation import Passed, Served, Simulation, simulate_arrival

_MOST_SHOWN = 100


class ArrivalForm(forms.Form):
    units = units_field(most=MOST_UNITS, label=gettext_lazy("Units that arrive"))

    def __init__(self, item: StockItem, data: Any) -> None:
        super().__init__(data)
        self.fields["delivery"] = DeliveryChoice(
            Delivery.objects.open().filter(item=item),
            label=gettext_lazy("With this delivery"),
            required=False,
            empty_label=gettext_lazy("with none of them"),
            help_text=gettext_lazy("Lines that are tied to a delivery are served from that one first."),
        )


def arrival_page(page: Page, request: HttpRequest, pk: int) -> HttpResponse:
    """For whoever may see stock items; it changes nothing, so its address can be kept and sent around."""
    item = page.get_object(request, str(pk))
    if item is None or not page.has_view_permission(request, item):
        raise Http404
    form = ArrivalForm(item, request.GET if "units" in request.GET else None)
    found = _simulated(item, form) if form.is_bound and form.is_valid() else None
    context = {
        **page.page_context(request, title=_("If so many arrive: %(title)s") % {"title": title_of(item)}),
        "form": form,
        "back": page.link("stockitem_change", item.pk),
        **(_found_context(page, request, item, found) if found else {}),
    }
    return TemplateResponse(request, "backorders/admin/arrival.html", context)


def _simulated(item: StockItem, form: ArrivalForm) -> Simulation | None:
    delivery = form.cleaned_data["delivery"]
    try:
        return simulate_arrival(
            item=item, units=form.cleaned_data["units"], delivery_id=delivery.pk if delivery else None
        )
    except BackordersError as error:
        form.add_error(None, told(error))
        return None


def sentence_of(found: Simulation) -> str:
    """ "If 40 arrive: 22 lines ship, 9 orders complete, 31 people are told in 3 waves, 5 units are for sale." """
    begins = ngettext("If %(units)s arrives:", "If %(units)s arrive:", found.units) % {"units": found.units}
    return f"{begins} {', '.join(arrival_in_words(found))}."


def _found_context(page: Page, request: HttpRequest, item: StockItem, found: Simulation) -> dict[str, Any]:
    sees_addresses = may_see_addresses(request)
    return {
        "found": found,
        "sentence": sentence_of(found),
        "served": [_served(page, line, sees_addresses) for line in found.served[:_MOST_SHOWN]],
        "more_served": len(found.served[_MOST_SHOWN:]),
        "passed": [_passed(page, line) for line in found.passed[:_MOST_SHOWN]],
        "more_passed": len(found.passed[_MOST_SHOWN:]),
        "held_for": next((line.reference for line in found.passed if line.backorder_id == found.held_for), ""),
        "waves": list(enumerate(found.waves[:_MOST_SHOWN], start=1)),
        "is_before_release": not found.served and bool(item.queued_units) and item.releases_at is not None,
    }


def _served(page: Page, line: Served, sees_addresses: bool) -> dict[str, Any]:
    return {
        "url": page.link("backorder_change", line.backorder_id),
        "reference": line.reference,
        "address": line.email if sees_addresses else masked(line.email),
        "units": line.units,
        "left": line.left,
    }


def _passed(page: Page, line: Passed) -> dict[str, Any]:
    return {
        "url": page.link("backorder_change", line.backorder_id),
        "reference": line.reference,
        "needs": line.needs,
        "promise": promised(line.promise),
    }
