"""Ask to be told, confirm, change, leave. Nothing happens on GET, and no answer says whether an address is known."""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from backorders.api.answers import references_of, request_body
from backorders.api.base import Endpoint, day_in, price_in, text_in, texts_in
from backorders.api.errors import Refused
from backorders.api.schema import describes
from backorders.api.shapes import (
    BackordersAsked,
    BackordersChange,
    BackordersOwnRequest,
    BackordersOwnRequests,
    BackordersRefusal,
    BackordersRequests,
    BackordersSubscribe,
    BackordersToken,
)
from backorders.api.throttles import SubscribeThrottle, TokenThrottle
from backorders.errors import NotSellable, TooManyProducts
from backorders.models import Subscription
from backorders.queries.subscriptions import by_choice, standings_of, subscriptions_of
from backorders.services.subscriptions import MOST_CHOICES, Next, change_request, confirm, subscribe, unsubscribe
from backorders.shop import sellables

HONEYPOT = "website"


class SubscriptionList(Endpoint):
    def get_permissions(self) -> Any:
        return super().get_permissions() if self.request.method == "POST" else [IsAuthenticated()]

    def get_throttles(self) -> Any:
        return [SubscribeThrottle()] if self.request.method == "POST" else super().get_throttles()

    @describes(
        operation_id="backorders_own_requests",
        summary="What a signed-in customer waits for, and where they stand",
        responses={200: BackordersOwnRequests, 401: BackordersRefusal, 403: BackordersRefusal, 429: BackordersRefusal},
    )
    def get(self, request: Request) -> Response:
        return Response({"results": _own_bodies(subscriptions_of(request.user))})

    @describes(
        operation_id="backorders_subscribe",
        summary="Ask to be told when a product is back",
        description=(
            "The answer is the same for new, known, waiting and suppressed addresses. Guests get a mail with a link that "
            "they have to open; signed-in customers whose address the shop vouches for wait at once."
        ),
        request=BackordersSubscribe,
        responses={
            202: BackordersAsked,
            400: BackordersRefusal,
            404: BackordersRefusal,
            409: BackordersRefusal,
            429: BackordersRefusal,
        },
    )
    def post(self, request: Request) -> Response:
        body: Any = request.data  # an object: our parser lets nothing else through
        wanted = {
            "product": sellables.find(text_in(body, "product")),
            "email": text_in(body, "email", default=""),
            "quantity": body.get("quantity", 1),
            "highest_price": price_in(body, "highest_price"),
            "need_by": day_in(body, "need_by"),
            "any_of": _others(texts_in(body, "any_of")),
            "time_zone": text_in(body, "time_zone", default=""),
        }
        if body.get(HONEYPOT):
            return _asked(Next.CHECK_MAIL)
        return _asked(subscribe(**wanted, customer=request.user, language=get_language() or "").next)


def _asked(next_step: Next) -> Response:
    says = {
        Next.CHECK_MAIL: _("If this address can be mailed, a message is on its way. Open the link in it to confirm."),
        Next.NOTHING: _("You will be told when it is back."),
    }
    return Response({"next": next_step, "detail": says[next_step]}, status=status.HTTP_202_ACCEPTED)


def _others(references: list[str]) -> list[Any]:
    """All of them have to be sold here: a typing error must not make somebody wait for less than they asked for."""
    if len(references) > MOST_CHOICES:
        raise TooManyProducts(asked=len(references), most=MOST_CHOICES)
    found = sellables.find_all(references)
    if missing := [reference for reference in references if reference not in found]:
        raise Refused(
            _("No product is sold here under this reference."),
            code=NotSellable.code,
            field="any_of",
            status_code=status.HTTP_404_NOT_FOUND,
            more={"product": missing[0]},
        )
    return list(found.values())


def _own_bodies(rows: list[Subscription]) -> list[dict[str, Any]]:
    standings = standings_of(rows)
    return [
        request_body(row, standings.get(row.id), [other for other in together if other != row])
        for together in by_choice(rows)
        for row in together
    ]


class OwnSubscription(Endpoint):
    permission_classes = [IsAuthenticated]
    throttle_classes = [SubscribeThrottle]

    @describes(
        operation_id="backorders_change_request",
        summary="Change one of a signed-in customer's own requests",
        description="The place in line stays. Products of which one would do change together.",
        request=BackordersChange,
        responses={
            200: BackordersOwnRequest,
            400: BackordersRefusal,
            401: BackordersRefusal,
            403: BackordersRefusal,
            404: BackordersRefusal,
            429: BackordersRefusal,
        },
    )
    def patch(self, request: Request, subscription_id: int) -> Response:
        body: Any = request.data
        says: dict[str, Any] = {
            name: read(body, name)
            for name, read in (("highest_price", price_in), ("need_by", day_in), ("language", text_in))
            if name in body
        }
        if "quantity" in body:
            says["quantity"] = body["quantity"]
        try:
            change_request(subscription_id=subscription_id, customer=request.user, **says)
        except Subscription.DoesNotExist:
            raise NotFound from None
        own = {each["id"]: each for each in _own_bodies(subscriptions_of(request.user))}
        if subscription_id not in own:  # it ended at this very moment
            raise NotFound
        return Response(own[subscription_id])


class Confirmation(Endpoint):
    throttle_classes = [TokenThrottle]

    @describes(
        operation_id="backorders_confirm",
        summary="Confirm a request by the token of the mail",
        description="One token covers every open request of the same mailbox. It works once.",
        request=BackordersToken,
        responses={200: BackordersRequests, 400: BackordersRefusal, 404: BackordersRefusal, 429: BackordersRefusal},
    )
    def post(self, request: Request) -> Response:
        return _requests("waiting", confirm(token=text_in(request.data, "token")))


class Leaving(Endpoint):
    throttle_classes = [TokenThrottle]

    @describes(
        operation_id="backorders_leave",
        summary="End a request by the token of the mail",
        description="Asking twice is fine.",
        request=BackordersToken,
        responses={200: BackordersRequests, 400: BackordersRefusal, 404: BackordersRefusal, 429: BackordersRefusal},
    )
    def post(self, request: Request) -> Response:
        return _requests("closed", unsubscribe(token=text_in(request.data, "token")))


def _requests(state: str, rows: list[Any]) -> Response:
    return Response({"state": state, "products": references_of(rows)})
