"""Units that are put aside for somebody: whose they are, until when, and why they are not any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, Sum

from backorders.domain.tokens import Purpose, digest_of, looks_like_a_token
from backorders.models import Hold, Subscription, SubscriptionToken
from backorders.models.waves import HoldQuerySet


def units_kept_by(tokens: Iterable[str], now: datetime) -> dict[tuple[int, str], int]:
    """How many units these tokens keep, by (content type, key). One query; none without a token."""
    if not (asked := _opened_by(tokens)):
        return {}
    rows = Hold.objects.valid(now).filter(asked).values_list("item__content_type_id", "item__object_id")
    return {(type_id, key): units for type_id, key, units in rows.annotate(kept=Sum("units")).order_by()}


def holds_of_buyer(item_ids: Iterable[int], *, email_key: str, tokens: Iterable[str], now: datetime) -> HoldQuerySet:
    """What is put aside of these items for whoever buys: by the link they came with, or by their address."""
    theirs = Q(subscription__email_key=email_key) | _opened_by(tokens)
    return Hold.objects.valid(now).filter(theirs, item__in=list(item_ids))


def _opened_by(tokens: Iterable[str]) -> Q:
    """The holds behind these links; an empty ``Q`` where none of them is one."""
    digests = [digest_of(token, Purpose.HOLD) for token in tokens if looks_like_a_token(token)]
    rows = SubscriptionToken.objects.filter(digest__in=digests, purpose=Purpose.HOLD)
    return Q(subscription__in=rows.values("subscription_id")) if digests else Q()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Why a link keeps nothing: ``unknown``, or the state its hold is in; ``ended_at`` where that is known."""

    reason: str
    ended_at: datetime | None = None


def why_lost(tokens: Iterable[str], *, item_id: int, now: datetime) -> Lost | None:
    """Why none of these links keeps anything of an item; ``None`` when none of them is about it."""
    is_unknown = False
    for token in tokens:
        subscription = _asked_by(token)
        if subscription is None:
            is_unknown = True
        elif subscription.item_id == item_id and (hold := last_hold_of(subscription)):
            is_over = hold.state == Hold.State.OPEN and hold.ends_at <= now
            reason = Hold.State.OVER.value if is_over else hold.state
            return Lost(reason=reason, ended_at=hold.ended_at or min(hold.ends_at, now))
    return Lost(reason="unknown") if is_unknown else None


def _asked_by(token: str) -> Subscription | None:
    if not looks_like_a_token(token):
        return None
    rows = SubscriptionToken.objects.select_related("subscription").filter(purpose=Purpose.HOLD)
    row = rows.filter(digest=digest_of(token, Purpose.HOLD)).first()
    return None if row is None else row.subscription


def last_hold_of(subscription: Subscription) -> Hold | None:
    """The newest hold of a request, whatever became of it."""
    return Hold.objects.filter(subscription=subscription).order_by("-id").first()
