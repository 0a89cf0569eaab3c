"""Ask to be told, confirm, leave. Nothing happens on GET, and no answer says whether an address is known."""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from backorders.api.answers import references_of
from backorders.api.base import Endpoint, text_in
from backorders.api.schema import describes
from backorders.api.shapes import (
    BackordersAsked,
    BackordersRefusal,
    BackordersRequests,
    BackordersSubscribe,
    BackordersToken,
)
from backorders.api.throttles import SubscribeThrottle, TokenThrottle
from backorders.services.subscriptions import Next, confirm, subscribe, unsubscribe
from backorders.shop import sellables

HONEYPOT = "website"


class SubscriptionList(Endpoint):
    throttle_classes = [SubscribeThrottle]

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
        return _requests("closed", [unsubscribe(token=text_in(request.data, "token"))])


def _requests(state: str, rows: list[Any]) -> Response:
    return Response({"state": state, "products": references_of(rows)})
