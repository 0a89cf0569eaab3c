"""The queue of units already ordered; what was given to whom; every date ever promised."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backorders.domain.allocation import Fill
from backorders.domain.windows import Promise as PromisedWindow
from backorders.domain.windows import window_of
from backorders.models.stock import StockEvent, StockItem
from backorders.models.supply import Delivery


class FillRule(models.TextChoices):
    """``domain.allocation.Fill``, with words."""

    PARTIAL = Fill.PARTIAL.value, _("as units come")
    WHOLE_LINE = Fill.WHOLE_LINE.value, _("the whole line at once")
    WHOLE_ORDER = Fill.WHOLE_ORDER.value, _("the whole order at once")


NEEDS = F("quantity") - F("allocated_quantity") - F("cancelled_quantity")
"""Units a line still waits for."""


class BackorderQuerySet(models.QuerySet["Backorder"]):
    def waiting(self) -> BackorderQuerySet:
        return self.filter(state=Backorder.State.WAITING)

    def in_line(self) -> BackorderQuerySet:
        """In the order in which they are served; the id makes it total."""
        return self.order_by("rank_class", "rank_at", "id")

    def unreleased(self) -> BackorderQuerySet:
        """Pre-orders that were not told of their release, and for which something is still owed."""
        open_ones = (Backorder.State.WAITING, Backorder.State.FILLED)
        return self.filter(is_preorder=True, is_released=False, state__in=open_ones)

    def owed(self) -> BackorderQuerySet:
        """Lines that were given units which have not left the house."""
        return self.filter(allocated_quantity__gt=F("shipped_quantity")).exclude(state=Backorder.State.CANCELLED)


class Backorder(models.Model):
    """One order line's claim on units that are not here yet. What it still needs is derived, never stored twice.

    ``allocated_quantity`` counts every unit it was given and keeps, shipped ones included. ``rank_class`` and ``rank_at``
    say where it stands: by ``priority`` and ``placed_at``, after ageing (``PRIORITY_LEAP``).
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        FILLED = "filled", _("ready")
        SHIPPED = "shipped", _("shipped")
        CANCELLED = "cancelled", _("cancelled")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    item = models.ForeignKey(StockItem, on_delete=models.PROTECT, related_name="backorders", verbose_name=_("item"))
    reference = models.CharField(_("order line"), max_length=100)
    order_reference = models.CharField(_("order"), max_length=100, blank=True, default="")
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
    shipped_quantity = models.PositiveIntegerField(_("shipped"), default=0)
    cancelled_quantity = models.PositiveIntegerField(_("cancelled"), default=0)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Lower is served first."))
    rank_class = models.SmallIntegerField(default=0, editable=False)
    rank_at = models.DateTimeField(editable=False)
    fill = models.CharField(_("is served"), max_length=12, choices=FillRule, default=FillRule.PARTIAL)
    overtaken = models.PositiveSmallIntegerField(_("was overtaken"), default=0, editable=False)
    not_before = models.DateField(_("not before"), null=True, blank=True)
    pinned_to = models.ForeignKey(
        Delivery,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="pinned",
        verbose_name=_("from this delivery"),
    )
    promised_earliest_on = models.DateField(_("promised, earliest"), null=True, editable=False)
    promised_latest_on = models.DateField(_("promised, latest"), null=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    is_told = models.BooleanField(
        default=False,
        editable=False,
        help_text="Of an order that ships as a whole: its customer knows that it is ready.",
    )
    is_preorder = models.BooleanField(_("pre-order"), default=False)
    is_released = models.BooleanField(
        default=False, editable=False, help_text="Of a pre-order: its release was announced."
    )
    placed_at = models.DateTimeField(_("placed"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects = BackorderQuerySet.as_manager()

    class Meta:
        verbose_name = _("backorder")
        verbose_name_plural = _("queue")
        ordering = ["rank_class", "rank_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "reference"], condition=~Q(state="cancelled"), name="backorders_one_claim_a_line"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="backorders_asks_for_units"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("allocated_quantity") + F("cancelled_quantity")),
                name="backorders_never_overfilled",
            ),
            models.CheckConstraint(
                condition=Q(allocated_quantity__gte=F("shipped_quantity")), name="backorders_ships_what_it_was_given"
            ),
        ]
        indexes = [
            models.Index(
                fields=["item", "rank_class", "rank_at", "id"], condition=Q(state="waiting"), name="backorders_line"
            ),
            models.Index(
                fields=["item"],
                condition=Q(state="waiting") & (Q(fill="whole_line") | Q(pinned_to__isnull=False)),
                name="backorders_not_plain",
            ),
            models.Index(
                fields=["item"], condition=Q(is_preorder=True, is_released=False), name="backorders_unreleased"
            ),
            models.Index(fields=["reference"], name="backorders_by_reference"),
            models.Index(fields=["email_key", "item"], name="backorders_by_customer"),
            models.Index(fields=["order_reference"], condition=~Q(order_reference=""), name="backorders_by_order"),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.quantity}"

    @property
    def needs(self) -> int:
        """Units ordered, not cancelled, and not given yet."""
        return self.quantity - self.allocated_quantity - self.cancelled_quantity

    @property
    def ready(self) -> int:
        """Units it was given that have not left the house."""
        return self.allocated_quantity - self.shipped_quantity

    @property
    def promise(self) -> PromisedWindow:
        """The date in force: the last one given, or that there is none."""
        return window_of(self.promised_earliest_on, self.promised_latest_on)


class Allocation(models.Model):
    """Units given to one line, or taken back from it (below zero). Append-only; their sum is what the line has.

    A re-run of the same arrival writes nothing: one row for each line and event.
    """

    backorder = models.ForeignKey(
        Backorder,
        on_delete=models.CASCADE,
        related_name="allocations",
        db_index=False,  # the constraint below has one that begins with it
    )
    event = models.ForeignKey(
        StockEvent,
        on_delete=models.PROTECT,
        null=True,
        related_name="allocations",
        db_constraint=False,  # an arrival writes thousands of rows of one event that it has just made; no need to check each
    )
    quantity = models.IntegerField(_("units"))
    allocated_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["backorder", "event"], name="backorders_given_once"),
            models.CheckConstraint(condition=~Q(quantity=0), name="backorders_gives_or_takes"),
        ]


class Promise(models.Model):
    """A date we gave, or that we had none, why, and from which delivery. Append-only: the first one is kept for the record."""

    backorder = models.ForeignKey(Backorder, on_delete=models.CASCADE, related_name="promises")
    earliest_on = models.DateField(_("earliest"), null=True)
    latest_on = models.DateField(_("latest"), null=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(_("why"), max_length=200, blank=True, default="")
    promised_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("promise")
        verbose_name_plural = _("promises")
        ordering = ["id"]

    @property
    def window(self) -> PromisedWindow:
        return window_of(self.earliest_on, self.latest_on)
