"""Counters that drifted are found, told and set right from the rows they sum up."""

import pytest
from django.core.management import call_command

from backorders.models import Backorder, StockItem
from backorders.queries.availability import availability_of
from backorders.services.repair import repair_counters
from tests.hosts.models import Inventory, Warehoused
from tests.stories import DAY, TODAY, a_mug, announce, arrive, given, line, order

pytestmark = pytest.mark.django_db


@pytest.fixture
def mug(now):
    product = a_mug()
    announce(product, 4, 5)
    for name in "ABC":
        order(product, 2, name)
    arrive(product, 3, now=now)
    return product


DRIFTS = {
    "queued_units": 99,
    "held_units": 2,
    "pinned_units": 1,
    "inbound_units": 7,
    "next_latest": TODAY + 90 * DAY,
    "next_units": 50,
}


def test_a_shop_in_order_has_nothing_to_repair(mug, now):
    assert list(repair_counters(now=now)) == []


@pytest.mark.parametrize(("field", "value"), DRIFTS.items())
def test_a_counter_of_an_item_that_drifted_is_told_and_set_right(mug, field, value, now):
    right = StockItem.objects.values_list(field, flat=True).get()
    StockItem.objects.update(**{field: value})
    told = list(repair_counters(dry_run=True, now=now))
    assert [(drift.field, drift.stored, drift.computed) for drift in told] == [(field, value, right)]
    assert StockItem.objects.values_list(field, flat=True).get() == value  # only told

    assert list(repair_counters(now=now)) == told
    assert StockItem.objects.values_list(field, flat=True).get() == right
    assert list(repair_counters(now=now)) == []


def test_a_line_that_says_other_than_its_ledger_is_set_right_with_its_item(mug, now):
    Backorder.objects.filter(reference="B").update(allocated_quantity=0)
    told = list(repair_counters(now=now))

    assert [(drift.backorder_id, drift.field, drift.computed) for drift in told] == [
        (line("B").id, "allocated_quantity", 1)
    ]
    assert given("A", "B", "C") == [2, 1, 0]
    assert list(repair_counters(now=now)) == []


def test_a_line_in_the_wrong_state_is_put_back_into_the_queue(mug, now):
    Backorder.objects.filter(reference="B").update(state="filled")
    list(repair_counters(now=now))

    assert line("B").state == "waiting"


def test_a_changed_head_start_moves_every_line_to_its_new_place(mug, now, settings):
    order(mug, 1, "vip", priority=-1)
    settings.BACKORDERS = {**settings.BACKORDERS, "PRIORITY_LEAP": None}
    told = {drift.field for drift in repair_counters(now=now)}

    assert told == {"rank_class", "rank_at"}
    assert [one.reference for one in Backorder.objects.waiting().in_line()] == ["vip", "B", "C"]


def test_units_held_where_the_shop_books_itself_are_counted_from_the_lines(now):
    from backorders.services.stock import stock_changed
    from backorders.services.terms import set_selling_policy

    crate = Warehoused.objects.create(name="crate")
    Inventory.objects.create(product=crate, quantity=0)
    set_selling_policy(product=crate, policy="backorder")
    order(crate, 2, "A")
    Inventory.objects.update(quantity=5)
    stock_changed(crate, now=now)
    StockItem.objects.update(held_units=0)
    list(repair_counters(now=now))

    assert availability_of(crate, now).for_sale.value == 3


def test_dates_that_rested_on_a_wrong_counter_are_looked_after(mug, now):
    Backorder.objects.filter(reference="B").update(allocated_quantity=2, state="filled")
    StockItem.objects.update(queued_units=2)
    order(mug, 2, "D")
    assert line("D").promise.is_known

    list(repair_counters(now=now))
    assert not line("D").promise.is_known


def test_the_command_tells_each_drift(mug, capsys):
    StockItem.objects.update(queued_units=99)
    call_command("backorders_repair", "--dry-run")

    assert "queued_units was 99, the rows say 3" in capsys.readouterr().out
