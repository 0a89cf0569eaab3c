"""The page on which people change or leave what they asked for, by a link and without an account."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from backorders.domain.tokens import Purpose
from backorders.models import Subscription
from backorders.services.delivery import drain
from backorders.services.privacy import forget_customer
from backorders.services.retention import tidy
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import subscribe
from backorders.services.supply import expect_delivery
from backorders.services.waves import release_waves
from tests.factories import CustomerFactory, ProductFactory, token_for, waiting_for
from tests.hosts.models import Product

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_host")]

ANA = "ana@example.com"


@pytest.fixture
def red(db):
    return waiting_for(ProductFactory(name="Red & Co"), email=ANA)[0]


@pytest.fixture
def blue(red):
    return waiting_for(ProductFactory(name="Blue"), email=ANA, quantity=2)[0]


def link(row):
    return f"/backorders/manage/{token_for(row, Purpose.LEAVE)}/"


def in_days(days):
    return timezone.localdate() + dt.timedelta(days=days)


def change(client, where, row, **said):
    said = {"quantity": "1", "highest_price": "", "need_by": "", "language": "en", **said}
    return client.post(where, {"request": row.pk, "act": "change", **said})


def read(row):
    row.refresh_from_db()
    return row


def test_the_page_shows_every_request_of_the_mailbox_and_nobody_elses(client, red, blue):
    waiting_for(ProductFactory(name="Green"), email="bob@example.com")
    page = client.get(link(red)).content.decode()

    assert "Red &amp; Co" in page and "Blue" in page
    assert "Green" not in page and ANA not in page
    assert page.count('value="change"') == 2 and page.count('value="leave_all"') == 1


def test_opening_the_link_changes_nothing_however_often(client, red):
    before, where = Subscription.objects.values().get(), link(red)
    for method in (client.get, client.head, client.options, client.get):
        method(where)
    assert Subscription.objects.values().get() == before


def test_what_is_said_anew_is_kept_and_the_place_in_line_too(client, red, blue):
    day = in_days(9)
    page = change(
        client, link(blue), red, quantity="3", highest_price="19.90", need_by=day.isoformat(), language="de"
    ).content.decode()
    kept = Subscription.objects.get(id=red.id)

    assert (kept.quantity, kept.highest_price, kept.need_by, kept.language) == (3, Decimal("19.90"), day, "de")
    assert (kept.placed_at, kept.state) == (red.placed_at, "waiting")
    assert "Saved." in page and 'value="19.90"' in page and f'value="{day.isoformat()}"' in page
    assert read(blue).quantity == 2


def test_what_is_emptied_is_taken_back(client, red):
    where = link(red)
    change(client, where, red, highest_price="5", need_by=in_days(1).isoformat())
    change(client, where, red)
    assert (read(red).highest_price, red.need_by) == (None, None)


@pytest.mark.parametrize(
    "said",
    [
        {"quantity": "0"},
        {"quantity": "many"},
        {"highest_price": "-1"},
        {"highest_price": "NaN"},
        {"highest_price": "1.23456"},
        {"need_by": "2020-01-01"},
        {"need_by": "soon"},
        {"need_by": "9999-12-31"},
        {"language": "xx"},
    ],
)
def test_what_cannot_be_is_shown_again_as_it_was_typed_and_changes_nothing(client, red, blue, said):
    answer = change(client, link(red), red, **said)
    page = answer.content.decode()
    [(name, typed)] = said.items()

    assert answer.status_code == 422
    assert name == "language" or (f'value="{typed}"' in page and page.count('aria-invalid="true"') == 1)
    assert (read(red).quantity, red.highest_price, red.need_by, red.language) == (1, None, None, "")


def test_a_day_that_has_passed_is_answered_with_those_there_are(client, red):
    assert "Choose a day from" in change(client, link(red), red, need_by="2020-01-01").content.decode()


def test_one_is_left_and_the_other_stays(client, red, blue):
    page = client.post(link(red), {"request": red.pk, "act": "leave", "quantity": "nonsense"}).content.decode()

    assert (read(red).closed_because, read(blue).state) == ("left", "waiting")
    assert "we will not write about <bdi>Red &amp; Co</bdi> again" in page and "Blue" in page


def test_all_are_left_and_the_link_has_done_its_work(client, red, blue):
    where = link(red)
    answer = client.post(where, {"act": "leave_all"})

    assert "You are off the list" in answer.content.decode()
    assert {read(red).closed_because, read(blue).closed_because} == {"left"}
    assert client.get(where).status_code == client.post(where, {"act": "leave_all"}).status_code == 404


def test_leaving_the_last_one_says_that_all_is_done(client, red):
    answer = client.post(link(red), {"request": red.pk, "act": "leave"})
    assert (answer.status_code, read(red).state) == (200, "closed")
    assert "Red &amp; Co" in answer.content.decode()


def test_a_request_of_another_mailbox_cannot_be_touched(client, red):
    [theirs] = waiting_for(ProductFactory(), email="bob@example.com")
    where = link(red)
    change(client, where, theirs, quantity="9")
    client.post(where, {"request": theirs.pk, "act": "leave"})
    client.post(where, {"act": "leave_all"})

    assert (read(theirs).quantity, theirs.state) == (1, "waiting")


@pytest.mark.parametrize(
    "said", [{}, {"act": "leave"}, {"act": "change", "request": "x"}, {"act": "leave", "request": "9" * 30}]
)
def test_a_form_that_makes_no_sense_does_nothing(client, red, said):
    assert client.post(link(red), said).status_code in (200, 422)
    assert read(red).state == "waiting"


def test_products_of_which_one_would_do_are_one_request(client):
    mugs = [ProductFactory(name=name) for name in ("Red", "Blue")]
    subscribe(product=mugs[0], customer=CustomerFactory(email=ANA), any_of=mugs[1:])
    first, second = Subscription.objects.order_by("id")
    where = link(second)
    page = client.get(where).content.decode()
    assert "Any one of these:" in page and page.count('value="change"') == 1

    change(client, where, first, quantity="4")
    assert (read(first).quantity, read(second).quantity) == (4, 4)
    client.post(where, {"request": first.pk, "act": "leave"})
    assert (read(first).state, read(second).state) == ("closed", "closed")


def test_the_link_to_leave_names_all_that_one_would_be_done_with(client):
    mugs = [ProductFactory(name=name) for name in ("Red", "Blue")]
    subscribe(product=mugs[0], customer=CustomerFactory(email=ANA), any_of=mugs[1:])
    where = f"/backorders/leave/{token_for(Subscription.objects.first(), Purpose.LEAVE)}/"
    for page in (client.get(where), client.post(where), client.get(where)):
        assert "Red" in page.content.decode() and "Blue" in page.content.decode()


def test_what_was_told_and_what_is_not_confirmed_says_so(client, red, blue):
    Subscription.objects.filter(id=red.id).update(state="told", told_at=timezone.now())
    Subscription.objects.filter(id=blue.id).update(state="pending")
    page = client.get(link(red)).content.decode()
    assert "We wrote to you: it is on the shelf" in page and "Not confirmed yet" in page


def test_links_of_another_kind_or_of_the_forgotten_open_nothing(client, red):
    confirm, manage = token_for(red, Purpose.CONFIRM), link(red)
    assert client.get(f"/backorders/manage/{confirm}/").status_code == 404
    forget_customer(email=ANA)
    assert client.get(manage).status_code == 404


def test_the_link_stays_as_long_as_a_request_is_somebodys_and_no_longer(red):
    token_for(red, Purpose.LEAVE)
    tidy(now=red.placed_at + dt.timedelta(days=300))
    assert red.tokens.count() == 1
    Subscription.objects.update(state="closed", closed_at=red.placed_at)
    for _ in range(2):  # the person goes first, and then what led to them
        tidy(now=red.placed_at + dt.timedelta(days=4000))
    assert red.tokens.count() == 0


def test_changing_needs_the_token_of_its_own_page(red):
    strict, where = Client(enforce_csrf_checks=True), link(red)
    assert change(strict, where, red, quantity="3").status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', strict.get(where).content.decode())[1]
    assert change(strict, where, red, quantity="3", csrfmiddlewaretoken=token).status_code == 200
    assert read(red).quantity == 3


def test_the_page_is_not_stored_indexed_framed_or_told_to_others(client, red):
    answer = client.get(link(red))
    assert answer["Referrer-Policy"] == "strict-origin"  # with no-referrer browsers could not send its forms
    assert "noindex" in answer["X-Robots-Tag"] and "no-store" in answer["Cache-Control"]
    assert answer["X-Frame-Options"] == "DENY"


def test_both_parts_of_both_mails_lead_to_the_page(client):
    mug = ProductFactory(stock=0)
    subscribe(product=mug, email=ANA)
    drain(seconds=5)
    waiting_for(mug)
    Product.objects.update(stock=3)
    sweep_stock()
    release_waves()
    drain(seconds=5)
    for message in mail.outbox:
        [text], [html] = (
            re.findall(r"https://shop\.example(/backorders/manage/[\w-]{43}/)", part)
            for part in (message.body, message.alternatives[0][0])
        )
        assert text == html and client.get(text).status_code == 200
    assert len(mail.outbox) == 2


# the form on the shop's pages


def asked(client, product, **said):
    said = {"product": f"hosts.product:{product.pk}", "email": ANA, "quantity": "1", **said}
    return client.post("/backorders/subscribe/", said)


def test_the_form_takes_what_stands_behind_more(client):
    red, blue = ProductFactory(), ProductFactory()
    day = in_days(3)
    said = {"quantity": "2", "highest_price": "12.5", "need_by": day.isoformat(), "any_of": f"hosts.product:{blue.pk}"}
    assert asked(client, red, **said).status_code == 302
    rows = list(Subscription.objects.order_by("item_id"))

    assert [(row.quantity, row.highest_price, row.need_by) for row in rows] == [(2, Decimal("12.5"), day)] * 2
    assert rows[0].group == rows[1].group is not None


def test_the_form_is_short_until_more_is_asked_for_and_stays_open_after_a_mistake(client):
    red = ProductFactory()
    page = client.get("/backorders/subscribe/", {"product": f"hosts.product:{red.pk}"}).content.decode()
    assert '<details class="bo-more"><summary>' in page
    answer = asked(client, red, need_by="2020-01-01", any_of=f"hosts.product:{ProductFactory(name='Blue').pk}")
    page = answer.content.decode()

    assert answer.status_code == 422
    assert '<details class="bo-more" open>' in page and "Choose a day from" in page
    assert re.search(r'name="any_of" value="hosts.product:\d+" checked><bdi>Blue', page)


def test_of_a_choice_the_page_names_the_one_that_is_here(client):
    here = ProductFactory(name="Blue", stock=3)
    answer = asked(client, ProductFactory(name="Red"), any_of=f"hosts.product:{here.pk}")

    assert answer.status_code == 409
    assert '<h1 class="bo-h1" tabindex="-1" autofocus><bdi>Blue</bdi>' in answer.content.decode()


def test_more_than_twenty_others_are_too_many(client):
    red, *others = ProductFactory.create_batch(22)
    answer = asked(client, red, any_of=[f"hosts.product:{other.pk}" for other in others])
    assert answer.status_code == 422
    assert "Choose at most 20 others." in answer.content.decode()


# where somebody stands


def test_both_pages_say_where_somebody_stands_and_what_is_due(client, red):
    [row] = waiting_for(Product.objects.get(name="Red & Co"), email="bob@example.com", state="pending")
    expect_delivery(product=Product.objects.get(name="Red & Co"), quantity=30, earliest=in_days(9), latest=in_days(12))
    token = token_for(row, Purpose.CONFIRM, expires_at=timezone.now() + dt.timedelta(days=1))
    for page in (client.post(f"/backorders/confirm/{token}/"), client.get(link(row))):
        said = page.content.decode()
        assert "You are number 2 in line. 30 units are due" in said and "very likely yours." in said
        assert "It is no promise." in said
