"""Sentences that many tests begin with; each calls the service that a shop would call."""

import datetime as dt

from backorders.models import Backorder
from backorders.services.backorders import place_backorder
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from tests.conftest import NOW
from tests.factories import ProductFactory

DAY = dt.timedelta(days=1)
TODAY = NOW.date()


def a_mug(*, stock=0, policy="backorder", **terms):
    """A product that is sold also when the shelf is empty."""
    mug = ProductFactory(stock=stock)
    set_selling_policy(product=mug, policy=policy, **terms)
    return mug


def order(product, quantity, reference, *, now=NOW, **wish):
    if "email" not in wish:
        wish["email"] = f"{reference.replace(' ', '-')}@example.com"
    return place_backorder(product=product, quantity=quantity, reference=reference, now=now, **wish)


def announce(product, units, starts, ends=None, *, now=NOW, **about):
    """A delivery that comes so many days from now, or between two of them."""
    today = now.date()
    latest = today + (starts if ends is None else ends) * DAY
    return expect_delivery(
        product=product, quantity=units, earliest=today + starts * DAY, latest=latest, now=now, **about
    )


def arrive(product, units, *, now=NOW):
    """A truck that nobody announced."""
    return receive_delivery(delivery_id=announce(product, units, 0, now=now).id, now=now)


def given(*references):
    """Units that order lines have been given, in the order in which they are named."""
    found = dict(Backorder.objects.filter(reference__in=references).values_list("reference", "allocated_quantity"))
    return [found[reference] for reference in references]


def line(reference):
    return Backorder.objects.get(reference=reference)
