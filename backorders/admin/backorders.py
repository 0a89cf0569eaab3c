"""The queue: who stands in it, what they were promised, and the two ways out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.acts import WithActs, links
from backorders.admin.base import Ledger, OpenFirst, ReadOnlyPage, WithAddresses
from backorders.admin.look import NOTHING, days, may_see_addresses, promised, state_badge
from backorders.admin.standing import CancelUnits, Pin, Prioritise, ShipUnits
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
    verbose_name_plural = _("units given, and taken back")
    fields = ["allocated_at", "quantity", "because"]
    readonly_fields = fields

    @admin.display(description=_("because"))
    def because(self, given: Allocation) -> str:
        return given.event.get_kind_display() if given.event else NOTHING

    def get_queryset(self, request: HttpRequest) -> QuerySet[Allocation]:
        return super().get_queryset(request).select_related("event")


class Promised(Ledger):
    """Every date that was given, and what it stood on."""

    model = Promise
    verbose_name_plural = _("dates promised")
    fields = ["promised_at", "window", "reason", "source"]
    readonly_fields = fields

    @admin.display(description=_("between"))
    def window(self, promise: Promise) -> str:
        return promised(promise.window)

    @admin.display(description=_("from"))
    def source(self, promise: Promise) -> str:
        if promise.delivery is None:
            return NOTHING
        url = reverse("admin:backorders_delivery_change", args=[promise.delivery_id], current_app=self.admin_site.name)
        words = gettext("the delivery of %(days)s")
        stated = days(promise.delivery.earliest_on, promise.delivery.latest_on)
        return format_html('<a href="{}">{}</a>', url, words % {"days": stated})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Promise]:
        return super().get_queryset(request).select_related("delivery")


@admin.register(Backorder)
class BackorderAdmin(WithActs, WithAddresses, ReadOnlyPage):
    list_display = ["position", "reference", "item_name", "needs_units", "given", "shipped", "in_force"]
    list_display += ["first_promise", "badge", "serving", "overtaken", "masked_address", "placed_at"]
    list_display_links = ["reference"]
    list_filter = [Standing, "is_preorder", "fill"]
    list_select_related = ["item", "pinned_to"]
    search_fields = ["item__object_id"]
    actions = ["ship", "cancel"]
    acts = (ShipUnits(), CancelUnits(), Prioritise(), Pin())
    inlines = [Promised, Given]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backorder]:
        first = Promise.objects.filter(backorder=OuterRef("pk")).order_by("id")
        return (
            super()
            .get_queryset(request)
            .annotate(
                first_earliest=Subquery(first.values("earliest_on")[:1]),
                first_latest=Subquery(first.values("latest_on")[:1]),
            )
        )

    def get_fieldsets(self, request: HttpRequest, obj: Backorder | None = None) -> Any:
        address = "address" if may_see_addresses(request) else "masked_address"
        ways = ["ways"] if self.has_act_permission(request) else []
        units = [("quantity", "needs_units"), ("given", "shipped"), "cancelled_quantity"]
        place = ["position", "priority", "serving", "overtaken", "not_before", "source"]
        return [
            (None, {"fields": ["item_name", "reference", "order_reference", address, "badge", *ways]}),
            (_("Units"), {"fields": units, "classes": ["bo-now"]}),
            (_("Place"), {"fields": place}),
            (_("When"), {"fields": ["in_force", "first_promise", "is_preorder", "placed_at", "closed_at"]}),
        ]

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

    @admin.display(description=_("given"), ordering="allocated_quantity")
    def given(self, row: Backorder) -> str:
        return str(row.allocated_quantity or NOTHING)

    @admin.display(description=_("shipped"), ordering="shipped_quantity")
    def shipped(self, row: Backorder) -> str:
        return str(row.shipped_quantity or NOTHING)

    @admin.display(description=_("promise in force"), ordering="promised_latest_on")
    def in_force(self, row: Backorder) -> str:
        place = self._place(row)
        return promised(place.window) if place and place.position else NOTHING

    @admin.display(description=_("first promise"), ordering="first_latest")
    def first_promise(self, row: Backorder) -> str:
        earliest, latest = getattr(row, "first_earliest", None), getattr(row, "first_latest", None)
        return days(earliest, latest) if earliest else gettext("no date")

    @admin.display(description=_("is served"), ordering="fill")
    def serving(self, row: Backorder) -> str:
        return row.get_fill_display()

    @admin.display(description=_("from this delivery"))
    def source(self, row: Backorder) -> str:
        pinned = row.pinned_to
        return days(pinned.earliest_on, pinned.latest_on) if pinned else gettext("whatever comes first")

    @admin.display(description=_("next step"))
    def ways(self, row: Backorder) -> str:
        return links(self.ways_of(row))

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
