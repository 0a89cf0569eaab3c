"""The queue: who stands in it, what they were promised, and the two ways out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import Ledger, OpenFirst, ReadOnlyPage, WithAddresses
from backorders.admin.look import NOTHING, badge, days, may_see_addresses, state_badge
from backorders.domain.windows import Window
from backorders.models import Allocation, Backorder, Promise
from backorders.queries.backorders import places_of_lines
from backorders.services.backorders import cancel_backorder, ship_backorder


class Standing(OpenFirst):
    options = (
        ("open", _("waiting or ready"), Q(state__in=[Backorder.State.WAITING, Backorder.State.FILLED])),
        *((state.value, state.label, Q(state=state)) for state in Backorder.State),
    )


class Given(Ledger):
    model = Allocation
    verbose_name_plural = _("units given")
    fields = ["allocated_at", "quantity"]
    readonly_fields = fields


class Promised(Ledger):
    model = Promise
    verbose_name_plural = _("dates promised")
    fields = ["promised_at", "window"]
    readonly_fields = fields

    @admin.display(description=_("between"))
    def window(self, promise: Promise) -> str:
        return _days_or_none(promise)


def _days_or_none(promise: Promise | None) -> str:
    if promise is None or promise.earliest_on is None:
        return gettext("no date")
    return days(promise.earliest_on, promise.latest_on)


@admin.register(Backorder)
class BackorderAdmin(WithAddresses, ReadOnlyPage):
    list_display = ["position", "item_name", "reference", "masked_address", "needs_units", "ordered"]
    list_display += ["promised", "expected", "badge", "placed_at"]
    list_display_links = ["reference"]
    list_filter = [Standing, "is_preorder"]
    list_select_related = ["item"]
    search_fields = ["item__object_id"]
    actions = ["ship", "cancel"]
    inlines = [Promised, Given]
    fields = [
        "item_name",
        "reference",
        "masked_address",
        "badge",
        "ordered",
        "allocated_quantity",
        "cancelled_quantity",
    ]
    fields += ["position", "expected", "priority", "is_preorder", "placed_at", "closed_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backorder]:
        return super().get_queryset(request).prefetch_related("promises")

    def columns_to_search(self, request: HttpRequest) -> tuple[str, ...]:
        return ("reference", "email") if may_see_addresses(request) else ("reference",)

    def prepare(self, rows: list[Any]) -> None:
        super().prepare(rows)
        places = places_of_lines(rows)
        for row in rows:
            row.__dict__["place"] = places.get(row.id)

    def _place(self, row: Backorder) -> Any:
        if "place" not in row.__dict__:
            self.prepare([row])
        return row.__dict__["place"]

    @admin.display(description=_("place"))
    def position(self, row: Backorder) -> str:
        place = self._place(row)
        return str(place.position) if place and place.position else NOTHING

    @admin.display(description=_("item"))
    def item_name(self, row: Backorder) -> str:
        return self.item_link(row.item)

    @admin.display(description=_("needs"))
    def needs_units(self, row: Backorder) -> int:
        return row.needs

    @admin.display(description=_("ordered"), ordering="quantity")
    def ordered(self, row: Backorder) -> int:
        return row.quantity

    @admin.display(description=_("promised"))
    def promised(self, row: Backorder) -> str:
        return _days_or_none(max(row.promises.all(), key=lambda promise: promise.id, default=None))

    @admin.display(description=_("expected now"))
    def expected(self, row: Backorder) -> str:
        place = self._place(row)
        if place is None or not place.position:
            return NOTHING
        if isinstance(place.window, Window):
            return days(place.window.earliest, place.window.latest)
        return badge("bad", "!", gettext("late")) if place.window.is_overdue else gettext("no date")

    @admin.display(description=_("state"), ordering="state")
    def badge(self, row: Backorder) -> str:
        return state_badge(row)

    def name_of(self, row: Backorder) -> str:
        return f"{row.reference}: {row.quantity} × {super().name_of(row)}"

    @admin.action(description=_("Mark as shipped…"), permissions=["act"])
    def ship(self, request: HttpRequest, queryset: QuerySet[Backorder]) -> HttpResponse | None:
        def do(row: Backorder) -> str:
            ship_backorder(backorder_id=row.pk)
            return gettext("Shipped.")

        says = gettext("These lines have left the house. Only lines that are ready can.")
        return self.two_steps(request, queryset, says=says, button=gettext("Mark as shipped"), do=do)

    @admin.action(description=_("Cancel…"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Backorder]) -> HttpResponse | None:
        def do(row: Backorder) -> str:
            cancel_backorder(backorder_id=row.pk)
            return gettext("Cancelled.")

        says = gettext(
            "These lines leave the queue; units they were given go to whoever is next, then to the shelf. The shop is told "
            "what to pay back."
        )
        return self.two_steps(request, queryset, says=says, button=gettext("Cancel order lines"), do=do)
