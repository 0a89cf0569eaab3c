"""Goods that come back, and goods that are gone: the queue before the shelf, the shelf before the queue."""

import pytest

from backorders.errors import InvalidQuantity, NotEnoughLeft, NotSellable
from backorders.models import StockEvent
from backorders.queries.availability import availability_of
from backorders.services.locks import anchor_of
from backorders.services.stock import return_units, set_on_hand, write_off
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory, told, waiting_for
from tests.hosts.models import Poster, Product, Vehicle
from tests.stories import a_mug, arrive, given, order

pytestmark = pytest.mark.django_db


def test_what_comes_back_goes_to_the_queue_before_the_shelf(now):
    mug = a_mug()
    order(mug, 2, "A")
    booked = return_units(product=mug, quantity=3, reason="too blue", now=now)

    assert (given("A"), Product.objects.get().stock, booked.settled.for_sale) == ([2], 1, 1)
    assert StockEvent.objects.get(kind="returned").note == "too blue"


def test_what_is_left_of_a_return_is_told_to_those_who_wait_for_the_shelf(now, worker):
    mug = a_mug()
    rows = waiting_for(mug, 2)
    order(mug, 1, "A")
    return_units(product=mug, quantity=2, now=now)
    worker(now)

    assert len(told(rows)) == 1


@pytest.mark.parametrize("book", [return_units, write_off])
def test_a_repeated_reference_is_booked_once(book, now):
    mug = ProductFactory(stock=5)
    first, again = [book(product=mug, quantity=1, reference="R-7", now=now) for _ in range(2)]

    assert (first.was_repeated, again.was_repeated, again.units) == (False, True, 0)
    assert Product.objects.get().stock in (4, 6)


def test_a_return_and_a_loss_may_share_a_reference(now):
    mug = ProductFactory(stock=5)
    return_units(product=mug, quantity=2, reference="case 7", now=now)

    assert not write_off(product=mug, quantity=2, reference="case 7", now=now).was_repeated
    assert Product.objects.get().stock == 5


def test_the_same_reference_counts_once_for_each_product(now):
    for mug in ProductFactory.create_batch(2, stock=5):
        assert not return_units(product=mug, quantity=1, reference="R-7", now=now).was_repeated


def test_nothing_is_lost_that_is_not_there(now):
    mug = a_mug()
    order(mug, 2, "A")
    arrive(mug, 3, now=now)
    events = StockEvent.objects.count()
    with pytest.raises(NotEnoughLeft, match="4 units .* only 3 .* Book at most 3"):
        write_off(product=mug, quantity=4, reference="R", now=now)

    assert (StockEvent.objects.count(), Product.objects.get().stock, given("A")) == (events, 1, [2])
    assert not write_off(product=mug, quantity=3, reference="R", now=now).was_repeated


def test_a_number_we_keep_ourselves_moves_too(now):
    poster = Poster.objects.create(name="poster")
    set_on_hand(product=poster, quantity=1, now=now)
    set_selling_policy(product=poster, policy="backorder")
    order(poster, 3, "A")
    return_units(product=poster, quantity=1, now=now)
    assert (anchor_of(poster).own_quantity, given("A")) == (0, [2])  # both: the one on the shelf was owed as well

    write_off(product=poster, quantity=1, now=now)
    assert given("A") == [1]


def test_a_product_that_is_not_counted_loses_and_gains_nothing_we_could_count(now):
    poster = Poster.objects.create(name="poster")
    write_off(product=poster, quantity=3, now=now)

    assert availability_of(poster, now).for_sale.is_unlimited


@pytest.mark.parametrize("book", [return_units, write_off])
@pytest.mark.parametrize("quantity", [0, -5, 1.5, "3", True, 2**63, None])
def test_a_quantity_that_is_none_books_nothing(book, quantity, now):
    with pytest.raises(InvalidQuantity):
        book(product=ProductFactory(stock=5), quantity=quantity, now=now)
    assert (StockEvent.objects.count(), Product.objects.get().stock) == (0, 5)


@pytest.mark.parametrize("book", [return_units, write_off])
def test_what_nobody_sells_cannot_be_booked(book, now):
    with pytest.raises(NotSellable):
        book(product=Vehicle.objects.create(name="tram"), quantity=1, now=now)
