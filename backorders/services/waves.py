"""An item is back: who is told, how many at a time, and what happens when the shelf empties again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from backorders.conf import conf
from backorders.domain.outbox import BULK, FRONT, FRONT_OF_A_WAVE, MailKind, MailState
from backorders.domain.responses import Learned
from backorders.domain.units import NO_UNITS, Units
from backorders.models import Hold, OutgoingMail, Restock, StockItem, Subscription, Wave
from backorders.models.subscriptions import SubscriptionQuerySet
from backorders.queries.availability import availability_of_items
from backorders.queries.quiet import all_awake_at
from backorders.queries.waves import crowd_in, first_of, learned_lately, may_be_told, offer_for
from backorders.queries.written import Moment, Written, blank_moment
from backorders.services.announce import announce
from backorders.services.delivery import Delivered, drain, never
from backorders.services.holds import end_holds, give_back, make_holds
from backorders.services.locks import locked_item
from backorders.services.outbox import bundle_mails, cancel_mail, queue_mails
from backorders.services.wake import one_hint_each, wake
from backorders.signals import back_in_stock

log = logging.getLogger(__name__)


def open_restock(*, item: StockItem, units: int | None, now: datetime) -> Restock:
    """This will note that ``units`` (``None``: not counted) of a locked item are for sale, and have people told soon."""
    restock = Restock.objects.filter(item=item, closed_at=None).first()
    if restock is None:
        last = Restock.objects.filter(item=item).aggregate(last=Max("number"))["last"] or 0
        restock = Restock.objects.create(item=item, number=last + 1, units=units, opened_at=now)
        announce(back_in_stock, item_id=item.id, restock_id=restock.id, units=units)
    elif restock.units != units or restock.look_again_at is not None:
        Restock.objects.filter(id=restock.id).update(units=units, look_again_at=None)
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
    cancel_mail(subscriptions=told, because=gettext_noop("the shelf is empty again"))
    left = (MailState.SENDING, MailState.SENT)
    # A list of ids, not a correlated EXISTS: SQLite would scan the outbox once per person.
    reached = OutgoingMail.objects.filter(subscription__isnull=False, restock=restock, state__in=left)
    back = told.exclude(id__in=reached.values("subscription_id")).never_told()
    back += told.filter(told_at__gte=now - conf.place_kept_for).wait_again()
    told.close(Subscription.Closed.SERVED, now)
    return back


def break_holds(*, item: StockItem, left: int, now: datetime) -> int:
    """This will give up holds of a locked item whose shelf has only ``left`` units for them, the newest first. Returns how many.

    Who has not been written to yet was never told. The others stay told, and wait again when the restock ends.
    """
    holds = list(Hold.objects.open().filter(item=item).order_by("-ends_at", "-id"))
    missing, broken = sum(hold.units for hold in holds) - left, list[Hold]()
    for hold in holds:
        if missing <= 0:
            break
        broken.append(hold)
        missing -= hold.units
    ended = give_back(holds=Hold.objects.filter(id__in=[hold.id for hold in broken]), now=now)
    told = Subscription.objects.filter(id__in=[hold.subscription_id for hold in broken])
    told = told.filter(state=Subscription.State.TOLD)
    cancel_mail(subscriptions=told, because=gettext_noop("the shelf is empty again"))
    left_house = (MailState.SENDING, MailState.SENT, MailState.DEAD)
    reached = OutgoingMail.objects.filter(subscription__in=told, restock=OuterRef("restock"), state__in=left_house)
    told.exclude(Exists(reached.filter(subscription=OuterRef("id")))).never_told()
    item.refresh_from_db(fields=["on_hold_units"])
    return ended


def release_waves(*, now: datetime | None = None) -> list[Wave]:
    """This will tell the next people of every open restock, as many as leaves few of them before an empty shelf.

    What was put aside for people who did not come in time is freed first.
    """
    now = now or timezone.now()
    end_holds(now=now)
    due = _DUE.rows(now=now, recent=now - conf.wave_every)
    learned = learned_lately(now) if due else Learned()
    with one_hint_each():  # nothing leaves before the last of them is bundled
        found = (_release_one(restock_id, item_id, now, learned) for restock_id, item_id in due)
        waves = [wave for wave in found if wave is not None]
        if waves and conf.digest_of > 1:
            _bundle(beside=waves[0].restock_id)
    return waves


def _bundle(*, beside: int) -> None:
    """Without digests mails still leave, one by one."""
    try:
        bundle_mails(beside=beside)
    except Exception:
        log.exception("Mails to the same readers could not be bundled; each leaves alone.")


_NOBODY = timedelta(minutes=3)
"""Nobody who waits would pay the price, or take so few: what can change that says so, unless the shop changes a price without a word."""

_NOBODY_YET = timedelta(seconds=30)
"""Those who were told may still come: with each minute that they do not, there is more for others."""


def _due(now: Moment, recent: Moment) -> QuerySet[Any, Any]:
    """Open restocks for which somebody waits, and whose last wave is not recent. What is not counted needs no waves.

    A moment to look again that is further ahead than anybody waits was written by a clock that is.
    """
    waiting = Subscription.objects.waiting().filter(item=OuterRef("item_id"))
    waves = Wave.objects.filter(restock=OuterRef("id"), released_at__gt=recent)
    is_time = Q(look_again_at=None) | Q(look_again_at__lte=now) | Q(look_again_at__gt=now + _NOBODY)
    due = Restock.objects.filter(is_time, Q(units=None) | ~Exists(waves), Exists(waiting), closed_at=None)
    return due.order_by("item_id").values_list("id", "item_id")


_DUE = Written(lambda: _due(blank_moment("now"), blank_moment("recent")))


def _release_one(restock_id: int, item_id: int, now: datetime, learned: Learned) -> Wave | None:
    """One item's trouble never keeps the others waiting."""
    try:
        return _release(restock_id, item_id, now, learned)
    except Exception:
        log.exception("Restock %s could not be released; the next run tries again.", restock_id)
        return None


