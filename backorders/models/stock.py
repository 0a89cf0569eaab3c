"""Our anchor for one sellable thing of the host, and the ledger of every stock change seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backorders.shop import sellables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backorders.shop import Sellable


class StockItemQuerySet(models.QuerySet["StockItem"]):
    def of(self, sellable: Sellable) -> StockItemQuerySet:
        return self.filter(content_type_id=sellable.content_type_id, object_id=sellable.object_id)

    def with_products(self) -> list[StockItem]:
        """The items, each with ``product`` read in one query per sellable model."""
        items: list[StockItem] = list(self)
        attach_products(items)
        return items


class SellingTerms(models.Model):
    """How something is sold when the shelf is empty. Empty means: as the category says, and then as the settings say."""

    class SellingPolicy(models.TextChoices):
        DEFAULT = "", _("as the category or the shop's setting says")
        STOP = "stop", _("stop selling")
        BACKORDER = "backorder", _("take backorders")
        PREORDER = "preorder", _("take pre-orders until release")
        MADE_TO_ORDER = "made_to_order", _("make it to order")
        ANNOUNCED = "announced", _("announce it, without a date yet")

    policy = models.CharField(
        _("when the shelf is empty"), max_length=14, choices=SellingPolicy, default=SellingPolicy.DEFAULT, blank=True
    )
    backorder_limit = models.PositiveIntegerField(
        _("backorder limit"), null=True, blank=True, help_text=_("Units that may be owed at a time.")
    )
    only_inbound = models.BooleanField(
        _("sell only what is on its way"),
        null=True,
        blank=True,
        help_text=_("Backorders are taken only as far as announced deliveries cover them."),
    )
    customer_limit = models.PositiveIntegerField(
        _("limit per customer"),
        null=True,
        blank=True,
        help_text=_("Units one customer may have on backorder or pre-order, all orders together."),
    )
    order_minimum = models.PositiveIntegerField(_("least per order"), null=True, blank=True)
    order_maximum = models.PositiveIntegerField(_("most per order"), null=True, blank=True)
    safety_stock = models.PositiveIntegerField(
        _("safety stock"),
        null=True,
        blank=True,
        help_text=_("Units on the shelf that are kept back: neither sold nor given to the queue."),
    )
    low_stock_at = models.PositiveIntegerField(
        _("low stock from"), null=True, blank=True, help_text=_("At or below this many units the shop says so.")
    )
    lead_days = models.PositiveSmallIntegerField(
        _("lead time"),
        null=True,
        blank=True,
        help_text=_(
            "Working days until it ships when no delivery is announced; also how long making one to order takes."
        ),
    )
    reason = models.CharField(
        _("reason"), max_length=200, blank=True, default="", help_text=_("Shoppers read why it is not here.")
    )

    class Meta:
        abstract = True


TERMS = (
    "policy",
    "backorder_limit",
    "only_inbound",
    "customer_limit",
    "order_minimum",
    "order_maximum",
    "safety_stock",
    "low_stock_at",
    "lead_days",
    "reason",
)
"""The fields of ``SellingTerms``, in the order in which they are read."""


class CategoryTerms(SellingTerms):
    """The terms of every product of one category that says nothing itself.

    ``key`` is the value of the field map's ``category`` path, as text: a primary key or a name.
    """

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, verbose_name=_("model"), related_name="+")
    key = models.CharField(_("category"), max_length=100)

    class Meta:
        verbose_name = _("category's terms")
        verbose_name_plural = _("terms of categories")
        constraints = [models.UniqueConstraint(fields=["content_type", "key"], name="backorders_one_terms_a_category")]

    def __str__(self) -> str:
        return self.key


BEHIND = "behind"
"""As ``next_confidence``: the next unit has no delivery, and its day is that of the last one, which is spoken for."""


class StockItem(SellingTerms):
    """One sellable thing of the host shop: its terms and counters. The only table that points at the host's products."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, verbose_name=_("model"), related_name="+")
    object_id = models.CharField(_("product key"), max_length=64)

    opens_at = models.DateTimeField(_("pre-order opens"), null=True, blank=True)
    releases_at = models.DateTimeField(
        _("release"), null=True, blank=True, help_text=_("Nothing is sold as in stock or leaves the house before.")
    )
    is_discontinued = models.BooleanField(_("no longer made"), default=False)
    successor = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("replaced by")
    )
    supplier = models.ForeignKey(
        "backorders.Supplier",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="items",
        verbose_name=_("usual supplier"),
    )

    own_quantity = models.PositiveIntegerField(
        _("on hand"),
        null=True,
        blank=True,
        help_text=_("Only for products whose shop keeps no stock number; empty means not counted."),
    )
    seen_quantity = models.PositiveIntegerField(_("last seen on the shelf"), null=True, editable=False)
    for_sale = models.PositiveIntegerField(_("for sale"), null=True, default=0, editable=False)
    settled_at = models.DateTimeField(_("last looked at"), null=True, editable=False)
    is_watched = models.BooleanField(_("watched"), default=False, editable=False)
    needs_look = models.BooleanField(default=False, editable=False)
    problem = models.CharField(_("problem"), max_length=300, blank=True, default="", editable=False)

    queued_units = models.PositiveBigIntegerField(_("owed"), default=0, editable=False)
    pinned_units = models.PositiveBigIntegerField(_("owed from deliveries of their own"), default=0, editable=False)
    held_units = models.PositiveBigIntegerField(_("held on the shelf"), default=0, editable=False)
    on_hold_units = models.PositiveBigIntegerField(_("held for people who were told"), default=0, editable=False)
    inbound_units = models.PositiveBigIntegerField(_("on their way"), default=0, editable=False)
    next_earliest = models.DateField(_("next unit, earliest"), null=True, editable=False)
    next_latest = models.DateField(_("next unit, latest"), null=True, editable=False)
    next_confidence = models.CharField(max_length=10, blank=True, default="", editable=False)
    next_units = models.PositiveBigIntegerField(default=0, editable=False)
    next_delivery_id = models.BigIntegerField(null=True, editable=False)
    last_placed_at = models.DateTimeField(null=True, editable=False)
    has_ranks = models.BooleanField(default=False, editable=False)

    objects = StockItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("stock item")
        verbose_name_plural = _("stock items")
        constraints = [
            models.UniqueConstraint(fields=["content_type", "object_id"], name="backorders_one_anchor"),
            models.CheckConstraint(
                condition=Q(next_earliest=None) | Q(next_latest__gte=models.F("next_earliest")),
                name="backorders_next_in_order",
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(is_watched=True), name="backorders_watched")]

    def __str__(self) -> str:
        return str(self.product or f"{self.content_type_id}:{self.object_id}")

    @property
    def product(self) -> Any:
        """The host's product, or ``None`` when it is gone."""
        if "_product" not in self.__dict__:
            attach_products([self])
        return self.__dict__["_product"]

    @product.setter
    def product(self, product: Any) -> None:
        self.__dict__["_product"] = product


