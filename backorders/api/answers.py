"""What we answer, built by hand: plain dicts are twice as fast as serializers on a list of fifty products."""

from __future__ import annotations

from typing import Any

from backorders.conf import conf
from backorders.domain.availability import Availability, State
from backorders.domain.windows import Window
from backorders.models import Subscription
from backorders.queries.alternatives import Substitute
from backorders.queries.site import absolute
from backorders.queries.subscriptions import Standing
from backorders.shop import sellables
from backorders.storefront.forms import plain_price
from backorders.storefront.wording import date_in_words, standing_in_words

BUCKET = {State.IN_STOCK: "many", State.LOW_STOCK: "few"}


def availability_body(reference: str, answer: Availability) -> dict[str, Any]:
    window, terms = answer.window, answer.terms
    is_known = isinstance(window, Window)
    return {
        "reference": reference,
        "state": answer.state,
        "can_order": answer.can_order,
        "can_subscribe": answer.can_subscribe,
        "for_sale": BUCKET.get(answer.state, "none"),
        "units_left": answer.for_sale.value if answer.state is State.LOW_STOCK else None,
        "window": window_body(window) if isinstance(window, Window) else None,
        "is_overdue": not is_known and bool(getattr(window, "is_overdue", False)),
        "label": date_in_words(answer) or None,
        "opens_at": answer.opens_at,
        "releases_at": answer.releases_at,
        "is_made_to_order": answer.is_made_to_order,
        "order_minimum": terms.order_minimum,
        "order_maximum": terms.order_maximum.or_none,
        "customer_limit": terms.customer_limit.or_none,
        "reason": answer.reason,
    }


def window_body(window: Window) -> dict[str, Any]:
    return {
        "earliest": window.earliest,
        "latest": window.latest,
        "confidence": window.confidence,
        "source": window.source,
    }


def alternative_body(substitute: Substitute) -> dict[str, Any]:
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
        "availability": availability_body(reference, substitute.availability),
    }


def references_of(rows: list[Any]) -> list[str]:
    """The products of some requests; those that left the shop meanwhile are left out."""
    products = [row.item.product for row in rows]
    return [sellables.identify(product).reference for product in products if product is not None]


def request_body(row: Subscription, standing: Standing | None, others: list[Subscription]) -> dict[str, Any]:
    """A customer's own request. ``others``: those of which one would do as well."""
    return {
        "id": row.pk,
        "product": _reference_of(row),
        "any_of": [reference for other in others if (reference := _reference_of(other))],
        "state": row.state,
        "quantity": row.quantity,
        "highest_price": None if row.highest_price is None else plain_price(row.highest_price),
        "need_by": row.need_by,
        "language": row.language,
        "asked_at": row.placed_at,
        "standing": standing_body(standing) if standing else None,
    }


def _reference_of(row: Subscription) -> str | None:
    return sellables.identify(row.item.product).reference if row.item.product is not None else None


def standing_body(standing: Standing) -> dict[str, Any]:
    return {
        "position": standing.position,
        "label": standing_in_words(standing),
        "deliveries": [
            {"units": due.units, "window": window_body(due.window), "odds": due.odds} for due in standing.dues
        ],
    }
