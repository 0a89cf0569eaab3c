"""Whatever may happen to one product, in any order that Hypothesis can think of, on the real services and the real database.

After every step the books are right in all three kinds of shops. A failure prints the shortest story that leads there.
Every run of CI tells the same stories. For hours of new ones, on either database:

    QUEUE_STORIES=2000 QUEUE_STEPS=60 python -m pytest tests/journeys/test_queue_machine.py --timeout=0
"""

import datetime as dt
import os
from contextlib import contextmanager

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.db.models import F, Sum
from django.test import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backorders.conf import conf
from backorders.domain.allocation import Fill
from backorders.domain.windows import Window
from backorders.errors import NotEnoughLeft, NotOrderable, NotShippable, PinFull
from backorders.models import Allocation, Backorder, Delivery, Promise, StockEvent
from backorders.queries.availability import availability_of, shop_today
from backorders.queries.backorders import places_of, promised_lines, shelf_balance
from backorders.queries.stock import read_shelf
from backorders.services.backorders import cancel_backorder, pin_backorder, place_backorder, prioritise, ship_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.locks import anchor_of
from backorders.services.promises import WRITTEN_BY_NOTE_NEXT, must_move
from backorders.services.repair import repair_counters
from backorders.services.stock import return_units, set_on_hand, stock_changed, sweep_stock, units_for_queue, write_off
from backorders.services.supply import (
    cancel_delivery,
    expect_delivery,
    move_delivery,
    receive_delivery,
    refresh_forecasts,
    resize_delivery,
    split_delivery,
    undo_receipt,
)
from backorders.services.terms import set_selling_policy
from tests.conftest import NOW
from tests.factories import ProductFactory
from tests.hosts.models import Inventory, Poster, Product, Warehoused

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
STORIES = int(os.environ.get("QUEUE_STORIES", "7"))
STEPS = int(os.environ.get("QUEUE_STEPS", "35"))

few, some, which = st.integers(1, 3), st.integers(1, 6), st.integers(0, 50)
part = st.one_of(st.none(), few)
days = st.integers(0, 40)
width = st.integers(0, 9)


class OneColumn:
    """The shop's number is a column that we write."""

    books_itself = False

    def make(self):
        return ProductFactory(stock=0)

    def book(self, product, units, now):
        """What the shop's own code does when units come and go: nothing, we did it."""

    def edit(self, product, number, now):
        Product.objects.filter(pk=product.pk).update(stock=number)
        sweep_stock(now=now)


class NoNumber(OneColumn):
    """The shop has no number; we keep it."""

    def make(self):
        poster = Poster.objects.create(name="poster")
        set_on_hand(product=poster, quantity=0)
        return poster

    def edit(self, product, number, now):
        set_on_hand(product=product, quantity=number, now=now)


class OwnBooks(OneColumn):
    """The shop books its own goods; we only hold units in its number."""

    books_itself = True

    def make(self):
        crate = Warehoused.objects.create(name="crate")
        Inventory.objects.create(product=crate, quantity=0)
        return crate

    def book(self, product, units, now):
        Inventory.objects.filter(product=product).update(quantity=F("quantity") + units)
        if units > 0:
            stock_changed(product, now=now)

    def edit(self, product, number, now):
        Inventory.objects.filter(product=product).update(quantity=number)
        sweep_stock(now=now)


