"""Seeing stock change, whoever writes it and however."""

import datetime as dt
import io

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from backorders.errors import InvalidPolicy, InvalidQuantity, StockUnreadable
from backorders.models import OutgoingMail, Restock, StockEvent, StockItem
from backorders.services.locks import anchor_of
from backorders.services.stock import set_on_hand, stock_changed, sweep_stock
from backorders.services.terms import set_selling_policy
from tests.factories import ProductFactory, SubscriptionFactory, waiting_for
from tests.hosts.models import Cloth, Imported, Kept, Poster, Product, ProductProxy

pytestmark = pytest.mark.django_db


def by_save(product):
    product.stock = 5
    product.save()


def by_save_of_one_field(product):
    product.stock = 5
    product.save(update_fields=["stock"])


def by_save_of_an_expression(product):
    product.stock = F("stock") + 5
    product.save()


def by_update(product):
    Product.objects.filter(pk=product.pk).update(stock=F("stock") + 5)


def by_bulk_update(product):
    product.stock = 5
    Product.objects.bulk_update([product], ["stock"])


def by_upsert(product):
    row = Product(pk=product.pk, name=product.name, stock=5)
    Product.objects.bulk_create([row], update_conflicts=True, unique_fields=["id"], update_fields=["stock"])


def by_sql(product):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE hosts_product SET stock = 5 WHERE id = %s", [product.pk])


def by_fixture(product):
    product.stock = 5
    for row in serializers.deserialize("json", serializers.serialize("json", [product])):
        row.save()


def by_proxy(product):
    proxy = ProductProxy.objects.get(pk=product.pk)
    proxy.stock = 5
    proxy.save()


WRITES = [
    by_save,
    by_save_of_one_field,
    by_save_of_an_expression,
    by_update,
    by_bulk_update,
    by_upsert,
    by_sql,
    by_fixture,
    by_proxy,
]
SEEN_AT_ONCE = [by_save, by_save_of_one_field, by_save_of_an_expression, by_fixture, by_proxy]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_every_way_of_writing_ends_in_one_restock(write, worker, outbox, committed, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 2)
    with committed():
        write(mug)
    worker(now)
    worker(now)

    assert Restock.objects.count() == 1
    assert len(outbox) == 2


@pytest.mark.parametrize("write", SEEN_AT_ONCE, ids=lambda write: write.__name__)
def test_what_django_tells_us_is_seen_at_the_commit(write, committed):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    with committed():
        write(mug)

    assert Restock.objects.get().units == 5


