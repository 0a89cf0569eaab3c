"""One return to the shelf, and the groups that were told."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backorders.models.stock import StockItem


class Restock(models.Model):
    """An item came back. Open while there is something for sale; closed when the shelf is empty again."""

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="restocks")
    number = models.PositiveIntegerField(_("number"))
    units = models.PositiveIntegerField(
        _("units"), null=True, help_text=_("Empty: the shop does not count this product.")
    )
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True)

    class Meta:
        verbose_name = _("restock")
        verbose_name_plural = _("restocks")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="backorders_restock_number"),
            models.UniqueConstraint(fields=["item"], condition=Q(closed_at=None), name="backorders_one_open_restock"),
        ]

    def __str__(self) -> str:
        return f"{self.item} #{self.number}"


class Wave(models.Model):
    """A group of people told together, those who waited longest first."""

    restock = models.ForeignKey(Restock, on_delete=models.CASCADE, related_name="waves")
    number = models.PositiveIntegerField(_("number"))
    size = models.PositiveIntegerField(_("people"))
    units = models.PositiveIntegerField(_("units for sale then"), null=True)
    released_at = models.DateTimeField(_("released"))

    class Meta:
        verbose_name = _("wave")
        verbose_name_plural = _("waves")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["restock", "number"], name="backorders_wave_number")]
