import re
from xml.etree import ElementTree

from demo_shop.catalogue import DEPARTMENTS
from demo_shop.models import Product
from demo_shop.pictures import kinds, picture


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


def test_a_hidden_product_is_not_found(client, variant):
    Product.objects.update(is_published=False)
    assert client.get("/p/kettle/").status_code == 404