def release_wave(*, restock_id: int, now: datetime | None = None) -> Wave | None:
    """This will tell one wave of people of one restock; ``None`` when there is nobody to tell just now.

    Running it twice tells nobody twice, and a second time within ``WAVE_EVERY`` nobody at all.
    """
    now = now or timezone.now()
    restock = Restock.objects.filter(id=restock_id, closed_at=None).first()
    return _release(restock_id, restock.item_id, now, learned_lately(now)) if restock else None


@transaction.atomic
def _release(restock_id: int, item_id: int, now: datetime, learned: Learned) -> Wave | None:
    item = locked_item(item_id)
    restocks = Restock.objects.annotate(released=Count("waves"), released_at=Max("waves__released_at"))
    restock = restocks.filter(id=restock_id, closed_at=None).first()
    # Closed meanwhile, or another worker was here.
    if restock is None or _is_early(restock.units, restock.released_at, now):
        return None
    units = _units(item, now)
    people = may_be_told(item, units, now)
    crowd = crowd_in(people)
    span = None if units.is_unlimited else conf.hold_for
    offer = offer_for(restock=restock, units=units, crowd=crowd, learned=learned, now=now)
    # New people wait for our lock on the item, so "everybody" is exactly those counted, and needs no list of ids.
    chosen, size = first_of(people, offer=offer, crowd=crowd, restock=restock)
    if not size:
        if crowd.people or Subscription.objects.waiting().filter(item=item).exists():
            pause = _NOBODY_YET if crowd.people else _NOBODY
            Restock.objects.filter(id=restock_id).update(look_again_at=now + pause)
        return None
    wave = Wave.objects.create(
        restock=restock, number=restock.released + 1, size=size, units=units.or_none, released_at=now
    )
    _tell(wave, chosen, item, now)
    if span is not None:
        make_holds(item=item, restock=restock, told=_told_in(wave, item, now), span=span, now=now)
    _write_mails(wave, item, now, kind=MailKind.HELD if span else MailKind.BACK_IN_STOCK)
    wake("deliver_due_mail")
    return wave


def _is_early(units: int | None, released_at: datetime | None, now: datetime) -> bool:
    """What is not counted needs no waves, and so no pause between them."""
    return units is not None and released_at is not None and released_at > now - conf.wave_every


def _units(item: StockItem, now: datetime) -> Units:
    """What can be sold at this moment, by the same answer that each mail is checked against when it leaves."""
    answer = availability_of_items([item], now).get(item.id)
    return answer.for_sale if answer else NO_UNITS


def _tell(wave: Wave, people: SubscriptionQuerySet, item: StockItem, now: datetime) -> None:
    """Mark these people told, from when they are awake: one statement, however many people.

    The mark comes first: it locks the rows, so that whoever leaves at this very moment waits for our commit and finds the mail.
    """
    told_at = all_awake_at(people, now)
    told = people.update(state=Subscription.State.TOLD, told_at=told_at, restock=wave.restock_id)
    if told != wave.size:
        Wave.objects.filter(id=wave.id).update(size=told)


def _told_in(wave: Wave, item: StockItem, now: datetime) -> SubscriptionQuerySet:
    """Whom a wave has just told, as long as they have no mail of it. Whom an earlier one told, and who still sleeps, has one."""
    told = Subscription.objects.filter(item=item, state=Subscription.State.TOLD, restock=wave.restock_id)
    if conf.quiet_hours is None:
        return told.filter(told_at=now).in_line()
    written = OutgoingMail.objects.filter(subscription=OuterRef("id"), restock=wave.restock_id)
    return told.filter(~Exists(written.exclude(state=MailState.CANCELLED)), told_at__gte=now).in_line()


def _write_mails(wave: Wave, item: StockItem, now: datetime, *, kind: MailKind) -> None:
    """One INSERT for the front of the wave, one for the others; a mail is due when its reader is awake."""
    told = _told_in(wave, item, now)
    front = (told[:FRONT_OF_A_WAVE], FRONT)
    for rows, priority in (front, (told, BULK)) if wave.size > FRONT_OF_A_WAVE else (front,):
        queue_mails(
            kind=kind,
            now=now,
            rows=rows,
            columns={"subscription_id": "id", "due_at": "told_at"},
            restock_id=wave.restock_id,
            wave_number=wave.number,
            priority=priority,
        )


def deliver_mail(*, seconds: float, is_stopping: Callable[[], bool] = never) -> Delivered:
    """This will deliver what is due, as ``services.delivery.drain`` does, and release the waves that come due meanwhile.

    A small restock does not wait until a hundred thousand mails of another one are through.
    """
    return drain(seconds=seconds, is_stopping=is_stopping, between=release_waves)
