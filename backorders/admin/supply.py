"""Deliveries: expect, move, receive, cancel."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import MOST_AT_ONCE, Ledger, OpenFirst, Page
from backorders.admin.look import badge, days, state_badge
from backorders.admin.products import product_typed
from backorders.admin.receiving import receive_page
from backorders.admin.stock import ProductField
from backorders.domain.units import whole_quantity
from backorders.domain.windows import window_between
from backorders.errors import InvalidQuantity, InvalidWindow
from backorders.models import Delivery, DeliveryRevision, Supplier
from backorders.queries.availability import shop_today
from backorders.services.supply import cancel_delivery, expect_delivery, move_delivery

_THIS_WEEK = timedelta(days=6)


class When(OpenFirst):
    title = _("when")

    def rules(self) -> tuple[tuple[str, Any, Q], ...]:
        today, is_open = shop_today(timezone.now()), Q(state=Delivery.State.EXPECTED)
        soon = today + _THIS_WEEK
        return (
            ("open", _("expected"), is_open),
            ("overdue", _("overdue"), is_open & Q(latest_on__lt=today)),
            ("week", _("this week"), is_open & Q(latest_on__gte=today, earliest_on__lte=soon)),
            ("later", _("later"), is_open & Q(earliest_on__gt=soon)),
            ("received", _("received"), Q(state=Delivery.State.RECEIVED)),
            ("cancelled", _("cancelled"), Q(state=Delivery.State.CANCELLED)),
            ("all", _("all"), Q()),
        )


class WindowForm(forms.ModelForm):
    """Both days are checked together, with a sentence."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        earliest, latest = cleaned.get("earliest_on"), cleaned.get("latest_on")
        if isinstance(earliest, date) and isinstance(latest, date):
            try:
                window_between(earliest, latest)
            except InvalidWindow as error:
                self.add_error("latest_on", str(error))
        return cleaned


