"""What a signed-in customer waits for, on one page."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backorders.models import Backorder, Delivery, Subscription
from backorders.queries.timelines import line_path
from backorders.services.backorders import cancel_backorder
from backorders.services.supply import expect_delivery, move_delivery, receive_delivery
from backorders.storefront.people import LINES_A_PAGE, REQUESTS_A_PAGE
from tests.factories import CustomerFactory, ProductFactory, in_days, waiting_for
from tests.hosts.models import Product
from tests.stories import a_mug, line, order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_host")]

PAGE = "/backorders/mine/"


@pytest.fixture
def anna():
    return CustomerFactory(email="anna@example.com")


@pytest.fixture
def client(anna):
    browser = Client()
    browser.force_login(anna)
    return browser


def buys(customer, reference, *, product=None, name="Mug", arrives=None):
    """One unit on backorder, of a product of its own."""
    product = product or a_mug()
    Product.objects.filter(pk=product.pk).update(name=name)
    if arrives:
        expect_delivery(product=product, quantity=5, earliest=in_days(arrives), latest=in_days(arrives))
    return order(product, 1, reference, email=customer.email, customer=customer, now=timezone.now())


def asks(customer, name="Lamp", **fields):
    [row] = waiting_for(ProductFactory(name=name), customer=customer, email=customer.email, **fields)
    return row


def words(answer):
    html = re.sub(r"<(style|script|svg|head).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.S)
    return " ".join(unescape(html).split())


def test_who_is_not_signed_in_is_asked_to(settings):
    answer = Client().get(PAGE)
    assert answer.status_code == 302 and answer["Location"].endswith(f"?next={PAGE}")


def test_an_empty_page_has_a_way_on(client):
    page = client.get(PAGE)
    assert "Nothing just now." in words(page) and "Go to the shop" in words(page)


def test_lines_and_requests_stand_there_with_the_way_to_each(client, anna):
    bought, asked = buys(anna, "R-1", arrives=8), asks(anna)
    page = client.get(PAGE)
    assert "1 unit still to come Place in line: 1 Order line: R-1" in words(page)
    assert f'href="{line_path(bought.public_id)}"' in page.content.decode()
    assert "You are number 1 in line. No delivery is announced yet." in words(page)
    assert f'id="request-{asked.pk}"' in page.content.decode()


def test_nobody_elses_stand_there(client, anna):
    buys(CustomerFactory(email="ben@example.com"), "B-1", name="Bens mug")
    asks(CustomerFactory(email="cy@example.com"), name="Cys lamp")
    page = words(client.get(PAGE))
    assert "Bens" not in page and "Cys" not in page and "Nothing just now" in page


def test_a_guests_order_of_a_proven_address_is_theirs_and_of_an_unproven_one_is_not(client, anna):
    order(a_mug(), 1, "G-1", email="ANNA@example.com", now=timezone.now())
    assert "G-1" in words(client.get(PAGE))
    type(anna).objects.filter(pk=anna.pk).update(is_email_verified=False)
    assert "G-1" not in words(client.get(PAGE))


def test_what_needs_an_answer_comes_first(client, anna):
    late, waits, moved = buys(anna, "late", arrives=3), buys(anna, "waits", arrives=5), buys(anna, "moved", arrives=9)
    ready, lost = buys(anna, "ready", arrives=4), buys(anna, "gone", arrives=4)
    Backorder.objects.filter(id=late.id).update(promised_earliest_on=in_days(-4), promised_latest_on=in_days(-2))
    later = {"earliest": in_days(20), "latest": in_days(20)}
    move_delivery(delivery_id=Delivery.objects.get(item=moved.item).id, **later)
    receive_delivery(delivery_id=Delivery.objects.get(item=ready.item).id)
    cancel_backorder(backorder_id=lost.id)
    page = client.get(PAGE)
    assert re.findall(r"Order line: (\w+)", words(page)) == ["late", "moved", "waits", "ready", "gone"]
    assert page.content.decode().count("data-urgent") == 2
    assert "No date" in words(page) and "New date" in words(page) and "First promised: by" in words(page)
    assert waits.state == "waiting"


def test_what_can_be_bought_now_comes_before_what_waits(client, anna):
    asks(anna, name="Waits")
    told = asks(anna, name="Told")
    Subscription.objects.filter(id=told.id).update(state="told", told_at=timezone.now())
    assert re.findall("Waits|Told", words(client.get(PAGE))) == ["Told", "Waits"]


def test_a_request_is_changed_and_left_on_the_page(client, anna):
    asked = asks(anna)
    said = {"request": asked.pk, "quantity": "3", "highest_price": "", "need_by": "", "language": "en"}
    assert "Saved." in words(client.post(PAGE, {**said, "act": "change"}))
    asked.refresh_from_db()
    assert asked.quantity == 3
    wrong = client.post(PAGE, {**said, "act": "change", "quantity": "0"})
    assert wrong.status_code == 422 and "Enter 1 or more." in words(wrong)
    assert "You are off the list: we will not write about Lamp again." in words(
        client.post(PAGE, {**said, "act": "leave"})
    )
    asked.refresh_from_db()
    assert asked.closed_because == "left"


def test_somebody_elses_request_cannot_be_touched(client):
    theirs = asks(CustomerFactory(email="ben@example.com"))
    said = {"request": theirs.pk, "quantity": "3", "language": "en"}
    for act in ("change", "leave", "leave_all", "", "drop table"):
        client.post(PAGE, {**said, "act": act})
    theirs.refresh_from_db()
    assert (theirs.quantity, theirs.state) == (1, "waiting")


def test_a_form_from_elsewhere_is_refused(anna):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(anna)
    asked = asks(anna)
    assert browser.post(PAGE, {"request": asked.pk, "act": "leave"}).status_code == 403


def test_long_lists_have_pages_each_its_own(client, anna):
    mug = a_mug()
    for number in range(LINES_A_PAGE + 1):
        buys(anna, f"R-{number:02}", product=mug)
    for _ in range(REQUESTS_A_PAGE + 1):
        asks(anna)
    first, second = client.get(PAGE), client.get(PAGE, {"lines": 2, "requests": "last"})
    assert words(first).count("Order line:") == LINES_A_PAGE and words(second).count("Order line:") == 1
    assert 'href="?lines=2"' in first.content.decode() and 'href="?requests=2"' in first.content.decode()
    for strange in ("0", "-1", "x", "9" * 40, "2' OR 1=1"):
        assert client.get(PAGE, {"lines": strange, "requests": strange}).status_code == 200


def test_the_page_costs_the_same_however_much_stands_on_it(client, anna):
    def queries():
        with CaptureQueriesContext(connection) as found:
            client.get(PAGE)
        return len(found)

    mug = a_mug()
    for number in range(2):
        buys(anna, f"R-{number}", arrives=3), asks(anna)
    few = queries()
    for number in range(9):
        buys(anna, f"S-{number}", product=mug), asks(anna)
    assert queries() == few <= 25


def test_a_product_that_vanished_and_strange_names_break_nothing(client, anna):
    gone, asked = buys(anna, "R-1"), asks(anna, name="<script>alert(1)</script>")
    Product.objects.filter(pk=gone.item.object_id).delete()
    buys(anna, "R-2", name="M" * 100)
    html = client.get(PAGE).content.decode()
    assert "R-1" in html and "<script" not in html
    Product.objects.filter(pk=asked.item.object_id).delete()
    assert client.get(PAGE).status_code == 200


def test_lines_of_an_order_lead_to_pages_that_open(client, anna):
    buys(anna, "R-1")
    link = re.search(r'href="(/backorders/lines/[^"]+)"', client.get(PAGE).content.decode())[1]
    assert "On backorder for you" in words(client.get(link))
    assert line("R-1").customer == anna
