"""Fifty things happen to one product, in any order. After each the books are right, in every kind of shop.

A failure shows the steps that led there.
"""

import datetime as dt
import random
from contextlib import suppress

import pytest
from django.db.models import F, Sum

from backorders.errors import NotOrderable
from backorders.models import Backorder, StockEvent
from backorders.queries.availability import availability_of
from backorders.queries.stock import read_shelf
from backorders.services.backorders import cancel_backorder, place_backorder, ship_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.locks import anchor_of
from backorders.services.stock import set_on_hand, stock_changed
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from backorders.testing import somebody_waiting_for
from tests.factories import ProductFactory
from tests.hosts.models import Inventory, Poster, Warehoused
from tests.thoroughness import cases

pytestmark = pytest.mark.django_db


class OneColumn:
    """The shop's number is a column that we write."""

    books_itself = False

    def make(self):
        return ProductFactory(stock=0)

    def book(self, product, units, now):
        """What the shop's own code does when units come and go: nothing, we did it."""


class NoNumber(OneColumn):
    """The shop has no number; we keep it."""

    def make(self):
        poster = Poster.objects.create(name="poster")
        set_on_hand(product=poster, quantity=0)
        return poster


class OwnBooks(OneColumn):
    """The shop books its own goods; we only hold units in its number."""

    books_itself = True

    def make(self):
        crate = Warehoused.objects.create(name="crate")
        Inventory.objects.create(product=crate, quantity=0)
        return crate

    def book(self, product, units, now):
        Inventory.objects.update(quantity=F("quantity") + units)
        if units > 0:
            stock_changed(product, now=now)


class Walk:
    """One product, everything that may happen to it, and what an honest bookkeeper would have written down."""

    def __init__(self, shop, seed, worker, now):
        self.shop, self.dice, self.worker, self.now = shop, random.Random(seed), worker, now
        self.product = shop.make()
        set_selling_policy(product=self.product, policy="backorder", backorder_limit=self.dice.choice([None, 20]))
        self.item = anchor_of(self.product)
        self.arrived = self.gone = self.lines = self.people = 0
        self.steps = []

    def step(self):
        self.now += dt.timedelta(minutes=self.dice.randint(1, 200))
        happens = self.dice.choice(
            [self.order, self.order, self.queue, self.arrive, self.cancel, self.ship, self.ask, self.sweep]
        )
        with suppress(NotOrderable):  # sold out, or the queue is full
            happens()
        self.item.refresh_from_db()
        self.steps.append(happens.__name__)

    # what happens

    def order(self):
        self.lines += 1
        units, line = self.dice.randint(1, 5), f"order {self.lines}"
        [placed] = check_out(lines=[Line(self.product, units, line)], email=f"{self.lines}@example.com", now=self.now)
        self.gone += placed.on_hand
        self.shop.book(self.product, -placed.on_hand, self.now)

    def queue(self):
        self.lines += 1
        units, line = self.dice.randint(1, 4), f"order {self.lines}"
        place_backorder(product=self.product, quantity=units, reference=line, email="b@example.com", now=self.now)

    def arrive(self):
        units, today = self.dice.randint(1, 6), self.now.date()
        delivery = expect_delivery(product=self.product, quantity=units, earliest=today, latest=today, now=self.now)
        self.arrived += units
        receive_delivery(delivery_id=delivery.id, now=self.now)
        self.shop.book(self.product, units, self.now)

    def cancel(self):
        if line := self.any_line("waiting", "filled"):
            cancel_backorder(backorder_id=line.id, now=self.now)

    def ship(self):
        if line := self.any_line("filled"):
            self.gone += line.allocated_quantity
            self.shop.book(self.product, -line.allocated_quantity, self.now)
            ship_backorder(backorder_id=line.id, now=self.now)

    def ask(self):
        if not availability_of(self.product, self.now).for_sale:
            self.people += 1
            somebody_waiting_for(self.product, email=f"reader{self.people}@example.com", now=self.now)

    def sweep(self):
        self.worker(self.now)

    def any_line(self, *states):
        lines = list(Backorder.objects.filter(state__in=states).order_by("id"))
        return self.dice.choice(lines) if lines else None

    # what is true after each step

    def check(self):
        shelf, given = read_shelf(self.item), sum(line.allocated_quantity for line in self.open_lines())
        in_the_house = shelf if self.shop.books_itself else shelf + given
        assert self.arrived == self.gone + in_the_house, self.steps
        assert self.item.held_units == (given if self.shop.books_itself else 0)
        assert self.item.queued_units == sum(line.needs for line in self.open_lines())
        assert availability_of(self.product, self.now).for_sale.value <= shelf - self.item.held_units
        assert all(line.allocated_quantity == 0 for line in self.in_line()[1:]), self.steps
        self.check_ledger(shelf)

    def check_ledger(self, shelf):
        """Where we move the units, every move stands in it; else it ends with what we last saw of the shop's number."""
        if self.shop.books_itself:
            last = StockEvent.objects.order_by("id").last()
            assert (last.after if last else 0) == self.item.seen_quantity
        else:
            moved = StockEvent.objects.aggregate(units=Sum("quantity", default=0))["units"]
            assert moved == shelf == self.item.seen_quantity, self.steps

    def open_lines(self):
        return list(Backorder.objects.exclude(state__in=["shipped", "cancelled"]))

    def in_line(self):
        return list(Backorder.objects.waiting().in_line())


@pytest.mark.parametrize("shop", [OneColumn(), NoNumber(), OwnBooks()], ids=lambda shop: type(shop).__name__)
@pytest.mark.parametrize("seed", range(cases(3)))
def test_whatever_happens_no_unit_is_lost_sold_twice_or_given_out_of_turn(shop, seed, worker, now):
    walk = Walk(shop, seed, worker, now)
    for _ in range(50):
        walk.step()
        walk.check()

    walk.now += dt.timedelta(hours=1)
    walk.sweep()
    assert not (availability_of(walk.product, walk.now).for_sale and walk.in_line())
