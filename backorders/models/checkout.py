"""Orders that came with an idempotency key, and what they were answered."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class PlacedOrder(models.Model):
    """The first answer to an idempotency key; ``fingerprint`` tells a retry from another order under the same key."""

    key = models.CharField(_("key"), max_length=200, unique=True)
    fingerprint = models.CharField(max_length=64)
    placements = models.JSONField()
    placed_at = models.DateTimeField(_("placed"))

    class Meta:
        verbose_name = _("placed order")
        verbose_name_plural = _("placed orders")
