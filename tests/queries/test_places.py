"""Where order lines stand: as the sorted queue has them, for many at once, in a fixed number of queries."""

import datetime as dt
import random

import pytest

from backorders.domain.windows import NO_DATE
from backorders.models import Backorder
from backorders.queries.backorders import places_of, places_of_lines, places_of_order
from backorders.services.backorders import cancel_backorder, ship_backorder
from tests.stories import a_mug, announce, arrive, line, order

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seed", range(8))
def test_positions_are_those_of_the_sorted_queue(seed, now):
    dice, mugs = random.Random(seed), [a_mug(), a_mug()]
    for n in range(30):
        at = now + dt.timedelta(minutes=dice.randint(0, 20))
        order(dice.choice(mugs), dice.randint(1, 3), f"{n}", now=at, priority=dice.choice([0, 0, 0, 1, -1]))
    for mug in mugs:
        arrive(mug, dice.randint(0, 12) or 1, now=now + dt.timedelta(hours=1))
    for gone in dice.sample(list(Backorder.objects.waiting()), 4):
        cancel_backorder(backorder_id=gone.id, now=now)

    places = places_of([f"{n}" for n in range(30)], now)
    for item in {one.item_id for one in Backorder.objects.all()}:
        waiting = Backorder.objects.filter(item=item, state="waiting")
        queue = sorted(waiting, key=lambda one: (one.rank_class, one.rank_at, one.id))
        assert [places[one.reference].position for one in queue] == list(range(1, len(queue) + 1))
    assert all(place.position == 0 for place in places.values() if place.state != "waiting")


def test_a_hundred_places_cost_two_queries(django_assert_num_queries, now):
    mug = a_mug()
    for n in range(100):
        order(mug, 1, f"{n}")
    with django_assert_num_queries(2):
        places = places_of([f"{n}" for n in range(100)] + ["unknown"], now)
    lines = list(Backorder.objects.all())
    with django_assert_num_queries(1):
        at_hand = places_of_lines(lines, now)

    assert len(places) == len(at_hand) == 100


def test_a_place_counts_what_came_what_left_and_what_was_given_up(now):
    mug = a_mug()
    order(mug, 6, "A")
    arrive(mug, 3, now=now)
    ship_backorder(backorder_id=line("A").id, quantity=2, now=now)
    cancel_backorder(backorder_id=line("A").id, quantity=1, now=now)
    place = places_of(["A"], now)["A"]

    assert (place.quantity, place.allocated, place.shipped, place.cancelled, place.waiting) == (6, 3, 2, 1, 2)
    assert (place.position, place.window) == (1, NO_DATE)


def test_a_line_that_was_given_up_and_ordered_again_stands_where_the_new_one_does(now):
    mug = a_mug()
    announce(mug, 9, 5)
    cancel_backorder(backorder_id=order(mug, 1, "A", priority=1).id, now=now)
    order(mug, 2, "A")
    place = places_of(["A"], now)["A"]

    assert (place.quantity, place.position, place.window.is_known) == (2, 1, True)


def test_the_lines_of_an_order_in_the_order_in_which_they_were_placed(now):
    cup, pot = a_mug(), a_mug()
    for product, name in ((pot, "A-1"), (cup, "A-2")):
        order(product, 1, name, order_reference="A")
    order(cup, 1, "B")

    assert [place.reference for place in places_of_order("A", now)] == ["A-1", "A-2"]
    assert places_of_order("", now) == []
