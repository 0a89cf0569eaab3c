"""The shelf of the three kinds of shops: one column that we write, no number at all, and a shop that books its own."""

import pytest
from django.db.models import F

from backorders.models import Backorder, StockItem
from backorders.services.backorders import place_backorder
from backorders.services.locks import anchor_of
from backorders.services.shelf import Shelf
from backorders.services.stock import set_on_hand, sweep_stock
from backorders.services.terms import set_selling_policy
from backorders.shop.fields import FieldAdapter
from tests.factories import ProductFactory
from tests.hosts.models import Download, Inventory, Poster, Product, Warehoused

pytestmark = pytest.mark.django_db


def mug(units):
    """One stock column, which we write."""
    return ProductFactory(stock=units)


def poster(units):
    """No number in the shop: we keep it."""
    made = Poster.objects.create(name="poster")
    set_on_hand(product=made, quantity=units)
    return made


def crate(units):
    """The shop books its own goods; we only hold some of them."""
    made = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=made, quantity=units)
    return made


every_kind = pytest.mark.parametrize("make", [mug, poster, crate])
those_we_move = pytest.mark.parametrize("make", [mug, poster])


def shelf_of(product):
    return Shelf(anchor_of(product))


@pytest.mark.parametrize(
    ("make", "is_ours", "is_movable", "moves"),
    [(mug, False, True, True), (poster, True, False, True), (crate, False, False, False)],
)
def test_a_shelf_knows_who_keeps_its_number(make, is_ours, is_movable, moves):
    shelf = shelf_of(make(5))

    assert (shelf.is_ours, shelf.is_movable, shelf.moves) == (is_ours, is_movable, moves)
    assert (shelf.read(), shelf.free()) == (5, 5)


@those_we_move
def test_goods_are_put_on_a_shelf_whose_number_we_write(make):
    shelf = shelf_of(make(5))
    shelf.put(3)

    assert shelf.read() == 8


def test_goods_are_left_to_a_shop_that_books_its_own():
    shelf = shelf_of(crate(5))
    shelf.put(3)

    assert shelf.read() == 5


@those_we_move
def test_an_order_takes_its_units(make):
    shelf = shelf_of(make(5))

    assert shelf.take(5)
    assert shelf.read() == 0


def test_an_order_in_a_shop_that_books_its_own_is_only_looked_at():
    shelf = shelf_of(crate(5))

    assert shelf.take(5)
    assert shelf.read() == 5


@every_kind
def test_an_order_for_more_than_there_is_takes_nothing(make):
    shelf = shelf_of(make(5))

    assert not shelf.take(6)
    assert shelf.read() == 5


@every_kind
def test_the_queue_gets_no_more_than_there_is(make):
    shelf = shelf_of(make(5))

    assert [shelf.set_aside(3), shelf.set_aside(3), shelf.set_aside(3)] == [3, 2, 0]
    assert shelf.free() == 0


@every_kind
def test_what_was_set_aside_cannot_be_taken_by_an_order(make):
    shelf = shelf_of(make(5))
    shelf.set_aside(4)

    assert not shelf.take(2)
    assert shelf.take(1)


@every_kind
def test_units_that_are_given_back_are_free_again(make):
    shelf = shelf_of(make(5))
    shelf.set_aside(4)
    shelf.give_back(3)

    assert shelf.free() == 4


def test_held_units_leave_with_the_shops_own_booking():
    crate_ = crate(5)
    shelf = shelf_of(crate_)
    shelf.set_aside(2)
    Inventory.objects.update(quantity=3)
    shelf.let_go(2)

    assert (shelf.read(), shelf.item.held_units, shelf.free()) == (3, 0, 3)


@those_we_move
def test_units_that_really_left_are_not_taken_off_a_second_time(make):
    shelf = shelf_of(make(5))
    shelf.set_aside(2)
    shelf.let_go(2)

    assert (shelf.read(), shelf.item.held_units) == (3, 0)


def test_more_given_back_than_was_held_is_no_debt():
    shelf = shelf_of(crate(5))
    shelf.give_back(9)
    shelf.let_go(9)

    assert (shelf.item.held_units, shelf.free()) == (0, 5)


