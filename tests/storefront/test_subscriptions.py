"""The pages of somebody who wants to be told."""

import datetime as dt
import re
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.template import Context, Template
from django.test import Client
from django.utils import timezone, translation

from backorders.domain.tokens import Purpose
from backorders.models import OutgoingMail, StockItem, Subscription, SuppressedAddress
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.storefront.outcomes import anchor_of as box_of
from tests.factories import CustomerFactory, ProductFactory, token_for, waiting_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_host")]


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language active behind it; each test starts from the shop's own."""
    with translation.override("en"):
        yield


SUBSCRIBE = "/backorders/subscribe/"


def reference_of(product):
    return f"hosts.product:{product.pk}"


def ask(client, product, email="ana@example.com", **more):
    return client.post(SUBSCRIBE, {"product": reference_of(product), "email": email, **more})


def pending(product, email="ana@example.com"):
    return waiting_for(product, email=email, state=Subscription.State.PENDING, confirmed_at=None)[0]


def confirm_link(subscription, **fields):
    fields = {"expires_at": timezone.now() + dt.timedelta(days=7)} | fields
    return f"/backorders/confirm/{token_for(subscription, Purpose.CONFIRM, **fields)}/"


def leave_link(subscription):
    return f"/backorders/leave/{token_for(subscription, Purpose.LEAVE)}/"


def states():
    return list(Subscription.objects.order_by("id").values_list("state", flat=True))


@pytest.fixture
def mug(db):
    return ProductFactory(name="Mug & Co", stock=0)


# asking


def test_a_guest_asks_and_comes_back_to_the_box_where_the_form_stood(client, mug):
    answer = ask(client, mug, next="/p/1/?colour=red")

    assert answer.status_code == 302
    assert re.fullmatch(rf"/p/1/\?colour=red&backorders=[\w%:-]+#{box_of(reference_of(mug))}", answer["Location"])
    assert states() == ["pending"]


def test_without_a_page_to_come_back_to_our_own_shows_the_answer(client, mug):
    page = client.get(ask(client, mug)["Location"])
    assert page.status_code == 200
    assert "look into your inbox" in page.content.decode()


def test_the_answer_carries_no_address(client, mug):
    assert "ana" not in ask(client, mug)["Location"]


def test_the_answer_is_the_same_for_new_known_waiting_and_suppressed_addresses(client, mug):
    waiting_for(mug, email="known@example.com")
    SuppressedAddress.objects.create(email_key="bad@example.com", reason="bounce", suppressed_at=timezone.now())
    answers = [ask(client, mug, email) for email in ("new@example.com", "known@example.com", "bad@example.com")]
    pages = {
        re.sub(r'value="[\w-]{64}"|backorders=[^"&]*', "", client.get(a["Location"]).content.decode()) for a in answers
    }

    assert {a.status_code for a in answers} == {302}
    assert len(pages) == 1


def test_a_page_with_a_mistake_can_be_opened_anew(client, mug):
    """A reload, or a language switch that comes back to the same address: it names the product, and where to go on."""
    box = Template("{% load backorders %}{% backorder_subscribe p next='/p/1/?colour=red&size=2' %}")
    action = unescape(re.search(r'action="(.+?)"', box.render(Context({"p": mug})))[1])
    told = {"product": reference_of(mug), "email": "nobody", "next": "/p/1/?colour=red&size=2"}
    assert client.post(action, told).status_code == 422
    page = client.get(action)

    assert (page.status_code, states()) == (200, [])
    assert 'value="/p/1/?colour=red&amp;size=2"' in page.content.decode()


def test_language_and_units_are_kept(client, mug):
    client.post(
        SUBSCRIBE,
        {"product": reference_of(mug), "email": "a@example.com", "quantity": "3"},
        headers={"Accept-Language": "de"},
    )
    kept = Subscription.objects.get()
    assert (kept.language, kept.time_zone, kept.quantity) == ("de", "Europe/Brussels", 3)


def test_a_customer_with_a_proven_address_waits_at_once(client, mug):
    client.force_login(CustomerFactory(email="anna@example.com", is_email_verified=True))
    answer = ask(client, mug, email="")
    assert states() == ["waiting"]
    assert "You are on the list" in client.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "nobody",
        "a@b.com\r\nBcc: e@x.com",
        "a@localhost",
        "a@[127.0.0.1]",
        "a%0d%0a@b.com",
        "a@b.com,c@d.com",
        '"a b"@x.com',
        "<a@b.com>",
        "a\x00@b.com",
        "x" * 65 + "@b.com",
    ],
)
def test_an_address_nobody_can_be_reached_at_is_shown_again_with_a_reason(client, mug, typed):
    answer = ask(client, mug, email=typed, next="/p/1/")
    page = answer.content.decode()

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in page and 'role="alert"' in page
    assert f'id="{box_of(reference_of(mug))}-error"' in page
    assert f'aria-describedby="{box_of(reference_of(mug))}-error' in page
    assert 'name="next" value="/p/1/"' in page
    assert states() == [] and mail.outbox == []


