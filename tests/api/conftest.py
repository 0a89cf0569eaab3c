import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from tests.hosts.models import Product


@pytest.fixture(autouse=True)
def _fresh_throttles():
    cache.clear()


@pytest.fixture
def api():
    return APIClient()


@pytest.fixture
def mug(db):
    return Product.objects.create(name="Mug", stock=0)
