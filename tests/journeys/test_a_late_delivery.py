"""Ana is third in line when the truck is late. What she was told first, what she is told now, and when she is left alone."""

import pytest

from backorders.domain.windows import NO_DATE, OVERDUE, Window
from backorders.models import DeliveryRevision, Promise
from backorders.queries.availability import availability_of
from backorders.queries.backorders import history_of, places_of
from backorders.services.backorders import cancel_backorder
from backorders.services.locks import anchor_of
from backorders.services.stock import return_units, sweep_stock
from backorders.services.supply import (
    cancel_delivery,
    move_delivery,
    receive_delivery,
    refresh_forecasts,
    resize_delivery,
    split_delivery,
)
from backorders.services.terms import set_selling_policy
from backorders.signals import promise_moved
from tests.stories import DAY, TODAY, a_mug, announce, given, line, order

pytestmark = pytest.mark.django_db


@pytest.fixture
def mug():
    return a_mug()


@pytest.fixture
def may_truck(mug):
    """Six units between 8 and 10 days from now, and three customers who want two each."""
    delivery = announce(mug, 6, 8, 10)
    for name in ("Bo", "Cy", "Ana"):
        order(mug, 2, name)
    return delivery


@pytest.fixture
def heard(committed):
    """What the shop is told of dates that moved: name, days before, days after, reason."""
    told = []

    def listen(sender, backorder_id, before, after, reason, **_):
        name = Promise.objects.filter(backorder=backorder_id).first().backorder.reference
        told.append((name, days(before), days(after), reason))

    promise_moved.connect(listen)
    with committed():
        yield told
    promise_moved.disconnect(listen)


def days(promise):
    """Days from today, which is easier to read than dates."""
    if not isinstance(promise, Window):
        return promise
    return ((promise.earliest - TODAY).days, (promise.latest - TODAY).days)


def stands(name, now):
    place = places_of([name], now)[name]
    return (place.position, days(place.window))


def told_to(name):
    return [days(one.window) for one in history_of([line(name).id]).get(line(name).id)]


def slip(delivery, starts, ends, now, reason=""):
    move_delivery(
        delivery_id=delivery.id, earliest=TODAY + starts * DAY, latest=TODAY + ends * DAY, reason=reason, now=now
    )


def test_third_in_line_she_knows_her_place_and_her_days(may_truck, now):
    assert stands("Ana", now) == (3, (8, 10))
    assert told_to("Ana") == [(8, 10)]


def test_a_delay_moves_her_date_and_keeps_what_she_was_told_first(may_truck, now):
    slip(may_truck, 20, 22, now, reason="a strike in the port")

    assert stands("Ana", now) == (3, (20, 22))
    assert told_to("Ana") == [(8, 10), (20, 22)]
    assert [one.reason for one in history_of([line("Ana").id])[line("Ana").id]] == ["", "a strike in the port"]


def test_the_shop_hears_of_every_line_what_was_said_and_what_is_said_now(may_truck, now, heard, committed):
    with committed():
        slip(may_truck, 20, 22, now, reason="strike")

    assert heard == [(name, (8, 10), (20, 22), "strike") for name in ("Bo", "Cy", "Ana")]


def test_a_delivery_that_comes_earlier_leaves_her_date_alone(may_truck, now):
    slip(may_truck, 2, 3, now)

    assert told_to("Ana") == [(8, 10)]
    assert DeliveryRevision.objects.count() == 1


def test_the_same_window_again_is_no_news_at_all(may_truck, now):
    slip(may_truck, 8, 10, now)

    assert DeliveryRevision.objects.count() == 0
    assert Promise.objects.count() == 3


def test_a_slip_within_the_words_she_was_told_moves_nothing(mug, now):
    delivery = announce(mug, 6, 70, 72)  # 11 to 13 May: "mid May", "by the middle of May"
    order(mug, 2, "Ana")
    slip(delivery, 72, 74, now)  # 13 to 15 May, in the same words
    assert told_to("Ana") == [(70, 72)]

    slip(delivery, 81, 83, now)  # "late May"
    assert told_to("Ana") == [(70, 72), (81, 83)]


def test_when_the_words_grow_finer_a_slip_that_was_no_news_is_told(mug, now):
    delivery = announce(mug, 6, 70, 72)
    order(mug, 2, "Ana")
    slip(delivery, 72, 74, now)
    refresh_forecasts(now=now + 60 * DAY)  # 1 May: what she reads are days now, no longer "mid May"

    assert told_to("Ana") == [(70, 72), (72, 74)]


