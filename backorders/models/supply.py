"""What is on its way, how much, between which dates, from whom; every move of a date is kept."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backorders.domain.windows import Confidence, Window
from backorders.models.stock import StockItem


class Supplier(models.Model):
    name = models.CharField(_("name"), max_length=120, unique=True)

    class Meta:
        verbose_name = _("supplier")
        verbose_name_plural = _("suppliers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def open(self) -> DeliveryQuerySet:
        return self.filter(state=Delivery.State.EXPECTED)


class Delivery(models.Model):
    """Units of one item that are expected between two days (shop time zone, both included)."""

    class State(models.TextChoices):
        EXPECTED = "expected", _("expected")
        RECEIVED = "received", _("received")
        CANCELLED = "cancelled", _("cancelled")

    class Certainty(models.TextChoices):
        FIRM = Confidence.FIRM.value, _("firm")
        ESTIMATED = Confidence.ESTIMATED.value, _("estimated")
        GUESS = Confidence.GUESS.value, _("a guess")

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="deliveries", verbose_name=_("item"))
    supplier = models.ForeignKey(
        Supplier,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deliveries",
        verbose_name=_("supplier"),
    )
    quantity = models.PositiveIntegerField(_("units expected"))
    received_quantity = models.PositiveIntegerField(_("units received"), default=0, editable=False)
    earliest_on = models.DateField(_("earliest"))
    latest_on = models.DateField(_("latest"))
    confidence = models.CharField(_("how certain"), max_length=10, choices=Certainty, default=Certainty.ESTIMATED)
    reference = models.CharField(_("reference"), max_length=100, blank=True, default="")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.EXPECTED, editable=False)
    created_at = models.DateTimeField(_("announced"), editable=False)
    closed_at = models.DateTimeField(_("closed"), null=True, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["latest_on", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(latest_on__gte=F("earliest_on")), name="backorders_delivery_in_order"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="backorders_delivery_has_units"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item}, {self.earliest_on} – {self.latest_on}"

    @property
    def outstanding(self) -> int:
        """Units still to come."""
        return max(0, self.quantity - self.received_quantity) if self.state == self.State.EXPECTED else 0

    @property
    def window(self) -> Window:
        return Window(earliest=self.earliest_on, latest=self.latest_on, confidence=Confidence(self.confidence))


class DeliveryRevision(models.Model):
    """A date that moved: from, to, and why. Append-only."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="revisions")
    from_earliest = models.DateField(_("was earliest"))
    from_latest = models.DateField(_("was latest"))
    to_earliest = models.DateField(_("now earliest"))
    to_latest = models.DateField(_("now latest"))
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="")
    revised_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("moved date")
        verbose_name_plural = _("moved dates")
        ordering = ["-id"]
