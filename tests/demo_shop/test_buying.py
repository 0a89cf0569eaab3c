import datetime as dt
import re

import pytest

from backorders.services.stock import set_selling_policy
from backorders.services.supply import expect_delivery
from demo_shop.models import Order, OrderLine

WHO = {
    "email": "bo@example.com",
    "name": "Bo",
    "address": "1 Canal Street",
    "ship": "split",
    "checkout_key": "first-form",
}


@pytest.fixture
def backordered(on_the_shelf):
    """Two kettles here, more in a week, and orders welcome meanwhile."""
    kettle = on_the_shelf(2)
    set_selling_policy(product=kettle, policy="backorder")
    day = dt.date.today() + dt.timedelta(days=7)
    expect_delivery(product=kettle, quantity=10, earliest=day, latest=day, confidence="firm")
    return kettle


def put_in_basket(client, variant, quantity):
    return client.post("/basket/add/", {"variant": variant.pk, "quantity": quantity})


def test_what_is_here_leaves_now_and_the_rest_joins_the_queue(client, backordered):
    put_in_basket(client, backordered, 5)
    page = client.post("/checkout/", WHO, follow=True)
    line = OrderLine.objects.get()
    assert (line.ships_now, line.ships_later) == (2, 3)
    assert re.search(r"place 1\s+in the queue", page.content.decode())
    backordered.refresh_from_db()
    assert backordered.stock == 0


def test_a_second_click_on_place_the_order_finds_the_first_order(client, backordered):
    put_in_basket(client, backordered, 1)
    first = client.post("/checkout/", WHO)
    assert client.post("/checkout/", WHO).url == first.url
    assert Order.objects.count() == 1


def test_an_order_that_cannot_be_filled_leaves_nothing_behind(client, on_the_shelf):
    put_in_basket(client, on_the_shelf(2), 2)
    on_the_shelf(1)
    assert client.post("/checkout/", WHO).url == "/basket/"
    assert Order.objects.count() == 0


def test_the_basket_names_what_stands_in_the_way(client, on_the_shelf):
    put_in_basket(client, on_the_shelf(2), 2)
    on_the_shelf(1)
    assert "Only 1 can be ordered just now." in client.get("/basket/").content.decode()


@pytest.mark.parametrize("quantity", ["0", "-1", "100", "many", ""])
def test_a_strange_quantity_never_breaks_the_basket(client, on_the_shelf, quantity):
    put_in_basket(client, on_the_shelf(9), quantity)
    assert client.get("/basket/").status_code == 200


def test_an_order_page_is_found_only_by_its_reference(client, db):
    assert client.get("/orders/AAAAAAAAAAAA/").status_code == 404
