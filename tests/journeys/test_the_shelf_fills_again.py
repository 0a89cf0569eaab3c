"""Somebody asks to be told; goods come; they are told, once, and only if it is true."""

import datetime as dt
import re

import pytest

from backorders.domain.outbox import MailState
from backorders.errors import AlreadyInStock, InvalidToken
from backorders.models import OutgoingMail, Restock, Subscription
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.stock import stock_changed, sweep_stock
from backorders.services.subscriptions import confirm, subscribe, tidy_subscriptions, unsubscribe
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.waves import release_waves
from tests.factories import CustomerFactory, ProductFactory, told, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db


def link_in(message, door):
    return re.search(rf"https://shop\.example/backorders/{door}/([\w-]+)/", message.body)[1]


def test_a_guest_asks_confirms_and_is_told(outbox, worker, now):
    mug = ProductFactory(stock=0)
    subscribe(product=mug, email="Ana@Example.com", now=now)
    worker(now)
    confirm(token=link_in(outbox[0], "confirm"), now=now)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    worker(now)

    assert [message.to for message in outbox] == [["Ana@example.com"], ["Ana@example.com"]]
    assert outbox[1].extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    unsubscribe(token=link_in(outbox[1], "leave"), now=now)
    assert Subscription.objects.get().closed_because == "left"


def test_three_units_are_told_to_the_four_of_ten_who_waited_longest(outbox, worker, now):
    """One in six buys, a shop believes that has seen nothing: that all four come is too unlikely to wait with the fourth."""
    mug = ProductFactory(stock=0)
    ten = waiting_for(mug, 10)
    delivery = expect_delivery(product=mug, quantity=3, earliest=now.date(), latest=now.date(), now=now)
    receive_delivery(delivery_id=delivery.id, now=now)
    worker(now)
    worker(now)

    assert [message.to[0] for message in outbox] == [row.email for row in ten[:4]]
    assert told(ten) == [row.email for row in ten[:4]]
    assert Product.objects.get(pk=mug.pk).stock == 3


def test_the_next_in_line_are_told_when_the_first_did_not_come(outbox, worker, now):
    mug = ProductFactory(stock=0)
    five = waiting_for(mug, 5)
    Product.objects.filter(pk=mug.pk).update(stock=3)
    worker(now)
    worker(now + dt.timedelta(minutes=61))

    assert told(five) == [row.email for row in five]
    assert len(outbox) == 5


def test_units_that_are_owed_are_told_to_nobody(outbox, worker, now):
    from backorders.services.backorders import place_backorder
    from backorders.services.terms import set_selling_policy

    mug = ProductFactory(stock=0)
    two = waiting_for(mug, 2)
    set_selling_policy(product=mug, policy="backorder")
    backorder = place_backorder(product=mug, quantity=2, reference="A-1", email="ben@example.com", now=now)
    Product.objects.filter(pk=mug.pk).update(stock=3)
    worker(now)

    backorder.refresh_from_db()
    assert (backorder.state, backorder.allocated_quantity) == ("filled", 2)
    assert told(two) == [two[0].email]
    assert Product.objects.get(pk=mug.pk).stock == 1


def test_a_mail_that_is_no_longer_true_is_not_sent_and_the_place_is_kept(outbox, now):
    mug = ProductFactory(stock=0)
    [ana] = waiting_for(mug)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    sweep_stock(now=now)
    release_waves(now=now)
    Product.objects.filter(pk=mug.pk).update(stock=0)
    drain(seconds=5)

    ana.refresh_from_db()
    assert outbox == []
    assert (ana.state, OutgoingMail.objects.get().state) == ("waiting", MailState.CANCELLED)


def test_whoever_never_got_the_mail_is_told_of_the_same_restock_later(outbox, worker, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    sweep_stock(now=now)
    release_waves(now=now)
    Product.objects.filter(pk=mug.pk).update(stock=0)
    drain(seconds=5)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    worker(now + dt.timedelta(minutes=15))

    assert len(outbox) == 1
    assert Restock.objects.count() == 1


def test_told_and_empty_again_too_soon_keeps_the_place(outbox, worker, now):
    mug = ProductFactory(stock=0)
    ana, ben = waiting_for(mug, 2)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    worker(now)
    Product.objects.filter(pk=mug.pk).update(stock=0)
    worker(now + dt.timedelta(hours=1))
    ana.refresh_from_db()
    assert ana.state == "waiting"

    Product.objects.filter(pk=mug.pk).update(stock=1)
    worker(now + dt.timedelta(days=1))
    assert [message.to[0] for message in outbox] == [ana.email, ana.email]


def test_told_in_good_time_counts_as_served(worker, now):
    mug = ProductFactory(stock=0)
    [ana] = waiting_for(mug)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    worker(now)
    tidy_subscriptions(now=now + dt.timedelta(days=4))

    ana.refresh_from_db()
    assert (ana.state, ana.closed_because) == ("closed", "served")


def test_whoever_buys_is_not_told_any_more(worker, now):
    mug = ProductFactory(stock=0)
    [ana] = waiting_for(mug, email="ana@example.com")
    Product.objects.filter(pk=mug.pk).update(stock=1)
    worker(now)
    check_out(lines=[Line(mug, 1, "A-1")], email="ANA@example.com", now=now)

    ana.refresh_from_db()
    assert (ana.state, ana.closed_because) == ("closed", "bought")
    assert Product.objects.get(pk=mug.pk).stock == 0


@pytest.mark.parametrize("flaps", [1, 50])
def test_a_flapping_shelf_sends_one_mail_at_most(outbox, worker, now, flaps):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 3)
    for flap in range(flaps):
        moment = now + dt.timedelta(seconds=flap / 10)
        Product.objects.filter(pk=mug.pk).update(stock=1)
        worker(moment)
        Product.objects.filter(pk=mug.pk).update(stock=0)
        worker(moment)

    addresses = [message.to[0] for message in outbox]
    assert len(addresses) == len(set(addresses)) > 0