@pytest.mark.django_db(transaction=True)
def test_a_save_that_is_rolled_back_ends_in_none(worker, outbox, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    try:
        with transaction.atomic():
            by_save(mug)
            raise RuntimeError("the shop changed its mind")
    except RuntimeError:
        pass
    worker(now)

    assert Restock.objects.count() == 0
    assert outbox == []


def test_a_price_edit_with_ten_thousand_waiting_costs_two_reads_at_most(committed, now):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    item = anchor_of(mug)
    SubscriptionFactory._meta.model.objects.bulk_create(
        SubscriptionFactory.build_batch(10_000, item=item), batch_size=1000
    )
    mug = Product.objects.get(pk=mug.pk)
    mug.price = 12
    with CaptureQueriesContext(connection) as queries, committed():
        mug.save()

    assert len(queries) <= 1 + 2
    assert OutgoingMail.objects.count() == 0


def test_saving_a_product_nobody_waits_for_costs_one_read(committed):
    mug = ProductFactory(stock=0)
    with CaptureQueriesContext(connection) as queries, committed():
        mug.save()

    assert len(queries) <= 1 + 1


def test_the_same_shelf_again_changes_nothing(now):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    Product.objects.update(stock=5)
    for _ in range(3):
        stock_changed(mug, now=now)

    assert StockEvent.objects.count() == Restock.objects.count() == 1


def test_the_ledger_has_every_change_that_was_seen(now):
    mug = ProductFactory(stock=4)
    for stock in (4, 9, 2):
        Product.objects.update(stock=stock)
        stock_changed(mug, now=now)

    assert list(StockEvent.objects.order_by("id").values_list("before", "after", "quantity")) == [(4, 9, 5), (9, 2, -7)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_stock_that_is_no_number_is_refused_with_a_sentence_and_nothing_is_stored(value, now):
    cloth = Cloth.objects.create(name="cloth", metres=3)
    stock_changed(cloth, now=now)
    before = StockItem.objects.values().get()
    write_raw("hosts_cloth", "metres", value)

    with pytest.raises(StockUnreadable, match=r"which is no number of units"):
        stock_changed(cloth, now=now)
    assert StockItem.objects.values().get() == before


@pytest.mark.parametrize("text", ["n/a", "", "5", "NaN", "-1"])
def test_a_stock_that_is_text_is_refused_with_a_sentence_and_nothing_is_stored(text, now, settings):
    sell_imported(settings)
    thing = Imported.objects.create(name="thing", stock=text)

    with pytest.raises(StockUnreadable, match="Correct it in the shop"):
        stock_changed(thing, now=now)
    assert StockItem.objects.filter(settled_at__isnull=False).count() == StockEvent.objects.count() == 0


def sell_imported(settings):
    sold = {**settings.BACKORDERS["SELLABLES"], "hosts.Imported": {"stock": "stock", "title": "name"}}
    settings.BACKORDERS = {**settings.BACKORDERS, "SELLABLES": sold}


def write_raw(table, column, value):
    if value != value and connection.vendor == "sqlite":
        value = "nan"  # SQLite keeps NaN as NULL; its text is what a broken import leaves behind
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s", [value])


def test_one_unreadable_item_does_not_stop_the_sweep(worker, outbox, now):
    broken, whole = Cloth.objects.create(name="broken"), Cloth.objects.create(name="whole")
    waiting_for(broken)
    waiting_for(whole)
    Cloth.objects.filter(pk=whole.pk).update(metres=2)
    Cloth.objects.filter(pk=broken.pk).update(metres=float("inf"))
    swept = sweep_stock(now=now)

    assert len(swept.unreadable) == 1
    assert "inf" in anchor_of(broken).problem
    assert Restock.objects.get().item == anchor_of(whole)


def test_a_problem_is_forgotten_when_the_number_is_again_what_it_was(now):
    cloth = Cloth.objects.create(name="cloth")
    waiting_for(cloth)
    Cloth.objects.update(metres=float("inf"))
    sweep_stock(now=now)
    Cloth.objects.update(metres=0)
    sweep_stock(now=now)

    assert anchor_of(cloth).problem == ""


def test_an_unreadable_item_recovers_when_the_shop_corrects_it(now):
    cloth = Cloth.objects.create(name="cloth")
    waiting_for(cloth)
    Cloth.objects.update(metres=float("inf"))
    sweep_stock(now=now)
    Cloth.objects.update(metres=4)
    sweep_stock(now=now)

    item = anchor_of(cloth)
    assert (item.problem, item.seen_quantity) == ("", 4)


def test_a_page_still_answers_when_a_stock_number_is_unreadable(now):
    from backorders.queries.availability import availability_of

    cloth = Cloth.objects.create(name="cloth", metres=float("inf"))

    assert availability_of(cloth).state == "out_of_stock"


def test_a_negative_stock_is_an_empty_shelf(worker, outbox, now):
    kept = Kept.objects.create(name="kept", stock=0)
    waiting_for(kept)
    Kept.objects.update(stock=-2)
    worker(now)

    assert outbox == []
    assert anchor_of(kept).seen_quantity == 0


def test_a_number_typed_by_hand_is_told_from_one_that_was_seen(now):
    poster = Poster.objects.create(name="poster")
    for quantity in (4, 9):
        set_on_hand(product=poster, quantity=quantity, now=now)

    assert list(StockEvent.objects.order_by("id").values_list("kind", "after")) == [("set", 4), ("set", 9)]


@pytest.mark.parametrize("quantity", [-1, 1.5, "3", True, 2**63])
def test_a_quantity_that_is_none_is_refused(quantity):
    with pytest.raises(InvalidQuantity):
        set_on_hand(product=Poster.objects.create(name="poster"), quantity=quantity)
    assert StockItem.objects.filter(own_quantity__isnull=False).count() == 0


def test_the_number_a_shop_keeps_itself_cannot_be_set_here():
    with pytest.raises(InvalidPolicy, match="Change it there"):
        set_on_hand(product=ProductFactory(), quantity=3)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"releases_at": dt.datetime(2026, 1, 1)}, "aware"),
        ({"policy": "backorders"}, "stop, backorder, preorder"),
        ({"policy": "preorder"}, "needs its release"),
        (
            {"opens_at": dt.datetime(2026, 2, 1, tzinfo=dt.UTC), "releases_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
            "Swap the two",
        ),
    ],
)
def test_an_impossible_policy_is_refused_with_what_to_do(wish, sentence):
    with pytest.raises(InvalidPolicy, match=sentence):
        set_selling_policy(product=ProductFactory(), **wish)
    assert StockItem.objects.exclude(policy="").count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_sweep_of_many_changed_items_wakes_the_worker_once(monkeypatch, now):
    from backorders.services import wake

    sent = []
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(wake, "_send", lambda task, ids: sent.append(task))
    monkeypatch.setattr(wake._broker, "silent_until", 0.0)
    for mug in ProductFactory.create_batch(12, stock=0):
        waiting_for(mug)
    Product.objects.update(stock=1)
    sweep_stock(now=now)

    assert sent == ["release_waves"]


def test_the_sweep_command_says_what_it_did(now):
    mug = ProductFactory(stock=0)
    waiting_for(mug)
    Product.objects.update(stock=5)
    out = io.StringIO()
    call_command("backorders_sweep", stdout=out)

    assert out.getvalue() == "1 items looked at, 1 settled.\n"


def test_a_sweep_of_many_unchanged_items_asks_a_fixed_number_of_questions(django_assert_max_num_queries, now):
    for mug in ProductFactory.create_batch(30, stock=0):
        waiting_for(mug)
    sweep_stock(now=now)
    with django_assert_max_num_queries(3):
        sweep_stock(now=now)


def test_an_item_is_no_longer_watched_when_nobody_waits(worker, now):
    from backorders.services.subscriptions import tidy_subscriptions

    mug = ProductFactory(stock=0)
    [ana] = waiting_for(mug)
    worker(now)
    type(ana).objects.update(state="closed")
    tidy_subscriptions(now=now + dt.timedelta(hours=2))

    assert anchor_of(mug).is_watched is False
