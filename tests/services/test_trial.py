"""A verb tried out: what it says is what happens, and nothing of it stays."""

from functools import partial

import pytest

from backorders.domain.windows import Window
from backorders.errors import DeliveryClosed
from backorders.models import Backorder, Delivery, OutgoingMail, Promise
from backorders.services.backorders import place_backorder
from backorders.services.supply import cancel_delivery, expect_delivery, move_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from backorders.services.trial import dates_after, refusal_of, unless_changed
from backorders.signals import promise_moved
from tests.conftest import NOW
from tests.factories import ProductFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(now):
    from datetime import date

    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    day = date(2026, 3, 9)
    delivery = expect_delivery(product=mug, quantity=5, earliest=day, latest=day, now=now)
    for number in (1, 2):
        place_backorder(product=mug, quantity=number, reference=f"A-{number}", email="a@example.com", now=now)
    return delivery


def rows():
    return (
        list(Promise.objects.values_list("id", "latest_on")),
        list(Backorder.objects.values_list("promised_latest_on", flat=True)),
        list(Delivery.objects.values_list("state", "latest_on")),
        OutgoingMail.objects.count(),
    )


def test_what_is_tried_out_leaves_no_trace_and_tells_nobody(delivery, committed):
    heard, before = [], rows()
    promise_moved.connect(lambda **about: heard.append(about), weak=False, dispatch_uid="trial")
    with committed():
        slips = dates_after(
            item_ids=[delivery.item_id], verbs=[partial(cancel_delivery, delivery_id=delivery.id, now=NOW)]
        )
    promise_moved.disconnect(dispatch_uid="trial")
    assert [(slip.reference, slip.is_lost) for slip in slips] == [("A-1", True), ("A-2", True)]
    assert (rows(), heard) == (before, [])


def test_what_was_foreseen_is_what_happens(delivery, now):
    from datetime import date

    move = partial(move_delivery, delivery_id=delivery.id, earliest=date(2026, 6, 1), latest=date(2026, 6, 2), now=now)
    foreseen = {slip.backorder_id: slip.after for slip in dates_after(item_ids=[delivery.item_id], verbs=[move])}
    move()
    found = {line.id: line.promise for line in Backorder.objects.all()}
    assert foreseen == found and all(isinstance(window, Window) for window in found.values())


def test_one_verb_says_no_aloud_and_several_pass_over_those_that_do(delivery, now):
    receive_delivery(delivery_id=delivery.id, now=now)
    cancel = partial(cancel_delivery, delivery_id=delivery.id, now=now)
    with pytest.raises(DeliveryClosed):
        dates_after(item_ids=[delivery.item_id], verbs=[cancel])
    assert dates_after(item_ids=[delivery.item_id], verbs=[cancel, cancel]) == []
    assert isinstance(refusal_of(cancel), DeliveryClosed)


def test_a_verb_is_called_only_while_nothing_changed(delivery):
    calls = []
    for is_same in (True, False):
        answer = unless_changed(
            item_id=delivery.item_id, is_unchanged=lambda is_same=is_same: is_same, verb=lambda: calls.append(1) or "ok"
        )
        assert answer == ("ok" if is_same else None)
    assert calls == [1]
