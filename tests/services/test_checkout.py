"""One order: what leaves now, what later, all or nothing."""

import datetime as dt

import pytest

from backorders.errors import KeyReused, LimitReached, NotOrderable
from backorders.models import Backorder, StockEvent
from backorders.services.checkout import Line, check_out
from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory
from tests.hosts.models import Download, Product
from tests.stories import a_mug, announce, order

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def test_seven_ordered_five_here_two_later(now):
    mug, today = ProductFactory(stock=5), now.date()
    set_selling_policy(product=mug, policy="backorder")
    expect_delivery(product=mug, quantity=9, earliest=today + DAY, latest=today + 2 * DAY, now=now)
    [placed] = check_out(lines=[Line(mug, 7, "A-1")], email="a@example.com", now=now)

    assert (placed.on_hand, placed.backordered, placed.window.latest) == (5, 2, today + 2 * DAY)
    assert Product.objects.get().stock == 0


def test_one_line_that_cannot_be_had_undoes_the_whole_order(now):
    here, gone = ProductFactory(stock=5), ProductFactory(stock=0)
    with pytest.raises(NotOrderable):
        check_out(lines=[Line(here, 1, "A-1"), Line(gone, 1, "A-2")], email="a@example.com", now=now)

    here.refresh_from_db()
    assert here.stock == 5
    assert StockEvent.objects.count() == Backorder.objects.count() == 0


def test_only_what_is_here_refuses_the_rest_with_the_number(now):
    mug = ProductFactory(stock=5)
    set_selling_policy(product=mug, policy="backorder")
    with pytest.raises(LimitReached) as refusal:
        check_out(lines=[Line(mug, 7, "A-1")], email="a@example.com", ship="in_stock_only", now=now)

    assert refusal.value.possible == 5


def test_a_repeated_key_returns_the_first_answer_and_takes_nothing_again(now):
    mug = ProductFactory(stock=5)
    set_selling_policy(product=mug, policy="backorder")
    order = {"email": "a@example.com", "idempotency_key": "k-1", "now": now}
    first = check_out(lines=[Line(mug, 7, "A-1")], **order)
    again = check_out(lines=[Line(mug, 7, "A-1")], **order)

    assert [(p.on_hand, p.backordered) for p in first] == [(p.on_hand, p.backordered) for p in again] == [(5, 2)]
    assert Backorder.objects.get().quantity == 2


def test_a_key_that_comes_back_with_another_order_is_refused(now):
    mug = ProductFactory(stock=5)
    check_out(lines=[Line(mug, 1, "A-1")], email="a@example.com", idempotency_key="k", now=now)
    with pytest.raises(KeyReused):
        check_out(lines=[Line(mug, 2, "A-1")], email="a@example.com", idempotency_key="k", now=now)

    mug.refresh_from_db()
    assert mug.stock == 4


def test_two_lines_of_one_product_share_its_shelf(now):
    mug = ProductFactory(stock=3)
    set_selling_policy(product=mug, policy="backorder")
    placed = check_out(lines=[Line(mug, 2, "A-1"), Line(mug, 2, "A-2")], email="a@example.com", now=now)

    assert [(p.on_hand, p.backordered) for p in placed] == [(2, 0), (1, 1)]


def test_units_that_are_owed_cannot_be_bought_past_the_queue(now):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    check_out(lines=[Line(mug, 4, "A-1")], email="a@example.com", now=now)
    Product.objects.update(stock=4)  # the truck came, nobody has looked yet
    set_selling_policy(product=mug, policy="stop")
    with pytest.raises(NotOrderable):
        check_out(lines=[Line(mug, 1, "B-1")], email="b@example.com", now=now)


# whole orders, several products, replays


def test_the_rest_of_an_order_is_promised_behind_those_who_wait(now):
    mug = a_mug()
    announce(mug, 4, 3)
    announce(mug, 9, 20)
    order(mug, 3, "first")
    cup = a_mug(stock=1)
    lines = [Line(mug, 2, "A-1"), Line(cup, 1, "A-2")]
    placed = check_out(lines=lines, email="a@example.com", now=now)

    assert [(one.on_hand, one.backordered, one.line) for one in placed] == [(0, 2, lines[0]), (1, 0, lines[1])]
    assert placed[0].window.latest == now.date() + 20 * DAY


def test_only_what_is_here_is_here_now_and_the_refusal_says_so(now):
    mug = a_mug(stock=5)
    announce(mug, 9, 20)
    with pytest.raises(LimitReached, match=f"5 can be ordered, by {now.date()}") as refusal:
        check_out(lines=[Line(mug, 7, "A-1")], email="a@example.com", ship="in_stock_only", now=now)
    assert refusal.value.window.latest == now.date()


def test_an_order_that_ships_together_stands_in_line_as_one(now):
    cup, pot = a_mug(), a_mug()
    check_out(lines=[Line(cup, 1, "A-1"), Line(pot, 1, "A-2")], email="a@example.com", ship="together", now=now)
    lines = list(Backorder.objects.all())

    assert {line.fill for line in lines} == {"whole_order"}
    assert len({line.order_reference for line in lines}) == 1 and lines[0].order_reference


def test_a_replay_years_later_still_says_what_was_said_then(now):
    mug = a_mug(stock=1)
    announce(mug, 9, 20)
    order = {"lines": [Line(mug, 3, "A-1")], "email": "a@example.com", "idempotency_key": "k-1"}
    first = check_out(**order, now=now)

    assert check_out(**order, now=now + 900 * DAY) == first
    assert (first[0].on_hand, first[0].backordered, first[0].window.latest) == (1, 2, now.date() + 20 * DAY)


def test_a_replay_with_new_names_of_its_lines_is_the_same_order(now):
    mug = a_mug(stock=1)
    for name in ("A-1", "B-1"):
        check_out(lines=[Line(mug, 2, name)], email="a@example.com", idempotency_key="k", now=now)

    assert [line.reference for line in Backorder.objects.all()] == ["A-1"]


def test_a_refused_order_leaves_its_key_free(now):
    mug = a_mug(stock=1, backorder_limit=1)
    with pytest.raises(LimitReached):
        check_out(lines=[Line(mug, 3, "A-1")], email="a@example.com", idempotency_key="k", now=now)

    assert check_out(lines=[Line(mug, 2, "A-1")], email="a@example.com", idempotency_key="k", now=now)[0].on_hand == 1


def test_what_shoppers_cannot_see_cannot_be_bought(now):
    mug = ProductFactory(stock=5, is_visible=False)
    with pytest.raises(NotOrderable):
        check_out(lines=[Line(mug, 1, "A-1")], email="a@example.com", now=now)


def test_an_order_with_a_line_for_a_model_that_is_not_counted(now):
    file = Download.objects.create(name="film")
    [placed] = check_out(lines=[Line(file, 500, "A-1")], email="a@example.com", now=now)

    assert (placed.on_hand, placed.backordered) == (500, 0)
