import re

import pytest

from backorders.models import Delivery
from backorders.queries.availability import availability_of
from backorders.testing import run_jobs, somebody_waiting_for
from tests.demo_shop.conftest import by, in_days, look_at, order, read, to_come


def happen(client, action, **answers):
    return client.post("/warehouse/KETTLE/", {"action": action, **answers}, follow=True)


def to_the_delivery(client, action, **answers):
    return happen(client, f"{action}:{Delivery.objects.open().get().pk}", **answers)


def units(variant):
    variant.refresh_from_db()
    return variant.stock


def announce(client, quantity, first, last):
    return happen(client, "announce", quantity=quantity, earliest=in_days(first), latest=in_days(last))


def what_if(client, quantity):
    page = client.get("/warehouse/KETTLE/", {"quantity": quantity})
    return page.context["what_if"]


@pytest.fixture
def queue(client, backordered):
    """Ann waits for one kettle, Ben for two, Cy for three."""
    return [
        order(client, (backordered, units), email=f"{who}@example.com")
        for who, units in (("ann", 3), ("ben", 2), ("cy", 3))
    ]


def test_a_truck_fills_the_shelf(client, variant):
    happen(client, "truck", quantity=3)
    assert units(variant) == 3


def test_selling_out_empties_it(client, on_the_shelf):
    kettle = on_the_shelf(4)
    happen(client, "sell_out")
    assert units(kettle) == 0


def test_an_announced_delivery_gives_the_product_a_date(client, variant):
    announce(client, 20, 5, 5)
    assert availability_of(variant).window.latest == in_days(5)


def test_a_window_that_ends_before_it_begins_is_refused(client, variant):
    announce(client, 2, 5, 4)
    assert Delivery.objects.count() == 0


def test_what_is_discontinued_is_said_to_be(client, variant):
    happen(client, "discontinue")
    assert availability_of(variant).state == "discontinued"


@pytest.mark.parametrize("action", ["burn_it_down", "", "delay", "truck:1", "delay:", "delay:x", "lose:999"])
def test_an_unknown_button_does_nothing(client, variant, action):
    answer = happen(client, action, quantity=1, days=1)
    assert answer.status_code in (200, 404)
    assert Delivery.objects.count() == 0


def test_the_delivery_of_another_shelf_is_not_found(client, variant, mug):
    delivery = to_come(mug, 5, days=3)
    assert happen(client, f"lose:{delivery.pk}").status_code == 404


# deliveries go wrong


def test_a_delay_says_whose_date_moved_and_to_when(client, queue):
    page = read(to_the_delivery(client, "delay", days=7, reason="Storm"))
    told = re.findall(r"(\w+)@example\.com is promised another date: (by \w+ \d+(?:, \d{4})?)", page)
    assert told == [("ann", by(14)), ("ben", by(14)), ("cy", by(14))]
    assert "Storm" in read(look_at(client, queue[2]))


def test_a_smaller_delivery_takes_the_date_from_the_end_of_the_line(client, queue):
    page = read(to_the_delivery(client, "shrink", quantity=3, reason="The maker sends fewer"))
    assert re.findall(r"(\w+)@example\.com is promised another date: no date yet", page) == ["cy"]


def test_a_delivery_in_two_parts_moves_those_who_wait_for_the_second(client, queue):
    page = read(to_the_delivery(client, "split", quantity=7, earliest=in_days(12), latest=in_days(12)))
    assert re.findall(r"(\w+)@example\.com is promised another date", page) == ["cy"]
    assert f"Ships {by(7)}" in read(look_at(client, queue[1]))
    assert f"Ships {by(12)}" in read(look_at(client, queue[2]))


def test_a_lost_delivery_leaves_nobody_a_date(client, queue):
    page = read(to_the_delivery(client, "lose", reason="Lost at sea"))
    assert page.count("is promised another date: no date yet") == 3


