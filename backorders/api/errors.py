"""The one place where our errors become DRF's. The shop owns DRF's exception handler; we raise plain errors with stable codes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.response import Response

from backorders.api.answers import window_body
from backorders.domain.windows import Window
from backorders.errors import (
    MOST_UNITS,
    AlreadyInStock,
    BackordersError,
    BelowMinimum,
    HoldLost,
    InvalidAddress,
    InvalidDay,
    InvalidInput,
    InvalidLanguage,
    InvalidPrice,
    InvalidQuantity,
    InvalidToken,
    LimitReached,
    NoLongerMade,
    NotOrderable,
    NotSellable,
    StockUnreadable,
    TooManyProducts,
)
from backorders.shop import sellables
from backorders.storefront.wording import promise_in_words

STATUS: dict[type[BackordersError], int] = {
    NotSellable: status.HTTP_404_NOT_FOUND,
    InvalidToken: status.HTTP_404_NOT_FOUND,
    InvalidInput: status.HTTP_400_BAD_REQUEST,
    StockUnreadable: status.HTTP_503_SERVICE_UNAVAILABLE,
    BackordersError: status.HTTP_409_CONFLICT,
}
"""The nearest parent counts. What is well said and cannot be done just now is a conflict."""

FIELD: dict[type[BackordersError], str] = {
    NotSellable: "product",
    AlreadyInStock: "product",
    NoLongerMade: "product",
    NotOrderable: "product",
    LimitReached: "quantity",
    BelowMinimum: "quantity",
    InvalidAddress: "email",
    InvalidQuantity: "quantity",
    InvalidPrice: "highest_price",
    InvalidDay: "need_by",
    InvalidLanguage: "language",
    TooManyProducts: "any_of",
    InvalidToken: "token",
}


class Refused(APIException):
    """Something was not done. ``field`` names the part of the request it is about; ``more`` goes into the body beside it."""

    status_code: int = status.HTTP_400_BAD_REQUEST

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        field: str = "",
        status_code: int | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, code)
        self.field = field
        self.more = more or {}
        if status_code is not None:
            self.status_code = status_code


def refused(error: BackordersError) -> Refused:
    """This will say the same as ``error`` in DRF's words, with the numbers that a shop's page needs to offer something else."""
    status_code = next(STATUS[one] for one in type(error).__mro__ if one in STATUS)
    field = next((FIELD[one] for one in type(error).__mro__ if one in FIELD), "")
    return Refused(sentence(error), code=error.code, field=field, status_code=status_code, more=numbers_of(error))


def sentence(error: BackordersError) -> str:
    """What the caller reads. Our own texts for developers name settings or repeat whole inputs; those are said anew."""
    if isinstance(error, NotSellable):
        return _("No product is sold here under this reference.")
    if isinstance(error, InvalidQuantity):
        return _("Use a whole number from %(least)s to %(most)s.") % {"least": error.least, "most": f"{MOST_UNITS:,}"}
    if isinstance(error, InvalidPrice):
        return _("Use a price above 0 with at most 4 decimals, such as 19.90.")
    if isinstance(error, InvalidDay):
        return _("Choose a day from %(first)s to %(last)s.") % {"first": error.first, "last": error.last}
    if isinstance(error, InvalidLanguage):
        return _("Use one of: %(known)s.") % {"known": ", ".join(error.known)}
    if isinstance(error, TooManyProducts):
        return _("Choose at most %(most)s others.") % {"most": error.most}
    if isinstance(error, LimitReached):
        numbers = {"asked": error.asked, "possible": error.possible}
        return _("%(asked)s were asked for, %(possible)s can be ordered.") % numbers
    if isinstance(error, BelowMinimum):
        return _("Order at least %(least)s.") % {"least": error.least}
    if isinstance(error, HoldLost):
        return _("This is not put aside for you any more, and it cannot be ordered just now.")
    if isinstance(error, NotOrderable):
        return _("This cannot be ordered just now.")
    return str(error)


def numbers_of(error: BackordersError) -> dict[str, Any]:
    """What an order could be instead, or of which product of several the answer is true."""
    if isinstance(error, LimitReached):
        window = error.window if isinstance(error.window, Window) else None
        by = promise_in_words(window) if window else None
        body = window_body(window) if window else None
        return {"state": error.state, "possible": error.possible, "window": body, "by": by}
    if isinstance(error, BelowMinimum):
        return {"state": error.state, "least": error.least}
    if isinstance(error, HoldLost):
        return {"state": error.state, "reason": error.reason}
    if isinstance(error, AlreadyInStock | NoLongerMade):
        with suppress(NotSellable):  # an endpoint of the shop's own may raise these about anything
            return {"product": sellables.identify(error.product).reference}
    return {"state": error.state} if isinstance(error, NotOrderable) else {}


def with_code(response: Response, error: Any) -> Response:
    """This will add the stable ``code`` (and ``field``) to the body that DRF's own handler writes.

    A handler of the shop's own has another shape, and keeps it.
    """
    detail = response.data.get("detail") if isinstance(response.data, dict) and len(response.data) == 1 else None
    if isinstance(detail, ErrorDetail):
        response.data = {"code": detail.code, "detail": detail}
        if field := getattr(error, "field", ""):
            response.data["field"] = field
        response.data |= getattr(error, "more", {})
    return response
