"""How a product is sold when its shelf is empty, and who says so: the item, its supplier, its category, the shop."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backorders.domain.availability import State
from backorders.domain.terms import Policy
from backorders.domain.windows import NO_DATE, Source, Window
from backorders.errors import BelowMinimum, InvalidPolicy, InvalidQuantity, LimitReached, NotOrderable, NotSellable
from backorders.models import Backorder, CategoryTerms, StockItem, Subscription, Supplier
from backorders.queries.availability import availability_for, availability_of, terms_of_item
from backorders.services.checkout import Line, check_out
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import subscribe
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import change_terms, clear_category_terms, set_category_terms, set_selling_policy
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Product, Vehicle
from tests.stories import DAY, TODAY, a_mug, announce, arrive, given, line, order

pytestmark = pytest.mark.django_db


def buy(product, quantity, now, reference="A", email="a@example.com", **about):
    [placed] = check_out(lines=[Line(product, quantity, reference)], email=email, now=now, **about)
    return placed


def in_force(product):
    return terms_of_item(StockItem.objects.get(id=anchor_of(product).id))


# announced


def test_what_is_announced_cannot_be_ordered_though_it_is_here_and_is_asked_for(now):
    game = a_mug(stock=5, policy="announced")
    with pytest.raises(NotOrderable, match="coming soon"):
        buy(game, 1, now)
    assert subscribe(product=game, email="ana@example.com", now=now).next == "check_mail"


def test_those_who_asked_for_what_was_announced_are_told_once_it_is_sold(now, worker):
    game = a_mug(stock=5, policy="announced")
    waiting_for(game)
    sweep_stock(now=now)
    release_waves(now=now)
    assert Subscription.objects.get().state == "waiting"

    set_selling_policy(product=game, policy="stop")
    sweep_stock(now=now + DAY)
    release_waves(now=now + DAY)
    assert Subscription.objects.get().state == "told"


@pytest.mark.parametrize("moment", ["opens_at", "releases_at"])
def test_what_is_only_announced_has_no_date(moment, now):
    mug = ProductFactory()
    with pytest.raises(InvalidPolicy, match="has no date yet"):
        set_selling_policy(product=mug, policy="announced", **{moment: now + DAY})
    with pytest.raises(InvalidPolicy, match="has no date yet"):
        change_terms(products=[mug], policy="announced", **{moment: now + DAY})


def test_what_was_ordered_is_not_taken_back_to_an_announcement(game, now):
    buy(game, 2, now + 2 * DAY)
    with pytest.raises(InvalidPolicy, match="2 units are ordered already"):
        set_selling_policy(product=game, policy="announced")
    with pytest.raises(InvalidPolicy, match="2 units are ordered already"):
        change_terms(products=[game], policy="announced", opens_at=None, releases_at=None)
    assert anchor_of(game).policy == "preorder"


# pre-orders


@pytest.fixture
def game(now):
    return a_mug(stock=5, policy="preorder", opens_at=now + DAY, releases_at=now + 10 * DAY)


def test_a_preorder_is_not_sold_before_it_opens(game, now):
    with pytest.raises(NotOrderable, match="coming soon"):
        buy(game, 1, now)
    assert Backorder.objects.count() == 0


def test_a_preorder_is_promised_for_its_release_though_it_is_here(game, now):
    placed = buy(game, 2, now + 2 * DAY)

    assert (placed.on_hand, placed.backordered) == (0, 2)
    assert (placed.window.earliest, line("A").is_preorder) == (TODAY + 10 * DAY, True)


def test_nothing_leaves_before_its_release_whoever_looks(game, now):
    buy(game, 2, now + 2 * DAY)
    for day in (2, 5, 9):
        sweep_stock(now=now + day * DAY)

    assert given("A") == [0]
    assert availability_of(game, now + 9 * DAY).for_sale.value == 0


def test_at_its_release_it_is_sold_like_anything_else_before_any_job_has_run(game, now):
    buy(game, 2, now + 2 * DAY)
    released = now + 10 * DAY

    assert availability_of(game, released).state is State.LOW_STOCK
    assert buy(game, 3, released, "B").on_hand == 3
    sweep_stock(now=released)
    assert given("A") == [2]


def test_after_its_release_it_goes_on_as_a_backorder(game, now):
    at = now + 11 * DAY
    placed = buy(game, 7, at)

    assert (placed.on_hand, placed.backordered, line("A").is_preorder) == (5, 2, False)


# made to order, and lead times


def test_made_to_order_is_promised_by_its_lead_time(now):
    ring = a_mug(policy="made_to_order", lead_days=10)
    placed = buy(ring, 1, now)

    assert placed.window.latest == TODAY + 10 * DAY
    assert availability_of(ring, now).window.source is Source.LEAD_TIME
    assert availability_of(ring, now).is_made_to_order


def test_made_to_order_is_sold_though_only_announced_goods_are(now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "ONLY_INBOUND": True}

    assert buy(a_mug(policy="made_to_order", lead_days=3), 4, now).backordered == 4


def test_a_lead_time_counts_working_days_of_the_shop(now, settings):
    settings.BACKORDERS = {
        **settings.BACKORDERS,
        "CLOSED_WEEKDAYS": (5, 6),
        "CLOSED_DAYS": (TODAY + 2 * DAY,),
        "CUT_OFF": dt.time(14),
    }
    mug = a_mug(lead_days=3)
    early, late = buy(mug, 1, now), buy(mug, 1, now + dt.timedelta(hours=5), "B")

    assert early.window.latest == TODAY + 4 * DAY  # Tuesday, Thursday, Friday
    assert late.window.latest == TODAY + 7 * DAY  # counts from Tuesday, over the weekend


# only what is on its way


def test_only_what_is_on_its_way_is_sold_to_the_unit(now):
    mug = a_mug(only_inbound=True)
    announce(mug, 4, 5)
    buy(mug, 3, now)
    with pytest.raises(LimitReached) as refusal:
        buy(mug, 2, now, "B")

    assert refusal.value.possible == 1
    assert buy(mug, 1, now, "B").window.latest == TODAY + 5 * DAY
    assert availability_of(mug, now).state is State.OUT_OF_STOCK


def test_what_the_queue_lacks_comes_before_what_may_be_sold(now):
    mug = a_mug()
    order(mug, 3, "A")
    announce(mug, 4, 5)
    change_terms(products=[mug], only_inbound=True)

    assert availability_of(mug, now).to_order.value == 1


def test_goods_before_their_release_are_sold_like_goods_on_their_way(now):
    game = a_mug(stock=2, policy="preorder", releases_at=now + 9 * DAY, only_inbound=True)
    announce(game, 3, 5)

    assert availability_of(game, now).to_order.value == 5


# limits


def test_more_than_the_limit_names_what_is_possible_and_when_all_of_that_is_here(now):
    mug = a_mug(backorder_limit=8)
    announce(mug, 3, 5)
    announce(mug, 30, 40)
    with pytest.raises(LimitReached, match="9 of .* 8 can be ordered, by 2026-04-11") as refusal:
        buy(mug, 9, now)

    assert (refusal.value.asked, refusal.value.possible) == (9, 8)
    assert refusal.value.window.latest == TODAY + 40 * DAY


def test_the_date_of_what_is_possible_is_honest_when_nothing_is_announced(now):
    with pytest.raises(LimitReached, match="8 can be ordered. Lower") as refusal:
        buy(a_mug(backorder_limit=8), 9, now)
    assert refusal.value.window == NO_DATE


def test_one_customer_may_have_so_many_however_the_address_is_typed(now):
    mug = a_mug(customer_limit=3)
    buy(mug, 2, now, email="Ana@Example.com")
    with pytest.raises(LimitReached) as refusal:
        buy(mug, 2, now, "B", email="ana@example.com")

    assert refusal.value.possible == 1
    assert buy(mug, 3, now, "C", email="bo@example.com").backordered == 3


def test_units_that_are_here_do_not_count_for_one_customers_limit(now):
    mug = a_mug(stock=10, customer_limit=3)

    assert buy(mug, 9, now).on_hand == 9
    with pytest.raises(LimitReached) as refusal:
        buy(mug, 5, now, "B")
    assert refusal.value.possible == 4
    assert (buy(mug, 4, now, "B").on_hand, line("B").quantity) == (1, 3)


def test_what_a_customer_cancelled_may_be_ordered_again(now):
    from backorders.services.backorders import cancel_backorder

    mug = a_mug(customer_limit=3)
    buy(mug, 3, now)
    cancel_backorder(backorder_id=line("A").id, quantity=2, now=now)

    assert buy(mug, 2, now, "B").backordered == 2


def test_least_and_most_count_all_lines_of_an_order_together(now):
    mug = a_mug(stock=20, order_minimum=3, order_maximum=6)
    with pytest.raises(BelowMinimum) as refusal:
        buy(mug, 2, now)
    assert refusal.value.least == 3

    lines = [Line(mug, 2, "A"), Line(mug, 2, "B")]
    assert [placed.on_hand for placed in check_out(lines=lines, email="a@example.com", now=now)] == [2, 2]
    with pytest.raises(LimitReached) as refusal:
        check_out(lines=[Line(mug, 4, "C"), Line(mug, 4, "D")], email="a@example.com", now=now)
    assert refusal.value.possible == 6


def test_the_same_line_twice_is_no_way_around_the_most(now):
    mug = a_mug(stock=20, order_maximum=6)
    with pytest.raises(LimitReached):
        check_out(lines=[Line(mug, 4, "A"), Line(mug, 4, "A")], email="a@example.com", now=now)
    mug.refresh_from_db()
    assert mug.stock == 20


# safety stock


def test_safety_stock_is_neither_sold_nor_given_to_the_queue(now):
    mug = a_mug(stock=4, safety_stock=3)
    placed = buy(mug, 3, now)
    sweep_stock(now=now)

    assert (placed.on_hand, placed.backordered, given("A")) == (1, 2, [0])
    mug.refresh_from_db()
    assert mug.stock == 3


def test_the_queue_is_served_beyond_the_safety_stock(now):
    mug = a_mug(stock=2, safety_stock=3)
    order(mug, 2, "A")
    arrive(mug, 2, now=now)

    assert given("A") == [1]
    change_terms(products=[mug], safety_stock=0)
    sweep_stock(now=now)
    assert given("A") == [2]


# who says so


def test_the_setting_then_the_category_then_the_supplier_then_the_item(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "DEFAULT_POLICY": "backorder", "LEAD_DAYS": 30, "SAFETY_STOCK": 1}
    mug = ProductFactory(category="kitchen")
    assert (in_force(mug).lead_days, in_force(mug).safety_stock, in_force(mug).policy) == (30, 1, Policy.BACKORDER)

    set_category_terms(model=Product, category="kitchen", lead_days=20, safety_stock=2)
    assert (in_force(mug).lead_days, in_force(mug).safety_stock) == (20, 2)

    set_selling_policy(product=mug, supplier=Supplier.objects.create(name="Clay & Co", lead_days=10))
    assert (in_force(mug).lead_days, in_force(mug).safety_stock) == (10, 2)

    change_terms(products=[mug], lead_days=5, safety_stock=0)
    assert (in_force(mug).lead_days, in_force(mug).safety_stock) == (5, 0)


def test_every_door_sees_the_same_terms(now):
    set_category_terms(model=Product, category="kitchen", policy="backorder", backorder_limit=3, lead_days=4)
    mug = ProductFactory(category="kitchen", stock=0)
    answers = [availability_of(mug, now), availability_for([Product.objects.get()], now)[mug]]
    with pytest.raises(LimitReached) as refusal:
        order(mug, 4, "A")

    assert [answer.to_order.value for answer in answers] == [3, 3]
    assert refusal.value.possible == 3
    assert order(mug, 3, "A").promise.latest == TODAY + 4 * DAY


def test_a_category_that_says_nothing_any_more_leaves_the_word_to_the_shop(now):
    set_category_terms(model=Product, category="kitchen", policy="backorder")
    mug = ProductFactory(category="kitchen", stock=0)
    assert availability_of(mug, now).can_order

    assert clear_category_terms(model=Product, category="kitchen")
    assert not clear_category_terms(model=Product, category="kitchen")
    assert not availability_of(mug, now).can_order


def test_an_item_may_say_no_where_its_category_says_yes(now):
    set_category_terms(model=Product, category="kitchen", policy="backorder", only_inbound=True)
    mug = ProductFactory(category="kitchen", stock=0)
    set_selling_policy(product=mug, only_inbound=False)

    assert availability_of(mug, now).to_order.is_unlimited


def test_terms_of_a_category_reach_the_queue_at_the_next_sweep(now):
    set_category_terms(model=Product, category="kitchen", policy="backorder", safety_stock=5)
    mug = ProductFactory(category="kitchen", stock=0)
    order(mug, 2, "A")
    arrive(mug, 4, now=now)
    assert given("A") == [0]

    set_category_terms(model=Product, category="kitchen", policy="backorder", safety_stock=1)
    sweep_stock(now=now)
    assert given("A") == [2]


def test_changing_one_term_leaves_the_others(now):
    mug = a_mug(backorder_limit=5, lead_days=3, reason="The kiln is cold.")

    assert change_terms(products=[mug], backorder_limit=9) == 1
    item = anchor_of(mug)
    assert (item.backorder_limit, item.lead_days, item.reason) == (9, 3, "The kiln is cold.")


# least and most, said in different places


def bounds(product):
    terms = in_force(product)
    return terms.order_minimum, terms.order_maximum.value


def test_a_most_of_the_item_lowers_the_least_of_its_category():
    set_category_terms(model=Product, category="kitchen", order_minimum=10)
    mug = ProductFactory(category="kitchen", stock=20)
    set_selling_policy(product=mug, order_maximum=4)

    assert bounds(mug) == (4, 4)


def test_a_least_of_the_item_raises_the_most_of_its_category():
    set_category_terms(model=Product, category="kitchen", order_maximum=4)
    mug = ProductFactory(category="kitchen", stock=20)
    set_selling_policy(product=mug, order_minimum=10)

    assert bounds(mug) == (10, 10)


def test_a_least_and_a_most_that_do_not_cross_stand_as_they_were_said():
    set_category_terms(model=Product, category="kitchen", order_maximum=10)
    mug = ProductFactory(category="kitchen", stock=20)
    set_selling_policy(product=mug, order_minimum=4)

    assert bounds(mug) == (4, 10)


def test_what_one_place_crosses_by_itself_ends_at_its_most():
    mug = a_mug(stock=20)
    StockItem.objects.update(order_minimum=6, order_maximum=2)  # behind the back of the service

    assert bounds(mug) == (2, 2)


# categories by name, by key, by row


def test_a_row_given_as_category_means_its_key():
    row = Product.objects.create(name="a row that stands for a category")
    set_category_terms(model=Product, category=row, lead_days=4)
    mug = ProductFactory(category=str(row.pk))

    assert (CategoryTerms.objects.get().key, in_force(mug).lead_days) == (str(row.pk), 4)
    assert clear_category_terms(model=Product, category=row)


def test_a_category_is_never_cut_off():
    set_category_terms(model=Product, category="k" * 100, lead_days=4)
    for act in (set_category_terms, clear_category_terms):
        with pytest.raises(InvalidPolicy, match="longer than 100 characters"):
            act(model=Product, category="k" * 101)
    assert CategoryTerms.objects.count() == 1


def test_a_row_that_was_never_saved_is_no_category():
    with pytest.raises(InvalidPolicy, match="Save it first"):
        set_category_terms(model=Product, category=Product(name="new"), lead_days=4)


# locks


def statements(call):
    """What was said to the table of anchors, each as its first word and all of it."""
    with CaptureQueriesContext(connection) as captured:
        call()
    said = [query["sql"] for query in captured if '"backorders_stockitem"' in query["sql"]]
    return [(sql.split()[0], sql) for sql in said]


def test_a_successor_is_made_and_locked_with_its_predecessor_before_anything_is_written():
    mug, better = ProductFactory.create_batch(2)
    said = statements(lambda: set_selling_policy(product=mug, policy="stop", successor=better))
    ids = [anchor_of(mug).id, anchor_of(better).id]

    words = [word for word, _ in said]
    assert words.index("UPDATE") > len(words) - 1 - words[::-1].index("INSERT")
    lock = said[words.index("UPDATE") - 1][1]
    assert f"IN ({ids[0]}, {ids[1]}) ORDER BY" in lock


def test_items_of_a_category_are_locked_in_key_order_before_they_are_marked():
    for mug in (mugs := ProductFactory.create_batch(3)):
        anchor_of(mug)
    StockItem.objects.update(is_watched=True)
    said = statements(lambda: set_category_terms(model=Product, category="kitchen", lead_days=4))

    (look, lock), (mark, _) = said
    assert (look, mark, lock.split("ORDER BY ")[1].split(" FOR ")[0]) == (
        "SELECT",
        "UPDATE",
        "1 ASC",
    )  # its one column, the key
    assert StockItem.objects.filter(needs_look=True).count() == len(mugs)


# what cannot be


IMPOSSIBLE = [
    ({"order_minimum": 5, "order_maximum": 4}, InvalidPolicy, "Swap the two"),
    ({"polcy": "stop"}, InvalidPolicy, "'polcy' is no term of selling"),
    ({"backorder_limit": -1}, InvalidQuantity, "backorder_limit = -1"),
    ({"backorder_limit": 1.5}, InvalidQuantity, "backorder_limit = 1.5"),
    ({"backorder_limit": "3"}, InvalidQuantity, "backorder_limit = '3'"),
    ({"customer_limit": True}, InvalidQuantity, "customer_limit = True"),
    ({"order_minimum": 0}, InvalidQuantity, "order_minimum = 0"),
    ({"order_maximum": 0}, InvalidQuantity, "order_maximum = 0"),
    ({"safety_stock": 2**63}, InvalidQuantity, "safety_stock"),
    ({"lead_days": 4000}, InvalidPolicy, "more than ten years"),
    ({"only_inbound": "yes"}, InvalidPolicy, "only_inbound = 'yes'"),
    ({"policy": "later"}, InvalidPolicy, "'later' is no selling policy"),
    ({"reason": "x" * 201}, InvalidPolicy, "200 characters"),
]


@pytest.mark.parametrize(("terms", "error", "sentence"), IMPOSSIBLE, ids=lambda value: str(value)[:30])
def test_impossible_terms_are_refused_everywhere_and_nothing_is_kept(terms, error, sentence):
    mug = a_mug(lead_days=3)
    with pytest.raises(error, match=sentence):
        set_selling_policy(product=mug, **terms)
    with pytest.raises(error, match=sentence):
        change_terms(products=[mug, ProductFactory()], **terms)
    with pytest.raises(error, match=sentence):
        set_category_terms(model=Product, category="kitchen", **terms)

    assert in_force(mug).lead_days == 3
    assert CategoryTerms.objects.count() == 0


def test_a_change_that_crosses_what_one_of_many_says_changes_none():
    small, large = a_mug(order_minimum=2), a_mug(order_minimum=9)
    with pytest.raises(InvalidPolicy, match=f"{large}: order_minimum = 9 is more than order_maximum = 5"):
        change_terms(products=[small, large], order_maximum=5)
    assert set(StockItem.objects.values_list("order_maximum", flat=True)) == {None}


def test_a_category_cannot_preorder_and_a_model_nobody_sells_has_no_terms():
    with pytest.raises(InvalidPolicy, match="release of its own"):
        set_category_terms(model=Product, category="kitchen", policy="preorder")
    with pytest.raises(InvalidPolicy, match="announced one by one"):
        set_category_terms(model=Product, category="kitchen", policy="announced")
    for act in (set_category_terms, clear_category_terms):
        with pytest.raises(NotSellable):
            act(model=Vehicle, category="kitchen")
    assert CategoryTerms.objects.count() == 0


@pytest.mark.parametrize(
    "moments",
    [
        {"releases_at": None},
        {"releases_at": dt.datetime(2026, 5, 1)},  # noqa: DTZ001 - that is the point
        {"opens_at": dt.datetime(2026, 5, 2, tzinfo=dt.UTC), "releases_at": dt.datetime(2026, 5, 1, tzinfo=dt.UTC)},
    ],
)
def test_a_preorder_without_sense_in_its_days_is_refused(moments):
    mug = ProductFactory()
    with pytest.raises(InvalidPolicy):
        set_selling_policy(product=mug, policy="preorder", **moments)
    with pytest.raises(InvalidPolicy):
        change_terms(products=[mug], policy="preorder", **moments)
    assert anchor_of(mug).policy == ""


def test_a_supplier_of_an_item_is_the_one_of_its_deliveries(now):
    clay = Supplier.objects.create(name="Clay & Co")
    mug = a_mug(supplier=clay)
    delivery = expect_delivery(product=mug, quantity=2, earliest=TODAY, latest=TODAY, now=now)
    receive_delivery(delivery_id=delivery.id, now=now)

    assert delivery.supplier == clay
    assert isinstance(delivery.window, Window)


def test_a_delivery_fills_the_safety_stock_before_it_serves_the_queue_and_dates_say_so(now):
    mug = a_mug(safety_stock=2)
    first = announce(mug, 3, 5)
    announce(mug, 3, 9)
    for name in "ABC":
        order(mug, 1, name)
    assert [line(name).promise.latest for name in "ABC"] == [TODAY + 5 * DAY] + [TODAY + 9 * DAY] * 2

    receive_delivery(delivery_id=first.id, now=now)
    assert given(*"ABC") == [1, 0, 0]


def test_only_what_is_on_its_way_beyond_the_safety_stock_is_sold(now):
    mug = a_mug(safety_stock=2, only_inbound=True)
    announce(mug, 5, 5)

    assert availability_of(mug, now).to_order.value == 3
    assert buy(mug, 3, now).window.latest == TODAY + 5 * DAY
