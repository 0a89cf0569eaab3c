"""The OpenAPI description, written only where drf-spectacular is installed; without it every decorator does nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

spectacular: Any
try:
    from drf_spectacular import utils as spectacular
except ImportError:  # the extra `backorders[openapi]` is not installed
    spectacular = None


def describes(**what: Any) -> Callable[[View], View]:
    """This will attach a description (the arguments of ``extend_schema``) to a view method."""
    if spectacular is None:
        return lambda view: view
    described: Callable[[View], View] = spectacular.extend_schema(tags=["backorders"], **what)
    return described


def in_query(name: str, description: str, *, kind: Any = int, **rules: Any) -> Any:
    """One parameter of the query string."""
    return spectacular and spectacular.OpenApiParameter(name, kind, "query", description=description, **rules)


def in_path(name: str, description: str) -> Any:
    """One piece of the address."""
    return spectacular and spectacular.OpenApiParameter(name, str, "path", description=description)


def one_of(name: str, *shapes: Any) -> Any:
    """Any of several bodies."""
    return spectacular and spectacular.PolymorphicProxySerializer(
        name, serializers=list(shapes), resource_type_field_name=None, many=False
    )
