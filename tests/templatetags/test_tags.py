"""What a shop's templates say about a product."""

import datetime as dt
import json
import logging

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone, translation

from backorders.domain.windows import NO_DATE, OVERDUE, window_between
from backorders.models import Alternative, Delivery, Promise, StockItem
from backorders.queries.backorders import history_of, places_of
from backorders.services.backorders import place_backorder, ship_backorder
from backorders.services.locks import anchor_of
from backorders.services.subscriptions import subscribe
from backorders.services.supply import expect_delivery, move_delivery, receive_delivery
from backorders.storefront.outcomes import carrying
from backorders.storefront.wording import promise_as_time
from tests.factories import CustomerFactory, ProductFactory, in_days
from tests.hosts.models import Product, Vehicle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language active behind it; each test starts from the shop's own."""
    with translation.override("en"):
        yield


def draw(text, request=None, **context):
    if request is not None:
        context["request"] = request
    return Template("{% load backorders %}" + text).render(Context(context))


def request_from(user=None, path="/p/1/?colour=red", query=None):
    request = RequestFactory().get(path, query)
    if user is not None:
        request.user = user
    return request


def make(stock=0, *, arrives=None, confidence="firm", name="Mug", **fields):
    """A product, with our row and a delivery where the test speaks of them."""
    product = ProductFactory(stock=stock, name=name)
    if fields or arrives:
        StockItem.objects.filter(id=anchor_of(product).id).update(**fields)
    if arrives:
        expect_delivery(
            product=product, quantity=5, earliest=in_days(arrives[0]), latest=in_days(arrives[1]), confidence=confidence
        )
    return product


def late(product):
    day = in_days(-3)
    StockItem.objects.filter(id=anchor_of(product).id).update(
        next_earliest=day, next_latest=day, next_confidence="firm"
    )
    return product


STATES = {
    "in_stock": (lambda: make(9), "In stock", "Add to basket", "InStock"),
    "low_stock": (lambda: make(2), "Only 2 left", "Add to basket", "LimitedAvailability"),
    "backorder": (lambda: make(policy="backorder"), "On backorder", "Backorder now", "OutOfStock"),
    "preorder": (
        lambda: make(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=40)),
        "Pre-order",
        "Pre-order now",
        "PreOrder",
    ),
    "coming_soon": (
        lambda: make(releases_at=timezone.now() + dt.timedelta(days=40)),
        "Coming soon",
        "Coming soon",
        "OutOfStock",
    ),
    "out_of_stock": (lambda: make(), "Out of stock", "Out of stock", "OutOfStock"),
    "discontinued": (lambda: make(is_discontinued=True), "No longer made", "No longer made", "Discontinued"),
}


@pytest.fixture(params=STATES)
def shelf(request):
    build, *words = STATES[request.param]
    return request.param, build(), *words


# badge, status, button


def test_every_state_has_an_icon_a_word_and_a_name_for_style_sheets(shelf):
    state, product, word, _, _ = shelf
    badge = draw("{% backorder_badge p %}", p=product)

    assert f'data-state="{state}"' in badge
    assert f"<span>{word}</span>" in badge
    assert '<svg class="bo-icon"' in badge and 'aria-hidden="true"' in badge


def test_the_button_says_what_happens_when_it_is_pressed(shelf):
    _, product, _, label, _ = shelf
    assert draw("{% backorder_button_label p %}", p=product) == label
    assert draw("{% backorder_button_label p as label %}[{{ label }}]", p=product) == f"[{label}]"


def test_a_backorder_names_its_date_and_machines_read_the_upper_end():
    product = make(policy="backorder", arrives=(4, 8))
    status = draw("{% backorder_status p %}", p=product)

    assert f'Ships <time datetime="{in_days(8).isoformat()}">by ' in status
    assert "first come, first served" in status


def test_an_estimate_is_called_one():
    product = make(policy="backorder", arrives=(4, 8), confidence="estimated")
    status = draw("{% backorder_status p %}", p=product)
    assert "Expected to ship <time" in status
    assert "The date is an estimate." in status


