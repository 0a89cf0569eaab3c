"""After the order: where it stands, what was promised, and a change of mind."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backorders.models import Backorder, Delivery, Subscription
from backorders.services.backorders import ship_backorder
from backorders.services.subscriptions import subscribe
from backorders.services.supply import cancel_delivery, move_delivery, receive_delivery
from demo_shop.models import Customer, OrderLine, Product, Variant
from tests.demo_shop.conftest import by, in_days, look_at, order, read, to_come


@pytest.fixture
def third(client, backordered):
    """Somebody orders three kettles after two others had ordered the two that were here, and one more each."""
    order(client, (backordered, 3), email="ann@example.com")
    order(client, (backordered, 1), email="ben@example.com")
    return order(client, (backordered, 3))


def open_delivery():
    return Delivery.objects.open().get()


def delay(days, reason=""):
    delivery = open_delivery()
    return move_delivery(delivery_id=delivery.id, earliest=in_days(days), latest=in_days(days), reason=reason)


def cancel(client, placed, units, line=1):
    address = f"{placed.get_absolute_url()}cancel/"
    return client.post(address, {"line": f"{placed.reference}-{line}", "quantity": units}, follow=True)


def test_an_order_page_is_found_only_by_its_reference(client, db):
    assert client.get("/orders/AAAAAAAAAAAA/").status_code == 404


def test_the_third_in_line_sees_position_and_date(client, third):
    assert f"3 are still to come Ships {by(7)} Place in line: 3" in read(look_at(client, third))


def test_a_date_that_moved_is_struck_and_the_new_one_has_its_reason(client, third):
    delay(14, "The ferry is not running")
    page = look_at(client, third)
    assert f'<s><time datetime="{in_days(7)}">{by(7)}</time></s>' in page.content.decode()
    assert f"Ships {by(14)}" in read(page)
    assert "The ferry is not running" in read(page)


def test_every_date_that_was_given_can_be_read_oldest_first(client, third):
    delay(14, "The ferry is not running")
    delay(21, "Storm")
    told = read(look_at(client, third)).partition("Every date we gave you")[2]
    assert told.strip().startswith(f"{by(7)} {by(14)} The ferry is not running {by(21)} Storm")


def test_a_delivery_that_is_lost_leaves_no_date_and_never_a_past_one(client, third):
    cancel_delivery(delivery_id=open_delivery().id, reason="Lost at sea")
    page = read(look_at(client, third))
    assert "We do not know yet when it ships. Place in line: 3" in page
    assert "Lost at sea" in page


def test_what_came_in_and_what_left_is_said(client, third):
    receive_delivery(delivery_id=open_delivery().id)
    assert "3 have come in for you" in read(look_at(client, third))
    ship_backorder(backorder_id=Backorder.objects.get(order_reference=third.reference).id)
    assert "3 have left" in read(look_at(client, third))


# an order that leaves as one


@pytest.fixture
def whole(client, backordered, mug):
    return order(client, (backordered, 3), (mug, 2), ship="together")


def test_an_order_that_leaves_as_one_has_one_date(client, whole):
    page = read(look_at(client, whole))
    assert f"Your order leaves in one parcel, {by(7)}." in page
    assert "2 are here and wait for the rest" in page
    assert "Ships" not in page.partition("Total")[0]


def test_the_date_of_the_parcel_moves_with_its_last_line(client, whole):
    delay(14, "Storm")
    page = read(look_at(client, whole))
    assert f"Your order leaves in one parcel, {by(14)}." in page
    assert "Storm" in page


def test_when_all_of_it_is_here_it_says_so(client, whole):
    receive_delivery(delivery_id=open_delivery().id)
    assert "All of it is here. Your order leaves in one parcel." in read(look_at(client, whole))


def test_without_a_date_the_parcel_has_none(client, whole):
    cancel_delivery(delivery_id=open_delivery().id)
    assert "Your order leaves in one parcel. We do not know the date yet." in read(look_at(client, whole))


# a change of mind


def test_a_guest_cancels_some_units_by_the_secret_address(client, third):
    page = read(cancel(client, third, 2))
    assert "2 × Kettle are cancelled. You do not pay for them." in page
    assert "1 × Kettle" in page and "2 cancelled" in page
    assert "Total €64.00" in page


def test_a_line_that_is_cancelled_whole_leaves_the_queue(client, third):
    page = read(cancel(client, third, 3))
    assert "Place in line" not in page and "Total €0.00" in page


def test_whoever_stood_behind_moves_up(client, backordered, third):
    last = order(client, (backordered, 1), email="zoe@example.com")
    cancel(client, third, 3)
    assert "Place in line: 3" in read(look_at(client, last))


@pytest.mark.parametrize("units", ["4", "0", "-1", "x", ""])
def test_more_than_waits_cannot_be_cancelled(client, third, units):
    assert "3 are still to come" in read(cancel(client, third, units))
    assert not Backorder.objects.filter(cancelled_quantity__gt=0).exists()


def test_what_has_come_in_meanwhile_is_not_cancelled_by_surprise(client, third):
    receive_delivery(delivery_id=open_delivery().id)
    assert "So many no longer wait" in read(cancel(client, third, 3))


def test_a_line_of_another_order_is_not_found(client, backordered, third):
    other = order(client, (backordered, 1), email="zoe@example.com")
    address = f"{third.get_absolute_url()}cancel/"
    assert client.post(address, {"line": f"{other.reference}-1", "quantity": 1}).status_code == 404


def test_opening_the_cancel_address_changes_nothing(client, third):
    lines = [(line.reference, line.quantity) for line in third.lines.all()]
    assert client.get(f"{third.get_absolute_url()}cancel/")["Location"] == third.get_absolute_url()
    assert [(line.reference, line.quantity) for line in third.lines.all()] == lines
    assert Backorder.objects.exclude(cancelled_quantity=0).count() == 0


def test_the_order_leads_to_the_page_of_each_line_for_whoever_may_change_it(client, annas, backordered):
    link = re.search(r'href="(/backorders/lines/[^"]+)"', look_at(client, annas).content.decode())[1]
    assert "See your order" in read(client.get(link))
    assert 'href="/backorders/mine/"' in client.get("/account/").content.decode()
    client.logout()
    assert "/backorders/lines/" not in look_at(client, annas).content.decode()


def test_what_is_given_up_on_the_page_of_the_line_is_off_the_order(client, annas):
    link = re.search(r'href="(/backorders/lines/[^"]+)"', look_at(client, annas).content.decode())[1]
    client.post(link + "cancel/", {"waiting": 3})
    assert "3 cancelled" in read(look_at(client, annas)) and "complete €128.00" in read(client.get("/account/"))


@pytest.fixture
def annas(client, backordered, db):
    anna = Customer.objects.create_user(email="anna@example.com", password="anna")
    client.force_login(anna)
    return order(client, (backordered, 5), email=anna.email)


def test_a_customers_order_is_theirs_alone_to_cancel(client, annas):
    client.logout()
    assert "Cancel what waits" not in read(look_at(client, annas))
    assert cancel(client, annas, 1).status_code == 404
    assert OrderLine.objects.get().order == annas


def test_the_customer_cancels_and_the_account_page_counts_what_is_left(client, annas):
    assert f"to come, {by(7)} €320.00" in read(client.get("/account/"))
    cancel(client, annas, 3)
    assert "complete €128.00" in read(client.get("/account/"))


def test_the_account_page_costs_the_same_however_many_orders(client, annas, backordered, django_assert_max_num_queries):
    to_come(backordered, 50, days=9)
    for _ in range(4):
        order(client, (backordered, 1), email="anna@example.com")
    client.get("/account/")
    with django_assert_max_num_queries(12):
        client.get("/account/")


def test_the_account_page_costs_the_same_however_much_somebody_waits_for(client, annas):
    Customer.objects.update(is_email_verified=True)
    anna, kettle, costs = Customer.objects.get(), Product.objects.get(), []
    for wishes in (2, 12):
        for number in range(Subscription.objects.count(), wishes):
            wanted = Variant.objects.create(product=kettle, sku=f"KETTLE-{number}", price="64.00")
            subscribe(product=wanted, email=anna.email, customer=anna)
        client.get("/account/")
        with CaptureQueriesContext(connection) as asked:
            page = client.get("/account/").content.decode()
        assert page.count("bo-status") == wishes
        costs.append(len(asked))
    assert costs == [12, 12]
