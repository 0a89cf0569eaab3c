"""Every mail leaves through here: claimed by one statement, checked again, marked before and after the call."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.utils import timezone
from django.utils.translation import gettext_noop

from backorders.conf import conf
from backorders.domain.outbox import (
    CLAIM,
    SHOP_RESTS,
    STRIDE,
    MailKind,
    MailState,
    Outcome,
    as_many_as_leave,
)
from backorders.domain.tokens import Purpose, digest_of, new_token
from backorders.models import OutgoingMail, SubscriptionToken
from backorders.models.outbox import ALL, SUSPECT
from backorders.queries.clock import database_now
from backorders.queries.facts import Facts
from backorders.queries.messages import DOORS, Tokens, message_for
from backorders.queries.outbox import is_due, recipient_of
from backorders.queries.verdicts import Verdict, verdict_on
from backorders.services.announce import announce
from backorders.services.answers import Answer, note_of
from backorders.services.batches import Batch, with_facts
from backorders.services.claims import (
    Letter,
    abandon,
    begin,
    change_lane,
    claim,
    claim_suspect,
    finish,
    lazily,
    letters_of,
    put_back,
    put_off,
    step,
)
from backorders.services.endings import end_mail, settle
from backorders.services.gate import Gate, domains_with_a_pace, give_back, lane_of, lanes_that_wait, open_gate, take
from backorders.services.mailer import Mailer, Message
from backorders.services.press import Press
from backorders.services.rows import write_values
from backorders.signals import mail_sent

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Delivered:
    """What one run did, by final state of the mails it touched."""

    counts: dict[str, int] = field(default_factory=dict)
    is_unfinished: bool = False
    """Time ran out before the work did."""
    tried: int = 0
    """Mails that the server was told."""
    put_off: int = 0
    """Mails whose turn comes later: they are out of the way of the others."""
    opens_in: float | None = None
    """Seconds until more may leave, where a pace or a pause holds mail back and that is known."""

    def add(self, state: str, mails: int = 1) -> None:
        if mails:
            self.counts[state] = self.counts.get(state, 0) + mails

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def has_moved(self) -> bool:
        """Something became of some mail, so that looking again makes sense."""
        return bool(self.total or self.put_off)


def never() -> bool:
    return False


def deliver_due(*, limit: int | None = None, is_over: Callable[[], bool] = never) -> Delivered:
    """This will send up to ``limit`` due mails (default ``MAIL_BATCH``) and return what became of them.

    Fewer, or none, while mail is stopped, paused after trouble, or faster than ``MAIL_RATE``. ``is_over`` is asked before
    each mail; what is left then goes back into the queue. Safe to run any number of times at once. A process killed between
    the server's "accepted" and our mark sends that one mail twice (``ON_UNKNOWN = "resend"``) or leaves it for staff
    (``"hold"``); none is ever lost.
    """
    with Mailer() as mailer:
        return _deliver_due(limit or conf.mail_batch, is_over, Run(mailer))


def _deliver_due(limit: int, is_over: Callable[[], bool], run: Run) -> Delivered:
    done, gate = Delivered(), open_gate(limit)
    lanes = lanes_that_wait(gate.room) if gate.room and gate.has_lanes else []
    opens_in = (gate.opens_in, *(lane.opens_in for lane in lanes))
    done.opens_in = min((seconds for seconds in opens_in if seconds is not None), default=None)
    with lazily():
        mails = claim(gate.room, rooms={lane.id: lane.room for lane in lanes if lane.room}) if gate.room else []
        if mails:
            began = time.monotonic()
            rooms = {lane.name: lane.room for lane in lanes}
            _deliver_claim(mails, Way(gate=gate, run=run, rooms=rooms), done, is_over)
            run.claim = as_many_as_leave(within=CLAIM, before=len(mails), seconds=time.monotonic() - began)
        _deliver_suspects(Way(gate=gate, run=run), done, is_over)
    give_back(ALL, gate.room - done.tried, rate=conf.mail_rate)
    return done


@dataclass(frozen=True, slots=True)
class Accepted:
    """``provider_id``: the provider's own name for the letter, where it has one."""

    letter: Letter
    provider_id: str


_FIRST_CLAIM = 50


