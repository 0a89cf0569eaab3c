"""A place in the line and the delivery that serves it, against an oracle that lays out every unit."""

import datetime as dt
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorders.domain.allocation import Waiting, plan
from backorders.domain.calendars import Calendar
from backorders.domain.promises import (
    Claim,
    Free,
    Lead,
    Part,
    Promised,
    Standing,
    Supply,
    horizon_of,
    newcomer,
    order_promise,
    promises_of,
)
from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Source, Window
from tests.thoroughness import cases

TODAY = dt.date(2026, 3, 2)
SHELF, BEYOND = 0, None
WEEKENDS = Calendar(closed_weekdays=frozenset({5, 6}))


def day(n):
    return TODAY + dt.timedelta(days=n)


def window(first, last=None, confidence=Confidence.ESTIMATED, source=Source.DELIVERY):
    return Window(
        earliest=day(first), latest=day(first if last is None else last), confidence=confidence, source=source
    )


def supply(units, days, *, wide=0, delivery_id=0, confidence=Confidence.ESTIMATED):
    return Supply(units=units, window=window(days, days + wide, confidence), delivery_id=delivery_id)


def claim(line_id, needs, **more):
    return Claim(line_id=line_id, needs=needs, **more)


def standing(supplies=(), queue=(), **more):
    return Standing(horizon=horizon_of(supplies, queue), today=TODAY, **more)


def deliveries(*, soonest=-9, min_size=0):
    row = st.tuples(st.integers(0, 6), st.integers(soonest, 40), st.integers(0, 9), st.sampled_from(Confidence))
    return st.lists(row, min_size=min_size, max_size=6).map(
        lambda rows: [
            supply(units, days, wide=wide, delivery_id=n, confidence=confidence)
            for n, (units, days, wide, confidence) in enumerate(rows, start=1)
        ]
    )


def lines(*, pins=(None, None, 1, 2, 3, 99), wishes=(None, None, -3, 12, 30), asked=(None, -20, -5), min_size=0):
    """A queue in serving order; delivery 99 is not expected."""
    row = st.tuples(st.integers(1, 6), *map(st.sampled_from, (pins, wishes, asked)))
    return st.lists(row, min_size=min_size, max_size=7).map(
        lambda rows: [
            claim(n, needs, pinned_to=pin, not_before=wish and day(wish), asked_on=asked_on and day(asked_on))
            for n, (needs, pin, wish, asked_on) in enumerate(rows, start=1)
        ]
    )


supplies = deliveries()
shelves = st.integers(0, 5)
conditions = st.builds(
    lambda on_shelf, release, lead, overdue: {
        "on_shelf": on_shelf,
        "releases_on": None if release is None else day(release),
        "lead": None if lead is None else Lead(days=lead, calendar=WEEKENDS),
        "overdue": overdue,
    },
    shelves,
    st.sampled_from((None, None, -2, 8, 35)),
    st.sampled_from((None, 0, 4, 20)),
    st.sampled_from((0, 0, 3)),
)


