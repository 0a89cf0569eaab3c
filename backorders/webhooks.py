"""``path("anymail/", include("backorders.webhooks"))``: Anymail's own webhooks under Anymail's own names, made for many events at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from anymail.urls import urlpatterns as of_anymail
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import URLPattern

from backorders.mail_receivers import gathered

app_name = "anymail"

View = Callable[..., HttpResponse]

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def _at_once(view: View) -> View:
    """The same webhook: what came in one request is heard as one, and what is no JSON is the sender's mistake, not ours.

    JSON that Anymail does not understand stays an error: the provider tells it again, to a later version of Anymail perhaps.
    """

    @wraps(view)
    def hear(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            with gathered():
                return view(request, *args, **kwargs)
        except ValueError:
            if _is_readable(request):
                raise
            return HttpResponseBadRequest("This is no JSON.", content_type="text/plain; charset=utf-8")

    return hear


def _is_readable(request: HttpRequest) -> bool:
    if request.content_type in _FORMS:
        return True
    try:
        json.loads(request.body)
    except ValueError:
        return False
    return True


urlpatterns = [URLPattern(each.pattern, _at_once(each.callback), each.default_args, each.name) for each in of_anymail]
