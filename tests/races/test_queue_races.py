"""Two hands in one queue at the same moment: nobody is promised the same unit, told twice, or served twice."""

import pytest

from backorders.domain.windows import NO_DATE, Window
from backorders.errors import NotCancellable, NotOrderable
from backorders.models import Backorder, OutgoingMail, PlacedOrder, Promise
from backorders.services.backorders import cancel_backorder, give_up_place, prioritise, tell_whole_orders
from backorders.services.checkout import Line, check_out
from backorders.services.locks import anchor_of
from backorders.services.repair import repair_counters
from backorders.services.stock import return_units, sweep_stock, write_off
from backorders.services.supply import cancel_delivery, move_delivery, receive_delivery, undo_receipt
from tests.hosts.models import Product
from tests.races.test_lock_order import meet
from tests.races.test_races import at_once, only
from tests.stories import TODAY, a_mug, announce, given, order

pytestmark = pytest.mark.django_db(transaction=True)

ITEM_LOCK = 'SELECT .*"backorders_stockitem".* FOR UPDATE'


@pytest.mark.postgres
@pytest.mark.parametrize("_again", range(5))
def test_the_last_unit_of_the_may_delivery_is_promised_once(_again, now):
    mug = a_mug()
    announce(mug, 3, 60)
    order(mug, 2, "first")
    buys = [
        lambda name=name: check_out(lines=[Line(mug, 1, name)], email=f"{name}@example.com", now=now)
        for name in ("A", "B")
    ]
    results = meet(*buys, after=ITEM_LOCK)
    windows = [placed.window for [placed] in results]

    assert len(only(Window, windows)) == 1 and windows.count(NO_DATE) == 1
    assert Promise.objects.exclude(latest_on=None).count() == 2


@pytest.mark.postgres
def test_a_button_pressed_twice_at_once_gives_up_the_place_once_and_nothing_that_is_set_aside(now):
    mug = a_mug()
    line = order(mug, 4, "A")
    receive_delivery(delivery_id=announce(mug, 2, 0).id, now=now)
    press = lambda: give_up_place(backorder_id=line.id, waiting=2, now=now)  # noqa: E731
    results = meet(press, press, after=ITEM_LOCK)

    assert len(only(NotCancellable, results)) == 1
    assert list(Backorder.objects.values_list("state", "allocated_quantity", "cancelled_quantity")) == [
        ("filled", 2, 2)
    ]
    assert [row.units for row in OutgoingMail.objects.filter(kind="backorder_cancelled")] == [2]


@pytest.mark.postgres
@pytest.mark.parametrize("_again", range(3))
def test_receiving_cancelling_and_placing_at_once_keep_the_books(_again, now):
    mug = a_mug(backorder_limit=30)
    delivery, other = announce(mug, 7, 0), announce(mug, 5, 3)
    lines = [order(mug, 2, f"{n}") for n in range(6)]
    results = at_once(
        lambda: receive_delivery(delivery_id=delivery.id, quantity=4, now=now),
        lambda: receive_delivery(delivery_id=delivery.id, quantity=3, now=now),
        lambda: move_delivery(delivery_id=other.id, earliest=TODAY, latest=TODAY, now=now),
        *[lambda line=line: cancel_backorder(backorder_id=line.id, now=now) for line in lines[:3]],
        *[lambda n=n: order(mug, 2, f"new {n}") for n in range(4)],
        lambda: sweep_stock(now=now),
    )
    assert only(Exception, results) == []

    sweep_stock(now=now)
    kept = Backorder.objects.exclude(state="cancelled").in_line()
    assert [line.allocated_quantity for line in kept] == [2, 2, 2, 1, 0, 0, 0]
    assert Product.objects.get().stock == 0
    assert list(repair_counters(dry_run=True, now=now)) == []


@pytest.mark.postgres
def test_a_hundred_things_at_once_lose_no_unit(now):
    mug = a_mug()
    deliveries = [announce(mug, 3, 0) for _ in range(20)]
    lines = [order(mug, 1 + n % 5, f"{n}") for n in range(30)]
    results = at_once(
        lambda: [receive_delivery(delivery_id=delivery.id, now=now) for delivery in deliveries[:10]],
        lambda: [receive_delivery(delivery_id=delivery.id, now=now) for delivery in deliveries[10:]],
        lambda: [cancel_backorder(backorder_id=line.id, now=now) for line in lines[::3]],
        lambda: [order(mug, 2, f"late {n}") for n in range(20)],
        lambda: [return_units(product=mug, quantity=1, now=now) for _ in range(10)],
        lambda: [sweep_stock(now=now) for _ in range(10)],
    )
    assert only(Exception, results) == []

    sweep_stock(now=now)
    waiting = list(Backorder.objects.waiting().in_line())
    given_away = sum(line.allocated_quantity for line in Backorder.objects.all())
    assert given_away + Product.objects.get().stock == 70
    assert not any(line.allocated_quantity for line in waiting[1:])
    assert list(repair_counters(dry_run=True, now=now)) == []


