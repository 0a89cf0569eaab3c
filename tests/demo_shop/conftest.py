import datetime as dt
import re
from html import unescape

import pytest
from django.utils import timezone

from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from demo_shop import seed
from demo_shop.models import Category, Order, Product, Variant


@pytest.fixture
def variant(db):
    """One kettle, sold out."""
    category = Category.objects.create(name="Kitchen", slug="kitchen", picture="kettle")
    product = Product.objects.create(category=category, title="Kettle", slug="kettle", picture="kettle")
    return Variant.objects.create(product=product, sku="KETTLE", price="64.00", stock=0)


@pytest.fixture
def mug(variant):
    """A second product, with nothing special about it: nine on the shelf."""
    product = Product.objects.create(category=variant.product.category, title="Mug", slug="mug", picture="cup")
    return Variant.objects.create(product=product, sku="MUG", price="14.00", stock=9)


@pytest.fixture
def on_the_shelf(variant):
    """Puts units of the kettle on the shelf."""

    def put(units):
        Variant.objects.filter(pk=variant.pk).update(stock=units)
        variant.refresh_from_db()
        return variant

    return put


def in_days(days):
    return timezone.localdate() + dt.timedelta(days=days)


def to_come(variant, units, days):
    return expect_delivery(
        product=variant, quantity=units, earliest=in_days(days), latest=in_days(days), confidence="firm"
    )


@pytest.fixture
def backordered(on_the_shelf):
    """Two kettles here, ten more in a week, and orders welcome meanwhile."""
    kettle = on_the_shelf(2)
    set_selling_policy(product=kettle, policy="backorder")
    to_come(kettle, 10, days=7)
    return kettle


@pytest.fixture(scope="module")
def seeded(kept):
    """The shop on its first morning, for all tests of a module: those that want it empty live in another."""
    with kept():
        seed.seed_people()
        seed.seed_small()


@pytest.fixture
def catalogue(seeded, db):
    """The shop on its first morning; what a test does to it is gone afterwards."""


def by(days):
    """How a date is written: "by Dec 8", and in December "by Jan 8, 2027"."""
    day = in_days(days)
    return f"by {day:%b} {day.day}" + (f", {day.year}" if day.year != in_days(0).year else "")


def put_in_basket(client, variant, quantity):
    return client.post("/basket/add/", {"variant": variant.pk, "quantity": quantity})


def check_out(client, *, key="first-form", email="bo@example.com", ship="split", **more):
    answers = {"email": email, "name": "Bo", "address": "1 Canal Street", "ship": ship, "checkout_key": key}
    return client.post("/checkout/", {**answers, **more}, follow=True)


def order(client, *lines, **answers):
    """Buy (variant, quantity) pairs through the shop's pages; returns the order."""
    for variant, quantity in lines:
        put_in_basket(client, variant, quantity)
    key = f"form-{Order.objects.count()}"
    check_out(client, key=key, **answers)
    return Order.objects.get(checkout_key=key)


def read(page):
    """The words of a page as somebody reads them."""
    html = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page.content.decode(), flags=re.S)
    return re.sub(r"\s+([.,])", r"\1", " ".join(unescape(html).split()))


def look_at(client, placed):
    return client.get(placed.get_absolute_url())
