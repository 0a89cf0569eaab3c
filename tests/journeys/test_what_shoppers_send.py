"""Stale pages, old links, two presses, odd names: whoever sends them reads a page of their own language that says what to do."""

import datetime as dt
import re

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.test import Client
from django.utils import timezone, translation

from backorders.domain.tokens import Purpose
from backorders.models import OutgoingMail, Subscription
from backorders.services.delivery import drain
from backorders.shop import Described
from tests.factories import CustomerFactory, ProductFactory, token_for, waiting_for
from tests.hosts.adapters import CustomAdapter
from tests.hosts.models import Custom

pytestmark = pytest.mark.django_db

SUBSCRIBE = "/backorders/subscribe/"
ARABIC = {"Accept-Language": "ar"}
SCRIPT = "</title><script>alert('x')</script>\" onload=\"x"


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language active behind it; each test starts from the shop's own."""
    with translation.override("en"):
        yield


@pytest.fixture
def mug(db):
    return ProductFactory(name="Mug", stock=0)


@pytest.fixture
def shopper():
    """A browser with an Arabic menu, in front of a shop that looks at tokens."""
    return Client(enforce_csrf_checks=True, headers=ARABIC)


def asking(product, **more):
    return {"product": f"hosts.product:{product.pk}", "email": "ana@example.com", **more}


def pending(product):
    return waiting_for(product, email="ana@example.com", state=Subscription.State.PENDING, confirmed_at=None)[0]


def link(subscription, purpose, days=7):
    page = {Purpose.CONFIRM: "confirm", Purpose.LEAVE: "leave", Purpose.HOLD: "hold"}[purpose]
    ends = {} if purpose is Purpose.LEAVE else {"expires_at": timezone.now() + dt.timedelta(days=days)}
    return f"/backorders/{page}/{token_for(subscription, purpose, **ends)}/"


def manage_link(subscription):
    return f"/backorders/manage/{token_for(subscription, Purpose.LEAVE)}/"


def read(answer):
    """The page in Arabic, whose one heading says what it is about and which has a way on."""
    html = answer.content.decode()
    assert re.search(r'<html[^>]* lang="ar" dir="rtl"', html), html[:300]
    assert html.count("<h1") == 1 and re.search(r'<main.*(<button|class="bo-(link|button)")', html, re.S)
    return html


def token_on(html):
    return re.search(r'<main.*name="csrfmiddlewaretoken" value="(\w+)"', html, re.S)[1]


# a page that was open for days


def test_a_form_of_an_old_page_comes_back_as_it_was_typed_and_needs_one_more_press(shopper, mug):
    answer = shopper.post(SUBSCRIBE, asking(mug, quantity="3", next="/p/1/", csrfmiddlewaretoken="x" * 64))
    html = read(answer)

    assert answer.status_code == 403 and not Subscription.objects.exists()
    assert 'value="ana@example.com"' in html and 'name="next" value="/p/1/"' in html
    assert re.search(r'name="quantity"[^>]* value="3"', html)

    again = shopper.post(SUBSCRIBE, asking(mug, quantity="3", next="/p/1/", csrfmiddlewaretoken=token_on(html)))
    assert again["Location"].startswith("/p/1/?backorders=")
    assert Subscription.objects.get().quantity == 3


def test_an_old_page_about_a_product_that_is_gone_meanwhile_says_so(shopper, mug):
    asked = asking(mug)
    mug.delete()
    assert shopper.post(SUBSCRIBE, asked).status_code == 404


