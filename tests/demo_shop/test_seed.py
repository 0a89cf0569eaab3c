"""The shop on its first morning has a past: what it says must be true of its rows."""

import pytest
from django.core.management import CommandError, call_command

from backorders.domain.availability import State
from backorders.models import CategoryTerms, Delivery, Promise, StockItem, Supplier
from backorders.queries.availability import availability_for, availability_of
from backorders.queries.reliability import calibration_table
from backorders.queries.stock import item_of
from backorders.services.repair import repair_counters
from backorders.services.stock import sweep_stock
from demo_shop import seed
from demo_shop.models import Customer, Product, Variant
from tests.demo_shop.conftest import look_at, put_in_basket, read

pytestmark = [pytest.mark.usefixtures("catalogue"), pytest.mark.xdist_group("seed")]


def test_three_suppliers_have_more_than_thirty_deliveries_behind_them():
    past = Delivery.objects.exclude(state="expected")
    assert Supplier.objects.count() == 3
    assert past.count() > 30
    assert all(row.deliveries >= 10 and row.kept for row in calibration_table())


def test_the_past_left_nothing_on_the_shelves():
    before = dict(Variant.objects.values_list("sku", "stock"))
    sweep_stock()
    assert dict(Variant.objects.values_list("sku", "stock")) == before
    assert list(repair_counters(dry_run=True)) == []


def test_what_is_on_its_way_is_judged_by_the_past():
    promised = Delivery.objects.open().exclude(confidence="guess")
    assert all(delivery.is_learned for delivery in promised)
    late = promised.filter(supplier__name="Canal Imports", confidence="firm")
    assert all(delivery.forecast_latest_on > delivery.latest_on for delivery in late)


def test_no_supplier_delivers_on_a_weekend():
    theirs = Delivery.objects.exclude(supplier=None)
    arrived = theirs.exclude(arrived_on=None).values_list("arrived_on", flat=True)
    forecasts = theirs.open().filter(is_learned=True).values_list("forecast_latest_on", flat=True)
    assert {day.weekday() for day in [*arrived, *forecasts]} <= {0, 1, 2, 3, 4}


def test_every_state_is_on_the_front_page(client):
    shown = {availability_of(card["variant"]).state for card in client.get("/").context["cards"]}
    assert shown == set(State)


def test_furniture_is_made_to_order_because_its_category_says_so(client):
    stool = Variant.objects.get(sku="MILKING-OAK")
    assert (item_of(stool), CategoryTerms.objects.count()) == (None, 1)
    assert availability_of(stool).is_made_to_order
    assert "Our workshop builds them one at a time." in read(client.get(stool.get_absolute_url()))


def test_a_safety_stock_is_not_for_sale():
    lock = Variant.objects.get(sku="KEEP-SHORT")
    assert availability_of(lock).for_sale.value == lock.stock - 2


@pytest.mark.parametrize(
    ("sku", "quantity", "rule", "sentence"),
    [
        ("ENAMEL-DENIM", 7, "Order at most 6.", "One order may have up to 6 of these."),
        ("WAX-SMALL", 1, "Order at least 2.", "This is sold from 2 pieces on."),
        ("FERRY-SIGNED-HARDBACK", 2, "At most 1 per customer.", "Each customer may order 1 of these."),
    ],
)
def test_some_things_have_terms_of_their_own(client, sku, quantity, rule, sentence):
    """The product's page says the rule beforehand, once; the basket says it to whoever broke it."""
    variant = Variant.objects.get(sku=sku)
    put_in_basket(client, variant, quantity)
    assert read(client.get(variant.get_absolute_url())).count(rule) == 1
    assert sentence in read(client.get("/basket/"))


def test_a_reason_is_given_where_there_is_no_date(client):
    page = read(client.get("/p/press-pot-1-l/?variant=PRESS-BRASS"))
    assert "We do not know yet when it ships." in page
    assert "The foundry that casts the lids has no date for us yet." in page


def test_five_people_stand_in_line_and_anna_sees_why_her_date_moved(client):
    assert StockItem.objects.get(pk=item_of(Variant.objects.get(sku="FORGE-28-CM")).pk).backorders.count() == 5
    anna = Customer.objects.get(email="anna@example.com")
    page = read(look_at(client, anna.orders.earliest("pk")))
    assert "Place in line: 3" in page
    assert "The foundry poured a week late." in page


def test_one_of_annas_orders_leaves_as_one(client):
    anna = Customer.objects.get(email="anna@example.com")
    assert "Your order leaves in one parcel, by" in read(look_at(client, anna.orders.latest("pk")))


def test_no_promise_was_ever_for_a_day_that_was_over():
    assert [row for row in Promise.objects.all() if row.latest_on and row.latest_on < row.promised_at.date()] == []


def test_a_story_that_fails_names_its_step():
    with pytest.raises(CommandError, match="FAILED at “staff log in”"):
        call_command("demo_story", url="http://127.0.0.1:9")


# its pages


def test_every_state_occurs_in_the_small_catalogue():
    states = {answer.state for answer in availability_for(Variant.objects.all()).values()}
    assert states == set(State)


def test_seeding_twice_adds_nothing():
    assert seed.seed_small() == 0


PAGES = [
    "/",
    "/c/",
    "/c/kitchen/",
    "/search/?q=lamp",
    "/p/moor-boots/",
    "/basket/",
    "/warehouse/",
    "/warehouse/HEARTH-BRICK/",
    "/inbox/",
]


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ar"])
def test_every_page_opens_in_every_language(client, language):
    for path in PAGES:
        page = client.get(path, headers={"Accept-Language": language})
        assert page.status_code == 200
        assert f'<html lang="{language}"' in page.content.decode()


def test_in_stock_only_shows_what_is_on_a_shelf(client):
    shown = {card["product"].slug for card in client.get("/c/bikes/?in_stock=1").context["cards"]}
    assert shown == set(
        Product.objects.filter(category__slug="bikes", variants__stock__gt=0).values_list("slug", flat=True).distinct()
    )


def test_a_list_of_products_costs_seven_queries_however_long_it_is(client, django_assert_num_queries):
    client.get("/")  # content types are read once per process
    for path in ("/c/bikes/", "/c/sound/"):
        with django_assert_num_queries(7):
            client.get(path)


def test_nothing_inline_may_run(client):
    page = client.get("/p/moor-boots/")
    assert "unsafe" not in page["Content-Security-Policy"]
    assert " style=" not in page.content.decode()


def test_the_demo_logins_work(client):
    for name in ("anna", "ben", "admin"):
        assert client.login(username=f"{name}@example.com", password=name)


def test_the_account_page_opens(client):
    client.login(username="anna@example.com", password="anna")
    assert client.get("/account/").status_code == 200
