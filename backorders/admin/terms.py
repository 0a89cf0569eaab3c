"""The terms of selling, in forms: of one item, of a category, of many items at once; and where each comes from."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.forms.models import fields_for_model
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import MOST_AT_ONCE, Page
from backorders.admin.look import NOTHING
from backorders.admin.words import told
from backorders.domain.terms import Policy
from backorders.errors import BackordersError
from backorders.models import CategoryTerms, StockItem
from backorders.models.stock import TERMS, SellingTerms
from backorders.queries.terms import (
    Said,
    TermInForce,
    category_names,
    has_categories,
    known_categories,
    terms_explained,
)
from backorders.services.terms import change_terms_of, checked_terms, clear_category_terms, set_category_terms
from backorders.services.trial import refusal_of
from backorders.shop import Adapter, sellables

MOMENTS = ("opens_at", "releases_at")
_OF_PRODUCTS_ONLY = (Policy.PREORDER, Policy.ANNOUNCED)
_MOST_CATEGORIES = 200
_BY_MODEL = ("model", "app_label")

EMPTY_SHELF = ["policy", "only_inbound", "reason"]
LIMITS = ["backorder_limit", "customer_limit", "order_minimum", "order_maximum", "safety_stock", "low_stock_at"]

_YES_NO = (("unknown", _("as the category or the shop's setting says")), ("true", _("Yes")), ("false", _("No")))


class TermsChecked(forms.BaseForm):
    """What a form with terms of selling has to get right; each refusal beside its field."""

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        for name in TERMS:
            if name in cleaned:
                self._check(name, cleaned[name])
        self._check_pair("order_minimum", "order_maximum", gettext("Less than the least per order."), may_equal=True)
        self._check_pair("opens_at", "releases_at", gettext("The release comes after the opening."), may_equal=False)
        self._check_release(cleaned)
        return cleaned

    def _check(self, name: str, value: Any) -> None:
        try:
            checked_terms({name: value})
        except BackordersError as error:
            if name == "lead_days" and not hasattr(error, "least"):
                self.add_error(name, gettext("More than ten years. Give working days."))
            else:
                self.add_error(name, told(error))

    def _check_pair(self, low: str, high: str, said: str, *, may_equal: bool) -> None:
        least, most = self.cleaned_data.get(low), self.cleaned_data.get(high)
        if least is None or most is None or least < most or (may_equal and least == most):
            return
        self.add_error(high, said)

    def _check_release(self, cleaned: dict[str, Any]) -> None:
        if cleaned.get("policy") == Policy.PREORDER and "releases_at" in cleaned and not cleaned["releases_at"]:
            self.add_error("releases_at", gettext("A pre-order needs its release."))
        if cleaned.get("policy") != Policy.ANNOUNCED:
            return
        for name in MOMENTS:
            if cleaned.get(name):
                self.add_error(name, gettext("What is only announced has no date yet."))
        item = getattr(self, "instance", None)
        if isinstance(item, StockItem) and self.initial.get("policy") != Policy.ANNOUNCED and item.queued_units:
            self.add_error("policy", gettext("Units of it are ordered already, so it is more than announced."))


def with_plain_words(fields: dict[str, forms.Field]) -> None:
    """ "Unknown" would not say what an empty answer means."""
    if "only_inbound" in fields:
        fields["only_inbound"].widget.choices = _YES_NO


# where each term comes from

_SAID_BY = {
    Said.ITEM: _("this product"),
    Said.CATEGORY: _("its category"),
    Said.SUPPLIER: _("its supplier"),
    Said.SHOP: _("the shop's setting"),
    Said.NOBODY: NOTHING,
}


_UNLIMITED = _("no limit")


def _is_unlimited(term: TermInForce) -> bool:
    return term.value is None and term.name in ("backorder_limit", "customer_limit", "order_maximum")


def terms_in_words(item: StockItem) -> str:
    """A table of what counts for an item, and who says so."""
    rows = [
        {
            "label": label_of(term.name),
            "value": _UNLIMITED if _is_unlimited(term) else value_in_words(term.name, term.value),
            "said_by": _SAID_BY[term.said_by],
        }
        for term in terms_explained(item)
    ]
    return render_to_string("backorders/admin/_terms.html", {"rows": rows})


def label_of(name: str) -> str:
    return str(StockItem._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


def value_in_words(name: str, value: Any) -> str:
    if name == "policy":
        return str(SellingTerms.SellingPolicy(value or "").label)
    if value is None or value == "":
        return gettext("nothing said")
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(value, datetime):
        return date_format(value, "DATETIME_FORMAT")
    if name == "lead_days":
        return ngettext("%(count)s working day", "%(count)s working days", value) % {"count": value}
    return str(value)


# many at once


def _tick(name: str) -> str:
    return f"change_{name}"


class ManyForm(TermsChecked, forms.Form):
    """Each term with a box that says: change this one. What is not ticked stays as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(fields_for_model(StockItem, fields=[*TERMS, *MOMENTS]))
        for name in MOMENTS:
            self.fields[name].widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
        with_plain_words(self.fields)
        for name in (*TERMS, *MOMENTS):
            label = gettext("Change: %(term)s") % {"term": self.fields[name].label}
            self.fields[_tick(name)] = forms.BooleanField(label=label, required=False)

    def clean(self) -> Any:
        for name in (*TERMS, *MOMENTS):
            if not self.cleaned_data.get(_tick(name)):
                self._leave_alone(name)
        cleaned = super().clean()
        if not self.errors and not self.changes:
            raise ValidationError(gettext("Tick what is to be changed."))
        return cleaned

    def _leave_alone(self, name: str) -> None:
        """A value that somebody typed and did not tick is a doubt, and no change."""
        is_typed = self.fields[name].has_changed(None, self[name].data) and self[name].data not in ("unknown", "")
        self.errors.pop(name, None)
        self.cleaned_data.pop(name, None)
        if is_typed:
            self.add_error(name, gettext("Tick the box beside it to change this, or leave it empty."))

    @property
    def changes(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name]
            for name in (*TERMS, *MOMENTS)
            if self.cleaned_data.get(_tick(name)) and name in self.cleaned_data
        }

    @property
    def rows(self) -> list[tuple[Any, Any]]:
        return [(self[name], self[_tick(name)]) for name in (*TERMS, *MOMENTS)]


