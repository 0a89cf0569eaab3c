"""What is on its way for an item: with days, or late and without any, and what of it others wait for alone."""

import pytest

from backorders.queries.availability import availability_for, availability_of
from backorders.queries.backorders import free_in_deliveries
from backorders.queries.supply import coming_for, last_receipt, ships_within
from backorders.services.locks import anchor_of
from backorders.services.supply import receive_delivery, refresh_forecasts, undo_receipt
from backorders.services.terms import set_category_terms
from tests.factories import ProductFactory
from tests.hosts import models as hosts
from tests.stories import DAY, TODAY, a_mug, announce, order

pytestmark = pytest.mark.django_db


def test_deliveries_with_a_day_and_units_that_are_late(now):
    mug = a_mug()
    late, due = announce(mug, 4, 1), announce(mug, 7, 9)
    order(mug, 3, "A", pinned_to=late.id)
    order(mug, 2, "B", pinned_to=due.id)
    coming = coming_for([anchor_of(mug).id], today=TODAY + 2 * DAY)[anchor_of(mug).id]

    assert [(supply.delivery_id, supply.units, supply.pinned) for supply in coming.supplies] == [(due.id, 7, 2)]
    assert (coming.overdue, coming.pinned_overdue) == (4, 3)


def test_many_items_cost_two_queries(django_assert_num_queries, now):
    mugs = [a_mug() for _ in range(10)]
    for mug in mugs:
        announce(mug, 2, 3)
    ids = [anchor_of(mug).id for mug in mugs]
    with django_assert_num_queries(2):
        coming = coming_for(ids, today=TODAY)

    assert [coming[item_id].horizon.units for item_id in ids] == [2] * 10


def test_only_what_is_outstanding_is_on_its_way(now):
    mug = a_mug()
    delivery = announce(mug, 5, 3)
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    item_id = anchor_of(mug).id
    assert coming_for([item_id], today=TODAY)[item_id].horizon.units == 3

    receive_delivery(delivery_id=delivery.id, now=now)
    assert coming_for([item_id], today=TODAY)[item_id].horizon.units == 0


def test_seven_of_forty_in_the_may_delivery_are_left(now):
    mug = a_mug()
    announce(mug, 5, 3)
    may = announce(mug, 40, 60)
    order(mug, 38, "A")
    [first, second] = free_in_deliveries(anchor_of(mug), now=now)

    assert (first.free, second.delivery_id, second.units, second.free) == (0, may.id, 40, 7)


def test_a_window_that_has_begun_starts_today_and_one_that_is_over_is_none(now):
    delivery = announce(a_mug(), 5, 3, 9)

    assert ships_within(delivery, today=TODAY + 5 * DAY).earliest == TODAY + 5 * DAY
    assert not ships_within(delivery, today=TODAY + 10 * DAY).is_known


def test_the_last_receipt_is_the_last_that_was_not_taken_back(now):
    delivery = announce(a_mug(), 5, 3)
    for name in ("GR-1", "GR-2"):
        receive_delivery(delivery_id=delivery.id, quantity=1, reference=name, now=now)
    undo_receipt(delivery_id=delivery.id, now=now)

    assert last_receipt(delivery).reference == "GR-1"


def test_what_is_late_is_not_shown_as_coming_on_list_pages(now):
    mug = a_mug()
    announce(mug, 5, 3)
    refresh_forecasts(now=now + 4 * DAY)
    [listed] = availability_for([mug], now + 4 * DAY).values()

    assert listed.window == availability_of(mug, now + 4 * DAY).window
    assert listed.window.is_overdue


# lists


def test_a_mixed_list_with_terms_of_categories_costs_three_queries_at_most(django_assert_max_num_queries, now):
    set_category_terms(model=hosts.Product, category="kitchen", policy="backorder", backorder_limit=3)
    for _ in range(5):
        ProductFactory(category="kitchen", stock=0)
        hosts.Inventory.objects.create(product=hosts.Warehoused.objects.create(name="crate"), quantity=4)
        hosts.Parcel.objects.create(name="parcel", units=2)
    mixed = [
        *hosts.Product.objects.all(),
        *hosts.Warehoused.objects.all(),
        *hosts.Parcel.objects.defer("units"),
    ]
    availability_for(mixed, now)  # content types are read once a process
    with django_assert_max_num_queries(3):
        answers = availability_for(mixed, now)

    assert [answers[thing].orderable.value for thing in mixed[::5]] == [3, 4, 2]


def test_products_that_carry_neither_stock_nor_category_cost_three(django_assert_max_num_queries, now):
    set_category_terms(model=hosts.Product, category="kitchen", policy="backorder", backorder_limit=3)
    ProductFactory.create_batch(20, category="kitchen", stock=0)
    bare = list(hosts.Product.objects.only("name"))
    with django_assert_max_num_queries(3):
        answers = availability_for(bare, now)

    assert {answer.to_order.value for answer in answers.values()} == {3}


def test_a_list_of_loaded_products_costs_one_query_though_their_category_has_terms(django_assert_num_queries, now):
    set_category_terms(model=hosts.Product, category="kitchen", policy="backorder")
    ProductFactory.create_batch(50, category="kitchen", stock=0)
    loaded = list(hosts.Product.objects.all())
    availability_for(loaded, now)
    with django_assert_num_queries(1):
        answers = availability_for(loaded, now)

    assert all(answer.can_order for answer in answers.values())