def test_a_far_date_is_a_month_and_its_machine_form_too():
    status = draw("{% backorder_status p %}", p=make(arrives=(200, 240)))
    assert f'Expected back in <time datetime="{in_days(240):%Y-%m}">' in status


def test_no_date_is_said_honestly():
    assert "We do not know yet when it comes back." in draw("{% backorder_status p %}", p=make())


def test_a_late_delivery_is_called_late_and_its_date_is_not_shown():
    status = draw("{% backorder_status p %}", p=late(make(policy="backorder")))
    assert "On backorder, delayed" in status
    assert "no new date is confirmed yet" in status
    assert "<time" not in status


def test_a_release_day_is_written_out():
    release = timezone.now() + dt.timedelta(days=200)
    status = draw("{% backorder_status p %}", p=make(policy="preorder", releases_at=release))
    day = release.astimezone(timezone.get_default_timezone()).date()
    assert f'Out on <time datetime="{day.isoformat()}">{day:%B} {day.day}, {day.year}</time>.' in status
    assert "Ships from that day." in status


def test_dates_speak_the_language_of_the_page():
    product = make(arrives=(200, 240))
    with translation.override("de"):
        german = draw("{% backorder_status p %}", p=product)
    months = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ]
    assert months[in_days(200).month - 1] in german
    assert months[in_days(240).month - 1] in german


def test_a_line_of_the_basket_says_what_leaves_now_and_what_follows():
    product = make(2, policy="backorder")
    status = draw("{% backorder_status p quantity=5 %}", p=product)
    assert "Partly on backorder" in status
    assert "2 can leave now, 3 follow when they arrive." in status


def test_a_line_of_the_basket_that_asks_for_too_many_says_how_many_there_are():
    assert "Only 2 available" in draw("{% backorder_status p quantity=5 %}", p=make(2))


def test_a_low_shelf_names_the_delivery_that_was_announced_and_nothing_else():
    assert "More expected " in draw("{% backorder_status p %}", p=make(2, arrives=(4, 8)))
    assert "More expected" not in draw("{% backorder_status p %}", p=make(2, policy="backorder", lead_days=9))
    assert "bo-line" not in draw("{% backorder_status p %}", p=late(make(2)))


def test_a_queue_that_is_full_says_so_and_still_offers_a_mail():
    product = make(policy="backorder", backorder_limit=2, arrives=(4, 8))
    place_backorder(product=product, quantity=2, email="a@example.com", reference="R-1")
    status = draw("{% backorder_status p %}", p=product)

    assert "<span>All reserved</span>" in status
    assert "All that can be ordered ahead is taken. Expected back <time" in status
    assert 'name="email"' in draw("{% backorder_subscribe p %}", p=product)


def test_a_late_delivery_of_what_cannot_be_ordered_is_on_its_badge():
    assert "<span>Out of stock, delayed</span>" in draw("{% backorder_badge p %}", p=late(make()))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('pay="now"', "You pay now, and it ships later."),
        ('pay="when_it_ships"', "You pay nothing now, only when it ships."),
        ('deposit="€ 10"', "You pay € 10 now, and the rest when it ships."),
        ('deposit="<b>"', "You pay &lt;b&gt; now, and the rest when it ships."),
    ],
)
def test_money_is_said_first_in_the_small_print_of_what_is_ordered_ahead(options, sentence):
    product = make(policy="backorder")
    assert f'<p class="bo-note">{sentence} Orders are' in draw("{% backorder_status p " + options + " %}", p=product)


@pytest.mark.parametrize("options", ["", 'pay="someday"', 'pay=""', "deposit=None"])
def test_where_the_shop_says_nothing_of_money_neither_do_we(options):
    assert "You pay" not in draw("{% backorder_status p " + options + " %}", p=make(policy="backorder"))


def test_money_is_no_matter_while_it_is_on_the_shelf_or_cannot_be_ordered():
    for product in (make(9), make()):
        assert "You pay" not in draw('{% backorder_status p pay="now" %}', p=product)


