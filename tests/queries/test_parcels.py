"""What a cart is told is what the till then does."""

import itertools
import random
from types import SimpleNamespace

import pytest

from backorders.domain.parcels import Outlook
from backorders.domain.windows import NO_DATE
from backorders.errors import InvalidQuantity, NotSellable
from backorders.models import Backorder
from backorders.queries.parcels import outlook_for
from backorders.services.checkout import Line, check_out
from tests.conftest import NOW
from tests.factories import ProductFactory
from tests.hosts.models import Product
from tests.stories import DAY, TODAY, a_mug, announce, order

pytestmark = pytest.mark.django_db


def cart(*lines):
    return [SimpleNamespace(product=product, quantity=quantity) for product, quantity in lines]


def said(lines):
    """(now, later, window) of each line, of products as a page has just loaded them."""
    fresh = Product.objects.in_bulk([line.product.pk for line in lines])
    shares = outlook_for(cart(*((fresh[line.product.pk], line.quantity) for line in lines)), NOW).shares
    return [(share.now, share.later, share.window) for share in shares]


def done(lines):
    wanted = [Line(line.product, line.quantity, f"L-{number}") for number, line in enumerate(lines)]
    placed = check_out(lines=wanted, email="ana@example.com", now=NOW)
    return [(each.on_hand, each.backordered, days_of(each.window)) for each in placed]


def days_of(window):
    """What a row keeps of a promise: its days."""
    return (window.earliest, window.latest) if window.is_known else None


@pytest.mark.parametrize("seed", range(12))
def test_every_cart_is_told_what_check_out_then_does(seed):
    draw = random.Random(seed)
    mugs = [a_mug(stock=draw.choice([0, 0, 1, 4]), safety_stock=draw.choice([0, 0, 1])) for _ in range(3)]
    for mug, days in itertools.product(mugs, (4, 9)):
        if draw.random() < 0.7:
            announce(mug, draw.randint(1, 6), days, days + draw.randint(0, 3))
    for number, mug in enumerate(mugs):
        for place in range(draw.randint(0, 2)):
            if mug.stock == 0:
                order(mug, draw.randint(1, 4), f"before {number} {place}")
    lines = cart(*((draw.choice(mugs), draw.randint(1, 5)) for _ in range(4)))

    foretold = [(now, later, days_of(window)) for now, later, window in said(lines)]
    assert foretold == done(lines)


def test_several_lines_of_one_product_share_what_is_there_the_first_one_first():
    mug = a_mug(stock=3)
    announce(mug, 2, 4)
    lines = cart((mug, 2), (mug, 3), (mug, 1))
    assert [(now, later, days_of(window)) for now, later, window in said(lines)] == [
        (2, 0, None),
        (1, 2, (TODAY + 4 * DAY, TODAY + 4 * DAY)),
        (0, 1, None),
    ]


def test_a_line_that_cannot_be_ordered_as_it_is_ships_nothing():
    plain, short = ProductFactory(stock=2), a_mug(backorder_limit=1)
    outlook = outlook_for(cart((plain, 3), (short, 2)), NOW)
    assert [(share.is_possible, share.now, share.later) for share in outlook.shares] == [(False, 0, 0)] * 2
    assert (outlook.parcels, outlook.has_choice) == ((), False)


def test_parcels_are_in_the_order_in_which_they_come():
    here, soon, late, unknown = a_mug(stock=2), a_mug(), a_mug(), a_mug()
    announce(soon, 5, 4)
    announce(late, 5, 20)
    outlook = outlook_for(cart((unknown, 1), (late, 2), (here, 2), (soon, 3)), NOW)

    assert [(parcel.units, parcel.is_now, days_of(parcel.window)) for parcel in outlook.parcels] == [
        (2, True, None),
        (3, False, (TODAY + 4 * DAY,) * 2),
        (2, False, (TODAY + 20 * DAY,) * 2),
        (1, False, None),
    ]
    assert outlook.window == NO_DATE and outlook.has_choice
    together = outlook_for(cart((here, 2), (soon, 3), (late, 2)), NOW).window
    assert days_of(together) == (TODAY + 20 * DAY,) * 2


def test_there_is_nothing_to_choose_where_all_comes_at_once():
    here, soon = a_mug(stock=5), a_mug()
    announce(soon, 5, 4)
    assert not outlook_for(cart((here, 1), (here, 2)), NOW).has_choice
    assert not outlook_for(cart((soon, 1), (soon, 2)), NOW).has_choice
    assert outlook_for(cart((here, 1), (soon, 2)), NOW).has_choice
    assert outlook_for([], NOW) == Outlook()


def test_four_queries_however_long_the_cart(django_assert_max_num_queries):
    mugs = [a_mug(stock=number % 2, policy="backorder") for number in range(12)]
    for mug in mugs:
        delivery = announce(mug, 5, 4)
    order(mugs[-2], 1, "pinned", pinned_to=None)
    order(mug, 1, "to this one", pinned_to=delivery.id)
    fresh = list(Product.objects.all())
    with django_assert_max_num_queries(4):
        assert outlook_for(cart(*((mug, 3) for mug in fresh)), NOW).later == 30


def test_nonsense_is_refused_and_nothing_is_written():
    with pytest.raises(InvalidQuantity):
        outlook_for(cart((a_mug(), 0)))
    with pytest.raises(NotSellable):
        outlook_for(cart(("a mug", 1)))
    assert not Backorder.objects.exists()


def test_what_is_not_released_yet_is_dated_by_its_release():
    album = a_mug(stock=5, policy="preorder", releases_at=NOW + 9 * DAY)
    [(now, later, window)] = said(cart((album, 2)))
    assert (now, later, window.latest) == (0, 2, TODAY + 9 * DAY)
