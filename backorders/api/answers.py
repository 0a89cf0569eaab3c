"""What we answer, built by hand: plain dicts are twice as fast as serializers on a list of fifty products."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from django.utils import translation

from backorders.conf import conf
from backorders.domain.availability import Availability, State
from backorders.domain.windows import Window
from backorders.domain.wording import phrase
from backorders.queries.alternatives import Substitute
from backorders.queries.outbox import absolute
from backorders.shop import sellables

BUCKET = {State.IN_STOCK: "many", State.LOW_STOCK: "few"}

words = lru_cache(maxsize=512)(phrase)
"""A page of fifty products says the same few windows again and again."""


def availability_body(reference: str, answer: Availability, *, today: date) -> dict[str, Any]:
    window = answer.window
    is_known = isinstance(window, Window)
    return {
        "reference": reference,
        "state": answer.state,
        "can_order": answer.can_order,
        "can_subscribe": answer.can_subscribe,
        "for_sale": BUCKET.get(answer.state, "none"),
        "units_left": answer.for_sale.value if answer.state is State.LOW_STOCK else None,
        "window": _window_body(window) if isinstance(window, Window) else None,
        "is_overdue": not is_known and bool(getattr(window, "is_overdue", False)),
        "label": _label(window, today) if isinstance(window, Window) else None,
        "opens_at": answer.opens_at,
        "releases_at": answer.releases_at,
    }


def _window_body(window: Window) -> dict[str, Any]:
    return {
        "earliest": window.earliest,
        "latest": window.latest,
        "confidence": window.confidence,
        "source": window.source,
    }


def _label(window: Window, today: date) -> str:
    return words(window, today=today, language=translation.get_language() or "en")


def alternative_body(substitute: Substitute, *, today: date) -> dict[str, Any]:
    described = substitute.described
    reference = sellables.identify(substitute.product).reference
    has_price = described.price is not None
    return {
        "reference": reference,
        "reason": substitute.reason,
        "title": described.title,
        "url": absolute(described.url),
        "image": absolute(described.image),
        "price": str(described.price) if has_price else None,
        "currency": (described.currency or conf.currency) if has_price else None,
        "availability": availability_body(reference, substitute.availability, today=today),
    }


def references_of(rows: list[Any]) -> list[str]:
    """The products of some requests; those that left the shop meanwhile are left out."""
    products = [row.item.product for row in rows]
    return [sellables.identify(product).reference for product in products if product is not None]
