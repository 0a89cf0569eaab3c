"""Bodies from strangers: JSON objects of bounded size, numbers that are numbers."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.utils.json import strict_constant

from backorders.api.errors import Refused


class TooLarge(Refused):
    def __init__(self) -> None:
        super().__init__(_("The body is too large."), code="too_large", status_code=413)


class ObjectParser(JSONParser):
    """One JSON object, at most ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes; NaN and Infinity are no JSON."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        try:
            body = json.loads(_bounded(stream), parse_constant=strict_constant)
        except (ValueError, RecursionError):  # RecursionError: brackets nested thousands deep
            raise ParseError(_("The body is no JSON.")) from None
        if not isinstance(body, dict):
            raise ParseError(_("The body has to be one JSON object."))
        return body


def _bounded(stream: Any) -> bytes:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    raw: bytes = stream.read() if most is None else stream.read(most + 1)
    if most is not None and len(raw) > most:
        raise TooLarge
    return raw
