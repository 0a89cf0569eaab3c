import re
from xml.etree import ElementTree

import pytest

from backorders.domain.availability import State
from backorders.queries.availability import availability_for
from demo_shop import seed
from demo_shop.catalogue import DEPARTMENTS
from demo_shop.models import Product, Variant
from demo_shop.pictures import kinds, picture


def test_every_state_occurs_in_the_small_catalogue(catalogue):
    states = {answer.state for answer in availability_for(Variant.objects.all()).values()}
    assert states == set(State)


def test_seeding_twice_adds_nothing(catalogue):
    assert seed.seed_small() == 0


def test_every_product_has_a_picture_of_its_own_kind():
    assert {item.picture for department in DEPARTMENTS for item in department.items} <= set(kinds())


def test_every_drawing_is_well_formed_and_uses_only_paints_that_are_mixed():
    for kind in kinds():
        drawn = picture(kind, "a33b2e")
        ElementTree.fromstring(drawn)
        assert set(re.findall(r"url\(#(\w+)\)", drawn)) <= set(re.findall(r'id="(\w+)"', drawn))


def test_a_picture_is_asked_for_once(client):
    first = client.get("/pictures/kettle-7f9a83.svg")
    assert first["Content-Type"] == "image/svg+xml"
    assert client.get("/pictures/kettle-7f9a83.svg", headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_a_picture_nobody_has_drawn_is_not_found(client, db):
    assert client.get("/pictures/unicorn-7f9a83.svg").status_code == 404


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


@pytest.mark.parametrize("language", ["en", "de", "fr", "ar"])
def test_every_page_opens_in_every_language(client, catalogue, language):
    for path in PAGES:
        page = client.get(path, headers={"Accept-Language": language})
        assert page.status_code == 200
        assert f'<html lang="{language}"' in page.content.decode()


def test_in_stock_only_shows_what_is_on_a_shelf(client, catalogue):
    shown = {card["product"].slug for card in client.get("/c/bikes/?in_stock=1").context["cards"]}
    assert shown == set(
        Product.objects.filter(category__slug="bikes", variants__stock__gt=0).values_list("slug", flat=True).distinct()
    )


def test_a_list_of_products_costs_seven_queries_however_long_it_is(client, catalogue, django_assert_num_queries):
    client.get("/")  # content types are read once per process
    for path in ("/c/bikes/", "/c/sound/"):
        with django_assert_num_queries(7):
            client.get(path)


def test_a_hidden_product_is_not_found(client, variant):
    Product.objects.update(is_published=False)
    assert client.get("/p/kettle/").status_code == 404


def test_nothing_inline_may_run(client, catalogue):
    page = client.get("/p/moor-boots/")
    assert "unsafe" not in page["Content-Security-Policy"]
    assert " style=" not in page.content.decode()
