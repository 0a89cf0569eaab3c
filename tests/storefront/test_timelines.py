"""The page of one order line, behind the link in its mails, and the way out of the line."""

import datetime as dt
import re
from html import unescape
from uuid import uuid4

import pytest
from django.core import mail, signing
from django.test import Client, override_settings
from django.utils import timezone
from django.utils.html import escape

from backorders.models import Backorder, Delivery, OutgoingMail
from backorders.queries.timelines import KEPT_AFTER, line_behind, line_path, line_token, story_of
from backorders.services.backorders import cancel_backorder, ship_backorder, tell_whole_orders
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.privacy import forget_customer
from backorders.services.stock import sweep_stock
from backorders.services.supply import cancel_delivery, expect_delivery, move_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from backorders.shop import Described
from tests.factories import in_days
from tests.hosts.adapters import CustomAdapter
from tests.hosts.models import Custom, Product
from tests.stories import a_mug, line, order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_host")]

EARLIER = dt.timedelta(minutes=30)


def truck(product, units, day):
    days = {"earliest": in_days(day), "latest": in_days(day)}
    return expect_delivery(product=product, quantity=units, **days, now=timezone.now() - EARLIER)


def slip(delivery, day, reason=""):
    days = {"earliest": in_days(day), "latest": in_days(day)}
    move_delivery(delivery_id=delivery.id, **days, reason=reason, now=timezone.now() - EARLIER)


@pytest.fixture
def mug():
    return a_mug()


@pytest.fixture
def ana(mug):
    """Two units for Bo and three for Ana, of the six that come in eight days."""
    truck(mug, 6, 8)
    for name, units in (("Bo", 2), ("Ana", 3)):
        order(mug, units, name, now=timezone.now(), order_reference=f"O-{name}")
    return line("Ana")


def page_of(client, row, *, status=200):
    answer = client.get(line_path(row.public_id))
    assert answer.status_code == status
    return words(answer)


