import re
from datetime import timedelta

import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from backorders.queries.availability import availability_of, shop_today
from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from backorders.storefront.wording import shown
from tests.hosts.models import Download, Parcel, Product

pytestmark = pytest.mark.django_db

LIST = "/backorders/api/availability/"


def one(product):
    return f"{LIST}hosts.product/{product.pk}/"


def days(number):
    return shop_today(timezone.now()) + timedelta(days=number)


def test_a_full_shelf_is_many_and_tells_no_number(api):
    mug = Product.objects.create(name="Mug", stock=40)
    assert api.get(one(mug)).json() == {
        "reference": f"hosts.product:{mug.pk}",
        "state": "in_stock",
        "can_order": True,
        "can_subscribe": False,
        "for_sale": "many",
        "units_left": None,
        "window": None,
        "is_overdue": False,
        "label": None,
        "opens_at": None,
        "releases_at": None,
        "is_made_to_order": False,
        "order_minimum": 1,
        "order_maximum": None,
        "customer_limit": None,
        "reason": "",
    }


def test_the_last_units_are_counted_out_loud(api):
    mug = Product.objects.create(name="Mug", stock=2)
    body = api.get(one(mug)).json()
    assert (body["state"], body["for_sale"], body["units_left"]) == ("low_stock", "few", 2)


def test_a_product_nobody_counts_is_many(api):
    file = Download.objects.create(name="Album", stock=None)
    body = api.get(f"{LIST}hosts.download/{file.pk}/").json()
    assert (body["state"], body["for_sale"], body["units_left"]) == ("in_stock", "many", None)


def test_a_backorder_names_its_window_in_the_language_of_the_request(api, mug):
    set_selling_policy(product=mug, policy="backorder")
    expect_delivery(product=mug, quantity=5, earliest=days(1), latest=days(60), confidence="firm")
    english = api.get(one(mug)).json()
    german = api.get(one(mug), headers={"Accept-Language": "de"}).json()
    assert english["window"] == {
        "earliest": str(days(1)),
        "latest": str(days(60)),
        "confidence": "firm",
        "source": "delivery",
    }
    assert english["state"] == "backorder"
    assert english["can_order"] and english["can_subscribe"]
    assert german["window"] == english["window"]
    assert english["label"] and english["label"] != german["label"]


def text_of(html):
    return re.sub("<[^>]+>", "", html)


@pytest.mark.parametrize("policy", ["backorder", "stop", "made_to_order"])
@pytest.mark.parametrize("arrives", [(1, 1), (3, 9), (20, 45), (60, 64), (70, 120)])
def test_the_label_is_what_the_product_page_says(api, mug, policy, arrives):
    set_selling_policy(product=mug, policy=policy)
    expect_delivery(product=mug, quantity=5, earliest=days(arrives[0]), latest=days(arrives[1]), confidence="firm")
    label = api.get(one(mug)).json()["label"]
    assert label and text_of(shown(availability_of(mug)).line).endswith(f" {label}")


def test_a_release_is_no_promise_by_a_day(api, mug):
    release = timezone.now() + timedelta(days=12)
    set_selling_policy(product=mug, policy="preorder", releases_at=release)
    assert not api.get(one(mug)).json()["label"].startswith("by ")


def test_the_terms_of_an_order_are_told(api, mug):
    set_selling_policy(
        product=mug,
        policy="made_to_order",
        lead_days=10,
        order_minimum=2,
        order_maximum=8,
        customer_limit=20,
        reason="Thrown by hand.",
    )
    body = api.get(one(mug)).json()
    assert (body["order_minimum"], body["order_maximum"], body["customer_limit"]) == (2, 8, 20)
    assert (body["is_made_to_order"], body["reason"]) == (True, "Thrown by hand.")
    assert body["window"]["source"] == "lead_time"


def test_the_reason_is_not_told_while_it_is_here(api, mug):
    set_selling_policy(product=mug, policy="backorder", reason="Flood at the mill.")
    Product.objects.update(stock=9)
    assert api.get(one(mug)).json()["reason"] == ""