def test_who_has_no_date_gets_one_when_a_delivery_is_announced(mug, now, heard, committed):
    order(mug, 2, "Ana")
    assert stands("Ana", now) == (1, NO_DATE)
    with committed():
        announce(mug, 2, 5)

    assert told_to("Ana") == [NO_DATE, (5, 5)]
    assert heard == [("Ana", NO_DATE, (5, 5), "")]


def test_who_has_no_date_gets_one_when_somebody_before_them_gives_up(may_truck, mug, now):
    order(mug, 1, "Di")
    cancel_backorder(backorder_id=line("Bo").id, now=now)

    assert told_to("Di") == [NO_DATE, (8, 10)]


def test_who_has_no_date_gets_one_when_a_return_serves_those_before_them(may_truck, mug, now):
    order(mug, 2, "Di")
    return_units(product=mug, quantity=2, now=now)

    assert given("Bo", "Cy") == [2, 0]
    assert told_to("Di") == [NO_DATE, (8, 10)]


def test_a_smaller_delivery_takes_the_date_of_those_at_the_end(may_truck, now):
    resize_delivery(delivery_id=may_truck.id, quantity=4, reason="short harvest", now=now)

    assert [told_to(name) for name in ("Bo", "Cy", "Ana")] == [[(8, 10)], [(8, 10)], [(8, 10), NO_DATE]]


def test_a_split_delivery_moves_those_who_wait_for_its_second_half(may_truck, now):
    split_delivery(
        delivery_id=may_truck.id,
        quantity=3,
        earliest=TODAY + 30 * DAY,
        latest=TODAY + 30 * DAY,
        reason="two ships",
        now=now,
    )

    assert [told_to(name)[-1] for name in ("Bo", "Cy", "Ana")] == [(8, 10), (30, 30), (30, 30)]


def test_a_delivery_that_does_not_come_takes_all_dates(may_truck, now, heard, committed):
    with committed():
        cancel_delivery(delivery_id=may_truck.id, reason="supplier closed", now=now)

    assert heard == [(name, (8, 10), NO_DATE, "supplier closed") for name in ("Bo", "Cy", "Ana")]
    assert stands("Ana", now) == (3, NO_DATE)


def test_a_part_that_comes_early_serves_the_first_and_the_rest_keep_their_days(may_truck, now):
    receive_delivery(delivery_id=may_truck.id, quantity=3, now=now)

    assert given("Bo", "Cy", "Ana") == [2, 1, 0]
    assert stands("Ana", now) == (2, (8, 10))
    assert told_to("Ana") == [(8, 10)]


@pytest.mark.parametrize("day", range(0, 30, 3))
def test_as_time_passes_no_past_date_is_ever_shown(may_truck, mug, day, now):
    at = now + day * DAY
    refresh_forecasts(now=at)
    _, shown = stands("Ana", at)
    window = availability_of(mug, at).window

    assert shown in (NO_DATE, OVERDUE) or shown[0] >= day
    assert not isinstance(window, Window) or window.earliest >= at.date()


def test_even_when_no_job_runs_a_late_date_is_no_date(may_truck, mug, now):
    at = now + 11 * DAY

    assert stands("Ana", at) == (3, OVERDUE)
    assert availability_of(mug, at).window == NO_DATE


def test_the_day_after_the_job_has_told_everybody_that_it_is_late(may_truck, now, heard, committed):
    with committed():
        refresh_forecasts(now=now + 11 * DAY)
        refresh_forecasts(now=now + 12 * DAY)

    assert heard == [(name, (8, 10), OVERDUE, "") for name in ("Bo", "Cy", "Ana")]


def test_late_goods_that_come_after_all_are_handed_out_in_turn(may_truck, now):
    at = now + 15 * DAY
    refresh_forecasts(now=at)
    receive_delivery(delivery_id=may_truck.id, now=at)

    assert given("Bo", "Cy", "Ana") == [2, 2, 2]
    assert stands("Ana", at) == (0, NO_DATE)


def test_a_release_that_slips_moves_the_dates_of_those_who_preordered(now):
    game = a_mug(stock=5, policy="preorder", releases_at=now + 10 * DAY)
    order(game, 1, "Ana")
    set_selling_policy(product=game, policy="preorder", releases_at=now + 40 * DAY)
    sweep_stock(now=now)

    assert told_to("Ana") == [(10, 10), (40, 40)]


def test_units_that_the_shops_own_till_sold_are_no_longer_promised(now):
    game = a_mug(stock=5, policy="preorder", releases_at=now + 10 * DAY)
    order(game, 3, "Ana")
    announce(game, 9, 30)
    type(game).objects.update(stock=1)
    sweep_stock(now=now)

    assert told_to("Ana") == [(10, 10), (30, 30)]
    assert anchor_of(game).queued_units == 3