def words(answer):
    html = re.sub(r"<(style|script|svg|head).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.S)
    return " ".join(unescape(html).split())


def by(days):
    day = in_days(days)
    return f"by {day:%b} {day.day}" + (f", {day.year}" if day.year != in_days(0).year else "")


def cancel(client, row, *, waiting, **more):
    return client.post(line_path(row.public_id) + "cancel/", {"waiting": waiting, **more}, follow=True)


def progress(row):
    return {mark.step.value: mark.progress.value for mark in story_of(line_behind(line_token(row.public_id))).marks}


# what it says


def test_the_page_says_date_place_and_what_comes_next(client, ana):
    page = page_of(client, ana)
    assert "On backorder for you Mug" in page and f"Ships {by(8)} Place in line: 2" in page
    assert f"What we promised Promised {by(8)}" in page and "Ordered 3 Still to come 3" in page
    assert progress(ana) == {
        "ordered": "done",
        "booked": "done",
        "arrived": "next",
        "set_aside": "later",
        "shipped": "later",
    }


def test_no_address_and_no_other_line_stand_on_it(client, ana):
    page = client.get(line_path(ana.public_id)).content.decode()
    assert ana.email not in page and line("Bo").email not in page and str(ana.public_id) not in page


def test_a_line_beyond_all_deliveries_has_none_booked(ana, mug):
    order(mug, 9, "Cy", now=timezone.now())
    assert progress(line("Cy"))["booked"] == "next"


def test_a_delivery_that_covers_the_line_later_counts_as_booked_though_no_date_moved(client, mug):
    order(mug, 2, "Cy", now=timezone.now() - EARLIER)
    assert progress(line("Cy"))["booked"] == "next"
    truck(mug, 2, 8)
    assert progress(line("Cy"))["booked"] == "done"


def test_first_and_last_promise_are_both_said_with_the_reason(client, ana):
    slip(Delivery.objects.get(), 20, "The ferry is not running")
    page = page_of(client, ana)
    assert re.search(f"First promised {by(8)} Said on .+ Promised now {by(20)} Why The ferry is not running", page)
    assert "Every date we gave you" not in page
    slip(Delivery.objects.get(), 30, "Storm")
    page = page_of(client, ana)
    assert (page.count(f"{by(8)} Said on"), page.count(f"{by(20)} Said on")) == (2, 1)


def test_a_lost_delivery_is_admitted(client, ana):
    cancel_delivery(delivery_id=Delivery.objects.get().id, reason="Lost at sea", now=timezone.now() - EARLIER)
    page = page_of(client, ana)
    assert "It is delayed" in page and "Promised now no date yet Why Lost at sea" in page


def test_a_date_that_has_passed_is_never_shown_as_the_one_in_force(client, ana):
    Backorder.objects.filter(id=ana.id).update(promised_earliest_on=in_days(-9), promised_latest_on=in_days(-3))
    page = page_of(client, ana)
    assert "It is delayed" in page and "Promised now delayed, no new date yet" in page


def test_what_came_and_what_left_is_counted_and_dated(client, ana):
    receive_delivery(delivery_id=Delivery.objects.get().id, quantity=4)
    page = page_of(client, ana)
    assert "Part of your order is here" in page and "2 of 3" in page
    assert "Still to come 1 Set aside for you 2" in page
    receive_delivery(delivery_id=Delivery.objects.get().id)
    assert "It is set aside for you" in page_of(client, ana)
    ship_backorder(backorder_id=ana.id)
    page = page_of(client, ana)
    assert "It has shipped" in page and "Cancel" not in page and "Place in line" not in page
    assert set(progress(ana).values()) == {"done"}


def test_days_are_the_shops_own_wherever_the_reader_is(client, ana):
    Backorder.objects.filter(id=ana.id).update(placed_at=dt.datetime(2026, 3, 2, 23, 30, tzinfo=dt.UTC))
    with timezone.override("America/New_York"):
        assert "Ordered March 3, 2026" in page_of(client, ana)


def test_a_line_of_an_order_that_ships_as_one_names_the_day_of_all(client, mug):
    other = a_mug()
    truck(mug, 5, 4)
    truck(other, 5, 9)
    lines = [Line(mug, 1, "W-1"), Line(other, 1, "W-2")]
    check_out(lines=lines, email="ana@example.com", ship="together", order_reference="W")
    page = page_of(client, line("W-1"))
    assert f"It ships together with the rest of your order, {by(9)}" in page


# the way out


def test_a_guest_walks_from_the_mail_to_the_page_and_out_of_the_line(ana):
    """With checks against forgery on, as a browser without script meets them."""
    drain(seconds=10)
    [message] = [each for each in mail.outbox if each.to == [ana.email]]
    link = re.search(r"https://shop\.example(/backorders/lines/\S+)", message.body)[1]
    assert link in message.alternatives[0][0]
    browser = Client(enforce_csrf_checks=True)

    page = browser.get(link)
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow" and page.headers["Referrer-Policy"] == "strict-origin"
    assert 'href="' + link + 'cancel/"' in page.content.decode()
    asked = browser.get(link + "cancel/")
    assert "You give up place 2 in line." in words(asked) and "3 units that still wait are taken off" in words(asked)
    assert f"The date you were promised goes with it: {by(8)}" in words(asked)
    assert Backorder.objects.get(id=ana.id).state == "waiting"

    form = dict(re.findall(r'name="(\w+)" value="([^"]+)"', asked.content.decode()))
    done = browser.post(link + "cancel/", form, follow=True)
    assert done.redirect_chain == [(link, 302)]
    assert "This is cancelled" in words(done) and "Cancel what still waits" not in words(done)
    drain(seconds=10)
    assert mail.outbox[-1].to == [ana.email] and "taken off your order" in mail.outbox[-1].body


def test_a_form_from_elsewhere_is_refused(ana):
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(line_path(ana.public_id) + "cancel/", {"waiting": 3}).status_code == 403
    assert Backorder.objects.get(id=ana.id).state == "waiting"


def test_opening_the_pages_changes_nothing_however_often(client, ana):
    before, path = list(Backorder.objects.values()), line_path(ana.public_id)
    for _ in range(2):
        for method in (client.get, client.head, client.options):
            method(path), method(path + "cancel/")
    assert client.post(path).status_code == 405
    assert list(Backorder.objects.values()) == before


def test_a_second_press_and_the_back_button_cancel_nothing_more(client, ana):
    cancel(client, ana, waiting=3)
    again = cancel(client, ana, waiting=3)
    assert "This is cancelled" in words(again)
    back = client.get(line_path(ana.public_id) + "cancel/", follow=True)
    assert "This is cancelled" in words(back)
    mails = OutgoingMail.objects.filter(kind="backorder_cancelled")
    assert [(row.backorder_id, row.units) for row in mails] == [(ana.id, 3)]


def test_what_came_in_meanwhile_is_not_cancelled_by_surprise(client, ana):
    receive_delivery(delivery_id=Delivery.objects.get().id, quantity=4)
    answer = cancel(client, ana, waiting=3)
    assert answer.status_code == 409 and "nothing was cancelled" in words(answer)
    assert "2 units that are set aside for you stay yours." in words(answer)
    cancel(client, ana, waiting=1)
    ana.refresh_from_db()
    assert (ana.state, ana.allocated_quantity, ana.cancelled_quantity) == ("filled", 2, 1)


@pytest.mark.parametrize("waiting", ["", "0", "-1", "x", "3.0", "٣", "9" * 400, "4"])
def test_nonsense_in_the_form_asks_once_more(client, ana, waiting):
    answer = cancel(client, ana, waiting=waiting)
    assert answer.status_code == 409
    assert Backorder.objects.get(id=ana.id).cancelled_quantity == 0


def test_what_is_set_aside_is_not_the_pages_to_cancel(client, ana):
    receive_delivery(delivery_id=Delivery.objects.get().id)
    assert "It is set aside for you" in words(cancel(client, ana, waiting=3))
    assert Backorder.objects.get(id=ana.id).state == "filled"


def test_a_shop_may_keep_cancelling_to_itself(client, ana, settings):
    with override_settings(BACKORDERS={**settings.BACKORDERS, "CUSTOMERS_CANCEL": False}):
        page = page_of(client, ana)
        assert "Cancel what still waits" not in page and "Test Shop can take it off your order" in page
        assert "On backorder for you" in words(cancel(client, ana, waiting=3))
    assert Backorder.objects.get(id=ana.id).state == "waiting"


def test_whoever_stood_behind_moves_up(client, ana):
    cancel(client, line("Bo"), waiting=2)
    assert "Place in line: 1" in page_of(client, ana)


# links that open nothing


def bad_links(row):
    token = line_token(row.public_id)
    yield "x"
    yield token[:-1]
    yield token[1:]
    yield token.replace(".", "")
    yield token + "A"
    yield line_token(uuid4())
    yield str(row.public_id)
    yield signing.Signer(salt="another", sep=".").sign(token.partition(".")[0])
    yield signing.Signer(salt="backorders.line", sep=".").sign("short")
    yield "A" * 10_000
    yield "%00"


def test_forged_and_cut_off_links_are_a_friendly_page_in_the_readers_language(ana):
    german = Client(headers={"Accept-Language": "de"})
    for token in bad_links(ana):
        for path in (f"/backorders/lines/{token}/", f"/backorders/lines/{token}/cancel/"):
            for answer in (
                german.get(path),
                german.post(path, {"waiting": 3}) if "cancel" in path else german.get(path),
            ):
                assert answer.status_code == 404 and "Zum Shop" in words(answer), token
    assert Backorder.objects.get(id=ana.id).state == "waiting"


def test_a_link_lives_as_long_as_its_line_and_a_while_longer(client, ana):
    long_ago = timezone.now() - KEPT_AFTER - EARLIER
    Backorder.objects.filter(id=ana.id).update(placed_at=long_ago - dt.timedelta(days=400))
    page_of(client, ana)
    cancel_backorder(backorder_id=ana.id)
    page_of(client, ana)
    Backorder.objects.filter(id=ana.id).update(closed_at=long_ago)
    assert "This link does not work" in page_of(client, ana, status=404)


def test_what_is_set_aside_and_never_fetched_keeps_its_page(client, ana):
    receive_delivery(delivery_id=Delivery.objects.get().id)
    Backorder.objects.filter(id=ana.id).update(closed_at=timezone.now() - 2 * KEPT_AFTER)
    page_of(client, ana)


def test_a_forgotten_customers_link_opens_nothing(client, ana):
    cancel_backorder(backorder_id=ana.id)
    drain(seconds=10)
    forget_customer(email=ana.email)
    page_of(client, ana, status=404)


def test_a_key_that_was_rotated_still_opens(client, ana, settings):
    path = line_path(ana.public_id)
    with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert client.get(path).status_code == 200
    with override_settings(SECRET_KEY="new" * 20):
        assert client.get(path).status_code == 404


def test_a_product_that_vanished_leaves_the_page_and_the_way_out(client, ana, mug):
    Product.objects.filter(pk=mug.pk).delete()
    assert "Order line Ana" in page_of(client, ana)
    assert "This is cancelled" in words(cancel(client, ana, waiting=3))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "M" * 10_000, "\u202egum</a>"])
