"""Demo only: make things happen to a shelf and watch what follows. A real shop does this in its own back office."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Paginator
from django.db.models import Q
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from backorders.errors import BackordersError
from backorders.models import Backorder, Delivery, StockEvent, StockItem, Subscription
from backorders.queries.stock import item_of
from backorders.queries.subscriptions import waiting_counts
from backorders.services.stock import set_selling_policy, stock_changed
from backorders.services.supply import expect_delivery, move_delivery, receive_delivery
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
    context = {"variant": variant, "first_day": today + timedelta(days=7), "last_day": today + timedelta(days=11)}
    if item:
        context |= {
            "item": item,
            "deliveries": Delivery.objects.open().filter(item=item),
            "queue": Backorder.objects.waiting().filter(item=item).in_line()[:20],
            "waiting": Subscription.objects.waiting().filter(item=item).in_line()[:20],
            "waiting_count": Subscription.objects.waiting().filter(item=item).count(),
            "events": StockEvent.objects.filter(item=item)[:12],
        }
    return render(request, "demo_shop/shelf.html", context)


class TruckForm(forms.Form):
    quantity = forms.IntegerField(min_value=1, max_value=10_000)


class DeliveryForm(TruckForm):
    earliest = forms.DateField()
    latest = forms.DateField()

    def clean(self):
        answers = super().clean()
        if answers.get("earliest") and answers.get("latest") and answers["latest"] < answers["earliest"]:
            self.add_error("latest", _("The last day comes before the first."))
        return answers


def happen(request, variant):
    action, *argument = request.POST.get("action", "").split(":")
    if action not in EVENTS:
        return
    try:
        EVENTS[action](request, variant, *argument)
    except BackordersError as problem:  # its text says what to do, as for a delivery that came in meanwhile
        messages.error(request, str(problem))


def truck_arrives(request, variant, delivery_id=None):
    form = TruckForm(request.POST)
    if not form.is_valid():
        return refuse(request, form)
    today = timezone.localdate()
    quantity = form.cleaned_data["quantity"]
    if delivery_id is None:
        delivery_id = expect_delivery(
            product=variant, quantity=quantity, earliest=today, latest=today, confidence="firm"
        ).id
    receive_delivery(delivery_id=int(delivery_id), quantity=quantity)
    return messages.success(request, _("%(quantity)s units unloaded.") % {"quantity": quantity})


def sell_out(request, variant):
    Variant.objects.filter(pk=variant.pk).update(stock=0)
    stock_changed(variant)
    messages.success(request, _("The shelf is empty."))


def announce(request, variant):
    form = DeliveryForm(request.POST)
    if not form.is_valid():
        return refuse(request, form)
    expect_delivery(product=variant, confidence="estimated", **form.cleaned_data)
    return messages.success(request, _("Delivery announced."))


def delay(request, variant, delivery_id):
    delivery = get_object_or_404(Delivery, pk=delivery_id)
    week = timedelta(days=7)
    move_delivery(
        delivery_id=delivery.pk,
        earliest=delivery.earliest_on + week,
        latest=delivery.latest_on + week,
        reason="Delayed by a week",
    )
    messages.success(request, _("Delayed by a week."))


def discontinue(request, variant):
    set_selling_policy(product=variant, policy="stop", discontinued=True)
    messages.success(request, _("No longer made."))


def take_backorders(request, variant):
    set_selling_policy(product=variant, policy="backorder")
    messages.success(request, _("It can be ordered while it is out."))


EVENTS = {
    "truck": truck_arrives,
    "sell_out": sell_out,
    "announce": announce,
    "delay": delay,
    "discontinue": discontinue,
    "take_backorders": take_backorders,
}


def refuse(request, form):
    for problems in form.errors.values():
        messages.error(request, problems[0])
