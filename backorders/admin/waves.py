"""Returns to the shelf, and the groups of people who were told. Only services write here."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import Ledger, OpenFirst, ReadOnlyPage, WithAddresses
from backorders.admin.look import badge, may_see_addresses, state_badge
from backorders.conf import conf
from backorders.domain.waves import Order
from backorders.models import Hold, Restock, Wave
from backorders.queries.waves import pledge_for, seed_of, with_buyers, with_buyers_of_waves
from backorders.services.holds import give_back_hold


class Openness(OpenFirst):
    options = (
        ("all", _("all"), Q()),
        ("open", _("open"), Q(closed_at=None)),
        ("closed", _("closed"), ~Q(closed_at=None)),
    )

    def rules(self) -> tuple[tuple[str, object, Q], ...]:
        return self.options


class Waves(Ledger):
    model = Wave
    fields = ["number", "released_at", "size", "bought", "units"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Wave]:
        return with_buyers_of_waves(super().get_queryset(request))

    @admin.display(description=_("of those, bought"))
    def bought(self, row: Wave) -> int:
        return getattr(row, "buyers", None) or 0


class Aside(OpenFirst):
    options = (
        ("open", _("open"), Q(state=Hold.State.OPEN)),
        ("all", _("all"), Q()),
    )

    def rules(self) -> tuple[tuple[str, object, Q], ...]:
        return self.options


class Holds(Ledger):
    model = Hold
    fields = ["units", "state", "made_at", "ends_at", "ended_at"]
    readonly_fields = fields
    show_change_link = True


@admin.register(Hold)
class HoldAdmin(WithAddresses, ReadOnlyPage):
    item_paths = ("item",)
    list_display = ["item_name", "masked_address", "units", "badge", "made_at", "ends_at", "ended_at"]
    list_display_links = ["badge"]
    list_filter = [Aside]
    list_select_related = ["item", "subscription"]
    search_fields = ["item__object_id"]
    actions = ["give_back"]
    fields = ["item_name", "masked_address", "units", "badge", "made_at", "ends_at", "ended_at"]

    def columns_to_search(self, request: HttpRequest) -> tuple[str, ...]:
        return ("subscription__email",) if may_see_addresses(request) else ()

    @admin.display(description=_("item"))
    def item_name(self, row: Hold) -> str:
        return self.item_link(row.item)

    @admin.display(description=_("for"))
    def address(self, row: Hold) -> str:
        return row.subscription.email

    @admin.display(description=_("state"), ordering="state")
    def badge(self, row: Hold) -> str:
        return state_badge(row)

    @admin.action(description=_("Give back…"), permissions=["act"])
    def give_back(self, request: HttpRequest, queryset: QuerySet[Hold]) -> HttpResponse | None:
        says = gettext(
            "These units go to the next in line, or to anybody. Whoever was told that one is put aside for them finds out "
            "at the checkout."
        )
        rows = queryset.open().select_related("subscription")  # type: ignore[attr-defined]
        return self.two_steps(request, rows, says=says, button=gettext("Give back"), do=_give_back)


def _give_back(hold: Hold) -> str:
    given = give_back_hold(hold_id=hold.pk)
    return gettext("Given back.") if given.state == Hold.State.GIVEN_BACK else gettext("Left alone: it has ended.")


@admin.register(Restock)
class RestockAdmin(ReadOnlyPage):
    list_display = ["opened_at", "item_name", "number", "units_back", "people_told", "bought", "badge", "closed_at"]
    list_filter = [Openness]
    list_select_related = ["item"]
    search_fields = ["item__object_id"]
    inlines = [Waves, Holds]
    fields = ["item_name", "number", "units_back", "people_told", "bought", "badge", "opened_at", "closed_at"]

    def get_fields(self, request: HttpRequest, obj: Restock | None = None) -> Sequence[str]:
        return self.fields if conf.wave_order == Order.FIRST_COME else [*self.fields, "draw"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Restock]:
        return with_buyers(super().get_queryset(request).annotate(people=Sum("waves__size")))

    @admin.display(description=_("item"))
    def item_name(self, row: Restock) -> str:
        return self.item_link(row.item)

    @admin.display(description=_("units"), ordering="units")
    def units_back(self, row: Restock) -> str:
        return gettext("not counted") if row.units is None else str(row.units)

    @admin.display(description=_("people told"), ordering="people")
    def people_told(self, row: Restock) -> int:
        return getattr(row, "people", None) or 0

    @admin.display(description=_("of those, bought"), ordering="buyers")
    def bought(self, row: Restock) -> int:
        return getattr(row, "buyers", None) or 0

    @admin.display(description=_("draw"))
    def draw(self, row: Restock) -> str:
        """The hash may be published while it goes on, the seed when it is over."""
        if row.closed_at:
            return gettext("seed %(seed)s") % {"seed": seed_of(row)}
        return gettext("SHA-256 of the seed: %(hash)s") % {"hash": pledge_for(row)}

    @admin.display(description=_("state"))
    def badge(self, row: Restock) -> str:
        return badge("mute", "·", gettext("closed")) if row.closed_at else badge("good", "●", gettext("open"))