@dataclass(slots=True)
class Run:
    """What is kept from one batch to the next: the connection, the texts that are known, how many mails leave in a short time."""

    mailer: Mailer
    press: Press = field(default_factory=Press)
    stride: int = 1
    claim: int = _FIRST_CLAIM


@dataclass(slots=True, kw_only=True)
class Way:
    """What a mail passes on its way out."""

    gate: Gate
    run: Run
    token: uuid.UUID = field(init=False)
    """Of the claim."""
    rooms: Mapping[str, int] = field(default_factory=dict)
    """By domain for which mail waited before: how much of it might leave then."""
    accepted: list[Accepted] = field(default_factory=list)
    """What the server has taken and is not marked so yet."""
    is_lost: bool = False
    """The lease ran out, and another worker has taken over."""


LOST = "lost_lease"
"""What became of a mail that is another worker's by now."""


def _token_of(mails: list[OutgoingMail]) -> uuid.UUID:
    token = mails[0].lease_token
    assert token is not None  # noqa: S101 - a claimed mail has one
    return token


def _deliver_suspects(way: Way, done: Delivered, is_over: Callable[[], bool]) -> None:
    """One by one, for a tenth of a second: they hold up nobody, and are not held up themselves by a long wave."""
    end = time.monotonic() + STRIDE
    while done.tried < way.gate.room and not (way.gate.is_shut or is_over()) and time.monotonic() < end:
        if not (alone := claim_suspect()):
            break
        _deliver_claim(alone, Way(gate=way.gate, run=way.run), done, is_over)


def _deliver_claim(mails: list[OutgoingMail], way: Way, done: Delivered, is_over: Callable[[], bool]) -> None:
    way.token = _token_of(mails)
    try:
        left = [mail for mail in mails if not _is_given_up(mail, done)]
        if left and left[0].lane != SUSPECT:  # whoever may kill its reader is read before it joins any others
            here = _within(_room_before(way), letters_of(left), way, done)
            left = [mail for letter in here for mail in letter.mails]
        for batch in with_facts(left, way.token) if left else ():
            _deliver(batch, way, done, is_over)
        put_back(way.token)
    except Exception:
        _save_what_is_known(way)
        raise


def _save_what_is_known(way: Way) -> None:
    """After trouble with the database, often a lost connection: what the server has taken is marked through a new one."""
    if connection.in_atomic_block:
        return
    try:
        connection.close()
        _finish(way)
        abandon(way.token)
    except DatabaseError:
        log.warning(
            "The database is away; what became of %d mails is found out when their lease is over.", len(way.accepted)
        )


