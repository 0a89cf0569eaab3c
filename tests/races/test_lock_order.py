"""Two transactions that meet in the middle. Each test is a pair that once waited for each other, or believed old news."""

import re
import threading
import time
from contextlib import suppress

import pytest
from django.db import connection, transaction

from backorders.domain.outbox import MailState
from backorders.domain.tokens import Purpose
from backorders.models import Backorder, OutgoingMail, StockItem, Subscription
from backorders.services.backorders import place_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.services.stock import stock_changed, sweep_stock
from backorders.services.subscriptions import confirm, tidy_subscriptions, unsubscribe
from backorders.services.terms import set_category_terms, set_selling_policy
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, token_for, waiting_for
from tests.hosts.models import Product
from tests.races.test_races import at_once, only

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

A_MOMENT = 0.5


def meet(*calls, after):
    """Runs calls at once; each stops after its first statement that matches ``after``, still holding what it locked there.

    They go on when all have come that far, or after a moment: whoever takes its locks in the right order keeps the
    other from coming at all.
    """
    here = threading.Barrier(len(calls))

    def stopping(call):
        has_stopped = threading.Event()

        def stop_once(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if re.match(after, sql) and connection.in_atomic_block and not has_stopped.is_set():
                has_stopped.set()
                with suppress(threading.BrokenBarrierError):
                    here.wait(timeout=A_MOMENT)
            return result

        def run():
            with connection.execute_wrapper(stop_once):
                return call()

        return run

    return at_once(*map(stopping, calls))


def order(*mugs, line="A", email="a@example.com"):
    return lambda: check_out(lines=[Line(mug, 1, f"{line}-{mug.pk}") for mug in mugs], email=email)


def told_in_vain(now):
    """Somebody was told by a mail that has not left, and the shelf is empty again, which nobody has seen."""
    mug = ProductFactory(stock=0)
    [row] = waiting_for(mug)
    Product.objects.update(stock=1)
    sweep_stock(now=now)
    release_waves(now=now)
    Product.objects.update(stock=0)
    return mug, row, token_for(row)


def test_two_first_orders_of_the_same_products_in_opposite_order(now):
    mugs = ProductFactory.create_batch(2, stock=5)
    results = meet(order(*mugs, line="A"), order(*mugs[::-1], line="B"), after='INSERT INTO "backorders_stockitem"')

    assert only(Exception, results) == []
    assert list(Product.objects.values_list("stock", flat=True)) == [3, 3]


def test_many_first_orders_of_many_products_in_any_order(now):
    mugs = ProductFactory.create_batch(20, stock=50)
    results = at_once(*[order(*(mugs if n % 2 else mugs[::-1]), line=f"{n}") for n in range(4)])

    assert only(Exception, results) == []
    assert set(Product.objects.values_list("stock", flat=True)) == {46}


def test_a_shop_that_edits_stock_and_says_so_in_one_transaction_while_somebody_buys(now):
    mug = ProductFactory(stock=5)
    waiting_for(mug)

    @transaction.atomic
    def edit():
        Product.objects.update(stock=9)
        stock_changed(mug)

    results = meet(edit, order(mug), after='UPDATE "hosts_product"|SELECT .*"backorders_stockitem".* FOR UPDATE')

    assert only(Exception, results) == []
    assert Product.objects.get().stock in (8, 9)  # whoever wrote last
    assert anchor_of(mug).seen_quantity == Product.objects.get().stock


def test_somebody_leaves_while_the_mail_turns_out_to_be_untrue(now):
    _mug, row, token = told_in_vain(now)
    leaving, sending = lambda: unsubscribe(token=token), lambda: drain(seconds=3)
    results = meet(sending, leaving, after='UPDATE "backorders_(outgoingmail|subscription)"')

    row.refresh_from_db()
    assert only(Exception, results) == []
    assert (row.closed_because, OutgoingMail.objects.get().state) == ("left", MailState.CANCELLED)


def test_somebody_leaves_while_the_shelf_is_seen_to_be_empty(now):
    mug, row, token = told_in_vain(now)
    leaving, looking = lambda: unsubscribe(token=token), lambda: stock_changed(mug)
    results = meet(looking, leaving, after='UPDATE "backorders_(outgoingmail|subscription)"')

    row.refresh_from_db()
    assert only(Exception, results) == []
    assert (row.closed_because, OutgoingMail.objects.get().state) == ("left", MailState.CANCELLED)


def test_somebody_confirms_while_an_order_of_theirs_is_placed(now):
    mugs = ProductFactory.create_batch(3, stock=5)
    rows = [waiting_for(mug, email="a@example.com", state="pending")[0] for mug in mugs]
    token = token_for(rows[0], Purpose.CONFIRM)
    locks = 'SELECT .*"backorders_stockitem".* FOR UPDATE|UPDATE "backorders_(subscription|stockitem)"'
    results = meet(order(*mugs), lambda: confirm(token=token), after=locks)

    assert len(only(list, results)) >= 1
    assert {type(error).__name__ for error in only(Exception, results)} <= {"InvalidToken"}  # the order was first
    assert set(Subscription.objects.values_list("closed_because", flat=True)) == {"bought"}


def test_an_item_stays_watched_when_somebody_joins_the_queue_while_idle_ones_are_let_go(now):
    mug, placed = ProductFactory(stock=0), threading.Event()
    set_selling_policy(product=mug, policy="backorder")
    StockItem.objects.update(is_watched=True, needs_look=False, settled_at=now, seen_quantity=0)

    @transaction.atomic
    def join():
        place_backorder(product=mug, quantity=1, reference="A", email="a@example.com")
        placed.set()
        time.sleep(A_MOMENT)

    def tidy():
        placed.wait(5)
        return tidy_subscriptions()

    assert only(Exception, at_once(join, tidy)) == []
    assert anchor_of(mug).is_watched


def test_the_queue_is_not_given_units_that_the_shops_till_is_selling(now):
    mug, sold = ProductFactory(stock=0), threading.Event()
    set_selling_policy(product=mug, policy="backorder")
    place_backorder(product=mug, quantity=2, reference="A", email="a@example.com", now=now)
    Product.objects.update(stock=2)

    @transaction.atomic
    def till():
        Product.objects.filter(stock__gte=2).update(stock=0)
        sold.set()
        time.sleep(A_MOMENT)

    def sweep():
        sold.wait(5)
        return sweep_stock(now=now)

    assert only(Exception, at_once(till, sweep)) == []
    line = Backorder.objects.get()
    assert (line.state, line.allocated_quantity, Product.objects.get().stock) == ("waiting", 0, 0)


def test_two_products_that_are_each_named_as_the_others_successor(now):
    mugs = ProductFactory.create_batch(2, stock=5)
    for mug in mugs:
        anchor_of(mug)

    def name(mug, successor):
        with transaction.atomic():  # ours, so that a deadlock is seen and not tried again
            set_selling_policy(product=mug, policy="stop", successor=successor)

    ways = [lambda: name(*mugs), lambda: name(*mugs[::-1])]
    results = meet(*ways, after='SELECT .*"backorders_stockitem".* FOR UPDATE')

    assert only(Exception, results) == []
    assert StockItem.objects.exclude(successor=None).count() == 2


def test_a_category_gets_other_terms_while_somebody_orders_many_of_its_products(now):
    mugs = ProductFactory.create_batch(20, stock=50, category="kitchen")
    for mug in mugs:
        anchor_of(mug)
    StockItem.objects.update(is_watched=True)

    def say():
        with transaction.atomic():
            set_category_terms(model=Product, category="kitchen", lead_days=4)

    locks = 'SELECT .*"backorders_stockitem".* FOR UPDATE|UPDATE "backorders_stockitem"'
    results = meet(order(*mugs), say, after=locks)

    assert only(Exception, results) == []
    assert set(Product.objects.values_list("stock", flat=True)) == {49}
