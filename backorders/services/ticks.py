"""How Celery's tasks share a backlog of mails: a hint starts one, and a few tasks go on, however many hints there were.

Every confirmation, order and restock gives a hint. If each of their tasks asked for another while mail is left, a long wave would
end with as many tasks as there were hints, one after the other for ever. So a task that a hint has started sends for a moment,
its own mail first, and leaves the rest to tasks that hold a place (``MailTick``). There are ``MAIL_TASKS`` places.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Q

from backorders.conf import conf
from backorders.models import MailTick
from backorders.queries.clock import database_now
from backorders.services.delivery import Delivered
from backorders.services.wake import wake
from backorders.services.waves import deliver_mail

_HINTED = 0.5
"""Seconds. As long as a claim: what the hint was about is in the first one, for it is the most urgent or the oldest."""

_SECONDS = 5.0
"""A task that holds a place drains at most this long: no broker delivers it twice, and a worker that is told to stop does soon."""

_KEPT = timedelta(seconds=30)
"""How long a place waits for its task: a message that is lost costs so much time, never a mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``turn`` changes hands once: of a message that comes twice, the second finds the place taken."""

    number: int
    turn: int


def tick(*, place: int | None = None, turn: int | None = None) -> Delivered:
    """This will deliver what is due for a moment, as one task of Celery's, and have others go on with what is left.

    ``place`` and ``turn`` are what the task before it was told; a hint has none.
    """
    held = None if place is None or turn is None else _kept(Place(number=place, turn=turn))
    end = time.monotonic() + _SECONDS
    done = deliver_mail(seconds=_SECONDS if held else _HINTED)
    if not _is_worth_another(done):
        _leave(held)
        return done
    most = 1 if done.opens_in is not None else int(conf.mail_tasks)  # two would wait for one pace
    if held is None:
        _ask(_free_place(most))
    elif held.number > most:
        _leave(held)
    else:
        time.sleep(max(0.0, min(done.opens_in or 0.0, end - time.monotonic())))
        _ask(_kept(held))
    return done


def _is_worth_another(done: Delivered) -> bool:
    """Time ran out, or more may leave before the schedule looks again."""
    return done.is_unfinished or (done.opens_in is not None and done.opens_in <= conf.poll_every.total_seconds())


def _ask(place: Place | None) -> None:
    if place is not None:
        wake("deliver_due_mail", place=place.number, turn=place.turn)


def _free_place(most: int) -> Place | None:
    """The first that nobody holds, or whose task was lost."""
    clock = database_now()
    for number in range(1, most + 1):
        MailTick.objects.get_or_create(number=number)
        free = MailTick.objects.filter(Q(kept_until=None) | Q(kept_until__lte=clock), number=number)
        if free.update(kept_until=clock + _KEPT, turn=F("turn") + 1):
            return Place(number=number, turn=MailTick.objects.get(number=number).turn)
    return None


def _kept(place: Place) -> Place | None:
    """The place with its next turn; ``None``: it was lost to another task meanwhile."""
    ours = MailTick.objects.filter(number=place.number, turn=place.turn)
    is_ours = ours.update(kept_until=database_now() + _KEPT, turn=place.turn + 1)
    return Place(number=place.number, turn=place.turn + 1) if is_ours else None


def _leave(place: Place | None) -> None:
    if place is not None:
        MailTick.objects.filter(number=place.number, turn=place.turn).update(kept_until=None)
