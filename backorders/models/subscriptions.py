"""Somebody wants to be told when an item is really here."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backorders.domain.tokens import Purpose
from backorders.domain.windows import zone_named
from backorders.domain.wishes import PRICE_DECIMALS, PRICE_DIGITS, last_day_before
from backorders.models.stock import StockItem
from backorders.models.waves import Restock

LIVE = ("pending", "waiting", "told")


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def live(self) -> SubscriptionQuerySet:
        return self.filter(state__in=LIVE)

    def waiting(self) -> SubscriptionQuerySet:
        return self.filter(state=Subscription.State.WAITING)

    def wait_again(self) -> int:
        """Told in vain: back to the place they had. ``told_at`` stays, so that nobody is told twice in a short time."""
        return self.update(state=Subscription.State.WAITING, restock=None)

    def never_told(self) -> int:
        """The mail did not leave: they wait as if nothing had been."""
        return self.update(state=Subscription.State.WAITING, restock=None, told_at=None)

    def close(self, because: Subscription.Closed, now: datetime) -> int:
        return self.live().update(state=Subscription.State.CLOSED, closed_because=because, closed_at=now)

    def outlasted(self, now: datetime, *, longest: timedelta | None) -> SubscriptionQuerySet:
        """Those who wait in vain: their last day is over, or they asked longer ago than ``longest``."""
        is_old = Q() if longest is None else Q(placed_at__lt=now - longest)
        is_over = Q(need_until__lte=now)
        return self.waiting().filter(is_over | is_old if is_old else is_over)

    def with_choice(self) -> SubscriptionQuerySet:
        """These, and the others of those that are one of several products somebody would take.

        They are read first (one query): with lists of keys a database finds the rows by its indexes.
        """
        chosen = list(self.order_by().values_list("id", "group"))
        these, groups = Q(id__in=[row_id for row_id, _ in chosen]), {group for _, group in chosen} - {None}
        return Subscription.objects.filter(these | Q(group__in=groups) if groups else these)

    def in_line(self) -> SubscriptionQuerySet:
        """Those who asked first come first; the id makes the order total."""
        return self.order_by("placed_at", "id")


class Subscription(models.Model):
    """pending (not confirmed) -> waiting -> told -> closed; told -> waiting when the shelf was empty again too soon."""

    class State(models.TextChoices):
        PENDING = "pending", _("not confirmed")
        WAITING = "waiting", _("waiting")
        TOLD = "told", _("told")
        CLOSED = "closed", _("closed")

    class Closed(models.TextChoices):
        NOT = "", "–"
        BOUGHT = "bought", _("bought it")
        SERVED = "served", _("was told in time")
        LEFT = "left", _("left")
        BY_STAFF = "staff", _("closed by staff")
        EXPIRED = "expired", _("never confirmed")
        TOO_LATE = "too_late", _("needed it by an earlier day")
        IN_VAIN = "in_vain", _("waited as long as requests last")
        UNDELIVERABLE = "undeliverable", _("mail could not be delivered")

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="subscriptions", verbose_name=_("item"))
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
    quantity = models.PositiveIntegerField(_("units wanted"), default=1)
    highest_price = models.DecimalField(
        _("highest price"), max_digits=PRICE_DIGITS, decimal_places=PRICE_DECIMALS, null=True, blank=True
    )
    need_until = models.DateTimeField(
        _("needed until"), null=True, blank=True, help_text=_("The end of the last day on which it is still of use.")
    )
    group = models.UUIDField(
        null=True, editable=False, help_text="Equal for the requests of somebody who wants any one of several products."
    )
    language = models.CharField(_("language"), max_length=16, blank=True, default="")
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, default="")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    closed_because = models.CharField(
        _("closed because"), max_length=20, choices=Closed, default=Closed.NOT, blank=True
    )
    placed_at = models.DateTimeField(_("asked"))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    told_at = models.DateTimeField(_("told"), null=True, blank=True)
    """When the mail may leave: chosen at once, but whoever sleeps is told in the morning, and every clock starts then."""
    restock = models.ForeignKey(
        Restock,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("told of"),
    )
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ["placed_at", "id"]
        permissions = [("view_addresses", _("Can see the e-mail addresses of people who wait"))]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "email_key"], condition=Q(state__in=LIVE), name="backorders_one_live_request"
            ),
        ]
        indexes = [
            models.Index(fields=["item", "placed_at", "id"], condition=Q(state="waiting"), name="backorders_waiting"),
            models.Index(fields=["item", "told_at"], condition=Q(state="told"), name="backorders_told"),
            models.Index(fields=["email_key"], condition=Q(state="pending"), name="backorders_pending"),
            # Only the few who chose among products: whoever is told of one, buys one or leaves speaks for the others.
            models.Index(fields=["group"], condition=Q(group__isnull=False), name="backorders_any_of"),
            # What waves learn from: of a long table, only the few who were told and bought.
            models.Index(
                fields=["restock"],
                condition=Q(closed_because="bought", restock__isnull=False),
                name="backorders_told_and_bought",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} · {self.get_state_display()}"

    @property
    def zone(self) -> tzinfo:
        """The reader's time zone; the shop's, where nobody said."""
        return zone_named(self.time_zone) or timezone.get_default_timezone()

    @property
    def need_by(self) -> date | None:
        """The last day on which it is still of use, in the reader's time zone."""
        return None if self.need_until is None else last_day_before(self.need_until, self.zone)


class SubscriptionToken(models.Model):
    """One secret link. Only the hash is kept; it opens one door for one subscription."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="tokens")
    purpose = models.CharField(max_length=10, choices=[(purpose.value, purpose.value) for purpose in Purpose])
    digest = models.CharField(max_length=64)
    bundle = models.BigIntegerField(null=True)
    """The mails that left as one with it: whoever leaves by this link leaves all that they named."""
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        # "unique=True" would make PostgreSQL keep a second index, for searches that nobody makes.
        constraints = [models.UniqueConstraint(fields=["digest"], name="backorders_link_digest")]
