"""Something breaks, somebody hesitates, two things happen at once: whoever has nothing to do with it notices nothing."""

import datetime as dt
import os
import re
import signal
import smtplib
import socket
import sqlite3
import time

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import override_settings
from django.urls import NoReverseMatch

from backorders.checks.settings import check_settings
from backorders.domain.addresses import parse_address
from backorders.domain.outbox import MailState
from backorders.errors import InvalidAddress, NotOrderable, NotSellable, ReferenceTaken
from backorders.models import Backorder, OutgoingMail, Promise, Restock, StockEvent, StockItem, Subscription
from backorders.queries.availability import availability_of
from backorders.queries.backorders import places_of
from backorders.queries.subscriptions import subscriptions_of
from backorders.services.backorders import cancel_backorder, place_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.services.stock import stock_changed, sweep_stock
from backorders.services.subscriptions import confirm, leave, subscribe, tidy_subscriptions
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from backorders.signals import stock_arrived
from backorders.tasks import look_at_item
from tests.conftest import NOW
from tests.factories import CustomerFactory, ProductFactory, told, waiting_for
from tests.hosts.adapters import CustomAdapter
from tests.hosts.models import Cloth, Custom, Inventory, Parcel, Product, Warehoused
from tests.mailserver import mail_settings

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)


def back_on_the_shelf(*products, people=1, now):
    """People wait for each, goods come, and their mails are in the outbox."""
    rows = [row for product in products for row in waiting_for(product, people)]
    Product.objects.update(stock=people)
    sweep_stock(now=now)
    release_waves(now=now)
    return rows


def mails_by(backend):
    return override_settings(**mail_settings(f"{__name__}.{backend}"))


def configure(settings, **changes):
    settings.BACKORDERS = {**settings.BACKORDERS, **changes}


def sell(settings, label, **fields):
    configure(settings, SELLABLES={**settings.BACKORDERS["SELLABLES"], label: fields})


def titles(outbox):
    return " ".join(message.subject for message in outbox)


# one product is broken


class WarehouseIsDown(CustomAdapter):
    def stock(self, pks):
        raise ConnectionError("the warehouse does not answer")


class TitlesAreDown(CustomAdapter):
    def describe(self, pks):
        raise ConnectionError("the catalogue does not answer")


def test_a_warehouse_that_is_down_keeps_no_other_product_from_being_seen(settings, now):
    box, mug = Custom.objects.create(name="box"), ProductFactory(stock=0)
    waiting_for(box)
    waiting_for(mug)
    sell(settings, "hosts.Custom", ADAPTER=WarehouseIsDown)
    Product.objects.update(stock=5)
    sweep_stock(now=now)

    assert Restock.objects.get().item == anchor_of(mug)


def test_a_warehouse_that_goes_down_after_goods_came_keeps_no_other_wave_from_leaving(settings, now):
    box, mug = Custom.objects.create(name="box"), ProductFactory(stock=0)
    late, served = waiting_for(box), waiting_for(mug)
    Custom.objects.update(boxes=1)
    Product.objects.update(stock=1)
    sweep_stock(now=now)
    sell(settings, "hosts.Custom", ADAPTER=WarehouseIsDown)
    release_waves(now=now)

    assert (told(late), told(served)) == ([], [served[0].email])


def test_a_shelf_that_became_unreadable_keeps_nobody_else_waiting(worker, outbox, now):
    broken, whole = Cloth.objects.create(name="broken"), Cloth.objects.create(name="whole")
    waiting_for(broken, 3)
    waiting_for(whole)
    Cloth.objects.filter(pk=broken.pk).update(metres=1)
    worker(now)
    Cloth.objects.filter(pk=broken.pk).update(metres=float("inf"))
    Cloth.objects.filter(pk=whole.pk).update(metres=1)
    worker(now + 2 * HOUR)

    assert "whole" in titles(outbox)


def test_a_page_that_cannot_be_named_costs_the_link_and_nobody_the_mail(settings, outbox, now, monkeypatch):
    def address(self):
        if self.name == "lost":
            raise NoReverseMatch("Reverse for 'product' with arguments '('',)' not found")
        return "/found/"

    monkeypatch.setattr(Product, "get_absolute_url", address, raising=False)
    sell(settings, "hosts.Product", stock="stock", title="name", url="get_absolute_url")
    back_on_the_shelf(ProductFactory(name="lost", stock=0), ProductFactory(name="found", stock=0), now=now)
    drain(seconds=5)

    assert ["https://shop.example/found/" in message.body for message in outbox] == [False, True]


def test_a_catalogue_that_does_not_answer_delays_its_own_mails_only_and_charges_them_nothing(settings, outbox, now):
    box, mug = Custom.objects.create(name="box"), ProductFactory(stock=0)
    [waits] = waiting_for(box)
    Custom.objects.update(boxes=1)
    [served] = back_on_the_shelf(mug, now=now)
    sell(settings, "hosts.Custom", ADAPTER=TitlesAreDown)
    drain(seconds=5)

    assert [message.to[0] for message in outbox] == [served.email]
    late = OutgoingMail.objects.get(subscription=waits)
    assert (late.state, late.attempts) == (MailState.QUEUED, 0)
    assert "the catalogue does not answer" in late.note


def test_a_key_from_before_the_shop_changed_its_keys_stops_no_sweep(now):
    parcel, mug = Parcel.objects.create(name="parcel"), ProductFactory(stock=0)
    waiting_for(parcel)
    StockItem.objects.update(object_id="12")
    waiting_for(mug)
    Product.objects.update(stock=5)
    sweep_stock(now=now)

    assert Restock.objects.get().item == anchor_of(mug)


def test_a_model_name_that_is_mistyped_breaks_no_save_and_hides_no_other_product(settings, committed, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    sell(settings, "hosts.Prodct", stock="stock")
    mug.stock = 3
    with committed():
        mug.save()

    assert Restock.objects.get().units == 3


def test_a_hidden_product_that_is_back_piles_up_no_mails(worker, outbox, now):
    mug = ProductFactory(stock=0, is_visible=False)
    two = waiting_for(mug, 2)
    Product.objects.update(stock=5)
    for round_ in range(6):
        worker(now + round_ * 15 * MINUTE)

    assert (outbox, told(two), OutgoingMail.objects.count()) == ([], [], 0)


def test_a_hidden_product_is_neither_waited_for_nor_sold(now):
    gone, here = ProductFactory(stock=0, is_visible=False), ProductFactory(stock=3, is_visible=False)
    with pytest.raises(NotSellable):
        subscribe(product=gone, email="a@example.com", now=now)
    with pytest.raises(NotOrderable):
        check_out(lines=[Line(here, 1, "A-1")], email="a@example.com", now=now)

    assert Product.objects.get(pk=here.pk).stock == 3


def test_a_look_at_an_item_that_was_deleted_meanwhile_is_quiet():
    look_at_item(item_id=987654)

    assert StockItem.objects.count() == 0


# the mail server is broken


class Throttled(BaseEmailBackend):
    """A provider whose errors are its own kind."""

    def send_messages(self, messages):
        raise LookupError("Throttling: maximum sending rate exceeded")


class Slow(BaseEmailBackend):
    def send_messages(self, messages):
        time.sleep(0.05)
        raise TimeoutError("no answer")


class AskedToStop(EmailBackend):
    """Somebody stops the worker while the first mail leaves."""

    def send_messages(self, messages):
        os.kill(os.getpid(), signal.SIGTERM)
        return super().send_messages(messages)


class SoldOutMeanwhile(EmailBackend):
    """The last unit goes, and is seen to go, while the mail server is being told."""

    def send_messages(self, messages):
        Product.objects.update(stock=0)
        sweep_stock(now=NOW + MINUTE)
        return super().send_messages(messages)


class SoldOutMeanwhileAndBusy(SoldOutMeanwhile):
    """The same, and then the server says: later."""

    def send_messages(self, messages):
        Product.objects.update(stock=0)
        sweep_stock(now=NOW + MINUTE)
        raise smtplib.SMTPDataError(451, b"try again later")


@pytest.fixture
def silent_server():
    """Takes the call and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with override_settings(
            **mail_settings("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port)
        ):
            yield port


@pytest.fixture
def signals_restored():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_mail_backend_that_does_not_exist_gives_up_no_mail(now):
    back_on_the_shelf(ProductFactory(stock=0), people=3, now=now)
    with mails_by("NoSuchBackend"):
        drain(seconds=5)

    assert set(OutgoingMail.objects.values_list("state", "attempts")) == {(MailState.QUEUED, 0)}


def test_an_error_of_the_providers_own_kind_is_tried_again(now):
    back_on_the_shelf(ProductFactory(stock=0), now=now)
    with mails_by("Throttled"):
        drain(seconds=5)

    mail = OutgoingMail.objects.get()
    assert (mail.state, mail.attempts) == (MailState.QUEUED, 1)
    assert "Throttling" in mail.note


def test_a_server_that_never_greets_has_certainly_not_sent_the_mail(silent_server, settings, now):
    configure(settings, ON_UNKNOWN="hold", MAIL_TIMEOUT=dt.timedelta(seconds=0.2))
    back_on_the_shelf(ProductFactory(stock=0), people=2, now=now)
    drain(seconds=5)

    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {MailState.QUEUED}


def test_a_slow_server_does_not_stretch_the_time_a_run_was_given(now):
    back_on_the_shelf(ProductFactory(stock=0), people=20, now=now)
    with mails_by("Slow"):
        done = drain(seconds=0.2)

    assert done.is_unfinished
    assert 1 <= done.total <= 8
    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {MailState.QUEUED}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_stopped_ends_after_the_mail_in_its_hands(outbox, now, signals_restored):
    back_on_the_shelf(ProductFactory(stock=0), people=5, now=now)
    with mails_by("AskedToStop"):
        call_command("backorders_worker")

    assert len(outbox) == 1
    assert OutgoingMail.objects.filter(state=MailState.QUEUED).count() == 4


def test_a_job_that_fails_is_named_and_the_others_are_done(outbox, now):
    def one_table_is_locked(execute, sql, params, many, context):
        if sql.startswith("SELECT") and "is_watched" in sql and "LIMIT 2000" in sql:
            raise OperationalError("database table is locked")
        return execute(sql, params, many, context)

    subscribe(product=ProductFactory(stock=0), email="a@example.com", now=now)
    with connection.execute_wrapper(one_table_is_locked), pytest.raises(CommandError, match="Failed: sweep_stock"):
        call_command("backorders_worker", "--once")

    assert [message.to for message in outbox] == [["a@example.com"]]


def test_a_reader_whose_mail_was_sent_back_while_the_shelf_emptied_is_told_of_the_next_goods(worker, outbox, now):
    back_on_the_shelf(ProductFactory(stock=0), now=now)
    with mails_by("SoldOutMeanwhileAndBusy"):
        drain(seconds=5)
    OutgoingMail.objects.update(due_at=now)
    drain(seconds=5)
    Product.objects.update(stock=1)
    worker(now + HOUR)

    assert len(outbox) == 1


def test_a_reader_whose_mail_is_leaving_while_the_shelf_empties_is_not_told_twice(worker, outbox, now):
    [ana] = back_on_the_shelf(ProductFactory(stock=0), now=now)
    with mails_by("SoldOutMeanwhile"):
        drain(seconds=5)
    Product.objects.update(stock=1)
    worker(now + 5 * MINUTE)

    ana.refresh_from_db()
    assert (len(outbox), ana.state) == (1, "waiting")


@pytest.fixture
def few_variables():
    """A long list of ids does not fit into one statement; SQLite's own limit would need 33,000 people to be met."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 60)
    yield
    connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


def test_a_shelf_that_empties_before_many_unsent_mails_gives_everybody_the_place_back(few_variables, now):
    mug = ProductFactory(stock=0)
    back_on_the_shelf(mug, people=100, now=now)
    Product.objects.update(stock=0)
    stock_changed(mug, now=now)

    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {MailState.CANCELLED}
    assert set(Subscription.objects.values_list("state", "told_at")) == {("waiting", None)}


# people hesitate, repeat themselves, and change their minds


def confirm_token(message):
    return re.search(r"/confirm/([\w-]{43})/", message.body)[1]


def test_whoever_wants_more_than_came_is_told_when_there_is_enough(worker, outbox, now):
    mug, ana = ProductFactory(stock=3), CustomerFactory(email="ana@example.com")
    subscribe(product=mug, customer=ana, quantity=10, now=now)
    worker(now)
    assert (outbox, OutgoingMail.objects.count()) == ([], 0)

    Product.objects.update(stock=10)
    worker(now + HOUR)
    assert [message.to for message in outbox] == [["ana@example.com"]]


def test_asking_again_after_the_place_was_given_up_makes_a_new_request(worker, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug, email="ana@example.com")
    Product.objects.update(stock=1)
    worker(now)
    Product.objects.update(stock=0)
    sweep_stock(now=now + 73 * HOUR)
    subscribe(product=mug, email="ana@example.com", now=now + 73 * HOUR)
    tidy_subscriptions(now=now + 74 * HOUR)

    assert list(Subscription.objects.in_line().values_list("state", "closed_because")) == [
        ("closed", "served"),
        ("pending", ""),
    ]


def test_asking_again_shortly_before_the_first_request_expires_starts_the_time_anew(now):
    mug = ProductFactory(stock=0)
    subscribe(product=mug, email="ana@example.com", now=now)
    subscribe(product=mug, email="ana@example.com", now=now + 7 * DAY - HOUR)
    tidy_subscriptions(now=now + 7 * DAY + HOUR)

    assert OutgoingMail.objects.count() == 2
    assert Subscription.objects.get().state == "pending"


def test_buying_the_one_leaves_the_link_for_the_other_working(outbox, now):
    bought, wanted = ProductFactory.create_batch(2, stock=0)
    for mug in (bought, wanted):
        subscribe(product=mug, email="ana@example.com", now=now)
    drain(seconds=5)
    Product.objects.filter(pk=bought.pk).update(stock=1)
    check_out(lines=[Line(bought, 1, "A-1")], email="ana@example.com", now=now)
    waits = confirm(token=confirm_token(outbox[0]), now=now)

    assert [row.item for row in waits] == [anchor_of(wanted)]


def test_buying_the_one_before_the_confirmation_left_does_not_lose_the_other(outbox, now):
    bought, wanted = ProductFactory.create_batch(2, stock=0)
    for mug in (bought, wanted):
        subscribe(product=mug, email="ana@example.com", now=now)
    Product.objects.filter(pk=bought.pk).update(stock=1)
    check_out(lines=[Line(bought, 1, "A-1")], email="ana@example.com", now=now)
    drain(seconds=5)
    waits = confirm(token=confirm_token(outbox[0]), now=now)

    assert [row.item for row in waits] == [anchor_of(wanted)]


def test_a_guest_who_signs_in_and_asks_again_finds_the_request_in_the_account(now):
    mug, ana = ProductFactory(stock=0), CustomerFactory(email="ana@example.com")
    subscribe(product=mug, email="ana@example.com", now=now)
    subscribe(product=mug, customer=ana, now=now)

    [request] = subscriptions_of(ana)
    assert (request.state, request.item) == ("waiting", anchor_of(mug))


def test_a_guest_leaves_no_request_by_its_number(now):
    [row] = waiting_for(ProductFactory(stock=0))
    with pytest.raises(Subscription.DoesNotExist):
        leave(subscription_id=row.id, customer=None, now=now)

    row.refresh_from_db()
    assert row.state == "waiting"


def test_an_address_that_grows_too_long_when_written_for_machines_is_refused(now):
    with pytest.raises(InvalidAddress):
        subscribe(product=ProductFactory(stock=0), email="a@" + "ü." * 80 + "com", now=now)

    assert Subscription.objects.count() == 0


def test_an_address_that_would_go_to_somebody_elses_domain_is_refused():
    with pytest.raises(InvalidAddress, match="xn--"):
        parse_address("a@faß.de")

    assert parse_address("a@xn--fa-hia.de").display == "a@xn--fa-hia.de"


# orders


def test_a_line_that_stands_in_the_queue_already_is_refused_and_nothing_is_taken(now):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    check_out(lines=[Line(mug, 1, "A-1")], email="a@example.com", now=now)
    Product.objects.update(stock=3)
    with pytest.raises(ReferenceTaken):
        check_out(lines=[Line(mug, 5, "A-1")], email="a@example.com", now=now)

    assert Product.objects.get().stock == 3
    assert Backorder.objects.get().quantity == 1


def test_a_line_that_was_cancelled_may_be_ordered_again(now):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    order = {"product": mug, "quantity": 2, "reference": "A-1", "email": "a@example.com", "now": now}
    first = place_backorder(**order)
    cancel_backorder(backorder_id=first.id, now=now)
    again = place_backorder(**order)

    assert (again.state, again.id != first.id, anchor_of(mug).queued_units) == ("waiting", True, 2)


def test_two_lines_never_share_one_unit_of_a_shop_that_books_its_own(now):
    crate = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=crate, quantity=3)
    with pytest.raises(NotOrderable):
        check_out(lines=[Line(crate, 2, "A-1"), Line(crate, 2, "A-2")], email="a@example.com", now=now)

    assert StockEvent.objects.count() == 0


def test_a_queue_of_three_thousand_million_units_is_counted(now):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    for line in "ABC":
        place_backorder(product=mug, quantity=10**9, reference=line, email="a@example.com", now=now)

    assert anchor_of(mug).queued_units == 3 * 10**9


def test_whoever_was_promised_the_first_unit_gets_it_even_if_a_slower_clock_ordered_later(now):
    mug, tomorrow = ProductFactory(stock=0), now.date() + DAY
    set_selling_policy(product=mug, policy="backorder")
    expect_delivery(product=mug, quantity=1, earliest=tomorrow, latest=tomorrow, now=now)
    for line, clock in (("first", now + MINUTE), ("second", now)):
        place_backorder(product=mug, quantity=1, reference=line, email="a@example.com", now=clock)

    places = places_of(["first", "second"], now)
    assert Promise.objects.get(backorder__reference="first").latest_on == tomorrow
    assert (places["first"].position, places["first"].window.is_known) == (1, True)
    assert (places["second"].position, places["second"].window.is_known) == (2, False)


def test_the_ledger_adds_up_after_an_order_was_served_and_cancelled(now):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    line = place_backorder(product=mug, quantity=2, reference="A-1", email="a@example.com", now=now)
    Product.objects.update(stock=2)
    stock_changed(mug, now=now)
    cancel_backorder(backorder_id=line.id, now=now)
    stock_changed(mug, now=now)

    moves = list(StockEvent.objects.order_by("id").values_list("kind", "quantity"))
    assert moves == [("seen", 2), ("allocated", -2), ("returned", 2)]
    assert Product.objects.get().stock == 2


