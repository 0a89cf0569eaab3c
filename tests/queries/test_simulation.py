"""What would happen if goods arrived now is what then happens."""

import datetime as dt
import random

import pytest
from django.db import transaction

from backorders.domain.allocation import Fill
from backorders.errors import InvalidQuantity, PinFull
from backorders.models import Backorder, Subscription, Wave
from backorders.queries.simulation import simulate_arrival
from backorders.services.backorders import cancel_backorder
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock
from backorders.services.supply import receive_delivery
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Poster, Product
from tests.stories import DAY, a_mug, announce, arrive, given, order
from tests.thoroughness import cases

pytestmark = pytest.mark.django_db


def a_queue(dice, now):
    """A product somewhere in its life: a queue of all kinds of lines, pins, a shelf, people who wait."""
    release = dice.choice([None, None, None, now + DAY, now - DAY])
    policy = "preorder" if release else "backorder"
    mug = a_mug(policy=policy, releases_at=release, safety_stock=dice.choice([None, None, 2]))
    delivery = announce(mug, dice.randint(4, 9), 0)
    others = [announce(mug, dice.randint(2, 6), 3) for _ in range(dice.randint(0, 2))]
    set_selling_policy(product=mug, policy="backorder", safety_stock=dice.choice([None, None, 2]))
    for n in range(dice.randint(0, 7)):
        pinned_to = dice.choice([None, None, None, delivery.id, *[other.id for other in others]])
        units = dice.randint(1, 2 if pinned_to else 4)
        wish = {"fill": dice.choice(list(Fill)), "priority": dice.choice([0, 0, 1, -1]), "pinned_to": pinned_to}
        try:
            with transaction.atomic():
                order(mug, units, f"{n}", order_reference=dice.choice(["", "X", "Y"]), email="a@example.com", **wish)
        except PinFull:
            order(mug, units, f"{n}")
    if dice.random() < 0.4:
        arrive(mug, dice.randint(1, 4), now=now)
    if dice.random() < 0.3 and (gone := Backorder.objects.filter(item=anchor_of(mug)).first()):
        cancel_backorder(backorder_id=gone.id, now=now)
    set_selling_policy(product=mug, policy=policy, releases_at=release, safety_stock=dice.choice([None, None, 2]))
    sweep_stock(now=now)
    return mug, delivery


@pytest.mark.parametrize("rule", ["strict", "skip"])
@pytest.mark.parametrize("seed", range(cases(20)))
def test_it_happens_as_it_was_foreseen(seed, rule, now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "ALLOCATION": rule, "MOST_OVERTAKES": seed % 4}
    dice = random.Random(f"{seed} {rule}")
    mug, delivery = a_queue(dice, now)
    waiting_for(mug, dice.randint(0, 5), quantity=dice.choice([1, 1, 2]))
    units = dice.randint(1, delivery.outstanding)
    had = dict(Backorder.objects.values_list("id", "allocated_quantity"))
    foreseen = simulate_arrival(product=mug, units=units, delivery_id=delivery.id, now=now)
    assert had == dict(Backorder.objects.values_list("id", "allocated_quantity"))

    arrival = receive_delivery(delivery_id=delivery.id, quantity=units, now=now)
    has = Backorder.objects.in_line().values_list("id", "allocated_quantity", "state")
    assert {line.backorder_id: line.units for line in foreseen.served} == {
        key: units - had[key] for key, units, _ in has if units > had[key]
    }
    assert {line.backorder_id for line in foreseen.passed} == {key for key, _, state in has if state == "waiting"}
    assert foreseen.complete == sum(1 for key, units, state in has if state == "filled" and units > had[key])
    assert foreseen.for_sale == arrival.settled.for_sale
    release_waves(now=now)
    assert sum(foreseen.waves[:1]) == Subscription.objects.filter(state="told").count()


def test_a_product_that_was_never_touched_just_fills_its_shelf(now):
    assert simulate_arrival(product=ProductFactory(stock=4), units=3, now=now).for_sale == 7


def test_a_product_that_is_not_counted_serves_everybody(now):
    poster = Poster.objects.create(name="poster")
    simulation = simulate_arrival(product=poster, units=3, now=now)

    assert (simulation.served, simulation.passed, simulation.told) == ((), (), 0)


def test_it_names_the_line_for_which_the_rest_is_kept(now):
    mug = a_mug()
    big = order(mug, 5, "A", fill="whole_line")
    order(mug, 1, "B")
    simulation = simulate_arrival(product=mug, units=3, now=now)

    assert (simulation.allocated, simulation.held_for, simulation.for_sale) == (0, big.id, 0)


def test_orders_are_complete_when_none_of_their_lines_waits_anywhere(now):
    cup, pot = a_mug(), a_mug()
    order(cup, 1, "A-1", order_reference="A", email="a@example.com")
    order(pot, 1, "A-2", order_reference="A", email="a@example.com")
    order(cup, 1, "B")
    simulation = simulate_arrival(product=cup, units=2, now=now)

    assert (simulation.complete, simulation.orders) == (2, 1)


def test_people_are_told_in_waves_a_quarter_of_an_hour_apart(now):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 31)
    waves = simulate_arrival(product=mug, units=8, now=now).waves

    assert waves == (15, 9, 7)
    assert simulate_arrival(product=mug, units=40, now=now).waves == (31,)


def test_the_waves_come_as_foreseen_while_nobody_buys(now, worker):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 31)
    foreseen = simulate_arrival(product=mug, units=8, now=now).waves
    Product.objects.update(stock=8)
    for quarter in range(12):
        worker(now + quarter * dt.timedelta(minutes=15))

    assert tuple(Wave.objects.order_by("number").values_list("size", flat=True)) == foreseen


def test_nobody_is_foreseen_where_the_shop_tells_of_more_units_only(now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "LEAST_STOCK_TO_TELL": 5}
    mug = ProductFactory(stock=0)
    waiting_for(mug, 3)

    assert simulate_arrival(product=mug, units=4, now=now).waves == ()
    assert simulate_arrival(product=mug, units=5, now=now).waves == (3,)


def test_it_changes_nothing(now, django_assert_max_num_queries):
    mug = a_mug()
    order(mug, 2, "A")
    with django_assert_max_num_queries(12):
        simulate_arrival(product=mug, units=3, now=now)

    assert (given("A"), Product.objects.get().stock) == ([0], 0)


@pytest.mark.parametrize("units", [0, -5, 1.5, "3", True, 2**63])
def test_a_quantity_that_is_none_is_refused(units, now):
    with pytest.raises(InvalidQuantity):
        simulate_arrival(product=a_mug(), units=units, now=now)