class EveryUnit:
    """The oracle: each unit is a card that says with which delivery it comes; people draw one card after the other."""

    def __init__(self, supplies, queue, *, on_shelf=0, releases_on=None, lead=None, overdue=0):
        self.releases_on, self.lead, self.overdue, self.on_shelf = releases_on, lead, overdue, on_shelf
        self.by_id = {s.delivery_id: s for s in supplies}
        self.order = sorted(supplies, key=lambda s: (s.window.latest, s.window.earliest, s.delivery_id))
        cards = {s.delivery_id: s.units for s in supplies}
        self.drawn = {c.line_id: [] for c in queue}
        for c in queue:
            while len(self.drawn[c.line_id]) < c.needs and cards.get(c.pinned_to):
                cards[c.pinned_to] -= 1
                self.drawn[c.line_id].append(c.pinned_to)
        self.pile = [SHELF] * on_shelf + [s.delivery_id for s in self.order for _ in range(cards[s.delivery_id])]
        self.last = next((s for s in reversed(self.order) if cards[s.delivery_id]), None)
        for c in queue:
            self.drawn[c.line_id] += [self.draw() for _ in range(c.needs - len(self.drawn[c.line_id]))]

    def draw(self):
        return self.pile.pop(0) if self.pile else BEYOND

    def parts(self, cards):
        places = [SHELF, *(s.delivery_id for s in self.order), BEYOND]
        return tuple(Part(card, n) for card, n in sorted(Counter(cards).items(), key=lambda one: places.index(one[0])))

    def says(self, card, c):
        """(earliest, latest, confidence, source), or "overdue", or "no date"."""
        if card is SHELF:
            said = [TODAY, TODAY, "firm", "delivery"]
        elif card is BEYOND:
            said = self.guess(c)
        else:
            coming = self.by_id[card].window
            said = [coming.earliest, coming.latest, coming.confidence.value, "delivery"]
        if said == "no date" and self.is_unreleased and not self.last and not self.on_shelf:
            said = [self.releases_on, self.releases_on, "estimated", "release"]
        if not isinstance(said, list):
            return said
        if said[1] < TODAY:
            return "overdue"
        if self.is_unreleased and said[1] < self.releases_on:
            said[3] = "release"
        not_before = [TODAY, self.releases_on or TODAY, c.not_before or TODAY]
        if card is BEYOND and self.last:
            not_before.append(self.last.window.latest)
        return (max(said[0], *not_before), max(said[1], *not_before), said[2], said[3])

    @property
    def is_unreleased(self):
        return self.releases_on is not None and self.releases_on > TODAY

    def guess(self, c):
        if self.lead is None:
            return "overdue" if self.overdue else "no date"
        due, days = c.asked_on or TODAY, self.lead.days
        while days or due.weekday() > 4:
            days -= due.weekday() < 5 and days > 0
            due += dt.timedelta(days=1)
        return [due, due, "estimated", "lead_time"]

    def first(self, cards, c):
        """The unit of its own delivery or the first of the ordinary line, whichever comes sooner."""
        own = [card for card in cards if card and card == c.pinned_to]
        ordinary = [card for card in cards if not card or card != c.pinned_to]
        candidates = [self.says(card, c) for card in own[:1] + ordinary[:1]]
        dated = [said for said in candidates if isinstance(said, tuple)]
        return min(dated, key=lambda said: (said[1], said[0])) if dated else max(candidates)

    def complete(self, cards, c):
        """All cards are here: the last of the first days, the last of the last days."""
        said = [self.says(card, c) for card in cards]
        for unknown in ("overdue", "no date"):
            if unknown in said:
                return unknown
        return max(one[0] for one in said), max(one[1] for one in said)


def in_words(promise):
    if not promise.is_known:
        return "overdue" if promise.is_overdue else "no date"
    return (promise.earliest, promise.latest, promise.confidence.value, promise.source.value)


def in_days(promise):
    return (promise.earliest, promise.latest) if promise.is_known else in_words(promise)


def rank(promise):
    """Sooner or later; no date is later than any."""
    return (0, promise.latest) if promise.is_known else (1, TODAY)


def nobody_is_later(before, after):
    return all(
        rank(before[i].first) >= rank(after[i].first) and rank(before[i].complete) >= rank(after[i].complete)
        for i in after.keys() & before.keys()
    )


def agrees(promised, oracle, cards, c):
    assert promised.parts == oracle.parts(cards)
    assert in_words(promised.first) == oracle.first(cards, c)
    assert in_days(promised.complete) == oracle.complete(cards, c)


@settings(max_examples=cases(300), deadline=None)
@given(supplies, lines(), conditions)
def test_every_line_is_promised_what_laying_out_every_unit_gives_it(incoming, queue, given_that):
    found = promises_of(queue=queue, standing=standing(incoming, **given_that))
    oracle = EveryUnit(incoming, queue, **given_that)

    assert found.keys() == {c.line_id for c in queue}
    for c in queue:
        agrees(found[c.line_id], oracle, oracle.drawn[c.line_id], c)


def test_ten_thousand_items_are_promised_what_laying_out_every_unit_gives_them():
    """Plain dice beside Hypothesis, which spends its time on corners: items as shops have them, and many."""
    dice = random.Random(20261121)
    for _ in range(10_000):
        incoming = [
            supply(dice.randint(0, 9), dice.randint(-3, 40), wide=dice.choice([0, 0, 3, 9]), delivery_id=n)
            for n in range(1, dice.randint(1, 6))
        ]
        queue = [
            claim(
                n,
                dice.randint(1, 5),
                pinned_to=dice.choice([None, None, None, 1, 2]),
                not_before=dice.choice([None, None, day(12)]),
                asked_on=day(-dice.randint(0, 20)),
            )
            for n in range(dice.randint(0, 8))
        ]
        given_that = {
            "on_shelf": dice.choice([0, 0, 2, 5]),
            "releases_on": dice.choice([None, None, None, day(9)]),
            "lead": dice.choice([None, Lead(days=7, calendar=WEEKENDS)]),
        }
        found, oracle = (
            promises_of(queue=queue, standing=standing(incoming, **given_that)),
            EveryUnit(incoming, queue, **given_that),
        )
        for c in queue:
            agrees(found[c.line_id], oracle, oracle.drawn[c.line_id], c)


