"""Many at the same moment, on real connections with real commits."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from backorders.domain.outbox import MailState
from backorders.errors import NotOrderable
from backorders.models import Backorder, OutgoingMail, Restock, StockEvent, StockItem, Subscription, Wave
from backorders.models.outbox import SUSPECT
from backorders.services.checkout import Line, check_out
from backorders.services.claims import claim, claim_suspect
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.services.stock import stock_changed, sweep_stock
from backorders.services.subscriptions import subscribe
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, SubscriptionFactory, waiting_for
from tests.hosts.models import Product
from tests.mailserver import mail_server

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls):
    """Runs every call in a thread of its own, all let go together; returns results and errors in order."""
    barrier = threading.Barrier(len(calls))

    def one(call):
        try:
            barrier.wait(timeout=20)
            return call()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def only(kind, results):
    return [result for result in results if isinstance(result, kind)]


def test_many_sweeps_at_once_open_one_restock(now):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 5)
    Product.objects.update(stock=5)
    results = at_once(*[lambda: sweep_stock(now=now)] * 6)

    assert only(Exception, results) == []
    assert Restock.objects.count() == StockEvent.objects.count() == 1


def test_many_releases_at_once_tell_each_person_once(now):
    mug = ProductFactory(stock=0)
    item = anchor_of(mug)
    waiting_for(mug, 1)
    Subscription.objects.bulk_create(SubscriptionFactory.build_batch(999, item=item))
    Product.objects.update(stock=1000)
    stock_changed(mug, now=now)
    results = at_once(*[lambda: release_waves(now=now)] * 4)

    assert only(Exception, results) == []
    assert OutgoingMail.objects.count() == 1000
    assert OutgoingMail.objects.values("subscription").distinct().count() == 1000


def test_many_releases_at_once_are_one_wave_of_the_size_that_one_would_have(now):
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, 60)
    Product.objects.update(stock=5)
    stock_changed(mug, now=now)
    results = at_once(*[lambda: release_waves(now=now)] * 6)
    [wave] = Wave.objects.all()

    assert only(Exception, results) == []
    assert sorted(map(len, results)) == [0, 0, 0, 0, 0, 1]
    assert 5 <= wave.size < 60
    told = Subscription.objects.filter(state="told").values_list("id", flat=True)
    assert set(told) == {row.id for row in rows[: wave.size]}
    assert OutgoingMail.objects.count() == wave.size


def test_whoever_buys_at_the_very_moment_of_the_wave_is_not_mailed_of_it(now):
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, 12)
    Product.objects.update(stock=12)
    stock_changed(mug, now=now)

    def buy(row):
        return lambda: check_out(lines=[Line(mug, 1, f"{row.id}")], email=row.email, now=now)

    results = at_once(lambda: release_waves(now=now), *[buy(row) for row in rows[:5]])
    with mail_server() as server:
        release_waves(now=now)
        drain(seconds=10)

    assert only(Exception, results) == []
    assert Subscription.objects.filter(closed_because="bought").count() == 5
    assert set(server.addresses).isdisjoint({row.email for row in rows[:5]})
    assert len(server.addresses) == len(set(server.addresses)) <= 7


def test_many_workers_at_once_send_each_mail_once(now):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 120)
    Product.objects.update(stock=120)
    sweep_stock(now=now)
    release_waves(now=now)
    with mail_server() as server:
        results = at_once(*[lambda: drain(seconds=30)] * 4)

    assert only(Exception, results) == []
    assert len(server.addresses) == len(set(server.addresses)) == 120
    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {MailState.SENT}


def test_one_address_typed_many_times_at_once_is_one_request(now):
    mug = ProductFactory(stock=0)
    results = at_once(*[lambda: subscribe(product=mug, email="a@example.com", now=now)] * 8)

    assert only(Exception, results) == []
    assert Subscription.objects.count() == StockItem.objects.count() == OutgoingMail.objects.count() == 1


def test_the_same_receipt_posted_many_times_at_once_counts_once(now):
    mug = ProductFactory(stock=0)
    delivery = expect_delivery(product=mug, quantity=5, earliest=now.date(), latest=now.date(), now=now)
    results = at_once(*[lambda: receive_delivery(delivery_id=delivery.id, reference="GR-1", now=now)] * 6)

    assert only(Exception, results) == []
    assert Product.objects.get().stock == 5


def test_the_last_units_are_sold_once(now):
    mug = ProductFactory(stock=10)

    def buy(n):
        return lambda: check_out(lines=[Line(mug, 1, f"line-{n}")], email="a@example.com", now=now)

    results = at_once(*[buy(n) for n in range(16)])

    assert len(only(NotOrderable, results)) == 6
    assert len(only(list, results)) == 10
    assert Product.objects.get().stock == 0


def test_the_limit_of_a_queue_holds_and_orders_in_any_order_never_deadlock(now):
    mugs = ProductFactory.create_batch(3, stock=0)
    for mug in mugs:
        set_selling_policy(product=mug, policy="backorder", backorder_limit=10)

    def order(n):
        chosen = mugs if n % 2 else mugs[::-1]
        return lambda: check_out(lines=[Line(mug, 1, f"{n}") for mug in chosen], email=f"b{n}@example.com", now=now)

    results = at_once(*[order(n) for n in range(16)])

    assert len(only(NotOrderable, results)) == 6, [r for r in results if isinstance(r, Exception)]
    assert [Backorder.objects.filter(item=anchor_of(mug)).count() for mug in mugs] == [10, 10, 10]


@pytest.mark.postgres
def test_workers_pass_over_what_another_has_claimed(now):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 10)
    Product.objects.update(stock=10)
    sweep_stock(now=now)
    release_waves(now=now)

    with transaction.atomic():
        locked = list(OutgoingMail.objects.select_for_update().order_by("id")[:4])
        [claimed] = at_once(lambda: claim(50))

    assert {mail.id for mail in claimed}.isdisjoint({mail.id for mail in locked})
    assert len(claimed) == 6


@pytest.mark.postgres
def test_leaving_at_the_very_moment_of_the_wave_wins_or_is_mailed_but_never_both(now):
    from backorders.services.subscriptions import unsubscribe
    from tests.factories import token_for

    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, 8)
    tokens = [token_for(row) for row in rows]
    Product.objects.update(stock=8)
    stock_changed(mug, now=now)
    at_once(lambda: release_waves(now=now), *[lambda t=t: unsubscribe(token=t, now=now) for t in tokens])
    with mail_server() as server:
        drain(seconds=10)

    assert server.addresses == []
    assert set(Subscription.objects.values_list("state", flat=True)) == {"closed"}
    assert connection.vendor == "postgresql"


def test_workers_that_come_at_once_try_one_suspect_of_a_product(now):
    """Else a product that kills its reader would kill all of them."""
    for _ in range(5):
        mug = ProductFactory(stock=0)
        waiting_for(mug, 8)
        Product.objects.filter(pk=mug.pk).update(stock=8)
        sweep_stock(now=now)
        release_waves(now=now)
        OutgoingMail.objects.filter(state=MailState.QUEUED).update(lane=SUSPECT)
        results = at_once(*[claim_suspect] * 4)

        assert only(Exception, results) == []
        assert sorted(len(mails) for mails in results) == [0, 0, 0, 1]
        OutgoingMail.objects.update(state=MailState.SENT)
