"""Whatever is typed, sent or replayed wrongly: a named error that says what to do, and nothing half kept."""

import datetime as dt

import pytest

from backorders import models
from backorders.errors import (
    DeliveryClosed,
    InvalidAddress,
    InvalidQuantity,
    InvalidReference,
    InvalidWindow,
    KeyReused,
    NotSellable,
    OverReceipt,
    ReferenceTaken,
)
from backorders.models import Backorder, Delivery, StockEvent
from backorders.services.backorders import cancel_backorder, pin_backorder, place_backorder, prioritise, ship_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.stock import return_units, set_on_hand, write_off
from backorders.services.supply import (
    cancel_delivery,
    expect_delivery,
    move_delivery,
    receive_delivery,
    refresh_forecasts,
    resize_delivery,
    split_delivery,
    undo_receipt,
)
from tests.conftest import NOW
from tests.hosts.models import Poster, Product, Vehicle
from tests.stories import DAY, TODAY, a_mug, announce, arrive, line, order

pytestmark = pytest.mark.django_db

NO_QUANTITIES = [0, -5, 1.5, "3", True, 2**63]
NAIVE = dt.datetime(2026, 3, 2, 10, 0)  # noqa: DTZ001 - that is the point
ANA = {"email": "ana@example.com"}


@pytest.fixture
def shop():
    """A product with units on the shelf, a delivery half received, a line half filled."""
    mug = a_mug()
    order(mug, 3, "A")
    delivery = announce(mug, 9, 5)
    receive_delivery(delivery_id=delivery.id, quantity=2, reference="GR-1", now=NOW)
    return {"mug": mug, "delivery": delivery.id, "line": line("A").id}


def everything():
    """Every row of ours and of the shop's, as it stands."""
    ours = [model for model in vars(models).values() if isinstance(model, type)]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in [*ours, Product, Poster]}


def refused(error, act):
    before = everything()
    with pytest.raises(error) as refusal:
        act()
    assert everything() == before
    return refusal.value


QUANTITIES = {
    "check_out": lambda shop, n: check_out(lines=[Line(shop["mug"], 1, "X"), Line(shop["mug"], n, "Y")], **ANA),
    "place": lambda shop, n: place_backorder(product=shop["mug"], quantity=n, reference="X", **ANA),
    "cancel": lambda shop, n: cancel_backorder(backorder_id=shop["line"], quantity=n),
    "ship": lambda shop, n: ship_backorder(backorder_id=shop["line"], quantity=n),
    "expect": lambda shop, n: expect_delivery(product=shop["mug"], quantity=n, earliest=TODAY, latest=TODAY),
    "receive": lambda shop, n: receive_delivery(delivery_id=shop["delivery"], quantity=n, accept_more=True),
    "undo": lambda shop, n: undo_receipt(delivery_id=shop["delivery"], quantity=n),
    "resize": lambda shop, n: resize_delivery(delivery_id=shop["delivery"], quantity=n),
    "split": lambda shop, n: split_delivery(delivery_id=shop["delivery"], quantity=n, earliest=TODAY, latest=TODAY),
}


@pytest.mark.parametrize("quantity", NO_QUANTITIES, ids=repr)
@pytest.mark.parametrize("act", QUANTITIES.values(), ids=QUANTITIES)
def test_what_is_no_quantity_is_refused(shop, act, quantity):
    refused(InvalidQuantity, lambda: act(shop, quantity))


@pytest.mark.parametrize("quantity", [-5, 1.5, "3", True, 2**63], ids=repr)
def test_what_is_no_number_cannot_be_on_hand(quantity):
    poster = Poster.objects.create(name="poster")
    refused(InvalidQuantity, lambda: set_on_hand(product=poster, quantity=quantity))


@pytest.mark.parametrize("priority", [1.5, "3", True, None, 40_000, -(2**63)], ids=repr)
def test_what_is_no_priority_is_refused(shop, priority):
    refused(InvalidQuantity, lambda: prioritise(backorder_id=shop["line"], priority=priority))
    refused(InvalidQuantity, lambda: order(shop["mug"], 1, "X", priority=priority))


WINDOWS = [
    (TODAY, TODAY - DAY),
    (NOW, TODAY),
    (TODAY, "2026-03-09"),
    (None, TODAY),
]


@pytest.mark.parametrize(("earliest", "latest"), WINDOWS, ids=repr)
def test_what_is_no_window_is_refused(shop, earliest, latest):
    days = {"earliest": earliest, "latest": latest}
    refused(InvalidWindow, lambda: expect_delivery(product=shop["mug"], quantity=1, **days))
    refused(InvalidWindow, lambda: move_delivery(delivery_id=shop["delivery"], **days))
    refused(InvalidWindow, lambda: split_delivery(delivery_id=shop["delivery"], quantity=1, **days))


