"""What one signed-in customer waits for: order lines and requests to be told, on one page."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from backorders.queries.subscriptions import by_choice, by_urgency, subscriptions_of
from backorders.queries.timelines import OwnLine, backorders_of, line_path, own_lines
from backorders.storefront.pages import page
from backorders.storefront.subscriptions import Managed, manage, products_of, wishes_shown
from backorders.storefront.wording import promise_as_time

LINES_A_PAGE = 20
REQUESTS_A_PAGE = 10


@never_cache
@csrf_protect
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def mine_page(request: HttpRequest) -> HttpResponse:
    """GET shows what a customer waits for, what needs an answer first; POST changes or leaves one of their requests.

    Two lists with pages of their own, ``?lines=2`` and ``?requests=2``. The number of queries does not grow with them.
    """
    done = Managed()
    if request.method == "POST":
        done = manage(request, customer=request.user)
    lines = Paginator(backorders_of(request.user).select_related("item"), LINES_A_PAGE)
    wishes = Paginator(by_urgency(by_choice(subscriptions_of(request.user))), REQUESTS_A_PAGE)
    shown_lines = lines.get_page(request.GET.get("lines"))
    shown_wishes = wishes.get_page(request.GET.get("requests"))
    about = {
        "lines": [_line(each) for each in own_lines(shown_lines.object_list)],
        "lines_page": shown_lines,
        "lines_links": _links(request, "lines", shown_lines),
        "wishes": wishes_shown(list(shown_wishes.object_list), done.form),
        "wishes_page": shown_wishes,
        "wishes_links": _links(request, "requests", shown_wishes),
        "form": done.form,
        "changed": done.changed,
        "left": products_of(done.left),
        "today": timezone.localdate().isoformat(),
    }
    return page(request, "mine", about, status=422 if done.form is not None else 200)


def _line(own: OwnLine) -> dict[str, Any]:
    return {
        "own": own,
        "line": own.line,
        "place": own.place,
        "products": [own.described] if own.described else [],
        "promise": promise_as_time(own.place.window),
        "first": promise_as_time(own.first, said_on=own.said_on),
        "url": line_path(own.line.public_id),
    }


def _links(request: HttpRequest, name: str, shown: Page[Any]) -> dict[str, str]:
    """Query strings of the pages before and after; the other list stays where it is."""

    def to(number: int) -> str:
        params = request.GET.copy()
        params[name] = str(number)
        return f"?{params.urlencode()}"

    return {
        "before": to(shown.previous_page_number()) if shown.has_previous() else "",
        "after": to(shown.next_page_number()) if shown.has_next() else "",
    }
