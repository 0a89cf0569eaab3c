"""One thing that is done to one row, on a page of its own: fill it in, see what it would lead to, then do it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from backorders.admin.base import Page
from backorders.admin.look import promised
from backorders.admin.words import told
from backorders.domain.windows import Window
from backorders.errors import BackordersError, InvalidQuantity, InvalidWindow
from backorders.services.trial import Slip, unless_changed

_MOST_SLIPS = 50
_UNITS = gettext_lazy("Units")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would follow: sentences, and the lines whose date would change (``None`` where no date can)."""

    says: tuple[str, ...] = ()
    slips: tuple[Slip, ...] | None = None

    @property
    def sentences(self) -> list[str]:
        return [*self.says, *(dates_in_words(self.slips) if self.slips is not None else [])]

    @property
    def rows(self) -> list[dict[str, str]]:
        return slip_rows(self.slips or ())


def dates_in_words(slips: Iterable[Slip]) -> list[str]:
    """Who would get a later date, lose it, or get one: counted, with a sentence also for nobody."""
    slips = list(slips)
    later, lost = sum(slip.is_later for slip in slips), sum(slip.is_lost for slip in slips)
    gained = sum(not isinstance(slip.before, Window) and not slip.is_lost for slip in slips)
    said = [
        ngettext("%(count)s order line gets a later date.", "%(count)s order lines get a later date.", later),
        ngettext("%(count)s order line loses its date.", "%(count)s order lines lose their date.", lost),
        ngettext("%(count)s order line gets a date at last.", "%(count)s order lines get a date at last.", gained),
    ]
    counted = [text % {"count": count} for text, count in zip(said, (later, lost, gained), strict=True) if count]
    return counted or [_("No order line gets another date.")]


def slip_rows(slips: Iterable[Slip]) -> list[dict[str, str]]:
    shown = list(slips)[:_MOST_SLIPS]
    return [
        {"reference": slip.reference, "before": promised(slip.before), "after": promised(slip.after)} for slip in shown
    ]


class Act:
    """One verb. ``name`` is the last part of its address; everything else is words, one form, and three questions."""

    name = ""
    title: Any = ""
    lead: Any = ""
    button: Any = ""
    form_class: type[forms.Form] = forms.Form
    field_of: dict[type[BackordersError], str] = {InvalidQuantity: "quantity", InvalidWindow: "latest_on"}
    """Beside which field a refusal is shown; others stand above the form."""

    def refusal(self, row: Any) -> str:
        """Why it cannot be done to this row now; empty when it can."""
        return ""

    def form(self, row: Any, data: Any) -> forms.Form:
        return self.form_class(data, initial=self.initial(row))

    def initial(self, row: Any) -> dict[str, Any]:
        return {}

    def state_of(self, row: Any) -> tuple[Any, ...]:
        """What must not change between looking and doing."""
        return ()

    def outlook(self, row: Any, typed: dict[str, Any]) -> Outlook:
        """What it would lead to. Nothing is written; raises what the service would raise, where that is known."""
        return Outlook()

    def do(self, row: Any, typed: dict[str, Any]) -> str:
        """Calls one service and says what happened, for the reader and for the row's history."""
        raise NotImplementedError

    def facts(self, page: Page, row: Any) -> list[tuple[Any, Any]]:
        """What the page says about the row, above the form."""
        return [(gettext_lazy("Product"), page.item_link(page.item_of(row)))]


