"""Our own pages: what they all know, and what browsers and robots are told about the secret ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from backorders.conf import conf
from backorders.queries.site import shop_name

View = Callable[..., HttpResponse]


def page(request: HttpRequest, name: str, context: dict[str, Any] | None = None, *, status: int = 200) -> HttpResponse:
    """This will draw ``backorders/storefront/<name>.html``, which extends ``backorders/base.html``."""
    known = {"shop_name": shop_name(), "shop_url": conf.site_url or "/"}
    return render(request, f"backorders/storefront/{name}.html", known | (context or {}), status=status)


def secret(*, referrer: str) -> Callable[[View], View]:
    """For pages whose address is a secret: not stored, not indexed, not framed, and not told to the next site.

    ``referrer`` is ``no-referrer``, or ``strict-origin`` on a page with a form that Django checks: under ``no-referrer``
    browsers send ``Origin: null`` with the form, which Django refuses. Neither lets the path out.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            response = view(request, *args, **kwargs)
            response["Referrer-Policy"] = referrer
            response["X-Robots-Tag"] = "noindex, nofollow"
            response["X-Frame-Options"] = "DENY"
            return response

        return never_cache(guarded)

    return decorate
