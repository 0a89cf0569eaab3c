"""Every mail and its life."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from backorders.domain.outbox import MailKind, MailState
from backorders.models.backorders import Allocation, Backorder, Promise
from backorders.models.subscriptions import Subscription
from backorders.models.waves import Restock

ORDINARY = 0
"""The lane of mails that nothing but their turn holds up."""

SUSPECT = -1
"""The lane of mails whose claim died before it had told anything: each is tried alone."""


class OutgoingMail(models.Model):
    """One mail to one person. It holds no address and no text: both are read when it leaves, so it can never be stale."""

    class Kind(models.TextChoices):
        CONFIRM_SUBSCRIPTION = MailKind.CONFIRM_SUBSCRIPTION.value, _("please confirm")
        BACK_IN_STOCK = MailKind.BACK_IN_STOCK.value, _("back in stock")
        HELD = MailKind.HELD.value, _("back in stock, held for the reader")
        REQUEST_ENDED = MailKind.REQUEST_ENDED.value, _("request ended")
        BACKORDER_PLACED = MailKind.BACKORDER_PLACED.value, _("backorder taken")
        PROMISE_MOVED = MailKind.PROMISE_MOVED.value, _("date moved")
        PREORDER_RELEASED = MailKind.PREORDER_RELEASED.value, _("pre-order released")
        BACKORDER_FILLED = MailKind.BACKORDER_FILLED.value, _("backorder ready")
        BACKORDER_CANCELLED = MailKind.BACKORDER_CANCELLED.value, _("backorder cancelled")

    class State(models.TextChoices):
        QUEUED = MailState.QUEUED.value, _("queued")
        LEASED = MailState.LEASED.value, _("claimed")
        SENDING = MailState.SENDING.value, _("sending")
        SENT = MailState.SENT.value, _("sent")
        DEAD = MailState.DEAD.value, _("given up")
        SUPPRESSED = MailState.SUPPRESSED.value, _("suppressed")
        CANCELLED = MailState.CANCELLED.value, _("no longer true")

    kind = models.CharField(_("kind"), max_length=24, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    priority = models.SmallIntegerField(_("priority"), default=0)
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.CASCADE,
        null=True,
        related_name="mails",
        db_index=False,
        verbose_name=_("subscription"),
    )
    restock = models.ForeignKey(
        Restock,
        on_delete=models.CASCADE,
        null=True,
        related_name="mails",
        db_index=False,
        db_constraint=False,  # a wave writes 100,000 rows of one restock that it has just locked; no need to check each
        verbose_name=_("restock"),
    )
    wave_number = models.PositiveIntegerField(_("wave"), null=True)
    backorder = models.ForeignKey(
        Backorder,
        on_delete=models.CASCADE,
        null=True,
        related_name="mails",
        db_index=False,
        verbose_name=_("backorder"),
    )
    allocation = models.ForeignKey(
        Allocation, on_delete=models.CASCADE, null=True, related_name="mails", db_index=False
    )
    promise = models.ForeignKey(Promise, on_delete=models.CASCADE, null=True, related_name="mails", db_index=False)
    """The date that a mail about a moved one tells."""
    units = models.PositiveIntegerField(_("units"), null=True)
    """What a mail about a cancellation tells of: a line only knows how many were cancelled in all."""
    created_at = models.DateTimeField(_("queued"))
    due_at = models.DateTimeField(_("due"))
    lease_token = models.UUIDField(null=True)
    lane = models.BigIntegerField(default=ORDINARY)
    """Where it waits for its turn: with most mails (``ORDINARY``), with those to a domain whose pace was used up (the id of its
    ``MailLane``), or with those that may have killed their worker (``SUSPECT``)."""
    bundle = models.BigIntegerField(null=True)
    """Mails of one mailbox with the same number leave as one digest: the id of the one that leads."""
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("sent"), null=True)
    provider_id = models.CharField(_("provider's id"), max_length=200, blank=True, default="")
    note = models.CharField(_("last answer"), max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("outbox")
        ordering = ["-id"]
        constraints = [
            # A cancelled mail never left; whoever it was for may be told of the same restock later.
            models.UniqueConstraint(
                fields=["allocation"], condition=Q(allocation__isnull=False), name="backorders_told_of_units_once"
            ),
            models.UniqueConstraint(
                fields=["promise"], condition=Q(promise__isnull=False), name="backorders_told_of_date_once"
            ),
            models.UniqueConstraint(
                fields=["backorder"], condition=Q(kind="preorder_released"), name="backorders_told_of_release_once"
            ),
            models.UniqueConstraint(
                fields=["subscription", "restock"], condition=~Q(state="cancelled"), name="backorders_told_once"
            ),
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(kind="request_ended"), name="backorders_last_mail_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane", "priority", "due_at", "id"],
                condition=Q(state="queued"),
                name="backorders_mail_due",
            ),
            # Partial, because a wave of 100,000 rows has no backorder: every index it does not touch makes it faster.
            models.Index(fields=["backorder"], condition=Q(backorder__isnull=False), name="backorders_mail_backorder"),
            models.Index(fields=["lease_token"], condition=Q(lease_token__isnull=False), name="backorders_mail_lease"),
            models.Index(fields=["bundle"], condition=Q(bundle__isnull=False), name="backorders_mail_bundle"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="backorders_mail_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.get_state_display()}"

    @property
    def place(self) -> int:
        """Mails leave in this order; those of a bundle have one place."""
        return self.bundle or self.id


PLACE = Coalesce("bundle", "id", output_field=models.BigIntegerField())
"""The same, for the database."""


class MailClaim(models.Model):
    """The mails that one process has taken on, all with this ``lease_token``, and how far it has come with them."""

    token = models.UUIDField(primary_key=True)
    leased_until = models.DateTimeField()
    has_begun = models.BooleanField(default=False)
    """What its mails speak of was read, and some of them are "sending". A process that dies before that may have died of one."""
    telling = models.BigIntegerField(null=True)
    """The place of the mail that the server is being told; of the first, where it is told several side by side."""
    telling_to = models.BigIntegerField(null=True)
    """The place of the last of them. Those of the claim that are "sending" and have a smaller place than the first were accepted."""

    class Meta:
        verbose_name = _("claim of mails")
        verbose_name_plural = _("claims of mails")


ALL = ""
"""The name of the lane of all mail."""


class MailLane(models.Model):
    """A way that mail takes and at which it can be held up: all of it (no name), or what goes to one domain of recipients."""

    name = models.CharField(_("domain"), max_length=253, unique=True, blank=True)
    is_stopped = models.BooleanField(_("stopped by staff"), default=False)
    paused_until = models.DateTimeField(_("paused until"), null=True)
    reason = models.CharField(_("why"), max_length=300, blank=True, default="")
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    tokens = models.FloatField(null=True)
    """Mails that may leave at once, as of ``filled_at``, where ``MAIL_RATE`` sets a pace."""
    filled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("way of mail")
        verbose_name_plural = _("ways of mail")

    def __str__(self) -> str:
        return self.name or str(_("all mail"))


class MailTick(models.Model):
    """A place for one Celery task that works off a backlog: asked for, at work, or free."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    turn = models.PositiveBigIntegerField(default=0)
    """Which of its tasks is meant: one more with each that is asked for, and with each that begins."""
    kept_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("place of a mail task")
        verbose_name_plural = _("places of mail tasks")
