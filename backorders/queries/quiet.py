"""Who sleeps, and until when."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Case, DateTimeField, Value, When
from django.db.models.expressions import Combinable
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.quiet import quiet_hours
from backorders.domain.windows import zone_named
from backorders.models.subscriptions import SubscriptionQuerySet


def awake_at(time_zone: str, now: datetime) -> datetime:
    """When somebody may be written to unasked: now, or at the end of ``QUIET_HOURS`` in their zone (or else the shop's)."""
    if conf.quiet_hours is None:
        return now
    zone = zone_named(time_zone) or timezone.get_default_timezone()
    return quiet_hours(*conf.quiet_hours).over_at(now, zone)


def all_awake_at(people: SubscriptionQuerySet, now: datetime) -> Combinable:
    """The same for many, as an expression; one query for the zones they live in, and none without ``QUIET_HOURS``."""
    zones_by_moment: dict[datetime, list[str]] = {}
    for zone in people.order_by().values_list("time_zone", flat=True).distinct() if conf.quiet_hours else []:
        zones_by_moment.setdefault(awake_at(zone, now), []).append(zone)
    zones_by_moment.pop(now, None)
    sleepers = [When(time_zone__in=zones, then=_instant(moment)) for moment, zones in zones_by_moment.items()]
    return Case(*sleepers, default=_instant(now)) if sleepers else _instant(now)


def _instant(moment: datetime) -> Value:
    return Value(moment, output_field=DateTimeField())
