"""The demo shop says one thing everywhere."""

import io
from xml.etree import ElementTree

from django.core.management import call_command

from backorders.domain.availability import State
from backorders.queries.availability import availability_for
from demo_shop.models import Variant

G = "{http://base.google.com/ns/1.0}"


def some_of_each_state(most=3):
    by_state = {}
    for variant, answer in availability_for(Variant.objects.order_by("pk")).items():
        by_state.setdefault(answer.state, []).append(variant)
    assert by_state.keys() == set(State)
    return [f"demo_shop.variant:{variant.pk}" for found in by_state.values() for variant in found[:most]]


def test_page_data_feed_and_api_agree_in_every_state(catalogue):
    """Of all of them: ``manage.py backorders_lint``; that takes as long as looking at each page."""
    named, out = some_of_each_state(), io.StringIO()
    call_command("backorders_lint", *named, stdout=out)
    assert out.getvalue() == f"{len(named)} products compared, 0 disagreements.\n"


def test_each_variant_is_an_item_with_the_attributes_of_its_product(client, catalogue):
    items = ElementTree.fromstring(b"".join(client.get("/feeds/merchant.xml"))).findall("channel/item")
    variant = Variant.objects.order_by("pk").first()
    said = {name: items[0].findtext(f"{G}{name}") for name in ("id", "mpn", "item_group_id", "condition", "image_link")}
    assert said == {
        "id": f"demo_shop.variant:{variant.pk}",
        "mpn": variant.sku,
        "item_group_id": variant.product.slug,
        "condition": "new",
        "image_link": f"https://shop.example{variant.image_url}",
    }


def test_every_page_says_where_the_feeds_are(client, catalogue):
    page = client.get(Variant.objects.order_by("pk").first().get_absolute_url())
    assert 'href="/feeds/arrivals.atom"' in page.content.decode()