@settings(max_examples=cases(300), deadline=None)
@given(supplies, lines(), conditions, lines(pins=(None,), min_size=1))
def test_a_newcomer_is_promised_what_laying_out_every_unit_gives_it(incoming, queue, given_that, newcomers):
    here, new = standing(incoming, queue, **given_that), newcomers[-1]
    after = sum(c.needs for c in queue) - here.horizon.pinned
    oracle = EveryUnit(incoming, queue, **given_that)
    cards = [oracle.draw() for _ in range(new.needs)]
    wants = {"asked_on": new.asked_on, "not_before": new.not_before}

    agrees(newcomer(standing=here, after=after, needs=new.needs, **wants), oracle, cards, new)
    assert in_words(here.promise_for(after + new.needs, **wants)) == oracle.says(cards[-1], new)


@settings(max_examples=cases(200), deadline=None)
@given(supplies, lines(), shelves)
def test_what_is_left_of_each_delivery_equals_the_cards_left_in_the_pile(incoming, queue, on_shelf):
    horizon = horizon_of(incoming, queue)
    demand = sum(c.needs for c in queue) - horizon.pinned - on_shelf
    left = EveryUnit(incoming, queue, on_shelf=on_shelf).pile
    still = {s.delivery_id: left.count(s.delivery_id) for s in incoming}

    assert {free.delivery_id: free.free for free in horizon.free_by_delivery(demand)} == {
        s.delivery_id: still[s.delivery_id] for s in incoming if s.units
    }


@settings(max_examples=cases(100))
@given(supplies, st.integers(1, 60))
def test_a_unit_of_the_horizon_equals_laying_out_every_unit(incoming, unit):
    pile = EveryUnit(incoming, [])
    card = [pile.draw() for _ in range(unit)][-1]
    horizon = horizon_of(incoming)

    assert in_words(horizon.promise_for(unit, today=TODAY)) == pile.says(card, claim(0, 1))
    assert getattr(horizon.supply_for(unit), "delivery_id", BEYOND) == card
    assert horizon.units_left(unit) == (0 if card is BEYOND else 1 + pile.pile.count(card))


# What must never happen to somebody who waits.


def that_fit(queue, incoming):
    """The same lines; those whose own delivery is too small for them are not pinned to it."""
    room, fitting = {s.delivery_id: s.units for s in incoming}, []
    for c in queue:
        fits = c.needs <= room.get(c.pinned_to, 0)
        if fits:
            room[c.pinned_to] -= c.needs
        fitting.append(c if fits else replace(c, pinned_to=None))
    return fitting


@settings(max_examples=cases(100), deadline=None)
@given(deliveries(soonest=0), lines(min_size=1, pins=(None,), asked=(None,)), conditions, st.integers(0, 6))
def test_cancelling_a_line_never_delays_another(incoming, queue, given_that, leaver):
    here = standing(incoming, **given_that)
    before = promises_of(queue=queue, standing=here)
    after = promises_of(queue=[*queue[:leaver], *queue[leaver + 1 :]], standing=here)

    assert nobody_is_later(before, after)


@settings(max_examples=cases(100), deadline=None)
@given(supplies, lines(min_size=1), conditions, st.integers(0, 6))
def test_cancelling_a_line_never_moves_another_to_a_later_delivery(incoming, queue, given_that, leaver):
    """Also where the days of one have passed: as long as it is on the axis it keeps its place there."""
    queue, here = that_fit(queue, incoming), standing(incoming, **given_that)
    order = [SHELF, *(s.delivery_id for s in here.horizon.supplies), BEYOND]
    before = promises_of(queue=queue, standing=here)
    after = promises_of(queue=[*queue[:leaver], *queue[leaver + 1 :]], standing=here)

    for i, one in after.items():
        assert order.index(one.parts[0].delivery_id) <= order.index(before[i].parts[0].delivery_id)
        assert order.index(one.parts[-1].delivery_id) <= order.index(before[i].parts[-1].delivery_id)


