"""The queue of units already ordered; what was given to whom; every date ever promised."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backorders.models.stock import StockEvent, StockItem
from backorders.models.supply import Delivery


class BackorderQuerySet(models.QuerySet["Backorder"]):
    def waiting(self) -> BackorderQuerySet:
        return self.filter(state=Backorder.State.WAITING)

    def in_line(self) -> BackorderQuerySet:
        """In the order in which they are served; the id makes it total."""
        return self.order_by("priority", "placed_at", "id")


class Backorder(models.Model):
    """One order line's claim on units that are not here yet. What it still needs is derived, never stored twice."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        FILLED = "filled", _("ready")
        SHIPPED = "shipped", _("shipped")
        CANCELLED = "cancelled", _("cancelled")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    item = models.ForeignKey(StockItem, on_delete=models.PROTECT, related_name="backorders", verbose_name=_("item"))
    reference = models.CharField(_("order line"), max_length=100)
    email = models.EmailField(_("e-mail"))
    email_key = models.CharField(max_length=254, editable=False)
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("customer"),
    )
    language = models.CharField(_("language"), max_length=16, blank=True, default="")
    quantity = models.PositiveIntegerField(_("ordered"))
    allocated_quantity = models.PositiveIntegerField(_("given"), default=0)
    cancelled_quantity = models.PositiveIntegerField(_("cancelled"), default=0)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Lower is served first."))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    is_preorder = models.BooleanField(_("pre-order"), default=False)
    placed_at = models.DateTimeField(_("placed"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects = BackorderQuerySet.as_manager()

    class Meta:
        verbose_name = _("backorder")
        verbose_name_plural = _("queue")
        ordering = ["priority", "placed_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "reference"], condition=~Q(state="cancelled"), name="backorders_one_claim_a_line"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="backorders_asks_for_units"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("allocated_quantity") + F("cancelled_quantity")),
                name="backorders_never_overfilled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["item", "priority", "placed_at", "id"], condition=Q(state="waiting"), name="backorders_line"
            ),
            models.Index(fields=["reference"], name="backorders_by_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.quantity}"

    @property
    def needs(self) -> int:
        """Units ordered, not cancelled, and not given yet."""
        return self.quantity - self.allocated_quantity - self.cancelled_quantity


class Allocation(models.Model):
    """Units of one arrival given to one line. Append-only; a re-run of the same arrival writes nothing."""

    backorder = models.ForeignKey(Backorder, on_delete=models.CASCADE, related_name="allocations")
    event = models.ForeignKey(StockEvent, on_delete=models.PROTECT, related_name="allocations")
    quantity = models.PositiveIntegerField(_("units"))
    allocated_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["backorder", "event"], name="backorders_given_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="backorders_gives_units"),
        ]


class Promise(models.Model):
    """A date we gave, or that we had none. Append-only: the first one is kept for the record."""

    backorder = models.ForeignKey(Backorder, on_delete=models.CASCADE, related_name="promises")
    earliest_on = models.DateField(_("earliest"), null=True)
    latest_on = models.DateField(_("latest"), null=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True, related_name="+")
    promised_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("promise")
        verbose_name_plural = _("promises")
        ordering = ["id"]
