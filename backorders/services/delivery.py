"""Every mail leaves through here: claimed by one statement, checked again, marked before and after the call."""

from __future__ import annotations

import itertools
import logging
import random
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from backorders.conf import conf
from backorders.domain.outbox import (
    CLAIM,
    OF_A_RETURN,
    REFUSALS,
    SHOP_RESTS,
    SHUTS,
    STRIDE,
    MailKind,
    MailState,
    Outcome,
    as_many_as_leave,
    pause_before,
)
from backorders.domain.tokens import Purpose, digest_of, new_token
from backorders.models import Hold, OutgoingMail, StockItem, Subscription, SubscriptionToken
from backorders.models.outbox import ALL, SUSPECT
from backorders.queries.clock import database_now
from backorders.queries.outbox import (
    DOORS,
    Facts,
    Tokens,
    Verdict,
    facts_for,
    is_due,
    item_of,
    message_for,
    read_product,
    recipient_of,
    verdict_on,
)
from backorders.queries.quiet import awake_at
from backorders.services.announce import announce
from backorders.services.answers import Answer, note_of
from backorders.services.claims import (
    FREE,
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
    read_again,
    step,
)
from backorders.services.gate import Gate, domains_with_a_pace, give_back, lane_of, lanes_that_wait, open_gate, take
from backorders.services.holds import end_holds_of
from backorders.services.locks import locked_item
from backorders.services.mailer import Mailer, Message
from backorders.services.outbox import suppress
from backorders.services.press import Press
from backorders.services.rows import write_values
from backorders.signals import mail_failed, mail_sent

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
        for batch in _with_facts(left, way.token) if left else ():
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


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed mails and what they need to know; ``facts`` is ``None`` when it could not be read."""

    mails: list[OutgoingMail]
    facts: Facts | None
    trouble: str = ""
    is_no_mails_fault: bool = False
    """The shop could be read about no product at all."""


def _with_facts(mails: list[OutgoingMail], token: uuid.UUID) -> Iterator[Batch]:
    """Read in bulk; when one product breaks the reading, product by product, so that it costs its own mails only."""
    try:
        yield Batch(mails, facts_for(mails, timezone.now()))
        return
    except Exception:
        log.exception("A batch of mails could not be prepared; each product is tried alone.")
    by_kind: dict[int, dict[int, list[OutgoingMail]]] = {}
    for mail in mails:
        item = item_of(mail)
        by_kind.setdefault(item.content_type_id, {}).setdefault(item.id, []).append(mail)
    for kind_id, by_item in by_kind.items():
        yield from _product_by_product(kind_id, by_item, token)


_ASKED_IN_VAIN = 3
"""After so many products about which a shop did not answer, and none about which it did, it is asked whether it answers at all."""


def _product_by_product(kind_id: int, by_item: dict[int, list[OutgoingMail]], token: uuid.UUID) -> Iterator[Batch]:
    """Those that cannot be read come last, when it is known whether that is their own fault."""
    failed: list[Batch] = []
    is_up: bool | None = None
    for mails in by_item.values():
        if is_up is None and len(failed) == _ASKED_IN_VAIN:
            is_up = _answers(kind_id, besides=by_item)
        if is_up is False:
            failed.append(Batch(mails, None, failed[0].trouble))
            continue
        read_again(token)
        try:
            facts = facts_for(mails, timezone.now())
        except Exception as trouble:
            failed.append(Batch(mails, None, note_of(trouble)))
        else:
            is_up = True
            yield Batch(mails, facts)
    if failed and is_up is None:
        is_up = _answers(kind_id, besides=by_item)
    if failed and not is_up:
        count = sum(len(batch.mails) for batch in failed)
        log.error("The shop could not be read; %d mails wait for it: %s", count, failed[0].trouble)
    yield from (replace(batch, is_no_mails_fault=not is_up) for batch in failed)


def _answers(kind_id: int, *, besides: Collection[int]) -> bool:
    """Does the shop answer about any other product of this kind?"""
    others = StockItem.objects.filter(content_type=kind_id).exclude(id__in=besides).order_by("-id")
    return any(_is_readable(item) for item in others[:_ASKED_IN_VAIN])


def _is_readable(item: StockItem) -> bool:
    try:
        read_product(item, timezone.now())
    except Exception:
        return False
    return True


def _deliver(batch: Batch, way: Way, done: Delivered, is_over: Callable[[], bool]) -> None:
    facts = batch.facts
    if facts is None and batch.is_no_mails_fault:
        done.put_off += put_off(way.token, batch.mails, pause=SHOP_RESTS, note=batch.trouble)
        return
    if facts is None:
        for letter in begin(way.token, letters_of(batch.mails)):
            for mail in letter.mails:
                done.add(_settle(mail, Answer(Outcome.TRY_LATER, batch.trouble)))
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
                    done.add(_settle(mail, answer, pause=pause))
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


def _mine(mails: list[OutgoingMail], *states: MailState) -> Any:
    """The rows, as long as they are still leased to us."""
    ids = [mail.id for mail in mails]
    return OutgoingMail.objects.filter(id__in=ids, lease_token=mails[0].lease_token, state__in=states)


def _is_given_up(mail: OutgoingMail, done: Delivered) -> bool:
    """Asked before anything is read for it, which may be what kills its worker."""
    if mail.attempts < conf.max_attempts:
        return False
    _end(mail, MailState.DEAD, mail.note or gettext_noop("too many attempts"))
    done.add(MailState.DEAD)
    return True


def _stays(mail: OutgoingMail, verdict: Verdict, done: Delivered) -> bool:
    if verdict.is_true:
        return True
    _end(mail, verdict.end, verdict.because)
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


def _settle(mail: OutgoingMail, answer: Answer, *, pause: timedelta = timedelta(0)) -> str:
    """A mail that was not accepted. ``pause``: how long all mail waits after this answer."""
    if answer.outcome in SHUTS:  # charged nothing; but another mail is tried first, in case it is this one's fault
        return _queue_again(mail, pause, answer.note)
    mail.attempts += 1
    is_doubtful = bool(pause)  # so many in a row were refused that it may be us, and no fault of this address
    if answer.outcome is Outcome.NO_MAILBOX and not is_doubtful:
        _end(mail, MailState.SUPPRESSED, answer.note, suppresses="the mail server knows no such address")
        return MailState.SUPPRESSED
    if (answer.outcome in REFUSALS and not is_doubtful) or mail.attempts >= conf.max_attempts:
        _end(mail, MailState.DEAD, answer.note)
        return MailState.DEAD
    if answer.outcome is Outcome.UNKNOWN and conf.on_unknown == "hold":
        _mine([mail], MailState.SENDING).update(note=answer.note, attempts=mail.attempts, lease_token=None)
        return MailState.SENDING
    own = pause_before(mail.attempts, jitter=random.random())  # noqa: S311 - spreads load, guards nothing
    return _queue_again(mail, max(own, pause), answer.note)


def _queue_again(mail: OutgoingMail, pause: timedelta, note: str) -> str:
    due_at = database_now() + pause
    _mine([mail], MailState.SENDING).update(**FREE, due_at=due_at, note=note, attempts=mail.attempts)
    return MailState.QUEUED


@transaction.atomic
def _end(mail: OutgoingMail, state: MailState, because: str, *, suppresses: str = "") -> None:
    """The mail will not leave. Whoever waited for it keeps the place; only a suppressed address ends the request.

    A ``dead`` mail leaves its reader "told": staff see it in the outbox and may send it again. What was put aside for its
    reader is given back at once. ``suppresses``: why its
    address is never mailed again, read anew under the lock, for the person may have been forgotten meanwhile.
    """
    locked_item(recipient_of(mail).item_id)
    ended = _mine([mail], MailState.LEASED, MailState.SENDING).update(
        state=state, note=because[:300], attempts=mail.attempts, lease_token=None
    )
    if not ended:
        return
    if suppresses:
        recipient = recipient_of(mail)
        recipient.refresh_from_db(fields=["email_key"])
        suppress(email_key=recipient.email_key, reason=suppresses, now=timezone.now())
    if mail.kind in OF_A_RETURN:
        told = Subscription.objects.filter(
            id=mail.subscription_id or 0, state=Subscription.State.TOLD, restock=mail.restock
        )
        end_holds_of(subscriptions=told, state=Hold.State.GIVEN_BACK, now=timezone.now())
        if state is MailState.CANCELLED:
            told.never_told()
            _forget_being_told(mail)
        if state is MailState.SUPPRESSED:
            told.close(Subscription.Closed.UNDELIVERABLE, timezone.now())
    if state is MailState.DEAD:
        announce(mail_failed, mail_id=mail.id, kind=mail.kind, reason=because)


def _forget_being_told(mail: OutgoingMail) -> None:
    """The shelf emptied while this mail was on its way out, and then the server sent it back: nobody was told after all."""
    asked = mail.subscription
    assert asked is not None  # noqa: S101 - the kind says so
    told_at = [mail.created_at, awake_at(asked.time_zone, mail.created_at)]
    Subscription.objects.filter(id=asked.id, state=Subscription.State.WAITING, told_at__in=told_at).update(told_at=None)
