"""What the mails say, as their readers get them."""

import datetime as dt
import re
from html.parser import HTMLParser

import pytest
from django.core import mail
from django.utils import timezone, translation

from backorders.models import StockItem
from backorders.queries.availability import shop_today
from backorders.services.backorders import place_backorder
from backorders.services.locks import anchor_of
from backorders.services.outbox import drain
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import subscribe
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language active behind it; each test starts from the shop's own."""
    with translation.override("en"):
        yield


TITLE = "Mug & Co <b>“blue”</b>"


def in_days(days):
    return shop_today(timezone.now()) + dt.timedelta(days=days)


def mug_on_order(policy="backorder", units=5, **fields):
    mug = ProductFactory(name=TITLE, stock=0)
    StockItem.objects.filter(id=anchor_of(mug).id).update(policy=policy, **fields)
    return mug, expect_delivery(product=mug, quantity=units, earliest=in_days(4), latest=in_days(8))


def sent():
    drain(seconds=5)
    return mail.outbox[-1]


def confirm_mail(language=""):
    subscribe(product=ProductFactory(name=TITLE, stock=0), email="ana@example.com", language=language)
    return sent()


def return_mail(language=""):
    mug = ProductFactory(name=TITLE, stock=0)
    waiting_for(mug, language=language)
    Product.objects.filter(pk=mug.pk).update(stock=3)
    sweep_stock()
    release_waves()
    return sent()


def order_mail(language="", quantity=2, **fields):
    mug, _ = mug_on_order(**fields)
    place_backorder(product=mug, quantity=quantity, reference="A-1/1", email="ana@example.com", language=language)
    return sent()


def arrival_mail(language="", quantity=2, units=5):
    mug, delivery = mug_on_order()
    place_backorder(product=mug, quantity=quantity, reference="A-1/1", email="ana@example.com", language=language)
    receive_delivery(delivery_id=delivery.id, quantity=units)
    return sent()


KINDS = {"confirm": confirm_mail, "return": return_mail, "order": order_mail, "arrival": arrival_mail}


@pytest.fixture(params=KINDS)
def write(request, db):
    return KINDS[request.param]


def html_of(message):
    return message.alternatives[0][0]


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_titles_read_as_written_in_text_and_are_escaped_in_html(write):
    message = write()
    assert TITLE in message.body or write is arrival_mail
    assert "&amp;" not in message.body and "&lt;" not in message.subject
    assert "Mug &amp; Co &lt;b&gt;" in html_of(message)
    assert "<b>" not in html_of(message)


def test_the_text_part_fits_a_narrow_window_with_each_link_alone_on_its_line(write):
    for line in write().body.splitlines():
        assert len(line) <= 72 or line.startswith("https://")
        assert "https://" not in line or re.fullmatch(r"https://\S+", line)


def test_the_html_part_is_whole_small_and_loads_nothing_but_pictures(write):
    html = html_of(write())
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert len(html.encode()) < 20_000
    assert "<script" not in html and "<link" not in html and "url(" not in html
    assert 'name="color-scheme" content="light dark"' in html and "prefers-color-scheme: dark" in html


def test_arabic_mails_run_from_right_to_left(write):
    html = html_of(write(language="ar"))
    assert '<html lang="ar" dir="rtl">' in html
    assert 'align="right"' in html


def test_no_text_part_has_gaps_where_something_was_left_out(write):
    assert "\n\n\n" not in write().body


def test_the_confirmation_names_its_sender_and_sells_nothing(outbox):
    message = confirm_mail()
    assert "asked Test Shop to write to this address" in message.body
    assert re.search(r"^https://shop\.example/backorders/confirm/[\w-]{43}/$", message.body, re.M)
    assert "€" not in message.body + html_of(message) and "/p/" not in html_of(message)


def test_the_mail_about_a_return_is_honest_and_says_how_to_leave():
    message = return_mail()
    assert message.subject == f"In stock now: {TITLE}"
    assert "as long as stock lasts" in message.body
    link = re.search(r"^https://shop\.example/backorders/leave/[\w-]{43}/$", message.body, re.M)[0]
    assert f'href="{link}"' in html_of(message)
    assert message.extra_headers["List-Unsubscribe"] == f"<{link}>"


def test_an_order_line_is_told_when_it_comes_and_where_it_stands():
    message = order_mail()
    assert f"2 × {TITLE}" in message.body
    assert "Expected to leave: " in message.body and "Place in line: 1" in message.body
    assert f'<time datetime="{in_days(8).isoformat()}">' in html_of(message)


def test_an_order_line_beyond_the_deliveries_is_told_that_there_is_no_date():
    assert "We do not know yet when it leaves." in order_mail(quantity=9).body


def test_a_preorder_is_called_one():
    message = order_mail(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=20))
    assert message.subject.startswith("Your pre-order: ")


def test_a_small_arrival_says_what_is_still_to_come():
    message = arrival_mail(quantity=4, units=3)
    assert message.subject.startswith("Part of your order is here: ")
    assert f"3 × {TITLE}" in message.body and "1 more is still to come." in message.body


def test_a_whole_arrival_says_so():
    assert "That is all of it: Test Shop gets it ready for you next." in arrival_mail().body