def test_a_page_behind_a_mail_leads_back_to_itself_with_a_token_that_counts(shopper, mug):
    for page in (link(pending(mug), Purpose.CONFIRM), manage_link(waiting_for(mug)[0])):
        pressed = {"act": "leave_all", "csrfmiddlewaretoken": "x" * 64}
        answer = shopper.post(page, pressed)
        assert answer.status_code == 403 and f'href="{page}"' in read(answer)
        assert "no-store" in answer["Cache-Control"] and "noindex" in answer["X-Robots-Tag"]
        fresh = {"csrfmiddlewaretoken": token_on(shopper.get(page).content.decode())}
        assert shopper.post(page, pressed | fresh).status_code == 200


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://testserver/p/1/?colour=red#x", 'href="/p/1/?colour=red"'),
        ("http://evil.example/p/1/", None),
        ("//evil.example/", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_any_other_form_of_the_shop_leads_back_to_where_it_stood_and_nowhere_else(shopper, came_from, back):
    answer = shopper.post("/basket/add/", {"quantity": "1"}, headers=ARABIC | {"Referer": came_from})
    html = read(answer)
    assert answer.status_code == 403
    assert back in html if back else 'class="bo-button"' not in html
    assert "evil" not in html and "javascript:" not in html


def test_nothing_that_others_sent_is_filled_in_but_what_asks_to_be_told(shopper, mug):
    html = read(shopper.post("/basket/add/", {"quantity": "77", "card": "4111"}))
    assert "77" not in html and "4111" not in html and 'name="csrfmiddlewaretoken"' not in html.partition("<main")[2]


# links


def test_a_link_that_is_over_a_product_that_is_gone_and_a_request_that_ended_are_pages(shopper, mug):
    asked = pending(mug)
    pages = [link(asked, purpose, days=-1) for purpose in (Purpose.CONFIRM, Purpose.HOLD)]
    gone = ProductFactory(stock=0)
    row = waiting_for(gone)[0]
    pages += [link(row, Purpose.LEAVE), manage_link(row), link(row, Purpose.HOLD)]
    gone.delete()
    assert [shopper.get(page).status_code for page in pages] == [404, 404, 200, 200, 404]
    for page in pages:
        read(shopper.get(page))


# twice, and back


def test_a_form_sent_twice_is_one_request_and_one_mail(client, mug):
    answers = [client.post(SUBSCRIBE, asking(mug, next="/p/1/")) for _ in range(2)]
    drain(seconds=5)
    assert [answer.status_code for answer in answers] == [302, 302]
    assert (Subscription.objects.count(), len(mail.outbox)) == (1, 1)


def test_who_goes_back_and_presses_again_reads_how_things_stand(client, mug):
    reader = {"email": "ana@example.com", "email_key": "ana@example.com"}
    [first], [second] = waiting_for(mug, **reader), waiting_for(ProductFactory(stock=0), **reader)
    manage, gone = manage_link(second), {"request": first.pk, "act": "leave"}
    for act in ({"act": "leave"}, {"act": "leave"}, {"act": "change", "quantity": "2", "language": "en"}):
        answer = client.post(manage, gone | act)
        assert answer.status_code == 200 and f'id="request-{second.pk}"' in answer.content.decode()

    leave = link(second, Purpose.LEAVE)
    for answer in (client.post(leave), client.post(leave), client.get(leave)):
        assert answer.status_code == 200 and "You are off the list" in answer.content.decode()


def test_a_customer_who_presses_leave_twice_or_names_another_site_stays_with_us(client, mug):
    anna = CustomerFactory()
    own = waiting_for(mug, customer=anna)[0]
    client.force_login(anna)
    for place in ("//evil.example", "https://evil.example", "/\\evil.example"):
        answer = client.post(f"/backorders/requests/{own.id}/leave/", {"next": place})
        assert answer.status_code == 200 and "evil" not in answer.content.decode()


# names and languages


@pytest.mark.parametrize("title", [SCRIPT, "x" * 10_000, "إبريق " * 1_500, "\u202etuo", ""])
def test_whatever_a_product_is_called_its_pages_and_mails_stand(client, monkeypatch, title):
    box = Custom.objects.create(name="Box", boxes=0)
    monkeypatch.setattr(CustomAdapter, "describe", lambda self, pks: {box.pk: Described(title=title, url="/box/")})
    asked = {"product": f"hosts.custom:{box.pk}", "email": "ana@example.com"}
    pages = [client.get(SUBSCRIBE, asked), client.post(SUBSCRIBE, asked | {"email": "nobody"})]
    client.post(SUBSCRIBE, asked)
    drain(seconds=5)
    confirm = re.search(r"(/backorders/confirm/[\w-]+/)", mail.outbox[0].body)[1]
    pages += [client.get(confirm), client.post(confirm)]

    assert [page.status_code for page in pages] == [200, 422, 200, 200]
    assert not any("<script>alert" in page.content.decode() for page in pages)
    assert OutgoingMail.objects.get().state == "sent"
    assert len(mail.outbox[0].subject) < 300 and "<script>alert" not in mail.outbox[0].alternatives[0][0]


@pytest.mark.parametrize(
    "field", ["email", "next", "product", "any_of", "quantity", "highest_price", "need_by", "topic"]
)
def test_ten_thousand_characters_in_any_field_are_answered(client, mug, field):
    answer = client.post(SUBSCRIBE, asking(mug) | {field: "x" * 10_000})
    assert answer.status_code in (302, 404, 422)
    assert not Subscription.objects.exclude(email="ana@example.com").exists()


@pytest.mark.parametrize("language", ["xx", "tlh-Latn", "de;q=x,,;", "*", "\u0661", "a" * 5_000])
def test_a_language_nobody_speaks_is_answered_in_the_shops_own(client, mug, language):
    answer = client.get(SUBSCRIBE, {"product": asking(mug)["product"]}, headers={"Accept-Language": language})
    client.cookies[django_settings.LANGUAGE_COOKIE_NAME] = "xx"
    by_cookie = client.get(SUBSCRIBE, {"product": asking(mug)["product"]})
    for page in (answer, by_cookie):
        assert page.status_code == 200 and 'lang="en"' in page.content.decode()
    client.post(SUBSCRIBE, asking(mug))
    assert Subscription.objects.get().language == "en"
