"""Units meet the queue: strictly in turn, whole lines kept for or passed, shortages taken from the end."""

import datetime as dt

import pytest

from backorders.errors import NotCancellable, NotShippable, PinFull
from backorders.models import Allocation, Backorder, OutgoingMail
from backorders.queries.availability import availability_of
from backorders.queries.backorders import places_of
from backorders.services.backorders import cancel_backorder, pin_backorder, prioritise, ship_backorder
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock, write_off
from backorders.services.supply import (
    cancel_delivery,
    receive_delivery,
    refresh_forecasts,
    resize_delivery,
    undo_receipt,
)
from backorders.signals import backorder_filled
from tests.hosts.models import Inventory, Product, Warehoused
from tests.stories import DAY, TODAY, a_mug, announce, arrive, given, line, order

pytestmark = pytest.mark.django_db


@pytest.fixture
def mug():
    return a_mug()


@pytest.fixture
def skipping(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "ALLOCATION": "skip", "MOST_OVERTAKES": 2}


# in turn


def test_each_takes_what_it_needs_and_the_last_what_is_left(mug, now):
    for name, units in (("A", 2), ("B", 3), ("C", 2)):
        order(mug, units, name)
    arrive(mug, 4, now=now)

    assert given("A", "B", "C") == [2, 2, 0]
    assert [place.position for place in places_of(["A", "B", "C"], now).values()] == [0, 1, 2]


def test_two_trucks_are_worth_one_of_their_sum(mug, now):
    for name in "ABCD":
        order(mug, 3, name)
    for units in (1, 4, 2):
        arrive(mug, units, now=now)

    assert given(*"ABCD") == [3, 3, 1, 0]


def test_one_arrival_writes_one_row_a_line_and_one_mail_each(mug, now):
    for name in "ABC":
        order(mug, 1, name)
    arrive(mug, 3, now=now)
    sweep_stock(now=now)

    assert Allocation.objects.count() == 3
    assert OutgoingMail.objects.filter(kind="backorder_filled").count() == 3


def test_the_shop_hears_of_each_line_what_it_was_given_and_whether_that_is_all(mug, now, committed):
    told = []

    def listen(sender, backorder_id, quantity, is_complete, **_):
        told.append((Backorder.objects.get(id=backorder_id).reference, quantity, is_complete))

    backorder_filled.connect(listen)
    for name in "AB":
        order(mug, 2, name)
    with committed():
        arrive(mug, 3, now=now)
    backorder_filled.disconnect(listen)

    assert told == [("A", 2, True), ("B", 1, False)]


# whole lines


def test_units_are_kept_for_a_line_that_wants_all_at_once(mug, now):
    order(mug, 5, "A", fill="whole_line")
    order(mug, 1, "B")
    arrive(mug, 3, now=now)

    assert given("A", "B") == [0, 0]
    assert (Product.objects.get().stock, availability_of(mug, now).for_sale.value) == (3, 0)

    arrive(mug, 3, now=now)
    assert given("A", "B") == [5, 1]


def test_kept_units_are_handed_on_when_the_line_that_blocked_them_leaves(mug, now):
    order(mug, 5, "A", fill="whole_line")
    order(mug, 2, "B")
    arrive(mug, 3, now=now)
    cancel_backorder(backorder_id=line("A").id, now=now)
    sweep_stock(now=now)

    assert given("A", "B") == [0, 2]
    assert availability_of(mug, now).for_sale.value == 1


def test_a_blocked_line_is_promised_the_day_its_last_unit_comes(mug, now):
    announce(mug, 3, 5)
    announce(mug, 3, 9)
    order(mug, 5, "A", fill="whole_line")
    order(mug, 1, "B")

    assert [line(name).promise.latest for name in "AB"] == [TODAY + 9 * DAY] * 2


@pytest.mark.usefixtures("skipping")
def test_smaller_lines_may_pass_a_large_one_so_many_times_and_no_more(mug, now):
    order(mug, 9, "A", fill="whole_line")
    for name in "BCD":
        order(mug, 1, name)
    arrive(mug, 1, now=now)
    assert (given(*"ABCD"), line("A").overtaken) == ([0, 1, 0, 0], 1)

    arrive(mug, 2, now=now)
    assert (given(*"ABCD"), line("A").overtaken) == ([0, 1, 1, 0], 2)
    assert Product.objects.get().stock == 1  # kept for A from now on

    arrive(mug, 8, now=now)
    assert given(*"ABCD") == [9, 1, 1, 0]


