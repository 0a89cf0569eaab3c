"""An item is back: who is told, how many at a time, and what happens when the shelf empties again."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone

from backorders.conf import conf
from backorders.domain.outbox import MailKind, MailState
from backorders.domain.units import NO_UNITS, Units
from backorders.domain.waves import wave_size
from backorders.models import OutgoingMail, Restock, StockItem, Subscription, Wave
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.queries.availability import availability_of_items
from backorders.services.announce import announce
from backorders.services.locks import locked_item
from backorders.services.outbox import cancel_mail, queue_mails
from backorders.services.wake import wake
from backorders.signals import back_in_stock

log = logging.getLogger(__name__)


def open_restock(*, item: StockItem, units: int | None, now: datetime) -> Restock:
    """This will note that ``units`` (``None``: not counted) of a locked item are for sale, and have people told soon."""
    restock = Restock.objects.filter(item=item, closed_at=None).first()
    if restock is None:
        last = Restock.objects.filter(item=item).aggregate(last=Max("number"))["last"] or 0
        restock = Restock.objects.create(item=item, number=last + 1, units=units, opened_at=now)
        announce(back_in_stock, item_id=item.id, restock_id=restock.id, units=units)
    elif restock.units != units:
        Restock.objects.filter(id=restock.id).update(units=units)
    wake("release_waves")
    return restock


def close_restock(*, item: StockItem, now: datetime) -> int:
    """This will end the open restock of a locked item whose shelf is empty again. Returns how many got their place back.

    Whoever was told within ``PLACE_KEPT_FOR`` waits again, where they stood; who was told longer ago had their chance. Mails
    that have not left are stopped, and their readers were never told; one that is leaving right now counts as told.
    """
    restock = Restock.objects.filter(item=item, closed_at=None).first()
    if restock is None:
        return 0
    Restock.objects.filter(id=restock.id).update(closed_at=now)
    told = Subscription.objects.filter(item=item, state=Subscription.State.TOLD, restock=restock)
    cancel_mail(subscriptions=told, because="the shelf is empty again")
    left = (MailState.SENDING, MailState.SENT)
    # A list of ids, not a correlated EXISTS: SQLite would scan the outbox once per person.
    reached = OutgoingMail.objects.filter(subscription__isnull=False, restock=restock, state__in=left)
    back = told.exclude(id__in=reached.values("subscription_id")).never_told()
    back += told.filter(told_at__gte=now - conf.place_kept_for).wait_again()
    told.close(Subscription.Closed.SERVED, now)
    return back


def release_waves(*, now: datetime | None = None) -> list[Wave]:
    """This will tell the next people of every open restock, as many as there are units nobody was told of yet."""
    now = now or timezone.now()
    waiting = Subscription.objects.waiting().filter(item=OuterRef("item_id"))
    restocks = Restock.objects.filter(Exists(waiting), closed_at=None).order_by("item_id")
    waves = [_release_one(restock_id, now) for restock_id in restocks.values_list("id", flat=True)]
    return [wave for wave in waves if wave is not None]


def _release_one(restock_id: int, now: datetime) -> Wave | None:
    """One item's trouble never keeps the others waiting."""
    try:
        return release_wave(restock_id=restock_id, now=now)
    except Exception:
        log.exception("Restock %s could not be released; the next run tries again.", restock_id)
        return None


@transaction.atomic
def release_wave(*, restock_id: int, now: datetime | None = None) -> Wave | None:
    """This will tell one wave of people of one restock; ``None`` when there is nobody to tell just now. Running it twice tells nobody twice."""
    now = now or timezone.now()
    restock = Restock.objects.filter(id=restock_id, closed_at=None).first()
    if restock is None:
        return None
    item = locked_item(restock.item_id)
    units = _units(item, now)
    people = _may_be_told(item, units, now)
    waiting = people.count()
    size = wave_size(units=units, in_flight=_in_flight(restock, now), waiting=waiting)
    if size < 1 or not Restock.objects.filter(id=restock_id, closed_at=None).exists():
        return None
    number = Wave.objects.filter(restock=restock).count() + 1
    wave = Wave.objects.create(restock=restock, number=number, size=size, units=units.or_none, released_at=now)
    # New people wait for our lock on the item, so "everybody" is exactly those counted, and needs no list of ids.
    _tell(wave, people if size == waiting else people.filter(id__in=people.in_line().values("id")[:size]), item, now)
    wake("deliver_due_mail")
    return wave


def _units(item: StockItem, now: datetime) -> Units:
    """What can be sold at this moment, by the same answer that each mail is checked against when it leaves."""
    answer = availability_of_items([item], now).get(item.id)
    return answer.for_sale if answer else NO_UNITS


def _may_be_told(item: StockItem, units: Units, now: datetime) -> SubscriptionQuerySet:
    """Those who wait, want no more than there is, and were not told of this item a short while ago."""
    rested = Q(told_at=None) | Q(told_at__lte=now - conf.tell_again_after)
    people = Subscription.objects.waiting().filter(rested, item=item)
    return people if units.is_unlimited else people.filter(quantity__lte=units.value)


def _in_flight(restock: Restock, now: datetime) -> int:
    """People told a short while ago who have neither bought nor left."""
    told = Subscription.objects.filter(item=restock.item_id, state=Subscription.State.TOLD, restock=restock)
    return told.filter(told_at__gt=now - conf.wave_interval).count()


def _tell(wave: Wave, people: SubscriptionQuerySet, item: StockItem, now: datetime) -> None:
    """Mark these people told and write one mail for each: two statements, however many people.

    The mark comes first: it locks the rows, so that whoever leaves at this very moment waits for our commit and finds the mail.
    """
    told = people.update(state=Subscription.State.TOLD, told_at=now, restock=wave.restock_id)
    _write_mails(wave, item, now)
    if told != wave.size:
        Wave.objects.filter(id=wave.id).update(size=told)


def _write_mails(wave: Wave, item: StockItem, now: datetime) -> None:
    told = Subscription.objects.filter(item=item, state=Subscription.State.TOLD, told_at=now, restock=wave.restock_id)
    queue_mails(
        kind=MailKind.BACK_IN_STOCK,
        now=now,
        rows=told.in_line(),
        columns={"subscription_id": "id"},
        restock_id=wave.restock_id,
        wave_number=wave.number,
    )
