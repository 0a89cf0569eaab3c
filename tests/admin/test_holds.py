"""What is put aside, as the back office sees it."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backorders.models import Hold, Restock, StockItem
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

LIST = "/admin/backorders/hold/"


@pytest.fixture
def drop(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": dt.timedelta(hours=4)}

    def make(people):
        mug = ProductFactory()
        waiting_for(mug, people)
        Product.objects.filter(pk=mug.pk).update(stock=people)
        sweep_stock(now=timezone.now())
        release_waves(now=timezone.now())
        return list(Hold.objects.order_by("id"))

    return make


def page_of(row):
    return reverse(f"admin:backorders_{row._meta.model_name}_change", args=[row.pk])


def test_the_list_the_hold_and_its_restock_open(owner, drop):
    [hold, *_] = drop(2)
    assert owner.get(LIST).context["cl"].result_count == 2
    assert owner.get(page_of(hold)).status_code == 200
    assert "held for people who were told" not in owner.get(page_of(Restock.objects.get())).text
    assert page_of(hold) in owner.get(page_of(Restock.objects.get())).text


def test_addresses_are_for_those_who_may_see_them(viewer, view_addresses, drop):
    [hold] = drop(1)
    assert hold.subscription.email not in viewer.get(LIST).text
    viewer.user.user_permissions.add(view_addresses)
    assert hold.subscription.email in viewer.get(LIST).text


def test_a_long_list_costs_as_many_queries_as_a_short_one(owner, drop):
    counts = []
    for people in (1, 9):
        drop(people)
        owner.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            owner.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_giving_back_is_looked_at_and_then_done(merchandiser, drop):
    hold, other = drop(2)
    posted = {"action": "give_back", "_selected_action": [hold.pk], "index": "0"}
    assert "go to the next in line" in merchandiser.post(LIST, posted).text
    assert StockItem.objects.get().on_hold_units == 2
    merchandiser.post(LIST, {**posted, "confirmed": "1"})
    hold.refresh_from_db()
    other.refresh_from_db()
    assert (hold.state, other.state, StockItem.objects.get().on_hold_units) == ("given_back", "open", 1)


def test_who_may_only_look_gives_nothing_back(viewer, drop):
    [hold] = drop(1)
    posted = {"action": "give_back", "_selected_action": [hold.pk], "confirmed": "1", "index": "0"}
    assert viewer.post(LIST, posted).status_code == 403
    assert viewer.post(page_of(hold), {"units": 9}).status_code == 403
    assert Hold.objects.get().state == "open"