# deliveries and releases


def test_the_page_and_the_order_name_the_same_day_for_a_preorder(now):
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="preorder", releases_at=now + 10 * DAY)
    shown = availability_of(mug, now).window
    [placed] = check_out(lines=[Line(mug, 1, "A-1")], email="a@example.com", now=now)

    assert (placed.window.earliest, placed.window.latest) == (shown.earliest, shown.latest)
    assert placed.window.latest == now.date() + 10 * DAY


def test_a_preorder_whose_goods_came_early_keeps_its_day(now):
    mug, today = ProductFactory(stock=0), now.date()
    set_selling_policy(product=mug, policy="preorder", releases_at=now + 10 * DAY)
    delivery = expect_delivery(product=mug, quantity=1, earliest=today + 3 * DAY, latest=today + 4 * DAY, now=now)
    check_out(lines=[Line(mug, 1, "A-1")], email="a@example.com", now=now)
    receive_delivery(delivery_id=delivery.id, now=now + DAY)

    assert places_of(["A-1"], now + DAY)["A-1"].window.latest == today + 10 * DAY


def test_goods_that_wait_for_their_release_are_promised_before_a_later_delivery(now):
    mug, today = ProductFactory(stock=5), now.date()
    set_selling_policy(product=mug, policy="preorder", releases_at=now + 10 * DAY)
    expect_delivery(product=mug, quantity=9, earliest=today + 60 * DAY, latest=today + 61 * DAY, now=now)
    shown = availability_of(mug, now).window
    [placed] = check_out(lines=[Line(mug, 1, "A-1")], email="a@example.com", now=now)

    assert shown.latest == placed.window.latest == today + 10 * DAY
    assert Promise.objects.get().delivery is None


