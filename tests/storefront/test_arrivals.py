"""What came back, as feed readers find and fetch it."""

import datetime as dt
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from django.test import override_settings
from django.utils import timezone, translation

from backorders.models import Restock, StockItem
from backorders.queries.arrivals import arrivals
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

ATOM = "{http://www.w3.org/2005/Atom}"
NASTY = "<script>alert('x')</script> ]]> & \"tea\" إبريق \u202e\u2028 end"


def came_back(name="Mug", stock=9, days_ago=1, **more):
    """A product that somebody waits for, back on the shelf for some days."""
    product = ProductFactory(name=name, stock=0, **more)
    waiting_for(product)
    Product.objects.filter(pk=product.pk).update(stock=stock)
    sweep_stock()
    moment = timezone.now() - dt.timedelta(days=days_ago)
    Restock.objects.filter(item=anchor_of(product)).update(opened_at=moment)
    return product


def sell_out(product):
    """As it happens between two sweeps: the shop knows, and we do not yet."""
    Product.objects.filter(pk=product.pk).update(stock=0)


def atom(client, **more):
    page = client.get("/feeds/arrivals.atom", **more)
    return ElementTree.fromstring(page.content)


def titles(client):
    return [item["title"] for item in client.get("/feeds/arrivals.json").json()["items"]]


def test_what_came_back_stands_newest_first(client):
    for name, days_ago in (("Old", 9), ("New", 1), ("Older", 20)):
        came_back(name, days_ago=days_ago)
    assert titles(client) == ["New", "Old", "Older"]
    assert [entry.findtext(f"{ATOM}title") for entry in atom(client).iter(f"{ATOM}entry")] == ["New", "Old", "Older"]


def test_what_is_sold_out_again_is_no_news(client):
    gone, hidden, discarded = came_back("Gone"), came_back("Hidden"), came_back("Discarded")
    sell_out(gone)
    Product.objects.filter(pk=hidden.pk).update(is_visible=False)
    discarded.delete()
    assert titles(client) == []


def test_what_is_owed_to_the_queue_is_no_news(client):
    mug = came_back(stock=2)
    StockItem.objects.filter(id=anchor_of(mug).id).update(queued_units=2)
    assert titles(client) == []


def test_what_never_left_the_shelf_did_not_come_back(client):
    ProductFactory(stock=9)
    assert titles(client) == []


def test_many_arrivals_cost_no_more_queries_than_few(django_assert_max_num_queries):
    for number in range(6):
        came_back(f"Mug {number}")
    arrivals()
    with django_assert_max_num_queries(7):
        assert len(arrivals(limit=4)) == 4


def test_an_atom_feed_has_what_the_format_asks_for(client):
    mug = came_back("Mug")
    feed = atom(client)
    entry = feed.find(f"{ATOM}entry")
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}

    assert feed.findtext(f"{ATOM}title") == "Back in stock at Test Shop"
    assert links == {"self": "https://shop.example/feeds/arrivals.atom", "alternate": "https://shop.example/"}
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "Test Shop"
    assert feed.findtext(f"{ATOM}updated") == entry.findtext(f"{ATOM}published")
    assert entry.find(f"{ATOM}link").get("href") == f"https://shop.example/p/{mug.pk}/"
    assert entry.findtext(f"{ATOM}content") == "€10.00 · In stock"
    assert entry.findtext(f"{ATOM}id").startswith("tag:shop.example,")


def test_a_json_feed_has_what_the_format_asks_for(client):
    mug = came_back("Mug")
    page = client.get("/feeds/arrivals.json")
    feed, restock = page.json(), Restock.objects.get()
    (item,) = feed.pop("items")

    assert page["Content-Type"].startswith("application/feed+json")
    assert feed == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Back in stock at Test Shop",
        "home_page_url": "https://shop.example/",
        "feed_url": "https://shop.example/feeds/arrivals.json",
        "language": "en",
        "authors": [{"name": "Test Shop"}],
    }
    day = restock.opened_at.astimezone(dt.UTC)
    assert item == {
        "id": f"tag:shop.example,{day:%Y-%m-%d}:backorders/restock/{restock.id}",
        "url": f"https://shop.example/p/{mug.pk}/",
        "title": "Mug",
        "content_text": "€10.00 · In stock",
        "date_published": f"{day:%Y-%m-%dT%H:%M:%SZ}",
    }


def test_no_name_breaks_a_feed(client):
    came_back(NASTY)
    expected = " ".join(NASTY.split())
    assert titles(client) == [expected]
    assert atom(client).findtext(f"{ATOM}entry/{ATOM}title") == expected


def test_a_feed_is_sent_once_and_then_only_when_it_changed(client):
    came_back("Mug")
    for path in ("/feeds/arrivals.atom", "/feeds/arrivals.json"):
        first = client.get(path)
        again = {"If-None-Match": first["ETag"]}
        assert first["Cache-Control"] == "public, max-age=300"
        assert client.get(path, headers=again).status_code == 304
        assert client.get(path, headers={"If-Modified-Since": first["Last-Modified"]}).status_code == 304
        came_back("New", days_ago=0)
        assert client.get(path, headers=again).status_code == 200
        Restock.objects.filter(opened_at__gt=timezone.now() - dt.timedelta(hours=1)).delete()


def test_an_empty_feed_is_a_feed_and_the_same_one_each_time(client):
    feed = atom(client)
    assert feed.findall(f"{ATOM}entry") == [] and feed.findtext(f"{ATOM}updated")
    page = client.get("/feeds/arrivals.atom")
    assert "Last-Modified" not in page and page["ETag"] == client.get("/feeds/arrivals.atom")["ETag"]


def test_a_feed_depends_on_its_address_alone(client):
    """What a shared cache keeps is for everybody: no cookie, and no word of the request that is not asked for."""
    came_back("Mug")
    page = client.get("/feeds/arrivals.json?utm=<x>", headers={"Accept-Language": "fr"})
    assert not page.cookies and "Cookie" not in page.get("Vary", "")
    assert page.content == client.get("/feeds/arrivals.json").content


def test_a_feed_speaks_the_language_of_its_address(client):
    came_back("Mug")
    page = client.get("/feeds/arrivals.json?language=de")
    assert page["Content-Language"] == page.json()["language"] == "de"
    assert page.json()["feed_url"].endswith("/arrivals.json?language=de")
    assert "10,00" in page.json()["items"][0]["content_text"]


# how readers find it


def draw():
    return Template("{% load backorders %}{% backorder_feeds %}").render(Context())


def test_pages_say_where_the_feeds_are():
    links = draw()
    assert (
        'rel="alternate" type="application/atom+xml" title="Back in stock at Test Shop" href="/feeds/arrivals.atom"'
        in links
    )
    assert 'type="application/feed+json"' in links and 'href="/feeds/arrivals.json"' in links


def test_pages_in_another_language_name_the_feed_in_that_language():
    with translation.override("de"):
        assert "/feeds/arrivals.atom?language=de" in draw()


@override_settings(ROOT_URLCONF="tests.hosts.no_urls")
def test_a_shop_that_did_not_include_the_feeds_names_none():
    assert draw() == ""
