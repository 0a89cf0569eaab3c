"""The feed for Google Merchant Center: RSS 2.0, written as it is read, so that no catalogue is too large for memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from backorders.domain.listings import LeftOut, Statement, end_of, legal_text
from backorders.queries.listings import Listing, Tally, listings, web_address
from backorders.queries.site import shop_name
from backorders.storefront.feeds import language_of, shop_language

NAMESPACE = "http://base.google.com/ns/1.0"
_PLAIN = ("title", "link", "description")
"""Elements of RSS itself; all others are Google's."""

_KEPT = 600
"""Seconds that a cache may keep it."""


def merchant_feed(
    tally: Tally | None = None,
    *,
    now: datetime | None = None,
    language: str = "",
    heed: Callable[[Listing], None] | None = None,
) -> Iterator[str]:
    """This will write the feed piece by piece, in the shop's language unless ``language`` says another.

    ``tally`` counts what is stated and what is left out, and why; ``heed`` is called with each listing as it passes.
    """
    tally = Tally() if tally is None else tally
    language = language or shop_language()
    yield _head()
    chunks = listings(now=now)
    while True:
        with translation.override(language):  # not across a yield: whoever reads has a language of their own
            chunk = next(chunks, None)
            items = [_noted(listing, tally, heed) for listing in chunk or ()]
        if chunk is None:
            break
        yield "".join(items)
    yield f"</channel>\n<!-- {'; '.join(tally.lines())} -->\n</rss>\n"


def _head() -> str:
    about = {"title": shop_name(), "link": web_address("/"), "description": shop_name()}
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<rss version="2.0" xmlns:g="{NAMESPACE}">\n<channel>\n{"".join(_elements(about))}\n'
    )


def _noted(listing: Listing, tally: Tally, heed: Callable[[Listing], None] | None) -> str:
    tally.note(listing)
    if heed is not None:
        heed(listing)
    return "" if isinstance(listing.statement, LeftOut) else _item(listing, listing.statement)


def _item(listing: Listing, statement: Statement) -> str:
    ours = {
        "id": listing.id,
        "title": listing.title,
        "link": listing.link,
        "image_link": listing.image,
        "price": listing.price,
        "availability": statement.word.value,
        "availability_date": written(statement),
    }
    own = {name: value for name, value in listing.own.items() if name not in ours}
    return f"<item>{''.join(_elements(ours | own))}</item>\n"


def written(statement: Statement) -> str:
    """The date as Google wants it: one, with its time and zone, in at most 25 characters."""
    if statement.day is None:
        return ""
    return end_of(statement.day, timezone.get_default_timezone()).strftime("%Y-%m-%dT%H:%M%z")


def _elements(said: Mapping[str, Any]) -> Iterator[str]:
    for name, value in said.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if text := _text(each):
                tag = name if name in _PLAIN else f"g:{name}"
                yield f"<{tag}>{text}</{tag}>"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(_elements(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else escape(legal_text(str(value)).strip())


@require_safe
def merchant_page(request: HttpRequest) -> StreamingHttpResponse:
    """``?language=de`` for another of the shop's languages."""
    pieces = iter(()) if request.method == "HEAD" else merchant_feed(language=language_of(request))
    is_async = isinstance(request, ASGIRequest)
    response = StreamingHttpResponse(_one_by_one(pieces) if is_async else pieces, content_type=_TYPE)
    patch_cache_control(response, public=True, max_age=_KEPT)
    response["Content-Language"] = language_of(request)
    return response


_TYPE = "application/xml; charset=utf-8"


async def _one_by_one(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Under ASGI Django would read a plain iterator to its end before the first byte leaves."""
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece
