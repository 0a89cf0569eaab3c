"""One order line: where it stands, every date it was given, and the way out; by a signed link and without an account."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from backorders.conf import conf
from backorders.domain.timelines import Progress, Step
from backorders.domain.windows import OVERDUE
from backorders.errors import InvalidQuantity, InvalidToken, NotCancellable
from backorders.models import Backorder
from backorders.queries.availability import shop_today
from backorders.queries.site import order_url
from backorders.queries.timelines import Story, line_behind, story_of
from backorders.services.backorders import give_up_place
from backorders.storefront.pages import page, secret
from backorders.storefront.wording import promise_as_time


@secret(referrer="strict-origin")  # the shop's frame around the page may have forms, such as one for the language
@require_safe
def line_page(request: HttpRequest, token: str) -> HttpResponse:
    """Where one order line stands. Changes nothing, however often it is opened."""
    try:
        story = story_of(line_behind(token))
    except InvalidToken:
        return page(request, "no_line", status=404)
    return page(request, "line", {**_shown(story), "cancel_url": reverse("backorders:line-cancel", args=[token])})


@secret(referrer="strict-origin")
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def cancel_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET says what is given up and asks once more; POST cancels what waits, and goes back to the line's page.

    The form says how many units its reader saw waiting. When something else waits meanwhile the page asks again (409); where nothing
    does, as after a second press, it leads to the line's page, which says what became of it.
    """
    line_url = reverse("backorders:line", args=[token])
    try:
        line, was_refused = line_behind(token), False
        if request.method == "POST" and conf.customers_cancel:
            with suppress(InvalidQuantity):
                give_up_place(backorder_id=line.id, waiting=_seen(request))
                return HttpResponseRedirect(line_url)
            was_refused = True
    except InvalidToken:
        return page(request, "no_line", status=404)
    except NotCancellable:
        line, was_refused = line_behind(token), True
    if not line.needs or not conf.customers_cancel:
        return HttpResponseRedirect(line_url)
    about = {**_shown(story_of(line)), "line_url": line_url, "has_changed": was_refused}
    return page(request, "line_cancel", about, status=409 if was_refused else 200)


def _seen(request: HttpRequest) -> int:
    """How many units the reader saw waiting; 0, which is refused, for what no form of ours says."""
    typed = request.POST.get("waiting", "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 12 else 0


def _shown(story: Story) -> dict[str, Any]:
    """What both pages say of a line."""
    line, place = story.line, story.place
    return {
        "line": line,
        "place": place,
        "described": story.described,
        "products": [story.described] if story.described else [],
        "heading": heading_of(story),
        "promise": promise_as_time(place.window),
        "whole": story.whole,
        "whole_promise": promise_as_time(story.whole) if story.whole else "",
        "steps": [
            {
                "step": mark.step.value,
                "progress": mark.progress.value,
                "words": step_in_words(mark.step, is_done=mark.progress is Progress.DONE),
                "units": mark.units,
                "of": line.quantity - line.cancelled_quantity,
                "is_partly": mark.is_partly,
                "at": mark.at,
            }
            for mark in story.marks
        ],
        **_promises(story),
        "order_url": order_url(line),
        "can_cancel": bool(line.needs) and conf.customers_cancel,
    }


def heading_of(story: Story) -> str:
    """How a line stands, in a few words."""
    line = story.line
    match line.state:
        case Backorder.State.CANCELLED:
            return _("This is cancelled")
        case Backorder.State.SHIPPED:
            return _("It has shipped")
        case Backorder.State.FILLED:
            return _("It is set aside for you")
    if story.place.window == OVERDUE or (len(story.given) > 1 and not story.place.window.is_known):
        return _("It is delayed")
    if line.allocated_quantity:
        return _("Part of your order is here")
    return _("Pre-ordered for you") if line.is_preorder else _("On backorder for you")


def step_in_words(step: Step, *, is_done: bool) -> str:
    """What has happened, or what is to happen next."""
    match step:
        case Step.ORDERED:
            return _("Ordered")
        case Step.BOOKED:
            return _("A delivery is booked for it") if is_done else _("No delivery is announced for it yet")
        case Step.ARRIVED:
            return _("Arrived in our house") if is_done else _("Arrives in our house")
        case Step.SET_ASIDE:
            return _("Set aside for you") if is_done else _("Is set aside for you")
        case Step.SHIPPED:
            return _("Shipped") if is_done else _("Ships")
        case Step.CANCELLED:
            return _("Cancelled")


def _promises(story: Story) -> dict[str, Any]:
    """The date given first, the one that counts now, why, and all of them in the words in which they were given."""
    given, place = story.given, story.place
    dates = [
        {
            "words": promise_as_time(each.window, said_on=shop_today(each.given_at)),
            "at": each.given_at,
            "why": each.reason,
        }
        for each in given
    ]
    is_lost = bool(given) and bool(place.position) and not place.window.is_known
    return {
        "dates": dates if any(each.window.is_known for each in given) else [],
        "now": promise_as_time(place.window) if place.position else "",
        "has_moved": len(given) > 1 or is_lost,
        "reason": given[-1].reason if given else "",
    }
