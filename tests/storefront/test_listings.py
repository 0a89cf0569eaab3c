"""The feed for Google Merchant Center, read back by a real XML parser."""

import datetime as dt
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.utils import timezone, translation

from backorders.domain.listings import LeftOut
from backorders.models import StockItem
from backorders.queries.listings import Tally, listings
from backorders.services.checkout import Line, check_out
from backorders.services.locks import anchor_of
from backorders.services.supply import expect_delivery
from backorders.services.waves import open_restock
from backorders.shop import Described
from backorders.storefront.listings import merchant_feed
from backorders.testing import run_jobs
from tests.factories import ProductFactory, in_days
from tests.hosts.adapters import CustomAdapter
from tests.hosts.models import ApiOnly, Custom, Poster, Product

pytestmark = pytest.mark.django_db

G = "{http://base.google.com/ns/1.0}"
NAMES = {
    "script": "<script>alert('x')</script>",
    "end of CDATA": "a ]]> b <![CDATA[ c",
    "control characters": "bell\x07 escape\x1b vertical\x0b unit\x1f",
    "right to left": "إبريق شاي \u202eevil\u202c",
    "entities": 'R&D "&amp;" &#0; <!ENTITY x>',
    "line and paragraph separators": "one\u2028two\u2029three",
    "beyond the first plane": "tea 🫖\U0001f9c9",
}


def feed(tally=None, **more):
    return "".join(merchant_feed(tally, **more))


def items_of(text):
    """Each item as a dict; the parser would not have survived a mistake."""
    channel = ElementTree.fromstring(text).find("channel")
    return [{child.tag.removeprefix(G): child.text for child in item} for item in channel.iter("item")]


def one_item(**more):
    (item,) = items_of(feed(**more))
    return item


def make(stock=0, *, arrives=None, **fields):
    mine = {name: fields.pop(name) for name in ("name", "price", "is_visible") if name in fields}
    product = ProductFactory(stock=stock, **mine)
    if fields or arrives:
        StockItem.objects.filter(id=anchor_of(product).id).update(**fields)
    if arrives:
        days = {"earliest": in_days(arrives[0]), "latest": in_days(arrives[1])}
        expect_delivery(product=product, quantity=5, confidence="firm", **days)
    return product


def pre_order(days=9, **more):
    return make(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=days), **more)


def with_feed(settings, **said):
    """The shop's map for the plain product, with a ``feed`` of its own."""
    sellables = settings.BACKORDERS["SELLABLES"]
    mine = {"hosts.Product": sellables["hosts.Product"] | {"feed": said}}
    settings.BACKORDERS = {**settings.BACKORDERS, "SELLABLES": {**sellables, **mine}}


# what an item says


def test_an_item_says_what_we_know_of_it():
    mug = make(9, name="Mug")
    assert one_item() == {
        "id": f"hosts.product:{mug.pk}",
        "title": "Mug",
        "link": f"https://shop.example/p/{mug.pk}/",
        "price": "10.00 EUR",
        "availability": "in_stock",
    }


def test_a_backorder_has_one_date_with_time_and_zone_in_25_characters():
    make(policy="backorder", arrives=(4, 8))
    item = one_item()
    moment = dt.datetime.strptime(item["availability_date"], "%Y-%m-%dT%H:%M%z")

    assert item["availability"] == "backorder" and len(item["availability_date"]) <= 25
    assert moment.date() == in_days(8) and moment > timezone.now()


def test_what_was_never_sold_is_a_preorder_and_what_was_is_not():
    new, again = pre_order(), pre_order()
    open_restock(item=anchor_of(again), units=3, now=timezone.now() - dt.timedelta(days=90))

    assert {item["id"]: item["availability"] for item in items_of(feed())} == {
        f"hosts.product:{new.pk}": "preorder",
        f"hosts.product:{again.pk}": "backorder",
    }


def test_a_unit_that_an_order_took_off_the_shelf_was_released():
    mug = make(2)
    check_out(lines=[Line(mug, 1, "A-1/1")], email="ana@example.com")
    release = {"policy": "preorder", "releases_at": timezone.now() + dt.timedelta(days=9)}
    StockItem.objects.filter(id=anchor_of(mug).id).update(**release)
    assert one_item()["availability"] == "backorder"


def test_what_was_ordered_before_its_release_is_still_a_preorder():
    mug = pre_order()
    check_out(lines=[Line(mug, 1, "A-1/1")], email="ana@example.com")
    assert one_item()["availability"] == "preorder"