def test_two_receipts_with_one_reference_at_once_count_once(now):
    mug = a_mug()
    delivery = announce(mug, 9, 0)
    order(mug, 2, "A")
    post = [lambda: receive_delivery(delivery_id=delivery.id, quantity=3, reference="GR-1", now=now)] * 2
    arrivals = at_once(*post)

    assert sorted(arrival.was_repeated for arrival in arrivals) == [False, True]
    assert (Product.objects.get().stock, given("A")) == (1, [2])


def test_two_checkouts_with_one_key_at_once_are_one_order_with_one_answer(now):
    mug = a_mug(stock=3)
    buy = [lambda: check_out(lines=[Line(mug, 5, "A")], email="a@example.com", idempotency_key="k", now=now)] * 6
    answers = at_once(*buy)

    assert [[(p.on_hand, p.backordered, p.window) for p in answer] for answer in answers] == [[(3, 2, NO_DATE)]] * 6
    assert (PlacedOrder.objects.count(), Backorder.objects.count(), Product.objects.get().stock) == (1, 1, 0)
    assert OutgoingMail.objects.count() == 1


def test_one_order_line_placed_many_times_at_once_stands_in_the_queue_once(now):
    mug = a_mug()
    results = at_once(*[lambda: order(mug, 2, "A")] * 6)

    assert {line.id for line in results} == {Backorder.objects.get().id}
    assert anchor_of(mug).queued_units == 2


@pytest.mark.postgres
@pytest.mark.parametrize("_again", range(3))
def test_moving_up_at_the_moment_of_a_receipt_is_before_it_or_after_it(_again, now):
    mug = a_mug()
    delivery = announce(mug, 2, 0)
    order(mug, 2, "first")
    last = order(mug, 2, "last")
    results = meet(
        lambda: prioritise(backorder_id=last.id, priority=-5, now=now),
        lambda: receive_delivery(delivery_id=delivery.id, now=now),
        after=ITEM_LOCK,
    )
    assert only(Exception, results) == []
    assert given("first", "last") in ([2, 0], [0, 2])
    assert list(repair_counters(dry_run=True, now=now)) == []


@pytest.mark.postgres
@pytest.mark.parametrize("_again", range(3))
def test_an_order_filled_by_two_hands_at_once_is_told_once(_again, now):
    cup, pot = a_mug(), a_mug()
    trucks = [announce(cup, 1, 0), announce(pot, 1, 0)]
    lines = [Line(cup, 1, "A-1"), Line(pot, 1, "A-2")]
    check_out(lines=lines, email="a@example.com", ship="together", order_reference="A", now=now)

    def book(truck):
        def run():
            receive_delivery(delivery_id=truck.id, now=now)
            return tell_whole_orders(now=now)

        return run

    told = at_once(*[book(truck) for truck in trucks], lambda: tell_whole_orders(now=now))
    assert only(Exception, told) == []
    assert sum(told) == 1
    assert OutgoingMail.objects.filter(kind="backorder_filled").count() == 1


@pytest.mark.postgres
def test_what_is_taken_back_while_it_is_cancelled_leaves_once(now):
    mug = a_mug()
    delivery = announce(mug, 4, 0)
    line = order(mug, 4, "A")
    receive_delivery(delivery_id=delivery.id, now=now)
    results = at_once(
        lambda: undo_receipt(delivery_id=delivery.id, now=now),
        lambda: cancel_backorder(backorder_id=line.id, quantity=2, now=now),
        lambda: write_off(product=mug, quantity=4, now=now),
    )
    assert [type(error).__name__ for error in only(Exception, results)] == ["NotEnoughLeft"]
    assert Product.objects.get().stock + sum(given("A")) == 0
    assert list(repair_counters(dry_run=True, now=now)) == []


@pytest.mark.postgres
def test_the_delivery_is_called_off_at_the_moment_it_is_received(now):
    mug = a_mug()
    delivery = announce(mug, 2, 0)
    order(mug, 2, "A")
    results = meet(
        lambda: receive_delivery(delivery_id=delivery.id, now=now),
        lambda: cancel_delivery(delivery_id=delivery.id, now=now),
        after=ITEM_LOCK,
    )
    assert [type(error).__name__ for error in only(Exception, results)] == ["DeliveryClosed"]
    assert given("A")[0] + Product.objects.get().stock in (0, 2)


@pytest.mark.postgres
def test_only_what_is_on_its_way_is_sold_however_many_ask(now):
    mug = a_mug(only_inbound=True)
    announce(mug, 5, 9)
    results = at_once(*[lambda n=n: order(mug, 1, f"{n}") for n in range(9)])

    assert len(only(NotOrderable, results)) == 4
    assert Promise.objects.filter(latest_on=None).count() == 0
    assert anchor_of(mug).queued_units == 5
