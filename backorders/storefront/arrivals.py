"""What came back, for feed readers: Atom (RFC 4287) and JSON Feed 1.1."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from backorders.conf import conf
from backorders.domain.listings import legal_line, legal_text
from backorders.queries.arrivals import Arrival, arrivals
from backorders.queries.listings import web_address
from backorders.queries.site import shop_name
from backorders.storefront.feeds import in_language, language_of
from backorders.storefront.wording import badge_of, price_in_words

ATOM, JSON = "application/atom+xml", "application/feed+json"
_KEPT = 300
"""Seconds that a cache may keep one; after that it asks with the tag it was given."""

_LONGEST_TITLE = 300
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Atom wants to be told when the feed changed last, also while nothing ever came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An arrival in words of the active language."""

    id: str
    url: str
    image: str
    title: str
    text: str
    came_at: datetime


def title_of_feed() -> str:
    return _("Back in stock at %(shop_name)s") % {"shop_name": shop_name()}


@require_safe
def atom_page(request: HttpRequest) -> HttpResponse:
    return _page(request, ATOM, _atom)


@require_safe
def json_page(request: HttpRequest) -> HttpResponse:
    return _page(request, JSON, _json)


Writer = Callable[[Sequence[Entry], str, str], str]


def _page(request: HttpRequest, kind: str, write: Writer) -> HttpResponse:
    language = language_of(request)
    with translation.override(language):
        entries = [_entry(arrival) for arrival in arrivals()]
        body = write(entries, web_address(in_language(request.path, language)), language).encode()
    tag, changed_at = f'"{hashlib.sha256(body).hexdigest()[:32]}"', _changed_at(entries)
    response = HttpResponse(body, f"{kind}; charset=utf-8", headers={"ETag": tag, "Content-Language": language})
    if changed_at is not None:
        response["Last-Modified"] = http_date(changed_at.timestamp())
    patch_cache_control(response, public=True, max_age=_KEPT)
    seconds = int(changed_at.timestamp()) if changed_at else None
    answer = get_conditional_response(request, etag=tag, last_modified=seconds, response=response)
    assert answer is not None  # noqa: S101 - it was given one
    return answer


def _changed_at(entries: Sequence[Entry]) -> datetime | None:
    return max((entry.came_at for entry in entries), default=None)


def _entry(arrival: Arrival) -> Entry:
    described = arrival.described
    host = urlsplit(conf.site_url).hostname or "localhost"
    facts = [price_in_words(described), badge_of(arrival.availability)]
    return Entry(
        id=f"tag:{host},{arrival.came_at.astimezone(UTC):%Y-%m-%d}:backorders/restock/{arrival.key}",
        url=web_address(described.url),
        image=web_address(described.image),
        title=legal_line(described.title, longest=_LONGEST_TITLE),
        text=" · ".join(legal_text(fact) for fact in facts if fact),
        came_at=arrival.came_at,
    )


def _atom(entries: Sequence[Entry], here: str, language: str) -> str:
    home = web_address("/")
    shop, title, changed_at = escape(legal_text(shop_name())), title_of_feed(), _changed_at(entries) or _NEVER
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang={quoteattr(language)}>\n'
        f"<id>{escape(here)}</id><title>{escape(legal_text(title))}</title><updated>{_stamp(changed_at)}</updated>\n"
        f"<author><name>{shop}</name></author>{_link('self', here, ATOM)}{_link('alternate', home, 'text/html')}\n"
        f"{''.join(map(_atom_entry, entries))}</feed>\n"
    )


def _atom_entry(entry: Entry) -> str:
    moment = _stamp(entry.came_at)
    return (
        f"<entry><id>{escape(entry.id)}</id><title>{escape(entry.title)}</title>"
        f"<published>{moment}</published><updated>{moment}</updated>{_link('alternate', entry.url, 'text/html')}"
        f'<content type="text">{escape(entry.text)}</content></entry>\n'
    )


def _link(rel: str, url: str, kind: str) -> str:
    return f"<link rel={quoteattr(rel)} type={quoteattr(kind)} href={quoteattr(url)}/>" if url else ""


def _json(entries: Sequence[Entry], here: str, language: str) -> str:
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": title_of_feed(),
        "home_page_url": web_address("/"),
        "feed_url": here,
        "language": language,
        "authors": [{"name": shop_name()}],
        "items": [_json_item(entry) for entry in entries],
    }
    return json.dumps(feed, ensure_ascii=False)


def _json_item(entry: Entry) -> dict[str, str]:
    told = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "content_text": entry.text,
        "image": entry.image,
        "date_published": _stamp(entry.came_at),
    }
    return {name: value for name, value in told.items() if value}


def _stamp(moment: datetime) -> str:
    """RFC 3339, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
