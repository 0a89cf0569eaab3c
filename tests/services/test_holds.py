"""One unit is put aside for each who is told, for a while: nobody who comes in time finds an empty shelf."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backorders.domain.availability import State
from backorders.domain.tokens import Purpose
from backorders.errors import HoldLost, LimitReached, NotOrderable
from backorders.models import Backorder, Hold, OutgoingMail, StockEvent, StockItem, Subscription, Wave
from backorders.queries.availability import availability_for, availability_of
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.holds import end_holds, give_back_hold
from backorders.services.locks import anchor_of
from backorders.services.outbox import suppress
from backorders.services.privacy import forget_customer
from backorders.services.repair import repair_counters
from backorders.services.stock import look_at, set_on_hand, sweep_stock, write_off
from backorders.services.subscriptions import close_request, tidy_subscriptions, unsubscribe
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, token_for, told, waiting_for
from tests.hosts.models import Poster, Product

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def now():
    """Mails leave by the database's clock, and tell of nothing that is over."""
    return timezone.now()


@pytest.fixture(autouse=True)
def holding(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": 4 * HOUR}


def put_on_shelf(product, units, now):
    Product.objects.filter(pk=product.pk).update(stock=units)
    sweep_stock(now=now)
    product.refresh_from_db()


def drop(people, *, units, now, **fields):
    """So many wait for a mug, so many units come, and the first wave is out."""
    mug = ProductFactory()
    rows = waiting_for(mug, people, **fields)
    put_on_shelf(mug, units, now)
    release_waves(now=now)
    return mug, rows


def order(mug, *, units=1, email="passer-by@example.com", now, **options):
    reference = f"order {StockItem.objects.get().events.count()} {email}"
    return check_out(lines=[Line(mug, units, reference)], email=email, now=now, **options)[0]


def item_of(mug):
    return StockItem.objects.get(id=anchor_of(mug).id)


def states():
    return list(Hold.objects.order_by("subscription__placed_at").values_list("state", flat=True))


# making them


def test_no_more_people_are_told_than_there_are_units_and_each_has_one(now):
    mug, rows = drop(9, units=3, now=now)
    assert told(rows) == [row.email for row in rows[:3]]
    holds = Hold.objects.order_by("id").values_list("subscription", "units", "made_at", "ends_at")
    assert list(holds) == [(row.id, 1, now, now + 4 * HOUR) for row in rows[:3]]
    assert (item_of(mug).on_hold_units, OutgoingMail.objects.filter(kind="held").count()) == (3, 3)


def test_everybody_is_told_where_there_is_enough_and_the_rest_is_for_sale(now):
    mug, rows = drop(3, units=5, now=now)
    assert len(told(rows)) == 3
    assert availability_of(mug, now).for_sale.value == 2


def test_whole_requests_in_the_order_of_the_line(now):
    mug = ProductFactory()
    wants = [waiting_for(mug, 1, quantity=quantity)[0] for quantity in (2, 2, 1)]
    put_on_shelf(mug, 3, now)
    release_waves(now=now)
    assert told(wants) == [wants[0].email]
    release_waves(now=now + 15 * MINUTE)  # nobody is told of less than they want; one is left, and one wants one
    assert told(wants) == [wants[0].email, wants[2].email]
    assert item_of(mug).on_hold_units == 3


def test_a_draw_decides_who_is_held_for_where_the_shop_says_so(settings, now):
    settings.BACKORDERS = {**settings.BACKORDERS, "WAVE_ORDER": "lottery"}
    mug, rows = drop(30, units=10, now=now)
    assert len(told(rows)) == item_of(mug).on_hold_units == 10
    assert told(rows) != [row.email for row in rows[:10]]


def test_running_it_again_in_the_same_tick_does_nothing(now):
    mug, rows = drop(9, units=3, now=now)
    for _ in range(3):
        release_waves(now=now)
        sweep_stock(now=now)
    assert (Wave.objects.count(), Hold.objects.count(), item_of(mug).on_hold_units) == (1, 3, 3)


def test_what_is_not_counted_is_not_held(now):
    poster = Poster.objects.create(name="Poster")
    rows = waiting_for(poster, 4)
    StockItem.objects.update(for_sale=0)
    set_on_hand(product=poster, quantity=None, now=now)
    release_waves(now=now)
    assert (len(told(rows)), Hold.objects.count()) == (4, 0)
    assert set(OutgoingMail.objects.values_list("kind", flat=True)) == {"back_in_stock"}


def test_who_sleeps_has_as_long_as_who_is_awake(settings):
    evening = dt.datetime(2040, 11, 20, 21, 30, tzinfo=dt.UTC)
    settings.BACKORDERS = {**settings.BACKORDERS, "QUIET_HOURS": ("21:00", "08:00")}
    mug = ProductFactory()
    asleep, awake = (waiting_for(mug, 1, time_zone=zone)[0] for zone in ("Europe/Brussels", "America/New_York"))
    put_on_shelf(mug, 2, evening)
    release_waves(now=evening)
    ends = {hold.subscription_id: hold.ends_at for hold in Hold.objects.all()}
    assert ends == {awake.id: evening + 4 * HOUR, asleep.id: evening + dt.timedelta(hours=13, minutes=30)}
    put_on_shelf(mug, 4, evening)
    waiting_for(mug, 2)
    release_waves(now=evening + 15 * MINUTE)
    assert (Hold.objects.count(), item_of(mug).on_hold_units) == (4, 4)


def test_who_sleeps_and_gave_it_back_is_not_given_another_beyond_what_is_there(settings):
    evening = dt.datetime(2040, 11, 20, 21, 30, tzinfo=dt.UTC)
    settings.BACKORDERS = {**settings.BACKORDERS, "QUIET_HOURS": ("21:00", "08:00")}
    mug, rows = drop(2, units=1, now=evening, time_zone="Europe/Brussels")
    given_back(rows[0], evening)
    release_waves(now=evening + 15 * MINUTE)
    assert Hold.objects.open().get().subscription == rows[1]
    assert (item_of(mug).on_hold_units, OutgoingMail.objects.count()) == (1, 2)


def test_many_holds_cost_as_many_queries_as_few(now, django_assert_max_num_queries):
    mug = ProductFactory()
    waiting_for(mug, 60)
    put_on_shelf(mug, 50, now)
    with django_assert_max_num_queries(36):
        release_waves(now=now)
    assert Hold.objects.count() == 50


def test_nobody_has_two_holds_of_one_restock(now):
    drop(1, units=1, now=now)
    hold = Hold.objects.get()
    twin = {"subscription": hold.subscription, "item": hold.item, "restock": hold.restock, "units": 1}
    for state, ended_at in (("open", None), ("over", now)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Hold.objects.create(**twin, state=state, ended_at=ended_at, made_at=now, ends_at=now)


# what others see


def test_what_is_put_aside_is_not_in_stock_for_others(now):
    mug, _ = drop(3, units=3, now=now)
    assert availability_of(mug, now).state is State.OUT_OF_STOCK
    assert availability_for([mug], now)[mug].for_sale.value == 0
    with pytest.raises(NotOrderable):
        order(mug, now=now)


def test_the_next_look_neither_ends_the_restock_nor_the_holds(now):
    mug, rows = drop(3, units=3, now=now)
    sweep_stock(now=now + MINUTE)
    look_at(item_id=item_of(mug).id, now=now + MINUTE)
    assert len(told(rows)) == 3 and states() == ["open"] * 3
    assert item_of(mug).for_sale == 0


def test_the_holder_sees_it_on_the_shelf(now):
    mug, rows = drop(3, units=3, now=now)
    token = token_for(rows[0], Purpose.HOLD)
    assert availability_of(mug, now, holds=[token]).for_sale.value == 1
    assert availability_for([mug], now, holds=[token])[mug].for_sale.value == 1
    assert not availability_of(mug, now + 4 * HOUR, holds=[token]).for_sale


def test_a_list_without_a_token_costs_no_more_queries(now, django_assert_num_queries):
    mug, rows = drop(1, units=1, now=now)
    with django_assert_num_queries(1):
        availability_for([mug], now)
    with django_assert_num_queries(2):
        availability_for([mug], now, holds=[TOKEN])


TOKEN = "x" * 43
"""One that nobody ever gave out."""


def test_the_queue_does_not_take_what_is_put_aside(now):
    mug, rows = drop(2, units=2, now=now)
    set_selling_policy(product=mug, policy="backorder")
    assert order(mug, units=2, now=now).backordered == 2
    noted = StockEvent.objects.count()
    look_at(item_id=item_of(mug).id, now=now)
    assert (Backorder.objects.get().allocated_quantity, StockEvent.objects.count()) == (0, noted)
    assert order(mug, email=rows[0].email, now=now).on_hand == 1
    end_holds(now=now + 4 * HOUR)
    look_at(item_id=item_of(mug).id, now=now + 4 * HOUR)
    assert Backorder.objects.get().allocated_quantity == 1


# buying


def test_a_token_opens_the_held_unit_and_closes_the_request_as_bought(now):
    mug, rows = drop(3, units=3, now=now)
    placed = order(mug, email="other@example.com", now=now, holds=[token_for(rows[1], Purpose.HOLD)])
    assert (placed.on_hand, states()) == (1, ["open", "used", "open"])
    rows[1].refresh_from_db()
    assert (rows[1].state, rows[1].closed_because) == ("closed", "bought")
    assert item_of(mug).on_hold_units == 2


def test_the_same_address_needs_no_token(now):
    mug, rows = drop(3, units=3, now=now)
    assert order(mug, email=rows[2].email.upper(), now=now).on_hand == 1
    assert states() == ["open", "open", "used"]


def test_nobody_takes_more_than_their_own_hold(now):
    mug, rows = drop(3, units=3, now=now)
    with pytest.raises(LimitReached) as refusal:
        order(mug, units=2, email=rows[0].email, now=now)
    assert refusal.value.possible == 1
    lines = [Line(mug, 1, "a"), Line(mug, 1, "b")]
    with pytest.raises(NotOrderable):
        check_out(lines=lines, email=rows[0].email, now=now)
    assert states() == ["open"] * 3


def test_a_hold_and_what_is_free_go_together_and_no_further(now):
    mug, rows = drop(2, units=3, now=now)
    lines = [Line(mug, 1, "a"), Line(mug, 1, "b"), Line(mug, 1, "c")]
    with pytest.raises(NotOrderable):
        check_out(lines=lines, email=rows[0].email, now=now)
    assert [placed.on_hand for placed in check_out(lines=lines[:2], email=rows[0].email, now=now)] == [1, 1]
    assert (Product.objects.get().stock, item_of(mug).on_hold_units) == (1, 1)


def test_what_is_left_of_a_hold_is_anybodys(now):
    mug, rows = drop(1, units=3, now=now, quantity=3)
    assert order(mug, units=1, email=rows[0].email, now=now).on_hand == 1
    assert availability_of(mug, now).for_sale.value == 2


def test_the_same_order_again_gets_the_same_answer(now):
    mug, rows = drop(1, units=1, now=now)
    token = token_for(rows[0], Purpose.HOLD)
    lines = [Line(mug, 1, "order 1")]
    first, second = (
        check_out(lines=lines, email="x@example.com", idempotency_key="k", holds=[token], now=now) for _ in range(2)
    )
    assert first == second and Product.objects.get().stock == 0


@pytest.mark.parametrize(("case", "reason"), [("over", "over"), ("left", "given_back"), ("unknown", "unknown")])
def test_a_link_that_keeps_nothing_is_refused_with_what_became_of_it(case, reason, now):
    mug, rows = drop(3, units=2, now=now)
    token, moment = token_for(rows[0], Purpose.HOLD), now + MINUTE
    if case == "over":
        Hold.objects.filter(subscription=rows[0]).update(ends_at=now)
    if case == "left":
        unsubscribe(token=token_for(rows[0]), now=now)
    if case == "unknown":
        token = TOKEN
    for number in range(availability_of(mug, now).for_sale.value if case != "over" else 1):
        order(mug, email=f"fast{number}@example.com", now=moment)
    with pytest.raises(HoldLost) as refusal:
        order(mug, now=moment, holds=[token])
    assert (refusal.value.reason, refusal.value.code, refusal.value.state) == (reason, "hold_lost", "out_of_stock")
    assert (refusal.value.ended_at is None) == (case == "unknown")


def test_a_link_that_keeps_nothing_harms_nobody_while_there_is_enough(now):
    mug, rows = drop(1, units=2, now=now)
    other, others = ProductFactory(stock=1), [TOKEN, "no token", token_for(rows[0], Purpose.LEAVE)]
    assert order(mug, now=now, holds=others).on_hand == 1
    assert check_out(
        lines=[Line(other, 1, "z")], email="z@example.com", holds=[token_for(rows[0], Purpose.HOLD)], now=now
    )
    assert states() == ["open"]


def test_an_order_of_what_nobody_holds_asks_nothing_about_holds(now):
    mug = ProductFactory(stock=5)
    anchor_of(mug)
    with CaptureQueriesContext(connection) as asked:
        order(mug, now=now, holds=[TOKEN])
    assert not [query for query in asked.captured_queries if Hold._meta.db_table in query["sql"]]


# ending


def test_it_is_over_by_the_clock_before_anybody_noted_it(now):
    mug, rows = drop(1, units=1, now=now)
    late = now + 4 * HOUR
    assert order(mug, email="fast@example.com", now=late).on_hand == 1
    with pytest.raises(HoldLost):
        order(mug, email=rows[0].email, now=late, holds=[token_for(rows[0], Purpose.HOLD)])
    assert (states(), item_of(mug).on_hold_units) == (["over"], 0)


def test_who_comes_too_late_still_buys_while_it_is_there(now):
    mug, rows = drop(1, units=1, now=now)
    assert order(mug, email=rows[0].email, now=now + 4 * HOUR).on_hand == 1
    assert Subscription.objects.get().closed_because == "bought"


def test_the_next_in_line_is_told_when_a_hold_is_over(now):
    mug, rows = drop(3, units=1, now=now)
    for hours, email in ((0, rows[0].email), (3.9, rows[0].email), (4, rows[1].email), (8, rows[2].email)):
        release_waves(now=now + hours * HOUR)
        assert Hold.objects.open().get().subscription.email == email
    assert states() == ["over", "over", "open"]


def test_who_let_a_hold_run_out_waits_again_only_when_it_sells_out_soon(now):
    mug, rows = drop(2, units=1, now=now)
    drain(seconds=20)
    release_waves(now=now + 4 * HOUR)
    order(mug, email=rows[1].email, now=now + 5 * HOUR)
    sweep_stock(now=now + 5 * HOUR)
    rows[0].refresh_from_db()
    assert (rows[0].state, rows[0].told_at) == ("waiting", now)
    put_on_shelf(mug, 1, now + 6 * HOUR)
    release_waves(now=now + 6 * HOUR)
    assert told(rows) == []  # within TELL_AGAIN_AFTER
    release_waves(now=now + 12 * HOUR)
    assert told(rows) == [rows[0].email]


def test_a_hold_that_outlasts_the_place_is_not_closed_under_its_owner(settings, now):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": 100 * HOUR}
    mug, rows = drop(1, units=1, now=now)
    OutgoingMail.objects.update(state="sent", sent_at=now)
    tidy_subscriptions(now=now + 80 * HOUR)
    assert told(rows) == [rows[0].email]
    release_waves(now=now + 101 * HOUR)
    tidy_subscriptions(now=now + 101 * HOUR)
    assert Subscription.objects.get().closed_because == "served"


def leave(row, now):
    unsubscribe(token=token_for(row), now=now)


def closed_by_staff(row, now):
    close_request(subscription_id=row.id, now=now)


def forgotten(row, now):
    forget_customer(email=row.email, now=now)


def suppressed(row, now):
    suppress(email_key=row.email_key, reason="bounce", now=now)
    drain(seconds=20)


def worn_out(row, now):
    OutgoingMail.objects.filter(subscription=row).update(attempts=99)
    drain(seconds=20)


def given_back(row, now):
    give_back_hold(hold_id=Hold.objects.get(subscription=row).id, now=now)


@pytest.mark.parametrize("end", [leave, closed_by_staff, forgotten, suppressed, worn_out, given_back])
def test_whoever_does_not_need_it_any_more_gives_it_back_at_once(end, now):
    mug, rows = drop(2, units=1, now=now)
    end(rows[0], now)
    assert states() == ["given_back"]
    assert availability_of(mug, now).for_sale.value == 1
    release_waves(now=now + 15 * MINUTE)
    assert Hold.objects.open().get().subscription == rows[1]


def test_a_shelf_that_loses_units_breaks_the_newest_holds(now):
    mug, rows = drop(3, units=3, now=now)
    put_on_shelf(mug, 1, now + MINUTE)  # the shop's own till sold two
    assert states() == ["open", "given_back", "given_back"]
    assert item_of(mug).on_hold_units == 1
    rows[2].refresh_from_db()
    assert (rows[2].state, rows[2].told_at) == ("waiting", None)
    assert OutgoingMail.objects.filter(state="cancelled").count() == 2
    write_off(product=mug, quantity=1, now=now + 2 * MINUTE)
    assert states()[0] == "given_back"


def test_who_was_written_to_when_a_hold_broke_waits_again_with_the_end_of_the_restock(now):
    mug, rows = drop(1, units=1, now=now)
    assert drain(seconds=20).counts == {"sent": 1}
    put_on_shelf(mug, 0, now + MINUTE)
    rows[0].refresh_from_db()
    assert (rows[0].state, rows[0].told_at, states()) == ("waiting", now, ["given_back"])


def test_a_repair_counts_holds_anew(now):
    mug, _ = drop(2, units=2, now=now)
    StockItem.objects.update(on_hold_units=7)
    assert [str(drift).partition(": ")[2] for drift in repair_counters()] == ["on_hold_units was 7, the rows say 2"]
    assert item_of(mug).on_hold_units == 2 and not list(repair_counters())


# the mail


def test_a_mail_that_comes_too_late_tells_of_nothing_and_nobody_loses_the_place(now):
    early = now - 3 * HOUR
    mug, rows = drop(1, units=1, now=early)
    assert drain(seconds=20).counts == {"cancelled": 1}
    rows[0].refresh_from_db()
    assert (rows[0].state, rows[0].told_at, states()) == ("waiting", None, ["given_back"])
    release_waves(now=now)
    assert drain(seconds=20).counts == {"sent": 1}
    assert sorted(states()) == ["given_back", "open"]


def test_a_hidden_product_is_not_announced(now):
    drop(1, units=1, now=now)
    Product.objects.update(is_visible=False)
    assert drain(seconds=20).counts == {"cancelled": 1}


def test_all_held_for_others_is_no_reason_not_to_tell_the_holder(now):
    drop(3, units=3, now=now)
    assert drain(seconds=20).counts == {"sent": 3}


def test_turning_it_off_leaves_the_open_holds_alone(settings, now):
    mug, rows = drop(5, units=2, now=now)
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": None}
    sweep_stock(now=now)
    release_waves(now=now + 15 * MINUTE)
    assert len(told(rows)) == 2 and states() == ["open", "open"]
    release_waves(now=now + 4 * HOUR)
    assert states() == ["over", "over"]
