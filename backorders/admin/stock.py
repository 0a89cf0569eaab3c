"""Stock items: what an empty shelf means for a product, what is owed, who waits, and what was seen."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.query import ModelIterable
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.acts import WithActs, links
from backorders.admin.arrivals import arrival_page
from backorders.admin.base import Ledger, OpenFirst, ReadOnlyPage
from backorders.admin.look import NOTHING, availability_badge, badge, days, forecast_of, state_badge, trouble_badge
from backorders.admin.products import described_of, product_typed, title_of
from backorders.admin.shelf import BookReturn, WriteOff
from backorders.admin.terms import EMPTY_SHELF, LIMITS, TermsChecked, change_many, terms_in_words, with_plain_words
from backorders.admin.words import told
from backorders.domain.units import whole_quantity
from backorders.errors import InvalidQuantity
from backorders.models import Delivery, StockEvent, StockItem, Subscription
from backorders.models.stock import BEHIND, TERMS, attach_products
from backorders.queries.availability import availability_of_items
from backorders.queries.backorders import free_in_deliveries
from backorders.queries.stock import adapter_of, item_of
from backorders.queries.subscriptions import waiting_counts
from backorders.services.stock import set_on_hand
from backorders.services.terms import set_selling_policy

_LAST_EVENTS = 20


class Situation(OpenFirst):
    title = _("situation")
    options = (
        ("all", _("all"), Q()),
        ("attention", _("needs attention"), ~Q(problem="")),
        ("sold_out", _("nothing for sale"), Q(for_sale=0)),
        ("owed", _("units owed"), Q(queued_units__gt=0)),
        ("wanted", _("people waiting"), Q(Exists(Subscription.objects.waiting().filter(item=OuterRef("pk"))))),
        ("coming", _("on its way"), Q(inbound_units__gt=0)),
        ("nothing_coming", _("owed, nothing on its way"), Q(queued_units__gt=0, inbound_units=0)),
        ("gone", _("no longer made"), Q(is_discontinued=True)),
    )

    def rules(self) -> tuple[tuple[str, Any, Q], ...]:
        return self.options


class ProductField(forms.CharField):
    """A product by its reference, its number, or words of its title."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Product"),
            max_length=200,
            help_text=_("Part of its title, its number, or its reference such as catalogue.product:12."),
            widget=forms.TextInput(attrs={"class": "vTextField", "size": 60}),
        )


class ItemForm(TermsChecked, forms.ModelForm):
    """What staff decide; the service writes it."""

    class Meta:
        model = StockItem
        fields = [*TERMS, "opens_at", "releases_at", "is_discontinued", "successor", "supplier", "own_quantity"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with_plain_words(self.fields)

    def clean_own_quantity(self) -> int | None:
        try:
            quantity: int | None = self.cleaned_data["own_quantity"]
            return None if quantity is None else whole_quantity(quantity, least=0)
        except InvalidQuantity as error:
            raise ValidationError(told(error)) from None

    def clean_successor(self) -> StockItem | None:
        successor: StockItem | None = self.cleaned_data["successor"]
        if successor is not None and successor.product is None:
            raise ValidationError(gettext("This product is gone from the shop."))
        if successor is not None and successor.pk == self.instance.pk:
            raise ValidationError(gettext("A product does not replace itself."))
        return successor


class NewItemForm(ItemForm):
    product = ProductField()
    look_up: Any = None

    def clean_product(self) -> Any:
        product = self.look_up(self.cleaned_data["product"])
        if item_of(product) is not None:
            raise ValidationError(gettext("This product has its entry already. Look for it in the list."))
        return product


class DeliveriesOfItem(Ledger):
    model = Delivery
    verbose_name_plural = _("deliveries")
    fields = ["window", "ships", "units", "left", "supplier", "certainty", "badge"]
    readonly_fields = fields
    show_change_link = True
    ordering = ["-latest_on", "-id"]

    @admin.display(description=_("goods can ship"))
    def ships(self, delivery: Delivery) -> str:
        return forecast_of(delivery)

    @admin.display(description=_("the supplier says"))
    def window(self, delivery: Delivery) -> str:
        return days(delivery.earliest_on, delivery.latest_on)

    @admin.display(description=_("units received"))
    def units(self, delivery: Delivery) -> str:
        return gettext("%(received)s of %(quantity)s") % {
            "received": delivery.received_quantity,
            "quantity": delivery.quantity,
        }

    @admin.display(description=_("not spoken for"))
    def left(self, delivery: Delivery) -> str:
        """ "7 of 40": what the queue leaves of an open delivery, worked out once for all of them."""
        known = delivery.item.__dict__
        if "free" not in known:
            known["free"] = {free.delivery_id: free for free in free_in_deliveries(delivery.item, now=timezone.now())}
        free = known["free"].get(delivery.id)
        return (
            gettext("%(received)s of %(quantity)s") % {"received": free.free, "quantity": free.units}
            if free
            else NOTHING
        )

    @admin.display(description=_("how certain"))
    def certainty(self, delivery: Delivery) -> str:
        return delivery.get_confidence_display()

    @admin.display(description=_("state"))
    def badge(self, delivery: Delivery) -> str:
        return state_badge(delivery)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).select_related("supplier")


