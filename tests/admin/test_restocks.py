"""How a restock went: how many were told, and how many of those bought."""

import datetime as dt
import re

import pytest
from django.urls import reverse

from backorders.models import Restock
from backorders.services.checkout import Line, check_out
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from tests.conftest import NOW
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

QUARTER = dt.timedelta(minutes=15)


def a_restock(*, buy):
    """Of the first three who are told, the first ``buy`` come and buy; then everybody else is told."""
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, 3)
    Product.objects.filter(pk=mug.pk).update(stock=30)
    sweep_stock(now=NOW)
    release_waves(now=NOW)
    for number, row in enumerate(rows[:buy]):
        check_out(lines=[Line(mug, 1, f"{mug.pk}-{number}")], email=row.email, now=NOW + dt.timedelta(minutes=5))
    waiting_for(mug, 4)
    sweep_stock(now=NOW + QUARTER)
    Restock.objects.look_again([rows[0].item_id])
    release_waves(now=NOW + QUARTER)
    return Restock.objects.get(item=rows[0].item_id)


def cells(page, name):
    return [int(text) for text in re.findall(rf'class="field-{name}[^"]*">(\d+)<', page)]


def test_the_list_shows_how_many_were_told_and_how_many_of_those_bought(owner):
    a_restock(buy=2)
    a_restock(buy=0)
    page = owner.get(reverse("admin:backorders_restock_changelist")).content.decode()

    assert cells(page, "people_told") == [7, 7]
    assert cells(page, "bought") == [0, 2]


def test_the_page_of_a_restock_shows_the_same_by_wave(owner):
    restock = a_restock(buy=2)
    page = owner.get(reverse("admin:backorders_restock_change", args=[restock.pk])).content.decode()
    waves = re.findall(r'field-size">\s*<p>(\d+)</p>.*?field-bought">\s*<p>(\d+)</p>', page, re.S)

    assert waves == [("4", "0"), ("3", "2")]


def test_ten_restocks_cost_no_more_questions_than_one(owner, django_assert_max_num_queries):
    for buy in (1, 2, 0, 1, 2):
        a_restock(buy=buy)
    with django_assert_max_num_queries(12):
        page = owner.get(reverse("admin:backorders_restock_changelist")).content.decode()

    assert sorted(cells(page, "bought")) == [0, 1, 1, 2, 2]
