"""The demo's own product page: what the package costs it, whoever looks."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backorders.services.locks import anchor_of
from demo_shop.models import Customer, Variant
from tests.factories import SubscriptionFactory

pytestmark = [pytest.mark.usefixtures("catalogue"), pytest.mark.xdist_group("seed")]

PAGES = {
    "boots in many sizes, one of them sold out": ("MOOR-SIZE-43", 4),
    "boots that can be ordered ahead": ("MOOR-SIZE-42", 4),
    "a book before its release": ("FERRY-HARDBACK", 4),
    "a pot that is no longer made": ("MOKA-9-CUPS", 3),
    "a kettle on the shelf": ("HEARTH-SAGE", 1),
}


@pytest.fixture
def anna(client):
    """Signed in, and waiting for half of the shop."""
    anna = Customer.objects.get(email="anna@example.com")
    for variant in Variant.objects.filter(stock=0)[:40]:
        SubscriptionFactory(item=anchor_of(variant), customer=anna, email=f"{variant.sku}@example.com")
    client.force_login(anna)
    return anna


def asked_of_us(client, sku):
    page = Variant.objects.get(sku=sku).get_absolute_url()
    client.get(page)  # content types are read once per process
    with CaptureQueriesContext(connection) as asked:
        assert client.get(page).status_code == 200
    return [each["sql"] for each in asked if re.search(r"\bbackorders_\w+", each["sql"])], len(asked)


@pytest.mark.parametrize(("sku", "most"), PAGES.values(), ids=PAGES)
def test_it_asks_us_four_times_at_most(client, anna, sku, most):
    ours, everything = asked_of_us(client, sku)
    assert len(ours) == most
    assert everything <= 18  # with sessions, the menu, the product, and what we ask of the shop


def test_for_a_guest_it_is_three_times(client):
    assert len(asked_of_us(client, "MOOR-SIZE-43")[0]) == 3


def order_of(client, sku):
    """What stands in the buying column, from top to bottom."""
    html = client.get(Variant.objects.get(sku=sku).get_absolute_url()).content.decode()
    parts = r'class="(?:bo )?(bo-status|order|bo-subscribe|bo-alternatives|copy)[ "]([^>]*)>'
    return [name for name, rest in re.findall(parts, html) if not rest.endswith(" hidden")]


def test_substitutes_stand_where_the_blocked_action_is(client):
    assert order_of(client, "MOOR-SIZE-43") == ["bo-status", "bo-subscribe", "bo-alternatives", "copy"]
    assert order_of(client, "MOOR-SIZE-42") == ["bo-status", "order", "bo-subscribe", "bo-alternatives", "copy"]


def test_where_nobody_knows_when_it_comes_substitutes_come_first(client):
    assert order_of(client, "MOON-80-CM") == ["bo-status", "bo-alternatives", "bo-subscribe", "copy"]
    assert order_of(client, "MOKA-9-CUPS") == ["bo-status", "bo-alternatives", "copy"]


def test_a_page_that_a_cache_keeps_has_its_button_ready(client):
    html = client.get(Variant.objects.get(sku="MOON-80-CM").get_absolute_url()).content.decode()
    assert re.search(r'<form class="order" [^>]*data-bo-order hidden>', html)
