"""An open restock whose people cannot be told just now is not looked at each second, and at once when the answer may have changed."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone

from backorders.domain.tokens import Purpose
from backorders.models import Hold, Restock, Subscription
from backorders.queries import waves as queries
from backorders.services.holds import give_back_hold
from backorders.services.stock import stock_changed, sweep_stock
from backorders.services.subscriptions import change_request, confirm
from backorders.services.waves import release_wave, release_waves
from tests.conftest import NOW
from tests.factories import CustomerFactory, ProductFactory, token_for, told, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR = dt.timedelta(seconds=1), dt.timedelta(minutes=1), dt.timedelta(hours=1)


def too_dear(mugs=1, **fields):
    """Mugs that are back, and whose readers would pay less."""
    rows = []
    for _ in range(mugs):
        mug = ProductFactory(stock=0, price=10)
        rows += waiting_for(mug, 1, highest_price=Decimal(9), **fields)
    Product.objects.update(stock=5)
    sweep_stock(now=NOW)
    assert release_waves(now=NOW) == []
    return rows


def product_of(row):
    return Product.objects.get(pk=row.item.object_id)


def test_forty_restocks_with_nobody_to_tell_cost_two_queries_a_look(django_assert_num_queries):
    too_dear(41)
    for seconds in (1, 2, 60):
        with django_assert_num_queries(2):
            assert release_waves(now=NOW + seconds * SECOND) == []


def test_where_nobody_waits_any_more_nothing_is_put_off():
    """Whoever gets the place back a moment later is not kept waiting for that."""
    [row] = too_dear()
    Restock.objects.update(look_again_at=None)
    Subscription.objects.filter(id=row.id).update(state="closed")
    release_wave(restock_id=Restock.objects.get().id, now=NOW + SECOND)

    assert Restock.objects.get().look_again_at is None


def test_what_changed_without_a_word_is_found_within_three_minutes():
    rows = too_dear()
    Product.objects.update(price=8)
    release_waves(now=NOW + 3 * MINUTE)

    assert told(rows) == [rows[0].email]


def test_a_price_that_the_shop_saves_is_seen_at_the_next_look(committed):
    rows = too_dear()
    with committed():
        product = product_of(rows[0])
        product.price = 8
        product.save()
    release_waves(now=NOW + SECOND)

    assert told(rows) == [rows[0].email]


def test_so_is_one_of_which_the_shop_says_that_something_changed():
    rows = too_dear()
    Product.objects.update(price=8)
    stock_changed(product_of(rows[0]), now=NOW)
    release_waves(now=NOW + SECOND)

    assert told(rows) == [rows[0].email]


def test_whoever_would_now_pay_more_is_told_at_the_next_look():
    ana = CustomerFactory(email="ana@example.com")
    rows = too_dear(customer=ana)
    change_request(subscription_id=rows[0].id, customer=ana, highest_price=Decimal(12), now=NOW)
    release_waves(now=NOW + SECOND)

    assert told(rows) == [rows[0].email]


def test_a_newcomer_is_told_at_the_next_look():
    rows = too_dear()
    [ben] = waiting_for(product_of(rows[0]), 1, state="pending", confirmed_at=None)
    confirm(token=token_for(ben, Purpose.CONFIRM), now=NOW)
    sweep_stock(now=NOW)
    release_waves(now=NOW + SECOND)

    assert told([*rows, ben]) == [ben.email]


def test_units_that_were_put_aside_and_are_free_again_are_told_of_at_the_next_look(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": HOUR, "WAVE_EVERY": SECOND}
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, 2)
    Product.objects.update(stock=1)
    sweep_stock(now=NOW)
    release_waves(now=NOW)
    assert release_waves(now=NOW + 2 * SECOND) == []
    give_back_hold(hold_id=Hold.objects.get().id, now=NOW + 2 * SECOND)
    sweep_stock(now=NOW + 3 * SECOND)
    release_waves(now=NOW + 4 * SECOND)

    assert told(rows) == [row.email for row in rows]


def test_a_worker_whose_clock_is_an_hour_ahead_keeps_nobody_waiting_for_an_hour():
    rows = too_dear()
    release_waves(now=NOW + HOUR)
    Product.objects.update(price=8)
    release_waves(now=NOW + 4 * MINUTE)

    assert told(rows) == [rows[0].email]


def test_while_those_who_were_told_may_still_buy_it_looks_twice_a_minute(settings):
    """Time alone lets more people be told."""
    settings.BACKORDERS = {**settings.BACKORDERS, "WAVE_EVERY": SECOND}
    mug = ProductFactory(stock=0)
    waiting_for(mug, 40)
    Product.objects.update(stock=1)
    sweep_stock(now=NOW)
    release_waves(now=NOW)
    release_waves(now=NOW + 2 * SECOND)

    assert Restock.objects.get().look_again_at == NOW + 32 * SECOND


def test_what_the_shop_has_learned_is_read_once_in_five_minutes(django_assert_num_queries):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 1)
    now = timezone.now()
    queries.learned_lately(now)
    with django_assert_num_queries(0):
        queries.learned_lately(now + 4 * MINUTE)
    with django_assert_num_queries(1):
        queries.learned_lately(now + 6 * MINUTE)
