"""What search engines read of a product's page."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from django.template import Context, Template
from django.utils import timezone

from backorders.models import StockItem
from backorders.services.locks import anchor_of
from backorders.services.waves import open_restock
from backorders.shop import Described
from tests.factories import in_days, mug_with
from tests.hosts.models import Custom

pytestmark = pytest.mark.django_db


def html_of(product, tag="{% backorder_jsonld p %}", **context):
    return Template("{% load backorders %}" + tag).render(Context({"p": product, **context}))


def json_of(product, *tag, **context):
    html = html_of(product, *tag, **context)
    return json.loads(html.removeprefix('<script type="application/ld+json">').removesuffix("</script>"))


def offer_of(product):
    return json_of(product)["offers"]


def test_goods_made_once_they_are_ordered_say_so():
    offer = offer_of(mug_with(policy="made_to_order", lead_days=10))
    assert offer["availability"] == "https://schema.org/MadeToOrder" and "availabilityStarts" in offer


def test_an_order_ahead_is_one_to_machines_only_while_its_day_is_known():
    dated, undated = mug_with(policy="backorder", arrives=(4, 8)), mug_with(policy="backorder")
    assert offer_of(dated)["availability"] == "https://schema.org/BackOrder" and "availabilityStarts" in offer_of(dated)
    assert offer_of(undated)["availability"] == "https://schema.org/OutOfStock"
    assert "Backorder now" in html_of(undated, "{% backorder_button_label p %}")  # people read why there is none


def test_a_new_release_of_what_was_sold_before_is_no_pre_order_to_machines():
    again = mug_with(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=9), arrives=(9, 9))
    open_restock(item=anchor_of(again), units=3, now=timezone.now() - dt.timedelta(days=90))
    assert offer_of(again)["availability"] == "https://schema.org/BackOrder"


def test_a_start_is_never_in_the_past():
    late, today = mug_with(policy="backorder"), mug_with(policy="backorder", arrives=(0, 0))
    day = in_days(-3)
    StockItem.objects.filter(id=anchor_of(late).id).update(next_earliest=day, next_latest=day, next_confidence="firm")
    assert "availabilityStarts" not in offer_of(late)
    a_minute_ago = timezone.now() - dt.timedelta(minutes=1)
    assert dt.datetime.fromisoformat(offer_of(today)["availabilityStarts"]) > a_minute_ago


def test_what_is_on_the_shelf_starts_at_no_day():
    assert "availabilityStarts" not in offer_of(mug_with(9, policy="backorder", arrives=(4, 8)))


def test_page_and_data_name_the_same_day():
    product = mug_with(policy="backorder", arrives=(40, 47))
    start = dt.datetime.fromisoformat(offer_of(product)["availabilityStarts"])
    assert f'<time datetime="{start.date()}">' in html_of(product, "{% backorder_status p %}")


@pytest.mark.parametrize(
    "name",
    [
        "</script><script>alert(1)</script>",
        "<!-- & ]]>",
        "one\u2028two\u2029",
        'a "quoted" \\ name',
        "إبريق \u202eevil",
    ],
)
def test_a_name_stays_a_name(name):
    html = html_of(mug_with(3, name=name))
    assert html.count("<") == 2 and not {"\u2028", "\u2029"} & set(html)
    assert json_of(mug_with(3, name=name))["name"] == name


def test_characters_that_no_page_can_carry_are_dropped(monkeypatch):
    from tests.hosts.adapters import CustomAdapter

    box = Custom.objects.create(name="Box", boxes=1)
    odd = Described(title="a\ud800b\x00c", price=Decimal("NaN"), url="http://[broken", image="javascript:alert(1)")
    monkeypatch.setattr(CustomAdapter, "describe", lambda self, pks: {box.pk: odd})
    html_of(box).encode()
    told = json_of(box)

    assert told["name"] == "abc"
    assert told["offers"] == {"@type": "Offer", "availability": "https://schema.org/InStock"}


# variants

GROUP = '{% backorder_jsonld p variants=all name="Mug" group=7 %}'


def test_each_size_of_a_page_has_an_offer_of_its_own():
    small, large = mug_with(9, name="Mug, small"), mug_with(name="Mug, large")
    told = json_of(small, GROUP, all=[large, small])

    assert (told["@context"], told["@type"]) == ("https://schema.org", "ProductGroup")
    assert (told["name"], told["productGroupID"]) == ("Mug", "7")
    offers = {each["name"]: each["offers"]["availability"].rpartition("/")[2] for each in told["hasVariant"]}
    assert offers == {"Mug, small": "InStock", "Mug, large": "OutOfStock"}


def test_a_product_without_other_sizes_is_no_group():
    mug = mug_with(9)
    assert json_of(mug, GROUP, all=[mug])["@type"] == "Product"
    assert json_of(mug, "{% backorder_jsonld p variants=missing %}")["@type"] == "Product"


def test_a_group_without_a_name_is_called_as_its_product():
    small, large = mug_with(9, name="Mug, small"), mug_with(name="Mug, large")
    assert json_of(small, "{% backorder_jsonld p variants=all %}", all=[small, large])["name"] == "Mug, small"


def test_many_sizes_cost_no_query_more_than_two(django_assert_max_num_queries):
    first, *others = [mug_with(number) for number in range(6)]
    html_of(first)
    with django_assert_max_num_queries(4):
        json_of(first, GROUP, all=[first, *others])
