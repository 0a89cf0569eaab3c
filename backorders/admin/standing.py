"""What can happen to one line of the queue: it leaves, in part or whole; it ships; it moves; it waits for one delivery."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backorders.admin.acts import Act, Outlook, units_field
from backorders.admin.look import days
from backorders.errors import InvalidQuantity, NotCancellable, NotShippable, PinFull
from backorders.models import Backorder, Delivery
from backorders.services.backorders import cancel_backorder, pin_backorder, prioritise, ship_backorder
from backorders.services.trial import dates_after

_LOWEST, _HIGHEST = -1000, 1000


class OfLine(Act):
    field_of = {
        InvalidQuantity: "quantity",
        NotCancellable: "quantity",
        NotShippable: "quantity",
        PinFull: "delivery",
    }

    def facts(self, page: Any, row: Backorder) -> list[tuple[Any, Any]]:
        return [
            *super().facts(page, row),
            (_("order line"), row.reference),
            (_("ordered"), row.quantity),
            (_("needs"), row.needs),
            (_("ready"), row.ready),
        ]

    def state_of(self, row: Backorder) -> tuple[Any, ...]:
        return (
            row.state,
            row.allocated_quantity,
            row.shipped_quantity,
            row.cancelled_quantity,
            row.priority,
            row.pinned_to_id,
        )


class UnitsOfLine(OfLine):
    """A number of units of the line, all that is possible unless said otherwise."""

    def possible(self, row: Backorder) -> int:
        raise NotImplementedError

    def form(self, row: Backorder, data: Any) -> forms.Form:
        form = forms.Form(data, initial={"quantity": self.possible(row)})
        form.fields["quantity"] = units_field(most=self.possible(row))
        return form


class CancelUnits(UnitsOfLine):
    name = "cancel"
    title = gettext_lazy("Cancel")
    lead = gettext_lazy(
        "Units that it still waits for go first; units that it was given go to whoever is next, then to the shelf. The shop "
        "is told what to pay back."
    )
    button = gettext_lazy("Cancel these units")

    def possible(self, row: Backorder) -> int:
        return row.needs + row.ready

    def refusal(self, row: Backorder) -> str:
        return "" if self.possible(row) else _("Nothing of this line is left to cancel.")

    def outlook(self, row: Backorder, typed: dict[str, Any]) -> Outlook:
        waited = min(row.needs, typed["quantity"])
        given = typed["quantity"] - waited
        parts = [
            (ngettext("%(count)s unit leaves the queue.", "%(count)s units leave the queue.", waited), waited),
            (
                ngettext(
                    "%(count)s unit that was set aside for it becomes free.",
                    "%(count)s units that were set aside for it become free.",
                    given,
                ),
                given,
            ),
        ]
        return Outlook(says=tuple(text % {"count": count} for text, count in parts if count))

    def do(self, row: Backorder, typed: dict[str, Any]) -> str:
        cancel_backorder(backorder_id=row.pk, quantity=typed["quantity"])
        said = ngettext("%(count)s unit cancelled.", "%(count)s units cancelled.", typed["quantity"])
        return said % {"count": typed["quantity"]}


class ShipUnits(UnitsOfLine):
    name = "ship"
    title = gettext_lazy("Mark as shipped")
    lead = gettext_lazy("Units that were set aside for this line and have left the house.")
    button = gettext_lazy("They have left")

    def possible(self, row: Backorder) -> int:
        return row.ready

    def refusal(self, row: Backorder) -> str:
        return "" if row.ready else _("Nothing of this line is ready.")

    def outlook(self, row: Backorder, typed: dict[str, Any]) -> Outlook:
        left = row.ready - typed["quantity"]
        said = ngettext("%(count)s unit stays ready.", "%(count)s units stay ready.", left) % {"count": left}
        leaves = ngettext("%(count)s unit leaves.", "%(count)s units leave.", typed["quantity"])
        return Outlook(says=(leaves % {"count": typed["quantity"]}, *([said] if left else [])))

    def do(self, row: Backorder, typed: dict[str, Any]) -> str:
        ship_backorder(backorder_id=row.pk, quantity=typed["quantity"])
        said = ngettext("%(count)s unit shipped.", "%(count)s units shipped.", typed["quantity"])
        return said % {"count": typed["quantity"]}


class WhileWaiting(OfLine):
    """Something that moves a waiting line, and maybe the dates of others. Tried out first."""

    def refusal(self, row: Backorder) -> str:
        return "" if row.state == Backorder.State.WAITING else _("This line waits for nothing any more.")

    def outlook(self, row: Backorder, typed: dict[str, Any]) -> Outlook:
        slips = dates_after(item_ids=[row.item_id], verbs=[partial(self.apply, row, typed)])
        return Outlook(slips=tuple(slips))

    def apply(self, row: Backorder, typed: dict[str, Any]) -> Any:
        raise NotImplementedError


class PriorityForm(forms.Form):
    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        min_value=_LOWEST,
        max_value=_HIGHEST,
        help_text=gettext_lazy("Lower is served first; 0 is everybody's."),
        widget=forms.NumberInput(attrs={"class": "bo-units"}),
    )


class Prioritise(WhileWaiting):
    name = "priority"
    title = gettext_lazy("Change its priority")
    lead = gettext_lazy("The line moves in its queue. Whoever is passed and loses a date is told.")
    button = gettext_lazy("Change it")
    form_class = PriorityForm

    def initial(self, row: Backorder) -> dict[str, Any]:
        return {"priority": row.priority}

    def apply(self, row: Backorder, typed: dict[str, Any]) -> Any:
        return prioritise(backorder_id=row.pk, priority=typed["priority"])

    def do(self, row: Backorder, typed: dict[str, Any]) -> str:
        self.apply(row, typed)
        return _("Its priority is %(priority)s now.") % {"priority": typed["priority"]}


class DeliveryChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        said = ngettext(
            "%(days)s: %(count)s unit outstanding", "%(days)s: %(count)s units outstanding", obj.outstanding
        )
        return (
            f"{said % {'days': days(obj.earliest_on, obj.latest_on), 'count': obj.outstanding}} {obj.reference}".strip()
        )


class Pin(WhileWaiting):
    name = "pin"
    title = gettext_lazy("Tie it to a delivery")
    lead = gettext_lazy(
        "The line waits for this one delivery and is served from it before all others. Without one it takes what comes."
    )
    button = gettext_lazy("Tie it")

    def form(self, row: Backorder, data: Any) -> forms.Form:
        form = forms.Form(data, initial={"delivery": row.pinned_to_id})
        form.fields["delivery"] = DeliveryChoice(
            Delivery.objects.open().filter(item=row.item_id),
            label=gettext_lazy("Delivery"),
            required=False,
            empty_label=gettext_lazy("whatever comes first"),
        )
        return form

    def apply(self, row: Backorder, typed: dict[str, Any]) -> Any:
        delivery = typed["delivery"]
        return pin_backorder(backorder_id=row.pk, delivery_id=delivery.pk if delivery else None)

    def do(self, row: Backorder, typed: dict[str, Any]) -> str:
        self.apply(row, typed)
        delivery = typed["delivery"]
        if delivery is None:
            return _("It takes what comes first.")
        return _("It waits for the delivery of %(days)s.") % {"days": days(delivery.earliest_on, delivery.latest_on)}