def attach_products(items: Iterable[StockItem]) -> None:
    """This will read the products of many items with one query per sellable model."""
    items = list(items)
    wanted: dict[int, list[str]] = {}
    for item in items:
        wanted.setdefault(item.content_type_id, []).append(item.object_id)
    found = sellables.find_many(wanted)
    for item in items:
        item.product = found.get((item.content_type_id, item.object_id))


class StockEvent(models.Model):
    """One change of the shelf, in the order in which we learned of it. Append-only."""

    class Kind(models.TextChoices):
        SEEN = "seen", _("seen in the shop")
        RECEIVED = "received", _("delivery received")
        TAKEN = "taken", _("taken by an order")
        ALLOCATED = "allocated", _("given to the queue")
        RETURNED = "returned", _("put back")
        SET = "set", _("set by hand")
        WRITTEN_OFF = "written_off", _("written off")
        UNDONE = "undone", _("receipt undone")

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    before = models.PositiveIntegerField(_("before"), null=True)
    after = models.PositiveIntegerField(_("after"), null=True)
    quantity = models.IntegerField(_("units"), default=0)
    source = models.CharField(_("learned from"), max_length=20, blank=True, default="")
    reference = models.CharField(_("reference"), max_length=120, blank=True, default="")
    note = models.CharField(_("why"), max_length=200, blank=True, default="")
    delivery = models.ForeignKey(
        "backorders.Delivery", on_delete=models.SET_NULL, null=True, blank=True, related_name="events"
    )
    happened_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("stock event")
        verbose_name_plural = _("stock events")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "reference"], condition=~Q(reference=""), name="backorders_receipt_once"
            ),
            models.UniqueConstraint(
                fields=["item", "kind", "reference"],
                condition=Q(delivery__isnull=True) & ~Q(reference=""),
                name="backorders_booked_once",
            ),
        ]
