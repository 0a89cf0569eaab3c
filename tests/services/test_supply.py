"""Deliveries: announced, moved, received once, cancelled."""

import datetime as dt

import pytest

from backorders.errors import (
    DeliveryClosed,
    InvalidQuantity,
    InvalidWindow,
    NotEnoughLeft,
    OverReceipt,
    ReferenceTaken,
)
from backorders.models import Delivery, DeliveryRevision, StockEvent
from backorders.services import supply
from backorders.services.locks import anchor_of
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
from tests.factories import ProductFactory
from tests.hosts.models import Product, Warehoused
from tests.stories import a_mug, announce, line, order

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def delivery(now):
    today = now.date()
    return expect_delivery(product=ProductFactory(stock=1), quantity=5, earliest=today, latest=today + DAY, now=now)


def test_what_arrives_is_booked_onto_the_shops_shelf(delivery, now):
    receive_delivery(delivery_id=delivery.id, now=now)

    assert Product.objects.get().stock == 6
    assert Delivery.objects.get().state == "received"


def test_a_part_leaves_the_rest_expected(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    delivery.refresh_from_db()

    assert (delivery.state, delivery.outstanding, anchor_of(Product.objects.get()).inbound_units) == ("expected", 3, 3)


def test_a_receipt_posted_twice_counts_once(delivery, now):
    first = receive_delivery(delivery_id=delivery.id, quantity=2, reference="GR-7", now=now)
    again = receive_delivery(delivery_id=delivery.id, quantity=2, reference="GR-7", now=now)

    assert (first.was_repeated, again.was_repeated) == (False, True)
    assert Product.objects.get().stock == 3


def test_a_late_replay_of_the_last_receipt_is_still_no_error(delivery, now):
    receive_delivery(delivery_id=delivery.id, reference="GR-7", now=now)

    assert receive_delivery(delivery_id=delivery.id, reference="GR-7", now=now).was_repeated


def test_more_than_was_expected_is_refused_until_somebody_says_it_is_right(delivery, now):
    with pytest.raises(OverReceipt, match=r"8 units .* 5 were expected.*accept_more") as refused:
        receive_delivery(delivery_id=delivery.id, quantity=8, now=now)
    assert (refused.value.expected, Product.objects.get().stock, StockEvent.objects.count()) == (5, 1, 0)

    receive_delivery(delivery_id=delivery.id, quantity=8, accept_more=True, now=now)
    assert (Product.objects.get().stock, Delivery.objects.get().state) == (9, "received")


def test_a_closed_delivery_is_refused(delivery, now):
    receive_delivery(delivery_id=delivery.id, now=now)
    for act in (receive_delivery, cancel_delivery):
        with pytest.raises(DeliveryClosed, match="already received"):
            act(delivery_id=delivery.id, now=now)


def test_a_moved_date_keeps_the_old_one_on_record(delivery, now):
    later = delivery.latest_on + 7 * DAY
    move_delivery(delivery_id=delivery.id, earliest=later, latest=later, reason="strike", now=now)
    move_delivery(delivery_id=delivery.id, earliest=later, latest=later, now=now)
    revision = DeliveryRevision.objects.get()

    assert (revision.from_latest, revision.to_latest, revision.reason) == (delivery.latest_on, later, "strike")
    assert anchor_of(Product.objects.get()).next_latest == later


def test_a_cancelled_delivery_promises_nothing(delivery, now):
    cancel_delivery(delivery_id=delivery.id, now=now)

    assert anchor_of(Product.objects.get()).next_latest is None


@pytest.mark.parametrize("quantity", [0, -5, 1.5, 2**63])
def test_impossible_quantities_are_refused(delivery, quantity, now):
    with pytest.raises(InvalidQuantity):
        receive_delivery(delivery_id=delivery.id, quantity=quantity, now=now)
    assert StockEvent.objects.count() == 0


def test_a_window_that_ends_before_it_starts_is_refused(now):
    with pytest.raises(InvalidWindow):
        expect_delivery(product=ProductFactory(), quantity=1, earliest=now.date(), latest=now.date() - DAY, now=now)
    assert Delivery.objects.count() == 0


def test_a_shop_that_books_its_own_stock_is_not_written_to(now):
    crate = Warehoused.objects.create(name="crate")
    delivery = expect_delivery(product=crate, quantity=5, earliest=now.date(), latest=now.date(), now=now)
    arrival = receive_delivery(delivery_id=delivery.id, now=now)

    assert (arrival.units, arrival.settled.for_sale) == (5, 0)


# the rest of a delivery's life


def test_a_part_of_a_delivery_comes_later_as_one_of_its_own(delivery, now):
    later = split_delivery(
        delivery_id=delivery.id,
        quantity=2,
        earliest=delivery.latest_on + DAY,
        latest=delivery.latest_on + 9 * DAY,
        now=now,
    )
    delivery.refresh_from_db()

    assert (delivery.quantity, later.quantity, later.supplier, later.confidence) == (3, 2, None, delivery.confidence)
    assert anchor_of(Product.objects.get()).inbound_units == 5
    assert [revision.kind for revision in DeliveryRevision.objects.all()] == ["split"]


def test_nothing_is_split_off_that_leaves_nothing(delivery, now):
    days = {"earliest": delivery.latest_on, "latest": delivery.latest_on}
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    with pytest.raises(InvalidQuantity):
        split_delivery(delivery_id=delivery.id, quantity=3, **days, now=now)
    assert Delivery.objects.count() == 1


def test_a_delivery_is_never_smaller_than_what_came_of_it(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    with pytest.raises(InvalidQuantity):
        resize_delivery(delivery_id=delivery.id, quantity=2, now=now)

    assert resize_delivery(delivery_id=delivery.id, quantity=3, now=now).outstanding == 1
    assert [(r.from_quantity, r.to_quantity) for r in DeliveryRevision.objects.all()] == [(5, 3)]


def test_the_rest_of_a_delivery_that_does_not_come_is_on_its_way_no_more(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    cancel_delivery(delivery_id=delivery.id, now=now)
    delivery.refresh_from_db()

    assert (delivery.state, delivery.received_quantity, delivery.outstanding) == ("cancelled", 2, 0)
    assert anchor_of(Product.objects.get()).inbound_units == 0


def test_a_receipt_in_three_parts_and_one_taken_back(delivery, now):
    for name, units in (("GR-1", 2), ("GR-2", 2), ("GR-3", 1)):
        receive_delivery(delivery_id=delivery.id, quantity=units, reference=name, now=now)
    undo_receipt(delivery_id=delivery.id, reference="GR-2", now=now)
    delivery.refresh_from_db()

    assert (delivery.state, delivery.outstanding, Product.objects.get().stock) == ("expected", 2, 4)
    assert receive_delivery(delivery_id=delivery.id, now=now).units == 2


def test_more_than_was_received_cannot_be_taken_back(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    with pytest.raises(NotEnoughLeft) as refusal:
        undo_receipt(delivery_id=delivery.id, quantity=3, now=now)
    assert refusal.value.possible == 2
    assert Product.objects.get().stock == 3


def test_a_receipt_whose_goods_were_sold_cannot_be_taken_back(delivery, now):
    receive_delivery(delivery_id=delivery.id, now=now)
    Product.objects.update(stock=1)
    with pytest.raises(NotEnoughLeft) as refusal:
        undo_receipt(delivery_id=delivery.id, now=now)

    assert (refusal.value.asked, refusal.value.possible) == (5, 1)
    assert StockEvent.objects.filter(kind="undone").count() == 0


def test_looking_at_all_forecasts_again_says_how_many_changed(delivery, now):
    assert refresh_forecasts(now=now) == 0
    assert refresh_forecasts(now=now + 9 * DAY) == 1
    assert refresh_forecasts(now=now + 10 * DAY) == 0


def test_a_forecast_run_goes_on_after_an_item_that_cannot_be_looked_after(now, monkeypatch, caplog):
    mugs, look_after = ProductFactory.create_batch(3, stock=0), supply._look_after
    days = {"earliest": now.date(), "latest": now.date() + DAY}
    broken, *others = [expect_delivery(product=mug, quantity=1, **days, now=now) for mug in mugs]

    def stumble(item_id, now):
        if item_id == broken.item_id:
            raise RuntimeError("a calendar that cannot be read")
        look_after(item_id, now)

    monkeypatch.setattr(supply, "_look_after", stumble)
    refresh_forecasts(now=now + 9 * DAY)

    moved = Delivery.objects.exclude(forecast_latest_on=broken.forecast_latest_on)
    assert set(moved.values_list("id", flat=True)) == {other.id for other in others}
    assert f"stock item {broken.item_id}" in caplog.text


# receipts that were wrong


def test_a_receipt_of_a_cancelled_delivery_taken_back_does_not_revive_it(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    cancelled = cancel_delivery(delivery_id=delivery.id, now=now + DAY)
    undo_receipt(delivery_id=delivery.id, now=now + 2 * DAY)
    delivery.refresh_from_db()

    assert (delivery.state, delivery.received_quantity, delivery.outstanding) == ("cancelled", 0, 0)
    assert (delivery.closed_at, delivery.judged_latest_on) == (now + DAY, cancelled.judged_latest_on)
    assert anchor_of(Product.objects.get()).inbound_units == 0


def test_a_receipt_taken_back_is_booked_again_as_it_should_have_been(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=4, reference="G1", now=now)
    undo_receipt(delivery_id=delivery.id, reference="G1", now=now)
    corrected = receive_delivery(delivery_id=delivery.id, quantity=3, reference="G1", now=now)

    assert (corrected.units, corrected.was_repeated, Product.objects.get().stock) == (3, False, 4)
    assert receive_delivery(delivery_id=delivery.id, quantity=3, reference="G1", now=now).was_repeated


def test_a_corrected_receipt_is_taken_back_by_the_same_name_and_once(delivery, now):
    for units in (4, 3):
        receive_delivery(delivery_id=delivery.id, quantity=units, reference="G1", now=now)
        undone = [undo_receipt(delivery_id=delivery.id, reference="G1", now=now) for _ in range(2)]
        assert [(arrival.units, arrival.was_repeated) for arrival in undone] == [(-units, False), (0, True)]
    assert Product.objects.get().stock == 1


def test_the_longest_name_of_a_receipt_is_free_again_too(delivery, now):
    name = "G" * 120
    for _ in range(2):
        assert receive_delivery(delivery_id=delivery.id, reference=name, now=now).units == 5
        assert undo_receipt(delivery_id=delivery.id, reference=name, now=now).units == -5

    assert undo_receipt(delivery_id=delivery.id, reference=name, now=now).was_repeated
    assert Product.objects.get().stock == 1


def test_a_receipt_taken_back_in_part_keeps_its_name(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=4, reference="G1", now=now)
    undo_receipt(delivery_id=delivery.id, reference="G1", quantity=1, now=now)

    assert receive_delivery(delivery_id=delivery.id, quantity=4, reference="G1", now=now).was_repeated
    assert Product.objects.get().stock == 4


@pytest.mark.parametrize("quantity", [0, -5, 1.5])
def test_an_impossible_quantity_is_refused_also_under_a_known_reference(delivery, quantity, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, reference="G1", now=now)
    with pytest.raises(InvalidQuantity):
        receive_delivery(delivery_id=delivery.id, quantity=quantity, reference="G1", now=now)


def test_a_known_reference_with_another_quantity_is_no_repetition(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, reference="G1", now=now)
    with pytest.raises(ReferenceTaken, match="'G1' .* booked with 2 units, not 3") as refusal:
        receive_delivery(delivery_id=delivery.id, quantity=3, reference="G1", now=now)

    assert (refusal.value.reference, Product.objects.get().stock) == ("G1", 3)


def test_the_mark_of_a_receipt_taken_back_is_no_name_for_another(delivery, now):
    receive_delivery(delivery_id=delivery.id, quantity=2, now=now)
    undo_receipt(delivery_id=delivery.id, now=now)
    mark = StockEvent.objects.get(kind="undone").reference
    with pytest.raises(ReferenceTaken):
        receive_delivery(delivery_id=delivery.id, quantity=2, reference=mark, now=now)


def test_a_smaller_delivery_frees_its_lines_from_the_end(now):
    mug = a_mug()
    delivery = announce(mug, 9, 5)
    for name, units in (("A", 2), ("B", 5), ("C", 1), ("D", 1)):
        order(mug, units, name, pinned_to=delivery.id)
    resize_delivery(delivery_id=delivery.id, quantity=6, now=now)

    assert [line(name).pinned_to for name in "ABCD"] == [delivery, None, None, None]
