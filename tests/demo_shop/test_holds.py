import datetime as dt
import re

import pytest
from django.core import mail

from backorders.models import Hold
from backorders.testing import run_jobs, somebody_waiting_for
from demo_shop.models import Order
from tests.demo_shop.conftest import check_out, put_in_basket, read


@pytest.fixture
def link(settings, variant, on_the_shelf):
    """Ann and Ben wait for a kettle; one comes, and Ann gets a mail with a link."""
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": dt.timedelta(hours=4)}
    for email in ("ann@example.com", "ben@example.com"):
        somebody_waiting_for(variant, email=email)
    on_the_shelf(1)
    run_jobs()
    assert [letter.to for letter in mail.outbox] == [["ann@example.com"]]
    return re.search(r"https?://[^/\s]+(/\S*/hold/\S+)", mail.outbox[0].body)[1]


def to_the_product(client, link):
    page = client.get(link)
    address = re.search(r'href="https?://[^/"]+(/[^"]+[?&;]hold=[^"]+)"', page.content.decode())[1]
    return client.get(address.replace("&amp;", "&"), follow=True)


def test_from_the_mail_to_the_order(client, link, variant):
    page = to_the_product(client, link)
    assert "hold=" not in page.redirect_chain[-1][0]
    assert "Add to basket" in read(page) and "Only 1 left" in read(page)
    put_in_basket(client, variant, 1)
    assert "Check out" in read(client.get("/basket/"))
    check_out(client, email="another-address@example.com")
    line = Order.objects.get().lines.get()
    assert (line.ships_now, line.ships_later, Hold.objects.get().state) == (1, 0, "used")


def test_whoever_passes_by_sees_an_empty_shelf(client, link, variant):
    assert "Out of stock" in read(client.get(variant.get_absolute_url()))
    put_in_basket(client, variant, 1)
    check_out(client)
    assert not Order.objects.exists()


def test_a_link_that_came_too_late_ends_in_words_and_not_in_an_order(client, link, variant):
    to_the_product(client, link)
    put_in_basket(client, variant, 1)
    Hold.objects.update(state="given_back", ended_at=Hold.objects.get().ends_at)
    variant.__class__.objects.update(stock=0)
    check_out(client)
    assert not Order.objects.exists()
    assert "Out of stock" in read(client.get(variant.get_absolute_url()))
