"""An order that ships as a whole: nothing leaves before all of it is here, and its customer is told once."""

import pytest

from backorders.errors import NotShippable
from backorders.models import Backorder, OutgoingMail
from backorders.queries.backorders import order_window, places_of_order
from backorders.services.backorders import cancel_backorder, ship_backorder, tell_whole_orders
from backorders.services.checkout import Line, check_out
from backorders.services.stock import write_off
from tests.stories import DAY, TODAY, a_mug, announce, arrive, given, line, order

pytestmark = pytest.mark.django_db


@pytest.fixture
def cup():
    return a_mug(stock=1)


@pytest.fixture
def pot():
    return a_mug()


@pytest.fixture
def together(cup, pot, now):
    lines = [Line(cup, 2, "A-1"), Line(pot, 1, "A-2")]
    return check_out(lines=lines, email="a@example.com", ship="together", order_reference="A", now=now)


def mails():
    return OutgoingMail.objects.filter(kind="backorder_filled")


def test_the_last_line_that_is_filled_tells_the_customer_once(together, cup, pot, now):
    arrive(cup, 1, now=now)
    assert (tell_whole_orders(now=now), mails().count()) == (0, 0)

    arrive(pot, 1, now=now)
    assert [tell_whole_orders(now=now), tell_whole_orders(now=now)] == [1, 0]
    assert mails().count() == 1


def test_its_units_are_kept_while_it_waits_for_the_others(together, cup, now):
    order(cup, 1, "B")
    arrive(cup, 1, now=now)

    assert given("A-1", "B") == [1, 0]


def test_no_line_leaves_before_all_are_here(together, cup, pot, now):
    arrive(cup, 1, now=now)
    with pytest.raises(NotShippable, match="ships as a whole") as refusal:
        ship_backorder(backorder_id=line("A-1").id, now=now)
    assert refusal.value.waits_for_order

    arrive(pot, 1, now=now)
    assert {ship_backorder(backorder_id=line(name).id, now=now).state for name in ("A-1", "A-2")} == {"shipped"}


def test_who_gives_up_what_is_missing_is_told_that_the_rest_is_ready(together, cup, now):
    arrive(cup, 1, now=now)
    cancel_backorder(backorder_id=line("A-2").id, now=now)

    assert (tell_whole_orders(now=now), mails().count()) == (1, 1)


def test_who_was_told_too_early_is_told_again(together, cup, pot, now):
    arrive(cup, 1, now=now)
    arrive(pot, 1, now=now)
    tell_whole_orders(now=now)
    write_off(product=pot, quantity=1, now=now)
    with pytest.raises(NotShippable):
        ship_backorder(backorder_id=line("A-1").id, now=now)

    arrive(pot, 1, now=now)
    assert tell_whole_orders(now=now) == 1
    assert sorted(mails().values_list("state", flat=True))[-1] == "queued"


def test_the_order_is_promised_for_the_day_of_its_last_line(together, cup, pot, now):
    announce(cup, 1, 3)
    announce(pot, 1, 9)

    assert order_window(places_of_order("A", now)).latest == TODAY + 9 * DAY


def test_two_orders_of_one_customer_do_not_wait_for_each_other(pot, cup, now):
    for product, name in ((cup, "A"), (pot, "B")):
        check_out(lines=[Line(product, 2, name)], email="a@example.com", ship="together", now=now)
    arrive(cup, 1, now=now)

    assert tell_whole_orders(now=now) == 1
    assert Backorder.objects.values("order_reference").distinct().count() == 2


def test_lines_without_an_order_stand_for_themselves(pot, cup, now):
    order(cup, 2, "A", fill="whole_order", email="a@example.com")
    order(pot, 1, "B", email="a@example.com")
    arrive(cup, 1, now=now)

    assert tell_whole_orders(now=now) == 1
    assert ship_backorder(backorder_id=line("A").id, now=now).state == "shipped"


def test_another_customer_with_the_same_order_name_is_another_order(pot, cup, now):
    order(cup, 1, "A", fill="whole_order", order_reference="7", email="a@example.com")
    order(pot, 1, "B", fill="whole_order", order_reference="7", email="b@example.com")

    assert (given("A"), tell_whole_orders(now=now)) == ([0], 0)
    arrive(cup, 1, now=now)
    assert tell_whole_orders(now=now) == 1