# classes


def test_a_better_class_is_served_first_but_only_within_its_head_start(mug, now):
    order(mug, 1, "patient", now=now - 20 * DAY)
    order(mug, 1, "plain")
    order(mug, 1, "vip", priority=-1)
    arrive(mug, 1, now=now)
    assert given("patient", "plain", "vip") == [1, 0, 0]

    arrive(mug, 1, now=now)
    assert given("patient", "plain", "vip") == [1, 0, 1]


def test_without_ageing_classes_are_absolute(mug, now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "PRIORITY_LEAP": None}
    order(mug, 1, "patient", now=now - 200 * DAY)
    order(mug, 1, "vip", priority=-1)
    arrive(mug, 1, now=now)

    assert given("patient", "vip") == [0, 1]


def test_whoever_is_passed_and_loses_a_date_is_given_another(mug, now):
    announce(mug, 1, 5)
    announce(mug, 1, 30)
    for name in "AB":
        order(mug, 1, name)
    prioritise(backorder_id=line("B").id, priority=-1, now=now)

    assert [line(name).promise.latest for name in "AB"] == [TODAY + 30 * DAY] * 2  # a better date is not announced
    assert [place.position for place in places_of("AB", now).values()] == [2, 1]


def test_a_line_that_waits_for_nothing_cannot_be_moved(mug, now):
    order(mug, 1, "A")
    arrive(mug, 1, now=now)
    with pytest.raises(NotCancellable):
        prioritise(backorder_id=line("A").id, priority=1, now=now)


# pins, and days before which nothing is wanted


def test_a_line_that_waits_for_one_delivery_is_served_by_it_alone(mug, now):
    may, june = announce(mug, 2, 5), announce(mug, 2, 35)
    order(mug, 2, "A", pinned_to=june.id)
    order(mug, 2, "B")
    assert [line(name).promise.latest for name in "AB"] == [TODAY + 35 * DAY, TODAY + 5 * DAY]

    receive_delivery(delivery_id=may.id, now=now)
    assert given("A", "B") == [0, 2]
    receive_delivery(delivery_id=june.id, now=now)
    assert given("A", "B") == [2, 2]


def test_when_its_delivery_is_called_off_the_line_stands_where_it_stood(mug, now):
    may, june = announce(mug, 2, 5), announce(mug, 2, 35)
    order(mug, 2, "A", pinned_to=june.id)
    order(mug, 2, "B")
    cancel_delivery(delivery_id=june.id, now=now)
    receive_delivery(delivery_id=may.id, now=now)

    assert given("A", "B") == [2, 0]


def test_a_smaller_delivery_lets_the_last_of_its_lines_go(mug, now):
    june = announce(mug, 4, 35)
    for name in "AB":
        order(mug, 2, name, pinned_to=june.id)
    resize_delivery(delivery_id=june.id, quantity=3, now=now)

    assert [line(name).pinned_to for name in "AB"] == [june, None]


def test_no_more_is_pinned_to_a_delivery_than_it_brings(mug, now):
    june = announce(mug, 3, 35)
    order(mug, 2, "A", pinned_to=june.id)
    with pytest.raises(PinFull) as refusal:
        order(mug, 2, "B", pinned_to=june.id)
    assert refusal.value.possible == 1
    assert Backorder.objects.count() == 1

    order(mug, 2, "B")
    with pytest.raises(PinFull):
        pin_backorder(backorder_id=line("B").id, delivery_id=june.id, now=now)
    assert line("B").pinned_to is None


def test_a_delivery_of_another_product_is_no_delivery_to_wait_for(mug):
    with pytest.raises(PinFull):
        order(mug, 1, "A", pinned_to=announce(a_mug(), 5, 5).id)
    assert Backorder.objects.count() == 0


