"""What the page says, what the basket says and what the order is promised are one thing, whatever was last seen of the shelf."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backorders.domain.windows import NO_DATE
from backorders.errors import InvalidQuantity, LimitReached, NotShippable, ReferenceTaken
from backorders.models import Backorder, StockEvent
from backorders.queries.availability import availability_of
from backorders.queries.backorders import promise_for
from backorders.services.backorders import prioritise, ship_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.stock import sweep_stock
from backorders.services.terms import set_selling_policy
from tests.factories import CustomerFactory
from tests.hosts.models import Product
from tests.stories import DAY, TODAY, a_mug, announce, arrive, line, order

pytestmark = pytest.mark.django_db


def buy(product, units, reference, now, **about):
    [placed] = check_out(lines=[Line(product, units, reference)], email="a@example.com", now=now, **about)
    return placed


def test_goods_that_the_shop_sold_itself_are_promised_to_nobody(now):
    mug = a_mug(stock=10)
    Product.objects.update(stock=0)
    placed = buy(mug, 3, "a", now)

    assert (placed.on_hand, placed.backordered, placed.window) == (0, 3, NO_DATE)


def test_nor_when_a_delivery_is_on_its_way(now):
    mug = a_mug(stock=10)
    announce(mug, 20, 10)
    Product.objects.update(stock=0)

    assert buy(mug, 3, "a", now).window.latest == TODAY + 10 * DAY
    sweep_stock(now=now)
    assert line("a").promises.count() == 1


def test_the_page_names_the_day_that_the_order_is_promised_behind_all_deliveries(now):
    mug = a_mug(lead_days=5)
    announce(mug, 5, 60)
    order(mug, 5, "r1")
    said = availability_of(mug, now).window

    assert said.latest == buy(mug, 1, "a", now).window.latest == TODAY + 60 * DAY


@pytest.mark.parametrize("units", [1, 5, 6, 8, 25, 26])
def test_the_basket_names_the_day_that_the_order_is_promised(units, now):
    mug = a_mug(stock=5)
    announce(mug, 20, 30, 40)
    said = promise_for(mug, units, now)
    placed = buy(mug, units, "a", now)

    assert placed.backordered == max(0, units - 5)
    assert not placed.backordered or (said.is_known, getattr(said, "latest", None)) == (
        placed.window.is_known,
        getattr(placed.window, "latest", None),
    )


def test_a_number_that_is_none_is_promised_nothing(now):
    with pytest.raises(InvalidQuantity):
        promise_for(a_mug(), -5, now)


def test_a_release_dates_nothing_beyond_what_is_announced(now):
    mug = a_mug(policy="preorder", releases_at=now + 10 * DAY)
    announce(mug, 5, 8)
    announce(mug, 5, 40)
    order(mug, 10, "a")

    assert order(mug, 1, "b").promise == NO_DATE


def test_nothing_ships_before_a_release_that_was_set_later(now):
    mug = a_mug()
    order(mug, 1, "a")
    arrive(mug, 1)
    set_selling_policy(product=mug, policy="preorder", releases_at=now + 30 * DAY)

    with pytest.raises(NotShippable) as refused:
        ship_backorder(backorder_id=line("a").id, now=now)
    assert refused.value.until == TODAY + 30 * DAY
    assert ship_backorder(backorder_id=line("a").id, now=now + 30 * DAY).state == "shipped"


def test_an_order_line_belongs_to_who_placed_it(now):
    mug = a_mug()
    first = order(mug, 2, "r", email="a@example.com")

    assert order(mug, 2, "r", email="A@example.com").id == first.id
    for other in ({"email": "b@example.com"}, {"quantity": 3}):
        with pytest.raises(ReferenceTaken):
            order(mug, other.get("quantity", 2), "r", email=other.get("email", "a@example.com"))
    assert Backorder.objects.count() == 1


def test_a_customers_limit_follows_the_account_and_ends_with_the_parcel(now):
    mug, ana = a_mug(customer_limit=2), CustomerFactory()
    order(mug, 2, "a", email="one@example.com", customer=ana)
    with pytest.raises(LimitReached) as refused:
        order(mug, 1, "b", email="two@example.com", customer=ana)
    assert refused.value.possible == 0

    arrive(mug, 2)
    ship_backorder(backorder_id=line("a").id, now=now)
    assert order(mug, 2, "c", email="one@example.com", customer=ana).quantity == 2


def test_a_priority_that_was_given_once_does_not_make_every_later_order_read_the_queue(now):
    mug = a_mug()
    announce(mug, 100, 9)
    for n in range(20):
        order(mug, 1, f"line {n}")
    prioritise(backorder_id=line("line 3").id, priority=-1, now=now)
    prioritise(backorder_id=line("line 3").id, priority=0, now=now)
    with CaptureQueriesContext(connection) as queries:
        buy(mug, 1, "last", now + dt.timedelta(hours=1))

    assert not [q for q in queries.captured_queries if "ORDER BY" in q["sql"] and "rank_at" in q["sql"]]
    assert line("last").promise.latest == TODAY + 9 * DAY


def test_units_that_are_kept_for_somebody_are_looked_at_quietly(now):
    mug = a_mug()
    order(mug, 5, "all or nothing", fill="whole_line")
    Product.objects.update(stock=3)
    for _ in range(4):
        sweep_stock(now=now)

    assert StockEvent.objects.count() == 1
