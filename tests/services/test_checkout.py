"""One order: what leaves now, what later, all or nothing."""

import datetime as dt

import pytest

from backorders.errors import KeyReused, LimitReached, NotOrderable
from backorders.models import Backorder, StockEvent
from backorders.services.checkout import Line, check_out
from backorders.services.stock import set_selling_policy
from backorders.services.supply import expect_delivery
from tests.factories import ProductFactory
from tests.hosts.models import Product

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
