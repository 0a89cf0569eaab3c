"""What can happen to a delivery on its way: it moves, it changes in size, it is split, it does not come; a receipt was wrong."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backorders.admin.acts import Act, Outlook, day_field, reason_field, units_field
from backorders.admin.look import days
from backorders.admin.shelf import loss_in_words
from backorders.domain.windows import window_between
from backorders.errors import MOST_UNITS, InvalidQuantity, InvalidWindow, NotEnoughLeft
from backorders.models import Delivery
from backorders.queries.availability import shop_today
from backorders.queries.simulation import simulate_loss
from backorders.queries.supply import last_receipt
from backorders.services.supply import cancel_delivery, move_delivery, resize_delivery, split_delivery, undo_receipt
from backorders.services.trial import dates_after


def check_window(form: forms.BaseForm, cleaned: dict[str, Any], *, may_be_past: bool = False) -> None:
    """This will say beside the last day what is wrong with two days."""
    earliest, latest = cleaned.get("earliest_on"), cleaned.get("latest_on")
    if not isinstance(earliest, date) or not isinstance(latest, date):
        return
    try:
        window_between(earliest, latest)
    except InvalidWindow:
        form.add_error("latest_on", _("The last day comes before the first one."))
        return
    if latest < shop_today(timezone.now()) and not may_be_past:
        said = _("These days have passed. Enter days from today on; what is here already can be received today.")
        form.add_error("latest_on", said)


class WindowForm(forms.Form):
    earliest_on = day_field(gettext_lazy("earliest"))
    latest_on = day_field(gettext_lazy("latest"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_window(self, cleaned)
        return cleaned


class MoveForm(WindowForm):
    reason = reason_field()


class ResizeForm(forms.Form):
    reason = reason_field()


class SplitForm(WindowForm):
    reason = reason_field()
    field_order = ["quantity", "earliest_on", "latest_on", "reason"]


class ReasonForm(forms.Form):
    reason = reason_field()


class OfOpen(Act):
    """Something that only an open delivery can undergo."""

    def refusal(self, row: Delivery) -> str:
        if row.state == Delivery.State.EXPECTED:
            return ""
        return _("This delivery is not expected any more.")

    def facts(self, page: Any, row: Delivery) -> list[tuple[Any, Any]]:
        units = _("%(received)s of %(quantity)s") % {"received": row.received_quantity, "quantity": row.quantity}
        return [
            *super().facts(page, row),
            (_("the supplier says"), days(row.earliest_on, row.latest_on)),
            (_("units received"), units),
        ]

    def state_of(self, row: Delivery) -> tuple[Any, ...]:
        return row.state, row.quantity, row.received_quantity, row.earliest_on, row.latest_on

    def outlook(self, row: Delivery, typed: dict[str, Any]) -> Outlook:
        slips = dates_after(item_ids=[row.item_id], verbs=[partial(self.apply, row, typed)])
        return Outlook(slips=tuple(slips))

    def apply(self, row: Delivery, typed: dict[str, Any]) -> Any:
        """The one service call, tried out and then meant."""
        raise NotImplementedError


class Move(OfOpen):
    name = "move"
    title = gettext_lazy("Move it to other days")
    lead = gettext_lazy("The days that the supplier names now. The old ones stay on record.")
    button = gettext_lazy("Move it")
    form_class = MoveForm

    def initial(self, row: Delivery) -> dict[str, Any]:
        return {"earliest_on": row.earliest_on, "latest_on": row.latest_on}

    def apply(self, row: Delivery, typed: dict[str, Any]) -> Any:
        return move_delivery(
            delivery_id=row.pk, earliest=typed["earliest_on"], latest=typed["latest_on"], reason=typed["reason"]
        )

    def do(self, row: Delivery, typed: dict[str, Any]) -> str:
        moved = self.apply(row, typed)
        return _("Moved to %(days)s.") % {"days": days(moved.earliest_on, moved.latest_on)}


class Resize(OfOpen):
    name = "resize"
    title = gettext_lazy("Change the number of units")
    lead = gettext_lazy(
        "All units of this delivery, those that came already included. Fewer: the end of the queue waits on."
    )
    button = gettext_lazy("Change it")

    def form(self, row: Delivery, data: Any) -> forms.Form:
        form = ResizeForm(data, initial={"quantity": row.quantity})
        form.fields["quantity"] = units_field(least=row.received_quantity + 1, most=MOST_UNITS)
        form.order_fields(["quantity", "reason"])
        return form

    def apply(self, row: Delivery, typed: dict[str, Any]) -> Any:
        return resize_delivery(delivery_id=row.pk, quantity=typed["quantity"], reason=typed["reason"])

    def do(self, row: Delivery, typed: dict[str, Any]) -> str:
        self.apply(row, typed)
        return _("Now %(quantity)s units.") % {"quantity": typed["quantity"]}


class Split(OfOpen):
    name = "split"
    title = gettext_lazy("Split it")
    lead = gettext_lazy("A part of what is outstanding comes on other days; it becomes a delivery of its own.")
    button = gettext_lazy("Split it")

    def refusal(self, row: Delivery) -> str:
        said = super().refusal(row)
        return said or ("" if row.outstanding > 1 else _("There is only one unit outstanding; it cannot be split."))

    def form(self, row: Delivery, data: Any) -> forms.Form:
        form = SplitForm(data, initial={"earliest_on": row.earliest_on, "latest_on": row.latest_on})
        label = gettext_lazy("Units that come on other days")
        form.fields["quantity"] = units_field(most=row.outstanding - 1, label=label)
        form.order_fields(SplitForm.field_order)
        return form

    def apply(self, row: Delivery, typed: dict[str, Any]) -> Any:
        return split_delivery(
            delivery_id=row.pk,
            quantity=typed["quantity"],
            earliest=typed["earliest_on"],
            latest=typed["latest_on"],
            reason=typed["reason"],
        )

    def do(self, row: Delivery, typed: dict[str, Any]) -> str:
        later = self.apply(row, typed)
        said = ngettext(
            "%(count)s unit comes %(days)s, as a delivery of its own.",
            "%(count)s units come %(days)s, as a delivery of their own.",
            later.quantity,
        )
        return said % {"count": later.quantity, "days": days(later.earliest_on, later.latest_on)}


class NotComing(OfOpen):
    name = "cancel"
    title = gettext_lazy("It does not come")
    lead = gettext_lazy("What is outstanding will not come. Whoever waited for it gets another date, or none.")
    button = gettext_lazy("It does not come")
    form_class = ReasonForm

    def apply(self, row: Delivery, typed: dict[str, Any]) -> Any:
        return cancel_delivery(delivery_id=row.pk, reason=typed["reason"])

    def do(self, row: Delivery, typed: dict[str, Any]) -> str:
        self.apply(row, typed)
        return _("Cancelled.")


class UndoReceipt(Act):
    name = "undo"
    title = gettext_lazy("Undo the last receipt")
    lead = gettext_lazy(
        "For goods that were booked in and are not there. The delivery is expected again; units leave the shelf first, then "
        "those who stand last in the queue give theirs back."
    )
    button = gettext_lazy("Undo it")
    field_of = {InvalidQuantity: "quantity", NotEnoughLeft: "quantity"}

    def refusal(self, row: Delivery) -> str:
        if row.received_quantity and last_receipt(row) is not None:
            return ""
        return _("There is no receipt of this delivery that could be undone.")

    def facts(self, page: Any, row: Delivery) -> list[tuple[Any, Any]]:
        receipt = last_receipt(row)
        came = timezone.localtime(receipt.happened_at) if receipt else None
        when = days(came.date(), came.date()) if came else ""
        said = _("%(units)s units, %(day)s") % {"units": receipt.quantity if receipt else 0, "day": when}
        return [*super().facts(page, row), (_("last receipt"), said)]

    def form(self, row: Delivery, data: Any) -> forms.Form:
        receipt = last_receipt(row)
        most = receipt.quantity if receipt else 1
        form = ReasonForm(data, initial={"quantity": most})
        form.fields["quantity"] = units_field(most=most, label=gettext_lazy("Units that are not there"))
        form.order_fields(["quantity", "reason"])
        return form

    def state_of(self, row: Delivery) -> tuple[Any, ...]:
        receipt = last_receipt(row)
        return row.state, row.received_quantity, receipt and receipt.pk

    def outlook(self, row: Delivery, typed: dict[str, Any]) -> Outlook:
        loss = simulate_loss(item=row.item, units=typed["quantity"])
        if loss.missing:
            raise NotEnoughLeft(asked=loss.units, possible=loss.units - loss.missing)
        return Outlook(says=tuple(loss_in_words(loss)))

    def do(self, row: Delivery, typed: dict[str, Any]) -> str:
        receipt = last_receipt(row)
        undone = undo_receipt(
            delivery_id=row.pk,
            reference=receipt.reference if receipt else "",
            quantity=typed["quantity"],
            reason=typed["reason"],
        )
        said = ngettext("%(count)s unit taken back.", "%(count)s units taken back.", -undone.units)
        return said % {"count": -undone.units}
