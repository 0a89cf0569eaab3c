"""Deliveries: announced, moved, received once, cancelled."""

import datetime as dt

import pytest

from backorders.errors import DeliveryClosed, InvalidQuantity, InvalidWindow
from backorders.models import Delivery, DeliveryRevision, StockEvent
from backorders.services.locks import anchor_of
from backorders.services.supply import cancel_delivery, expect_delivery, move_delivery, receive_delivery
from tests.factories import ProductFactory
from tests.hosts.models import Product, Warehoused

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def delivery(now):
    today = now.date()
    return expect_delivery(product=ProductFactory(stock=1), quantity=5, earliest=today, latest=today + DAY, now=now)


def test_what_arrives_is_booked_onto_the_shops_shelf(delivery, now):
    receive_delivery(delivery_id=delivery.id, now=now)

    assert Product.objects.get().stock == 6
    assert Delivery.objects.get().state == "received"


def test_a_part_leaves_the_rest_expected(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    delivery.refresh_from_db()

    assert (delivery.state, delivery.outstanding, anchor_of(Product.objects.get()).inbound_units) == ("expected", 3, 3)


def test_a_receipt_posted_twice_counts_once(delivery, now):
    first = receive_delivery(delivery_id=delivery.id, quantity=2, reference="GR-7", now=now)
    again = receive_delivery(delivery_id=delivery.id, quantity=2, reference="GR-7", now=now)

    assert (first.was_repeated, again.was_repeated) == (False, True)
    assert Product.objects.get().stock == 3


def test_a_late_replay_of_the_last_receipt_is_still_no_error(delivery, now):
    receive_delivery(delivery_id=delivery.id, reference="GR-7", now=now)

    assert receive_delivery(delivery_id=delivery.id, reference="GR-7", now=now).was_repeated


def test_more_than_was_expected_is_booked_and_closes_the_delivery(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=8, now=now)

    assert (Product.objects.get().stock, Delivery.objects.get().state) == (9, "received")


def test_a_closed_delivery_is_refused(delivery, now):
    receive_delivery(delivery_id=delivery.id, now=now)
    for act in (receive_delivery, cancel_delivery):
        with pytest.raises(DeliveryClosed, match="already received"):
            act(delivery_id=delivery.id, now=now)


def test_a_moved_date_keeps_the_old_one_on_record(delivery, now):
    later = delivery.latest_on + 7 * DAY
    move_delivery(delivery_id=delivery.id, earliest=later, latest=later, reason="strike", now=now)
    move_delivery(delivery_id=delivery.id, earliest=later, latest=later, now=now)
    revision = DeliveryRevision.objects.get()

    assert (revision.from_latest, revision.to_latest, revision.reason) == (delivery.latest_on, later, "strike")
    assert anchor_of(Product.objects.get()).next_latest == later


def test_a_cancelled_delivery_promises_nothing(delivery, now):
    cancel_delivery(delivery_id=delivery.id, now=now)

    assert anchor_of(Product.objects.get()).next_latest is None


@pytest.mark.parametrize("quantity", [0, -5, 1.5, 2**63])
def test_impossible_quantities_are_refused(delivery, quantity, now):
    with pytest.raises(InvalidQuantity):
        receive_delivery(delivery_id=delivery.id, quantity=quantity, now=now)
    assert StockEvent.objects.count() == 0


def test_a_window_that_ends_before_it_starts_is_refused(now):
    with pytest.raises(InvalidWindow):
        expect_delivery(product=ProductFactory(), quantity=1, earliest=now.date(), latest=now.date() - DAY, now=now)
    assert Delivery.objects.count() == 0


def test_a_shop_that_books_its_own_stock_is_not_written_to(now):
    crate = Warehoused.objects.create(name="crate")
    delivery = expect_delivery(product=crate, quantity=5, earliest=now.date(), latest=now.date(), now=now)
    arrival = receive_delivery(delivery_id=delivery.id, now=now)

    assert (arrival.units, arrival.settled.for_sale) == (5, 0)
