import re

import pytest
from django.urls import reverse

from backorders.models import Alternative, StockItem
from backorders.services.locks import anchor_of
from tests.hosts.models import Parcel, Product

pytestmark = pytest.mark.django_db

LIST, ADD = reverse("admin:backorders_alternative_changelist"), reverse("admin:backorders_alternative_add")


def said(answer):
    """The page as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.fixture
def pot(db):
    return Product.objects.create(name="Red pot", stock=5)


@pytest.fixture
def picked(mug, pot):
    return Alternative.objects.create(item=anchor_of(mug), substitute=anchor_of(pot))


def test_a_substitute_is_picked_among_products_nobody_touched_before(merchandiser, mug, pot):
    assert not StockItem.objects.exists()
    merchandiser.post(ADD, {"product": "blue mug", "offered": f"hosts.product:{pot.pk}", "place": "3"})
    made = Alternative.objects.get()
    assert (made.item.product, made.substitute.product, made.place) == (mug, pot, 3)


def test_a_substitute_may_be_another_kind_of_product(merchandiser, mug):
    parcel = Parcel.objects.create(name="Gift box")
    merchandiser.post(ADD, {"product": "blue mug", "offered": "gift", "place": "0"})
    assert Alternative.objects.get().substitute.product == parcel


def test_a_product_is_no_substitute_for_itself(merchandiser, mug):
    answer = merchandiser.post(ADD, {"product": "blue mug", "offered": f"hosts.product:{mug.pk}", "place": "0"})
    assert "A product does not replace itself." in said(answer)
    assert "Constraint" not in said(answer)
    assert not Alternative.objects.exists()


def test_the_same_substitute_is_not_picked_twice(merchandiser, picked):
    answer = merchandiser.post(ADD, {"product": "blue mug", "offered": "red pot", "place": "1"})
    assert "picked for this product before" in said(answer)
    assert "Constraint" not in said(answer)
    assert Alternative.objects.get() == picked


def test_substitutes_may_point_at_each_other(merchandiser, picked):
    merchandiser.post(ADD, {"product": "red pot", "offered": "blue mug", "place": "0"})
    assert Alternative.objects.count() == 2


@pytest.mark.parametrize("wrong", [{"product": "nothing like it"}, {"offered": "nothing like it"}, {"place": "-1"}])
def test_a_form_that_is_refused_leaves_nothing_behind(merchandiser, mug, pot, wrong):
    answer = merchandiser.post(ADD, {"product": "blue mug", "offered": "red pot", "place": "0", **wrong})
    assert answer.context["adminform"].form.errors
    assert not Alternative.objects.exists() and not StockItem.objects.exists()


def test_the_add_page_can_be_opened_with_a_product_filled_in(merchandiser, mug):
    page = merchandiser.get(ADD, {"product": f"hosts.product:{mug.pk}"})
    assert f'value="hosts.product:{mug.pk}"' in page.content.decode()


def test_later_only_its_place_in_the_list_is_changed(merchandiser, picked, mug, pot):
    page = reverse("admin:backorders_alternative_change", args=[picked.pk])
    assert "Blue mug" in said(merchandiser.get(page)) and "Red pot" in said(merchandiser.get(page))
    merchandiser.post(page, {"place": "7", "product": "red pot", "offered": "blue mug"})
    picked.refresh_from_db()
    assert (picked.item.product, picked.substitute.product, picked.place) == (mug, pot, 7)
