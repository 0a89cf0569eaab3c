"""Goods arrive: look first at what it would lead to, then book it in. Sent twice, it counts once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
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
from backorders.domain.allocation import Waiting, plan
from backorders.errors import MOST_UNITS, BackordersError
from backorders.models import Delivery, StockItem
from backorders.queries.backorders import queue_of
from backorders.queries.stock import adapter_of, read_shelf
from backorders.queries.subscriptions import waiting_counts
from backorders.services.supply import Arrival, receive_delivery
from backorders.shop import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What booking one delivery in would lead to. ``for_sale`` is ``None`` where nobody counts, or the shop books itself."""

    filled: int
    in_part: int
    to_queue: int
    for_sale: Reading
    is_before_release: bool
    is_booked_by_shop: bool


class Shelf:
    """One item's shelf and queue while deliveries are put onto it in thought, one after the other."""

    def __init__(self, item: StockItem, now: datetime) -> None:
        self.item, self.now = item, now
        self.units, self.queue = read_shelf(item), queue_of(item.id)

    def receive(self, quantity: int) -> Preview:
        is_ours = self._put(quantity)
        before_release = self.item.releases_at is not None and self.now < self.item.releases_at
        owed = sum(line.needs for line in self.queue)
        free = owed if self.units is None else max(0, self.units - self.item.held_units)
        shares = plan(queue=self.queue, units=0 if before_release else free)
        if self.units is not None:
            self.units -= shares.units
        needs = {line.line_id: line for line in self.queue}
        self.queue = [_rest(needs[line_id], units) for line_id, units in shares.waiting.items()]
        return Preview(
            filled=len(shares.assigned.keys() - shares.waiting.keys()),
            in_part=len(shares.assigned.keys() & shares.waiting.keys()),
            to_queue=shares.units,
            for_sale=None if self.units is None or not is_ours else 0 if before_release else shares.left,
            is_before_release=before_release,
            is_booked_by_shop=not is_ours,
        )

    def _put(self, quantity: int) -> bool:
        """As ``services.stock.put_on_shelf`` does; ``False`` where the shop books its own stock."""
        adapter = adapter_of(self.item)
        if adapter is not None and not adapter.keeps_stock:
            self.units = (self.units or 0) + quantity
            return True
        if adapter is None or not adapter.can_move_stock():
            return False
        self.units = None if self.units is None else self.units + quantity
        return True


def _rest(line: Waiting, needs: int) -> Waiting:
    return Waiting(line_id=line.line_id, needs=needs, placed_at=line.placed_at, priority=line.priority)


def previews(wanted: list[tuple[Delivery, int]], now: datetime) -> Iterator[Preview]:
    """This will say what each delivery would lead to, in their order; nothing is written. Raises ``StockUnreadable``."""
    shelves: dict[int, Shelf] = {}
    for delivery, quantity in wanted:
        if delivery.item_id not in shelves:
            shelves[delivery.item_id] = Shelf(delivery.item, now)
        yield shelves[delivery.item_id].receive(quantity)


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

    def quantities(self) -> list[tuple[Delivery, int]]:
        typed = self.cleaned_data if self.is_bound else {}
        return [(one, int(typed.get(f"units_{one.id}", one.outstanding) or 0)) for one in self.deliveries]


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
        for delivery, quantity in form.quantities():
            if quantity:
                _book(
                    page, request, delivery, quantity, reference=f"admin:{form.cleaned_data['receipt']}:{delivery.id}"
                )
        return HttpResponseRedirect(page.link("delivery_changelist"))
    return TemplateResponse(request, "backorders/admin/receive.html", _context(page, request, form))


def _book(page: Page, request: HttpRequest, delivery: Delivery, quantity: int, *, reference: str) -> None:
    title = title_of(delivery.item)
    try:
        arrival = receive_delivery(delivery_id=delivery.id, quantity=quantity, reference=reference)
    except BackordersError as error:
        page.message_user(request, f"{title}: {error}", messages.ERROR)
        return
    if arrival.was_repeated:
        said = _("%(title)s: this receipt was booked before; nothing was counted twice.") % {"title": title}
        page.message_user(request, said, messages.INFO)
        return
    page.log_change(request, delivery, _("Received %(units)s.") % {"units": arrival.units})
    page.message_user(request, f"{title}: {_outcome(arrival)}", messages.SUCCESS)


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
            found = list(previews(wanted, timezone.now()))
        except BackordersError as error:
            found, trouble = [], str(error)
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
                "preview": found[place] if place < len(found) else None,
                "people": people.get(delivery.item_id, 0),
            }
        )
    title = ngettext("Receive a delivery", "Receive %(count)s deliveries", len(rows)) % {"count": len(rows)}
    return {**page.page_context(request, title=title), "form": form, "rows": rows, "trouble": trouble}
