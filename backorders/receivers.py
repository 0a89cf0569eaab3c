"""Django tells us that something was saved: only a hint, looked at after the commit, never trusted."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from backorders.services.stock import hint
from backorders.shop import sellables

log = logging.getLogger(__name__)


@receiver(post_save, dispatch_uid="backorders.saved")
def on_saved(sender: type, instance: Any, using: str, **_: Any) -> None:
    """Connected without a sender: a proxy or a child saves under its own class."""
    if sellables.adapter_of(sender) is None:
        return

    def look() -> None:
        try:
            hint(instance)
        except Exception:
            log.exception("A saved product could not be looked at; the sweep will.")

    transaction.on_commit(look, using=using, robust=True)