SHORT = {
    "in stock": (lambda: make(9), ""),
    "low": (lambda: make(2, arrives=(4, 8)), "More expected "),
    "backorder": (lambda: make(policy="backorder", arrives=(4, 8)), "Ships "),
    "made to order": (lambda: make(policy="made_to_order", lead_days=9), "Expected to ship "),
    "announced": (lambda: make(releases_at=timezone.now() + dt.timedelta(days=40)), "Out on "),
    "announced without a date": (lambda: make(policy="announced"), "The date will be announced."),
    "back some day": (lambda: make(arrives=(4, 8)), "Expected back "),
    "no date": (lambda: make(), "We do not know yet when it comes back."),
    "delayed": (lambda: late(make()), ""),
    "no longer made": (lambda: make(is_discontinued=True), ""),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_size_beside_its_badge_says_no_more_than_its_date(name):
    build, begin = SHORT[name]
    line = draw("{% backorder_line p %}", p=build())
    words = line.partition(">")[2]
    assert words.startswith(begin) if begin else line == ""


def test_the_form_is_folded_beside_a_button_that_orders_and_open_where_it_is_the_only_way_on():
    backordered, gone = make(policy="backorder"), make()
    assert '<details class="bo-fold"><summary><h2' in draw("{% backorder_subscribe p %}", p=backordered)
    assert "bo-fold" not in draw("{% backorder_subscribe p folded=False %}", p=backordered)
    assert "bo-fold" not in draw("{% backorder_subscribe p %}", p=gone)


def test_titles_are_escaped_even_where_the_page_has_turned_escaping_off():
    ProductFactory(name="<b>Cup</b>", stock=3, category="mugs")
    product = ProductFactory(name="Mug", category="mugs")
    html = draw("{% autoescape off %}{% backorder_alternatives p %}{% endautoescape %}", p=product)
    assert "&lt;b&gt;Cup&lt;/b&gt;" in html


def test_nothing_drawn_needs_inline_style_or_script(shelf):
    _, product, *_ = shelf
    html = draw("{% backorder_status p %}{% backorder_subscribe p %}{% backorder_alternatives p %}", p=product)
    assert "style=" not in html and "<script" not in html and " on" + "click" not in html


# what is no product


class Gadget:
    pk = 1

    def __repr__(self):
        return "Gadget()"


def test_a_thing_that_is_not_sold_draws_nothing_and_is_logged_once(caplog):
    tags = "{% backorder_badge p %}{% backorder_status p %}{% backorder_subscribe p %}{% backorder_jsonld p %}"
    with caplog.at_level(logging.ERROR, logger="backorders"):
        assert draw(tags + "{% backorder_alternatives p %}{% backorder_button_label p %}", p=Gadget()) == ""
    assert len(caplog.records) == 1
    assert "Gadget() is not sellable here" in caplog.text and "SELLABLES" in caplog.text


def test_a_model_that_is_not_sold_and_an_unsaved_product_draw_nothing():
    assert draw("{% backorder_badge p %}", p=Vehicle.objects.create(name="Van")) == ""
    assert draw("{% backorder_badge p %}", p=Product(name="New")) == ""
    assert draw("{% backorder_badge missing %}") == ""


# asking to be told


def test_the_form_stands_where_there_is_something_to_wait_for(shelf):
    state, product, *_ = shelf
    html = draw("{% backorder_subscribe p %}", p=product)
    assert ("<form" in html) == (state not in ("in_stock", "low_stock", "discontinued"))


def test_while_backorder_is_allowed_the_form_offers_to_tell_when_it_is_really_here():
    assert "Tell me when it is really here" in draw("{% backorder_subscribe p %}", p=make(policy="backorder"))
    assert "Tell me when it is back" in draw("{% backorder_subscribe p %}", p=make())


def test_a_guest_is_asked_for_an_address_that_browsers_can_fill_in():
    html = draw("{% backorder_subscribe p %}", request_from(), p=make())
    assert 'type="email"' in html and 'autocomplete="email"' in html
    assert 'value="/p/1/?colour=red"' in html


def test_a_customer_with_a_proven_address_presses_one_button():
    anna = CustomerFactory(email="anna@example.com", is_email_verified=True)
    html = draw("{% backorder_subscribe p %}", request_from(anna), p=make())
    assert "anna@example.com" in html
    assert 'name="email"' not in html


def test_a_customer_with_an_unproven_address_finds_it_filled_in():
    bob = CustomerFactory(email="bob@example.com", is_email_verified=False)
    assert 'value="bob@example.com"' in draw("{% backorder_subscribe p %}", request_from(bob), p=make())


def test_a_customer_who_waits_is_told_so_and_may_leave():
    anna, product = CustomerFactory(is_email_verified=True), make()
    subscribe(product=product, customer=anna)
    html = draw("{% backorder_subscribe p %}", request_from(anna), p=product)
    assert "You are on the list" in html
    assert "/leave/" in html and "Take me off the list" in html


def test_the_status_box_stands_before_its_text_and_shows_what_the_redirect_carries():
    product = make()
    reference = f"hosts.product:{product.pk}"
    told = carrying("/p/1/", reference=reference, outcome="check_mail").partition("#")[0]

    assert '<div class="bo-outcome" role="status"></div>' in draw(
        "{% backorder_subscribe p %}", request_from(), p=product
    )
    assert "look into your inbox" in draw("{% backorder_subscribe p %}", request_from(path=told), p=product)
    assert "look into your inbox" not in draw("{% backorder_subscribe p %}", request_from(path=told), p=make())


@pytest.mark.parametrize("word", ["nothing", "a:b:c", "\x00", "é"])
def test_a_forged_word_in_the_address_says_nothing(word):
    html = draw("{% backorder_subscribe p %}", request_from(path="/p/1/", query={"backorders": word}), p=make())
    assert 'role="status"></div>' in html


# what else there is


def test_alternatives_show_what_can_be_bought_now_with_its_price():
    product = make(name="Mug")
    other = make(3, name="Cup")
    Alternative.objects.create(item=anchor_of(product), substitute=anchor_of(other))
    html = draw("{% backorder_alternatives p %}", p=product)
    assert f'<a href="/p/{other.pk}/"><bdi>Cup</bdi></a>' in html
    assert "€10.00" in html and "Only 3 left" in html


def test_alternatives_keep_quiet_while_the_product_itself_is_on_the_shelf():
    product, other = make(3), make(3)
    Alternative.objects.create(item=anchor_of(product), substitute=anchor_of(other))
    assert draw("{% backorder_alternatives p %}", p=product) == ""


# what machines read


def json_of(product):
    html = draw("{% backorder_jsonld p %}", p=product)
    return json.loads(html.removeprefix('<script type="application/ld+json">').removesuffix("</script>"))


def test_each_state_has_its_word_in_schema_org(shelf):
    _, product, _, _, word = shelf
    assert json_of(product)["offers"]["availability"] == f"https://schema.org/{word}"


def test_the_offer_names_price_currency_and_the_upper_end_of_the_window_with_a_zone():
    product = make(policy="backorder", arrives=(4, 8))
    offer = json_of(product)["offers"]
    start = dt.datetime.fromisoformat(offer["availabilityStarts"])

    assert (offer["price"], offer["priceCurrency"]) == ("10.00", "EUR")
    assert start.date() == in_days(8) and start.tzinfo is not None
    assert offer["url"] == f"https://shop.example/p/{product.pk}/"


def test_a_title_cannot_close_the_data_block():
    html = draw("{% backorder_jsonld p %}", p=make(name="</script><script>alert(1)</script> & <!--"))
    assert html.count("<") == 2
    assert json_of(make(name="</script>"))["name"] == "</script>"


# windows


def test_a_window_is_in_words_and_never_silent():
    window = window_between(in_days(2), in_days(3))
    assert f'<time datetime="{in_days(3).isoformat()}">' in draw("{% backorder_window w %}", w=window)
    assert "no date yet" in draw("{% backorder_window w %}", w=NO_DATE)
    assert "delayed, no new date yet" in draw("{% backorder_window w as words %}{{ words }}", w=OVERDUE)
    assert draw("{% backorder_window w %}", w=None) == ""


def test_in_plain_text_a_window_has_no_markup():
    assert "<" not in draw("{{ w|backorder_words }}", w=window_between(in_days(2), in_days(3)))


def test_a_promise_is_the_upper_end_in_words_that_last():
    window = window_between(in_days(0), in_days(0))
    assert f'<time datetime="{in_days(0).isoformat()}">by ' in draw("{% backorder_promise w %}", w=window)
    assert draw("{{ w|backorder_promise }}", w=window).startswith("by ")
    assert "no date yet" in draw("{% backorder_promise w %}", w=NO_DATE)
    assert draw("{{ w|backorder_promise }}", w=OVERDUE) == "delayed, no new date yet"
    assert draw("{% backorder_promise w %}{{ w|backorder_promise }}", w=None) == ""


# where an order line stands


def queued(arrives=(4, 8), quantity=2, reference="A-1"):
    product = make(policy="backorder", arrives=arrives)
    return place_backorder(product=product, quantity=quantity, reference=reference, email="ana@example.com")


def drawn(reference="A-1"):
    return draw("{% backorder_place place %}", place=places_of([reference])[reference])


def move(days, reason=""):
    delivery = Delivery.objects.get()
    move_delivery(delivery_id=delivery.id, earliest=in_days(days), latest=in_days(days), reason=reason)


def test_an_order_line_says_by_when_it_ships_and_where_it_stands():
    queued()
    html = drawn()
    assert f'Ships <time datetime="{in_days(8).isoformat()}">by ' in html
    assert "Place in line: 1" in html and "Promised" not in html


def test_an_order_line_without_a_date_says_so():
    queued(arrives=None)
    assert "We do not know yet when it ships." in drawn()


def test_an_order_line_whose_date_moved_shows_the_old_one_the_new_one_and_why():
    queued()
    move(20, reason="Strike at the <port>.")
    html = drawn()
    old, new = (promise_as_time(window_between(in_days(day), in_days(day))) for day in (8, 20))

    assert f"<dt>Promised before</dt><dd><s>{old}</s></dd>" in html
    assert f"<dt>Promised now</dt><dd>{new}</dd>" in html
    assert "<dt>Why</dt><dd><bdi>Strike at the &lt;port&gt;.</bdi></dd>" in html


def test_a_date_that_moved_without_a_word_has_no_why():
    queued()
    move(20)
    assert "Promised now" in drawn() and "Why" not in drawn()


def test_an_old_date_that_has_passed_is_shown_as_it_was_said():
    line = queued()
    past = in_days(-10)
    Promise.objects.filter(backorder=line).update(
        earliest_on=past, latest_on=past, promised_at=timezone.now() - dt.timedelta(days=30)
    )
    move(20)
    assert f'<s><time datetime="{past.isoformat()}">by ' in drawn()


def test_a_first_date_after_none_is_no_move():
    line = queued(arrives=None)
    expect_delivery(product=line.item.product, quantity=5, earliest=in_days(4), latest=in_days(8))
    assert "Ships <time" in drawn() and "Promised" not in drawn()


def test_a_line_that_is_ready_says_so_and_one_that_has_left_says_nothing():
    line = queued()
    move(20)
    receive_delivery(delivery_id=Delivery.objects.get().id)
    assert "It has come in and is set aside for you." in drawn() and "Promised" not in drawn()
    ship_backorder(backorder_id=line.id)
    assert drawn() == ""


def test_the_lines_of_an_order_page_need_no_query_of_their_own(django_assert_num_queries):
    for number in range(5):
        queued(reference=f"A-{number}")
    places = places_of(f"A-{number}" for number in range(5))
    history = history_of(place.backorder_id for place in places.values())
    with django_assert_num_queries(0):
        html = draw(
            "{% for place in places %}{% backorder_place place history %}{% endfor %}",
            places=places.values(),
            history=history,
        )
    assert html.count("Place in line: 1") == 5


def test_what_is_no_place_draws_nothing():
    assert draw("{% backorder_place place %}", place=None) == ""


# how many


def test_least_and_most_are_said_before_the_checkout_refuses():
    product = make(policy="backorder", order_minimum=2, order_maximum=6, customer_limit=10)
    status = draw("{% backorder_status p %}", p=product)
    assert "Order at least 2. Order at most 6. At most 10 per customer." in status


@pytest.mark.parametrize(("quantity", "badge", "line"), [(1, "Too few", "at least 2"), (7, "Too many", "at most 6")])
def test_a_line_of_the_basket_outside_the_terms_says_so(quantity, badge, line):
    product = make(50, order_minimum=2, order_maximum=6)
    status = draw("{% backorder_status p quantity=q %}", p=product, q=quantity)
    assert badge in status and f"Order {line}." in status


def test_a_line_of_the_basket_within_the_terms_is_plain():
    status = draw("{% backorder_status p quantity=2 %}", p=make(50, order_minimum=2, order_maximum=6))
    assert "In stock" in status and "Order at" not in status


def test_a_template_can_read_the_terms():
    product = make(policy="made_to_order", order_minimum=2, order_maximum=6, reason="Thrown by hand.")
    tags = (
        "{% backorder_availability p as it %}{{ it.terms.order_minimum }} {{ it.terms.order_maximum.value }} "
        "{{ it.terms.customer_limit.is_unlimited }} {{ it.reason }} {{ it.is_made_to_order }}"
    )
    assert draw(tags, p=product) == "2 6 True Thrown by hand. True"


# asking once


def test_after_a_prefetch_everything_a_list_says_of_its_products_costs_no_query(django_assert_num_queries):
    products = [make(2, arrives=(4, 8)), make(policy="backorder", arrives=(4, 8)), make()]
    draw("{% backorder_badge p %}", p=products[0])  # content types are read once per process
    tags = "{% for p in ps %}{% backorder_badge p %}{% backorder_line p %}{% backorder_status p %}{% backorder_button_label p %}{% endfor %}"
    with django_assert_num_queries(1):
        html = draw("{% backorder_prefetch ps %}" + tags, request_from(), ps=products)
    assert html.count("bo-status") == 3


def test_after_a_prefetch_the_badges_of_a_list_cost_no_query(django_assert_num_queries):
    for place in range(30):
        make(place % 4, policy="backorder")
    products, tags = list(Product.objects.all()), "{% for p in ps %}{% backorder_badge p %}{% endfor %}"
    with django_assert_num_queries(1):
        html = draw("{% backorder_prefetch ps %}" + tags, request_from(), ps=products)
    assert html.count("<svg") == 30


def test_a_queryset_is_read_once_by_prefetch_and_page_together(django_assert_num_queries):
    make(1), make(2)
    with django_assert_num_queries(2):
        draw(
            "{% backorder_prefetch ps %}{% for p in ps %}{% backorder_badge p %}{% endfor %}", ps=Product.objects.all()
        )


def test_prefetch_leaves_a_generator_alone_and_skips_what_is_not_sold():
    product = make(3)
    assert "Only 3 left" in draw(
        "{% backorder_prefetch ps %}{% for p in ps %}{% backorder_badge p %}{% endfor %}", ps=iter([product])
    )
    assert "Only 3 left" in draw(
        "{% backorder_prefetch ps %}{% for p in ps %}{% backorder_badge p %}{% endfor %}", ps=[None, product]
    )
    assert draw("{% backorder_prefetch ps %}", ps=None) == ""


def test_all_tags_of_a_product_page_ask_for_the_product_once(django_assert_num_queries):
    product = make()
    with django_assert_num_queries(1):
        draw(
            "{% backorder_badge p %}{% backorder_status p %}{% backorder_subscribe p %}{% backorder_button_label p %}",
            request_from(),
            p=product,
        )
