"""Deliveries: announced here, and everything that happens to them on the way."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.acts import WithActs, dates_in_words, links
from backorders.admin.base import MOST_AT_ONCE, Ledger, OpenFirst
from backorders.admin.look import NOTHING, badge, days, forecast_of, state_badge
from backorders.admin.moving import Move, NotComing, ReasonForm, Resize, Split, UndoReceipt, check_window
from backorders.admin.products import product_typed
from backorders.admin.receiving import receive_page
from backorders.admin.stock import ProductField
from backorders.admin.words import told
from backorders.domain.units import whole_quantity
from backorders.errors import InvalidQuantity
from backorders.models import Delivery, DeliveryRevision, StockEvent
from backorders.queries.availability import shop_today
from backorders.services.supply import cancel_delivery, expect_delivery
from backorders.services.trial import dates_after

_THIS_WEEK = timedelta(days=6)
_MOST_RECEIVED = 100
_MOST_TRIED = 50
"""For how many deliveries "does not come" is tried out before it is meant; each is the work of a real one."""


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
            ("silent", _("no honest date"), is_open & (Q(forecast_latest_on=None) | Q(forecast_latest_on__lt=today))),
            ("received", _("received"), Q(state=Delivery.State.RECEIVED)),
            ("cancelled", _("cancelled"), Q(state=Delivery.State.CANCELLED)),
            ("all", _("all"), Q()),
        )


class NewDeliveryForm(forms.ModelForm):
    """Both days are checked together, with a sentence."""

    product = ProductField()
    look_up: Any = None

    class Meta:
        model = Delivery
        fields = ["quantity", "earliest_on", "latest_on", "confidence", "supplier", "reference"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["supplier"].help_text = gettext("Left empty: the usual supplier of the product.")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        check_window(self, cleaned)
        return cleaned

    def clean_product(self) -> Any:
        return self.look_up(self.cleaned_data["product"])

    def clean_quantity(self) -> int:
        try:
            return whole_quantity(self.cleaned_data["quantity"])
        except InvalidQuantity as error:
            raise ValidationError(told(error)) from None


class Changes(Ledger):
    model = DeliveryRevision
    verbose_name_plural = _("what changed")
    fields = ["revised_at", "kind", "was", "became", "units", "reason"]
    readonly_fields = fields

    @admin.display(description=_("was"))
    def was(self, change: DeliveryRevision) -> str:
        return days(change.from_earliest, change.from_latest)

    @admin.display(description=_("became"))
    def became(self, change: DeliveryRevision) -> str:
        return days(change.to_earliest, change.to_latest)

    @admin.display(description=_("units"))
    def units(self, change: DeliveryRevision) -> str:
        if change.from_quantity == change.to_quantity:
            return str(change.to_quantity)
        return f"{change.from_quantity} → {change.to_quantity}"


class Receipts(Ledger):
    model = StockEvent
    verbose_name_plural = _("receipts")
    fields = ["happened_at", "kind", "quantity", "before", "after"]
    readonly_fields = fields


@admin.register(Delivery)
class DeliveryAdmin(WithActs):
    list_display = ["window", "forecast", "item_name", "open_units", "supplier", "certainty", "badge", "reference"]
    list_filter = [When, "supplier"]
    list_select_related = ["item", "supplier"]
    search_fields = ["item__object_id"]
    searched_columns = ("reference", "supplier__name")
    autocomplete_fields = ["supplier"]
    inlines = [Changes, Receipts]
    actions = ["receive", "cancel"]
    acts = (Move(), Resize(), Split(), NotComing(), UndoReceipt())

    def name_of(self, row: Delivery) -> str:
        return f"{row.outstanding} × {super().name_of(row)}, {days(row.earliest_on, row.latest_on)}"

    # columns

    @admin.display(description=_("the supplier says"), ordering="latest_on")
    def window(self, delivery: Delivery) -> str:
        return days(delivery.earliest_on, delivery.latest_on)

    @admin.display(description=_("goods can ship"), ordering="forecast_latest_on")
    def forecast(self, delivery: Delivery) -> str:
        return forecast_of(delivery)

    @admin.display(description=_("item"))
    def item_name(self, delivery: Delivery) -> str:
        return self.item_link(delivery.item)

    @admin.display(description=_("outstanding"))
    def open_units(self, delivery: Delivery) -> str:
        if delivery.state != Delivery.State.EXPECTED:
            return NOTHING
        return gettext("%(open)s of %(all)s") % {"open": delivery.outstanding, "all": delivery.quantity}

    @admin.display(description=_("how certain"), ordering="confidence")
    def certainty(self, delivery: Delivery) -> str:
        return delivery.get_confidence_display()

    @admin.display(description=_("state"), ordering="state")
    def badge(self, delivery: Delivery) -> str:
        is_late = delivery.state == Delivery.State.EXPECTED and delivery.latest_on < shop_today(timezone.now())
        return badge("bad", "!", gettext("overdue")) if is_late else state_badge(delivery)

    @admin.display(description=_("next step"))
    def ways(self, delivery: Delivery) -> str:
        ways = self.ways_of(delivery)
        if delivery.state == Delivery.State.EXPECTED:
            ways.insert(0, (f"{self.link('delivery_receive')}?ids={delivery.pk}", gettext("Receive it")))
        return links(ways)

    # the form

    def get_fieldsets(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        if obj is None:
            what = ["product", "quantity", ("earliest_on", "latest_on"), "confidence", "supplier", "reference"]
            return [(None, {"fields": what})]
        is_open = obj.state == Delivery.State.EXPECTED
        facts = ["quantity", "received_quantity", "supplier", "certainty", "reference", "created_at"]
        return [
            (None, {"fields": ["item_name", "badge", *(["ways"] if self.has_act_permission(request) else [])]}),
            (_("When"), {"fields": ["window", *(["forecast"] if is_open else ["arrived_on", "judged_latest_on"])]}),
            (_("What"), {"fields": facts if is_open else [*facts, "closed_at"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        if obj is None:
            return []
        own = [field.name for field in self.opts.fields]
        return [*own, "item_name", "badge", "ways", "window", "forecast", "certainty"]

    def get_inlines(self, request: HttpRequest, obj: Delivery | None) -> Any:
        return self.inlines if obj else []

    def get_form(self, request: HttpRequest, obj: Delivery | None = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change=change, **kwargs)
        form = super().get_form(request, obj, change=change, form=NewDeliveryForm, **kwargs)
        form.look_up = staticmethod(partial(product_typed, site=self.admin_site, request=request))
        return form

    def save_model(self, request: HttpRequest, obj: Delivery, form: Any, change: bool) -> None:
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

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was announced changes only through the pages of its own verbs, which show first whom it costs a date."""
        return obj is None and super().has_change_permission(request)

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

    @admin.action(description=_("Does not come…"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)

        def do(delivery: Delivery) -> str:
            cancel_delivery(delivery_id=delivery.pk, reason=form.cleaned_data["reason"])
            return gettext("Cancelled.")

        says = gettext(
            "What is outstanding of these deliveries will not come. Whoever waited for it gets another date, or none."
        )
        button = gettext("Cancel deliveries")
        return self.two_steps(request, queryset, says=says, button=button, do=do, form=form, outlook=_without)


def _without(deliveries: list[Delivery]) -> list[str]:
    """What it would do to the dates that were given if these did not come."""
    tried = [delivery for delivery in deliveries if delivery.state == Delivery.State.EXPECTED][:_MOST_TRIED]
    if not tried:
        return []
    verbs = [partial(cancel_delivery, delivery_id=delivery.pk) for delivery in tried]
    said = dates_in_words(dates_after(item_ids=[delivery.item_id for delivery in tried], verbs=verbs))
    if len(deliveries) > _MOST_TRIED:
        said.append(gettext("Worked out for the first %(count)s of them.") % {"count": _MOST_TRIED})
    return said
