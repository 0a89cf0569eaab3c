"""A query with blanks finds what Django's own query finds, whatever is filled in, and is written once."""

from datetime import timedelta

import pytest
from django.db.models import Q

from backorders.models import Restock
from backorders.queries.written import Written, blank_moment, blank_number
from backorders.services.locks import anchor_of
from tests.factories import ProductFactory

pytestmark = pytest.mark.django_db


def restock(item, number, opened_at):
    return Restock.objects.create(item=item, number=number, units=1, opened_at=opened_at, closed_at=opened_at)


def old_or_of(until, item):
    return (
        Restock.objects.filter(Q(opened_at__lte=until - timedelta(hours=1)) | Q(item=item))
        .order_by("id")
        .values_list("id")
    )


def test_it_finds_what_the_query_finds_with_any_values(now):
    mug, cup = (anchor_of(product) for product in ProductFactory.create_batch(2))
    for hours in range(4):
        restock(mug if hours % 2 else cup, hours, now - timedelta(hours=hours))
    written = Written(lambda: old_or_of(blank_moment("until"), blank_number("item")))

    for hours in range(6):
        for item in (mug.id, cup.id, 0, None):
            until = now - timedelta(hours=hours)
            expected = (
                list(old_or_of(until, item))
                if item is not None
                else list(
                    Restock.objects.filter(opened_at__lte=until - timedelta(hours=1)).order_by("id").values_list("id")
                )
            )
            assert written.rows(until=until, item=item) == expected


def test_it_is_written_once(now):
    asked = []

    def query():
        asked.append(1)
        return old_or_of(blank_moment("until"), blank_number("item"))

    written = Written(query)
    assert written.rows(until=now, item=1) == written.rows(until=now, item=2) == []
    assert asked == [1]


def test_a_value_that_is_missing_is_said(now):
    with pytest.raises(KeyError, match="item"):
        Written(lambda: old_or_of(blank_moment("until"), blank_number("item"))).rows(until=now)