def change_many(page: Page, request: HttpRequest, queryset: Any) -> HttpResponse | None:
    """The action "Change terms": a form, then what would change for which items, then the change. All items or none."""
    form = ManyForm(request.POST if "look" in request.POST or "do" in request.POST else None)
    context = page.chosen_context(request, queryset)
    changes = form.changes if form.is_bound and form.is_valid() else None
    stamp = ""
    if changes is not None:
        stamp = salted_hmac(
            "backorders.admin.terms", repr((sorted(changes.items()), context["ids"])), algorithm="sha256"
        ).hexdigest()
        verb = partial(change_terms_of, item_ids=context["ids"], **changes)
        if "do" in request.POST and constant_time_compare(request.POST.get("seen", ""), stamp):
            if _are_changed(page, request, form, context, verb):
                return None
        elif error := refusal_of(verb):
            form.add_error(None, told(error))
    words = [(label_of(name), value_in_words(name, value)) for name, value in (changes or {}).items()]
    context |= {
        **page.page_context(request, title=gettext("Change terms of many")),
        "form": form,
        "changes": words if not form.errors else [],
        "seen": stamp,
    }
    return TemplateResponse(request, "backorders/admin/terms_many.html", context)


def _are_changed(page: Page, request: HttpRequest, form: ManyForm, context: dict[str, Any], verb: Any) -> bool:
    try:
        count = verb()
    except BackordersError as error:
        form.add_error(None, told(error))
        return False
    note = gettext("Changed with others: %(terms)s.") % {"terms": ", ".join(label_of(name) for name in form.changes)}
    for row in context["rows"]:
        page.log_change(request, row, note)
    page.message_user(request, gettext("Done: %(count)s.") % {"count": count}, messages.SUCCESS)
    return True


# categories


def adapters_with_categories() -> dict[int, Adapter]:
    return {type_id: adapter for type_id, adapter in sellables.by_content_type.items() if has_categories(adapter)}


