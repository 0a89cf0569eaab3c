"""What the tags say now, for pages that a cache kept: the words, the language, and a token that still counts."""

import re

import pytest
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from backorders.storefront.live import MOST, MOST_LARGE
from tests.factories import CustomerFactory, ProductFactory

pytestmark = pytest.mark.django_db

NOW = "/backorders/now/"


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language active behind it; each test starts from the shop's own."""
    with translation.override("en"):
        yield


def reference_of(product):
    return f"hosts.product:{product.pk}"


def asked(product, part="status", pay="", deposit=""):
    return f"{part}|{pay}|{deposit}|{reference_of(product)}"


def said(answer):
    """What was said to each question, as our script reads it."""
    return re.findall(r'<template data-of="([^"]*)"[^>]*>(.*?)</template>', answer.content.decode(), re.S)


def draw(text, **context):
    return Template("{% load backorders %}" + text).render(Context(context))


def test_it_says_what_the_tags_of_a_fresh_page_say(client):
    gone, here = ProductFactory(stock=0), ProductFactory(stock=2)
    tags = {
        asked(gone): "{% backorder_status gone %}",
        asked(gone, pay="now"): '{% backorder_status gone pay="now" %}',
        asked(here, "badge"): "{% backorder_badge here %}",
        asked(gone, "line"): "{% backorder_line gone %}",
        asked(here, "line"): "{% backorder_line here %}",
    }
    answer = client.get(NOW, {"of": list(tags)})
    assert said(answer) == [(of, draw(tag, gone=gone, here=here)) for of, tag in tags.items()]


def test_it_says_what_a_page_offers_now_and_whether_it_can_be_ordered(client):
    gone, here = ProductFactory(stock=0, category="mugs"), ProductFactory(stock=2, category="mugs")
    tags = {
        asked(gone, "button"): "{% backorder_button_label gone %}",
        asked(here, "button"): "{% backorder_button_label here %}",
        asked(gone, "alternatives", "4"): "{% backorder_alternatives gone limit=4 %}",
        asked(here, "alternatives", "4"): "",
        asked(here, "form"): "",
    }
    answer = client.get(NOW, {"of": list(tags)})
    assert said(answer) == [(of, draw(tag, gone=gone, here=here)) for of, tag in tags.items()]
    heads = re.findall(r'<template data-of="[^"]*" ([^>]*)>', answer.content.decode())
    gone, here = 'data-state="out_of_stock"', 'data-state="low_stock" data-order'
    assert heads == [gone, here, gone, here, here]


def test_a_form_comes_with_the_choices_and_the_number_that_its_page_asked_for(client):
    gone, red, blue, here = (
        ProductFactory(name=name, stock=int(name == "here")) for name in ("p", "red", "blue", "here")
    )
    others = " ".join(reference_of(each) for each in (red, blue, here))
    [(_, form)] = said(client.get(NOW, {"of": asked(gone, "form", "3", f"{others} nope:1")}))

    assert re.findall(r'name="any_of" value="([^"]+)"', form) == [reference_of(red), reference_of(blue)]
    assert 'name="csrfmiddlewaretoken"' in form and f'name="product" value="{reference_of(gone)}"' in form
    assert 'name="next" value=""' in form  # the script knows which page it stands on
    assert re.search(r'name="quantity"[^>]*value="3"|value="3"[^>]*name="quantity"', form)


def test_more_forms_and_substitutes_than_a_page_has_are_not_drawn(client):
    mugs = [ProductFactory(stock=0) for _ in range(MOST_LARGE + 3)]
    answer = client.get(NOW, {"of": [*(asked(mug, "form") for mug in mugs), asked(mugs[-1], "badge")]})
    assert [of.partition("|")[0] for of, _ in said(answer)] == ["form"] * MOST_LARGE + ["badge"]


def test_all_that_one_page_asks_for_costs_four_queries_of_ours(client):
    mugs = [ProductFactory(stock=int(n > 5), category="mugs") for n in range(12)]
    others = " ".join(reference_of(each) for each in mugs[1:6])
    one = mugs[0]
    parts = [asked(one), asked(one, "button"), asked(one, "form", "", others), asked(one, "alternatives", "4")]
    ana = CustomerFactory()
    client.force_login(ana)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(NOW, {"of": [*parts, *(asked(mug, "badge") for mug in mugs[:6])]})
    assert len(said(answer)) == 10
    assert len([each for each in queries if "backorders_" in each["sql"]]) == 4


