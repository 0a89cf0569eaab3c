"""What we may know about a signed-in customer."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.utils.module_loading import import_string

from backorders.conf import conf


def verified_email(user: Any) -> str:
    """The default of ``VERIFIED_EMAIL``: django-allauth's verified primary address, else nothing.

    Django itself does not know whether an address was proven, so without allauth (or a function of the shop's own) even
    signed-in customers confirm by mail.
    """
    if not apps.is_installed("allauth.account"):
        return ""
    from allauth.account.models import EmailAddress  # optional app of the host

    address = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary", "pk").first()
    return address.email if address else ""


def proven_address(user: Any) -> str:
    """The address the host vouches for, or an empty string; nobody is never signed in."""
    if user is None or not getattr(user, "is_authenticated", False):
        return ""
    return str(import_string(conf.verified_email)(user) or "")
