"""The gate in front of the mail server: stopped by staff, shut after trouble, and no wider than the pace the shop set.

All of it stands in ``MailLane`` rows, so that every worker sees the same gate. Times are the database's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from backorders.conf import conf
from backorders.domain.outbox import OPENS_THE_BREAKER, SHUTS, MailState, Outcome, pause_of_all, refill
from backorders.models import MailLane, OutgoingMail
from backorders.models.outbox import ALL, ORDINARY
from backorders.queries.clock import database_now
from backorders.queries.outbox import is_due
from backorders.services.wake import wake

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Gate:
    """What one batch may do. ``room``: mails that may leave now; ``opens_in``: seconds until there is more room, if that is known."""

    room: int
    opens_in: float | None = None
    failures: int = 0
    is_shut: bool = False
    has_lanes: bool = False
    """Mail may wait in lanes of domains."""

    def note(self, outcome: Outcome, *, note: str = "", asked_for: timedelta | None = None) -> timedelta:
        """This will remember an answer that says something about the server, and shut the gate for every worker if need be.

        Returns how long all mail waits from now on. That one mail has to wait says nothing about the others.
        """
        if outcome is Outcome.ACCEPTED:
            self._all_is_well()
        if outcome not in SHUTS and outcome not in OPENS_THE_BREAKER:
            return timedelta(0)
        MailLane.objects.get_or_create(name=ALL)
        lane = MailLane.objects.filter(name=ALL)
        lane.update(failures=F("failures") + 1)
        self.failures = lane.values_list("failures", flat=True)[0]
        pause = pause_of_all(outcome, failures=self.failures, asked_for=asked_for)
        if pause is None:
            return timedelta(0)
        self.is_shut = True
        lane.update(paused_until=database_now() + pause, reason=note[:300])
        level = logging.WARNING if outcome in _PASSES else logging.ERROR
        log.log(level, "All mail waits for %d s: %s (%s)", pause.total_seconds(), _TOLD[outcome], note)
        return pause

    def _all_is_well(self) -> None:
        """Only what this process saw is over: what another has met meanwhile, or staff have decided, stands."""
        if self.failures:
            seen = MailLane.objects.filter(name=ALL, failures=self.failures, is_stopped=False)
            seen.update(failures=0, paused_until=None, reason="")
            self.failures = 0


_PASSES = frozenset({Outcome.THROTTLED, Outcome.UNREACHABLE})
"""What is over by itself, mostly. Anything else that stops all mail, somebody has to look at."""

_REFUSES_ALL = "the mail server refuses one mail after the other; check the sender's address and what it has against us"

_TOLD = {
    Outcome.DENIED: "the mail server does not accept who we are; check its password or key",
    Outcome.FAILED: "one mail after the other failed; check what the mail server has against us",
    Outcome.REFUSED: _REFUSES_ALL,
    Outcome.NO_MAILBOX: _REFUSES_ALL,
    Outcome.THROTTLED: "the mail server wants less mail",
    Outcome.UNREACHABLE: "the mail server cannot be reached",
    Outcome.UNKNOWN: "the mail server gives no answers",
}


def open_gate(wanted: int) -> Gate:
    """This will say how many of ``wanted`` mails may leave now, and take them off the pace; ``give_back`` what does not leave."""
    lanes = {lane.name: lane for lane in MailLane.objects.all()}
    lane = lanes.pop(ALL, None)
    if lane is not None and lane.is_stopped:
        return Gate(room=0, is_shut=True)
    if lane is not None and lane.paused_until is not None and lane.paused_until > (clock := database_now()):
        return Gate(room=0, opens_in=(lane.paused_until - clock).total_seconds(), is_shut=True)
    room, opens_in = take(ALL, wanted, rate=conf.mail_rate)
    failures = lane.failures if lane is not None else 0
    return Gate(room=room, opens_in=opens_in, failures=failures, has_lanes=bool(lanes))


def take(name: str, wanted: int, *, rate: float | None) -> tuple[int, float | None]:
    """This will take up to ``wanted`` mails off the pace of a lane: how many, and in how many seconds there is more if that is too few."""
    return (wanted, None) if rate is None else _take(name, wanted, rate)


@transaction.atomic
def _take(name: str, wanted: int, rate: float) -> tuple[int, float | None]:
    lane, _ = MailLane.objects.get_or_create(name=name)
    lane = MailLane.objects.select_for_update(of=("self",)).get(id=lane.id)
    clock = database_now()
    tokens = _tokens(lane, rate=rate, clock=clock)
    granted = min(wanted, int(tokens))
    MailLane.objects.filter(id=lane.id).update(tokens=tokens - granted, filled_at=clock)
    return granted, None if granted == wanted else _opens_in(tokens - granted, rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The lane of a domain in which mail is due. ``room``: how many of it may leave now; ``opens_in``: seconds until there is more."""

    id: int
    name: str
    room: int
    opens_in: float | None


