"""A product page with everything on it: what that costs, whoever looks."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.template import Context, Template
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from backorders.models import Alternative, StockItem, Subscription
from backorders.queries.subscriptions import requests_about
from backorders.services.locks import anchor_of
from backorders.services.supply import expect_delivery
from backorders.services.waves import open_restock
from tests.factories import CustomerFactory, ProductFactory, SubscriptionFactory, in_days
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

HEAD = "{% load backorders %}{% backorder_jsonld p variants=all name='Mug' group=1 %}"
PREFETCH = "{% backorder_prefetch all %}"
BODY = (
    "{% load backorders %}"
    + PREFETCH
    + "{% for each in all %}{% backorder_badge each live=True %}{% backorder_line each live=True %}{% endfor %}"
    "{% backorder_status p pay='now' live=True %}"
    "{% backorder_availability p as it %}<button>{% backorder_button_label p %}</button>"
    "{% backorder_subscribe p any_of=all %}"
    "{% backorder_alternatives p limit=4 %}"
)
OURS = re.compile(r"\bbackorders_\w+")


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language active behind it; each test starts from the shop's own."""
    with translation.override("en"):
        yield


@pytest.fixture
def sizes():
    """Six sizes: two that were announced and sold before, three that are away, one that is here."""
    made = [ProductFactory(name=f"Mug {size}", category="mugs", stock=int(size == 5)) for size in range(6)]
    soon = timezone.now() + dt.timedelta(days=20)
    for each in made[:2]:
        StockItem.objects.filter(id=anchor_of(each).id).update(policy="preorder", releases_at=soon)
        expect_delivery(product=each, quantity=5, earliest=in_days(20), latest=in_days(20), confidence="firm")
        open_restock(item=anchor_of(each), units=3, now=timezone.now() - dt.timedelta(days=90))
    StockItem.objects.filter(id=anchor_of(made[2]).id).update(next_earliest=in_days(4), next_latest=in_days(8))
    return made


@pytest.fixture
def substitutes(sizes):
    """Two picked by people, a successor, and a category full of others."""
    for each in ProductFactory.create_batch(2, category="lamps", stock=3):
        Alternative.objects.create(item=anchor_of(sizes[0]), substitute=anchor_of(each))
    heir = anchor_of(ProductFactory(name="Heir", category="lamps", stock=3))
    StockItem.objects.filter(id=anchor_of(sizes[0]).id).update(successor=heir)
    ProductFactory.create_batch(20, category="mugs", stock=3)


@pytest.fixture
def ana(sizes):
    """Waits for much, and for this."""
    ana = CustomerFactory()
    for each in [*ProductFactory.create_batch(30), sizes[0]]:
        SubscriptionFactory(item=anchor_of(each), customer=ana)
    return ana


def statements(page, sizes, *, user=None):
    """What was asked of our tables, what of the shop's, and the page that was drawn meanwhile."""
    request = RequestFactory().get("/p/1/")
    request.user = user or AnonymousUser()
    fresh = list(Product.objects.filter(pk__in=[each.pk for each in sizes]).order_by("pk"))
    with CaptureQueriesContext(connection) as asked:
        html = Template(page).render(Context({"request": request, "p": fresh[0], "all": fresh}))
    ours = [each["sql"] for each in asked if OURS.search(each["sql"])]
    return ours, [each["sql"] for each in asked if each["sql"] not in ours], html


@pytest.mark.usefixtures("substitutes")
def test_with_everything_on_it_costs_four_statements_on_our_tables_and_five_on_the_shops(sizes, ana):
    statements(HEAD + BODY, sizes)  # content types are read once per process
    ours, shops, html = statements(HEAD + BODY, sizes, user=ana)

    assert (len(ours), len(shops)) == (4, 5)
    assert "Pre-order now" in html and html.count("Heir") == 1
    assert html.count("schema.org/BackOrder") == 2  # two were sold before
    assert "Take me off the list" in html


@pytest.mark.usefixtures("substitutes")
def test_for_a_guest_it_costs_one_less(sizes):
    statements(HEAD + BODY, sizes)
    ours, shops, html = statements(HEAD + BODY, sizes)

    assert (len(ours), len(shops)) == (3, 5)
    assert html.count('name="any_of"') == 4  # the one that is here is no choice


@pytest.mark.usefixtures("substitutes")
def test_it_costs_the_same_where_the_data_for_machines_come_last(sizes, ana):
    statements(HEAD + BODY, sizes)
    ours, shops, _ = statements(BODY + HEAD, sizes, user=ana)
    assert (len(ours), len(shops)) == (4, 6)  # the choices were described before the rest was


def test_requests_about_other_products_are_not_read(sizes, ana):
    html = statements(HEAD + BODY, sizes[1:], user=ana)[2]
    assert "Take me off the list" not in html
    assert requests_about(sizes, customer=ana).keys() == {sizes[0]}


def test_a_request_that_was_never_confirmed_is_not_shown(sizes):
    ana = CustomerFactory()
    SubscriptionFactory(item=anchor_of(sizes[0]), customer=ana, state=Subscription.State.PENDING)
    assert "Take me off the list" not in statements(HEAD + BODY, sizes, user=ana)[2]