def test_a_date_that_has_passed_is_not_shown(api, mug):
    set_selling_policy(product=mug, policy="backorder")
    expect_delivery(product=mug, quantity=5, earliest=days(-9), latest=days(-2))
    body = api.get(one(mug)).json()
    assert (body["window"], body["label"], body["is_overdue"]) == (None, None, True)


def test_a_preorder_names_its_opening_and_its_release(api, mug):
    opens, releases = timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=40)
    set_selling_policy(product=mug, policy="preorder", opens_at=opens, releases_at=releases)
    body = api.get(one(mug)).json()
    assert body["state"] == "preorder"
    assert body["opens_at"] and body["releases_at"]
    assert body["window"]["source"] == "release"


def test_what_is_announced_without_a_date_has_none_and_can_be_asked_for(api, mug):
    set_selling_policy(product=mug, policy="announced")
    body = api.get(one(mug)).json()
    assert (body["state"], body["can_order"], body["can_subscribe"]) == ("coming_soon", False, True)
    assert (body["window"], body["label"], body["opens_at"], body["releases_at"]) == (None, None, None, None)


def test_many_answers_come_in_the_order_of_the_question(api, mug):
    full = Product.objects.create(name="Pot", stock=9)
    parcel = Parcel.objects.create(name="Box", units=9)
    asked = [f"hosts.parcel:{parcel.pk}", f"hosts.product:{mug.pk}", f"hosts.product:{full.pk}"]
    results = api.get(LIST, {"product": asked}).json()["results"]
    assert [result["reference"] for result in results] == asked
    assert [result["state"] for result in results] == ["in_stock", "out_of_stock", "in_stock"]


def test_what_is_not_sold_is_said_in_its_place_and_spoils_nothing(api, mug):
    hidden = Product.objects.create(name="Secret", is_visible=False)
    bad = [
        f"hosts.product:{hidden.pk}",
        "hosts.product:999999",
        "hosts.product:",
        "hosts.product",
        "hosts.product:9" + "9" * 40,
        "hosts.product:1\x00",
        "hosts.parcel:not-a-uuid",
        "auth.group:1",
        ":",
        "",
    ]
    results = api.get(LIST, {"product": [*bad, f"hosts.product:{mug.pk}"]}).json()["results"]
    assert [result.get("code") for result in results] == ["not_sellable"] * len(bad) + [None]
    assert len({result["detail"] for result in results[:-1]}) == 1
    assert results[-1]["state"] == "out_of_stock"


def test_a_hidden_product_looks_like_an_unknown_one(api):
    hidden = Product.objects.create(name="Secret", stock=3, is_visible=False)
    known, unknown = api.get(one(hidden)), api.get(f"{LIST}hosts.product/999999/")
    assert known.status_code == unknown.status_code == 404
    assert known.json() == unknown.json()
    assert known.json()["code"] == "not_sellable"


def test_more_than_a_hundred_products_are_refused_with_the_number(api):
    answer = api.get(LIST, {"product": [f"hosts.product:{n}" for n in range(101)]})
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "too_many",
        "detail": "101 products were asked for; ask for at most 100 at a time.",
        "field": "product",
    }


def test_no_product_at_all_is_refused(api):
    answer = api.get(LIST)
    assert (answer.status_code, answer.json()["code"]) == (400, "required")


@pytest.mark.parametrize("count", [1, 100])
def test_the_number_of_queries_does_not_grow_with_the_number_of_products(api, django_assert_num_queries, count):
    products = Product.objects.bulk_create([Product(name=f"Mug {n}", stock=n) for n in range(count)])
    ContentType.objects.get_for_model(Product)
    with django_assert_num_queries(3):  # the products, which of them are visible, our rows
        results = api.get(LIST, {"product": [f"hosts.product:{product.pk}" for product in products]}).json()["results"]
    assert len(results) == count


def test_reading_too_often_is_slowed_down(api, mug, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"backorders_read": "2/min"}}
    answers = [api.get(one(mug)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["code"] == "throttled"
    assert int(answers[-1]["Retry-After"]) > 0
