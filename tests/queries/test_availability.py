"""One answer for badge, button, API and mail; few queries, however long the list."""

import datetime as dt

import pytest

from backorders.domain.availability import State
from backorders.domain.units import Units
from backorders.domain.windows import NO_DATE, OVERDUE, Window
from backorders.queries.availability import availability_for, availability_of
from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory
from tests.hosts import models as hosts
from tests.hosts.late.models import Lamp

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def test_a_list_of_one_model_costs_one_query(django_assert_num_queries, now):
    products = ProductFactory.create_batch(100, stock=3)
    set_selling_policy(product=products[0], policy="backorder")
    loaded = list(hosts.Product.objects.all())
    with django_assert_num_queries(1):
        answers = availability_for(loaded, now)

    assert len(answers) == 100


def test_a_mixed_list_of_many_models_costs_three_queries_at_most(django_assert_max_num_queries, now):
    crates = [hosts.Warehoused.objects.create(name="crate") for _ in range(5)]
    for crate in crates:
        hosts.Inventory.objects.create(product=crate, quantity=7, reserved=3)
    parcels = [hosts.Parcel.objects.create(name="parcel", units=2) for _ in range(5)]
    mixed = [
        *crates,
        *ProductFactory.create_batch(5, stock=1),
        *hosts.Parcel.objects.defer("units").filter(pk__in=[parcel.pk for parcel in parcels]),
        *[hosts.Bicycle.objects.create(name="bike", stock=3) for _ in range(5)],
        *[Lamp.objects.create(name="lamp", count=0) for _ in range(5)],
        *[hosts.Download.objects.create(name="download") for _ in range(5)],
        *[hosts.Custom.objects.create(name="custom", boxes=1, per_box=4) for _ in range(5)],
    ]
    availability_for(mixed, now)  # content types are read once a process
    with django_assert_max_num_queries(3):
        answers = availability_for(mixed, now)

    assert [answers[thing].for_sale.value for thing in mixed[::5]] == [4, 1, 2, 3, 0, 0, 4]
    assert answers[mixed[25]].for_sale.is_unlimited


def test_text_in_one_models_stock_breaks_no_mixed_list(now, settings):
    sold = {**settings.BACKORDERS["SELLABLES"], "hosts.Imported": {"stock": "stock", "title": "name"}}
    settings.BACKORDERS = {**settings.BACKORDERS, "SELLABLES": sold}
    crate = hosts.Warehoused.objects.create(name="crate")
    hosts.Inventory.objects.create(product=crate, quantity=2)
    parcel = hosts.Parcel.objects.create(name="parcel", units=3)
    odd = hosts.Imported.objects.create(name="odd", stock="n/a")
    mixed = [crate, *hosts.Parcel.objects.defer("units"), *hosts.Imported.objects.defer("stock")]
    answers = availability_for(mixed, now)

    assert [answers[thing].for_sale for thing in (crate, parcel, odd)] == [Units(2), Units(3), Units(0)]


def test_a_list_trusts_what_was_just_loaded_and_one_product_is_read_again(now):
    mug = ProductFactory(stock=0)
    hosts.Product.objects.update(stock=5)

    assert availability_for([mug], now)[mug].for_sale == Units(0)
    assert availability_of(mug, now).for_sale == Units(5)


def test_an_expression_that_was_saved_is_never_taken_for_a_number(now):
    from django.db.models import F

    mug = ProductFactory(stock=1)
    mug.stock = F("stock") + 1

    assert availability_for([mug], now)[mug].for_sale == Units(1)


def test_nothing_on_the_way_is_no_date(now):
    mug = ProductFactory(stock=0)
    answer = availability_of(mug, now)

    assert (answer.state, answer.window, answer.can_subscribe, answer.can_order) == (
        State.OUT_OF_STOCK,
        NO_DATE,
        True,
        False,
    )


def test_a_delivery_gives_the_window_that_was_typed(now):
    mug, today = ProductFactory(stock=0), now.date()
    expect_delivery(product=mug, quantity=5, earliest=today + DAY, latest=today + 4 * DAY, now=now)
    window = availability_of(mug, now).window

    assert isinstance(window, Window)
    assert (window.earliest, window.latest) == (today + DAY, today + 4 * DAY)


def test_a_past_date_is_never_shown(now):
    mug, today = ProductFactory(stock=0), now.date()
    expect_delivery(product=mug, quantity=5, earliest=today, latest=today + DAY, now=now)

    assert availability_of(mug, now + 30 * DAY).window == OVERDUE


def test_a_window_that_has_begun_starts_today(now):
    mug, today = ProductFactory(stock=0), now.date()
    expect_delivery(product=mug, quantity=5, earliest=today, latest=today + 4 * DAY, now=now)

    assert availability_of(mug, now + 2 * DAY).window.earliest == today + 2 * DAY


def test_the_next_delivery_counts_when_the_first_is_spoken_for(now):
    from backorders.services.backorders import place_backorder

    mug, today = ProductFactory(stock=0), now.date()
    set_selling_policy(product=mug, policy="backorder")
    expect_delivery(product=mug, quantity=2, earliest=today + DAY, latest=today + DAY, now=now)
    expect_delivery(product=mug, quantity=9, earliest=today + 20 * DAY, latest=today + 21 * DAY, now=now)
    place_backorder(product=mug, quantity=2, reference="A", email="a@example.com", now=now)

    assert availability_of(mug, now).window.latest == today + 21 * DAY


def test_a_preorder_opens_sells_and_is_released(now):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="preorder", opens_at=now + DAY, releases_at=now + 30 * DAY)
    states = [availability_of(mug, now + days * DAY).state for days in (0, 2, 31)]

    assert states == [State.COMING_SOON, State.PREORDER, State.BACKORDER]


def test_goods_that_are_here_before_their_release_are_not_in_stock(now):
    mug = ProductFactory(stock=8)
    set_selling_policy(product=mug, policy="preorder", releases_at=now + 30 * DAY)

    assert availability_of(mug, now).state is State.PREORDER
    assert availability_of(mug, now + 31 * DAY).state is State.IN_STOCK


def test_a_release_is_a_day_in_the_shops_time_zone(now):
    mug = ProductFactory(stock=0)
    midnight_in_brussels = dt.datetime(2026, 5, 1, 22, 30, tzinfo=dt.UTC)
    set_selling_policy(product=mug, policy="preorder", releases_at=midnight_in_brussels)

    assert availability_of(mug, now).window.earliest == dt.date(2026, 5, 2)


def test_the_last_units_of_a_discontinued_product_are_sold_then_it_is_gone(now):
    mug = ProductFactory(stock=5)
    set_selling_policy(product=mug, discontinued=True)
    assert availability_of(mug, now).state is State.IN_STOCK

    hosts.Product.objects.update(stock=0)
    answer = availability_of(mug, now)
    assert (answer.state, answer.can_subscribe) == (State.DISCONTINUED, False)


def test_the_setting_speaks_for_items_that_say_nothing(settings, now):
    settings.BACKORDERS = {**settings.BACKORDERS, "DEFAULT_POLICY": "backorder"}

    assert availability_of(ProductFactory(stock=0), now).state is State.BACKORDER