def test_a_day_is_no_moment_and_a_moment_no_day(shop):
    refused(InvalidWindow, lambda: order(shop["mug"], 1, "X", not_before=NOW))
    refused(InvalidWindow, lambda: order(shop["mug"], 1, "X", not_before="2026-05-01"))
    refused(
        InvalidWindow,
        lambda: expect_delivery(product=shop["mug"], quantity=1, earliest=TODAY, latest=TODAY, confidence="sure"),
    )


MOMENTS = {
    "check_out": lambda shop: check_out(lines=[Line(shop["mug"], 1, "X")], now=NAIVE, **ANA),
    "place": lambda shop: order(shop["mug"], 1, "X", now=NAIVE),
    "cancel": lambda shop: cancel_backorder(backorder_id=shop["line"], now=NAIVE),
    "ship": lambda shop: ship_backorder(backorder_id=shop["line"], now=NAIVE),
    "prioritise": lambda shop: prioritise(backorder_id=shop["line"], priority=1, now=NAIVE),
    "pin": lambda shop: pin_backorder(backorder_id=shop["line"], delivery_id=None, now=NAIVE),
    "expect": lambda shop: announce(shop["mug"], 1, 1, now=NAIVE),
    "move": lambda shop: move_delivery(delivery_id=shop["delivery"], earliest=TODAY, latest=TODAY, now=NAIVE),
    "resize": lambda shop: resize_delivery(delivery_id=shop["delivery"], quantity=5, now=NAIVE),
    "receive": lambda shop: receive_delivery(delivery_id=shop["delivery"], now=NAIVE),
    "undo": lambda shop: undo_receipt(delivery_id=shop["delivery"], now=NAIVE),
    "cancel_delivery": lambda shop: cancel_delivery(delivery_id=shop["delivery"], now=NAIVE),
    "refresh": lambda shop: refresh_forecasts(now=NAIVE),
}


@pytest.mark.parametrize("act", MOMENTS.values(), ids=MOMENTS)
def test_a_moment_without_a_time_zone_is_refused(shop, act):
    assert "no time zone" in str(refused(InvalidWindow, lambda: act(shop)))


NOBODY = 10**9
UNKNOWN = {
    "cancel": (Backorder.DoesNotExist, lambda: cancel_backorder(backorder_id=NOBODY)),
    "ship": (Backorder.DoesNotExist, lambda: ship_backorder(backorder_id=NOBODY)),
    "prioritise": (Backorder.DoesNotExist, lambda: prioritise(backorder_id=NOBODY, priority=1)),
    "pin": (Backorder.DoesNotExist, lambda: pin_backorder(backorder_id=NOBODY, delivery_id=None)),
    "receive": (Delivery.DoesNotExist, lambda: receive_delivery(delivery_id=NOBODY, reference="GR-1")),
    "move": (Delivery.DoesNotExist, lambda: move_delivery(delivery_id=NOBODY, earliest=TODAY, latest=TODAY)),
    "resize": (Delivery.DoesNotExist, lambda: resize_delivery(delivery_id=NOBODY, quantity=1)),
    "cancel_delivery": (Delivery.DoesNotExist, lambda: cancel_delivery(delivery_id=NOBODY)),
    "undo": (Delivery.DoesNotExist, lambda: undo_receipt(delivery_id=NOBODY)),
}


