import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from backorders.models import CategoryTerms, StockItem, Supplier
from backorders.queries.availability import availability_of
from backorders.services.backorders import place_backorder
from backorders.services.locks import anchor_of
from backorders.services.terms import set_category_terms, set_selling_policy
from tests.admin.conftest import with_ledgers
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

LIST = reverse("admin:backorders_stockitem_changelist")
CATEGORIES, NEW_CATEGORY = (reverse(f"admin:backorders_categoryterms_{name}") for name in ("changelist", "add"))


def change(item):
    return reverse("admin:backorders_stockitem_change", args=[item.pk])


def said(answer):
    """The page as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def texts(answer):
    return " | ".join(str(message) for message in answer.context["messages"])


EMPTY = {"policy": "", "only_inbound": "unknown", "reason": "", "lead_days": ""}
EMPTY |= dict.fromkeys(["backorder_limit", "customer_limit", "order_minimum", "order_maximum"], "")
EMPTY |= {"safety_stock": "", "low_stock_at": "", "successor": "", "supplier": ""}


def form_of(**more):
    return with_ledgers({**EMPTY, **more}, "deliveries", "events")


def terms_shown(page):
    rows = re.findall(r"<th scope=\"row\">(.*?)</th><td>(.*?)</td><td>(.*?)</td>", page.content.decode())
    return {label: (value, said_by) for label, value, said_by in rows}


# one item


def test_all_terms_of_an_item_are_saved_together(merchandiser, mug):
    item, potters = anchor_of(mug), Supplier.objects.create(name="Potters")
    typed = {"policy": "backorder", "only_inbound": "true", "reason": "The kiln is cold", "backorder_limit": "50"}
    typed |= {"customer_limit": "4", "order_minimum": "2", "order_maximum": "4", "safety_stock": "1"}
    typed |= {"low_stock_at": "9", "lead_days": "12", "supplier": str(potters.pk)}
    assert merchandiser.post(change(item), form_of(**typed)).status_code == 302
    item.refresh_from_db()
    assert (item.policy, item.only_inbound, item.reason, item.backorder_limit) == (
        "backorder",
        True,
        "The kiln is cold",
        50,
    )
    assert (item.customer_limit, item.order_minimum, item.order_maximum, item.safety_stock) == (4, 2, 4, 1)
    assert (item.low_stock_at, item.lead_days, item.supplier) == (9, 12, potters)


def test_what_is_left_empty_is_as_if_never_said(merchandiser, mug):
    item = set_selling_policy(product=mug, policy="backorder", only_inbound=False, safety_stock=3, lead_days=4)
    merchandiser.post(change(item), form_of())
    item.refresh_from_db()
    assert (item.policy, item.only_inbound, item.safety_stock, item.lead_days) == ("", None, None, None)


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"order_minimum": "5", "order_maximum": "4"}, "order_maximum", "Less than the least per order."),
        ({"policy": "preorder"}, "releases_at", "A pre-order needs its release."),
        ({"order_minimum": "0"}, "order_minimum", "Use a whole number from 1"),
        ({"lead_days": "4000"}, "lead_days", "More than ten years."),
        ({"reason": "x" * 201}, "reason", "at most 200 characters"),
        ({"safety_stock": "-5"}, "safety_stock", "greater than or equal to 0"),
        ({"customer_limit": "1.5"}, "customer_limit", "Enter a whole number."),
        ({"low_stock_at": "2000000000"}, "low_stock_at", "Use a whole number from 0"),
        ({"backorder_limit": str(2**63)}, "backorder_limit", ""),
        ({"supplier": "999"}, "supplier", "Select a valid choice."),
    ],
)
def test_terms_that_make_no_sense_are_refused_beside_their_field(merchandiser, mug, typed, field, sentence):
    item = anchor_of(mug)
    answer = merchandiser.post(change(item), form_of(**typed))
    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field] and sentence in " ".join(errors[field])
    item.refresh_from_db()
    assert all(getattr(item, name) in (None, "") for name in typed)


def test_what_is_announced_without_a_date_is_one_choice(merchandiser, mug):
    item = anchor_of(mug)
    merchandiser.post(change(item), form_of(policy="announced"))
    assert availability_of(mug).state == "coming_soon"


def test_what_is_only_announced_has_no_date(merchandiser, mug):
    typed = {"releases_at_0": "2031-02-02", "releases_at_1": "10:00"}
    answer = merchandiser.post(change(anchor_of(mug)), form_of(policy="announced", **typed))
    errors = answer.context["adminform"].form.errors
    assert errors == {"releases_at": ["What is only announced has no date yet."]}


def test_what_people_have_ordered_is_more_than_announced(merchandiser, mug):
    item = set_selling_policy(product=mug, policy="backorder")
    place_backorder(product=mug, quantity=2, reference="A", email="ana@example.com")
    answer = merchandiser.post(change(item), form_of(policy="announced"))
    said = "Units of it are ordered already, so it is more than announced."
    assert answer.context["adminform"].form.errors == {"policy": [said]}


def test_a_release_before_its_opening_is_refused(merchandiser, mug):
    days = {"opens_at_0": "2031-02-02", "opens_at_1": "10:00", "releases_at_0": "2031-02-01", "releases_at_1": "10:00"}
    answer = merchandiser.post(change(anchor_of(mug)), form_of(policy="preorder", **days))
    assert answer.context["adminform"].form.errors["releases_at"] == ["The release comes after the opening."]


def test_the_page_says_what_counts_and_who_says_so(viewer, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "LOW_STOCK_AT": 7}
    mug = Product.objects.create(name="Blue mug", category="mugs")
    set_category_terms(model=Product, category="mugs", policy="stop", safety_stock=2, lead_days=30)
    item = set_selling_policy(
        product=mug, policy="backorder", supplier=Supplier.objects.create(name="Potters", lead_days=9)
    )
    found = terms_shown(viewer.get(change(item)))
    assert found["When the shelf is empty"] == ("take backorders", "this product")
    assert found["Safety stock"] == ("2", "its category")
    assert found["Lead time"] == ("9 working days", "its supplier")
    assert found["Low stock from"] == ("7", "the shop&#x27;s setting")
    assert found["Limit per customer"] == ("no limit", "–")


def test_the_list_costs_the_same_with_suppliers(owner, django_assert_max_num_queries):
    for n in range(12):
        supplier = Supplier.objects.create(name=f"Potter {n}", lead_days=n)
        set_selling_policy(product=Product.objects.create(name=f"Mug {n}"), policy="backorder", supplier=supplier)
    owner.get(LIST)
    with django_assert_max_num_queries(20):
        owner.get(LIST)


# many


@pytest.fixture
def items(db):
    products = [Product.objects.create(name=f"Mug {n}") for n in range(3)]
    return [set_selling_policy(product=product, policy="stop", safety_stock=1) for product in products]


def many(client, items, **typed):
    posted = {"action": "change_terms", "_selected_action": [item.pk for item in items], "index": "0"}
    return client.post(LIST, {**posted, **typed}, follow=True)


def policies():
    return sorted(set(StockItem.objects.values_list("policy", "safety_stock", "backorder_limit")), key=str)


TICKED = {"change_policy": "on", "policy": "backorder", "change_backorder_limit": "on", "backorder_limit": "40"}


def test_changing_many_asks_first_then_shows_what_would_change_then_does_it(merchandiser, items):
    assert "3 products" in said(many(merchandiser, items))
    page = many(merchandiser, items, look="1", **TICKED)
    assert "This changes for 3 products" in said(page) and "Backorder limit 40" in said(page)
    assert "Mug 0" in said(page)
    assert policies() == [("stop", 1, None)]
    answer = many(merchandiser, items, do="1", seen=page.context["seen"], **TICKED)
    assert "Done: 3." in texts(answer)
    assert policies() == [("backorder", 1, 40)]


def test_only_what_was_looked_at_is_changed(merchandiser, items):
    seen = many(merchandiser, items, look="1", **TICKED).context["seen"]
    many(merchandiser, items, do="1", seen=seen, **{**TICKED, "backorder_limit": "9999"})
    many(merchandiser, items, do="1", **TICKED)
    many(merchandiser, items[:2], do="1", seen=seen, **TICKED)
    assert policies() == [("stop", 1, None)]


def test_a_ticked_term_may_be_emptied(merchandiser, items):
    typed = {"change_safety_stock": "on", "safety_stock": ""}
    page = many(merchandiser, items, look="1", **typed)
    assert "Safety stock nothing said" in said(page)
    many(merchandiser, items, do="1", seen=page.context["seen"], **typed)
    assert policies() == [("stop", None, None)]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({}, "Tick what is to be changed."),
        ({"backorder_limit": "4"}, "Tick the box beside it to change this"),
        ({"change_backorder_limit": "on", "backorder_limit": "-5"}, "greater than or equal to 0"),
        ({"change_order_minimum": "on", "order_minimum": "0"}, "Use a whole number from 1"),
        ({"change_lead_days": "on", "lead_days": str(2**63)}, "lead_days"),
        ({"change_policy": "on", "policy": "preorder"}, "A pre-order needs its release"),
        ({"change_policy": "on", "policy": "free"}, "Select a valid choice."),
    ],
)
def test_changes_that_make_no_sense_change_nothing(merchandiser, items, typed, sentence):
    page = many(merchandiser, items, look="1", **typed)
    assert sentence in page.content.decode() and not page.context["changes"]
    many(merchandiser, items, do="1", seen=page.context["seen"], **typed)
    assert policies() == [("stop", 1, None)]


def test_one_item_that_cannot_be_changed_stops_all(merchandiser, items):
    release = timezone.now() + timedelta(days=4)
    set_selling_policy(product=items[1].product, policy="preorder", releases_at=release)
    page = many(merchandiser, items, look="1", change_releases_at="on", releases_at="")
    assert "Mug 1" in said(page) and not page.context["changes"]


def test_somebody_who_may_only_look_changes_no_terms(viewer, items):
    posted = {"action": "change_terms", "_selected_action": [items[0].pk], "do": "1", **TICKED}
    assert viewer.post(LIST, posted).status_code == 403


# categories


@pytest.fixture
def mugs(db):
    Product.objects.create(name="Blue mug", category="mugs")


def category_form(**more):
    from django.contrib.contenttypes.models import ContentType

    model = str(ContentType.objects.get_for_model(Product).pk)
    return {**EMPTY, "content_type": model, "key": "mugs", **more}


def test_the_terms_of_a_category_are_set_and_count(merchandiser, mugs):
    merchandiser.post(NEW_CATEGORY, category_form(policy="backorder", safety_stock="2"))
    row = CategoryTerms.objects.get()
    assert (row.key, row.policy, row.safety_stock) == ("mugs", "backorder", 2)
    page = merchandiser.get(change(anchor_of(Product.objects.get())))
    assert terms_shown(page)["When the shelf is empty"] == ("take backorders", "its category")
    assert "safety stock: 2" in said(merchandiser.get(CATEGORIES))


def test_only_models_that_have_categories_are_offered_and_theirs_are_named(merchandiser, mugs):
    page = merchandiser.get(NEW_CATEGORY)
    models = [str(label) for _, label in page.context["adminform"].form.fields["content_type"].choices]
    assert models[1:] == [
        "Product",
        "Variant",
    ]  # the first says that none is chosen, in the words of the Django at hand
    assert '<option value="mugs">' in page.content.decode()
    assert "preorder" not in page.content.decode()
    assert 'value="announced"' not in page.content.decode()


def test_later_the_category_itself_stays_as_it_is(merchandiser, mugs):
    row = set_category_terms(model=Product, category="mugs", policy="backorder")
    page = reverse("admin:backorders_categoryterms_change", args=[row.pk])
    merchandiser.post(page, category_form(key="pots", policy="stop", reason="Winter"))
    row.refresh_from_db()
    assert (row.key, row.policy, row.reason) == ("mugs", "stop", "Winter")


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "x" * 101},
        {"content_type": "0"},
        {"content_type": ""},
        {"policy": "preorder"},
        {"policy": "announced"},
        {"order_minimum": "9", "order_maximum": "2"},
        {"safety_stock": "-1"},
        {"lead_days": str(2**63)},
    ],
)
def test_terms_of_a_category_that_make_no_sense_are_refused(merchandiser, mugs, wrong):
    answer = merchandiser.post(NEW_CATEGORY, category_form(**wrong))
    assert answer.context["adminform"].form.errors
    assert not CategoryTerms.objects.exists()


def test_the_same_category_is_not_entered_twice(merchandiser, mugs):
    set_category_terms(model=Product, category="mugs", policy="backorder")
    answer = merchandiser.post(NEW_CATEGORY, category_form(policy="stop"))
    assert answer.context["adminform"].form.errors
    assert CategoryTerms.objects.get().policy == "backorder"


def test_a_category_can_be_let_say_nothing_again(owner, mugs):
    row = set_category_terms(model=Product, category="mugs", policy="backorder")
    owner.post(reverse("admin:backorders_categoryterms_delete", args=[row.pk]), {"post": "yes"})
    other = set_category_terms(model=Product, category="pots", policy="backorder")
    posted = {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    owner.post(CATEGORIES, posted)
    assert not CategoryTerms.objects.exists()


@pytest.mark.parametrize("key", ["9" * 30, "x", "1"])
def test_categories_without_a_row_are_called_by_their_key(owner, key):
    from demo_shop.models import Variant

    set_category_terms(model=Variant, category=key, policy="stop")
    assert key in said(owner.get(CATEGORIES))
