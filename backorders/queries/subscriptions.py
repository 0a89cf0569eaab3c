"""Who is waiting to be told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils import timezone

from backorders.domain.tokens import Purpose, digest_of, looks_like_a_token
from backorders.errors import InvalidToken
from backorders.models import Subscription, SubscriptionToken
from backorders.models.stock import attach_products


def subscription_behind(token: str, purpose: Purpose, now: datetime | None = None) -> Subscription:
    """The subscription a link speaks of. Raises ``InvalidToken`` for every link that opens nothing (any more)."""
    return token_row(token, purpose, now or timezone.now()).subscription


def token_row(token: str, purpose: Purpose, now: datetime) -> SubscriptionToken:
    if not looks_like_a_token(token):
        raise InvalidToken
    rows = SubscriptionToken.objects.select_related("subscription__item")
    row = rows.filter(digest=digest_of(token, purpose), purpose=purpose).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise InvalidToken
    return row


def confirmed_together(subscription: Subscription) -> list[Subscription]:
    """The unconfirmed requests of the same mailbox, which one confirmation covers; each with its ``item.product``."""
    pending = Subscription.objects.filter(email_key=subscription.email_key, state=Subscription.State.PENDING)
    found = list(pending.select_related("item").in_line())
    attach_products([row.item for row in found])
    return found


def mailbox_behind(token: str, now: datetime) -> str:
    """The mailbox (its ``email_key``) that a link to change requests was sent to. Raises ``InvalidToken``."""
    return token_row(token, Purpose.MANAGE, now).subscription.email_key


def requests_behind(token: str, now: datetime | None = None) -> list[Subscription]:
    """The live requests of the mailbox that a link to change requests was sent to, each with its ``item.product``.

    Raises ``InvalidToken`` also when none is left: the link lives as long as one of them.
    """
    rows = Subscription.objects.live().filter(email_key=mailbox_behind(token, now or timezone.now()))
    found = list(rows.select_related("item__supplier").in_line())
    if not found:
        raise InvalidToken
    attach_products([row.item for row in found])
    return found


def by_choice(rows: Iterable[Subscription]) -> list[list[Subscription]]:
    """Requests as people see them: those of which one would do are one, where the first of them stands."""
    together: dict[Any, list[Subscription]] = {}
    for row in rows:
        together.setdefault(row.group or row.id, []).append(row)
    return list(together.values())


def subscriptions_of(customer: Any) -> list[Subscription]:
    """The live requests of a signed-in customer, oldest first, each with its ``item.product``."""
    if not getattr(customer, "is_authenticated", False):
        return []
    found = list(Subscription.objects.live().filter(customer=customer).select_related("item").in_line())
    attach_products([row.item for row in found])
    return found


def items_of_choices(item_ids: Iterable[int], email_key: str) -> set[int]:
    """The items of all products of which one would do for somebody who waits for some of them (two queries)."""
    mine = Subscription.objects.live().filter(item_id__in=list(item_ids), email_key=email_key)
    return set(mine.with_choice().live().values_list("item_id", flat=True))


def waiting_counts(item_ids: Iterable[int]) -> dict[int, int]:
    """How many people wait to be told, per item, in one query; items without any are left out."""
    rows = Subscription.objects.waiting().filter(item_id__in=list(item_ids)).order_by()
    return dict(rows.values_list("item_id").annotate(people=Count("id")))