@pytest.mark.parametrize(("error", "act"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_nobody_knows_is_refused(shop, error, act):
    refused(error, act)


def test_a_receipt_nobody_booked_cannot_be_taken_back(shop):
    refused(StockEvent.DoesNotExist, lambda: undo_receipt(delivery_id=shop["delivery"], reference="GR-9"))
    fresh = announce(shop["mug"], 1, 1)
    refused(StockEvent.DoesNotExist, lambda: undo_receipt(delivery_id=fresh.id))


def test_what_is_not_sold_here_cannot_be_ordered_or_expected(shop):
    tram = Vehicle.objects.create(name="tram")
    refused(NotSellable, lambda: order(tram, 1, "X"))
    refused(NotSellable, lambda: check_out(lines=[Line(shop["mug"], 1, "X"), Line(tram, 1, "Y")], **ANA))
    refused(NotSellable, lambda: expect_delivery(product=tram, quantity=1, earliest=TODAY, latest=TODAY))


@pytest.mark.parametrize("email", ["", "ana", "a@b@c.example", "a@b.com\r\nBcc: x@y.com", "Ana <a@example.com>"])
def test_what_is_no_address_is_refused(shop, email):
    refused(InvalidAddress, lambda: order(shop["mug"], 1, "X", email=email))
    refused(InvalidAddress, lambda: check_out(lines=[Line(shop["mug"], 1, "X")], email=email))


def test_more_than_was_expected_is_refused_with_both_numbers(shop):
    refusal = refused(OverReceipt, lambda: receive_delivery(delivery_id=shop["delivery"], quantity=8))
    assert (refusal.expected, refusal.quantity) == (7, 8)


@pytest.mark.parametrize("end", [cancel_delivery, receive_delivery])
def test_a_delivery_that_is_over_takes_no_more(shop, end):
    end(delivery_id=shop["delivery"], now=NOW)
    days = {"earliest": TODAY, "latest": TODAY}
    for act in (
        lambda: receive_delivery(delivery_id=shop["delivery"]),
        lambda: move_delivery(delivery_id=shop["delivery"], **days),
        lambda: resize_delivery(delivery_id=shop["delivery"], quantity=20),
        lambda: split_delivery(delivery_id=shop["delivery"], quantity=1, **days),
        lambda: cancel_delivery(delivery_id=shop["delivery"]),
    ):
        refused(DeliveryClosed, act)


ALTERED = {
    "another quantity": {"lines": lambda mug, pot: [Line(mug, 2, "X")]},
    "another product": {"lines": lambda mug, pot: [Line(pot, 1, "X")]},
    "one line more": {"lines": lambda mug, pot: [Line(mug, 1, "X"), Line(pot, 1, "Z")]},
    "no line at all": {"lines": lambda mug, pot: []},
    "another address": {"email": "bo@example.com"},
    "another way to ship": {"ship": "together"},
}


@pytest.mark.parametrize("altered", ALTERED.values(), ids=ALTERED)
def test_a_key_that_comes_back_with_another_order_is_refused(shop, altered):
    first = {"lines": lambda mug, pot: [Line(mug, 1, "X")], **ANA, "idempotency_key": "k", "now": NOW}
    pot = a_mug(stock=9)

    def buy(*, lines, **order):
        return check_out(lines=lines(shop["mug"], pot), **order)

    assert buy(**first) == buy(**first)
    refused(KeyReused, lambda: buy(**{**first, **altered}))


def test_an_order_line_that_stands_in_the_queue_already_undoes_the_order_that_names_it_again(shop):
    arrive(shop["mug"], 4)
    refused(
        ReferenceTaken, lambda: check_out(lines=[Line(shop["mug"], 2, "B"), Line(shop["mug"], 9, "A")], **ANA, now=NOW)
    )


def test_a_way_to_ship_or_to_be_served_that_is_none_is_refused(shop):
    refused(ValueError, lambda: check_out(lines=[Line(shop["mug"], 1, "X")], ship="by pigeon", **ANA))
    refused(ValueError, lambda: order(shop["mug"], 1, "X", fill="sometimes"))


NAMES = {
    "place": lambda shop, name: order(shop["mug"], 1, name, **ANA),
    "check_out": lambda shop, name: check_out(lines=[Line(shop["mug"], 1, name)], **ANA),
    "receive": lambda shop, name: receive_delivery(delivery_id=shop["delivery"], reference=name),
    "return": lambda shop, name: return_units(product=shop["mug"], quantity=1, reference=name),
    "write off": lambda shop, name: write_off(product=shop["mug"], quantity=1, reference=name),
    "key": lambda shop, name: check_out(lines=[Line(shop["mug"], 1, "X")], idempotency_key=name, **ANA),
}


@pytest.mark.parametrize("name", ["x" * 201, 7], ids=["too long", "a number"])
@pytest.mark.parametrize("act", NAMES.values(), ids=NAMES)
def test_a_name_that_the_database_could_not_keep_is_refused(shop, act, name):
    refused(InvalidReference, lambda: act(shop, name))


@pytest.mark.parametrize("act", ["place", "check_out"])
def test_an_order_line_without_a_name_is_refused(shop, act):
    refused(InvalidReference, lambda: NAMES[act](shop, ""))


@pytest.mark.parametrize("name", ["Ä" * 101, 17, None])
def test_an_order_whose_name_would_be_cut_off_is_refused_and_mixes_with_no_other(name, now):
    mug = a_mug()
    for place in (
        lambda: order(mug, 1, "a", order_reference=name),
        lambda: check_out(lines=[Line(mug, 1, "a")], email="a@example.com", order_reference=name, now=now),
        lambda: announce(mug, 1, 3, reference=name),
    ):
        with pytest.raises(InvalidReference):
            place()
