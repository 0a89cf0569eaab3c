"""Somebody for every kind of mail, in three languages: what they were told, and where its links lead.

`python3 dev.py browser` lets this happen once in its shop, beside the worker that sends: ``moved-de@example.com`` is the German
reader whose date has moved. The goods are theirs alone; no other test wants them as they were.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.test import override_settings
from django.utils import timezone, translation

from backorders.models import Delivery, Restock
from backorders.services.locks import anchor_of
from backorders.services.retention import tidy
from backorders.services.subscriptions import subscribe
from backorders.services.supply import move_delivery, receive_delivery
from backorders.services.waves import release_wave
from backorders.testing import somebody_waiting_for
from demo_shop.accounts import ask_to_verify
from demo_shop.basket import BasketLine
from demo_shop.models import Customer, Variant
from demo_shop.ordering import place_order

LANGUAGES = ("en", "de", "ar")


def write():
    for language in LANGUAGES:
        with translation.override(language):
            subscribe(product=variant("STEM-CLAY"), email=f"confirm-{language}@example.com", language=language)
            order("PLAID-ROSE", f"placed-{language}")
            order("LOOP-CREAM", f"moved-{language}")
            wait("ENAMEL-BRICK", f"back-{language}", language)
            wait("TRAIL-NAVY", f"held-{language}", language)
            wait("CAP-PLUM", f"ended-{language}", language, now=timezone.now() - timedelta(days=366))
    receive_delivery(delivery_id=delivery_of("ENAMEL-BRICK").pk)
    put_aside("TRAIL-NAVY")
    move_by_two_weeks(delivery_of("LOOP-CREAM"), reason="The ferry is not running.")
    tidy()
    anna = Customer.objects.get(email="anna@example.com")
    somebody_waiting_for(variant("BRIDGES-PAPERBACK"), email=anna.email, customer=anna)
    ask_to_verify(Customer.objects.get(email="ben@example.com"))


def order(sku, who):
    place_order(
        [BasketLine(variant=variant(sku), quantity=2)],
        customer=None,
        email=f"{who}@example.com",
        name="Bo",
        address="1 Canal Street\nGhent",
        ship="split",
        checkout_key=who,
    )


def wait(sku, who, language, **fields):
    somebody_waiting_for(variant(sku), email=f"{who}@example.com", language=language, **fields)


@transaction.atomic
def put_aside(sku):
    """In one transaction: the shop knows nothing of holds, and its worker must not come in between."""
    receive_delivery(delivery_id=delivery_of(sku).pk)
    with override_settings(BACKORDERS={**settings.BACKORDERS, "HOLD_FOR": timedelta(days=2)}):
        release_wave(restock_id=Restock.objects.get(item=anchor_of(variant(sku)), closed_at=None).pk)


def move_by_two_weeks(delivery, *, reason):
    earliest, latest = (day + timedelta(days=14) for day in (delivery.earliest_on, delivery.latest_on))
    move_delivery(delivery_id=delivery.pk, earliest=earliest, latest=latest, reason=reason)


def delivery_of(sku):
    return Delivery.objects.open().get(item=anchor_of(variant(sku)))


def variant(sku):
    return Variant.objects.get(sku=sku)
