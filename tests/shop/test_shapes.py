"""Real shops keep products and stock in many shapes. Each is read, watched, sold and described."""

import datetime as dt
import uuid

import pytest

from backorders.domain.availability import State
from backorders.domain.units import UNLIMITED, Units
from backorders.errors import NotSellable
from backorders.models import StockItem
from backorders.queries.availability import availability_for, availability_of
from backorders.services.checkout import Line, check_out
from backorders.services.stock import set_on_hand
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.shop import sellables
from tests.factories import told, waiting_for
from tests.hosts import models as hosts
from tests.hosts.late.models import Lamp

pytestmark = pytest.mark.django_db


def product(units):
    return hosts.Product.objects.create(name="mug", stock=units)


def parcel(units):
    return hosts.Parcel.objects.create(name="parcel", units=units)


def bicycle(units):
    return hosts.Bicycle.objects.create(name="bike", stock=units)


def proxy(units):
    return hosts.ProductProxy.objects.create(name="mug", stock=units)


def lamp(units):
    return Lamp.objects.create(name="lamp", count=units)


def warehoused(units):
    made = hosts.Warehoused.objects.create(name="crate")
    hosts.Inventory.objects.create(product=made, quantity=units + 2, reserved=2)
    return made


def download(units):
    return hosts.Download.objects.create(name="download", stock=units)


def cloth(units):
    return hosts.Cloth.objects.create(name="cloth", metres=units + 0.7 if units else 0.0)


def kept(units):
    return hosts.Kept.objects.create(name="kept", stock=units)


def poster(units):
    made = hosts.Poster.objects.create(name="poster")
    set_on_hand(product=made, quantity=units)
    return made


def api_only(units):
    return hosts.ApiOnly.objects.create(name="api", slug="a b/c", stock=units)


def custom(units):
    return hosts.Custom.objects.create(name="custom", boxes=units, per_box=1)


SHAPES = [product, parcel, bicycle, proxy, lamp, warehoused, download, cloth, kept, poster, api_only, custom]


def refill(thing, units):
    """The shop's own code writes the number, past Django's signals."""
    match thing:
        case hosts.Parcel():
            hosts.Parcel.objects.filter(pk=thing.pk).update(units=units)
        case hosts.Warehoused():
            hosts.Inventory.objects.filter(product=thing).update(quantity=units + 2)
        case Lamp():
            Lamp.objects.filter(pk=thing.pk).update(count=units)
        case hosts.Cloth():
            hosts.Cloth.objects.filter(pk=thing.pk).update(metres=units + 0.5)
        case hosts.Custom():
            hosts.Custom.objects.filter(pk=thing.pk).update(boxes=units)
        case hosts.Poster():
            StockItem.objects.update(own_quantity=units)
        case _:
            type(thing).objects.filter(pk=thing.pk).update(stock=units)


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_the_shelf_is_read(make):
    thing = make(5)

    assert availability_of(thing).for_sale == Units(5)
    assert availability_for([thing])[thing].state is State.IN_STOCK


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_an_empty_shelf_is_seen_filling_and_the_first_in_line_are_told(make, worker, outbox, now):
    thing = make(0)
    three = waiting_for(thing, 3)
    refill(thing, 2)
    worker(now)

    assert told(three) == [row.email for row in three[:2]]
    assert len(outbox) == 2


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_a_delivery_serves_the_queue_before_it_is_for_sale(make, now):
    from backorders.services.backorders import place_backorder
    from backorders.services.terms import set_selling_policy

    thing = make(0)
    set_selling_policy(product=thing, policy="backorder")
    backorder = place_backorder(product=thing, quantity=2, reference="A-1", email="a@example.com", now=now)
    delivery = expect_delivery(product=thing, quantity=5, earliest=now.date(), latest=now.date(), now=now)
    arrival = receive_delivery(delivery_id=delivery.id, now=now)
    if not sellables.identify(thing).adapter.can_move_stock() and not isinstance(thing, hosts.Poster):
        refill(thing, 5)  # this shop books its own goods in
        from backorders.services.stock import stock_changed

        assert stock_changed(thing, now=now).allocated == 2
    else:
        assert arrival.settled.allocated == 2

    backorder.refresh_from_db()
    assert backorder.state == "filled"
    assert availability_of(thing, now).for_sale == Units(3)


