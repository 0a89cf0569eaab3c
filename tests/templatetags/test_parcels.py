"""What a shop's cart and checkout say about a basket of which not all is here."""

import datetime as dt
import re
from html import unescape
from types import SimpleNamespace

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from backorders.queries.backorders import places_of
from backorders.queries.timelines import line_path
from backorders.services.supply import expect_delivery
from tests.factories import ProductFactory, in_days
from tests.hosts.models import Product
from tests.stories import a_mug, order

pytestmark = pytest.mark.django_db


def draw(text, **context):
    return Template("{% load backorders %}" + text).render(Context(context))


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def by(days):
    day = in_days(days)
    return f"by {day:%b} {day.day}" + (f", {day.year}" if day.year != in_days(0).year else "")


def cart(*lines):
    return [SimpleNamespace(product=product, quantity=quantity) for product, quantity in lines]


@pytest.fixture
def here():
    return ProductFactory(stock=9)


@pytest.fixture
def later():
    mug = a_mug()
    expect_delivery(product=mug, quantity=5, earliest=in_days(8), latest=in_days(8), confidence="firm")
    return mug


def test_a_cart_says_what_ships_now_and_what_later(here, later):
    html = draw("{% backorder_parcels cart %}", cart=cart((here, 3), (later, 1)))
    assert words(html) == f"3 items now 1 item {by(8)}"
    assert f'<time datetime="{in_days(8)}">' in html


def test_a_part_without_a_date_says_so(here):
    assert words(draw("{% backorder_parcels cart %}", cart=cart((here, 1), (a_mug(), 2)))) == (
        "1 item now 2 items later, no date yet"
    )


def test_the_choice_names_the_dates_of_both_ways(here, later):
    html = draw("{% backorder_ship cart %}", cart=cart((here, 3), (later, 1)))
    assert words(html) == (
        f"How shall we send it? In 2 parcels 3 items now 1 item {by(8)} Everything together 4 items {by(8)}"
    )
    assert re.findall(r'type="radio" name="ship" value="(\w+)"( checked)?', html) == [
        ("split", " checked"),
        ("together", ""),
    ]


def test_what_was_chosen_stays_chosen_and_the_field_may_be_called_otherwise(here, later):
    html = draw('{% backorder_ship cart chosen="together" name="way" %}', cart=cart((here, 3), (later, 1)))
    assert re.findall(r'name="way" value="(\w+)" checked', html) == ["together"]
    strange = draw("{% backorder_ship cart chosen=x name=x %}", cart=cart((here, 3), (later, 1)), x='"><b>')
    assert re.findall(r'value="(\w+)" checked', strange) == ["split"] and "<b>" not in strange


def test_without_a_choice_the_form_is_complete_all_the_same(here):
    assert draw("{% backorder_ship cart %}", cart=cart((here, 3))) == '<input type="hidden" name="ship" value="split">'
    assert draw("{% backorder_ship cart %}{% backorder_parcels cart %}", cart=[]) == ""


def test_conditions_and_words_of_ones_own(here, later):
    text = "{% backorder_outlook cart as it %}{{ it.now }}+{{ it.later }}{% for each in it.shares %} {{ each.later }}{% endfor %}"
    assert draw(text, cart=cart((here, 3), (later, 1))) == "3+1 0 1"
    assert draw("{% backorder_outlook cart as it %}{% backorder_parcels it %}", cart=cart((here, 1))).count("<li>") == 1


def test_a_mistake_in_a_template_leaves_the_line_out(here):
    strange = [SimpleNamespace(product="mug", quantity=1), SimpleNamespace(product=here, quantity="2"), object(), None]
    assert draw("{% backorder_parcels cart %}", cart=strange) == ""


def test_a_cart_page_with_all_of_it_costs_four_queries(here, later, django_assert_max_num_queries):
    mugs = [later, *(a_mug() for _ in range(8))]
    for mug in mugs:
        order(mug, 1, f"before {mug.pk}", now=timezone.now())
    lines = cart(*((mug, 2) for mug in Product.objects.all()))
    request = RequestFactory().get("/cart/")
    text = (
        "{% backorder_outlook cart as it %}{% backorder_parcels it %}{% backorder_ship it %}"
        "{% for line in cart %}{% backorder_badge line.product %}{% backorder_status line.product quantity=2 %}{% endfor %}"
    )
    with django_assert_max_num_queries(4):
        draw(text, cart=lines, request=request)


def test_an_order_page_leads_to_the_page_of_a_line(later):
    line = order(later, 1, "R-1", now=timezone.now())
    assert draw("{{ place|backorder_line_url }}", place=places_of(["R-1"])["R-1"]) == line_path(line.public_id)
    assert draw("{{ place|backorder_line_url }}{{ place|backorder_day }}", place=None) == ""


def test_an_instant_is_the_shops_day():
    late = dt.datetime(2026, 3, 2, 23, 30, tzinfo=dt.UTC)
    assert draw("{{ late|backorder_day }}", late=late) == '<time datetime="2026-03-03">March 3, 2026</time>'
