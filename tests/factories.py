"""Rows for tests, through the same services a shop calls."""

import datetime as dt

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone

from backorders.domain.tokens import Purpose, digest_of, new_token
from backorders.models import StockItem, Subscription, SubscriptionToken
from backorders.queries.availability import shop_today
from backorders.services.locks import anchor_of
from backorders.services.supply import expect_delivery
from tests.conftest import NOW
from tests.hosts.models import Product


class ProductFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Product

    name = factory.Sequence(lambda n: f"Mug {n}")
    stock = 0
    price = 10


class CustomerFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()

    email = factory.Sequence(lambda n: f"customer{n}@example.com")
    is_email_verified = True


class SubscriptionFactory(factory.django.DjangoModelFactory):
    """Somebody who is waiting; the later made, the later in line."""

    class Meta:
        model = Subscription

    email = factory.Sequence(lambda n: f"reader{n}@example.com")
    email_key = factory.LazyAttribute(lambda row: row.email.lower())
    state = Subscription.State.WAITING
    placed_at = factory.Sequence(lambda n: NOW - dt.timedelta(days=30) + dt.timedelta(minutes=n))
    confirmed_at = factory.SelfAttribute("placed_at")


def waiting_for(product, people=1, **fields):
    """So many people who wait for a product; the sweep watches it."""
    item = anchor_of(product)
    rows = SubscriptionFactory.create_batch(people, item=item, **fields)
    StockItem.objects.filter(id=item.id).update(is_watched=True, settled_at=NOW - dt.timedelta(days=1), seen_quantity=0)
    return rows


def in_days(days):
    """The shop's day, by the real clock."""
    return shop_today(timezone.now()) + dt.timedelta(days=days)


def mug_with(stock=0, *, arrives=None, confidence="firm", name="Mug", **fields):
    """A mug with so many on the shelf. ``fields``: of its anchor; ``arrives``: in how many days more of them come, from and to."""
    product = ProductFactory(stock=stock, name=name)
    if fields:
        StockItem.objects.filter(id=anchor_of(product).id).update(**fields)
    if arrives:
        days = {"earliest": in_days(arrives[0]), "latest": in_days(arrives[1])}
        expect_delivery(product=product, quantity=5, confidence=confidence, **days)
    return product


def token_for(subscription, purpose=Purpose.LEAVE, **fields):
    token = new_token()
    digest = digest_of(token, purpose)
    SubscriptionToken.objects.create(
        subscription=subscription, purpose=purpose, digest=digest, created_at=NOW, **fields
    )
    return token


def told(rows):
    """Whom of these the shop has told, in the order in which they asked."""
    return [row.email for row in rows if Subscription.objects.get(id=row.id).state == Subscription.State.TOLD]
