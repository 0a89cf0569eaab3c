"""What is on its way, how much, between which dates, from whom; every move of a date is kept."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backorders.domain.windows import OVERDUE, Confidence, Promise, Window
from backorders.models.stock import StockItem


class Supplier(models.Model):
    """Who sends us goods, when they work, and how long they usually take.

    ``dates_kept``: of their last ten deliveries, how many came by the day that we would have named; ``None``: there are fewer.
    """

    name = models.CharField(_("name"), max_length=120, unique=True)
    lead_days = models.PositiveSmallIntegerField(
        _("lead time"),
        null=True,
        blank=True,
        help_text=_("Working days from our order to their delivery; used where an item says nothing itself."),
    )
    closed_weekdays = models.CharField(
        _("closed on"), max_length=7, blank=True, default="", help_text=_("Weekdays on which they do not deliver.")
    )
    holidays = models.CharField(
        _("public holidays of"),
        max_length=10,
        blank=True,
        default="",
        help_text=_("A country, or a country and a region, such as DE or DE-BY. Needs the holidays package."),
    )
    dates_kept = models.PositiveSmallIntegerField(_("dates kept, of the last ten"), null=True, editable=False)

    class Meta:
        verbose_name = _("supplier")
        verbose_name_plural = _("suppliers")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_weekdays__regex=r"^[0-6]{0,6}$"), name="backorders_some_weekday_open"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ClosedDay(models.Model):
    """A day on which a supplier does not deliver: a company holiday, a stock-taking."""

    supplier = models.ForeignKey(Supplier, on_delete=models.CASCADE, related_name="closed_days")
    day = models.DateField(_("day"))
    note = models.CharField(_("note"), max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("closed day")
        verbose_name_plural = _("closed days")
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["supplier", "day"], name="backorders_closed_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.note}".strip()


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def open(self) -> DeliveryQuerySet:
        return self.filter(state=Delivery.State.EXPECTED)


class Delivery(models.Model):
    """Units of one item that are expected between two days (shop time zone, both included).

    ``earliest_on`` and ``latest_on`` are what the supplier says; the forecast is what we make of it, moved on by receiving
    and handling, and empty where there is no honest date. When it has come, or never will, it is judged by the window that
    stood half-way: a date that is edited on the last day flatters nobody.
    """

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
    forecast_earliest_on = models.DateField(_("goods can ship, earliest"), null=True, editable=False)
    forecast_latest_on = models.DateField(_("goods can ship, latest"), null=True, editable=False)
    is_learned = models.BooleanField(_("learned from past deliveries"), default=False, editable=False)
    arrived_on = models.DateField(_("first goods came"), null=True, editable=False)
    judged_earliest_on = models.DateField(null=True, editable=False)
    judged_latest_on = models.DateField(_("judged by"), null=True, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["latest_on", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(latest_on__gte=F("earliest_on")), name="backorders_delivery_in_order"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="backorders_delivery_has_units"),
            models.CheckConstraint(
                condition=Q(forecast_earliest_on=None) | Q(forecast_latest_on__gte=F("forecast_earliest_on")),
                name="backorders_forecast_in_order",
            ),
        ]
        indexes = [
            models.Index(fields=["item", "latest_on", "id"], condition=Q(state="expected"), name="backorders_expected"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item}, {self.earliest_on} – {self.latest_on}"

    @property
    def outstanding(self) -> int:
        """Units still to come."""
        return max(0, self.quantity - self.received_quantity) if self.state == self.State.EXPECTED else 0

    @property
    def window(self) -> Window:
        """Between which days the supplier says it comes."""
        return Window(earliest=self.earliest_on, latest=self.latest_on, confidence=Confidence(self.confidence))

    @property
    def forecast(self) -> Promise:
        """When its goods can leave our house, as far as the supplier's record tells; ``OVERDUE``: there is no honest date."""
        if self.forecast_earliest_on is None or self.forecast_latest_on is None:
            return OVERDUE
        return Window(
            earliest=self.forecast_earliest_on,
            latest=self.forecast_latest_on,
            confidence=Confidence(self.confidence),
        )


class DeliveryRevision(models.Model):
    """What changed about a delivery, from what to what, and why. Append-only."""

    class Kind(models.TextChoices):
        MOVED = "moved", _("moved")
        RESIZED = "resized", _("other quantity")
        SPLIT = "split", _("split")
        CANCELLED = "cancelled", _("does not come")

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="revisions")
    kind = models.CharField(_("what"), max_length=10, choices=Kind, default=Kind.MOVED)
    from_earliest = models.DateField(_("was earliest"))
    from_latest = models.DateField(_("was latest"))
    to_earliest = models.DateField(_("now earliest"))
    to_latest = models.DateField(_("now latest"))
    from_quantity = models.PositiveIntegerField(_("units were"))
    to_quantity = models.PositiveIntegerField(_("units now"))
    reason = models.CharField(
        _("reason"), max_length=200, blank=True, default="", help_text=_("Customers whose date moves may read it.")
    )
    revised_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("change of a delivery")
        verbose_name_plural = _("changes of deliveries")
        ordering = ["-id"]
