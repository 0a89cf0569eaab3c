"""When a date moves and when it stays: only when it cannot be kept, only with a reason, and never backwards."""

import datetime as dt

import pytest

from backorders.domain.windows import NO_DATE, OVERDUE, Source, Window
from backorders.models import Promise
from backorders.services.backorders import place_backorder
from backorders.services.locks import anchor_of
from backorders.services.promises import keep_promises, must_move
from backorders.services.stock import sweep_stock
from backorders.services.supply import cancel_delivery, move_delivery, refresh_forecasts
from backorders.services.terms import change_terms
from tests.stories import DAY, TODAY, a_mug, announce, arrive, line, order

pytestmark = pytest.mark.django_db


def between(first, last):
    return Window(earliest=TODAY + first * DAY, latest=TODAY + last * DAY)


MOVES = [
    ("later, in other words", between(5, 6), between(8, 9), True),
    ("earlier", between(5, 6), between(2, 3), False),
    ("the same", between(5, 6), between(5, 6), False),
    ("the same end, a later beginning", between(5, 9), between(8, 9), False),
    ("far away, within the same words", between(70, 72), between(72, 74), False),
    ("a date at last", NO_DATE, between(5, 6), True),
    ("no date any more", between(5, 6), NO_DATE, True),
    ("late, and nobody knows", between(5, 6), OVERDUE, True),
    ("still none", NO_DATE, OVERDUE, False),
    ("over, and a new one", between(-9, -8), between(5, 6), True),
]


@pytest.mark.parametrize(("old", "new", "moves"), [case[1:] for case in MOVES], ids=[case[0] for case in MOVES])
def test_a_date_moves_when_it_cannot_be_kept(old, new, moves):
    assert must_move(old, new, today=TODAY) is moves


def test_every_line_has_its_first_date_written_down_even_when_it_is_none(now):
    mug = a_mug()
    announce(mug, 1, 5)
    for name in "AB":
        order(mug, 1, name)

    assert [line(name).promises.get().window.is_known for name in "AB"] == [True, False]


def test_looking_again_changes_nothing(now):
    mug = a_mug()
    announce(mug, 3, 5)
    for name in "ABC":
        order(mug, 2, name)

    item = anchor_of(mug)
    assert keep_promises(item=item, now=now) == keep_promises(item=item, now=now + DAY) == []
    assert Promise.objects.count() == 3


def test_a_line_over_two_deliveries_is_promised_the_later_one(now):
    mug = a_mug()
    first, second = announce(mug, 3, 5), announce(mug, 3, 9)
    order(mug, 4, "A")

    assert line("A").promises.get().delivery == second
    move_delivery(delivery_id=first.id, earliest=TODAY + 6 * DAY, latest=TODAY + 6 * DAY, now=now)
    assert line("A").promises.count() == 1
    cancel_delivery(delivery_id=first.id, now=now)
    assert line("A").promises.last().window == NO_DATE


def test_an_order_before_midnight_in_brussels_is_an_order_of_that_day():
    mug = a_mug(lead_days=1)
    late = dt.datetime(2026, 3, 2, 22, 59, tzinfo=dt.UTC)
    order(mug, 1, "A", now=late)
    order(mug, 1, "B", now=late + dt.timedelta(minutes=2))

    assert [line(name).promise.latest for name in "AB"] == [TODAY + DAY, TODAY + 2 * DAY]


def test_a_lead_time_that_has_passed_is_no_date_any_more(now):
    mug = a_mug(lead_days=3)
    order(mug, 1, "A")
    refresh_forecasts(now=now + 4 * DAY)

    assert [one.window for one in line("A").promises.order_by("id")][1:] == [NO_DATE]


def test_a_guess_behind_a_far_delivery_is_taken_back_when_the_lead_time_is_over(now):
    mug = a_mug(lead_days=3)
    announce(mug, 1, 40)
    for name in "AB":
        order(mug, 1, name)
    assert line("B").promise.latest == TODAY + 40 * DAY

    refresh_forecasts(now=now + 4 * DAY)
    assert [line(name).promise for name in "AB"] == [between(40, 40), NO_DATE]


def test_a_longer_lead_time_moves_the_dates_that_were_counted_with_the_shorter_one(now):
    mug = a_mug(lead_days=3)
    order(mug, 1, "A")
    change_terms(products=[mug], lead_days=9)
    sweep_stock(now=now)

    assert [one.latest_on for one in line("A").promises.order_by("id")] == [TODAY + 3 * DAY, TODAY + 9 * DAY]


def test_the_next_delivery_is_filled_to_its_last_unit_before_the_one_after_is_promised(now):
    mug = a_mug()
    announce(mug, 5, 5)
    announce(mug, 5, 9)
    for n in range(10):
        order(mug, 1, f"{n}")

    assert [line(f"{n}").promise.latest for n in range(10)] == [TODAY + 5 * DAY] * 5 + [TODAY + 9 * DAY] * 5


def test_a_day_later_the_next_delivery_may_be_another_one(now):
    mug = a_mug()
    announce(mug, 9, 0)
    announce(mug, 9, 9)
    order(mug, 1, "A")
    order(mug, 1, "B", now=now + DAY)  # nobody has looked since the first one became late

    assert line("B").promise == between(9, 9)


def test_goods_here_before_their_release_are_promised_for_it(now):
    game = a_mug(policy="preorder", releases_at=now + 9 * DAY)
    order(game, 1, "A")
    arrive(game, 1, now=now)

    assert line("A").promises.get().window == Window(earliest=TODAY + 9 * DAY, latest=TODAY + 9 * DAY)
    assert line("A").promise.source is Source.DELIVERY


def test_who_comes_later_by_the_clock_of_another_machine_still_stands_behind(now):
    mug = a_mug()
    order(mug, 1, "A", now=now)
    late = place_backorder(
        product=mug, quantity=1, reference="B", email="b@example.com", now=now - dt.timedelta(minutes=5)
    )

    assert late.placed_at == now
    assert [one.reference for one in type(late).objects.waiting().in_line()] == ["A", "B"]
