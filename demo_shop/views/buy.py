"""From the basket to an order."""

from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backorders.domain.parcels import Outlook as Parcels
from backorders.errors import InvalidAddress, NotCancellable, NotOrderable
from backorders.queries.backorders import places_of
from backorders.services.backorders import cancel_backorder
from backorders.storefront.holds import holds_of
from demo_shop.basket import MOST, Basket
from demo_shop.models import Order, Variant
from demo_shop.ordering import outlook, place_order, standing_of_orders


class QuantityForm(forms.Form):
    variant = forms.ModelChoiceField(Variant.objects.filter(product__is_published=True))
    quantity = forms.IntegerField(min_value=0, max_value=MOST)


class CheckoutForm(forms.Form):
    email = forms.EmailField(label=gettext_lazy("E-mail"), widget=forms.EmailInput({"autocomplete": "email"}))
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=120, widget=forms.TextInput({"autocomplete": "name", "dir": "auto"})
    )
    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=400,
        widget=forms.Textarea({"rows": 3, "autocomplete": "street-address", "dir": "auto"}),
    )
    ship = forms.ChoiceField(
        choices=[("split", ""), ("together", "")],  # `{% backorder_ship %}` draws them, with dates
        initial="split",
    )
    checkout_key = forms.CharField(max_length=40, widget=forms.HiddenInput)


def add(request):
    if request.method != "POST":  # an address that somebody typed, or kept
        return redirect("basket")
    form = QuantityForm(request.POST)
    if form.is_valid():
        variant = form.cleaned_data["variant"]
        Basket(request.session).add(variant, form.cleaned_data["quantity"])
        messages.success(request, _("%(title)s is in your basket.") % {"title": variant.title})
    else:
        messages.error(request, _("That could not be added. Choose a quantity from 1 to %(most)s.") % {"most": MOST})
    return redirect("basket")


def basket(request):
    picked = Basket(request.session)
    if "instead" in request.POST:
        take_instead(request, picked)
        return redirect("basket")
    if request.method == "POST":
        form = QuantityForm(request.POST)
        if form.is_valid():
            picked.put(form.cleaned_data["variant"], form.cleaned_data["quantity"])
        return redirect("basket")
    return render(request, "demo_shop/basket.html", plan_of(picked, holds_of(request)))


def plan_of(basket, holds, refused=None):
    """The basket as it would be ordered now, and whether it can be."""
    rows = outlook(basket.lines(), refused, holds=holds)
    return {
        "rows": rows,
        "variants": [row.line.variant for row in rows],
        "total": sum(row.line.total for row in rows),
        "trouble": next((row for row in rows if row.refusal), None),
        "can_check_out": bool(rows) and not any(row.refusal for row in rows),
        "parcels": Parcels(tuple(row.share for row in rows if not row.refusal)),
    }


def checkout(request):
    basket = Basket(request.session)
    customer = request.user if request.user.is_authenticated else None
    known = {"email": customer.email, "name": customer.get_full_name()} if customer else {}
    form = CheckoutForm(request.POST or None, initial={**known, "checkout_key": uuid4()})
    refused = None
    if "instead" in request.POST:  # the button beside a line that cannot be had as it is; what was typed stays
        take_instead(request, basket)
        form = CheckoutForm(initial=request.POST.dict())
    elif request.method == "POST" and form.is_valid():
        placed_before = Order.objects.filter(checkout_key=form.cleaned_data["checkout_key"]).first()
        try:
            order = placed_before or place_basket(basket, customer, form, holds_of(request))
        except InvalidAddress:
            form.add_error("email", _("We cannot write to this address. Check it for a slip."))
        except NotOrderable as refusal:  # too many, too few, or sold out a moment ago: said beside the line
            refused = refusal
        else:
            return redirect(order or "basket")
    plan = plan_of(basket, holds_of(request), refused)
    if not plan["rows"] or not (plan["can_check_out"] or request.method == "POST"):
        return redirect("basket")
    return render(request, "demo_shop/checkout.html", {"form": form, "refused": refused, **plan})


def place_basket(basket, customer, form, holds):
    lines = basket.lines()
    if not lines:
        return None
    order = place_order(lines, customer=customer, holds=holds, **form.cleaned_data)
    basket.empty()
    return order


def take_instead(request, basket):
    variant, _colon, quantity = request.POST["instead"].partition(":")
    form = QuantityForm({"variant": variant, "quantity": quantity})
    if form.is_valid():
        basket.put(form.cleaned_data["variant"], form.cleaned_data["quantity"])


def order(request, reference):
    found = get_object_or_404(Order, reference=reference)
    standing = standing_of_orders([found])[0]
    context = {"order": found, "standing": standing, "can_change": found.may_be_changed_by(request.user)}
    return render(request, "demo_shop/order.html", context)


class CancelForm(forms.Form):
    line = forms.CharField(max_length=20)
    quantity = forms.IntegerField(min_value=1, max_value=MOST)


def cancel(request, reference):
    """Take a line that waits out of the queue, or some of its units."""
    found = get_object_or_404(Order, reference=reference)
    if request.method != "POST":
        return redirect(found)
    form = CancelForm(request.POST)
    if not found.may_be_changed_by(request.user):
        raise Http404
    if not form.is_valid():
        messages.error(request, _("Choose how many you no longer want."))
        return redirect(found)
    line = get_object_or_404(found.lines, reference=form.cleaned_data["line"])
    place, units = places_of([line.reference]).get(line.reference), form.cleaned_data["quantity"]
    if not place or units > place.waiting:
        messages.error(request, _("So many no longer wait. This is how your order stands now."))
        return redirect(found)
    try:
        cancel_backorder(backorder_id=place.backorder_id, quantity=units)
    except NotCancellable:
        messages.error(request, _("So many no longer wait. This is how your order stands now."))
    else:
        told = ngettext(
            "%(units)s × %(title)s is cancelled. You do not pay for it.",
            "%(units)s × %(title)s are cancelled. You do not pay for them.",
            units,
        )
        messages.success(request, told % {"units": units, "title": line.variant.title})
    return redirect(found)
