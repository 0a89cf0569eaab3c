"""The last unit that is put aside, and everybody who wants it at the same moment."""

import datetime as dt

import pytest
from django.utils import timezone

from backorders.domain.tokens import Purpose
from backorders.errors import NotOrderable
from backorders.models import Hold, StockItem, Subscription
from backorders.services.checkout import Line, Placement, check_out
from backorders.services.holds import end_holds
from backorders.services.repair import repair_counters
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import unsubscribe
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, token_for, waiting_for
from tests.hosts.models import Product
from tests.races.test_races import at_once, only

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ROUNDS = 5


@pytest.fixture(autouse=True)
def holding(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": dt.timedelta(hours=4)}


def drop(people=1, units=1):
    now = timezone.now()
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, people)
    Product.objects.filter(pk=mug.pk).update(stock=units)
    sweep_stock(now=now)
    release_waves(now=now)
    return mug, rows


def buy(mug, name, *, email=None, holds=()):
    [placed] = check_out(lines=[Line(mug, 1, name)], email=email or f"{name}@example.com", holds=holds)
    return placed


def books_are_right():
    return not list(repair_counters(dry_run=True)) and not Product.objects.filter(stock__lt=0).exists()


def test_two_buyers_with_the_same_link_and_only_one_gets_the_last_held_unit():
    for _ in range(ROUNDS):
        mug, [row] = drop()
        token = token_for(row, Purpose.HOLD)
        results = at_once(
            lambda: buy(mug, "one", holds=[token]),  # noqa: B023 - run before the next round
            lambda: buy(mug, "two", holds=[token]),  # noqa: B023
            lambda: buy(mug, "three", email=row.email),  # noqa: B023
            lambda: buy(mug, "four"),  # noqa: B023
        )
        assert len(only(Placement, results)) == 1
        assert len(only(NotOrderable, results)) == 3
        assert isinstance(results[3], NotOrderable)
        mug.refresh_from_db()
        assert mug.stock == 0 and books_are_right()


def test_buying_leaving_and_running_out_at_once_end_a_hold_once():
    for _ in range(ROUNDS):
        mug, [row] = drop()
        Hold.objects.open().update(ends_at=timezone.now())
        results = at_once(
            lambda: buy(mug, "holder", email=row.email),  # noqa: B023
            lambda: unsubscribe(token=token_for(row)),  # noqa: B023
            end_holds,
            release_waves,
            sweep_stock,
            lambda: buy(mug, "stranger"),  # noqa: B023
        )
        assert only(Exception, results) == only(NotOrderable, results)
        assert len(only(Placement, results)) == 1
        assert not Hold.objects.open().exists() and books_are_right()
        assert Subscription.objects.get(id=row.id).state in ("closed", "waiting", "told")


def test_many_releases_at_once_put_aside_what_is_there_and_no_more():
    mug, rows = drop(people=40, units=0)
    Product.objects.update(stock=7)
    sweep_stock()
    results = at_once(*[release_waves] * 4, sweep_stock, lambda: buy(mug, "stranger"))
    bought = len(only(Placement, results))
    assert only(Exception, results) == only(NotOrderable, results)
    assert Hold.objects.open().count() + bought <= 7
    assert StockItem.objects.get().on_hold_units == Hold.objects.open().count() >= 6
    assert books_are_right()
