"""Goods arrive: look first at what it would lead to, then book it in. Sent twice, it counts once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backorders.admin.base import MOST_AT_ONCE, Page
from backorders.admin.look import days
from backorders.admin.products import attach_described, title_of
from backorders.admin.words import told
from backorders.errors import MOST_UNITS, BackordersError, OverReceipt
from backorders.models import Delivery, StockItem
from backorders.queries.simulation import Simulation, simulate_arrivals
from backorders.queries.stock import moves_units
from backorders.queries.subscriptions import waiting_counts
from backorders.services.supply import Arrival, receive_delivery
from backorders.shop import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What booking one delivery in would lead to, as the receiving page words it."""

    found: Simulation
    is_before_release: bool
    is_booked_by_shop: bool

    @property
    def to_queue(self) -> int:
        return self.found.allocated

    @property
    def filled(self) -> int:
        return self.found.complete

    @property
    def in_part(self) -> int:
        return len(self.found.served) - self.found.complete

    @property
    def for_sale(self) -> Reading:
        """``None`` where nobody counts, or the shop books itself."""
        return None if self.is_booked_by_shop else self.found.for_sale


def previews(wanted: list[tuple[Delivery, int]], now: datetime) -> list[Preview]:
    """This will say what each delivery would lead to, in their order; nothing is written. Raises ``StockUnreadable``."""
    items = {delivery.item_id: delivery.item for delivery, _quantity in wanted}
    found: dict[int, list[Simulation]] = {}
    for item_id, item in items.items():
        arrivals = [(quantity, delivery.pk) for delivery, quantity in wanted if delivery.item_id == item_id]
        found[item_id] = simulate_arrivals(item=item, arrivals=arrivals, now=now)
    return [_preview(delivery.item, found[delivery.item_id].pop(0), now) for delivery, _quantity in wanted]


def _preview(item: StockItem, found: Simulation, now: datetime) -> Preview:
    is_before_release = item.releases_at is not None and now < item.releases_at
    return Preview(found=found, is_before_release=is_before_release, is_booked_by_shop=not moves_units(item))


class ReceiveForm(forms.Form):
    """One number for each delivery, and the name of this receipt."""

    receipt = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, deliveries: list[Delivery], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deliveries = deliveries
        for delivery in deliveries:
            self.fields[f"units_{delivery.id}"] = forms.IntegerField(
                min_value=0,
                max_value=MOST_UNITS,
                initial=delivery.outstanding,
                label=_("Units of %(title)s") % {"title": title_of(delivery.item)},
                widget=forms.NumberInput(attrs={"class": "bo-units"}),
            )
            self.fields[f"more_{delivery.id}"] = forms.BooleanField(label=_("They are really there"), required=False)

    def quantities(self) -> list[tuple[Delivery, int]]:
        typed = self.cleaned_data if self.is_bound else {}
        return [(one, int(typed.get(f"units_{one.id}", one.outstanding) or 0)) for one in self.deliveries]

    def has_more(self, delivery: Delivery) -> bool:
        """Did somebody say that more than was expected is really there?"""
        return bool(self.is_bound and self.cleaned_data.get(f"more_{delivery.id}"))

    def asks_for_more(self, delivery: Delivery) -> bool:
        """Is the box of any use on this row: was more typed than is outstanding?"""
        typed = self.data.get(f"units_{delivery.id}", "") if self.is_bound else ""
        return str(typed).isdecimal() and int(typed[:12]) > delivery.outstanding