def test_what_is_needed_only_later_has_its_place_on_the_page():
    here, gone = ProductFactory(stock=9), ProductFactory(stock=0)
    for tag, words in {
        "backorder_subscribe p quantity=2 any_of=others next='/wishlist/' folded=False live=True": "<h2",
        "backorder_alternatives p limit=3 live=True": "",
    }.items():
        now, later = (draw(f"{{% {tag} %}}", p=product, others=[gone, here]) for product in (here, gone))
        assert now.endswith("></backorders-status>") and words in later
        assert 'state="in_stock"' in now and 'state="out_of_stock"' in later
    form = draw(
        "{% backorder_subscribe p quantity=2 any_of=others next='/w/' folded=False live=True %}", p=here, others=[gone]
    )
    assert f'part="form" quantity="2" any-of="{reference_of(gone)}" next="/w/" open>' in form
    assert 'part="alternatives" limit="3">' in draw("{% backorder_alternatives p limit=3 live=True %}", p=here)


def test_a_button_is_marked_inside_and_says_the_same():
    mug = ProductFactory(stock=9)
    button = draw("{% backorder_button_label p live=True %}", p=mug)
    assert re.fullmatch(r'<backorders-status [^>]*part="button">Add to basket</backorders-status>', button)


def test_a_tag_marks_what_can_be_put_right_and_draws_the_same_inside():
    mug = ProductFactory(stock=0)
    for tag in ("backorder_status p", "backorder_badge p", "backorder_line p"):
        plain, live = draw(f"{{% {tag} %}}", p=mug), draw(f"{{% {tag} live=True %}}", p=mug)
        opening, inside = re.fullmatch(r"(<backorders-status [^>]*>)(.*)</backorders-status>", live, re.S).groups()
        assert f'product="{reference_of(mug)}"' in opening and inside == plain


def test_a_line_that_says_nothing_yet_has_its_place_and_a_cart_is_never_kept():
    mug = ProductFactory(stock=9)
    assert draw("{% backorder_line p live=True %}", p=mug).endswith('part="line"></backorders-status>')
    assert "backorders-status" not in draw("{% backorder_status p quantity=2 live=True %}", p=mug)


def test_the_script_knows_where_to_ask_and_stands_inline_nowhere():
    assert re.fullmatch(
        rf'<script src="/static/backorders/backorders\.js" data-url="{NOW}" defer></script>',
        draw("{% backorder_script %}"),
    )


def test_the_page_says_which_language_it_is_in(client):
    mug = ProductFactory(stock=0)
    kept_in_german = client.get(NOW, {"of": asked(mug), "language": "de"}, headers={"Accept-Language": "fr"})
    unknown = client.get(NOW, {"of": asked(mug), "language": "xx"}, headers={"Accept-Language": "fr"})
    assert ["Nicht vorrätig" in kept_in_german.content.decode(), "Rupture de stock" in unknown.content.decode()] == [
        True,
        True,
    ]


def test_what_is_not_sold_or_not_asked_well_has_no_answer_and_takes_nothing_down(client):
    mug, hidden = ProductFactory(stock=0), ProductFactory(is_visible=False)
    odd = ["", "status", "status|", "price|||x", "status|||nope:1", "status|||hosts.product:\x00", asked(hidden)]
    answer = client.get(NOW, {"of": [*odd, asked(mug, "badge"), asked(mug, "badge")]})
    assert answer.status_code == 200
    assert [of for of, _ in said(answer)] == [asked(mug, "badge")]


def test_what_stands_in_the_address_cannot_become_markup(client):
    nasty = asked(ProductFactory(stock=0, name="</template><script>"), deposit='"><script>alert(1)</script>')
    assert "<script" not in client.get(NOW, {"of": nasty}).content.decode()


def test_many_cost_one_question_to_the_shop_and_one_to_us(client, django_assert_max_num_queries):
    mugs = [ProductFactory(stock=0) for _ in range(MOST + 1)]
    with django_assert_max_num_queries(3):
        answer = client.get(NOW, {"of": [asked(mug, "badge") for mug in mugs]})
    assert len(said(answer)) == MOST


def test_a_stale_form_gets_a_token_that_counts_and_no_cache_keeps_it():
    mug, strict = ProductFactory(stock=0), Client(enforce_csrf_checks=True)
    form = {"product": reference_of(mug), "email": "ana@example.com", "csrfmiddlewaretoken": "x" * 64}
    assert strict.post("/backorders/subscribe/", form).status_code == 403

    answer = strict.get(NOW, {"token": "1"})
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.content.decode())[1]
    assert "no-store" in answer["Cache-Control"]
    assert strict.post("/backorders/subscribe/", form | {"csrfmiddlewaretoken": token}).status_code == 302


def test_who_needs_no_token_gets_no_cookie(client):
    assert not client.get(NOW, {"of": asked(ProductFactory(stock=0))}).cookies
    assert client.post(NOW).status_code == 405