def test_a_product_that_is_not_counted_has_always_enough():
    shelf = shelf_of(Download.objects.create(name="download", stock=None))

    assert (shelf.free(), shelf.take(1000), shelf.set_aside(1000)) == (None, True, 1000)
    shelf.put(3)
    assert shelf.read() is None


def test_a_poster_nobody_counted_yet_has_always_enough():
    shelf = shelf_of(Poster.objects.create(name="poster"))

    assert (shelf.free(), shelf.take(7), shelf.set_aside(7), shelf.item.own_quantity) == (None, True, 7, None)


@pytest.mark.parametrize("make", [mug, crate])
def test_a_product_that_was_deleted_has_an_empty_shelf(make):
    product = make(5)
    item = anchor_of(product)
    product.delete()
    shelf = Shelf(StockItem.objects.get(id=item.id))

    assert (shelf.free(), shelf.set_aside(2), shelf.take(1)) == (0, 0, False)


def test_a_model_that_is_no_longer_sold_has_an_empty_shelf(settings):
    item = anchor_of(mug(5))
    sold = {label: fields for label, fields in settings.BACKORDERS["SELLABLES"].items() if label != "hosts.Product"}
    settings.BACKORDERS = {**settings.BACKORDERS, "SELLABLES": sold}
    shelf = Shelf(item)

    assert (shelf.moves, shelf.free(), shelf.set_aside(2), shelf.take(1)) == (False, 0, 0, False)
    shelf.put(3)
    assert Product.objects.get().stock == 5


# the shop's own till


class BusyTill(FieldAdapter):
    """Somebody buys one unit in the shop right after we have read the shelf; ``after``: after which of our readings."""

    after: set[int] = set()
    readings = 0

    def stock(self, pks):
        pks = list(pks)
        found = super().stock(pks)
        BusyTill.readings += 1
        if BusyTill.readings in BusyTill.after:
            self.model.objects.filter(pk__in=pks, stock__gte=1).update(stock=F("stock") - 1)
        return found


@pytest.fixture
def till(settings):
    """Opens the till: ``till(after={1})``."""

    def open_(after):
        fields = {"ADAPTER": BusyTill, "stock": "stock", "title": "name"}
        sold = {**settings.BACKORDERS["SELLABLES"], "hosts.Product": fields}
        settings.BACKORDERS = {**settings.BACKORDERS, "SELLABLES": sold}
        BusyTill.readings, BusyTill.after = 0, set(after)

    return open_


@pytest.mark.parametrize(
    ("sales", "left"),
    [({1}, 4), ({2}, 4), ({1, 2}, 3), ({2, 4}, 3)],
    ids=["before the second look", "after the second look", "twice in one try", "once in each of two tries"],
)
def test_units_that_the_till_took_meanwhile_are_not_set_aside(till, sales, left):
    shelf = shelf_of(mug(5))
    till(after=sales)

    assert shelf.set_aside(5) == left
    assert Product.objects.get().stock == 0


def test_enough_for_both_the_till_and_the_queue_goes_to_both(till):
    shelf = shelf_of(mug(5))
    till(after={1, 2})

    assert (shelf.set_aside(3), Product.objects.get().stock) == (3, 0)


def test_a_till_that_never_rests_is_left_to_the_next_sweep(till):
    shelf = shelf_of(mug(50))
    till(after=range(1, 100))

    assert shelf.set_aside(50) == 0
    assert Product.objects.get().stock == 50 - BusyTill.readings


def test_the_queue_is_promised_only_what_was_really_set_aside(till, now):
    product = mug(0)
    set_selling_policy(product=product, policy="backorder")
    place_backorder(product=product, quantity=2, reference="A-1", email="a@example.com", now=now)
    Product.objects.update(stock=2)
    till(after={4})
    sweep_stock(now=now)

    line = Backorder.objects.get()
    assert (line.state, line.allocated_quantity, Product.objects.get().stock) == ("waiting", 1, 0)
    assert anchor_of(product).queued_units == 1