def test_strange_names_stay_names(client, monkeypatch, name):
    box = Custom.objects.create(name="Box", boxes=0)
    monkeypatch.setattr(
        CustomAdapter, "describe", lambda self, pks: {pk: Described(title=name, url="/box/") for pk in pks}
    )
    set_selling_policy(product=box, policy="backorder")
    truck(box, 5, 8)
    row = order(box, 1, '"><script>alert(3)</script>', email="ana@example.com", now=timezone.now())
    slip(Delivery.objects.get(), 20, '"><script>alert(2)</script>')
    for path in (line_path(row.public_id), line_path(row.public_id) + "cancel/"):
        html = client.get(path).content.decode()
        assert escape(name) in html and "<script" not in html


def test_a_page_costs_the_same_however_long_the_line(client, ana, mug, django_assert_max_num_queries):
    for number in range(30):
        order(mug, 1, f"more {number}", now=timezone.now())
    path = line_path(line("more 29").public_id)
    with django_assert_max_num_queries(10):
        client.get(path)


def test_a_shop_without_our_pages_gets_its_mails_all_the_same(ana):
    with override_settings(ROOT_URLCONF="tests.hosts.no_urls"):
        assert line_path(ana.public_id) == ""
        drain(seconds=10)
    assert len(mail.outbox) == 2 and "See where it stands" not in mail.outbox[0].body


