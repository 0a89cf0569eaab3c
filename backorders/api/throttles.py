"""The outer fence. The inner one, the caps per address, is kept by the services in the database."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle


class _Throttle(SimpleRateThrottle):
    """Per signed-in user, else per network address. ``DEFAULT_THROTTLE_RATES[scope]`` overrides ``usual``; ``None`` there lifts it."""

    scope: str
    usual = ""

    def get_rate(self) -> Any:
        return api_settings.DEFAULT_THROTTLE_RATES.get(self.scope, self.usual)

    def get_ident(self, request: Request) -> str:
        """DRF believes X-Forwarded-For as long as NUM_PROXIES is unset, and then anybody is as many clients as they like."""
        if api_settings.NUM_PROXIES is None:
            return str(request.META.get("REMOTE_ADDR", ""))
        return str(super().get_ident(request))

    def get_cache_key(self, request: Request, view: Any) -> str:
        user = request.user
        who = f"user-{user.pk}" if user and user.is_authenticated else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": who}


class ReadThrottle(_Throttle):
    scope = "backorders_read"
    usual = "600/min"


class SubscribeThrottle(_Throttle):
    scope = "backorders_subscribe"
    usual = "30/min"


class TokenThrottle(_Throttle):
    scope = "backorders_token"
    usual = "60/min"
