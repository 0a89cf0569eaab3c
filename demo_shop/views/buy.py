"""From the basket to an order."""

from uuid import uuid4

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from backorders.errors import LimitReached, NotOrderable
from backorders.queries.availability import availability_for
from backorders.queries.backorders import places_of
from demo_shop.basket import MOST, Basket
from demo_shop.models import Order, Variant
from demo_shop.ordering import place_order


class AddForm(forms.Form):
    variant = forms.ModelChoiceField(Variant.objects.filter(product__is_published=True))
    quantity = forms.IntegerField(min_value=0, max_value=MOST)


class CheckoutForm(forms.Form):
    email = forms.EmailField(label=gettext_lazy("E-mail"), widget=forms.EmailInput({"autocomplete": "email"}))
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120, widget=forms.TextInput({"autocomplete": "name"}))
    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=400,
        widget=forms.Textarea({"rows": 3, "autocomplete": "street-address"}),
    )
    ship = forms.ChoiceField(
        label=gettext_lazy("If something has to follow later"),
        choices=[
            ("split", gettext_lazy("Send what is here now, the rest when it comes")),
            ("together", gettext_lazy("Send everything together")),
        ],
        widget=forms.RadioSelect,
        initial="split",
    )
    checkout_key = forms.CharField(max_length=40, widget=forms.HiddenInput)


@require_POST
def add(request):
    form = AddForm(request.POST)
    if form.is_valid():
        variant = form.cleaned_data["variant"]
        Basket(request.session).add(variant, form.cleaned_data["quantity"])
        messages.success(request, _("%(title)s is in your basket.") % {"title": variant.title})
    else:
        messages.error(request, _("That could not be added. Choose a quantity from 1 to %(most)s.") % {"most": MOST})
    return redirect("basket")


def basket(request):
    picked = Basket(request.session)
    if request.method == "POST":
        form = AddForm(request.POST)
        if form.is_valid():
            picked.put(form.cleaned_data["variant"], form.cleaned_data["quantity"])
        return redirect("basket")
    return render(request, "demo_shop/basket.html", outlook(picked))


def outlook(basket):
    """The basket as it would be ordered now: what leaves at once, what follows, what stands in the way."""
    lines = basket.lines()
    answers = availability_for([line.variant for line in lines])
    rows = [{"line": line, "availability": answers[line.variant]} for line in lines]
    for row in rows:
        row["fits"] = row["availability"].covers(row["line"].quantity)
        row["is_here"] = row["availability"].on_hand.covers(row["line"].quantity)
    return {
        "rows": rows,
        "total": sum(line.total for line in lines),
        "can_check_out": bool(rows) and all(row["fits"] for row in rows),
        "some_later": not all(row["is_here"] for row in rows),
    }


def checkout(request):
    basket = Basket(request.session)
    known = {"email": request.user.email, "name": request.user.get_full_name()} if request.user.is_authenticated else {}
    form = CheckoutForm(request.POST or None, initial={**known, "checkout_key": uuid4()})
    if request.method == "POST" and form.is_valid():
        placed_before = Order.objects.filter(checkout_key=form.cleaned_data["checkout_key"]).first()
        if placed_before:
            return redirect(placed_before)
        try:
            order = place_order(
                basket.lines(), customer=request.user if request.user.is_authenticated else None, **form.cleaned_data
            )
        except LimitReached as problem:
            wanted = {"title": problem.product, "possible": problem.possible}
            messages.error(request, _("Only %(possible)s of %(title)s can be ordered just now.") % wanted)
            return redirect("basket")
        except NotOrderable as problem:
            messages.error(request, _("%(title)s can no longer be ordered.") % {"title": problem.product})
            return redirect("basket")
        basket.empty()
        return redirect(order)
    plan = outlook(basket)
    if not plan["can_check_out"]:
        return redirect("basket")
    return render(request, "demo_shop/checkout.html", {"form": form, **plan})


def order(request, reference):
    found = get_object_or_404(Order, reference=reference)
    lines = list(found.lines.select_related("variant__product"))
    places = places_of(references=[line.reference for line in lines])
    rows = [{"line": line, "place": places.get(line.reference)} for line in lines]
    return render(
        request, "demo_shop/order.html", {"order": found, "rows": rows, "total": sum(line.total for line in lines)}
    )
