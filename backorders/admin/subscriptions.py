"""Who waits to be told, and whom we must never mail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import OpenFirst, Page, ReadOnlyPage, WithAddresses
from backorders.admin.look import may_see_addresses, state_badge
from backorders.domain.addresses import parse_address
from backorders.errors import InvalidAddress
from backorders.models import Subscription, SuppressedAddress
from backorders.models.subscriptions import LIVE
from backorders.services.outbox import suppress
from backorders.services.subscriptions import close_request


class Standing(OpenFirst):
    options = (
        ("live", _("not closed"), Q(state__in=LIVE)),
        *((state.value, state.label, Q(state=state)) for state in Subscription.State),
    )


@admin.register(Subscription)
class SubscriptionAdmin(WithAddresses, ReadOnlyPage):
    list_display = ["item_name", "masked_address", "badge", "quantity", "language", "placed_at", "told_at"]
    list_display_links = ["badge"]
    list_filter = [Standing, "language"]
    list_select_related = ["item"]
    search_fields = ["item__object_id"]
    actions = ["close"]
    fields = ["item_name", "masked_address", "badge", "closed_because", "quantity"]
    fields += ["highest_price", "need_until", "language", "time_zone"]
    fields += ["placed_at", "confirmed_at", "told_at", "closed_at"]

    def columns_to_search(self, request: HttpRequest) -> tuple[str, ...]:
        return ("email",) if may_see_addresses(request) else ()

    @admin.display(description=_("item"))
    def item_name(self, row: Subscription) -> str:
        return self.item_link(row.item)

    @admin.display(description=_("state"), ordering="state")
    def badge(self, row: Subscription) -> str:
        return state_badge(row)

    @admin.action(description=_("Close…"), permissions=["act"])
    def close(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> HttpResponse | None:
        def do(row: Subscription) -> str:
            close_request(subscription_id=row.pk)
            return gettext("Closed.")

        says = gettext("These people will not be told any more. What has not left the outbox is stopped.")
        rows = queryset.select_related("customer")
        return self.two_steps(request, rows, says=says, button=gettext("Close requests"), do=do)


class SuppressForm(forms.ModelForm):
    class Meta:
        model = SuppressedAddress
        fields = ["email_key", "reason"]

    def clean_email_key(self) -> str:
        try:
            return parse_address(self.cleaned_data["email_key"], allow_local_domains=True).key
        except InvalidAddress as error:
            raise ValidationError(str(error)) from None


@admin.register(SuppressedAddress)
class SuppressedAddressAdmin(Page):
    """The rows are addresses, so they are for those who may see addresses."""

    item_paths = ()
    form = SuppressForm
    list_display = ["email_key", "reason", "lets_orders_through", "suppressed_at"]
    search_fields = ["email_key"]
    searched_columns = ("email_key", "reason")
    ordering = ["-suppressed_at"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see_addresses(request) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_see_addresses(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see_addresses(request) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: SuppressedAddress, form: Any, change: bool) -> None:
        suppress(email_key=obj.email_key, reason=obj.reason, now=timezone.now())
        obj.pk = SuppressedAddress.objects.of([obj.email_key])[0].pk
