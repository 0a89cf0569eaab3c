import pytest

from backorders.models import Alternative
from backorders.services.locks import anchor_of
from backorders.services.terms import set_selling_policy
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db


def url(product, **query):
    return f"/backorders/api/alternatives/hosts.product/{product.pk}/"


@pytest.fixture
def shelf(db):
    sold_out = Product.objects.create(name="Mug", stock=0, price=10, category="mugs")
    near = Product.objects.create(name="Near", stock=5, price=11, category="mugs")
    far = Product.objects.create(name="Far", stock=50, price=40, category="mugs")
    picked = Product.objects.create(name="Picked", stock=2, price=99, category="cups")
    Alternative.objects.create(item=anchor_of(sold_out), substitute=anchor_of(picked))
    return sold_out, near, far, picked


def test_substitutes_come_with_their_reason_title_link_and_price(api, shelf):
    sold_out, near, far, picked = shelf
    results = api.get(url(sold_out)).json()["results"]
    assert [(one["title"], one["reason"]) for one in results] == [
        ("Picked", "picked"),
        ("Near", "same_category"),
        ("Far", "same_category"),
    ]
    first = results[0]
    assert first["reference"] == f"hosts.product:{picked.pk}"
    assert first["url"] == f"https://shop.example/p/{picked.pk}/"
    assert (first["price"], first["currency"], first["image"]) == ("99.00", "EUR", "")
    assert first["availability"]["state"] == "low_stock"


def test_the_successor_comes_first(api, shelf):
    sold_out, near, far, picked = shelf
    set_selling_policy(product=sold_out, discontinued=True, successor=far)
    results = api.get(url(sold_out)).json()["results"]
    assert (results[0]["title"], results[0]["reason"]) == ("Far", "successor")


def test_limit_and_quantity_are_kept(api, shelf):
    assert [one["title"] for one in api.get(url(shelf[0]), {"limit": 1}).json()["results"]] == ["Picked"]
    assert [one["title"] for one in api.get(url(shelf[0]), {"quantity": 6}).json()["results"]] == ["Far"]


@pytest.mark.parametrize("name", ["limit", "quantity"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "٣", "true", "NaN", "", "9" * 30, "21x"])
def test_numbers_that_are_none_are_refused(api, shelf, name, value):
    answer = api.get(url(shelf[0]), {name: value})
    assert (answer.status_code, answer.json()["field"]) == (400, name)


def test_a_product_that_is_not_sold_has_no_alternatives(api, db):
    answer = api.get("/backorders/api/alternatives/hosts.product/77/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_sellable")
