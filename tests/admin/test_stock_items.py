from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from backorders.admin import products
from backorders.models import StockEvent, StockItem
from backorders.services.locks import anchor_of
from backorders.services.stock import set_on_hand
from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from tests.admin.conftest import with_ledgers
from tests.hosts.models import Poster, Product

pytestmark = pytest.mark.django_db

LIST, ADD = reverse("admin:backorders_stockitem_changelist"), reverse("admin:backorders_stockitem_add")


def change(item):
    return reverse("admin:backorders_stockitem_change", args=[item.pk])


def form_of(**more):
    return with_ledgers({"policy": "", "backorder_limit": "", "successor": "", **more}, "deliveries", "events")


def test_saving_sets_the_policy_and_has_the_item_looked_at(merchandiser, mug):
    item = anchor_of(mug)
    release = timezone.now().replace(microsecond=0) + timedelta(days=5)
    form = form_of(policy="preorder", backorder_limit="7", releases_at_0=release.date(), releases_at_1="10:00:00")
    assert merchandiser.post(change(item), form).status_code == 302
    item.refresh_from_db()
    assert (item.policy, item.backorder_limit, item.releases_at.date(), item.needs_look) == (
        "preorder",
        7,
        release.date(),
        True,
    )


def test_a_product_is_taken_in_by_its_title(merchandiser, mug):
    merchandiser.post(ADD, form_of(product="blue", policy="backorder"))
    item = StockItem.objects.get()
    assert (item.product, item.policy) == (mug, "backorder")


def test_a_product_that_has_its_entry_is_not_taken_in_twice(merchandiser, mug):
    set_selling_policy(product=mug, policy="backorder")
    answer = merchandiser.post(ADD, form_of(product="blue", policy="stop"))
    assert "has its entry already" in answer.content.decode()
    assert StockItem.objects.get().policy == "backorder"


@pytest.mark.parametrize("limit", ["-1", "1.5", "x", "2000000000", str(2**63)])
def test_a_limit_that_is_none_is_refused(merchandiser, mug, limit):
    item = anchor_of(mug)
    answer = merchandiser.post(change(item), form_of(backorder_limit=limit))
    assert answer.context["adminform"].form.errors
    item.refresh_from_db()
    assert item.backorder_limit is None


def test_a_product_does_not_replace_itself(merchandiser, mug):
    item = anchor_of(mug)
    answer = merchandiser.post(change(item), form_of(successor=item.pk))
    assert "does not replace itself" in answer.content.decode()


def test_on_hand_is_asked_only_where_we_keep_the_number(merchandiser, mug):
    poster = Poster.objects.create(name="Sunrise")
    set_on_hand(product=poster, quantity=3)
    assert b"own_quantity" not in merchandiser.get(change(anchor_of(mug))).content
    page = change(anchor_of(poster))
    assert b"own_quantity" in merchandiser.get(page).content
    merchandiser.post(page, form_of(own_quantity="8"))
    item = anchor_of(poster)
    assert (item.own_quantity, item.seen_quantity) == (8, 8)
    assert StockEvent.objects.latest("id").after == 8


def test_a_number_that_the_shop_keeps_cannot_be_slipped_in(merchandiser, mug):
    item = anchor_of(mug)
    merchandiser.post(change(item), form_of(own_quantity="99"))
    item.refresh_from_db()
    assert item.own_quantity is None


def test_the_item_of_a_vanished_product_still_opens_and_cannot_be_edited(merchandiser, mug):
    item = anchor_of(mug)
    mug.delete()
    page = merchandiser.get(change(item))
    assert page.status_code == 200 and b"gone from the shop" in page.content
    assert b'name="policy"' not in page.content
    assert b"not in the shop" in merchandiser.get(LIST).content


def test_items_are_found_by_the_title_of_their_product(owner, mug):
    anchor_of(mug), anchor_of(Product.objects.create(name="Red pot"))
    found = owner.get(LIST, {"q": "mug blue"}).context["cl"].result_list
    assert [item.product for item in found] == [mug]


def test_a_search_that_finds_very_much_says_that_it_looked_at_a_part(owner, mug, monkeypatch):
    monkeypatch.setattr(products, "MOST_FOUND", 2)
    for product in [mug, *(Product.objects.create(name=f"Mug {n}") for n in range(4))]:
        anchor_of(product)
    page = owner.get(LIST, {"q": "mug"})
    assert page.context["cl"].result_count == 2
    assert "Very many products match" in page.content.decode()


def test_the_list_names_the_state_in_words(owner, mug, waiting, day):
    full = Product.objects.create(name="Pot", stock=40)
    anchor_of(full)
    set_selling_policy(product=mug, policy="backorder")
    waiting(mug, "w@example.com")
    expect_delivery(product=mug, quantity=9, earliest=day(-3), latest=day(-1))
    page = owner.get(LIST).content.decode()
    assert "in stock" in page and "backorder" in page and "late:" in page


def test_the_list_can_be_narrowed_to_items_that_need_attention(owner, mug):
    item = anchor_of(mug)
    anchor_of(Product.objects.create(name="Pot"))
    StockItem.objects.filter(id=item.id).update(problem="The stock of hosts.Product 1 reads 'x'.")
    found = owner.get(LIST, {"show": "attention"}).context["cl"].result_list
    assert [one.product for one in found] == [mug]


def test_choosing_an_item_by_typing_costs_the_same_for_many(owner, mug, django_assert_max_num_queries):
    for n in range(15):
        anchor_of(Product.objects.create(name=f"Mug {n}"))
    asked = {"app_label": "backorders", "model_name": "stockitem", "field_name": "successor", "term": "mug"}
    owner.get(reverse("admin:autocomplete"), asked)
    with django_assert_max_num_queries(18):
        results = owner.get(reverse("admin:autocomplete"), asked).json()["results"]
    assert len(results) == 15
