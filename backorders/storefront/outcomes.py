"""What a redirect back to the shop's page carries: a signed, short-lived word, and never an address.

Sessions and the messages framework may be absent in a host, and a status line has to stand where the form was; so the
word travels in the query string and the tag on that page reads it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.core import signing
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

PARAMETER = "backorders"
LASTS = 600
"""Seconds for which a word is shown; a bookmark or a shared link shows the plain page afterwards."""

_SALT = "backorders.storefront.outcome"
_LONGEST_URL = 2000


class Outcome(StrEnum):
    """What became of a form. The first is the same for every address, known or not."""

    CHECK_MAIL = "check_mail"
    ON_THE_LIST = "nothing"
    LEFT = "left"


def anchor_of(reference: str) -> str:
    """The ``id`` of a product's box on a page: ``backorders-shop-variant-12``."""
    return "backorders-" + re.sub(r"[^A-Za-z0-9_-]", "-", reference)


def local_url(url: str) -> str:
    """``url`` when it is a path of this very site, else an empty string."""
    is_path = url.startswith("/") and len(url) <= _LONGEST_URL
    return url if is_path and url_has_allowed_host_and_scheme(url, allowed_hosts=None) else ""


def without_outcome(url: str) -> str:
    """``url`` as it was before a word was added."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != PARAMETER]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def carrying(url: str, *, reference: str, outcome: str) -> str:
    """This will return ``url`` with the word in its query string and the product's box as its fragment."""
    parts = urlsplit(without_outcome(url))
    word = urlencode({PARAMETER: signing.dumps([reference, outcome], salt=_SALT)})
    query = f"{parts.query}&{word}" if parts.query else word
    return urlunsplit(parts._replace(query=query, fragment=anchor_of(reference)))


def outcome_for(request: HttpRequest | None, reference: str) -> Outcome | None:
    """The word that this request carries about one product, or ``None``; forged, foreign and old ones say nothing."""
    word = request.GET.get(PARAMETER, "") if request is not None else ""
    if not word:
        return None
    try:
        about, outcome = signing.loads(word, salt=_SALT, max_age=LASTS)
        return Outcome(outcome) if about == reference else None
    except (signing.BadSignature, ValueError, TypeError):
        return None