def test_a_date_that_has_passed_is_not_in_the_feed():
    mug, day = make(policy="backorder"), in_days(-3)
    late = {"next_earliest": day, "next_latest": day, "next_confidence": "firm"}
    StockItem.objects.filter(id=anchor_of(mug).id).update(**late)
    assert one_item()["availability"] == "out_of_stock" and "availability_date" not in one_item()


def test_hidden_products_are_not_in_the_feed_and_not_counted():
    make(3, is_visible=False)
    tally = Tally()
    assert items_of(feed(tally)) == [] and not tally.left_out


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_no_name_breaks_the_feed(name):
    make(3, name=name)
    legal = "".join(sign for sign in name if sign >= " ")
    assert one_item()["title"] == " ".join(legal.split())


def described(monkeypatch, **told):
    """One box, as an adapter of the shop's own describes it."""
    box, known = Custom.objects.create(name="Box", boxes=1), {"title": "Box", "url": "/box/", "price": Decimal("5.00")}
    monkeypatch.setattr(CustomAdapter, "describe", lambda self, pks: {box.pk: Described(**known | told)})


def test_a_name_of_ten_thousand_characters_is_cut_where_google_would(monkeypatch):
    described(monkeypatch, title="é" * 10_000)
    assert one_item()["title"] == "é" * 149 + "…"


@pytest.mark.parametrize("price", [Decimal("NaN"), Decimal("Infinity"), Decimal("-1"), "ask us", None])
def test_what_is_no_price_is_never_told(monkeypatch, price):
    described(monkeypatch, price=price)
    tally = Tally()
    assert items_of(feed(tally)) == [] and tally.left_out == {LeftOut.NO_PRICE: 1}


@pytest.mark.parametrize(("price", "told"), [(Decimal("1E+3"), "1000 EUR"), (4.5, "4.5 EUR"), (Decimal(0), "0 EUR")])
def test_any_number_is_a_price_in_plain_digits(monkeypatch, price, told):
    described(monkeypatch, price=price)
    assert one_item()["price"] == told


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://[broken", "", "ftp://shop.example/box/"])
def test_what_is_no_page_is_never_linked(monkeypatch, url):
    described(monkeypatch, url=url)
    tally = Tally()
    assert items_of(feed(tally)) == [] and tally.left_out == {LeftOut.NO_LINK: 1}


def test_addresses_are_whole_and_in_ascii(monkeypatch):
    described(monkeypatch, url="/thé à la menthe/?a=1&b=<2>", image="https://images.example/thé.jpg")
    item = one_item()
    assert item["link"] == "https://shop.example/th%C3%A9%20%C3%A0%20la%20menthe/?a=1&b=%3C2%3E"
    assert item["image_link"] == "https://images.example/th%C3%A9.jpg"


def test_prices_are_written_in_plain_digits(settings):
    make(3, price="1234567.50")
    assert one_item()["price"] == "1234567.50 EUR"


# what the shop adds


def test_a_shop_adds_attributes_by_its_field_map(settings):
    with_feed(settings, brand="category", condition="=new", description="name")
    Product.objects.update_or_create(id=make(3, name="Mug").pk, defaults={"category": "Cups & more"})
    said = one_item()
    assert (said["brand"], said["condition"], said["description"]) == ("Cups & more", "new", "Mug")


def test_a_shop_calls_its_items_as_it_always_did(settings):
    with_feed(settings, id="name")
    make(3, name="SKU-1")
    assert one_item()["id"] == "SKU-1"


def test_an_empty_attribute_is_not_written(settings):
    with_feed(settings, brand="category")
    make(3)
    assert "brand" not in one_item()


def test_an_adapter_class_repeats_and_nests_attributes(monkeypatch):
    box = Custom.objects.create(name="Box", boxes=1)
    said = {
        "price": "5.00 EUR",
        "link": "/box/",
        "additional_image_link": ["/a.jpg", "/b.jpg"],
        "shipping": {"country": "BE", "price": "0 EUR"},
        "is_bundle": True,
    }
    monkeypatch.setattr(CustomAdapter, "feed_attributes", lambda self, pks: {box.pk: said})
    root = ElementTree.fromstring(feed())

    assert [each.text for each in root.iter(f"{G}additional_image_link")] == ["/a.jpg", "/b.jpg"]
    assert root.find(f".//{G}shipping/{G}country").text == "BE"
    assert root.find(f".//{G}is_bundle").text == "yes"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"availability": "in_stock"}, LeftOut.OWN_AVAILABILITY),
        ({"availability_date": "2020-01-01"}, LeftOut.OWN_AVAILABILITY),
        ({"x><y": "1"}, LeftOut.BAD_NAME),
        ({"shipping": [{"a b": "1"}]}, LeftOut.BAD_NAME),
        ({"id": "x" * 51}, LeftOut.LONG_ID),
        ({"link": "javascript:alert(1)"}, LeftOut.NO_LINK),
        ({"link": "http://[broken"}, LeftOut.NO_LINK),
    ],
)
def test_nobody_else_speaks_of_availability_and_no_attribute_breaks_the_feed(monkeypatch, said, reason):
    box, tally = Custom.objects.create(name="Box", boxes=1), Tally()
    known = {"link": "/box/", "price": "5.00 EUR"}
    monkeypatch.setattr(CustomAdapter, "feed_attributes", lambda self, pks: {box.pk: known | said})
    assert items_of(feed(tally)) == [] and tally.left_out == {reason: 1}


