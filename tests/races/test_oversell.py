"""Eight real processes buy the same products at the same moment, in any order. Not one unit is sold twice."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from django.db import connection

from backorders.models import Backorder, Promise, StockEvent, StockItem
from backorders.services.locks import anchor_of
from backorders.services.repair import repair_counters
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory
from tests.hosts.models import Product

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("oversell")]

PROCESSES, ORDERS = 8, 40


def race(products, *, customer="{number}-{n}@example.com", processes=PROCESSES, orders=ORDERS):
    """Lets all buyers go at once, none of whom may have to be told to let another pass; returns all answers by code.

    How long that takes is a benchmark (``benchmarks/checkout.py``): it depends on the machine and on who else uses it.
    """
    environment = os.environ | {"BUYER_DATABASE": str(connection.settings_dict["NAME"])}
    command = [sys.executable, "-m", "tests.races.buyer", str(processes), str(orders), customer]
    command += [str(product.pk) for product in products]
    deadlocks = deadlocks_so_far()
    connection.close()
    buyers = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(processes):
        assert buyers.stdout.readline() == "ready\n"
    told = [json.loads(line) for line in buyers.communicate("!" * processes, timeout=100)[0].splitlines()]
    assert (buyers.returncode, len(told)) == (0, processes)
    assert deadlocks_so_far() == deadlocks
    return dict(sum((Counter(answers) for answers in told), Counter()))


def deadlocks_so_far():
    """In this database. Such an order is tried again and succeeds, a second later, so that nothing else would show it."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def mugs_with(*, stock=0, **terms):
    mugs = ProductFactory.create_batch(4, stock=stock)
    for mug in mugs:
        set_selling_policy(product=mug, policy="backorder", **terms)
    return mugs


def test_the_limit_of_four_queues_holds_to_the_unit():
    answers = race(mugs_with(backorder_limit=100))

    assert answers == {"placed": 100, "not_orderable": 220}
    assert list(StockItem.objects.values_list("queued_units", flat=True)) == [100] * 4
    assert Backorder.objects.count() == Promise.objects.count() == 400
    assert list(repair_counters(dry_run=True)) == []


def test_shelf_and_queue_together_are_sold_to_the_unit():
    answers = race(mugs_with(stock=60, backorder_limit=40))

    assert answers == {"placed": 100, "not_orderable": 220}
    assert set(Product.objects.values_list("stock", flat=True)) == {0}
    assert StockEvent.objects.filter(kind="taken").count() == 240
    assert not StockEvent.objects.filter(after__lt=0).exists()
    assert list(StockItem.objects.values_list("queued_units", flat=True)) == [40] * 4


def test_one_customer_in_many_windows_gets_what_one_customer_may_have():
    [mug, *_] = mugs_with(customer_limit=7)
    answers = race([mug], customer="greedy@example.com", processes=4, orders=5)

    assert answers == {"placed": 7, "limit_reached": 13}
    assert anchor_of(mug).queued_units == 7


def test_the_queue_stands_in_the_order_in_which_orders_got_their_place():
    [mug, *_] = mugs_with()
    race([mug], processes=4, orders=10)
    lines = list(Backorder.objects.waiting().in_line().values_list("id", "placed_at"))

    assert len(lines) == 40
    assert lines == sorted(lines) == sorted(lines, key=lambda line: line[1])
