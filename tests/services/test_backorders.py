"""The queue: a fair place, a date, units when they come."""

import datetime as dt

import pytest

from backorders.domain.windows import NO_DATE
from backorders.errors import InvalidAddress, InvalidQuantity, LimitReached, NotCancellable, NotOrderable
from backorders.models import Allocation, Backorder, OutgoingMail, Promise, StockItem
from backorders.queries.availability import availability_of
from backorders.queries.backorders import places_of
from backorders.services.backorders import cancel_backorder, give_up_place, place_backorder, ship_backorder
from backorders.services.locks import anchor_of
from backorders.services.stock import stock_changed
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory
from tests.hosts.models import Inventory, Product, Warehoused

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def mug():
    product = ProductFactory(stock=0)
    set_selling_policy(product=product, policy="backorder")
    return product


def order(product, quantity, reference, now, email="a@example.com"):
    return place_backorder(product=product, quantity=quantity, reference=reference, email=email, now=now)


def receive(product, units, now):
    today = now.date()
    delivery = expect_delivery(product=product, quantity=units, earliest=today, latest=today, now=now)
    return receive_delivery(delivery_id=delivery.id, now=now)


def test_whoever_ordered_first_is_served_first(mug, now):
    first = order(mug, 2, "A", now)
    second = order(mug, 3, "B", now + dt.timedelta(minutes=1))
    receive(mug, 3, now)
    first.refresh_from_db()
    second.refresh_from_db()

    assert (first.state, first.needs, second.state, second.needs) == ("filled", 0, "waiting", 2)


def test_a_place_says_position_units_and_date(mug, now):
    today = now.date()
    expect_delivery(product=mug, quantity=3, earliest=today + DAY, latest=today + 2 * DAY, now=now)
    expect_delivery(product=mug, quantity=3, earliest=today + 9 * DAY, latest=today + 9 * DAY, now=now)
    for n, quantity in enumerate((2, 2, 5)):
        order(mug, quantity, f"line-{n}", now + n * dt.timedelta(minutes=1))
    places = places_of([f"line-{n}" for n in range(3)] + ["unknown"], now)

    assert [place.position for place in places.values()] == [1, 2, 3]
    assert places["line-0"].window.latest == today + 2 * DAY
    assert places["line-1"].window.latest == today + 9 * DAY
    assert places["line-2"].window == NO_DATE


def test_the_first_promise_is_kept_on_record(mug, now):
    today = now.date()
    delivery = expect_delivery(product=mug, quantity=3, earliest=today + DAY, latest=today + 2 * DAY, now=now)
    order(mug, 1, "A", now)
    promise = Promise.objects.get()

    assert (promise.earliest_on, promise.latest_on, promise.delivery) == (today + DAY, today + 2 * DAY, delivery)


def test_the_same_order_line_stands_in_the_queue_once(mug, now):
    assert order(mug, 2, "A", now) == order(mug, 2, "A", now)
    assert anchor_of(mug).queued_units == 2


def test_more_than_the_limit_is_refused_with_what_is_possible(mug, now):
    set_selling_policy(product=mug, policy="backorder", backorder_limit=5)
    order(mug, 3, "A", now)
    with pytest.raises(LimitReached, match="Lower the quantity to 2") as refusal:
        order(mug, 3, "B", now)

    assert (refusal.value.asked, refusal.value.possible) == (3, 2)
    assert Backorder.objects.count() == 1


def test_a_product_that_stops_selling_takes_no_backorder(now):
    with pytest.raises(NotOrderable, match="out of stock"):
        order(ProductFactory(stock=0), 1, "A", now)
    assert Backorder.objects.count() == 0


@pytest.mark.parametrize("quantity", [0, -5, 1.5, 2**63, True, "3", None])
def test_a_quantity_that_is_none_is_refused(mug, quantity, now):
    with pytest.raises(InvalidQuantity):
        order(mug, quantity, "A", now)


def test_an_address_that_is_none_leaves_nothing_behind(mug, now):
    with pytest.raises(InvalidAddress):
        order(mug, 1, "A", now, email="a@b.com\r\nBcc: x@y.com")
    assert Backorder.objects.count() == OutgoingMail.objects.count() == anchor_of(mug).queued_units == 0