def test_the_texts_are_in_the_language_asked_for_and_the_readers_own_stays(monkeypatch):
    box = Custom.objects.create(name="Box", boxes=1)

    def said(self, pks):
        return {box.pk: {"price": "5 EUR", "link": f"/{translation.get_language()}/box/"}}

    monkeypatch.setattr(CustomAdapter, "feed_attributes", said)
    pieces = merchant_feed(language="de")

    assert "/de/box/" in "".join(piece for piece in pieces if translation.get_language() == "en")


# what is left out, and why


def test_what_cannot_be_stated_honestly_is_left_out_with_its_reason():
    Poster.objects.create(name="Poster")
    ApiOnly.objects.create(name="No price", slug="no-price", stock=1)
    make(name="  ")
    make(is_discontinued=True)
    pre_order(400)
    tally = Tally()

    assert items_of(feed(tally)) == []
    assert tally.left_out == {
        LeftOut.NO_PRICE: 2,
        LeftOut.NO_TITLE: 1,
        LeftOut.NO_LONGER_MADE: 1,
        LeftOut.TOO_FAR: 1,
    }


def test_a_comment_at_the_end_counts_what_is_in_the_feed_and_what_is_not():
    make(9)
    make(policy="backorder")
    make(is_discontinued=True)
    text = feed()
    assert (
        "<!-- 2 items: 1 in_stock, 1 out_of_stock; 1 of them out_of_stock although they can be ordered: "
        "no honest date is known; 1 left out: it is no longer made -->" in text
    )


def test_the_reasons_name_some_products_and_never_all():
    made = [make(is_discontinued=True) for _ in range(7)]
    tally = Tally()
    feed(tally)
    (_, line) = tally.lines(with_examples=True)
    assert line.count("hosts.product:") == 5 and line.endswith(", …)") and str(made[0].pk) in line


# many


def test_every_product_passes_once_however_many_are_read_at_a_time():
    made = {f"hosts.product:{ProductFactory(stock=1).pk}" for _ in range(7)}
    found = [listing.reference for chunk in listings(size=3) for listing in chunk]
    assert sorted(found) == sorted(made)


def test_a_thousand_products_more_cost_no_query_more_a_chunk(django_assert_max_num_queries):
    pre_order()
    Product.objects.bulk_create(Product(name=f"Mug {n}", stock=n % 3) for n in range(600))
    next(listings())  # content types and calendars are looked up once
    with django_assert_max_num_queries(9):  # one of them finds the shop's other model, which is first, empty
        chunk = next(listings())
    assert len(chunk) == 500


# the page


def test_the_page_is_streamed_and_the_same_as_the_file(client):
    make(9, name="Mug")
    page = client.get("/feeds/merchant.xml")
    assert page.streaming and page["Content-Type"] == "application/xml; charset=utf-8"
    assert page["Cache-Control"] == "public, max-age=600"
    assert b"".join(page).decode() == feed()


def test_under_asgi_the_page_is_streamed_too():
    make(9, name="Mug")

    async def read():
        page = await AsyncClient().get("/feeds/merchant.xml")
        return page.is_async, b"".join([piece async for piece in page])

    is_async, body = async_to_sync(read)()
    assert is_async and [item["title"] for item in items_of(body)] == ["Mug"]


def test_asking_only_for_the_head_reads_no_product(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        page = client.head("/feeds/merchant.xml")
        assert page.status_code == 200 and b"".join(page) == b""


def test_the_page_cannot_be_posted_to_and_speaks_the_language_asked_for(client):
    assert client.post("/feeds/merchant.xml").status_code == 405
    assert client.get("/feeds/merchant.xml?language=de")["Content-Language"] == "de"
    assert client.get("/feeds/merchant.xml?language=xx")["Content-Language"] == "en"


def test_an_arrival_turns_a_backorder_into_stock(client, committed):
    mug = make(policy="backorder", arrives=(4, 8))
    Product.objects.filter(pk=mug.pk).update(stock=9)
    run_jobs()
    assert one_item()["availability"] == "in_stock"
