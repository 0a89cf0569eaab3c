"""What the tags say at this moment, for pages that a cache kept and for those that a program draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_safe

from backorders.services.subscriptions import MOST_CHOICES
from backorders.shop import sellables

MOST = 100
"""Questions of one request that are answered; our script asks 50 at a time."""

MOST_LARGE = 12
"""Of these, forms and substitutes: there are few on a page, and they cost more."""

SMALL = ("status", "badge", "line", "button")
LARGE = ("form", "alternatives")


@csrf_protect  # it sends the cookie that goes with the token
@never_cache
@require_safe
def now_page(request: HttpRequest) -> HttpResponse:
    """One ``<template>`` for each ``?of=part|…|…|reference``: what that tag draws now, in ``?language=``.

    Between the bars stand ``pay`` and ``deposit`` of a status, ``quantity`` and the references of ``any_of`` of a form
    (with spaces between them), the ``limit`` of alternatives. ``data-state`` names the state, and ``data-order`` is there
    while the product can be ordered. A product that is not sold here, or not shown, has none. ``?token=1`` adds a fresh
    CSRF token as forms carry it. Three queries of ours at most, plus one for each model asked about; one more where forms
    are asked for by a customer who is signed in, and two for each block of alternatives.
    """
    asked = _within_bounds(_question(each) for each in dict.fromkeys(request.GET.getlist("of")[:MOST]))
    products = sellables.find_all(ref for question in asked for ref in (question["reference"], *question["any_of"]))
    known = [_about(question, products) for question in asked if question["reference"] in products]
    about = {
        "questions": known,
        "products": [product for each in known for product in (each["product"], *each["others"])],
        "token": request.GET.get("token"),
    }
    with translation.override(_language(request)):
        return render(request, "backorders/storefront/now.html", about)


def _question(text: str) -> dict[str, Any] | None:
    part, _, rest = text.partition("|")
    said = rest.split("|", 2)
    if part not in SMALL + LARGE or len(said) != 3:
        return None
    first, second, reference = said
    return {
        "of": text,
        "part": part,
        "pay": first,
        "deposit": second,
        "quantity": _number(first),
        "limit": min(_number(first) or _CARDS, _MOST_CARDS),
        "any_of": second.split()[:MOST_CHOICES] if part == "form" else [],
        "reference": reference,
    }


_CARDS, _MOST_CARDS = 4, 12


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _within_bounds(questions: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    found, large = [], 0
    for question in filter(None, questions):
        large += question["part"] in LARGE
        if question["part"] in SMALL or large <= MOST_LARGE:
            found.append(question)
    return found


def _about(question: dict[str, Any], products: Mapping[str, Any]) -> dict[str, Any]:
    others = [products[reference] for reference in question["any_of"] if reference in products]
    return question | {"product": products[question["reference"]], "others": others}


def _language(request: HttpRequest) -> str:
    """That of the page, which a cache may have kept from somebody who speaks another; else the visitor's."""
    asked = request.GET.get("language", "")
    return asked if asked in dict(settings.LANGUAGES) else translation.get_language() or settings.LANGUAGE_CODE