def test_who_wants_it_later_keeps_the_place_is_promised_that_day_and_shipped_then(mug, now):
    order(mug, 1, "A", not_before=TODAY + 20 * DAY)
    order(mug, 1, "B")
    announce(mug, 1, 5)
    arrive(mug, 1, now=now)
    assert given("A", "B") == [1, 0]

    with pytest.raises(NotShippable, match="not wanted before 2026-03-22"):
        ship_backorder(backorder_id=line("A").id, now=now)
    assert ship_backorder(backorder_id=line("A").id, now=now + 20 * DAY).state == "shipped"


# shortages


def test_what_is_not_there_after_all_is_taken_from_the_end_and_the_mail_is_stopped(mug, now):
    for name in "ABC":
        order(mug, 2, name)
    arrive(mug, 6, now=now)
    write_off(product=mug, quantity=3, reason="fell off the fork", now=now)

    assert given(*"ABC") == [2, 1, 0]
    mails = OutgoingMail.objects.filter(kind="backorder_filled").order_by("id")
    assert [mail.state for mail in mails] == ["queued", "cancelled", "cancelled"]
    assert [line(name).state for name in "ABC"] == ["filled", "waiting", "waiting"]


def test_who_lost_units_is_served_again_at_the_old_place_and_told_again(mug, now):
    for name in "AB":
        order(mug, 2, name)
    arrive(mug, 4, now=now)
    write_off(product=mug, quantity=1, now=now)
    order(mug, 2, "C")
    arrive(mug, 2, now=now + DAY)

    assert given(*"ABC") == [2, 2, 1]
    mails = OutgoingMail.objects.filter(kind="backorder_filled", backorder=line("B"))
    assert [mail.state for mail in mails.order_by("id")] == ["cancelled", "queued"]


def test_the_shelf_gives_before_anybody_in_the_queue_does(mug, now):
    order(mug, 2, "A")
    arrive(mug, 5, now=now)
    write_off(product=mug, quantity=3, now=now)

    assert (given("A"), Product.objects.get().stock) == ([2], 0)


def test_what_has_left_the_house_is_nobodys_to_take(mug, now):
    from backorders.errors import NotEnoughLeft

    order(mug, 3, "A")
    arrive(mug, 3, now=now)
    ship_backorder(backorder_id=line("A").id, quantity=2, now=now)
    with pytest.raises(NotEnoughLeft) as refusal:
        write_off(product=mug, quantity=2, now=now)

    assert (refusal.value.asked, refusal.value.possible, given("A")) == (2, 1, [3])
    assert Allocation.objects.count() == 1


def test_a_shop_that_books_itself_lowers_its_number_and_we_follow(now):
    from backorders.services.stock import stock_changed
    from backorders.services.terms import set_selling_policy

    crate = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=crate, quantity=0)
    set_selling_policy(product=crate, policy="backorder")
    order(crate, 3, "A")
    Inventory.objects.update(quantity=3)
    stock_changed(crate, now=now)
    Inventory.objects.update(quantity=1)
    write_off(product=crate, quantity=2, now=now)

    assert (given("A"), anchor_of(crate).held_units) == ([1], 1)


def test_goods_that_arrived_where_the_shop_books_itself_take_nobodys_date_before_its_number_rises(now):
    from backorders.services.stock import stock_changed
    from backorders.services.terms import set_selling_policy

    crate = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=crate, quantity=0)
    set_selling_policy(product=crate, policy="backorder")
    delivery = announce(crate, 3, 0)
    order(crate, 3, "A")
    receive_delivery(delivery_id=delivery.id, now=now)
    Inventory.objects.update(quantity=3)
    stock_changed(crate, now=now)

    assert (given("A"), line("A").promises.count()) == ([3], 1)


def test_where_the_shop_books_itself_what_an_order_takes_is_promised_to_nobody_else(now):
    from backorders.services.checkout import Line, check_out
    from backorders.services.terms import set_selling_policy

    crate = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=crate, quantity=3)
    set_selling_policy(product=crate, policy="backorder")
    announce(crate, 9, 7)
    [placed] = check_out(lines=[Line(crate, 5, "A")], email="a@example.com", now=now)
    Inventory.objects.update(quantity=0)

    assert (placed.on_hand, placed.backordered, placed.window.latest) == (3, 2, TODAY + 7 * DAY)
    assert order(crate, 1, "B").promise.latest == TODAY + 7 * DAY


