"""The one place where our errors become DRF's. The shop owns DRF's exception handler; we raise plain errors with stable codes."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.response import Response

from backorders.errors import (
    MOST_UNITS,
    AlreadyInStock,
    BackordersError,
    InvalidAddress,
    InvalidQuantity,
    InvalidToken,
    NoLongerMade,
    NotSellable,
)

STATUS: dict[type[BackordersError], int] = {
    NotSellable: status.HTTP_404_NOT_FOUND,
    InvalidToken: status.HTTP_404_NOT_FOUND,
    AlreadyInStock: status.HTTP_409_CONFLICT,
    NoLongerMade: status.HTTP_409_CONFLICT,
}

FIELD: dict[type[BackordersError], str] = {
    NotSellable: "product",
    AlreadyInStock: "product",
    NoLongerMade: "product",
    InvalidAddress: "email",
    InvalidQuantity: "quantity",
    InvalidToken: "token",
}


class Refused(APIException):
    """Something was not done. ``field`` names the part of the request it is about."""

    status_code: int = status.HTTP_400_BAD_REQUEST

    def __init__(self, detail: str, *, code: str, field: str = "", status_code: int | None = None) -> None:
        super().__init__(detail, code)
        self.field = field
        if status_code is not None:
            self.status_code = status_code


def refused(error: BackordersError) -> Refused:
    """This will say the same as ``error`` in DRF's words. What nobody named in ``STATUS`` is the request's fault: 400."""
    kind = next((one for one in type(error).__mro__ if one in STATUS), BackordersError)
    field = next((FIELD[one] for one in type(error).__mro__ if one in FIELD), "")
    return Refused(sentence(error), code=error.code, field=field, status_code=STATUS.get(kind, 400))


def sentence(error: BackordersError) -> str:
    """What the caller reads. Our own texts for developers name settings or repeat whole inputs; those are said anew."""
    if isinstance(error, NotSellable):
        return _("No product is sold here under this reference.")
    if isinstance(error, InvalidQuantity):
        return _("Use a whole number from %(least)s to %(most)s.") % {"least": error.least, "most": f"{MOST_UNITS:,}"}
    return str(error)


def with_code(response: Response, error: Any) -> Response:
    """This will add the stable ``code`` (and ``field``) to the body that DRF's own handler writes.

    A handler of the shop's own has another shape, and keeps it.
    """
    detail = response.data.get("detail") if isinstance(response.data, dict) and len(response.data) == 1 else None
    if isinstance(detail, ErrorDetail):
        response.data = {"code": detail.code, "detail": detail}
        if field := getattr(error, "field", ""):
            response.data["field"] = field
    return response
