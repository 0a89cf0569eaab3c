"""What the tags say at this moment, for pages that a cache kept and for those that a program draws."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_safe

from backorders.shop import sellables

MOST = 100
"""Questions of one request that are answered; our script asks 50 at a time."""

PARTS = ("status", "badge", "line")


@csrf_protect  # it sends the cookie that goes with the token
@never_cache
@require_safe
def now_page(request: HttpRequest) -> HttpResponse:
    """One ``<template>`` for each ``?of=part|pay|deposit|reference``: what that tag draws now, in ``?language=``.

    A product that is not sold here, or not shown, has none. ``?token=1`` adds a fresh CSRF token as forms carry it.
    Three queries of ours at most, plus one for each model asked about.
    """
    asked = [question for each in dict.fromkeys(request.GET.getlist("of")[:MOST]) if (question := _question(each))]
    products = sellables.find_all([question["reference"] for question in asked])
    known = [question | {"product": products[ref]} for question in asked if (ref := question["reference"]) in products]
    about = {"questions": known, "products": [each["product"] for each in known], "token": request.GET.get("token")}
    with translation.override(_language(request)):
        return render(request, "backorders/storefront/now.html", about)


def _question(text: str) -> dict[str, Any] | None:
    part, _, rest = text.partition("|")
    said = rest.split("|", 2)
    if part not in PARTS or len(said) != 3:
        return None
    return {"of": text, "part": part, "pay": said[0], "deposit": said[1], "reference": said[2]}


def _language(request: HttpRequest) -> str:
    """That of the page, which a cache may have kept from somebody who speaks another; else the visitor's."""
    asked = request.GET.get("language", "")
    return asked if asked in dict(settings.LANGUAGES) else translation.get_language() or settings.LANGUAGE_CODE
