import pytest

from demo_shop import seed
from demo_shop.models import Category, Product, Variant


@pytest.fixture
def variant(db):
    """One kettle, sold out."""
    category = Category.objects.create(name="Kitchen", slug="kitchen", picture="kettle")
    product = Product.objects.create(category=category, title="Kettle", slug="kettle", picture="kettle")
    return Variant.objects.create(product=product, sku="KETTLE", price="64.00", stock=0)


@pytest.fixture
def on_the_shelf(variant):
    """Puts units of the kettle on the shelf."""

    def put(units):
        Variant.objects.filter(pk=variant.pk).update(stock=units)
        variant.refresh_from_db()
        return variant

    return put


@pytest.fixture
def catalogue(db):
    seed.seed_people()
    seed.seed_small()