def test_what_was_shipped_where_the_shop_books_itself_is_promised_to_nobody_else(now):
    from backorders.services.stock import stock_changed
    from backorders.services.terms import set_selling_policy

    crate = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=crate, quantity=0)
    set_selling_policy(product=crate, policy="backorder")
    order(crate, 3, "A")
    Inventory.objects.update(quantity=3)
    stock_changed(crate, now=now)
    announce(crate, 9, 7)
    ship_backorder(backorder_id=line("A").id, now=now)
    Inventory.objects.update(quantity=0)

    assert order(crate, 1, "B").promise.latest == TODAY + 7 * DAY


# a receipt that was wrong


def test_a_receipt_taken_back_takes_from_the_shelf_then_from_the_end(mug, now):
    delivery = announce(mug, 6, 0)
    for name in "AB":
        order(mug, 2, name)
    receive_delivery(delivery_id=delivery.id, now=now)
    arrival = undo_receipt(delivery_id=delivery.id, quantity=3, reason="miscounted", now=now + dt.timedelta(minutes=5))

    delivery.refresh_from_db()
    assert (given("A", "B"), Product.objects.get().stock, arrival.units) == ([2, 1], 0, -3)
    assert (delivery.state, delivery.outstanding) == ("expected", 3)


def test_taking_a_receipt_back_twice_does_nothing_more(mug, now):
    delivery = announce(mug, 2, 0)
    order(mug, 2, "A")
    receive_delivery(delivery_id=delivery.id, reference="GR-1", now=now)
    first, again = [undo_receipt(delivery_id=delivery.id, reference="GR-1", now=now) for _ in range(2)]

    assert (first.was_repeated, again.was_repeated, given("A")) == (False, True, [0])
    assert receive_delivery(delivery_id=delivery.id, reference="GR-2", now=now).units == 2


def test_units_counted_over_and_taken_back_leave_the_delivery_closed(mug, now):
    delivery = announce(mug, 5, 0)
    receive_delivery(delivery_id=delivery.id, quantity=8, accept_more=True, now=now)
    undo_receipt(delivery_id=delivery.id, quantity=2, now=now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.received_quantity, anchor_of(mug).inbound_units) == ("received", 6, 0)


# pins that do not go as planned


def test_who_waits_for_a_delivery_that_is_late_is_promised_and_given_no_other(mug, now):
    may, june = announce(mug, 2, 1), announce(mug, 9, 35)
    order(mug, 2, "A", pinned_to=may.id)
    order(mug, 2, "B")
    at = now + 5 * DAY
    refresh_forecasts(now=at)
    assert [line(name).promise.is_known for name in "AB"] == [False, True]
    assert order(mug, 7, "C", now=at).promise.latest == TODAY + 35 * DAY

    receive_delivery(delivery_id=june.id, now=at)
    assert given(*"ABC") == [0, 2, 7]
    receive_delivery(delivery_id=may.id, now=at)
    assert given(*"ABC") == [2, 2, 7]


def test_units_that_others_wait_for_alone_are_for_sale_when_more_than_those_are_here(mug, now):
    may = announce(mug, 2, 1)
    order(mug, 2, "A", pinned_to=may.id)
    refresh_forecasts(now=now + 5 * DAY)
    arrive(mug, 1, now=now + 5 * DAY)

    assert (given("A"), availability_of(mug, now + 5 * DAY).for_sale.value) == ([0], 1)


def test_a_pinned_line_that_its_delivery_cannot_serve_any_more_takes_what_comes(mug, now):
    may = announce(mug, 4, 1)
    order(mug, 4, "A", pinned_to=may.id)
    receive_delivery(delivery_id=may.id, quantity=3, now=now)
    write_off(product=mug, quantity=3, now=now)

    assert (line("A").pinned_to, line("A").needs, may.pinned.count()) == (None, 4, 0)
    arrive(mug, 4, now=now)
    assert given("A") == [4]


def test_goods_here_before_their_release_are_nobodys_alone(now):
    game = a_mug(policy="preorder", releases_at=now + 9 * DAY)
    may = announce(game, 4, 0)
    order(game, 4, "A", pinned_to=may.id)
    receive_delivery(delivery_id=may.id, quantity=3, now=now)
    sweep_stock(now=now + 9 * DAY)

    assert given("A") == [3]