def test_two_deliveries_may_come_under_one_receipt_number(now):
    mug, today = ProductFactory(stock=0), now.date()
    for units in (2, 3):
        delivery = expect_delivery(product=mug, quantity=units, earliest=today, latest=today, now=now)
        receive_delivery(delivery_id=delivery.id, reference="GR-7", now=now)

    assert Product.objects.get().stock == 5


def test_an_arrival_in_a_shop_that_books_its_own_is_announced_once(committed, now):
    crate, today, heard = Warehoused.objects.create(name="crate"), now.date(), []
    Inventory.objects.create(product=crate, quantity=0)
    stock_changed(crate, now=now)
    delivery = expect_delivery(product=crate, quantity=5, earliest=today, latest=today, now=now)

    def listen(sender, units, **_):
        heard.append(units)

    stock_arrived.connect(listen)  # held weakly, so it ends with this test
    with committed():
        receive_delivery(delivery_id=delivery.id, now=now)
        Inventory.objects.update(quantity=5)
        stock_changed(crate, now=now)

    assert heard == [5]


def test_a_batch_of_no_mails_is_refused_before_the_worker_idles_forever(settings):
    configure(settings, MAIL_BATCH=0)

    assert [str(message.msg) for message in check_settings()] == [
        "BACKORDERS['MAIL_BATCH'] = 0 has to be a whole number, 1 or more."
    ]
