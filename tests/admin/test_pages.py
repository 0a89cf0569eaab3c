"""Every page of the back office opens, for everybody who may open it, with a number of queries that does not grow."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backorders.models import (
    Alternative,
    Backorder,
    CategoryTerms,
    Delivery,
    OutgoingMail,
    Restock,
    StockEvent,
    StockItem,
    Subscription,
    Supplier,
    SuppressedAddress,
)
from backorders.queries.waves import pledge_for, seed_of
from backorders.services.backorders import place_backorder
from backorders.services.locks import anchor_of
from backorders.services.outbox import suppress
from backorders.services.supply import expect_delivery, move_delivery, receive_delivery
from backorders.services.terms import set_category_terms, set_selling_policy
from backorders.services.waves import release_waves
from tests.hosts.models import Parcel, Product

pytestmark = pytest.mark.django_db

MODELS = [Alternative, Backorder, Delivery, OutgoingMail, Restock, StockEvent, StockItem, Subscription, Supplier]
MODELS += [SuppressedAddress, CategoryTerms]


HAVE_NO_STATE = [Alternative, CategoryTerms, StockEvent, Supplier, SuppressedAddress]


def list_of(model):
    """The list with everything in it, not only what is open."""
    url = reverse(f"admin:backorders_{model._meta.model_name}_changelist")
    return url if model in HAVE_NO_STATE else f"{url}?show=all"


def page_of(row):
    return reverse(f"admin:backorders_{row._meta.model_name}_change", args=[row.pk])


def fill_shop(count, waiting, day, shop=""):
    """``count`` products, each with a queue, people who wait, deliveries, a restock, mails and an alternative."""
    supplier = Supplier.objects.create(name=f"Potters {shop}")
    other = Product.objects.create(name="Other", stock=9)
    suppress(email_key=f"no{shop}@example.com", reason="bounce", now=timezone.now())
    for n in range(count):
        product = Product.objects.create(name=f"Mug {n}") if n % 2 else Parcel.objects.create(name=f"Box {n}")
        set_selling_policy(product=product, policy="backorder", supplier=supplier)
        set_category_terms(model=Product, category=f"{shop}{n}", safety_stock=0)
        waiting(product, f"w{shop}{n}@example.com")
        place_backorder(product=product, quantity=3, reference=f"A-{shop}{n}", email="b@example.com")
        place_backorder(product=product, quantity=1, reference=f"B-{shop}{n}", email="b@example.com")
        early = expect_delivery(product=product, quantity=4, earliest=day(-3), latest=day(-1), supplier=supplier)
        expect_delivery(product=product, quantity=9, earliest=day(9), latest=day(12))
        StockItem.objects.update(is_watched=True)
        receive_delivery(delivery_id=early.id, quantity=4 + 2, reference=f"r{n}", accept_more=True)
        place_backorder(product=product, quantity=8, reference=f"C-{shop}{n}", email="b@example.com")
        Alternative.objects.create(item=anchor_of(product), substitute=anchor_of(other))
    release_waves()


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_every_page_opens(owner, waiting, day, model):
    fill_shop(2, waiting, day)
    answer = owner.get(list_of(model))
    assert answer.status_code == 200
    assert answer.context["cl"].result_count > 0
    row = model.objects.first()
    assert owner.get(page_of(row)).status_code == 200


def test_a_long_list_costs_as_many_queries_as_a_short_one(owner, waiting, day):
    def queries_of(model):
        owner.get(list_of(model))  # content types are read once a process
        with CaptureQueriesContext(connection) as queries:
            assert owner.get(list_of(model)).status_code == 200
        return len(queries)

    fill_shop(2, waiting, day, shop="one")
    short = {model: queries_of(model) for model in MODELS}
    fill_shop(9, waiting, day, shop="two")
    long = {model: queries_of(model) for model in MODELS}

    assert long == short
    assert max(long.values()) <= 20


@pytest.mark.parametrize("model", MODELS)
def test_somebody_who_may_only_look_sees_no_buttons_and_can_press_none(viewer, waiting, day, model):
    fill_shop(1, waiting, day)
    row = model.objects.first()
    if model is SuppressedAddress:
        assert viewer.get(list_of(model)).status_code == 403
        return
    page = viewer.get(list_of(model))
    assert page.status_code == 200
    assert not page.context["action_form"]
    for action in ("receive", "cancel", "ship", "close", "again", "change_terms", "delete_selected"):
        posted = {"action": action, "_selected_action": [row.pk], "confirmed": "1", "index": "0"}
        assert viewer.post(list_of(model), posted).status_code == 403
    assert viewer.get(page_of(row)).status_code == 200
    assert viewer.post(page_of(row), {"policy": "stop", "quantity": 1, "name": "x"}).status_code == 403


@pytest.mark.parametrize("model", [Backorder, OutgoingMail, Restock, StockEvent, Subscription])
def test_what_services_write_cannot_be_added_edited_or_deleted_by_hand(owner, waiting, day, model):
    fill_shop(1, waiting, day)
    row = model.objects.first()
    name = model._meta.model_name
    assert owner.get(reverse(f"admin:backorders_{name}_add")).status_code == 403
    assert owner.post(page_of(row), {}).status_code == 403
    assert owner.post(reverse(f"admin:backorders_{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_the_page_of_a_restock_shows_the_pledge_of_its_draw_while_it_is_open_and_the_seed_afterwards(
    owner, waiting, day, settings
):
    fill_shop(1, waiting, day)
    row = Restock.objects.get()
    assert pledge_for(row) not in owner.get(page_of(row)).text

    settings.BACKORDERS = {**settings.BACKORDERS, "WAVE_ORDER": "lottery"}
    page = owner.get(page_of(row)).text
    assert (pledge_for(row) in page, seed_of(row) in page) == (True, False)
    Restock.objects.update(closed_at=timezone.now())
    assert seed_of(row) in owner.get(page_of(row)).text


def test_a_stranger_is_sent_to_the_login(client, mug, day):
    delivery = expect_delivery(product=mug, quantity=1, earliest=day(1), latest=day(2))
    url = reverse("admin:backorders_delivery_receive")
    for answer in (client.get(f"{url}?ids={delivery.id}"), client.post(f"{url}?ids={delivery.id}", {"book": "1"})):
        assert (answer.status_code, "/login/" in answer["Location"]) == (302, True)


def queries_of(work):
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def test_looking_at_a_move_costs_as_much_for_a_long_queue_as_for_a_short_one(owner, mug, day):
    set_selling_policy(product=mug, policy="backorder")
    delivery = expect_delivery(product=mug, quantity=200, earliest=day(1), latest=day(2))
    url = reverse("admin:backorders_delivery_move", args=[delivery.pk])
    form = {"earliest_on": day(80), "latest_on": day(90), "reason": "", "look": "1"}
    counts = []
    for names in (range(3), range(3, 60)):
        for n in names:
            place_backorder(product=mug, quantity=1, reference=f"A-{n}", email="b@example.com")
        owner.post(url, form)
        counts.append(queries_of(lambda: owner.post(url, form)))
    assert counts[0] == counts[1]


def test_a_line_with_many_dates_costs_as_much_as_one_with_few(owner, mug, day):
    set_selling_policy(product=mug, policy="backorder")
    line = place_backorder(product=mug, quantity=1, reference="A", email="b@example.com")
    delivery = expect_delivery(product=mug, quantity=9, earliest=day(1), latest=day(2))
    counts = []
    for months in (range(1, 3), range(3, 12)):
        for month in months:
            move_delivery(delivery_id=delivery.id, earliest=day(40 * month), latest=day(40 * month))
        owner.get(page_of(line))
        counts.append(queries_of(lambda: owner.get(page_of(line))))
    assert counts[0] == counts[1]
    assert line.promises.count() > 9
