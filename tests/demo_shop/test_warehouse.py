import datetime as dt

from backorders.models import Delivery
from backorders.queries.availability import availability_of


def happen(client, action, **answers):
    return client.post("/warehouse/KETTLE/", {"action": action, **answers}, follow=True)


def units(variant):
    variant.refresh_from_db()
    return variant.stock


def test_a_truck_fills_the_shelf(client, variant):
    happen(client, "truck", quantity=3)
    assert units(variant) == 3


def test_selling_out_empties_it(client, on_the_shelf):
    kettle = on_the_shelf(4)
    happen(client, "sell_out")
    assert units(kettle) == 0


def test_an_announced_delivery_gives_the_product_a_date(client, variant):
    day = dt.date.today() + dt.timedelta(days=5)
    happen(client, "announce", quantity=20, earliest=day, latest=day)
    assert availability_of(variant).window.latest == day


def test_a_delayed_delivery_comes_a_week_later(client, variant):
    day = dt.date.today() + dt.timedelta(days=5)
    happen(client, "announce", quantity=20, earliest=day, latest=day)
    happen(client, f"delay:{Delivery.objects.get().pk}")
    assert availability_of(variant).window.latest == day + dt.timedelta(days=7)


def test_a_delivery_unloaded_twice_is_refused_in_words(client, variant):
    day = dt.date.today()
    happen(client, "announce", quantity=2, earliest=day, latest=day)
    action = f"truck:{Delivery.objects.get().pk}"
    happen(client, action, quantity=2)
    assert "already received" in happen(client, action, quantity=2).content.decode()
    assert units(variant) == 2


def test_a_window_that_ends_before_it_begins_is_refused(client, variant):
    happen(client, "announce", quantity=2, earliest="2026-05-02", latest="2026-05-01")
    assert Delivery.objects.count() == 0


def test_what_is_discontinued_is_said_to_be(client, variant):
    happen(client, "discontinue")
    assert availability_of(variant).state == "discontinued"


def test_an_unknown_button_does_nothing(client, variant):
    assert happen(client, "burn_it_down").status_code == 200