def receive_page(page: Page, request: HttpRequest) -> HttpResponse:
    """The page behind "Receive": quantities and what they would lead to, then, when it is sent, one service call each."""
    if not page.has_act_permission(request):
        raise PermissionDenied
    ids = [int(one) for one in request.GET.get("ids", "").split(",") if one.isdecimal() and len(one) < 19]
    deliveries = list(Delivery.objects.filter(id__in=ids[:MOST_AT_ONCE]).select_related("item", "supplier"))
    attach_described([delivery.item for delivery in deliveries])
    is_sent = request.method == "POST"
    # A receipt that was booked completely has no open delivery any more; sent again it is recognised, not refused.
    shown = deliveries if is_sent else [one for one in deliveries if one.state == Delivery.State.EXPECTED]
    form = ReceiveForm(shown, *([request.POST] if is_sent else []), initial={"receipt": uuid.uuid4()})
    if not shown:
        page.message_user(request, _("None of these deliveries is expected any more."), messages.WARNING)
        return HttpResponseRedirect(page.link("delivery_changelist"))
    if is_sent and form.is_valid() and "book" in request.POST:
        doubtful = _book_all(page, request, form)
        if not doubtful:
            return HttpResponseRedirect(page.link("delivery_changelist"))
        form = _again(form, doubtful)
    return TemplateResponse(request, "backorders/admin/receive.html", _context(page, request, form))


def _book_all(page: Page, request: HttpRequest, form: ReceiveForm) -> dict[int, OverReceipt]:
    """Each delivery is booked by itself; those that brought more than was expected are asked about again."""
    doubtful = {}
    for delivery, quantity in form.quantities():
        try:
            if quantity:
                _book(page, request, form, delivery, quantity)
        except OverReceipt as error:
            doubtful[delivery.pk] = error
    return doubtful


def _again(form: ReceiveForm, doubtful: dict[int, OverReceipt]) -> ReceiveForm:
    """The same page for the doubtful ones only; the others are booked."""
    again = ReceiveForm([one for one in form.deliveries if one.pk in doubtful], form.data)
    for delivery_id, error in doubtful.items():
        again.add_error(f"units_{delivery_id}", told(error))
    return again


def _book(page: Page, request: HttpRequest, form: ReceiveForm, delivery: Delivery, quantity: int) -> None:
    title, reference = title_of(delivery.item), f"admin:{form.cleaned_data['receipt']}:{delivery.id}"
    try:
        arrival = receive_delivery(
            delivery_id=delivery.id, quantity=quantity, reference=reference, accept_more=form.has_more(delivery)
        )
    except OverReceipt:
        raise
    except BackordersError as error:
        page.message_user(request, f"{title} · {told(error)}", messages.ERROR)
        return
    if arrival.was_repeated:
        said = _("%(title)s: this receipt was booked before; nothing was counted twice.") % {"title": title}
        page.message_user(request, said, messages.INFO)
        return
    page.log_change(request, delivery, _("Received %(units)s.") % {"units": arrival.units})
    page.message_user(request, f"{title} · {_outcome(arrival)}", messages.SUCCESS)


def _outcome(arrival: Arrival) -> str:
    settled = arrival.settled
    assert settled is not None  # noqa: S101 - only a repeated receipt has none
    left = _("not counted") if settled.for_sale is None else settled.for_sale
    said = _("%(units)s received, %(allocated)s of them to the queue; for sale now: %(left)s.")
    return said % {"units": arrival.units, "allocated": settled.allocated, "left": left}


def _context(page: Page, request: HttpRequest, form: ReceiveForm) -> dict[str, Any]:
    rows, trouble = [], ""
    if not form.is_bound or form.is_valid():
        wanted = form.quantities()
        try:
            found = previews(wanted, timezone.now())
        except BackordersError as error:
            found, trouble = [], told(error)
    else:
        found = []
    people = waiting_counts({delivery.item_id for delivery in form.deliveries})
    for place, delivery in enumerate(form.deliveries):
        rows.append(
            {
                "delivery": delivery,
                "title": title_of(delivery.item),
                "item_url": page.link("stockitem_change", delivery.item_id),
                "days": days(delivery.earliest_on, delivery.latest_on),
                "field": form[f"units_{delivery.id}"],
                "more": form[f"more_{delivery.id}"] if form.asks_for_more(delivery) else None,
                "preview": found[place] if place < len(found) else None,
                "people": people.get(delivery.item_id, 0),
            }
        )
    title = ngettext("Receive a delivery", "Receive %(count)s deliveries", len(rows)) % {"count": len(rows)}
    return {**page.page_context(request, title=title), "form": form, "rows": rows, "trouble": trouble}
