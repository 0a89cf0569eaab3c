"""What all our feeds share: the language they are asked for in."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def shop_language() -> str:
    return str(settings.LANGUAGE_CODE)


def language_of(request: HttpRequest) -> str:
    """By the address alone, so that a cache may keep what it got: ``?language=de``, else the shop's own."""
    asked = request.GET.get("language", "")
    return asked if asked in dict(settings.LANGUAGES) else shop_language()


def in_language(path: str, language: str) -> str:
    """The address of a feed in a language; the shop's own needs no word."""
    return path if language == shop_language() else f"{path}?language={language}"