class WithActs(Page):
    """A page object some of whose rows can be acted upon."""

    acts: tuple[Act, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        return [self._url(act) for act in self.acts] + super().get_urls()

    def _url(self, act: Act) -> URLPattern:
        view = self.admin_site.admin_view(partial(act_page, self, act))
        return path(f"<int:pk>/{act.name}/", view, name=f"backorders_{self.act_link(act)}")

    def act_link(self, act: Act) -> str:
        return f"{self.opts.model_name}_{act.name.replace('-', '_')}"

    def ways_of(self, row: Any, *, but: Iterable[str] = ()) -> list[tuple[str, str]]:
        """Addresses and titles of what can be done to this row now."""
        possible = (act for act in self.acts if act.name not in but and not act.refusal(row))
        return [(self.link(self.act_link(act), row.pk), str(act.title)) for act in possible]


def links(ways: Iterable[tuple[str, str]]) -> str:
    return format_html('<span class="bo-ways">{}</span>', format_html_join("", '<a href="{}">{}</a>', ways))


def act_page(page: WithActs, act: Act, request: HttpRequest, pk: int) -> HttpResponse:
    """The page of one act: a form; when it is sent, what it would lead to; when that is confirmed, the deed."""
    if not page.has_act_permission(request):
        raise PermissionDenied
    row = page.get_object(request, str(pk))
    if row is None:
        raise Http404
    back = page.link(f"{page.opts.model_name}_change", row.pk)
    if why_not := act.refusal(row):
        page.message_user(request, why_not, messages.WARNING)
        return HttpResponseRedirect(back)
    form = act.form(row, request.POST if request.method == "POST" else None)
    outlook, stamp = None, ""
    if form.is_bound and form.is_valid():
        stamp = _stamp(act, row, form)
        if "do" in request.POST and constant_time_compare(request.POST.get("seen", ""), stamp):
            if _is_done(page, act, request, row, form, stamp):
                return HttpResponseRedirect(back)
            row = page.get_object(request, str(pk))
        outlook = None if form.errors else _outlook(act, row, form)
        stamp = _stamp(act, row, form) if outlook else ""
    context = {
        **page.page_context(request, title=str(act.title)),
        "act": act,
        "facts": act.facts(page, row),
        "form": form,
        "outlook": outlook,
        "seen": stamp,
        "is_other": bool(outlook and "do" in request.POST),
        "back": back,
    }
    return TemplateResponse(request, "backorders/admin/act.html", context)


def _stamp(act: Act, row: Any, form: forms.Form) -> str:
    """What was looked at, in one word: the row as it is, and what was typed."""
    typed = sorted((name, str(value)) for name, value in form.data.items() if name in form.fields)
    return salted_hmac(
        "backorders.admin.acts", repr((act.name, row.pk, act.state_of(row), typed)), algorithm="sha256"
    ).hexdigest()


def _outlook(act: Act, row: Any, form: forms.Form) -> Outlook | None:
    try:
        return act.outlook(row, form.cleaned_data)
    except BackordersError as error:
        _refuse(act, form, error)
        return None


def _refuse(act: Act, form: forms.Form, error: BackordersError) -> None:
    field = act.field_of.get(type(error), "")
    form.add_error(field if field in form.fields else None, told(error))


def _is_done(page: WithActs, act: Act, request: HttpRequest, row: Any, form: forms.Form, stamp: str) -> bool:
    item = page.item_of(row)
    assert item is not None  # noqa: S101 - every row that can be acted upon has one

    def is_unchanged() -> bool:
        return _stamp(act, page.get_object(request, str(row.pk)), form) == stamp

    try:
        said = unless_changed(
            item_id=item.pk, is_unchanged=is_unchanged, verb=partial(act.do, row, dict(form.cleaned_data))
        )
    except BackordersError as error:
        _refuse(act, form, error)
        return False
    if said is None:
        return False
    page.log_change(request, row, said)
    page.message_user(request, said, messages.SUCCESS)
    return True


# fields that several acts ask for


def units_field(*, most: int, least: int = 1, label: Any = _UNITS, help_text: Any = "") -> forms.Field:
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=most,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"class": "bo-units", "min": least, "max": most}),
    )


def day_field(label: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))


def reason_field(*, is_public: bool = True) -> forms.CharField:
    """A line about why. Public: customers whose date moves may read it."""
    public = gettext_lazy("Customers whose date moves may read it.")
    return forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        required=False,
        strip=True,
        help_text=public if is_public else gettext_lazy("Kept with the record; customers do not see it."),
        widget=forms.TextInput(attrs={"class": "bo-text"}),
    )


def receipt_field() -> forms.UUIDField:
    """A name for this one booking, so that a page that was sent twice counts once."""
    return forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
