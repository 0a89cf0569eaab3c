"""One return to the shelf, and the groups that were told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

from backorders.models.stock import StockItem


class RestockQuerySet(models.QuerySet["Restock"]):
    def look_again(self, item_ids: Iterable[int]) -> int:
        """Something has changed about these items that may let somebody be told."""
        return self.filter(item__in=item_ids, look_again_at__isnull=False, closed_at=None).update(look_again_at=None)


class Restock(models.Model):
    """An item came back. Open while there is something for sale; closed when the shelf is empty again."""

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="restocks")
    number = models.PositiveIntegerField(_("number"))
    units = models.PositiveIntegerField(
        _("units"), null=True, help_text=_("Empty: the shop does not count this product.")
    )
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True)
    look_again_at = models.DateTimeField(null=True)
    """Nobody could be told at the last look: the next one may wait until then. Empty: something has changed since."""

    objects = RestockQuerySet.as_manager()

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


class HoldQuerySet(models.QuerySet["Hold"]):
    def open(self) -> HoldQuerySet:
        return self.filter(state=Hold.State.OPEN)

    def valid(self, now: datetime) -> HoldQuerySet:
        """By the clock: what has run out counts no more, whether or not it was noted yet."""
        return self.open().filter(ends_at__gt=now)

    def over(self, now: datetime | Combinable) -> HoldQuerySet:
        return self.open().filter(ends_at__lte=now)


class Hold(models.Model):
    """Units on the shelf that are put aside for somebody who was told, for a while."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        USED = "used", _("used")
        OVER = "over", _("ran out")
        GIVEN_BACK = "given_back", _("given back")

    subscription = models.ForeignKey(
        "backorders.Subscription", on_delete=models.CASCADE, related_name="holds", db_index=False, verbose_name=_("for")
    )
    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="holds", db_index=False)
    restock = models.ForeignKey(Restock, on_delete=models.CASCADE, related_name="holds")
    units = models.PositiveIntegerField(_("units"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    made_at = models.DateTimeField(_("made"))
    ends_at = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(state="open"), name="backorders_one_open_hold"
            ),
            # Given back, and never told of it: whoever it was for may get another one of the same restock.
            models.UniqueConstraint(
                fields=["subscription", "restock"], condition=~Q(state="given_back"), name="backorders_held_once"
            ),
            models.CheckConstraint(
                condition=Q(state="open", ended_at=None) | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="backorders_hold_ended",
            ),
        ]
        indexes = [models.Index(fields=["item", "ends_at"], condition=Q(state="open"), name="backorders_open_holds")]

    def __str__(self) -> str:
        return f"{self.units} · {self.get_state_display()}"