@settings(max_examples=cases(100), deadline=None)
@given(deliveries(soonest=0, min_size=1), lines(), shelves, st.data(), st.integers(1, 30))
def test_a_delay_never_helps_anybody(incoming, queue, on_shelf, data, days):
    queue, late = that_fit(queue, incoming), data.draw(st.sampled_from(incoming))
    moved = Window(
        earliest=late.window.earliest + dt.timedelta(days=days), latest=late.window.latest + dt.timedelta(days=days)
    )
    delayed = [replace(s, window=moved) if s is late else s for s in incoming]
    before = promises_of(queue=queue, standing=standing(incoming, on_shelf=on_shelf))
    after = promises_of(queue=queue, standing=standing(delayed, on_shelf=on_shelf))

    assert nobody_is_later(after, before)


@settings(max_examples=cases(100), deadline=None)
@given(deliveries(soonest=0, min_size=1), lines(), shelves, st.data())
def test_a_delivery_that_does_not_come_never_helps_anybody_else(incoming, queue, on_shelf, data):
    """Those who were pinned to it stand in the ordinary line again, where somebody patient may even be served sooner."""
    queue, lost = that_fit(queue, incoming), data.draw(st.sampled_from(incoming))
    before = promises_of(queue=queue, standing=standing(incoming, on_shelf=on_shelf))
    after = promises_of(queue=queue, standing=standing([s for s in incoming if s is not lost], on_shelf=on_shelf))

    assert nobody_is_later(
        {c.line_id: after[c.line_id] for c in queue if c.pinned_to != lost.delivery_id},
        before,
    )


@settings(max_examples=cases(100), deadline=None)
@given(supplies, lines(), conditions, st.integers(1, 9))
def test_who_joins_at_the_end_moves_nobody(incoming, queue, given_that, needs):
    before = promises_of(queue=queue, standing=standing(incoming, **given_that))
    after = promises_of(queue=[*queue, claim(77, needs)], standing=standing(incoming, **given_that))

    assert {line_id: after[line_id] for line_id in before} == before


@settings(max_examples=cases(100), deadline=None)
@given(deliveries(min_size=1), lines(), conditions, st.data())
def test_who_is_pinned_to_what_is_left_of_a_delivery_moves_nobody(incoming, queue, given_that, data):
    horizon = horizon_of(incoming, queue)
    demand = sum(c.needs for c in queue) - horizon.pinned - given_that["on_shelf"]
    left = [free for free in horizon.free_by_delivery(demand) if free.free]
    before = promises_of(queue=queue, standing=standing(incoming, **given_that))
    if left:
        chosen = data.draw(st.sampled_from(left))
        new = claim(77, data.draw(st.integers(1, chosen.free)), pinned_to=chosen.delivery_id)
        after = promises_of(queue=[*queue, new], standing=standing(incoming, **given_that))

        assert [in_days(after[i].complete) for i in before] == [in_days(before[i].complete) for i in before]
        assert after[77].parts == (Part(chosen.delivery_id, new.needs),)


@settings(max_examples=cases(100), deadline=None)
@given(supplies, lines(), conditions, st.randoms(use_true_random=False))
def test_the_order_in_which_deliveries_are_read_does_not_matter(incoming, queue, given_that, dice):
    shuffled = dice.sample(incoming, len(incoming))

    assert promises_of(queue=queue, standing=standing(shuffled, **given_that)) == promises_of(
        queue=queue, standing=standing(incoming, **given_that)
    )


@settings(max_examples=cases(100), deadline=None)
@given(supplies, lines(), conditions)
def test_the_parts_of_a_line_are_what_it_needs(incoming, queue, given_that):
    found = promises_of(queue=queue, standing=standing(incoming, **given_that))

    assert {i: sum(part.units for part in one.parts) for i, one in found.items()} == {c.line_id: c.needs for c in queue}


@settings(max_examples=cases(100), deadline=None)
@given(supplies, lines(), conditions)
def test_it_does_not_matter_whether_the_horizon_knows_the_pins_already(incoming, queue, given_that):
    assert promises_of(queue=queue, standing=standing(incoming, queue, **given_that)) == promises_of(
        queue=queue, standing=standing(incoming, **given_that)
    )


