"""Substitutes that can be bought now."""

import pytest

from backorders.models import Alternative
from backorders.queries.alternatives import alternatives_to
from backorders.services.locks import anchor_of
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory
from tests.hosts.late.models import Lamp

pytestmark = pytest.mark.django_db


def names(found):
    return [(substitute.product.name, str(substitute.reason)) for substitute in found]


def test_picked_by_hand_come_first_then_the_category_by_nearness_of_price():
    mug = ProductFactory(name="mug", category="mugs", price=10)
    ProductFactory(name="far", category="mugs", price=40, stock=9)
    ProductFactory(name="near", category="mugs", price=11, stock=1)
    picked = Lamp.objects.create(name="lamp", count=3)
    Alternative.objects.create(item=anchor_of(mug), substitute=anchor_of(picked))

    assert names(alternatives_to(mug)) == [("lamp", "picked"), ("near", "same_category"), ("far", "same_category")]


def test_the_successor_of_a_discontinued_product_leads():
    old, new = ProductFactory(name="old"), ProductFactory(name="new", stock=3)
    set_selling_policy(product=old, discontinued=True, successor=new)

    assert names(alternatives_to(old)) == [("new", "successor")]


def test_what_is_not_on_the_shelf_is_no_substitute():
    mug = ProductFactory(name="mug", category="mugs")
    ProductFactory(name="gone", category="mugs", stock=0)
    ProductFactory(name="hidden", category="mugs", stock=5, is_visible=False)
    set_selling_policy(product=ProductFactory(name="backorder", category="mugs"), policy="backorder")
    ProductFactory(name="few", category="mugs", stock=2)

    assert names(alternatives_to(mug)) == [("few", "same_category")]
    assert alternatives_to(mug, quantity=3) == []


def test_a_product_without_a_category_has_only_what_was_picked():
    ProductFactory(stock=3)

    assert alternatives_to(ProductFactory()) == []


def test_the_number_of_questions_does_not_grow_with_the_category(django_assert_max_num_queries):
    mug = ProductFactory(category="mugs")
    ProductFactory.create_batch(40, category="mugs", stock=3)
    with django_assert_max_num_queries(8):
        assert len(alternatives_to(mug, limit=4)) == 4
