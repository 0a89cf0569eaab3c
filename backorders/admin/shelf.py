"""Goods that broke or were lost, and goods that customers sent back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backorders.admin.acts import Act, Outlook, reason_field, receipt_field, units_field
from backorders.admin.look import NOTHING
from backorders.errors import MOST_UNITS, InvalidQuantity, NotEnoughLeft
from backorders.models import StockItem
from backorders.queries.simulation import Loss, Simulation, simulate_arrival, simulate_loss
from backorders.services.stock import Booked, return_units, write_off


class UnitsForm(forms.Form):
    receipt = receipt_field()
    quantity = units_field(most=MOST_UNITS)
    reason = reason_field()


class ReturnForm(UnitsForm):
    reason = reason_field(is_public=False)


class OnShelf(Act):
    """Units of one stock item, booked by hand."""

    form_class = UnitsForm
    field_of = {InvalidQuantity: "quantity", NotEnoughLeft: "quantity"}

    def refusal(self, row: StockItem) -> str:
        return "" if row.product is not None else _("This product is gone from the shop.")

    def facts(self, page: Any, row: StockItem) -> list[tuple[Any, Any]]:
        seen = _("not counted") if row.seen_quantity is None else row.seen_quantity
        return [
            *super().facts(page, row),
            (_("last seen on the shelf"), seen),
            (_("owed"), row.queued_units or NOTHING),
        ]


class WriteOff(OnShelf):
    name = "write-off"
    title = gettext_lazy("Write off")
    lead = gettext_lazy(
        "For goods that are broken or lost. They leave the shelf first; what is missing then is taken back from those who "
        "stand last in the queue."
    )
    button = gettext_lazy("Write them off")

    def outlook(self, row: StockItem, typed: dict[str, Any]) -> Outlook:
        loss = simulate_loss(item=row, units=typed["quantity"])
        if loss.missing:
            raise NotEnoughLeft(asked=loss.units, possible=loss.units - loss.missing)
        return Outlook(says=tuple(loss_in_words(loss)))

    def do(self, row: StockItem, typed: dict[str, Any]) -> str:
        reference = f"admin:{typed['receipt']}"
        booked = write_off(product=row.product, quantity=typed["quantity"], reason=typed["reason"], reference=reference)
        said = ngettext("%(count)s unit written off.", "%(count)s units written off.", booked.units)
        return _once(booked, said)


class BookReturn(OnShelf):
    name = "return"
    title = gettext_lazy("Book a return")
    lead = gettext_lazy("For goods that customers sent back and that can be sold. The queue is served first.")
    button = gettext_lazy("Book them in")
    form_class = ReturnForm

    def outlook(self, row: StockItem, typed: dict[str, Any]) -> Outlook:
        return Outlook(says=tuple(arrival_in_words(simulate_arrival(item=row, units=typed["quantity"]))))

    def do(self, row: StockItem, typed: dict[str, Any]) -> str:
        reference = f"admin:{typed['receipt']}"
        booked = return_units(
            product=row.product, quantity=typed["quantity"], reason=typed["reason"], reference=reference
        )
        return _once(booked, ngettext("%(count)s unit came back.", "%(count)s units came back.", booked.units))


def _once(booked: Booked, said: str) -> str:
    if booked.was_repeated:
        return _("This was booked before; nothing was counted twice.")
    return said % {"count": booked.units}


def loss_in_words(loss: Loss) -> list[str]:
    said = []
    if loss.from_shelf:
        text = ngettext("%(count)s unit leaves the shelf.", "%(count)s units leave the shelf.", loss.from_shelf)
        said.append(text % {"count": loss.from_shelf})
    if loss.from_lines:
        text = ngettext(
            "%(units)s units are taken back from %(count)s order line, which waits again at its place.",
            "%(units)s units are taken back from %(count)s order lines, which wait again at their places.",
            loss.lines,
        )
        said.append(text % {"units": loss.from_lines, "count": loss.lines})
    if loss.is_booked_by_shop:
        said.append(_("The shop books its own stock: lower its number first. Ours follows."))
    return said


def arrival_in_words(found: Simulation) -> list[str]:
    """The sentence of a simulation in parts: lines, orders, people, and what is left for sale."""
    parts = [
        (ngettext("%(count)s line ships", "%(count)s lines ship", found.complete), found.complete),
        (ngettext("%(count)s order completes", "%(count)s orders complete", found.orders), found.orders),
    ]
    said = [text % {"count": count} for text, count in parts]
    if in_part := len(found.served) - found.complete:
        text = ngettext("%(count)s line gets a part", "%(count)s lines get a part", in_part)
        said.insert(1, text % {"count": in_part})
    said.append(_told(found))
    if found.for_sale is not None:
        text = ngettext("%(count)s unit is for sale", "%(count)s units are for sale", found.for_sale)
        said.append(text % {"count": found.for_sale})
    return said


def _told(found: Simulation) -> str:
    people = ngettext("%(count)s person is told", "%(count)s people are told", found.told) % {"count": found.told}
    if len(found.waves) < 2:
        return people
    return _("%(people)s in %(waves)s waves") % {"people": people, "waves": len(found.waves)}
