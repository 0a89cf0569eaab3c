"""Demo only: make things happen to a shelf and watch what follows. A real shop does this in its own back office."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from backorders.errors import BackordersError
from backorders.models import Allocation, Backorder, Delivery, Promise, StockEvent, StockItem, Subscription
from backorders.queries.simulation import simulate_arrival
from backorders.queries.stock import item_of
from backorders.queries.subscriptions import waiting_counts
from backorders.services.stock import return_units, stock_changed, write_off
from backorders.services.supply import (
    cancel_delivery,
    expect_delivery,
    move_delivery,
    receive_delivery,
    resize_delivery,
    split_delivery,
    undo_receipt,
)
from backorders.services.terms import set_selling_policy
from backorders.storefront.wording import promise_in_words
from demo_shop.models import Variant


def shelves(request):
    words = request.GET.get("q", "").split()
    variants = Variant.objects.order_by("stock", "-pk")
    for word in words[:6]:
        variants = variants.filter(Q(sku__iexact=word) | Q(product__title__icontains=word) | Q(name__icontains=word))
    page = Paginator(variants, 30).get_page(request.GET.get("page"))
    rows = counted(page.object_list)
    busy = counted(item.product for item in busy_items() if item.product) if page.number == 1 and not words else []
    context = {
        "page": page,
        "rows": rows,
        "busy": busy,
        "variants": [row["variant"] for row in busy + rows],
        "q": " ".join(words),
    }
    return render(request, "demo_shop/warehouse.html", context)


def busy_items():
    """Shelves somebody waits at or is owed from, so that a visitor finds the one they have just asked about."""
    awaited = Subscription.objects.waiting().values("item")
    return StockItem.objects.filter(Q(queued_units__gt=0) | Q(pk__in=awaited)).order_by("-pk")[:20].with_products()


def counted(variants):
    """Rows of the table: each variant with what it owes and how many wait."""
    variants = list(variants)
    kind = ContentType.objects.get_for_model(Variant)
    items = {
        item.object_id: item
        for item in StockItem.objects.filter(content_type=kind, object_id__in=[str(v.pk) for v in variants])
    }
    waiting = waiting_counts([item.id for item in items.values()])
    rows = []
    for variant in variants:
        item = items.get(str(variant.pk))
        owed, people = (item.queued_units, waiting.get(item.id, 0)) if item else (0, 0)
        rows.append({"variant": variant, "owed": owed, "waiting": people})
    return rows


@require_http_methods(["GET", "POST"])
def shelf(request, sku):
    variant = get_object_or_404(Variant, sku=sku)
    if request.method == "POST":
        happen(request, variant)
        return redirect("shelf", sku=sku)
    item = item_of(variant)
    today = timezone.localdate()
    what_if = UnitsForm(request.GET)
    units = what_if.cleaned_data["quantity"] if what_if.is_valid() else 3
    context = {
        "variant": variant,
        "first_day": today + timedelta(days=7),
        "last_day": today + timedelta(days=11),
        "units": units,
        "what_if": outcome_of(simulate_arrival(product=variant, units=units)),
    }
    if item:
        context |= about(item)
    return render(request, "demo_shop/shelf.html", context)


def about(item):
    deliveries = Delivery.objects.open().filter(item=item).select_related("supplier")
    receipts = [StockEvent.Kind.RECEIVED, StockEvent.Kind.UNDONE]
    return {
        "item": item,
        "deliveries": [(delivery, outcome_of(arrival_of(delivery))) for delivery in deliveries],
        "queue": Backorder.objects.waiting().filter(item=item).in_line()[:20],
        "waiting": Subscription.objects.waiting().filter(item=item).in_line()[:20],
        "waiting_count": Subscription.objects.waiting().filter(item=item).count(),
        "promises": Promise.objects.filter(backorder__item=item).select_related("backorder").order_by("-id")[:12],
        "events": StockEvent.objects.filter(item=item)[:12],
        "last_receipt": StockEvent.objects.filter(item=item, kind__in=receipts).first(),
    }


def arrival_of(delivery):
    return simulate_arrival(item=delivery.item, units=delivery.outstanding, delivery_id=delivery.pk)


def outcome_of(simulation):
    """What an arrival would lead to, as a sentence."""
    lines, orders, people = len(simulation.served), simulation.orders, simulation.told
    parts = [
        ngettext("%(lines)s line gets units", "%(lines)s lines get units", lines) % {"lines": lines},
        ngettext("%(orders)s order is complete", "%(orders)s orders are complete", orders) % {"orders": orders},
        ngettext("%(people)s person is told", "%(people)s people are told", people) % {"people": people},
    ]
    if people:
        waves = len(simulation.waves)
        parts[-1] += " " + ngettext("in %(waves)s wave", "in %(waves)s waves", waves) % {"waves": waves}
    parts.append(_("%(units)s for sale") % {"units": simulation.for_sale})
    told = ngettext("If %(units)s arrives: %(outcome)s", "If %(units)s arrive: %(outcome)s", simulation.units)
    return told % {"units": simulation.units, "outcome": " · ".join(parts)}


class UnitsForm(forms.Form):
    quantity = forms.IntegerField(min_value=1, max_value=10_000)


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=200, required=False)


class UnitsAndReasonForm(UnitsForm, ReasonForm):
    pass


class DelayForm(ReasonForm):
    days = forms.IntegerField(min_value=1, max_value=365)


class DeliveryForm(UnitsForm):
    earliest = forms.DateField()
    latest = forms.DateField()

    def clean(self):
        answers = super().clean()
        if answers.get("earliest") and answers.get("latest") and answers["latest"] < answers["earliest"]:
            self.add_error("latest", _("The last day comes before the first."))
        return answers


class SplitForm(DeliveryForm, ReasonForm):
    pass


def happen(request, variant):
    """This will do what a button says and tell whose units and dates it moved."""
    action, _colon, delivery = request.POST.get("action", "").partition(":")
    events = ON_A_DELIVERY if delivery else ON_THE_SHELF
    if action not in events:
        return
    form_class, event = events[action]
    form = form_class(request.POST)
    if not form.is_valid():
        for problems in form.errors.values():
            messages.error(request, problems[0])
        return
    subject = delivery_of(variant, delivery) if delivery else variant
    before = ledger_of(variant)
    try:
        told = event(subject, **form.cleaned_data)
    except BackordersError as problem:  # its text says what to do, as for a delivery that came in meanwhile
        messages.error(request, str(problem))
    else:
        messages.success(request, with_list(told, news_since(before, variant)))


def delivery_of(variant, pk):
    item = item_of(variant)
    if item is None or not pk.isdecimal():
        raise Http404
    return get_object_or_404(Delivery, item=item, pk=pk)


def ledger_of(variant):
    """How far the two ledgers of a shelf are written: units given, dates given."""
    item = item_of(variant)
    return [row.pk if (row := rows.last()) else 0 for rows in rows_of(item)]


def rows_of(item):
    return (
        Allocation.objects.filter(backorder__item=item).select_related("backorder").order_by("id"),
        Promise.objects.filter(backorder__item=item).select_related("backorder").order_by("id"),
    )


def news_since(before, variant):
    given, promised = rows_of(item_of(variant))
    return [*map(news_of_units, given.filter(pk__gt=before[0])), *map(news_of_date, promised.filter(pk__gt=before[1]))]


def news_of_units(allocation):
    told = _("%(who)s gets %(units)s") if allocation.quantity > 0 else _("%(who)s gives %(units)s back")
    return told % {"who": allocation.backorder.email, "units": abs(allocation.quantity)}


def news_of_date(promise):
    told = _("%(who)s is promised another date: %(when)s")
    return told % {"who": promise.backorder.email, "when": promise_in_words(promise.window)}


MOST_NEWS = 6


def with_list(told, news):
    if not news:
        return told
    shown = news[:MOST_NEWS]
    if len(news) > MOST_NEWS:
        shown.append(_("and %(more)s more") % {"more": len(news) - MOST_NEWS})
    return format_html("{}<ul>{}</ul>", told, format_html_join("", "<li>{}</li>", ((each,) for each in shown)))


# what can happen: each takes the shelf's variant or one of its deliveries, and says what it did


def truck_arrives(variant, *, quantity):
    today = timezone.localdate()
    delivery = expect_delivery(product=variant, quantity=quantity, earliest=today, latest=today, confidence="firm")
    return arrives(delivery, quantity=quantity)


def arrives(delivery, *, quantity):
    receive_delivery(delivery_id=delivery.pk, quantity=quantity)
    return _("%(quantity)s units unloaded.") % {"quantity": quantity}


def announce(variant, **answers):
    expect_delivery(product=variant, confidence="estimated", **answers)
    return _("Delivery announced.")


def delay(delivery, *, days, reason):
    later = timedelta(days=days)
    earliest, latest = delivery.earliest_on + later, delivery.latest_on + later
    move_delivery(delivery_id=delivery.pk, earliest=earliest, latest=latest, reason=reason)
    return _("The delivery is delayed.")


def shrink(delivery, *, quantity, reason):
    resize_delivery(delivery_id=delivery.pk, quantity=delivery.received_quantity + quantity, reason=reason)
    return _("Another number of units is expected.")


def split(delivery, *, quantity, earliest, latest, reason):
    split_delivery(delivery_id=delivery.pk, quantity=quantity, earliest=earliest, latest=latest, reason=reason)
    return _("The delivery comes in two parts.")


def lose(delivery, *, reason):
    cancel_delivery(delivery_id=delivery.pk, reason=reason)
    return _("The delivery does not come.")


def undo(delivery, *, reason):
    undone = undo_receipt(delivery_id=delivery.pk, reason=reason)
    return _("The receipt is undone: %(quantity)s units are expected again.") % {"quantity": abs(undone.units)}


def break_some(variant, *, quantity, reason):
    write_off(product=variant, quantity=quantity, reason=reason)
    return _("%(quantity)s units written off.") % {"quantity": quantity}


def come_back(variant, *, quantity, reason):
    return_units(product=variant, quantity=quantity, reason=reason)
    return _("%(quantity)s units came back.") % {"quantity": quantity}


def sell_out(variant):
    Variant.objects.filter(pk=variant.pk).update(stock=0)
    stock_changed(variant)
    return _("The shelf is empty.")


def discontinue(variant):
    set_selling_policy(product=variant, policy="stop", discontinued=True)
    return _("No longer made.")


def take_backorders(variant):
    set_selling_policy(product=variant, policy="backorder")
    return _("It can be ordered while it is out.")


ON_THE_SHELF = {
    "truck": (UnitsForm, truck_arrives),
    "announce": (DeliveryForm, announce),
    "write_off": (UnitsAndReasonForm, break_some),
    "return": (UnitsAndReasonForm, come_back),
    "sell_out": (forms.Form, sell_out),
    "discontinue": (forms.Form, discontinue),
    "take_backorders": (forms.Form, take_backorders),
}
ON_A_DELIVERY = {
    "arrives": (UnitsForm, arrives),
    "delay": (DelayForm, delay),
    "shrink": (UnitsAndReasonForm, shrink),
    "split": (SplitForm, split),
    "lose": (ReasonForm, lose),
    "undo": (ReasonForm, undo),
}
