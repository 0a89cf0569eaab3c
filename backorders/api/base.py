"""What all our endpoints share: open to everybody, JSON in and out, one way to say no."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backorders.api.errors import Refused, refused, with_code
from backorders.api.parsers import ObjectParser, TooLarge
from backorders.api.throttles import ReadThrottle
from backorders.domain.units import whole_quantity
from backorders.errors import BackordersError, InvalidDay, InvalidPrice, InvalidQuantity

_WHOLE = re.compile(r"[0-9]{1,19}")
_DECIMAL = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Endpoint(APIView):
    """Who calls is the host's to find out (DRF's default authentication, so CSRF holds for sessions); anybody may call."""

    permission_classes = [AllowAny]
    parser_classes = [ObjectParser]
    renderer_classes = [JSONRenderer]
    throttle_classes = [ReadThrottle]

    def handle_exception(self, exc: Exception) -> Response:
        error: Exception = exc
        if isinstance(exc, BackordersError):
            error = refused(exc)
        elif isinstance(exc, RequestDataTooBig):  # some middleware of the host had begun to read; Django counted then
            error = TooLarge()
        return with_code(super().handle_exception(error), error)


def text_in(body: Any, name: str, *, default: str | None = None) -> str:
    """A text of the body; without a ``default`` it has to be there."""
    value = body.get(name, default)
    if value is None:
        raise Refused(f"“{name}” is missing.", code="required", field=name)
    if not isinstance(value, str):
        raise Refused(f"“{name}” has to be text.", code="invalid", field=name)
    return value


def quantity_in_query(request: Request, name: str, *, default: int) -> int:
    """A whole number of the query string, in plain digits."""
    value = request.query_params.get(name)
    if value is None:
        return default
    if not _WHOLE.fullmatch(value):
        raise InvalidQuantity(value)
    return whole_quantity(int(value))


def price_in(body: Any, name: str) -> Decimal | None:
    """A price of the body: a number, or better text such as "19.90", which no program rounds. Raises ``InvalidPrice``."""
    value = body.get(name)
    if value is None:
        return None
    is_number = type(value) in (int, float) or (isinstance(value, str) and _DECIMAL.fullmatch(value))
    if not is_number:
        raise InvalidPrice(value)
    return Decimal(str(value))


def day_in(body: Any, name: str) -> date | None:
    """A day of the body, such as "2026-06-12"."""
    value = body.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Refused(_("Use a day such as 2026-06-12."), code=InvalidDay.code, field=name)


def texts_in(body: Any, name: str) -> list[str]:
    """A list of texts of the body; empty where nothing is said."""
    values = body.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Refused(f"“{name}” has to be a list of texts.", code="invalid", field=name)
    return values
