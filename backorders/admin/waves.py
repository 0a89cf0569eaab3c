"""Returns to the shelf, and the groups of people who were told. Only services write here."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import Ledger, OpenFirst, ReadOnlyPage
from backorders.admin.look import badge
from backorders.conf import conf
from backorders.domain.waves import Order
from backorders.models import Restock, Wave
from backorders.queries.waves import pledge_for, seed_of


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
    fields = ["number", "released_at", "size", "units"]
    readonly_fields = fields


@admin.register(Restock)
class RestockAdmin(ReadOnlyPage):
    list_display = ["opened_at", "item_name", "number", "units_back", "people_told", "badge", "closed_at"]
    list_filter = [Openness]
    list_select_related = ["item"]
    search_fields = ["item__object_id"]
    inlines = [Waves]
    fields = ["item_name", "number", "units_back", "people_told", "badge", "opened_at", "closed_at"]

    def get_fields(self, request: HttpRequest, obj: Restock | None = None) -> Sequence[str]:
        return self.fields if conf.wave_order == Order.FIRST_COME else [*self.fields, "draw"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Restock]:
        return super().get_queryset(request).annotate(people=Sum("waves__size"))

    @admin.display(description=_("item"))
    def item_name(self, row: Restock) -> str:
        return self.item_link(row.item)

    @admin.display(description=_("units"), ordering="units")
    def units_back(self, row: Restock) -> str:
        return gettext("not counted") if row.units is None else str(row.units)

    @admin.display(description=_("people told"), ordering="people")
    def people_told(self, row: Restock) -> int:
        return getattr(row, "people", None) or 0

    @admin.display(description=_("draw"))
    def draw(self, row: Restock) -> str:
        """The hash may be published while it goes on, the seed when it is over."""
        if row.closed_at:
            return gettext("seed %(seed)s") % {"seed": seed_of(row)}
        return gettext("SHA-256 of the seed: %(hash)s") % {"hash": pledge_for(row)}

    @admin.display(description=_("state"))
    def badge(self, row: Restock) -> str:
        return badge("mute", "·", gettext("closed")) if row.closed_at else badge("good", "●", gettext("open"))