@settings(max_examples=cases(100), deadline=None)
@given(deliveries(soonest=1, min_size=1), lines(pins=(None,)), conditions, st.integers(0, 6))
def test_a_delivery_received_in_part_is_one_received_and_one_still_open(incoming, queue, given_that, units):
    received = min(units, incoming[0].units)
    rest = [replace(incoming[0], units=incoming[0].units - received), *incoming[1:]]
    arrived = Supply(units=received, window=window(0, confidence=Confidence.FIRM), delivery_id=77)
    shelved = given_that | {"on_shelf": given_that["on_shelf"] + received}
    as_two = promises_of(queue=queue, standing=standing([*rest, arrived], **given_that))
    as_one = promises_of(queue=queue, standing=standing(rest, **shelved))

    assert [(p.first, p.complete) for p in as_one.values()] == [(p.first, p.complete) for p in as_two.values()]


@settings(max_examples=cases(100), deadline=None)
@given(deliveries(min_size=1), lines(pins=(None,)), conditions, st.integers(0, 6))
def test_a_delivery_in_two_rows_is_the_same_delivery(incoming, queue, given_that, units):
    one, first = incoming[0], min(units, incoming[0].units)
    halves = [replace(one, units=first), replace(one, units=one.units - first, delivery_id=77)]
    whole = promises_of(queue=queue, standing=standing(incoming, **given_that))
    split = promises_of(queue=queue, standing=standing([*halves, *incoming[1:]], **given_that))

    assert [(in_days(p.first), in_days(p.complete)) for p in split.values()] == [
        (in_days(p.first), in_days(p.complete)) for p in whole.values()
    ]


@settings(max_examples=cases(100), deadline=None)
@given(supplies, lines(wishes=(None,)), shelves)
def test_what_is_promised_is_what_is_handed_out_when_every_delivery_comes(incoming, queue, on_shelf):
    queue = that_fit(queue, incoming)
    promised = promises_of(queue=queue, standing=standing(incoming, on_shelf=on_shelf))
    waiting = [
        Waiting(line_id=c.line_id, needs=c.needs, placed_at=dt.datetime(2026, 1, 1, c.line_id), pinned_to=c.pinned_to)
        for c in queue
    ]
    given_out, still_open, left = {c.line_id: [] for c in queue}, list(horizon_of(incoming).supplies), on_shelf
    arrivals = [(None, 0), *((s.delivery_id, s.units) for s in still_open)]
    for delivery_id, units in arrivals:
        pins = {s.delivery_id for s in still_open} - {delivery_id}
        shares = plan(queue=waiting, units=left + units, delivery_id=delivery_id, open_pins=pins)
        for line_id, quantity in shares.assigned.items():
            given_out[line_id].append(Part(delivery_id or SHELF, quantity))
        still_open = [s for s in still_open if s.delivery_id != delivery_id]
        waiting = [replace(w, needs=shares.waiting[w.line_id]) for w in waiting if w.line_id in shares.waiting]
        left = shares.left

    assert {i: [part for part in p.parts if part.delivery_id is not BEYOND] for i, p in promised.items()} == given_out


# In the words of the people who ask.


def test_first_what_is_on_the_shelf_then_delivery_by_delivery():
    here = standing([supply(3, 30, delivery_id=2), supply(3, 10, delivery_id=1)], on_shelf=2)
    today = window(0, confidence=Confidence.FIRM)

    assert promises_of(queue=[claim(1, 1), claim(2, 5), claim(3, 3)], standing=here) == {
        1: Promised(today, today, (Part(SHELF, 1),)),
        2: Promised(today, window(30), (Part(SHELF, 1), Part(1, 3), Part(2, 1))),
        3: Promised(window(30), NO_DATE, (Part(2, 2), Part(BEYOND, 1))),
    }


def test_so_many_of_the_delivery_in_may_are_left():
    horizon = horizon_of([supply(20, 10, delivery_id=1), supply(40, 70, delivery_id=2)])

    assert horizon.free_by_delivery(53) == (Free(1, 20, 0), Free(2, 40, 7))


def test_pinned_units_are_not_for_the_ordinary_line():
    queue = [claim(1, 4), claim(2, 8, pinned_to=5)]
    horizon = horizon_of([supply(10, 10, delivery_id=5)], queue)

    assert (horizon.units, horizon.pinned, horizon.free_by_delivery(0)) == (2, 8, (Free(5, 10, 2),))
    assert promises_of(queue=queue, standing=Standing(horizon=horizon, today=TODAY))[1].parts == (
        Part(5, 2),
        Part(BEYOND, 2),
    )


