"""If so many arrive, and what is booked by hand: write-offs and returns."""

import re
import uuid

import pytest
from django.urls import reverse

from backorders.models import Backorder, StockEvent
from backorders.services.backorders import pin_backorder, place_backorder
from backorders.services.locks import anchor_of
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from tests.hosts.models import Poster, Product, Warehoused

pytestmark = pytest.mark.django_db


def page_of(item, name):
    return reverse(f"admin:backorders_stockitem_{name}", args=[item.pk])


def said(answer):
    """The page as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def texts(answer):
    return " | ".join(str(message) for message in answer.context["messages"])


@pytest.fixture
def queue(mug):
    """Two order lines: one for 2, one for 5."""
    set_selling_policy(product=mug, policy="backorder")
    place_backorder(product=mug, quantity=2, reference="A-1", email="ada@example.com")
    place_backorder(product=mug, quantity=5, reference="A-2", email="bob@example.com")
    return anchor_of(mug)


# if so many arrive


def test_the_answer_stands_in_one_sentence(viewer, queue, mug, waiting):
    waiting(mug, "w@example.com")
    page = said(viewer.get(page_of(queue, "arrival"), {"units": "9"}))
    assert "If 9 arrive: 2 lines ship, 2 orders complete, 1 person is told, 2 units are for sale." in page


def test_whoever_is_served_and_whoever_waits_on_is_named(viewer, queue):
    page = viewer.get(page_of(queue, "arrival"), {"units": "3"})
    served, passed = page.context["served"], page.context["passed"]
    assert [(line["reference"], line["units"], line["left"]) for line in served] == [("A-1", 2, 0), ("A-2", 1, 4)]
    assert [(line["reference"], line["needs"]) for line in passed] == [("A-2", 4)]
    assert "1 line ships, 1 line gets a part, 1 order completes" in said(page)


def test_nothing_is_booked(viewer, queue, mug):
    viewer.get(page_of(queue, "arrival"), {"units": "9"})
    mug.refresh_from_db()
    assert (mug.stock, Backorder.objects.waiting().count(), StockEvent.objects.count()) == (0, 2, 0)


def test_addresses_are_masked_there_too(viewer, owner, queue):
    assert "ada@example.com" not in said(viewer.get(page_of(queue, "arrival"), {"units": "9"}))
    assert "ada@example.com" in said(owner.get(page_of(queue, "arrival"), {"units": "9"}))


def test_with_a_delivery_its_own_lines_come_first(viewer, queue, mug, day):
    delivery = expect_delivery(product=mug, quantity=5, earliest=day(1), latest=day(1))
    pin_backorder(backorder_id=Backorder.objects.get(reference="A-2").id, delivery_id=delivery.id)
    page = viewer.get(page_of(queue, "arrival"), {"units": "5", "delivery": str(delivery.id)})
    assert [line["reference"] for line in page.context["served"]] == ["A-2"]


def test_what_was_said_is_what_happens(viewer, queue, mug, day):
    found = viewer.get(page_of(queue, "arrival"), {"units": "9"}).context["found"]
    delivery = expect_delivery(product=mug, quantity=9, earliest=day(1), latest=day(1))
    arrival = receive_delivery(delivery_id=delivery.id)
    assert (found.allocated, found.for_sale) == (arrival.settled.allocated, arrival.settled.for_sale)


def test_goods_below_the_safety_stock_serve_nobody(viewer, mug, day):
    set_selling_policy(product=mug, policy="backorder", safety_stock=4)
    place_backorder(product=mug, quantity=5, reference="A-1", email="a@example.com")
    found = viewer.get(page_of(anchor_of(mug), "arrival"), {"units": "6"}).context["found"]
    delivery = expect_delivery(product=mug, quantity=6, earliest=day(1), latest=day(1))
    assert found.allocated == receive_delivery(delivery_id=delivery.id).settled.allocated == 2


def test_a_product_that_nobody_counted_yet_begins_to_count(viewer):
    item = anchor_of(Poster.objects.create(name="Sunrise"))
    assert "5 units are for sale" in said(viewer.get(page_of(item, "arrival"), {"units": "5"}))


@pytest.mark.parametrize("units", ["0", "-5", "1.5", "x", "", str(2**63), "2000000000"])
def test_a_number_that_is_none_is_refused_beside_its_field(viewer, queue, units):
    page = viewer.get(page_of(queue, "arrival"), {"units": units})
    assert page.status_code == 200 and page.context["form"].errors["units"]
    assert "found" not in page.context


@pytest.mark.parametrize("delivery", ["x", "0", "999999", str(2**63)])
def test_a_delivery_of_something_else_is_refused(viewer, queue, delivery):
    page = viewer.get(page_of(queue, "arrival"), {"units": "5", "delivery": delivery})
    assert page.context["form"].errors["delivery"]


def test_a_long_queue_costs_as_many_queries_as_a_short_one(viewer, queue, mug, django_assert_max_num_queries):
    for n in range(120):
        place_backorder(product=mug, quantity=1, reference=f"B-{n}", email=f"c{n}@example.com")
    with django_assert_max_num_queries(30):
        page = viewer.get(page_of(queue, "arrival"), {"units": "130"})
    assert len(page.context["served"]) == 100 and page.context["more_served"] == 22


def test_the_way_there_leads_from_the_product(viewer, queue):
    page = viewer.get(reverse("admin:backorders_stockitem_change", args=[queue.pk])).content.decode()
    assert page_of(queue, "arrival") in page
    assert page_of(queue, "write_off") not in page


def test_a_stranger_is_sent_to_the_login_and_an_unknown_item_is_not_found(client, viewer, queue):
    assert "/login/" in client.get(page_of(queue, "arrival"))["Location"]
    assert viewer.get(reverse("admin:backorders_stockitem_arrival", args=[2**70])).status_code == 404


# by hand


def looked(client, url, form):
    return client.post(url, {"receipt": uuid.uuid4(), "reason": "", **form, "look": "1"})


def done(client, url, form):
    form = {"receipt": str(uuid.uuid4()), "reason": "", **form}
    seen = client.post(url, {**form, "look": "1"}).context["seen"]
    return client.post(url, {**form, "seen": seen, "do": "1"}, follow=True)


def test_writing_off_says_first_what_leaves_the_shelf(merchandiser):
    pot = Product.objects.create(name="Pot", stock=5)
    url = page_of(anchor_of(pot), "write_off")
    assert "2 units leave the shelf." in said(looked(merchandiser, url, {"quantity": "2"}))
    pot.refresh_from_db()
    assert pot.stock == 5
    answer = done(merchandiser, url, {"quantity": "2", "reason": "broken"})
    pot.refresh_from_db()
    assert (pot.stock, StockEvent.objects.get().note) == (3, "broken")
    assert "2 units written off." in texts(answer)


def test_writing_off_takes_from_the_end_of_the_queue_when_the_shelf_is_empty(merchandiser, queue, mug, day):
    delivery = expect_delivery(product=mug, quantity=7, earliest=day(1), latest=day(1))
    receive_delivery(delivery_id=delivery.id)
    url = page_of(queue, "write_off")
    page = said(looked(merchandiser, url, {"quantity": "3"}))
    assert "3 units are taken back from 1 order line, which waits again at its place." in page
    done(merchandiser, url, {"quantity": "3"})
    assert dict(Backorder.objects.values_list("reference", "allocated_quantity")) == {"A-1": 2, "A-2": 2}


def test_more_than_is_in_the_house_cannot_be_written_off(merchandiser):
    pot = Product.objects.create(name="Pot", stock=5)
    page = looked(merchandiser, page_of(anchor_of(pot), "write_off"), {"quantity": "6"})
    assert "Only 5 units of them are still in the house." in said(page)


def test_where_the_shop_books_its_own_stock_it_is_told_to_do_so(merchandiser):
    item = anchor_of(Warehoused.objects.create(name="Crate"))
    page = looked(merchandiser, page_of(item, "write_off"), {"quantity": "1"})
    assert "lower its number first" in said(page)


def test_a_return_serves_the_queue_first(merchandiser, queue, mug):
    url = page_of(queue, "return")
    assert "1 line ships" in said(looked(merchandiser, url, {"quantity": "2"}))
    assert "3 units came back." in texts(done(merchandiser, url, {"quantity": "3", "reason": "wrong size"}))
    assert dict(Backorder.objects.values_list("reference", "allocated_quantity")) == {"A-1": 2, "A-2": 1}


@pytest.mark.parametrize("name", ["write_off", "return"])
def test_a_booking_that_was_sent_twice_counts_once(merchandiser, name):
    pot = Product.objects.create(name="Pot", stock=5)
    url, form = page_of(anchor_of(pot), name), {"receipt": str(uuid.uuid4()), "quantity": "2", "reason": ""}
    seen = merchandiser.post(url, {**form, "look": "1"}).context["seen"]
    for _ in range(2):
        answer = merchandiser.post(url, {**form, "seen": seen, "do": "1"}, follow=True)
    pot.refresh_from_db()
    assert pot.stock in (3, 7)
    assert "nothing was counted twice" in texts(answer)


@pytest.mark.parametrize("name", ["write_off", "return"])
@pytest.mark.parametrize("typed", ["0", "-5", "1.5", "x", "", str(2**63), "2000000000"])
def test_a_number_of_units_that_is_none_books_nothing(merchandiser, mug, name, typed):
    page = looked(merchandiser, page_of(anchor_of(mug), name), {"quantity": typed})
    assert page.status_code == 200 and page.context["form"].errors["quantity"]
    assert not StockEvent.objects.exists()


@pytest.mark.parametrize("name", ["write_off", "return"])
def test_somebody_who_may_only_look_books_nothing(viewer, mug, name):
    url = page_of(anchor_of(mug), name)
    assert (viewer.get(url).status_code, viewer.post(url, {"quantity": "1", "do": "1"}).status_code) == (403, 403)


@pytest.mark.parametrize("name", ["write_off", "return"])
def test_a_product_that_is_gone_leads_back_with_a_sentence(merchandiser, mug, name):
    url = page_of(anchor_of(mug), name)
    mug.delete()
    assert "gone from the shop" in texts(merchandiser.get(url, follow=True))