def test_what_was_typed_is_kept(client, mug):
    assert 'value="ana@example"' in ask(client, mug, email="ana@example").content.decode()


def test_a_quantity_that_is_none_is_refused(client, mug):
    for typed in ("0", "-5", "1.5", str(2**63), "many"):
        assert ask(client, mug, quantity=typed).status_code == 422
    assert states() == []


@pytest.mark.parametrize(
    "reference", ["hosts.product:0", "hosts.product:", "hosts.product:\x00", "nope:1", "", "hosts.product:" + "9" * 65]
)
def test_an_unknown_product_is_a_clear_page(client, reference):
    answer = client.post(SUBSCRIBE, {"product": reference, "email": "a@example.com"})
    assert answer.status_code == 404
    assert "We cannot find this product" in answer.content.decode()


def test_a_hidden_product_is_answered_as_an_unknown_one(client):
    hidden = ProductFactory(is_visible=False)
    unknown = client.get(SUBSCRIBE, {"product": "hosts.product:0"})
    answer = client.get(SUBSCRIBE, {"product": reference_of(hidden)})
    assert (answer.status_code, answer.content) == (404, unknown.content)
    assert ask(client, hidden).status_code == 404


def test_what_is_on_the_shelf_need_not_be_waited_for(client):
    answer = ask(client, ProductFactory(stock=5))
    assert answer.status_code == 409
    assert "it is in stock now" in answer.content.decode()


def test_what_is_no_longer_made_promises_no_mail(client, mug):
    StockItem.objects.filter(id=anchor_of(mug).id).update(is_discontinued=True)
    answer = ask(client, mug)
    assert answer.status_code == 409
    assert "will not come back" in answer.content.decode()
    assert states() == []


def test_a_robot_gets_the_same_answer_and_nothing_is_stored(client, mug):
    answer = ask(client, mug, topic="cheap pills", next="/p/1/")
    assert answer.status_code == 302 and answer["Location"].startswith("/p/1/?backorders=")
    assert states() == []


@pytest.mark.parametrize(
    "place",
    [
        "//evil.com",
        "https:evil.com",
        "https://evil.com/",
        "/\\evil.com",
        "\\\\evil.com",
        "javascript:alert(1)",
        "///evil.com",
        "p/1/",
        "/" + "a" * 3000,
    ],
)
def test_nobody_is_sent_to_another_site(client, mug, place):
    assert ask(client, mug, next=place)["Location"].startswith(f"{SUBSCRIBE}?product=")


def test_a_form_from_another_site_is_refused(mug):
    strict = Client(enforce_csrf_checks=True)
    assert ask(strict, mug).status_code == 403
    assert states() == []


def test_the_page_of_the_form_changes_nothing_and_works_without_script(mug):
    strict = Client(enforce_csrf_checks=True)
    page = strict.get(SUBSCRIBE, {"product": reference_of(mug), "next": "/p/1/"}).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    assert states() == []
    assert ask(strict, mug, csrfmiddlewaretoken=token).status_code == 302
    assert states() == ["pending"]


def test_other_methods_are_refused(client, mug):
    assert client.put(SUBSCRIBE).status_code == 405
    assert client.options(SUBSCRIBE).status_code == 405


# confirming


def test_opening_the_link_changes_nothing_however_often(client, mug):
    subscription = pending(mug)
    link = confirm_link(subscription)
    for method in (client.get, client.head, client.options, client.get):
        method(link)
    assert states() == ["pending"]


def test_the_page_names_the_product_and_never_the_address(client, mug):
    page = client.get(confirm_link(pending(mug))).content.decode()
    assert "Mug &amp; Co" in page and "ana@example.com" not in page
    assert page.count("<button") == 1


def test_the_button_confirms_every_open_request_of_the_mailbox(client, mug):
    first, second = pending(mug), pending(ProductFactory(name="Cup"))
    answer = client.post(confirm_link(first))
    assert states() == ["waiting", "waiting"]
    assert "Mug &amp; Co" in answer.content.decode() and "Cup" in answer.content.decode()
    assert second.email not in answer.content.decode()


def test_pressed_twice_or_opened_again_says_that_all_is_done(client, mug):
    link = confirm_link(pending(mug))
    for answer in (client.post(link), client.post(link), client.get(link)):
        assert answer.status_code == 200
        assert "You are on the list" in answer.content.decode()
    assert states() == ["waiting"]


def test_confirming_needs_the_token_of_its_own_page(mug):
    strict, link = Client(enforce_csrf_checks=True), confirm_link(pending(mug))
    assert strict.post(link).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', strict.get(link).content.decode())[1]
    assert strict.post(link, {"csrfmiddlewaretoken": token}).status_code == 200
    assert states() == ["waiting"]


def bad_links(mug):
    subscription = pending(mug)
    good = token_for(subscription, Purpose.CONFIRM, expires_at=timezone.now() + dt.timedelta(days=1))
    yield ("A" if good[0] != "A" else "B") + good[1:]
    yield token_for(subscription, Purpose.LEAVE)
    yield token_for(subscription, Purpose.CONFIRM, expires_at=timezone.now() - dt.timedelta(days=1))
    yield good[:-1]
    yield good + "%00"
    yield "x" * 5000


