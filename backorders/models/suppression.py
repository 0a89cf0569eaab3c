"""Who must not be mailed, and the keyed hash by which we know an address without keeping it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from backorders.conf import conf
from backorders.domain.addresses import hash_of, masked


def address_hash(email_key: str) -> str:
    """What is kept of an address when the address itself may not be: nobody without ``HASH_KEY`` can test a guess."""
    return hash_of(email_key, secret=_secrets()[0])


def address_hashes(email_key: str) -> list[str]:
    """The same under every key that was ever in force here, the present one first: keys are changed, promises are not."""
    return _hashes(email_key, _secrets())


def _hashes(email_key: str, secrets: list[str]) -> list[str]:
    return [hash_of(email_key, secret=secret) for secret in secrets]


def _secrets() -> list[str]:
    known = [conf.hash_key, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return list(dict.fromkeys(str(secret) for secret in known if secret))


class SuppressedQuerySet(models.QuerySet["SuppressedAddress"]):
    def of(self, email_keys: Iterable[str]) -> SuppressedQuerySet:
        return self.filter(email_hash__in=[each for key in email_keys for each in address_hashes(key)])

    def among(self, email_keys: Iterable[str]) -> dict[str, datetime | None]:
        """Those of some addresses that are suppressed (one query): for everything (``None``), or for what was asked for until a moment."""
        secrets = _secrets()
        named = {each: key for key in set(email_keys) for each in _hashes(key, secrets)}
        # Of two rows, under two keys, the stricter one comes last and counts.
        rows = self.filter(email_hash__in=list(named)).order_by("-lets_orders_through", "suppressed_at")
        found = rows.values_list("email_hash", "lets_orders_through", "suppressed_at")
        return {named[each]: moment if lets_orders_through else None for each, lets_orders_through, moment in found}

    def is_silent(self, email_key: str) -> bool:
        """Does this address get no mail at all (one query)?"""
        return self.of([email_key]).filter(lets_orders_through=False).exists()


class SuppressedAddress(models.Model):
    """An address that bounced or complained: never mailed again until staff remove the row. Or one that has unsubscribed at the
    provider (``lets_orders_through``): it gets nothing that was asked for until ``suppressed_at``. What its owner asks for and
    confirms later is another matter, and so are orders.

    Looked up by its hash. ``email_key`` is for staff; it is empty once the person was forgotten.
    """

    email_key = models.CharField(_("address"), max_length=254, default="")
    email_hash = models.CharField(max_length=64, unique=True, editable=False)
    reason = models.CharField(_("reason"), max_length=60, blank=True, default="")
    lets_orders_through = models.BooleanField(_("mails about orders still leave"), default=False)
    suppressed_at = models.DateTimeField(_("since"))

    objects = SuppressedQuerySet.as_manager()

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")

    def __str__(self) -> str:
        return masked(self.email_key)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email_hash = self.email_hash or address_hash(self.email_key)
        super().save(*args, **kwargs)