def lanes_that_wait(wanted: int) -> list[Lane]:
    """This will say of which domains mail waits for their pace, and how much of it may leave now, ``wanted`` at most (two
    queries at most). A domain that has no pace any more has all the room there is."""
    clock = database_now()
    waiting = OutgoingMail.objects.filter(is_due(clock), lane=OuterRef("id"))
    rows = list(MailLane.objects.exclude(name=ALL).filter(Exists(waiting)))
    paces = domains_with_a_pace()
    return [_lane(row, wanted, rate=paces.get(row.name), clock=clock) for row in rows]


def lane_of(domain: str) -> Lane:
    """The lane of a domain that has a pace, whatever waits in it."""
    row, _ = MailLane.objects.get_or_create(name=domain)
    return _lane(row, None, rate=domains_with_a_pace()[domain], clock=database_now())


def bring_back_mail() -> int:
    """This will have mails wait with most others whose domain's lane is gone: somebody deleted its row. Returns how many."""
    is_gone = ~Exists(MailLane.objects.filter(id=OuterRef("lane")))
    waiting = OutgoingMail.objects.filter(state=MailState.QUEUED, lane__gt=ORDINARY)
    return waiting.filter(is_gone).update(lane=ORDINARY)


def _lane(row: MailLane, wanted: int | None, *, rate: float | None, clock: datetime) -> Lane:
    if rate is None:
        return Lane(id=row.id, name=row.name, room=wanted or 0, opens_in=None)
    tokens = _tokens(row, rate=rate, clock=clock)
    room = int(tokens) if wanted is None else min(wanted, int(tokens))
    return Lane(id=row.id, name=row.name, room=room, opens_in=_opens_in(tokens - room, rate))


def _tokens(lane: MailLane, *, rate: float, clock: datetime) -> float:
    since = (clock - lane.filled_at).total_seconds() if lane.filled_at else float("inf")
    return refill(tokens=lane.tokens or 0.0, seconds=since, rate=rate)


def _opens_in(tokens: float, rate: float) -> float:
    return max(0.0, 1 - tokens) / rate


def give_back(name: str, unused: int, *, rate: float | None) -> None:
    """Mails that did not leave after all may leave later."""
    if rate is not None and unused > 0:
        MailLane.objects.filter(name=name).update(tokens=F("tokens") + unused)


def domains_with_a_pace() -> Mapping[str, float]:
    """Mails a second, by domain of recipients, lower case."""
    return {name.lower(): rate for name, rate in conf.mail_rate_by_domain.items()}


def stop_mail(*, reason: str = "") -> None:
    """This will hold all mail back until ``start_mail``; what is in the outbox keeps its place, and new mail is queued."""
    MailLane.objects.update_or_create(name=ALL, defaults={"is_stopped": True, "reason": reason[:300]})


def start_mail() -> None:
    """This will let mail leave again, also where a pause after trouble is not over yet."""
    MailLane.objects.filter(name=ALL).update(is_stopped=False, paused_until=None, failures=0, reason="")
    wake("deliver_due_mail")
