"""Whatever may happen around units that are put aside, in any order that Hypothesis can think of: nobody who comes in time is sent away.

For hours of new stories, on either database:

    HOLD_STORIES=2000 HOLD_STEPS=60 python -m pytest tests/journeys/test_hold_machine.py --timeout=0
"""

import datetime as dt
import os

import pytest
from django.db import transaction
from django.db.models import F, Sum
from django.test import override_settings
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from backorders.conf import conf
from backorders.domain.tokens import Purpose
from backorders.errors import NotOrderable
from backorders.models import Backorder, Hold, OutgoingMail, StockItem, Subscription
from backorders.queries.availability import availability_of
from backorders.queries.stock import read_shelf
from backorders.services.checkout import Line, check_out
from backorders.services.locks import anchor_of
from backorders.services.repair import repair_counters
from backorders.services.stock import stock_changed, sweep_stock
from backorders.services.subscriptions import tidy_subscriptions, unsubscribe
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from tests.conftest import NOW
from tests.factories import ProductFactory, SubscriptionFactory, token_for
from tests.hosts.models import Inventory, Product, Warehoused

pytestmark = pytest.mark.django_db

STORIES = int(os.environ.get("HOLD_STORIES", "3"))
STEPS = int(os.environ.get("HOLD_STEPS", "20"))
HOLD_FOR = dt.timedelta(hours=4)

few, which = st.integers(1, 3), st.integers(0, 20)


class OneColumn:
    """We move the shop's number."""

    def make(self):
        return ProductFactory(stock=0)

    def changes(self, units):
        Product.objects.update(stock=F("stock") + units)

    def sells(self, units):
        """Nothing: we did it."""


class OwnBooks(OneColumn):
    """The shop books its own goods, also those that we sell."""

    def make(self):
        crate = Warehoused.objects.create(name="crate")
        Inventory.objects.create(product=crate, quantity=0)
        return crate

    def changes(self, units):
        Inventory.objects.update(quantity=F("quantity") + units)

    def sells(self, units):
        self.changes(-units)


