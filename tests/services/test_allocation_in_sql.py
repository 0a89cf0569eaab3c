"""A plain queue is served by the database itself. It says what `domain.allocation.plan` says, on each database."""

import datetime as dt
import random

import pytest

from backorders.domain.allocation import plan
from backorders.models import Allocation, Backorder, StockEvent
from backorders.queries.backorders import is_plain, queue_of
from backorders.services.allocation import give
from backorders.services.locks import anchor_of
from tests.factories import ProductFactory

pytestmark = pytest.mark.django_db


def a_queue(item, dice, now):
    """Lines of several classes, many placed at the same instant, some given or cancelled in part."""
    rows = []
    for n in range(dice.randint(0, 14)):
        quantity = dice.randint(1, 6)
        given = dice.randint(0, quantity - 1)
        rank = now + dt.timedelta(minutes=dice.randint(0, 4))
        rows.append(
            Backorder(
                item=item,
                reference=f"line {n}",
                email=f"{n}@example.com",
                email_key=f"{n}@example.com",
                quantity=quantity,
                allocated_quantity=given,
                cancelled_quantity=dice.randint(0, quantity - given - 1),
                fill=dice.choice(["partial", "whole_order"]),
                rank_class=dice.randint(-1, 1),
                rank_at=rank,
                placed_at=rank,
            )
        )
    Backorder.objects.bulk_create(rows)


def stands():
    return dict(Backorder.objects.values_list("id", "allocated_quantity"))


@pytest.mark.parametrize("stretch", [1, 3, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_it_gives_to_whom_the_plan_gives_however_many_lines_it_serves_at_a_time(seed, stretch, now, monkeypatch):
    monkeypatch.setattr("backorders.services.allocation._STRETCH", stretch)
    dice, item = random.Random(seed), anchor_of(ProductFactory())
    for _ in range(25):
        a_queue(item, dice, now)
        units, before, queue = dice.randint(0, 40), stands(), queue_of(item.id)
        event = StockEvent.objects.create(item=item, kind="received", quantity=units, happened_at=now)
        planned = plan(queue=queue, units=units)

        assert is_plain(item.id)
        assert give(item_id=item.id, units=units, event=event, now=now) == planned.units
        assert dict(Allocation.objects.values_list("backorder", "quantity")) == planned.assigned
        assert stands() == {line_id: had + planned.assigned.get(line_id, 0) for line_id, had in before.items()}
        filled = set(Backorder.objects.filter(state="filled").values_list("id", flat=True))
        assert filled == set(planned.assigned) - set(planned.waiting)
        assert list(Allocation.objects.order_by("id").values_list("backorder", flat=True)) == list(planned.assigned)
        Allocation.objects.all().delete()
        Backorder.objects.all().delete()