def test_links_that_open_nothing_show_one_and_the_same_page(client, mug):
    answers = [
        getattr(client, method)(f"/backorders/confirm/{token}/")
        for token in bad_links(mug)
        for method in ("get", "post")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert states() == ["pending"]


def test_a_request_that_ended_cannot_be_confirmed(client, mug):
    subscription = pending(mug)
    link = confirm_link(subscription)
    Subscription.objects.update(state=Subscription.State.CLOSED)
    assert client.get(link).status_code == 404
    assert client.post(link).status_code == 404


# leaving


def test_opening_the_leave_link_leaves_nobody_out(client, mug):
    link = leave_link(waiting_for(mug)[0])
    for method in (client.get, client.head, client.options):
        method(link)
    assert states() == ["waiting"]
    assert client.get(link).content.decode().count("<button") == 1


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_a_mail_program_leaves_with_one_click_and_no_cookies(mug, kind):
    body = "List-Unsubscribe=One-Click"
    if kind.startswith("multipart"):
        body = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    link = leave_link(waiting_for(mug)[0])
    answers = [Client(enforce_csrf_checks=True).post(link, body, content_type=kind) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert Subscription.objects.get().closed_because == "left"


def test_the_leave_page_names_the_product_and_never_the_address(client, mug):
    subscription = waiting_for(mug, email="ana@example.com")[0]
    link = leave_link(subscription)
    for page in (client.get(link), client.post(link), client.get(link)):
        assert "Mug &amp; Co" in page.content.decode() and "ana@example.com" not in page.content.decode()


def test_a_confirm_token_does_not_open_the_leave_page(client, mug):
    token = token_for(pending(mug), Purpose.CONFIRM)
    assert client.post(f"/backorders/leave/{token}/").status_code == 404


def test_secret_pages_are_not_stored_indexed_framed_or_told_to_others(client, mug):
    subscription = pending(mug)
    for link in (confirm_link(subscription), leave_link(subscription), "/backorders/leave/nothing/"):
        answer = client.get(link)
        assert answer["Referrer-Policy"] in ("no-referrer", "strict-origin")
        assert "noindex" in answer["X-Robots-Tag"]
        assert "no-store" in answer["Cache-Control"]
        assert answer["X-Frame-Options"] == "DENY"


def test_a_page_outlives_its_product(client, mug):
    link = leave_link(waiting_for(mug)[0])
    mug.delete()
    assert client.get(link).status_code == 200
    assert client.post(link).status_code == 200


# a customer's own


def test_a_customer_leaves_an_own_request_and_comes_back(client, mug):
    anna = CustomerFactory()
    own = waiting_for(mug, customer=anna)[0]
    client.force_login(anna)
    answer = client.post(f"/backorders/requests/{own.id}/leave/", {"next": "/p/1/"})
    assert answer["Location"].startswith("/p/1/?backorders=")
    assert states() == ["closed"]


def test_somebody_elses_request_is_not_found(client, mug):
    theirs = waiting_for(mug, customer=CustomerFactory())[0]
    client.force_login(CustomerFactory())
    assert client.post(f"/backorders/requests/{theirs.id}/leave/").status_code == 404
    assert states() == ["waiting"]


def test_a_stranger_is_sent_to_the_login_and_reading_changes_nothing(client, mug):
    own = waiting_for(mug, customer=CustomerFactory())[0]
    for ask_for in (client.get, client.post):
        assert ask_for(f"/backorders/requests/{own.id}/leave/")["Location"].startswith("/account/login/")
    assert states() == ["waiting"]


def test_whoever_had_to_log_in_first_finds_one_button_and_no_empty_page(client, mug):
    anna = CustomerFactory()
    own = waiting_for(mug, customer=anna)[0]
    leave = urlsplit(client.post(f"/backorders/requests/{own.id}/leave/")["Location"]).query.removeprefix("next=")
    client.force_login(anna)
    page = client.get(leave)

    assert (page.status_code, states()) == (200, ["waiting"])
    assert str(mug) in unescape(page.content.decode()) and "Take me off the list" in page.content.decode()
    assert "csrfmiddlewaretoken" in page.content.decode()
    assert "You are off the list" in client.post(leave).content.decode()
    assert "You are off the list" in client.get(leave).content.decode()
    assert states() == ["closed"]


def test_the_page_of_somebody_elses_request_is_not_found(client, mug):
    theirs = waiting_for(mug, customer=CustomerFactory())[0]
    client.force_login(CustomerFactory())
    assert client.get(f"/backorders/requests/{theirs.id}/leave/").status_code == 404


# the whole way


def test_the_link_in_the_mail_leads_to_the_list(client, mug):
    ask(client, mug)
    drain(seconds=5)
    link = re.search(r"https://shop\.example(/backorders/confirm/[\w-]+/)", mail.outbox[0].body)[1]
    client.post(link)
    assert states() == ["waiting"]
    assert OutgoingMail.objects.get().state == "sent"