class NewDeliveryForm(WindowForm):
    product = ProductField()
    look_up: Any = None

    class Meta:
        model = Delivery
        fields = ["quantity", "earliest_on", "latest_on", "confidence", "supplier", "reference"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        latest = cleaned.get("latest_on")
        if isinstance(latest, date) and latest < shop_today(timezone.now()) and "latest_on" not in self.errors:
            said = gettext(
                "These days have passed. Enter days from today on; what is here already can be received today."
            )
            self.add_error("latest_on", said)
        return cleaned

    def clean_product(self) -> Any:
        return self.look_up(self.cleaned_data["product"])

    def clean_quantity(self) -> int:
        try:
            return whole_quantity(self.cleaned_data["quantity"])
        except InvalidQuantity as error:
            raise ValidationError(str(error)) from None


class MoveForm(WindowForm):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        required=False,
        help_text=_("Kept with the move; customers do not see it."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    class Meta:
        model = Delivery
        fields = ["earliest_on", "latest_on"]


class Moves(Ledger):
    model = DeliveryRevision
    verbose_name_plural = _("moved dates")
    fields = ["revised_at", "was", "became", "reason"]
    readonly_fields = fields

    @admin.display(description=_("was"))
    def was(self, move: DeliveryRevision) -> str:
        return days(move.from_earliest, move.from_latest)

    @admin.display(description=_("became"))
    def became(self, move: DeliveryRevision) -> str:
        return days(move.to_earliest, move.to_latest)


@admin.register(Delivery)
class DeliveryAdmin(Page):
    list_display = ["window", "item_name", "open_units", "quantity", "supplier", "certainty", "badge", "reference"]
    list_filter = [When, "supplier"]
    list_select_related = ["item", "supplier"]
    search_fields = ["item__object_id"]
    searched_columns = ("reference", "supplier__name")
    autocomplete_fields = ["supplier"]
    inlines = [Moves]
    actions = ["receive", "cancel"]
    readonly_fields = ["item_name", "badge", "received_quantity", "open_units", "created_at", "closed_at", "ways"]

    def name_of(self, row: Delivery) -> str:
        return f"{row.outstanding} × {super().name_of(row)}, {days(row.earliest_on, row.latest_on)}"

    # columns

    @admin.display(description=_("between"), ordering="latest_on")
    def window(self, delivery: Delivery) -> str:
        return days(delivery.earliest_on, delivery.latest_on)

    @admin.display(description=_("item"))
    def item_name(self, delivery: Delivery) -> str:
        return self.item_link(delivery.item)

    @admin.display(description=_("outstanding"))
    def open_units(self, delivery: Delivery) -> int:
        return delivery.outstanding

    @admin.display(description=_("how certain"), ordering="confidence")
    def certainty(self, delivery: Delivery) -> str:
        return delivery.get_confidence_display()

    @admin.display(description=_("state"), ordering="state")
    def badge(self, delivery: Delivery) -> str:
        is_late = delivery.state == Delivery.State.EXPECTED and delivery.latest_on < shop_today(timezone.now())
        return badge("bad", "!", gettext("overdue")) if is_late else state_badge(delivery)

    @admin.display(description=_("next step"))
    def ways(self, delivery: Delivery) -> str:
        url = f"{self.link('delivery_receive')}?ids={delivery.pk}"
        return format_html('<span class="bo-ways"><a href="{}">{}</a></span>', url, gettext("Receive it"))

    # the form

    def get_fieldsets(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        if obj is None:
            what = ["product", "quantity", ("earliest_on", "latest_on"), "confidence", "supplier", "reference"]
            return [(None, {"fields": what})]
        is_open = obj.state == Delivery.State.EXPECTED
        can_act = is_open and self.has_act_permission(request)
        facts = ["quantity", "received_quantity", "open_units", "supplier", "confidence", "reference", "created_at"]
        return [
            (None, {"fields": ["item_name", "badge", *(["ways"] if can_act else [])]}),
            (_("When"), {"fields": [("earliest_on", "latest_on"), *(["reason"] if can_act else [])]}),
            (_("What"), {"fields": facts if is_open else [*facts, "closed_at"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        if obj is None:
            return []
        said = [*self.readonly_fields, "quantity", "supplier", "confidence", "reference"]
        return said if obj.state == Delivery.State.EXPECTED else [*said, "earliest_on", "latest_on"]

    def get_inlines(self, request: HttpRequest, obj: Delivery | None) -> Any:
        return self.inlines if obj else []

    def get_form(self, request: HttpRequest, obj: Delivery | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, form=MoveForm if obj else NewDeliveryForm, **kwargs)
        form.look_up = staticmethod(partial(product_typed, site=self.admin_site, request=request))
        return form

    def save_model(self, request: HttpRequest, obj: Delivery, form: Any, change: bool) -> None:
        if change:
            reason = form.cleaned_data.get("reason", "")
            move_delivery(delivery_id=obj.pk, earliest=obj.earliest_on, latest=obj.latest_on, reason=reason)
            return
        delivery = expect_delivery(
            product=form.cleaned_data["product"],
            quantity=obj.quantity,
            earliest=obj.earliest_on,
            latest=obj.latest_on,
            confidence=obj.confidence,
            supplier=obj.supplier,
            reference=obj.reference,
        )
        obj.pk = delivery.pk
        obj.refresh_from_db()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A delivery that does not come is cancelled; it stays on record."""
        return False

    # actions

    def get_urls(self) -> Any:
        receive = self.admin_site.admin_view(partial(receive_page, self))
        return [path("receive/", receive, name="backorders_delivery_receive"), *super().get_urls()]

    @admin.action(description=_("Receive…"), permissions=["act"])
    def receive(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        chosen = queryset.open().values_list("pk", flat=True)[: MOST_AT_ONCE + 1]  # type: ignore[attr-defined]
        ids = [str(pk) for pk in chosen]
        if len(ids) > _MOST_RECEIVED:
            said = gettext("At most %(most)s deliveries can be received in one go; the first ones are shown.")
            self.message_user(request, said % {"most": _MOST_RECEIVED}, messages.WARNING)
        return HttpResponseRedirect(f"{self.link('delivery_receive')}?ids={','.join(ids[:_MOST_RECEIVED])}")

    @admin.action(description=_("Cancel…"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        def do(delivery: Delivery) -> str:
            cancel_delivery(delivery_id=delivery.pk)
            return gettext("Cancelled.")

        says = gettext(
            "What is outstanding of these deliveries will not come. Dates given to the queue are worked out anew."
        )
        return self.two_steps(request, queryset, says=says, button=gettext("Cancel deliveries"), do=do)


_MOST_RECEIVED = 100


@admin.register(Supplier)
class SupplierAdmin(Page):
    item_paths = ()
    list_display = ["name"]
    search_fields = ["name"]
    searched_columns = ("name",)
