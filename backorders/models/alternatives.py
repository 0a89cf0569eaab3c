"""Substitutes picked by people."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backorders.models.stock import StockItem


class Alternative(models.Model):
    """``substitute`` may be offered while ``item`` is not to be had."""

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="alternatives", verbose_name=_("item"))
    substitute = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="+", verbose_name=_("substitute"))
    place = models.PositiveSmallIntegerField(_("place"), default=0)

    class Meta:
        verbose_name = _("alternative")
        verbose_name_plural = _("alternatives")
        ordering = ["place", "id"]
        constraints = [
            models.UniqueConstraint(fields=["item", "substitute"], name="backorders_picked_once"),
            models.CheckConstraint(condition=~Q(item=F("substitute")), name="backorders_not_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.item} → {self.substitute}"
