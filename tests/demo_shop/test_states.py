"""The page of all states: real rows, one of each kind."""

import re

import pytest
from django.db.models import Value
from django.db.models.functions import Concat

from backorders.services.stock import stock_changed
from demo_shop.models import Variant
from demo_shop.views.states import CASES
from tests.demo_shop.conftest import read

pytestmark = [pytest.mark.usefixtures("catalogue"), pytest.mark.xdist_group("seed")]

BADGES = {
    "in-stock": "In stock",
    "low": "Only 2 left",
    "backorder-firm": "On backorder",
    "backorder-estimate": "On backorder",
    "backorder-without-date": "On backorder",
    "made-to-order": "Made to order",
    "all-reserved": "All reserved",
    "preorder": "Pre-order",
    "coming-soon": "Coming soon",
    "announced": "Coming soon",
    "out-with-date": "Out of stock",
    "out-without-date": "Out of stock",
    "delayed": "Out of stock, delayed",
    "delayed-backorder": "On backorder, delayed",
    "discontinued": "No longer made",
    "mixed": "Out of stock",
}


def badges(client):
    html = client.get("/states/").content.decode()
    boxes = re.findall(r'<section class="state" id="([\w-]+)".*?bo-status.*?</svg>\s*<span>(.*?)</span>', html, re.S)
    return dict(boxes)


def test_every_state_is_shown_by_a_product_that_is_in_it(client):
    assert badges(client) == BADGES
    assert [case.code for case in CASES] == list(BADGES)


def test_what_happens_to_a_product_shows_at_once(client):
    Variant.objects.filter(sku="HEARTH-SAGE").update(stock=1)
    stock_changed(Variant.objects.get(sku="HEARTH-SAGE"))
    assert badges(client)["in-stock"] == "Only 1 left"


def test_a_low_shelf_names_the_next_delivery_and_a_full_queue_the_one_after(client):
    page = read(client.get("/states/"))
    assert re.search(r"Only 2 left More expected \w", page)
    assert re.search(r"All reserved All that can be ordered ahead is taken\. Expected back (in )?\w", page)


def test_what_is_announced_what_is_made_and_what_is_late_say_so(client):
    page = read(client.get("/states/"))
    assert "Coming soon The date will be announced." in page
    assert "Made to order Made for you. Expected to ship by" in page
    assert "On backorder We do not know yet when it ships." in page
    assert "On backorder, delayed The delivery is late, and no new date is confirmed yet." in page


def test_an_estimate_says_how_such_dates_held(client):
    """Canal Imports, whose deliveries of the last months the seed has written down."""
    page = read(client.get("/states/"))
    assert re.search(r"The date is an estimate\. Dates like this held for \d+ of the last 10 deliveries", page)


def test_all_of_it_costs_less_than_two_queries_a_state(client, django_assert_max_num_queries):
    client.get("/")  # content types are read once per process
    with django_assert_max_num_queries(23):
        client.get("/states/")


def test_a_shop_without_these_products_shows_none(client):
    Variant.objects.update(sku=Concat(Value("OTHER-"), "sku"))
    assert badges(client) == {}