def _deliver(batch: Batch, way: Way, done: Delivered, is_over: Callable[[], bool]) -> None:
    facts = batch.facts
    if facts is None and batch.is_no_mails_fault:
        done.put_off += put_off(way.token, batch.mails, pause=SHOP_RESTS, note=batch.trouble)
        return
    if facts is None:
        for letter in begin(way.token, letters_of(batch.mails)):
            for mail in letter.mails:
                done.add(settle(mail, Answer(Outcome.TRY_LATER, batch.trouble)))
        return
    mails = [mail for mail in batch.mails if _stays(mail, verdict_on(mail, facts), done)]
    left = _within(_taken_of, letters_of(mails), way, done)
    tokens = _new_tokens(left, timezone.now())
    while left and not (way.is_lost or way.gate.is_shut or is_over()):
        stride = _cut(left, way.run.stride)
        left, began = left[len(stride) :], time.monotonic()
        _deliver_stride(stride, Texts(facts, tokens), way, done, is_over)
        way.run.stride = as_many_as_leave(within=STRIDE, before=len(stride), seconds=time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Texts:
    """What the mails of a batch are written from; ``tokens`` by mail."""

    facts: Facts
    tokens: Mapping[int, Tokens]


def _cut(letters: list[Letter], most: int) -> list[Letter]:
    """The next of them, all equally urgent, in the order of their places: by that order it is known how far a stride has come."""
    urgency = letters[0].head.priority
    alike = itertools.takewhile(lambda letter: letter.head.priority == urgency, letters[:most])
    return sorted(alike, key=lambda letter: letter.head.place)


def _deliver_stride(
    letters: list[Letter], texts: Texts, way: Way, done: Delivered, is_over: Callable[[], bool]
) -> None:
    """Marked "sending" together, told a few at a time, and marked "sent" together."""
    ours = begin(way.token, letters)
    done.add(LOST, _count(letters) - _count(ours))
    told = 0
    while told < len(ours) and not (told and (way.gate.is_shut or is_over())):
        some = _side_by_side(ours[told:], 1 if way.gate.failures else way.run.mailer.at_once())
        answers = _without_connection(some, way)
        # Stored before the call: a mail that kills the process is known by it.
        if not answers and not step(way.token, some[0].head.place, some[-1].head.place):
            way.is_lost = True
            done.add(LOST, _count(ours[told:]))
            break
        told += len(some)
        for letter, (answer, pause) in zip(some, answers or _send(some, texts, way, done), strict=True):
            if answer.outcome is Outcome.ACCEPTED:
                way.accepted.append(Accepted(letter, answer.provider_id))
                done.add(MailState.SENT, len(letter.mails))
            else:
                for mail in letter.mails:
                    done.add(settle(mail, answer, pause=pause))
    _finish(way)


def _count(letters: list[Letter]) -> int:
    return sum(len(letter.mails) for letter in letters)


def _side_by_side(letters: list[Letter], most: int) -> list[Letter]:
    """The next few. Whatever had trouble before goes alone: its neighbours are not blamed for it."""
    if any(mail.attempts for mail in letters[0].mails):
        return letters[:1]
    return list(itertools.takewhile(lambda letter: not any(mail.attempts for mail in letter.mails), letters[:most]))


def _finish(way: Way) -> None:
    finish(way.token, {mail_id: one.provider_id for one in way.accepted for mail_id in one.letter.ids})
    for one in way.accepted:
        for mail in one.letter.mails:
            announce(mail_sent, mail_id=mail.id, kind=mail.kind)
    way.accepted.clear()


def _within(room_of: Callable[[str, int], int], letters: list[Letter], way: Way, done: Delivered) -> list[Letter]:
    """Those that may leave now, by the pace of their recipients' domain; the others wait in its lane, each until its turn.

    Asked before anything is read for them, and once more when it is known which of them are true.
    """
    paces = domains_with_a_pace()
    by_domain: dict[str, list[Letter]] = {}
    for letter in letters if paces else []:
        domain = recipient_of(letter.head).email_key.rpartition("@")[2]
        if domain in paces:
            by_domain.setdefault(domain, []).append(letter)
    too_many: set[int] = set()
    for domain, some in sorted(by_domain.items()):
        if late := some[room_of(domain, len(some)) :]:
            done.put_off += change_lane(way.token, late, lane=lane_of(domain).id)
            too_many |= {letter.head.id for letter in late}
    return [letter for letter in letters if letter.head.id not in too_many]


def _room_before(way: Way) -> Callable[[str, int], int]:
    """What has become free since the claim belongs to those who wait."""
    return lambda domain, _: way.rooms[domain] if domain in way.rooms else lane_of(domain).room


def _taken_of(domain: str, wanted: int) -> int:
    return take(domain, wanted, rate=domains_with_a_pace()[domain])[0]


def drain(
    *, seconds: float, is_stopping: Callable[[], bool] = never, between: Callable[[], object] = never
) -> Delivered:
    """This will deliver batch after batch until nothing is due, ``seconds`` have passed, or mail is held up for longer.

    ``between``: what else has to happen now and then; called before each batch but the first, which takes half a second.
    """
    whole, end = Delivered(), time.monotonic() + seconds

    def is_over() -> bool:
        return is_stopping() or time.monotonic() >= end

    with Mailer() as mailer:
        run = Run(mailer)
        while True:
            done = _deliver_due(min(run.claim, conf.mail_batch), is_over, run)
            for state, count in done.counts.items():
                whole.add(state, count)
            whole.put_off += done.put_off
            whole.is_unfinished = is_over()  # asked first: whoever ran out of time has not seen that nothing is due
            whole.opens_in = done.opens_in
            if whole.is_unfinished:
                break
            if not done.has_moved:
                whole.opens_in = done.opens_in if done.opens_in is not None and _is_any_due() else None
                if whole.opens_in is None or time.monotonic() + whole.opens_in >= end:
                    break
                time.sleep(min(whole.opens_in, 0.5))
            between()
    return whole


def _is_any_due() -> bool:
    return OutgoingMail.objects.filter(is_due(database_now())).exists()


def _is_given_up(mail: OutgoingMail, done: Delivered) -> bool:
    """Asked before anything is read for it, which may be what kills its worker."""
    if mail.attempts < conf.max_attempts:
        return False
    end_mail(mail, MailState.DEAD, mail.note or gettext_noop("too many attempts"))
    done.add(MailState.DEAD)
    return True


def _stays(mail: OutgoingMail, verdict: Verdict, done: Delivered) -> bool:
    if verdict.is_true:
        return True
    end_mail(mail, verdict.end, verdict.because)
    done.add(verdict.end)
    return False


# sending


def _new_tokens(letters: list[Letter], now: datetime) -> dict[int, dict[Purpose, str]]:
    """Fresh secret links for each mail that carries some; only hashes are kept."""
    tokens: dict[int, dict[Purpose, str]] = {}
    links: dict[Purpose, list[tuple[int, str, int | None]]] = {}
    for mail, door in [pair for letter in letters for pair in _doors_of(letter)]:
        tokens.setdefault(mail.id, {})[door] = token = new_token()
        links.setdefault(door, []).append((mail.subscription_id or 0, digest_of(token, door), mail.bundle))
    for door, rows in links.items():
        until = now + conf.confirm_within if door is Purpose.CONFIRM else None
        constants = {"purpose": door.value, "created_at": now, "expires_at": until}
        write_values(SubscriptionToken, columns=("subscription_id", "digest", "bundle"), rows=rows, constants=constants)
    return tokens


def _doors_of(letter: Letter) -> Iterator[tuple[OutgoingMail, Purpose]]:
    """Of a bundle one link leaves everything that it names."""
    for mail in letter.mails:
        for door in DOORS.get(MailKind(mail.kind), ()):
            if mail is letter.head or door is not Purpose.LEAVE:
                yield mail, door


_OF_ITS_OWN = timedelta(0)
"""Nobody else has to wait."""


def _without_connection(letters: list[Letter], way: Way) -> list[tuple[Answer, timedelta]]:
    """Answers for letters that have no connection to leave by; empty where there is one. Connecting takes no time of a mail's lease."""
    if (closed := way.run.mailer.open(len(letters))) is None:
        return []
    pause = way.gate.note(closed.outcome, note=closed.note, asked_for=closed.asked_for)
    return [(closed, pause)] * len(letters)


def _send(letters: list[Letter], texts: Texts, way: Way, done: Delivered) -> list[tuple[Answer, timedelta]]:
    """A few letters, side by side; the trouble of one stays its own. By letter: the answer, and how long all mail waits because of it."""
    mailer = way.run.mailer
    answers: list[tuple[Answer, timedelta] | None] = [None] * len(letters)
    messages: dict[int, Message] = {}
    for place, letter in enumerate(letters):
        try:
            messages[place] = _written(letter, texts, way)
        except Exception as trouble:
            log.exception("Mail %s cannot be written.", letter.head.id)
            answers[place] = Answer(Outcome.TRY_LATER, note_of(trouble)), _OF_ITS_OWN
    done.tried += len(messages)
    told = zip(messages, mailer.send(list(messages.values())), strict=True)
    # Bad answers last: a mail that was accepted beside them does not say that all is well again.
    for place, answer in sorted(told, key=lambda one: one[1].outcome is not Outcome.ACCEPTED):
        pause = way.gate.note(answer.outcome, note=answer.note, asked_for=answer.asked_for)
        answers[place] = answer, pause
    return [answer for answer in answers if answer is not None]


def _written(letter: Letter, texts: Texts, way: Way) -> Message:
    head, *others = letter.mails
    tokens = texts.tokens.get(head.id, {})
    if not others:
        return way.run.press.write(head, texts.facts, tokens, in_bytes=way.run.mailer.takes_bytes())
    fellows = [(mail, texts.tokens.get(mail.id, {})) for mail in others]
    return message_for(head, texts.facts, tokens=tokens, fellows=fellows)