class CategoryForm(TermsChecked, forms.ModelForm):
    """``Model`` is asked only among those whose products have categories."""

    class Meta:
        model = CategoryTerms
        fields = ["content_type", "key", *TERMS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with_plain_words(self.fields)
        if "policy" in self.fields:  # somebody who may only look has no fields at all
            policy: Any = self.fields["policy"]
            policy.choices = [choice for choice in policy.choices if choice[0] not in _OF_PRODUCTS_ONLY]
        if "content_type" in self.fields:
            types: Any = self.fields["content_type"]
            types.queryset = types.queryset.filter(id__in=list(adapters_with_categories())).order_by(*_BY_MODEL)
            types.label_from_instance = lambda one: one.name.capitalize()
            self.fields["key"].widget.attrs["list"] = "bo-categories"

    def clean_key(self) -> str:
        key = str(self.cleaned_data["key"]).strip()
        if not key.isprintable():
            raise ValidationError(gettext("Enter the category as the shop writes it."))
        return key


@admin.register(CategoryTerms)
class CategoryTermsAdmin(Page):
    form = CategoryForm
    item_paths = ()
    list_display = ["name", "kind", "policy_in_words", "said"]
    list_select_related = ["content_type"]
    search_fields = ["key"]
    searched_columns = ("key",)
    ordering = [*(f"content_type__{name}" for name in _BY_MODEL), "key"]
    readonly_fields = ["known"]

    @admin.display(description=_("model"), ordering="content_type__model")
    def kind(self, row: CategoryTerms) -> str:
        return row.content_type.name.capitalize()

    @admin.display(description=_("when the shelf is empty"), ordering="policy")
    def policy_in_words(self, row: CategoryTerms) -> str:
        return row.get_policy_display()

    @admin.display(description=_("says"))
    def said(self, row: CategoryTerms) -> str:
        """The other terms it names."""
        said = [(label_of(name), value_in_words(name, getattr(row, name))) for name in TERMS[1:] if _is_said(row, name)]
        return format_html_join("; ", "{}: {}", said) or NOTHING

    @admin.display(description=_("categories now"))
    def known(self, row: CategoryTerms | None = None) -> str:
        """What the shop has, to choose from while typing."""
        adapters = adapters_with_categories().values()
        keys = [known_categories(adapter, most=_MOST_CATEGORIES) for adapter in adapters]
        options = [(key, name) for found in keys for key, name in found.items()]
        shown = [(key, f"({name})" if name != key else "") for key, name in options]
        return format_html(
            '<datalist id="bo-categories">{}</datalist><ul class="bo-known">{}</ul>',
            format_html_join("", '<option value="{}">{}</option>', options),
            format_html_join("", "<li>{} {}</li>", shown),
        )

    # names, for a whole page of rows at once

    def prepare(self, rows: list[Any]) -> None:
        by_type: dict[int, list[CategoryTerms]] = {}
        for row in rows:
            by_type.setdefault(row.content_type_id, []).append(row)
        for type_id, group in by_type.items():
            adapter = sellables.by_content_type.get(type_id)
            names = category_names(adapter, [row.key for row in group]) if adapter else {}
            for row in group:
                row.__dict__["category_name"] = names.get(row.key, row.key)

    @admin.display(description=_("category"), ordering="key")
    def name(self, row: CategoryTerms) -> str:
        if "category_name" not in row.__dict__:
            self.prepare([row])
        name = row.__dict__["category_name"]
        return name if name == row.key else format_html('{} <span class="bo-quiet">{}</span>', name, row.key)

    def get_fieldsets(self, request: HttpRequest, obj: CategoryTerms | None = None) -> Any:
        where = ["kind", "name"] if obj else ["content_type", "key", "known"]
        return [
            (None, {"fields": where}),
            (_("When the shelf is empty"), {"fields": EMPTY_SHELF}),
            (_("Limits"), {"fields": LIMITS}),
            (_("Dates"), {"fields": ["lead_days"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: CategoryTerms | None = None) -> Any:
        return ["kind", "name", "key"] if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: CategoryTerms, form: Any, change: bool) -> None:
        adapter = sellables.by_content_type[obj.content_type_id]
        row = set_category_terms(model=adapter.model, category=obj.key, **{name: getattr(obj, name) for name in TERMS})
        obj.pk = row.pk

    def delete_model(self, request: HttpRequest, obj: CategoryTerms) -> None:
        adapter = sellables.by_content_type.get(obj.content_type_id)
        if adapter is None:  # the shop sells this model no more
            super().delete_model(request, obj)
        else:
            clear_category_terms(model=adapter.model, category=obj.key)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset[:MOST_AT_ONCE]:
            self.delete_model(request, row)

    def has_change_permission(self, request: HttpRequest, obj: CategoryTerms | None = None) -> bool:
        is_sold = obj is None or obj.content_type_id in sellables.by_content_type
        return is_sold and super().has_change_permission(request, obj)

    def name_of(self, row: CategoryTerms) -> str:
        return row.key


def _is_said(row: CategoryTerms, name: str) -> bool:
    return getattr(row, name) not in (None, "")
