"""What search engines read on a product page: schema.org's words, as JSON-LD."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from backorders.conf import conf
from backorders.domain.availability import Availability
from backorders.domain.listings import end_of, legal_text, named_day, schema_word
from backorders.queries.availability import shop_today
from backorders.queries.listings import plain_price, web_address
from backorders.shop import Described

_UNSAFE_IN_SCRIPT = {ord(sign): f"\\u{ord(sign):04X}" for sign in "<>&\u2028\u2029"}


def block_of(thing: dict[str, Any]) -> SafeString:
    """The text of a data block, which nothing in it can close."""
    data = json.dumps({"@context": "https://schema.org"} | thing, ensure_ascii=False)
    return mark_safe(data.translate(_UNSAFE_IN_SCRIPT))  # noqa: S308 - nothing can close the element


def group_of(things: list[dict[str, Any]], *, name: str, group: Any) -> dict[str, Any]:
    """A ProductGroup of all sizes or colours that a page sells."""
    told = {
        "@type": "ProductGroup",
        "name": legal_text(str(name)) or things[0].get("name", ""),
        "productGroupID": legal_text(str(group)),
        "hasVariant": things,
    }
    return _said(told)


def thing_of(described: Described, answer: Availability, *, was_released: bool) -> dict[str, Any]:
    """A Product with its Offer, by the rules of search engines."""
    url, price = web_address(described.url), plain_price(described)
    word = schema_word(answer, today=shop_today(timezone.now()), was_released=was_released)
    offer = {
        "@type": "Offer",
        "url": url,
        "availability": f"https://schema.org/{word}",
        "availabilityStarts": _starts(answer),
        "price": price,
        "priceCurrency": (described.currency or conf.currency) if price else "",
    }
    thing = {
        "@type": "Product",
        "@id": f"{url}#product" if url else "",
        "name": legal_text(described.title),
        "sku": legal_text(described.sku),
        "image": web_address(described.image),
        "offers": _said(offer),
    }
    return _said(thing)


def _said(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value}


def _starts(answer: Availability) -> str:
    """The day that the page names, as an instant with its zone; the merchant feed says the same one."""
    day = named_day(answer, today=shop_today(timezone.now()))
    return end_of(day, timezone.get_default_timezone()).isoformat() if day else ""