def test_up_and_down_between_two_looks_sends_nothing(outbox, worker, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 3)
    Product.objects.filter(pk=mug.pk).update(stock=5)
    Product.objects.filter(pk=mug.pk).update(stock=0)
    worker(now)

    assert outbox == []
    assert Restock.objects.count() == 0


def test_a_verified_customer_needs_no_confirmation(outbox, worker, now):
    mug, anna = ProductFactory(stock=0), CustomerFactory(email="anna@example.com")
    asked = subscribe(product=mug, customer=anna, now=now)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    worker(now)

    assert asked.next == "nothing"
    assert [message.to for message in outbox] == [["anna@example.com"]]


def test_a_customer_who_types_another_address_has_to_confirm_it(now):
    anna = CustomerFactory(email="anna@example.com")
    asked = subscribe(product=ProductFactory(stock=0), customer=anna, email="other@example.com", now=now)

    assert asked.next == "check_mail"
    assert Subscription.objects.get().state == "pending"


def test_asking_works_while_backorder_is_allowed(now):
    from backorders.services.terms import set_selling_policy

    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")

    assert subscribe(product=mug, email="a@example.com", now=now).next == "check_mail"


def test_there_is_nothing_to_wait_for_when_it_is_here(now):
    with pytest.raises(AlreadyInStock):
        subscribe(product=ProductFactory(stock=1), email="a@example.com", now=now)


def test_asking_twice_is_answered_alike_and_stored_once(outbox, worker, now):
    mug = ProductFactory(stock=0)
    answers = {subscribe(product=mug, email=typed, now=now) for typed in ("a@example.com", "A@EXAMPLE.com")}
    worker(now)

    assert len(answers) == len(outbox) == Subscription.objects.count() == 1


def test_one_confirmation_covers_everything_the_mailbox_asked_for(outbox, worker, now):
    for product in ProductFactory.create_batch(3, stock=0):
        subscribe(product=product, email="a@example.com", now=now)
    worker(now)
    waiting = confirm(token=link_in(outbox[0], "confirm"), now=now)

    assert len(outbox) == 1
    assert len(waiting) == 3


def test_a_mailbox_with_too_many_open_requests_gets_no_more(now):
    for product in ProductFactory.create_batch(5, stock=0):
        subscribe(product=product, email="victim@example.com", now=now)

    assert Subscription.objects.count() == 3
    assert OutgoingMail.objects.count() == 1


def test_goods_that_came_before_the_confirmation_are_told_right_after_it(outbox, worker, now):
    mug = ProductFactory(stock=0)
    subscribe(product=mug, email="a@example.com", now=now)
    worker(now)
    Product.objects.filter(pk=mug.pk).update(stock=2)
    worker(now)
    assert len(outbox) == 1
    confirm(token=link_in(outbox[0], "confirm"), now=now)
    worker(now)

    assert len(outbox) == 2


def test_a_request_nobody_confirms_is_dropped(outbox, worker, now):
    subscribe(product=ProductFactory(stock=0), email="a@example.com", now=now)
    worker(now)
    tidy_subscriptions(now=now + dt.timedelta(days=8))

    assert Subscription.objects.get().closed_because == "expired"
    with pytest.raises(InvalidToken):
        confirm(token=link_in(outbox[0], "confirm"), now=now + dt.timedelta(days=8))


def test_a_confirm_link_opens_once(outbox, worker, now):
    subscribe(product=ProductFactory(stock=0), email="a@example.com", now=now)
    worker(now)
    token = link_in(outbox[0], "confirm")
    confirm(token=token, now=now)

    with pytest.raises(InvalidToken):
        confirm(token=token, now=now)
    with pytest.raises(InvalidToken):
        unsubscribe(token=token, now=now)


def test_leaving_while_the_mail_is_queued_stops_the_mail(outbox, now):
    from tests.factories import token_for

    mug = ProductFactory(stock=0)
    [ana] = waiting_for(mug)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    sweep_stock(now=now)
    release_waves(now=now)
    unsubscribe(token=token_for(ana), now=now)
    drain(seconds=5)

    assert outbox == []


def test_a_hidden_product_is_told_to_nobody(outbox, worker, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    Product.objects.filter(pk=mug.pk).update(stock=1, is_visible=False)
    worker(now)

    assert outbox == []


def test_the_explicit_call_is_seen_at_once(outbox, now, worker):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    mug.stock = 4
    mug.save()
    settled = stock_changed(mug, now=now)

    assert (settled.before, settled.after, settled.for_sale) == (0, 4, 4)
    assert Restock.objects.get().units == 4
