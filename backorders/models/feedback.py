"""What mail providers told of our mails after they took them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backorders.domain.feedback import Told
from backorders.models.outbox import OutgoingMail


class MailFeedback(models.Model):
    """One thing told of one mail, kept so that hearing it again changes nothing. It holds no address.

    ``mail`` is empty while nobody knows which mail is meant: providers are at times faster than our own commit.
    """

    mail = models.ForeignKey(OutgoingMail, on_delete=models.CASCADE, null=True, related_name="feedback", db_index=False)
    told = models.CharField(max_length=12, choices=[(told.value, told.value) for told in Told])
    provider_id = models.CharField(max_length=200, blank=True, default="")
    email_hash = models.CharField(max_length=64, blank=True, default="")
    note = models.CharField(max_length=300, blank=True, default="")
    happened_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField()

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        constraints = [
            models.UniqueConstraint(
                fields=["mail", "told"], condition=Q(mail__isnull=False), name="backorders_told_of_once"
            ),
            models.UniqueConstraint(
                fields=["provider_id", "told", "email_hash"],
                condition=Q(mail__isnull=True),
                name="backorders_heard_early_once",
            ),
        ]
