"""What can be bought instead, now."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from backorders.api.answers import alternative_body
from backorders.api.base import Endpoint, quantity_in_query
from backorders.api.errors import Refused
from backorders.api.schema import describes, in_path, in_query
from backorders.api.shapes import BackordersAlternatives, BackordersRefusal
from backorders.errors import InvalidQuantity
from backorders.queries.alternatives import alternatives_to
from backorders.shop import sellables

MOST_ALTERNATIVES = 20


class AlternativeList(Endpoint):
    @describes(
        operation_id="backorders_alternatives",
        summary="What can be bought now instead of one product",
        description="Its successor first, then what the shop picked, then its category by nearness of price.",
        parameters=[
            in_path("label", "The model, as `app.model`."),
            in_path("key", "The product's key."),
            in_query("limit", f"How many at most, 1 to {MOST_ALTERNATIVES}.", default=4),
            in_query("quantity", "How many units each of them has to have.", default=1),
        ],
        responses={
            200: BackordersAlternatives,
            400: BackordersRefusal,
            404: BackordersRefusal,
            429: BackordersRefusal,
        },
    )
    def get(self, request: Request, label: str, key: str) -> Response:
        now, limit, quantity = timezone.now(), _limit(request), quantity_in_query(request, "quantity", default=1)
        substitutes = alternatives_to(sellables.find(f"{label}:{key}"), limit=limit, quantity=quantity, now=now)
        return Response({"results": [alternative_body(substitute) for substitute in substitutes]})


def _limit(request: Request) -> int:
    try:
        limit = quantity_in_query(request, "limit", default=4)
    except InvalidQuantity:
        limit = 0
    if not 1 <= limit <= MOST_ALTERNATIVES:
        text = _("Use a whole number from %(least)s to %(most)s.")
        raise Refused(text % {"least": 1, "most": MOST_ALTERNATIVES}, code="invalid_limit", field="limit")
    return limit
