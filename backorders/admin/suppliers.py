"""Suppliers: when they work, how long they take, and what their record is. And the page on how our dates hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.apps.registry import Apps
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backorders.admin.base import ModelAdmin, Page, TabularInline
from backorders.admin.look import NOTHING
from backorders.domain.calendars import public_holidays
from backorders.domain.lateness import FEWEST, Kept
from backorders.models import ClosedDay, Supplier
from backorders.queries.availability import shop_today
from backorders.queries.reliability import SupplierRecord, calibration_table, first_promises_kept
from backorders.services.wake import wake

_MOST_LEAD_DAYS = 3650


class SupplierForm(forms.ModelForm):
    closed_weekdays = forms.MultipleChoiceField(
        label=_("Closed on"),
        choices=[(str(number), name) for number, name in WEEKDAYS.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Weekdays on which they do not deliver."),
    )

    class Meta:
        model = Supplier
        fields = ["name", "lead_days", "closed_weekdays", "holidays"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["closed_weekdays"] = list(self.instance.closed_weekdays)

    def clean_lead_days(self) -> int | None:
        days: int | None = self.cleaned_data["lead_days"]
        if days is not None and days > _MOST_LEAD_DAYS:
            raise ValidationError(
                gettext("More than ten years. Give working days, at most %(most)s.") % {"most": _MOST_LEAD_DAYS}
            )
        return days

    def clean_closed_weekdays(self) -> str:
        chosen = sorted(self.cleaned_data["closed_weekdays"])
        if len(chosen) == len(WEEKDAYS):
            raise ValidationError(gettext("Nothing could ever arrive. Leave at least one weekday open."))
        return "".join(chosen)

    def clean_holidays(self) -> str:
        place = str(self.cleaned_data["holidays"]).strip().upper()
        try:
            public_holidays(place, shop_today(timezone.now()).year)
        except ImportError:
            said = gettext(
                "Public holidays need the holidays package: pip install holidays. Or enter closed days below."
            )
            raise ValidationError(said) from None
        except (NotImplementedError, KeyError):
            said = gettext(
                "No public holidays are known for “%(place)s”. Enter a country or a region, such as DE or DE-BY."
            )
            raise ValidationError(said % {"place": place}) from None
        return place


class ClosedDays(TabularInline):
    model = ClosedDay
    extra = 1
    fields = ["day", "note"]


@admin.register(Supplier)
class SupplierAdmin(Page):
    form = SupplierForm
    item_paths = ()
    list_display = ["name", "lead_time", "closed", "holidays"]
    search_fields = ["name"]
    searched_columns = ("name",)
    inlines = [ClosedDays]
    readonly_fields = ["record"]

    @admin.display(description=_("lead time"), ordering="lead_days")
    def lead_time(self, supplier: Supplier) -> str:
        if supplier.lead_days is None:
            return NOTHING
        said = ngettext("%(count)s working day", "%(count)s working days", supplier.lead_days)
        return said % {"count": supplier.lead_days}

    @admin.display(description=_("closed on"))
    def closed(self, supplier: Supplier) -> str:
        return ", ".join(str(WEEKDAYS[int(digit)]) for digit in supplier.closed_weekdays) or NOTHING

    @admin.display(description=_("how their dates hold"))
    def record(self, supplier: Supplier) -> str:
        found = table_context(calibration_table(supplier=supplier))
        return render_to_string("backorders/admin/_record.html", {**found, "is_single": True})

    def get_fieldsets(self, request: HttpRequest, obj: Supplier | None = None) -> Any:
        sets: list[Any] = [
            (None, {"fields": ["name", "lead_days"]}),
            (_("When they are closed"), {"fields": ["closed_weekdays", "holidays"]}),
        ]
        return [*sets, (_("Record"), {"fields": ["record"]})] if obj else sets

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Their days count for every delivery that is on its way."""
        super().save_related(request, form, formsets, change)
        wake("refresh_forecasts")


# how our dates hold


def table_context(records: Iterable[SupplierRecord]) -> dict[str, Any]:
    rows = [_record_row(record) for record in records]
    return {"rows": rows, "fewest": FEWEST, "is_silent": not any(row["is_learned"] for row in rows)}


def _record_row(record: SupplierRecord) -> dict[str, Any]:
    kept = [_kept_row(kept) for kept in record.kept]
    return {
        "name": str(record.supplier) if record.supplier else gettext("nobody in particular"),
        "deliveries": record.deliveries,
        "median": _days_late(record.median_days_late),
        "kept": kept,
        "is_learned": any(row["trials"] for row in kept),
    }


def _kept_row(kept: Kept) -> dict[str, Any]:
    has_any = kept.trials > 0
    return {
        "level": f"P{kept.level * 100:.0f}",
        "trials": kept.trials,
        "share": percent(kept.share) if has_any else NOTHING,
        "interval": f"{percent(kept.low)} – {percent(kept.high)}" if has_any else NOTHING,
        "silent": kept.silent,
        "width": _rounded(kept.width, 1) if has_any else NOTHING,
        "pinball": _rounded(kept.pinball, 2) if has_any else NOTHING,
    }


def percent(share: float) -> str:
    return gettext("%(number)s %%") % {"number": _rounded(100 * share, 0)}


def _rounded(number: float, places: int) -> str:
    """Django alone would cut the digits off."""
    return number_format(round(number, places), places)


def _days_late(days: float | None) -> str:
    if days is None:
        return NOTHING
    count = round(abs(days))
    if not count:
        return gettext("on time")
    late = ngettext("%(count)s working day late", "%(count)s working days late", count)
    early = ngettext("%(count)s working day early", "%(count)s working days early", count)
    return (late if days > 0 else early) % {"count": count}


class Honesty(models.Model):
    """No table: it gives the page its place in the menu. A registry of its own keeps it out of migrations and permissions."""

    class Meta:
        app_label = "backorders"
        apps = Apps()
        managed = False
        verbose_name = _("how our dates hold")
        verbose_name_plural = _("how our dates hold")


@admin.register(Honesty)
class HonestyAdmin(ModelAdmin):
    """One page for whoever may see suppliers."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("backorders.view_supplier") or request.user.has_perm("backorders.change_supplier")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> Any:
        """Only the list: there are no rows that a page could be about."""
        return [pattern for pattern in super().get_urls() if str(pattern.name or "").endswith("_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        pages = self.admin_site.get_model_admin(Supplier)
        assert isinstance(pages, Page)  # noqa: S101 - registered above
        first = first_promises_kept()
        context = {
            **pages.page_context(request, title=str(self.opts.verbose_name_plural).capitalize()),
            "first": first,
            "share": percent(first.share),
            "interval": f"{percent(first.interval[0])} – {percent(first.interval[1])}",
            **table_context(calibration_table()),
        }
        return TemplateResponse(request, "backorders/admin/honesty.html", context)