def test_every_mail_about_a_line_leads_to_its_page(ana):
    slip(Delivery.objects.get(), 20)
    drain(seconds=10)
    receive_delivery(delivery_id=Delivery.objects.get().id, quantity=4)
    drain(seconds=10)
    cancel_backorder(backorder_id=ana.id, quantity=1)
    drain(seconds=10)
    link = f"https://shop.example{line_path(ana.public_id)}"
    written = [each for each in mail.outbox if each.to == [ana.email]]
    assert len(written) == 4 and "you can give up your place" in written[1].body.replace("\n", " ")
    assert all(link in each.body.splitlines() and link in each.alternatives[0][0] for each in written)


def test_where_the_shop_cancels_itself_the_mail_says_to_ask_it(ana, settings):
    slip(Delivery.objects.get(), 20)
    with override_settings(BACKORDERS={**settings.BACKORDERS, "CUSTOMERS_CANCEL": False}):
        drain(seconds=10)
    [moved] = [each for each in mail.outbox if each.to == [ana.email] and "New date" in each.subject]
    assert "Test Shop can take it off" in moved.body.replace("\n", " ") and "give up your place" not in moved.body


def test_a_mail_of_a_whole_order_leads_to_each_of_its_lines():
    mugs = [a_mug(), a_mug()]
    lines = [Line(mug, 1, f"W-{number}") for number, mug in enumerate(mugs)]
    check_out(lines=lines, email="ana@example.com", ship="together", order_reference="W")
    drain(seconds=10)
    mail.outbox.clear()
    Product.objects.filter(pk__in=[mug.pk for mug in mugs]).update(stock=1)
    sweep_stock()
    tell_whole_orders()
    drain(seconds=10)
    [message] = mail.outbox
    for reference in ("W-0", "W-1"):
        link = f"https://shop.example{line_path(line(reference).public_id)}"
        assert link in message.body.splitlines() and link in message.alternatives[0][0]