def test_a_delivery_unloaded_twice_is_refused_in_words(client, variant):
    announce(client, 2, 0, 0)
    action = f"arrives:{Delivery.objects.get().pk}"
    happen(client, action, quantity=2)
    assert "already received" in happen(client, action, quantity=2).content.decode()
    assert units(variant) == 2


def test_an_impossible_split_is_refused_in_words(client, queue):
    page = to_the_delivery(client, "split", quantity=10, earliest=in_days(12), latest=in_days(12))
    assert "is no quantity" in read(page)


# goods come, go and come back


def test_a_receipt_says_who_got_what_and_can_be_undone(client, backordered, queue):
    page = read(to_the_delivery(client, "arrives", quantity=4))
    assert re.findall(r"(\w+)@example\.com gets (\d)", page) == [("ann", "1"), ("ben", "2"), ("cy", "1")]
    page = read(to_the_delivery(client, "undo", reason="Counted wrongly"))
    assert sorted(re.findall(r"(\w+)@example\.com gives (\d) back", page)) == [("ann", "1"), ("ben", "2"), ("cy", "1")]
    assert "4 units are expected again" in page
    assert "Place in line: 1" in read(look_at(client, queue[0]))


def test_only_the_last_receipt_is_offered_and_only_once(client, queue):
    assert "Undo the last receipt" not in read(client.get("/warehouse/KETTLE/"))
    assert "Undo the last receipt (4)" in read(to_the_delivery(client, "arrives", quantity=4))
    assert "Undo the last receipt" not in read(to_the_delivery(client, "undo"))


def test_broken_units_are_written_off_the_shelf(client, on_the_shelf):
    kettle = on_the_shelf(5)
    happen(client, "write_off", quantity=2, reason="Broken in the warehouse")
    assert units(kettle) == 3


def test_more_than_there_is_cannot_break(client, on_the_shelf):
    kettle = on_the_shelf(1)
    assert "only 1 are still in the house" in read(happen(client, "write_off", quantity=2))
    assert units(kettle) == 1


def test_what_a_customer_sends_back_goes_to_the_queue_first(client, backordered, queue):
    page = read(happen(client, "return", quantity=2, reason="A customer sent it back"))
    assert re.findall(r"(\w+)@example\.com gets (\d)", page) == [("ann", "1"), ("ben", "1")]
    assert units(backordered) == 0


# what would happen


def test_the_warehouse_says_what_an_arrival_would_lead_to(client, backordered, queue):
    for number in range(4):
        somebody_waiting_for(backordered, email=f"reader{number}@example.com")
    assert what_if(client, 2) == "If 2 arrive: 2 lines get units · 1 order is complete · 0 people are told · 0 for sale"
    assert (
        what_if(client, 8)
        == "If 8 arrive: 3 lines get units · 3 orders are complete · 4 people are told in 3 waves · 2 for sale"
    )


def test_asking_changes_nothing(client, backordered, queue):
    what_if(client, 8)
    assert units(backordered) == 0
    assert "3 are still to come" in read(look_at(client, queue[2]))


def test_exactly_what_was_said_happens(client, backordered, queue, mailoutbox):
    for number in range(2):
        somebody_waiting_for(backordered, email=f"reader{number}@example.com")
    told = what_if(client, 8)
    page = read(to_the_delivery(client, "arrives", quantity=8))
    run_jobs()
    back = [mail for mail in mailoutbox if mail.to[0].startswith("reader")]
    said = [int(number) for number in re.findall(r"\d+", told)]
    complete = sum("Place in line" not in read(look_at(client, placed)) for placed in queue)
    assert said == [8, page.count(" gets "), complete, len(back), 1, units(backordered)]


@pytest.mark.parametrize("quantity", ["", "x", "-1", "0", "99999999999"])
def test_a_strange_question_is_answered_for_three(client, variant, quantity):
    assert what_if(client, quantity).startswith("If 3 arrive")
