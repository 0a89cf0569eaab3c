"""What can be bought, and when the rest comes: one product, or up to a hundred."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from backorders.api.answers import availability_body
from backorders.api.base import Endpoint
from backorders.api.errors import Refused, sentence
from backorders.api.schema import describes, in_path, in_query
from backorders.api.shapes import REFERENCE, BackordersAvailabilities, BackordersAvailability, BackordersRefusal
from backorders.errors import NotSellable
from backorders.queries.availability import availability_for, availability_of
from backorders.shop import sellables

MOST_PRODUCTS = 100


class AvailabilityList(Endpoint):
    @describes(
        operation_id="backorders_availability_of_many",
        summary="Availability of 1 to 100 products",
        description="Answers come in the order of the question. What is not sold here is said so in its place.",
        parameters=[
            in_query("product", f"{REFERENCE} Repeat it for more products.", kind=str, many=True, required=True)
        ],
        responses={200: BackordersAvailabilities, 400: BackordersRefusal, 429: BackordersRefusal},
    )
    def get(self, request: Request) -> Response:
        references = _asked_for(request)
        products = sellables.find_all(references)
        answers = availability_for(set(products.values()), timezone.now())
        results = [
            availability_body(reference, answers[products[reference]]) if reference in products else _unknown(reference)
            for reference in references
        ]
        return Response({"results": results})


def _asked_for(request: Request) -> list[str]:
    references: list[str] = request.query_params.getlist("product")
    if not references:
        raise Refused(_("Name at least one product."), code="required", field="product")
    if len(references) > MOST_PRODUCTS:
        text = _("%(asked)s products were asked for; ask for at most %(most)s at a time.")
        detail = text % {"asked": len(references), "most": MOST_PRODUCTS}
        raise Refused(detail, code="too_many", field="product")
    return references


def _unknown(reference: str) -> dict[str, Any]:
    return {"reference": reference, "code": NotSellable.code, "detail": sentence(NotSellable(reference, []))}


class AvailabilityDetail(Endpoint):
    @describes(
        operation_id="backorders_availability_of_one",
        summary="Availability of one product",
        parameters=[in_path("label", "The model, as `app.model`."), in_path("key", "The product's key.")],
        responses={200: BackordersAvailability, 404: BackordersRefusal, 429: BackordersRefusal},
    )
    def get(self, request: Request, label: str, key: str) -> Response:
        reference = f"{label}:{key}"
        answer = availability_of(sellables.find(reference), timezone.now())
        return Response(availability_body(reference, answer))