class HoldMachine(RuleBasedStateMachine):
    def __init__(self, shop):
        super().__init__()
        self.shop, self.now, self.orders, self.sold, self.came = shop, NOW, 0, 0, 0
        self.gone = {}
        self.story = transaction.atomic()
        self.story._from_testcase = True  # as Django's own: what waits for the commit is told from a shop's transaction
        self.story.__enter__()

    def teardown(self):
        transaction.set_rollback(True)
        self.story.__exit__(None, None, None)

    @initialize(takes_backorders=st.booleans(), people=st.integers(0, 6), units=st.integers(0, 4))
    def open_shop(self, takes_backorders, people, units):
        self.product = self.shop.make()
        self.item_id = anchor_of(self.product).id
        if takes_backorders:
            set_selling_policy(product=self.product, policy="backorder")
        for _ in range(people):
            self.somebody_asks(1)
        StockItem.objects.update(settled_at=NOW, seen_quantity=0)
        if units:
            self.goods_come(units)
            self.the_worker_runs(15)

    # what may happen

    @rule(quantity=few)
    def somebody_asks(self, quantity):
        SubscriptionFactory(item_id=self.item_id, quantity=quantity, placed_at=self.now)
        StockItem.objects.update(is_watched=True)

    @rule(units=few)
    def goods_come(self, units):
        self.came += units
        self.shop.changes(units)
        stock_changed(self.product, now=self.now)

    @rule(units=few)
    def the_shop_loses_goods(self, units):
        units = min(units, read_shelf(self.item))
        self.came -= units
        self.shop.changes(-units)
        stock_changed(self.product, now=self.now)

    @rule(minutes=st.sampled_from([15, 15, 60, 239, 300, 1000]))
    def the_worker_runs(self, minutes):
        self.now += dt.timedelta(minutes=minutes)
        sweep_stock(now=self.now)
        in_line = list(Subscription.objects.waiting().in_line())
        release_waves(now=self.now)
        told = [row for row in in_line if self.state_of(row) == "told"]
        rested = [row for row in in_line if not row.told_at or row.told_at <= self.now - conf.tell_again_after]
        here = sum(row.quantity for row in told) + availability_of(self.product, self.now).for_sale.value
        could_be = [row for row in rested if row.quantity <= here]
        assert told == could_be[: len(told)]
        assert {row.id for row in told} == set(
            Hold.objects.filter(made_at=self.now).values_list("subscription", flat=True)
        )

    @rule()
    def it_runs_again_at_once(self):
        before = list(Hold.objects.order_by("id").values())
        release_waves(now=self.now)
        release_waves(now=self.now)
        if not Hold.objects.filter(made_at=self.now).exclude(id__in=[row["id"] for row in before]).exists():
            assert list(Hold.objects.order_by("id").values()) == before

    @rule()
    def the_mails_leave(self):
        OutgoingMail.objects.filter(state="queued").update(state="sent", sent_at=self.now)

    @rule(n=which)
    def a_holder_comes_with_the_link(self, n):
        if hold := self.pick(n):
            token = token_for(hold.subscription, Purpose.HOLD)
            assert availability_of(self.product, self.now, holds=[token]).for_sale.covers(hold.units)
            self.buy(hold, email=f"other{self.orders}@example.com", holds=[token])

    @rule(n=which)
    def a_holder_comes_without(self, n):
        if hold := self.pick(n):
            self.buy(hold, email=hold.subscription.email)

    @rule(n=which)
    def a_holder_comes_too_late_with_the_link(self, n):
        """A link is its reader's: after a hold that was given back it opens the next one."""
        holders = self.valid().values("subscription")
        over = list(Hold.objects.exclude(state="used").exclude(subscription__in=holders).order_by("id"))
        if over:
            hold = over[n % len(over)]
            self.passes_by(hold.units, holds=[token_for(hold.subscription, Purpose.HOLD)])

    @rule(units=few)
    def a_stranger_buys(self, units):
        self.passes_by(units)

    @rule(units=few)
    def a_stranger_orders_what_is_not_here(self, units):
        self.passes_by(units, ship="split")

    @rule(n=which)
    def somebody_leaves(self, n):
        live = list(Subscription.objects.live().order_by("id"))
        if live:
            row = live[n % len(live)]
            self.gone[row.id] = "left"
            unsubscribe(token=token_for(row), now=self.now)

    @rule()
    def it_is_tidied(self):
        tidy_subscriptions(now=self.now)

    # how

    @property
    def item(self):
        return StockItem.objects.get(id=self.item_id)

    def state_of(self, row):
        return Subscription.objects.values_list("state", flat=True).get(id=row.id)

    def valid(self):
        return Hold.objects.valid(self.now)

    def pick(self, n):
        valid = list(self.valid().order_by("id"))
        return valid[n % len(valid)] if valid else None

    def order(self, units, *, email, ship="in_stock_only", holds=()):
        self.orders += 1
        line = Line(self.product, units, f"order {self.orders}")
        with transaction.atomic():
            [placed] = check_out(lines=[line], email=email, ship=ship, holds=holds, now=self.now)
            self.shop.sells(placed.on_hand)
        self.sold += placed.on_hand
        return placed

    def buy(self, hold, **who):
        self.gone[hold.subscription_id] = "bought"
        assert self.order(hold.units, **who).on_hand == hold.units
        hold.refresh_from_db()
        assert hold.state == "used"

    def passes_by(self, units, **options):
        """A stranger gets what is free and not a unit more, and nobody's hold is touched."""
        free = availability_of(self.product, self.now).for_sale.value
        kept = set(self.valid().values_list("id", flat=True))
        over = Hold.objects.over(self.now).aggregate(units=Sum("units", default=0))["units"]
        try:
            on_hand = self.order(units, email=f"stranger{self.orders}@example.com", **options).on_hand
        except NotOrderable:
            assert units > free
        else:
            assert on_hand <= free + over
        assert set(self.valid().values_list("id", flat=True)) == kept

    # what is true after each step

    @invariant()
    def holds_are_no_more_than_what_is_free(self):
        item, shelf = self.item, read_shelf(self.item)
        kept = Hold.objects.open().aggregate(units=Sum("units", default=0))["units"]
        assert item.on_hold_units == kept
        assert kept + availability_of(self.product, self.now).for_sale.value <= max(shelf - item.held_units, 0)

    @invariant()
    def no_unit_is_sold_twice(self):
        given = Backorder.objects.aggregate(units=Sum("allocated_quantity", default=0))["units"]
        in_the_house = read_shelf(self.item) + (0 if isinstance(self.shop, OwnBooks) else given)
        assert self.came == self.sold + in_the_house

    @invariant()
    def nobody_is_gone_without_a_reason(self):
        for row in Subscription.objects.filter(state="closed"):
            if row.closed_because == "served":
                assert row.told_at < self.now - conf.place_kept_for
            else:
                assert self.gone[row.id] == row.closed_because

    @invariant()
    def whoever_is_told_has_or_had_a_hold(self):
        told = Subscription.objects.filter(state="told").values_list("id", "restock")
        assert set(told) <= set(Hold.objects.values_list("subscription", "restock"))
        assert not self.valid().exclude(subscription__state="told").exists()

    @invariant()
    def the_books_are_right(self):
        assert list(repair_counters(dry_run=True, now=self.now)) == []


@pytest.mark.parametrize("shop", [OneColumn(), OwnBooks()], ids=lambda shop: type(shop).__name__)
def test_every_story_of_holds_sends_nobody_away_who_comes_in_time(shop):
    from django.conf import settings as shop_settings

    is_long = "HOLD_STORIES" in os.environ
    with override_settings(BACKORDERS={**shop_settings.BACKORDERS, "HOLD_FOR": HOLD_FOR}):
        run_state_machine_as_test(
            lambda: HoldMachine(shop),
            settings=settings(
                max_examples=STORIES,
                stateful_step_count=STEPS,
                derandomize=not is_long,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=is_long,
                phases=[Phase.generate],
            ),
        )