def test_who_does_not_fit_into_their_own_delivery_stands_in_the_ordinary_line():
    here = standing([supply(3, 20, delivery_id=5)], on_shelf=1)
    found = promises_of(queue=[claim(1, 4, pinned_to=5)], standing=here)[1]

    assert found == Promised(window(0, confidence=Confidence.FIRM), window(20), (Part(SHELF, 1), Part(5, 3)))


def test_a_line_that_needs_nothing_is_left_out():
    assert promises_of(queue=[claim(1, 0)], standing=standing([supply(3, 1)])) == {}


def test_beyond_the_horizon_there_is_no_honest_date():
    assert horizon_of([supply(3, 1)]).promise_for(4, today=TODAY) == NO_DATE
    assert standing([supply(3, 1)]).promise_for(4) == NO_DATE


def test_a_delivery_that_should_have_come_is_overdue_not_past():
    assert horizon_of([supply(3, -9)]).promise_for(1, today=TODAY) == OVERDUE


def test_units_that_are_late_and_have_no_date_stand_behind_all_that_have_one():
    here = standing([supply(3, 9, delivery_id=2)], overdue=5)

    assert (here.promise_for(3), here.promise_for(4)) == (window(9), OVERDUE)


def test_a_line_that_needs_one_unit_of_an_overdue_delivery_has_no_date_for_all_of_it():
    here = standing([supply(3, -9, delivery_id=1), supply(3, 9, delivery_id=2)])

    assert promises_of(queue=[claim(1, 2), claim(2, 2)], standing=here)[2].complete == OVERDUE


def test_beyond_the_horizon_the_lead_time_counts_from_the_day_of_the_order():
    here = standing([supply(3, 1)], lead=Lead(days=5, calendar=WEEKENDS))
    guess = {"confidence": Confidence.ESTIMATED, "source": Source.LEAD_TIME}

    assert here.promise_for(4) == window(7, **guess)
    assert here.promise_for(4, asked_on=day(-3)) == window(4, **guess)
    assert here.promise_for(4, asked_on=day(-30)) == OVERDUE


def test_a_guess_is_never_sooner_than_the_deliveries_that_go_to_others():
    here = standing([supply(3, 60)], lead=Lead(days=5, calendar=WEEKENDS))

    assert here.promise_for(4) == window(60, confidence=Confidence.ESTIMATED, source=Source.LEAD_TIME)


def test_nothing_leaves_before_its_release():
    here = standing([supply(3, 5, wide=20)], on_shelf=1, releases_on=day(14))

    assert here.promise_for(1) == window(14, confidence=Confidence.FIRM, source=Source.RELEASE)
    assert here.promise_for(2) == window(14, 25)
    assert here.promise_for(5) == NO_DATE  # all that is announced is spoken for


def test_who_wants_nothing_before_a_day_keeps_their_place():
    here = standing([supply(3, 5)], on_shelf=2)
    found = promises_of(queue=[claim(1, 2, not_before=day(30)), claim(2, 2)], standing=here)

    assert found[1].complete == window(30, confidence=Confidence.FIRM)
    assert found[2].complete == window(5)


def test_a_wish_is_no_date_where_there_is_none():
    assert standing().promise_for(1, not_before=day(30)) == NO_DATE


@pytest.mark.parametrize(
    ("promises", "whole"),
    [
        ([window(3), window(9), window(5)], window(9)),
        ([window(3, 20), window(9, 12)], window(9, 20)),
        ([window(9), window(9, confidence=Confidence.GUESS)], window(9, confidence=Confidence.GUESS)),
        ([window(3), NO_DATE], NO_DATE),
        ([NO_DATE, OVERDUE, window(3)], OVERDUE),
        ([], NO_DATE),
    ],
)
def test_a_whole_order_goes_when_the_last_of_it_is_here(promises, whole):
    assert order_promise(promises) == whole
    assert order_promise(reversed(promises)) == whole


@given(deliveries(soonest=0), st.integers(1, 50), conditions)
def test_a_later_place_is_never_served_earlier(incoming, unit, given_that):
    here = standing(incoming, **given_that)

    assert rank(here.promise_for(unit)) <= rank(here.promise_for(unit + 1))
