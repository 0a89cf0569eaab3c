from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from backorders.models import Subscription
from backorders.queries.availability import shop_today
from backorders.services.subscriptions import subscribe
from tests.hosts.models import Product


def client_of(email, *, may):
    """A browser in which somebody with these verbs on our rows is signed in."""
    user = get_user_model().objects.create_user(email, "pw", is_staff=True)
    ours = Permission.objects.filter(content_type__app_label="backorders")
    for verb in may:
        user.user_permissions.add(*ours.filter(codename__startswith=verb).exclude(codename="view_addresses"))
    client = Client()
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture
def owner(db):
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("owner@example.com", "pw"))
    return client


@pytest.fixture
def merchandiser(db):
    return client_of("merch@example.com", may=["view_", "add_", "change_"])


@pytest.fixture
def viewer(db):
    return client_of("viewer@example.com", may=["view_"])


@pytest.fixture
def view_addresses(db):
    ours = ContentType.objects.get_for_model(Subscription)
    return Permission.objects.get_or_create(
        content_type=ours, codename="view_addresses", defaults={"name": "Can see addresses"}
    )[0]


@pytest.fixture
def mug(db):
    return Product.objects.create(name="Blue mug", stock=0)


@pytest.fixture
def day():
    return lambda number: shop_today(timezone.now()) + timedelta(days=number)


@pytest.fixture
def waiting():
    """Somebody who confirmed and waits."""

    def wait(product, email):
        subscribe(product=product, email=email)
        Subscription.objects.filter(email=email).update(state=Subscription.State.WAITING)
        return Subscription.objects.get(email=email)

    return wait


def with_ledgers(form, *prefixes):
    """A form as a browser sends it: the ledgers below it say that they have no rows to offer."""
    sizes = {f"{prefix}-{which}_FORMS": "0" for prefix in prefixes for which in ("TOTAL", "INITIAL")}
    return {**form, **sizes}