class LastEvents(Ledger):
    model = StockEvent
    verbose_name_plural = _("last changes of the shelf")
    fields = ["happened_at", "kind", "quantity", "before", "after", "source", "reference", "note"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockEvent]:
        events = super().get_queryset(request)
        item_id = request.resolver_match and request.resolver_match.kwargs.get("object_id")
        if not str(item_id or "").isdecimal():
            return events.none()
        last = events.filter(item_id=int(item_id)).order_by("-id").values_list("id", flat=True)  # type: ignore[arg-type]
        return events.filter(id__in=list(last[:_LAST_EVENTS]))  # a slice cannot be filtered by the formset


class WithProducts(ModelIterable):
    """Rows that come with their products, for pages that write ``str(item)`` row by row."""

    def __iter__(self) -> Any:
        items = list(super().__iter__())
        attach_products(items)
        return iter(items)


@admin.register(StockItem)
class StockItemAdmin(WithActs):
    item_paths = ("",)
    list_display = ["product", "state", "sale", "owed", "waiting_people", "inbound", "next_date", "trouble"]
    list_filter = [Situation, "policy", "supplier"]
    list_select_related = ["supplier"]
    search_fields = ["object_id"]
    autocomplete_fields = ["successor", "supplier"]
    actions = ["change_terms"]
    acts = (WriteOff(), BookReturn())
    inlines = [DeliveriesOfItem, LastEvents]
    ordering = ["-id"]
    readonly_fields = ["product", "state", "sale", "owed", "held", "waiting_people", "inbound", "next_date", "trouble"]
    readonly_fields += ["last_seen", "settled_at", "ways", "bookings", "in_force"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockItem]:
        items = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            items._iterable_class = WithProducts
        return items

    def prepare(self, rows: list[Any]) -> None:
        super().prepare(rows)
        answers, people = availability_of_items(rows, timezone.now()), waiting_counts(item.id for item in rows)
        for item in rows:
            item.__dict__["answer"], item.__dict__["people"] = answers.get(item.id), people.get(item.id, 0)

    def name_of(self, row: StockItem) -> str:
        return title_of(row)

    def _told(self, item: StockItem, name: str) -> Any:
        if name not in item.__dict__:
            self.prepare([item])
        return item.__dict__[name]

    # columns

    @admin.display(description=_("product"))
    def product(self, item: StockItem) -> str:
        described = described_of(item)
        if described and described.sku:
            return format_html('{} <span class="bo-quiet bo-sku">{}</span>', described.title, described.sku)
        return title_of(item)

    @admin.display(description=_("state"))
    def state(self, item: StockItem) -> str:
        return availability_badge(self._told(item, "answer") if described_of(item) else None)

    @admin.display(description=_("for sale"), ordering="for_sale")
    def sale(self, item: StockItem) -> str:
        answer = self._told(item, "answer")
        if answer is None:
            return NOTHING
        return gettext("not counted") if answer.for_sale.is_unlimited else str(answer.for_sale.value)

    @admin.display(description=_("owed"), ordering="queued_units")
    def owed(self, item: StockItem) -> str:
        return str(item.queued_units or NOTHING)

    @admin.display(description=_("held on the shelf"))
    def held(self, item: StockItem) -> str:
        return str(item.held_units + item.on_hold_units or NOTHING)

    @admin.display(description=_("waiting"))
    def waiting_people(self, item: StockItem) -> str:
        return str(self._told(item, "people") or NOTHING)

    @admin.display(description=_("coming"), ordering="inbound_units")
    def inbound(self, item: StockItem) -> str:
        return str(item.inbound_units or NOTHING)

    @admin.display(description=_("next unit"), ordering="next_latest")
    def next_date(self, item: StockItem) -> str:
        answer = self._told(item, "answer")
        if item.next_confidence == BEHIND:
            return NOTHING
        text = days(item.next_earliest, item.next_latest)
        if answer is not None and getattr(answer.window, "is_overdue", False):
            return badge("bad", "!", gettext("late: %(days)s") % {"days": text})
        return text

    @admin.display(description=_("problem"), ordering="problem")
    def trouble(self, item: StockItem) -> str:
        return trouble_badge(item.problem) if item.problem else NOTHING

    # the form

    @admin.display(description=_("terms in force"))
    def in_force(self, item: StockItem) -> str:
        return terms_in_words(item)

    @admin.display(description=_("last seen on the shelf"))
    def last_seen(self, item: StockItem) -> str:
        if item.settled_at is None:
            return NOTHING
        return gettext("not counted") if item.seen_quantity is None else str(item.seen_quantity)

    @admin.display(description=_("go to"))
    def ways(self, item: StockItem) -> str:
        """Links to the rows of this item, and to the product in the shop's own admin."""
        ways = [
            (self.link("stockitem_arrival", item.pk), gettext("If so many arrive…")),
            (f"{self.link('delivery_add')}?product={_reference(item)}", gettext("Expect a delivery")),
            (f"{self.link('backorder_changelist')}?item={item.pk}", gettext("Queue")),
            (f"{self.link('subscription_changelist')}?item={item.pk}", gettext("Waiting people")),
            (f"{self.link('restock_changelist')}?show=all&item={item.pk}", gettext("Restocks")),
            *self._shops_own_page(item),
        ]
        return links(ways)

    @admin.display(description=_("book by hand"))
    def bookings(self, item: StockItem) -> str:
        return links(self.ways_of(item))

    def _shops_own_page(self, item: StockItem) -> list[tuple[str, str]]:
        meta = item.product._meta if item.product is not None else None
        if meta is None:
            return []
        try:
            name = f"admin:{meta.app_label}_{meta.model_name}_change"
            url = reverse(name, args=[item.product.pk], current_app=self.admin_site.name)
        except NoReverseMatch:
            return []
        return [(url, gettext("The product in the shop"))]

    def get_fieldsets(self, request: HttpRequest, obj: StockItem | None = None) -> Any:
        terms = [
            (_("When the shelf is empty"), {"fields": [*EMPTY_SHELF, ("is_discontinued", "successor")]}),
            (_("Limits"), {"fields": LIMITS}),
            (_("Dates"), {"fields": ["lead_days", "supplier"]}),
            (_("Pre-order"), {"fields": ["opens_at", "releases_at"]}),
        ]
        if obj is None:
            return [(None, {"fields": ["product"]}), *terms]
        now = [("state", "sale"), ("owed", "held"), ("inbound", "next_date"), ("waiting_people", "last_seen")]
        head = ["product", "ways", *(["bookings"] if self.has_act_permission(request) else [])]
        return [
            (None, {"fields": [*head, *(["trouble"] if obj.problem else [])]}),
            (_("Now"), {"fields": [*now, "settled_at"], "classes": ["bo-now"]}),
            *terms,
            *([(_("On hand"), {"fields": ["own_quantity"]})] if _is_ours_to_count(obj) else []),
            (_("What counts"), {"fields": ["in_force"], "classes": ["bo-wide"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: StockItem | None = None) -> Any:
        if obj is None:
            return [name for name in self.readonly_fields if name != "product"]
        if obj.product is None:
            return [*self.readonly_fields, *ItemForm.Meta.fields]
        return self.readonly_fields

    def get_inlines(self, request: HttpRequest, obj: StockItem | None) -> Any:
        return self.inlines if obj else []

    def get_form(self, request: HttpRequest, obj: StockItem | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, form=ItemForm if obj else NewItemForm, **kwargs)
        form.look_up = staticmethod(partial(product_typed, site=self.admin_site, request=request))
        return form

    def save_model(self, request: HttpRequest, obj: StockItem, form: Any, change: bool) -> None:
        product = obj.product if change else form.cleaned_data["product"]
        item = set_selling_policy(
            product=product,
            **{name: getattr(obj, name) for name in TERMS},
            opens_at=obj.opens_at,
            releases_at=obj.releases_at,
            discontinued=obj.is_discontinued,
            successor=obj.successor.product if obj.successor else None,
            supplier=obj.supplier,
        )
        if change and "own_quantity" in form.changed_data and _is_ours_to_count(obj):
            set_on_hand(product=product, quantity=obj.own_quantity)
        obj.pk = item.pk
        obj.refresh_from_db()

    # pages of our own

    def get_urls(self) -> Any:
        arrival = self.admin_site.admin_view(partial(arrival_page, self))
        return [path("<int:pk>/arrival/", arrival, name="backorders_stockitem_arrival"), *super().get_urls()]

    @admin.action(description=_("Change terms of many…"), permissions=["act"])
    def change_terms(self, request: HttpRequest, queryset: QuerySet[StockItem]) -> HttpResponse | None:
        return change_many(self, request, queryset)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deliveries, the ledger and the people who wait hang on it."""
        return False


def _is_ours_to_count(item: StockItem) -> bool:
    adapter = adapter_of(item)
    return adapter is not None and not adapter.keeps_stock


def _reference(item: StockItem) -> str:
    adapter = adapter_of(item)
    return f"{adapter.model._meta.label_lower}:{item.object_id}" if adapter else ""


@admin.register(StockEvent)
class StockEventAdmin(ReadOnlyPage):
    list_display = ["happened_at", "item_name", "kind", "quantity", "before", "after", "source", "reference", "note"]
    list_filter = ["kind"]
    list_select_related = ["item"]
    search_fields = ["item__object_id"]
    searched_columns = ("reference", "note")
    fields = ["item_name", "happened_at", "kind", "quantity", "before", "after", "source", "reference", "note"]

    @admin.display(description=_("item"))
    def item_name(self, event: StockEvent) -> str:
        return self.item_link(event.item)
