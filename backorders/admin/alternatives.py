"""Substitutes that people pick."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import Page
from backorders.admin.products import attach_described, product_typed, title_of
from backorders.admin.stock import ProductField
from backorders.models import Alternative
from backorders.queries.stock import item_of
from backorders.services.locks import anchor_of
from backorders.shop import sellables


class NewAlternativeForm(forms.ModelForm):
    """Any two products of the shop, also such as we never touched."""

    product, offered = ProductField(), ProductField()
    product.label, offered.label = capfirst(_("while this is not to be had")), capfirst(_("this is offered"))
    look_up: Any = None

    class Meta:
        model = Alternative
        fields = ["place"]

    def clean_product(self) -> Any:
        return self.look_up(self.cleaned_data["product"])

    def clean_offered(self) -> Any:
        return self.look_up(self.cleaned_data["offered"])

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        product, offered = cleaned.get("product"), cleaned.get("offered")
        if product is not None and offered is not None:
            if sellables.identify(product) == sellables.identify(offered):
                self.add_error("offered", gettext("A product does not replace itself."))
            elif _is_picked(product, offered):
                self.add_error("offered", gettext("This substitute was picked for this product before."))
        return cleaned


def _is_picked(product: Any, offered: Any) -> bool:
    item, substitute = item_of(product), item_of(offered)
    return bool(item and substitute) and Alternative.objects.filter(item=item, substitute=substitute).exists()


@admin.register(Alternative)
class AlternativeAdmin(Page):
    list_display = ["item_name", "substitute_name", "place"]
    list_display_links = ["item_name"]
    list_select_related = ["item", "substitute"]
    search_fields = ["item__object_id"]
    ordering = ["item", "place", "id"]

    def prepare(self, rows: list[Any]) -> None:
        attach_described([item for row in rows for item in (row.item, row.substitute)])

    @admin.display(description=_("while this is not to be had"))
    def item_name(self, row: Alternative) -> str:
        return title_of(row.item)

    @admin.display(description=_("this is offered"))
    def substitute_name(self, row: Alternative) -> str:
        return self.item_link(row.substitute)

    # the form

    def get_fields(self, request: HttpRequest, obj: Alternative | None = None) -> list[Any]:
        return ["item_name", "substitute_name", "place"] if obj else ["product", "offered", "place"]

    def get_readonly_fields(self, request: HttpRequest, obj: Alternative | None = None) -> list[str]:
        return ["item_name", "substitute_name"] if obj else []

    def get_form(
        self, request: HttpRequest, obj: Alternative | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change=change, **kwargs)
        form: Any = super().get_form(request, obj, change=change, form=NewAlternativeForm, **kwargs)
        form.look_up = staticmethod(partial(product_typed, site=self.admin_site, request=request))
        return form

    def save_model(self, request: HttpRequest, obj: Alternative, form: Any, change: bool) -> None:
        if not change:
            obj.item, obj.substitute = (anchor_of(form.cleaned_data[name]) for name in ("product", "offered"))
        super().save_model(request, obj, form, change)