def test_cancelling_gives_the_units_to_the_next_in_line(mug, now, worker):
    first = order(mug, 2, "A", now)
    second = order(mug, 2, "B", now + dt.timedelta(minutes=1))
    receive(mug, 2, now)
    cancel_backorder(backorder_id=first.id, now=now)
    worker(now)
    second.refresh_from_db()

    assert second.state == "filled"
    assert (anchor_of(mug).queued_units, Product.objects.get().stock) == (0, 0)


def test_cancelling_twice_is_refused(mug, now):
    backorder = order(mug, 2, "A", now)
    cancel_backorder(backorder_id=backorder.id, now=now)
    with pytest.raises(NotCancellable, match="is cancelled"):
        cancel_backorder(backorder_id=backorder.id, now=now)


def test_a_filled_line_is_shipped_once(mug, now):
    backorder = order(mug, 2, "A", now)
    receive(mug, 2, now)
    assert ship_backorder(backorder_id=backorder.id, now=now).state == "shipped"
    with pytest.raises(NotCancellable):
        cancel_backorder(backorder_id=backorder.id, now=now)


def test_customers_are_mailed_when_they_join_and_when_they_are_served(mug, now, worker, outbox):
    order(mug, 1, "A", now)
    worker(now)
    receive(mug, 1, now)
    worker(now)

    sent = OutgoingMail.objects.filter(state="sent").order_by("id")
    assert [mail.kind for mail in sent] == ["backorder_placed", "backorder_filled"]
    assert len(outbox) == 2


def test_a_preorder_is_not_served_before_its_release(now, worker):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="preorder", releases_at=now + 10 * DAY)
    backorder = order(mug, 1, "A", now)
    assert backorder.is_preorder
    receive(mug, 1, now)
    backorder.refresh_from_db()
    assert backorder.state == "waiting"

    worker(now + 11 * DAY)
    backorder.refresh_from_db()
    assert backorder.state == "filled"


def test_a_shop_that_books_its_own_stock_keeps_the_units_in_its_number_but_not_for_sale(now):
    crate = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=crate, quantity=0)
    set_selling_policy(product=crate, policy="backorder")
    backorder = order(crate, 2, "A", now)
    Inventory.objects.update(quantity=5)
    stock_changed(crate, now=now)

    assert (anchor_of(crate).held_units, availability_of(crate, now).for_sale.value) == (2, 3)
    Inventory.objects.update(quantity=3)  # the shop sends the order and books it off
    ship_backorder(backorder_id=backorder.id, now=now)
    assert availability_of(crate, now).for_sale.value == 3


def test_counters_equal_what_the_rows_say(mug, now):
    for n in range(5):
        order(mug, n + 1, f"{n}", now + n * dt.timedelta(seconds=1))
    receive(mug, 7, now)
    cancel_backorder(backorder_id=Backorder.objects.waiting().first().id, now=now)
    item = StockItem.objects.get()

    assert item.queued_units == sum(line.needs for line in Backorder.objects.waiting())
    given = sum(line.allocated_quantity for line in Backorder.objects.all())
    assert sum(Allocation.objects.values_list("quantity", flat=True)) == given == 6  # one came back from who left


def test_giving_up_a_place_takes_what_waits_and_leaves_what_is_set_aside(mug, now):
    line = order(mug, 3, "A", now)
    receive(mug, 1, now)
    line = give_up_place(backorder_id=line.id, waiting=2, now=now)
    assert (line.state, line.allocated_quantity, line.cancelled_quantity) == ("filled", 1, 2)
    assert StockItem.objects.get().queued_units == 0


@pytest.mark.parametrize("seen", [1, 3, 4])
def test_a_place_that_has_changed_since_it_was_seen_is_not_given_up(mug, now, seen):
    line = order(mug, 3, "A", now)
    receive(mug, 1, now)
    with pytest.raises(NotCancellable) as refused:
        give_up_place(backorder_id=line.id, waiting=seen, now=now)
    assert (refused.value.asked, refused.value.possible) == (seen, 2)
    assert Backorder.objects.get().cancelled_quantity == 0


@pytest.mark.parametrize("seen", [0, -1, "2", 1.0, None])
def test_a_number_that_nobody_saw_is_refused(mug, now, seen):
    line = order(mug, 3, "A", now)
    with pytest.raises(InvalidQuantity):
        give_up_place(backorder_id=line.id, waiting=seen, now=now)
