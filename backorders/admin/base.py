"""What our admin pages share: the skin, products in bulk, honest permissions, and two steps before anything happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.forms import Form, Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backorders.admin.look import masked, may_see_addresses
from backorders.admin.products import attach_described, items_matching, title_of
from backorders.admin.words import told
from backorders.errors import BackordersError
from backorders.models import StockItem

IS_UNFOLD = apps.is_installed("unfold")

if IS_UNFOLD:  # its skin leaves plain ModelAdmin forms without borders
    from unfold.admin import ModelAdmin, TabularInline
else:
    from django.contrib.admin import ModelAdmin, TabularInline

MOST_AT_ONCE = 500
"""How many rows one action touches; the page says so and the rest is done in another go."""

_NAMED = 20


class Page(ModelAdmin):
    """A list and a form. ``item_paths`` lead from a row to its stock item; the first that arrives counts, "" is the row itself."""

    item_paths: tuple[str, ...] = ("item",)
    show_full_result_count = False
    list_per_page = 50
    searched_columns: tuple[str, ...] = ()

    @property
    def media(self) -> Media:
        return super().media + Media(css={"all": ["backorders/admin/bo.css"]})

    # products

    def item_of(self, row: Any) -> StockItem | None:
        return next((item for path in self.item_paths if (item := _walk(row, path)) is not None), None)

    def prepare(self, rows: list[Any]) -> None:
        """This will read what the columns need for a whole page of rows at once."""
        attach_described([item for item in map(self.item_of, rows) if item is not None])

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        page, usual = self, super().get_changelist(request, **kwargs)

        class PreparedList(usual):  # type: ignore[misc, valid-type]
            def get_results(self, request: HttpRequest) -> None:
                super().get_results(request)
                rows = list(self.result_list)  # type: ignore[has-type]
                page.prepare(rows)
                self.result_list = rows

        return PreparedList

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[Any, bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        wanted, is_cut = Q(), False
        for path in self.item_paths:
            matching, is_cut = items_matching(
                text, site=self.admin_site, request=request, prefix=f"{path}__" if path else ""
            )
            wanted |= matching
        if is_cut:
            messages.warning(request, _("Very many products match; not all are listed. Enter more of the title."))
        for column in self.columns_to_search(request):
            wanted |= Q(**{f"{column}__icontains": text})
        return queryset.filter(wanted), False

    def columns_to_search(self, request: HttpRequest) -> tuple[str, ...]:
        return self.searched_columns

    # permissions

    def has_act_permission(self, request: HttpRequest) -> bool:
        """May this person press buttons here? Also asked where the rows themselves are never edited."""
        codename = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST":
            actions = self.get_actions(request)
            if not actions or not {name for name in request.POST.getlist("action") if name} <= actions.keys():
                raise PermissionDenied
        return super().changelist_view(request, extra_context)

    # services say no

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except BackordersError as error:
            self.message_user(request, told(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    # two steps

    def link(self, name: str, *args: Any) -> str:
        """The address of one of our pages: ``self.link("stockitem_change", 3)``."""
        return reverse(f"admin:backorders_{name}", args=args, current_app=self.admin_site.name)

    def two_steps(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        says: str,
        button: str,
        do: Callable[[Any], str],
        form: Form | None = None,
        outlook: Callable[[list[Any]], list[str]] | None = None,
    ) -> HttpResponse | None:
        """This will show what an action is about to do, and do it when that page is sent.

        ``do`` calls one service for one row and returns a line for the row's history; what a service refuses is reported
        and stops nobody else. At most ``MOST_AT_ONCE`` rows at a time. ``form``: what else has to be said, bound when the
        page was sent; ``outlook``: sentences about what would follow for these rows.
        """
        if "confirmed" not in request.POST or (form is not None and not form.is_valid()):
            asked = {"says": says, "button": button, "form": form}
            return self._ask_first(request, queryset, asked, outlook)
        rows = list(queryset[:MOST_AT_ONCE])
        self.report(request, rows, do)
        return None

    def report(self, request: HttpRequest, rows: Iterable[Any], do: Callable[[Any], str]) -> None:
        done = 0
        for row in rows:
            try:
                note = do(row)
            except BackordersError as error:
                self.message_user(request, f"{self.name_of(row)} · {told(error)}", messages.WARNING)
            else:
                self.log_change(request, row, note)
                done += 1
        if done:
            self.message_user(request, _("Done: %(count)s.") % {"count": done}, messages.SUCCESS)

    def _ask_first(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        asked: dict[str, Any],
        outlook: Callable[[list[Any]], list[str]] | None,
    ) -> HttpResponse:
        context = {
            **self.page_context(request, title=asked["button"]),
            **asked,
            **self.chosen_context(request, queryset),
        }
        context["outlook"] = outlook(context["rows"]) if outlook and context["rows"] else []
        return TemplateResponse(request, "backorders/admin/confirm.html", context)

    def chosen_context(self, request: HttpRequest, queryset: QuerySet[Any]) -> dict[str, Any]:
        """The rows that an action is about: the first ones by name, all of them by their keys."""
        rows, total = list(queryset[:MOST_AT_ONCE]), queryset.count()
        self.prepare(rows[:_NAMED])
        return {
            "rows": rows,
            "named": [self.name_of(row) for row in rows[:_NAMED]],
            "unnamed": len(rows) - len(rows[:_NAMED]),
            "ids": [row.pk for row in rows],
            "count": len(rows),
            "left_out": total - len(rows),
            "action": request.POST.get("action", ""),
            "checkbox": ACTION_CHECKBOX_NAME,
        }

    def page_context(self, request: HttpRequest, *, title: str) -> dict[str, Any]:
        """What every page of our own needs."""
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "list_url": self.link(f"{self.opts.model_name}_changelist"),
            "media": self.media,
            "is_unfold": IS_UNFOLD,  # it shows no title of its own above the content
        }

    def name_of(self, row: Any) -> str:
        """How the confirming page names a row; never with an address."""
        item = self.item_of(row)
        return f"{title_of(item)} · {row.get_state_display()}" if item else str(row)

    def item_link(self, item: StockItem | None) -> str:
        if item is None:
            return ""
        return format_html('<a href="{}">{}</a>', self.link("stockitem_change", item.pk), title_of(item))


def _walk(row: Any, path: str) -> Any:
    for step in filter(None, path.split("__")):
        row = row and getattr(row, step)
    return row


class WithAddresses(Page):
    """Addresses are shown to those who may see them (``view_addresses``); everybody else sees the masked columns.

    Columns are chosen for each request: a page object serves many people at once and must remember nothing about them.
    """

    bare_columns: dict[str, str] = {"masked_address": "address"}

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._for(request, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self._for(request, super().get_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*self.bare_columns, *self.bare_columns.values(), *super().get_readonly_fields(request, obj)]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """``?email__startswith=a`` would tell a masked address letter by letter."""
        if "email" in lookup and not (request and may_see_addresses(request)):
            return False
        return super().lookup_allowed(lookup, value, request)

    def _for(self, request: HttpRequest, columns: Any) -> list[Any]:
        if not may_see_addresses(request):
            return list(columns)
        return [self.bare_columns.get(column, column) for column in columns]

    @admin.display(description=gettext_lazy("e-mail"))
    def address(self, row: Any) -> str:
        return str(row.email)

    @admin.display(description=gettext_lazy("e-mail"))
    def masked_address(self, row: Any) -> str:
        return masked(self.address(row))


class ReadOnlyPage(Page):
    """Rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Ledger(TabularInline):
    """Rows that are never edited, under the row they belong to."""

    extra = 0
    can_delete = False
    show_change_link = False
    classes = ["bo-ledger"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OpenFirst(SimpleListFilter):
    """A filter that starts on what is still open; "all" has to be asked for."""

    title = gettext_lazy("state")
    parameter_name = "show"
    options: tuple[tuple[str, Any, Q], ...] = ()
    """(name in the address, words, condition); the first one is where the page starts."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, words) for name, words, _condition in self.rules()]

    def rules(self) -> tuple[tuple[str, Any, Q], ...]:
        return (*self.options, ("all", gettext_lazy("all"), Q()))

    def chosen(self) -> str:
        return str(self.value() or self.rules()[0][0])

    def choices(self, changelist: Any) -> Any:
        for name, words in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: name})
            yield {"selected": self.chosen() == str(name), "query_string": query, "display": words}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        conditions = {name: condition for name, _words, condition in self.rules()}
        return queryset.filter(conditions.get(self.chosen(), Q()))
