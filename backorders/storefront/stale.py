"""A form whose token does not count any more: the page was open for days, or a cache kept it from somebody else.

``CSRF_FAILURE_VIEW = "backorders.storefront.stale.csrf_failure"`` says so in the shopper's language, for every form of the shop.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import ensure_csrf_cookie

from backorders.storefront.pages import page, secret
from backorders.storefront.subscriptions import subscribe_again

PAGES_OF_THEIR_OWN = ("confirm", "manage")
"""Opened anew, they show the same button with a token that counts."""


@secret(referrer="strict-origin")
@ensure_csrf_cookie
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: nothing was done. The form that asks to be told comes back as it was typed; any other is a page with the way back.

    Only that form is filled in again: to send another one once more, on the word of whoever sent it first, is what the token is there to prevent.
    """
    match = request.resolver_match
    name = match.url_name if match is not None and match.app_names[-1:] == ["backorders"] else ""
    if name == "subscribe":
        return subscribe_again(request)
    back = request.path if name in PAGES_OF_THEIR_OWN else _page_before(request)
    return page(request, "stale", {"back": back}, status=403)


def _page_before(request: HttpRequest) -> str:
    """The path on which the form stood, where the browser tells and it is one of this very site; else an empty string."""
    came_from = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(came_from, allowed_hosts={request.get_host()}):
        return ""
    parts = urlsplit(came_from)
    return parts._replace(scheme="", netloc="", fragment="").geturl() if parts.netloc else ""