class QueueMachine(RuleBasedStateMachine):
    """One product and an honest bookkeeper, who knows what came, what left, and what every customer was told first."""

    def __init__(self, shop):
        super().__init__()
        self.story = transaction.atomic()
        self.story._from_testcase = True  # as Django's own: what waits for the commit is told from a shop's transaction
        self.story.__enter__()
        self.shop, self.now, self.settings = shop, NOW, None
        self.forecast_on = shop_today(NOW)
        self.arrived = self.sold = self.orders = 0
        self.first_told, self.had = {}, {}
        self.rows, self.deliveries, self.shelf = [], [], 0

    def teardown(self):
        if self.settings:
            self.settings.disable()
        transaction.set_rollback(True)
        self.story.__exit__(None, None, None)

    @initialize(
        limit=st.sampled_from([None, 12, 30]),
        safety=st.sampled_from([None, 0, 2]),
        only_inbound=st.sampled_from([None, False, False, True]),
        lead=st.sampled_from([None, None, 4]),
        release=st.sampled_from([None, None, None, 6]),
        allocation=st.sampled_from(["strict", "strict", "skip"]),
        leap=st.sampled_from([14 * DAY, None]),
    )
    def a_product(self, limit, safety, only_inbound, lead, release, allocation, leap):
        self.settings = override_settings(
            BACKORDERS={**django_settings.BACKORDERS, "ALLOCATION": allocation, "PRIORITY_LEAP": leap}
        )
        self.settings.enable()
        self.product, self.limit, self.only_inbound = self.shop.make(), limit, only_inbound
        self.releases_at = self.now + release * DAY if release else None
        set_selling_policy(
            product=self.product,
            policy="preorder" if release else "backorder",
            releases_at=self.releases_at,
            backorder_limit=limit,
            safety_stock=safety,
            only_inbound=only_inbound,
            lead_days=lead,
        )
        self.item = anchor_of(self.product)

    # what happens

    @rule(quantity=some, starts=days, width=width)
    def expect(self, quantity, starts, width):
        day = self.today + starts * DAY
        expect_delivery(
            product=self.product, quantity=quantity, earliest=day, latest=day + width * DAY, now=self.moment()
        )

    @rule(
        quantity=some,
        fill=st.sampled_from([*Fill, Fill.PARTIAL, Fill.PARTIAL]),
        priority=st.sampled_from([0, 0, 0, 0, 1, -1]),
        later=st.sampled_from([None, None, None, 10]),
    )
    def place(self, quantity, fill, priority, later):
        with self.ordering():
            place_backorder(
                product=self.product,
                quantity=quantity,
                fill=fill,
                priority=priority,
                not_before=self.today + later * DAY if later else None,
                **self.order(),
            )

    @precondition(lambda self: self.open_deliveries)
    @rule(quantity=few, which=which)
    def place_for_one_delivery(self, quantity, which):
        delivery = self.one(self.open_deliveries, which)
        with self.ordering():
            place_backorder(product=self.product, quantity=quantity, pinned_to=delivery.id, **self.order())

    @rule(quantity=some, ship=st.sampled_from(["split", "split", "together", "in_stock_only"]))
    def check_out(self, quantity, ship):
        with self.ordering():
            order = self.order()
            line = Line(self.product, quantity, order.pop("reference"))
            [placed] = check_out(lines=[line], ship=ship, **order)
            self.sold += placed.on_hand
            self.shop.book(self.product, -placed.on_hand, self.now)

    @precondition(lambda self: self.open_lines)
    @rule(which=which, quantity=part)
    def cancel(self, which, quantity):
        line = self.one(self.open_lines, which)
        units = quantity and min(quantity, line.needs + line.ready)
        cancel_backorder(backorder_id=line.id, quantity=units, now=self.moment())

    @precondition(lambda self: any(line.ready for line in self.rows))
    @rule(which=which, quantity=part)
    def ship(self, which, quantity):
        line = self.one([line for line in self.rows if line.ready], which)
        units = min(quantity or line.ready, line.ready)
        if self.shop.books_itself and units > self.shelf:
            return  # the shop cannot send what it has lost
        try:
            ship_backorder(backorder_id=line.id, quantity=quantity and units, now=self.moment())
        except NotShippable as refusal:
            assert refusal.until or refusal.waits_for_order
        else:
            self.sold += units
            self.shop.book(self.product, -units, self.now)

    @precondition(lambda self: self.waiting)
    @rule(which=which, priority=st.integers(-2, 2))
    def prioritise(self, which, priority):
        prioritise(backorder_id=self.one(self.waiting, which).id, priority=priority, now=self.moment())

    @precondition(lambda self: self.waiting)
    @rule(which=which, other=which)
    def pin(self, which, other):
        line, delivery = self.one(self.waiting, which), self.one([None, *self.open_deliveries], other)
        with self.allowing(PinFull):
            pin_backorder(backorder_id=line.id, delivery_id=delivery and delivery.id, now=self.moment())

    @precondition(lambda self: self.open_deliveries)
    @rule(which=which, quantity=part, more=st.sampled_from([0, 0, 0, 2]))
    def receive(self, which, quantity, more):
        delivery = self.one(self.open_deliveries, which)
        units = min(quantity or delivery.outstanding, delivery.outstanding) + more
        receive_delivery(delivery_id=delivery.id, quantity=units, accept_more=True, now=self.moment())
        self.arrived += units
        self.shop.book(self.product, units, self.now)

    @precondition(lambda self: self.received)
    @rule(which=which, quantity=part)
    def un_receive(self, which, quantity):
        delivery = self.one(self.received, which)
        last = StockEvent.objects.filter(delivery=delivery, kind="received").latest("id")
        units = min(quantity or last.quantity, last.quantity)
        if StockEvent.objects.filter(delivery=delivery, reference=f"undo {last.id}").exists():
            assert undo_receipt(delivery_id=delivery.id, now=self.moment()).was_repeated
        elif self.shop_lowers_its_number(units):
            with self.losing(units):
                undo_receipt(delivery_id=delivery.id, quantity=units, now=self.moment())

    @precondition(lambda self: self.open_deliveries)
    @rule(which=which, starts=days, width=width)
    def move(self, which, starts, width):
        day, delivery = self.today + starts * DAY, self.one(self.open_deliveries, which)
        move_delivery(delivery_id=delivery.id, earliest=day, latest=day + width * DAY, now=self.moment())

    @precondition(lambda self: self.open_deliveries)
    @rule(which=which, quantity=some)
    def resize(self, which, quantity):
        delivery = self.one(self.open_deliveries, which)
        units = delivery.received_quantity + quantity
        resize_delivery(delivery_id=delivery.id, quantity=units, now=self.moment())

    @precondition(lambda self: self.divisible)
    @rule(which=which, starts=days)
    def split(self, which, starts):
        day, delivery = self.today + starts * DAY, self.one(self.divisible, which)
        split_delivery(delivery_id=delivery.id, quantity=1, earliest=day, latest=day, now=self.moment())

    @precondition(lambda self: self.open_deliveries)
    @rule(which=which)
    def cancel_delivery(self, which):
        cancel_delivery(delivery_id=self.one(self.open_deliveries, which).id, now=self.moment())

    @rule(quantity=few)
    def give_back(self, quantity):
        return_units(product=self.product, quantity=quantity, now=self.moment())
        self.arrived += quantity
        self.shop.book(self.product, quantity, self.now)

    @precondition(lambda self: self.shelf or self.open_lines)
    @rule(quantity=few)
    def break_some(self, quantity):
        if self.shop_lowers_its_number(quantity):
            with self.losing(quantity):
                write_off(product=self.product, quantity=quantity, now=self.moment())

    @rule(number=st.integers(0, 8))
    def the_shop_edits_its_number(self, number):
        self.arrived += number - self.shelf
        self.shop.edit(self.product, number, self.moment())

    @rule(days=st.sampled_from([0, 1, 1, 3, 12]))
    def time_passes(self, days):
        self.now += days * DAY

    @rule()
    def the_worker_runs(self):
        sweep_stock(now=self.moment())
        refresh_forecasts(now=self.now)
        self.forecast_on = self.today
        self.look()
        first = self.item.backorders.waiting().filter(pinned_to=None).in_line().first()
        if first and first.fill != Fill.WHOLE_LINE:
            assert units_for_queue(self.item, self.shelf, self.now) == 0

    @precondition(lambda self: self.forecast_on == self.today and self.is_exact())
    @rule()
    def all_comes_as_announced(self):
        """Just imagined: were every delivery to come on its last day, every date we could give now would be kept."""
        with imagined():
            promised = promised_lines(self.item, now=self.now)
            for day, delivery in self.what_is_to_come():
                at = max(self.now, dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC))
                if delivery and delivery.outstanding:
                    units = delivery.outstanding
                    receive_delivery(delivery_id=delivery.id, now=at)
                    self.shop.book(self.product, units, at)
                sweep_stock(now=at)
                self.look()
                self.nobody_is_let_down(promised, day)

    # what is true after every step

    @invariant()
    def all_is_well(self):
        self.look()
        self.no_unit_is_lost_or_made()
        self.counters_are_what_the_rows_say()
        self.each_line_adds_up()
        self.nobody_is_served_out_of_turn()
        self.nothing_leaves_before_its_release()
        self.the_shelf_is_sold_once()
        self.a_date_is_written_down_once_and_never_lies_behind_us()
        self.no_date_stands_that_is_known_to_be_wrong()

    def no_unit_is_lost_or_made(self):
        given = sum(line.ready for line in self.rows)
        in_the_house = self.shelf if self.shop.books_itself else self.shelf + given
        assert self.arrived - self.sold == in_the_house
        assert self.item.held_units == (given if self.shop.books_itself else 0)

    def counters_are_what_the_rows_say(self):
        drifts = list(repair_counters(dry_run=True, now=self.now))
        if self.forecast_on != self.today:  # what is next is looked at once a day
            drifts = [drift for drift in drifts if drift.field not in WRITTEN_BY_NOTE_NEXT]
        assert drifts == []

    def each_line_adds_up(self):
        given = dict(Allocation.objects.order_by().values_list("backorder").annotate(Sum("quantity")))
        for line in self.rows:
            assert given.get(line.id, 0) == line.allocated_quantity
            assert 0 <= line.shipped_quantity <= line.allocated_quantity <= line.quantity - line.cancelled_quantity
            assert (line.state == "waiting") == (line.needs > 0)

    def nobody_is_served_out_of_turn(self):
        """Whoever was given units in this step stands behind nobody who waits for less than all at once, or for any delivery."""
        queue = sorted(self.rows, key=lambda line: (line.rank_class, line.rank_at, line.id))
        was_served = [line.allocated_quantity > self.had.get(line.id, 0) and not line.pinned_to_id for line in queue]
        last = max((place for place, was in enumerate(was_served) if was), default=0)
        assert all(not line.needs or line.fill == Fill.WHOLE_LINE or line.pinned_to_id for line in queue[:last])
        self.had = {line.id: line.allocated_quantity for line in queue}

    def nothing_leaves_before_its_release(self):
        if self.releases_at and self.now < self.releases_at:
            assert not self.sold and not any(line.allocated_quantity for line in self.rows)

    def the_shelf_is_sold_once(self):
        answer, shelf = availability_of(self.product, self.now), self.shelf
        owed = self.item.held_units + self.item.queued_units - self.item.pinned_units
        assert 0 <= answer.for_sale.value <= max(0, shelf - owed)

    def a_date_is_written_down_once_and_never_lies_behind_us(self):
        places = {
            place.backorder_id: place for place in places_of([line.reference for line in self.rows], self.now).values()
        }
        told = {}
        for promise in Promise.objects.order_by("id"):
            told.setdefault(promise.backorder_id, []).append(promise.window)
        in_line = [line.id for line in self.item.backorders.waiting().in_line()]
        for line in self.rows:
            self.first_told.setdefault(line.id, told[line.id][0])
            assert told[line.id][0] == self.first_told[line.id]
            assert same_days(told[line.id][-1], line.promise)
            window = places[line.id].window
            assert not isinstance(window, Window) or window.earliest >= self.today
        assert [places[line_id].position for line_id in in_line] == list(range(1, len(in_line) + 1))

    def no_date_stands_that_is_known_to_be_wrong(self):
        if self.forecast_on != self.today:
            return
        could_be = promised_lines(self.item, now=self.now)
        for line in self.waiting:
            assert not must_move(line.promise, could_be[line.id].complete, today=self.today), (line, could_be[line.id])

    # how it is told

    @property
    def today(self):
        return shop_today(self.now)

    def moment(self):
        self.now += dt.timedelta(minutes=1)
        return self.now

    def look(self):
        self.item.refresh_from_db()
        self.shelf = read_shelf(self.item)
        self.rows = list(Backorder.objects.filter(item=self.item).order_by("id"))
        self.deliveries = list(Delivery.objects.filter(item=self.item).order_by("id"))

    def order(self):
        self.orders += 1
        return {"reference": f"{self.orders}", "email": f"{self.orders % 5}@example.com", "now": self.moment()}

    @contextmanager
    def ordering(self):
        """An order may be refused; one that is taken keeps within the limits."""
        try:
            with transaction.atomic():
                yield
        except (NotOrderable, PinFull):
            return
        self.look()
        line = Backorder.objects.filter(item=self.item, reference=f"{self.orders}").first()
        if line and self.limit is not None:
            assert self.item.queued_units <= self.limit
        if line and self.only_inbound:
            here = max(0, self.shelf - self.item.held_units)
            assert self.item.queued_units <= self.item.inbound_units + here

    @contextmanager
    def allowing(self, *errors):
        try:
            with transaction.atomic():
                yield
        except errors:
            return

    @contextmanager
    def losing(self, units):
        """Goods are not there after all; refused when they have left the house."""
        in_the_house = self.shelf + sum(line.ready for line in self.rows)
        try:
            with transaction.atomic():
                yield
        except NotEnoughLeft:
            assert units > in_the_house
        else:
            self.arrived -= units

    def shop_lowers_its_number(self, units):
        """Where the shop books itself it does so first; what is not there cannot be lost."""
        if not self.shop.books_itself:
            return True
        if units > self.shelf:
            return False
        self.shop.book(self.product, -units, self.now)
        return True

    @property
    def open_lines(self):
        return [line for line in self.rows if line.needs or line.ready]

    @property
    def waiting(self):
        return [line for line in self.rows if line.state == "waiting"]

    @property
    def open_deliveries(self):
        return [delivery for delivery in self.deliveries if delivery.state == "expected"]

    @property
    def divisible(self):
        return [delivery for delivery in self.open_deliveries if delivery.outstanding > 1]

    @property
    def received(self):
        return [delivery for delivery in self.deliveries if delivery.received_quantity]

    def one(self, things, which):
        return things[which % len(things)]

    def is_exact(self):
        """Who passes a large line takes units that it counts on. A safety stock that is not full takes the first units of a
        delivery, also of one that lines are pinned to."""
        if conf.allocation == "skip":
            return False
        return shelf_balance(self.item) >= 0 or not any(line.pinned_to_id for line in self.waiting)

    def what_is_to_come(self):
        """The days on which something happens, today first: deliveries in the order of their last day, and the release."""
        dated = [delivery for delivery in self.open_deliveries if isinstance(delivery.forecast, Window)]
        dated.sort(key=lambda delivery: (delivery.forecast.latest, delivery.forecast.earliest, delivery.id))
        coming = [(max(self.today, delivery.forecast.latest), delivery) for delivery in dated]
        release = (
            [(shop_today(self.releases_at) + DAY, None)] if self.releases_at and self.releases_at > self.now else []
        )
        return sorted([(self.today, None), *coming, *release], key=lambda event: event[0])

    def nobody_is_let_down(self, promised, day):
        waiting = {line.id: line for line in self.waiting}
        for line_id, told in promised.items():
            comes_with_what_we_know = all(part.delivery_id is not None for part in told.parts)
            if comes_with_what_we_know and isinstance(told.complete, Window) and told.complete.latest < day:
                assert line_id not in waiting, (waiting[line_id], told, day)


def same_days(one, other):
    """How certain a date was is not kept, only its days."""
    if not (isinstance(one, Window) and isinstance(other, Window)):
        return isinstance(one, Window) == isinstance(other, Window)
    return (one.earliest, one.latest) == (other.earliest, other.latest)


@contextmanager
def imagined():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("shop", [OneColumn(), NoNumber(), OwnBooks()], ids=lambda shop: type(shop).__name__)
def test_every_story_of_a_queue_keeps_its_books(shop):
    is_long = "QUEUE_STORIES" in os.environ
    run_state_machine_as_test(
        lambda: QueueMachine(shop),
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=STEPS,
            derandomize=not is_long,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=is_long,
        ),
    )
    assert connection.in_atomic_block