@pytest.mark.parametrize("make", [product, parcel, bicycle, proxy, lamp, download, cloth, kept, poster, api_only])
def test_an_order_takes_its_units_off_the_shelf(make, now):
    thing = make(5)
    [placed] = check_out(lines=[Line(thing, 2, "A-1")], email="a@example.com", now=now)

    assert (placed.on_hand, placed.backordered) == (2, 0)
    assert availability_of(thing, now).for_sale == Units(3)


def test_a_product_that_is_not_counted_is_always_there():
    thing = download(None)

    assert availability_of(thing).for_sale == UNLIMITED
    assert availability_of(thing).state is State.IN_STOCK


def test_a_product_without_any_number_is_not_counted_until_one_is_set():
    thing = hosts.Poster.objects.create(name="poster")

    assert availability_of(thing).for_sale == UNLIMITED
    set_on_hand(product=thing, quantity=0)
    assert availability_of(thing).state is State.OUT_OF_STOCK


def test_a_missing_related_row_is_an_empty_shelf():
    assert availability_of(hosts.Warehoused.objects.create(name="crate")).state is State.OUT_OF_STOCK


def test_a_softly_deleted_product_is_told_to_nobody(worker, outbox, now):
    thing = kept(0)
    waiting_for(thing)
    hosts.Kept.objects.update(stock=3, deleted_at=now)
    worker(now)

    assert outbox == []


def test_two_sellable_models_with_the_same_key_are_two_items(now):
    mug = product(0)
    light = Lamp.objects.create(pk=mug.pk, name="lamp", count=7)
    answers = availability_for([mug, light], now)

    assert (answers[mug].state, answers[light].state) == (State.OUT_OF_STOCK, State.IN_STOCK)


def test_a_proxy_and_its_model_share_one_anchor(now):
    thing = product(0)
    waiting_for(thing)
    waiting_for(hosts.ProductProxy.objects.get(pk=thing.pk))

    assert StockItem.objects.count() == 1


def test_an_api_only_shop_links_to_its_front_end():
    thing = api_only(1)
    adapter = sellables.identify(thing).adapter

    assert adapter.describe([thing.pk])[thing.pk].url == "https://front.example/p/a%20b%2Fc"


def test_a_product_never_touched_needs_no_row():
    availability_for([product(1), parcel(0)])

    assert StockItem.objects.count() == 0


@pytest.mark.parametrize(
    "reference",
    [
        "hosts.product:999999",
        "hosts.product:abc",
        "hosts.parcel:no-uuid",
        "hosts.product",
        "auth.user:1",
        "",
        ":",
        "hosts.product:" + "9" * 80,
        "hosts.product:1\x00",
    ],
)
def test_an_unknown_or_mutilated_reference_finds_nothing(reference):
    with pytest.raises(NotSellable):
        sellables.find(reference)


def test_a_hidden_product_is_not_found():
    thing = hosts.Product.objects.create(name="secret", is_visible=False)

    with pytest.raises(NotSellable):
        sellables.find(f"hosts.product:{thing.pk}")


def test_a_uuid_is_found_by_its_text():
    thing = parcel(1)

    assert sellables.find(f"hosts.Parcel:{thing.code}") == thing
    assert sellables.find(f"hosts.Parcel:{uuid.UUID(str(thing.code)).hex}") == thing


def test_a_model_that_is_not_sellable_is_refused_with_the_list_of_those_that_are():
    with pytest.raises(NotSellable, match=r"hosts\.product"):
        availability_of(hosts.Vehicle.objects.create(name="van"))


def test_an_oversold_shop_is_an_empty_shelf_never_pushed_further_down(now):
    thing = kept(-3)

    assert availability_of(thing).state is State.OUT_OF_STOCK
    with pytest.raises(Exception, match="out of stock"):
        check_out(lines=[Line(thing, 1, "A")], email="a@example.com", now=now + dt.timedelta(0))
    assert hosts.Kept.objects.get().stock == -3
