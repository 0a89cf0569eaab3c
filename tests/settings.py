"""The demo shop's settings, with the host shapes of `tests/hosts` beside it. DATABASE_URL chooses PostgreSQL."""

import os
import tempfile

os.environ.setdefault("DEMO_DATA", tempfile.mkdtemp(prefix="backorders-test-"))
os.environ.setdefault("DEMO_BASE_URL", "https://shop.example")

from demo_shop.settings import *
from demo_shop.settings import BACKORDERS, DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts", "tests.hosts.late"]
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TIME_ZONE = "Europe/Brussels"

# A file, so that a worker process can open the same test database.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(os.environ["DEMO_DATA"], "test.sqlite3")}

SELLABLES = {
    **BACKORDERS["SELLABLES"],
    "hosts.Product": {
        "stock": "stock",
        "title": "name",
        "price": "price",
        "category": "category",
        "visible": "is_visible",
        "url": "/p/{pk}/",
    },
    "hosts.Parcel": {"stock": "units", "title": "name", "url": "/parcel/{code}/"},
    "hosts.Bicycle": {"stock": "stock", "title": "name", "url": "/bike/{pk}/"},
    "late.Lamp": {"stock": "count", "title": "name", "url": "/p/{pk}/"},
    "hosts.Warehoused": {"stock": "inventory.quantity - inventory.reserved", "title": "name", "url": "/p/{pk}/"},
    "hosts.Download": {"stock": "stock", "title": "name", "url": "/p/{pk}/"},
    "hosts.Cloth": {"stock": "metres", "title": "name", "url": "/p/{pk}/"},
    "hosts.Kept": {"stock": "stock", "title": "name", "url": "/p/{pk}/"},
    "hosts.Poster": {"title": "name", "url": "/p/{pk}/"},
    "hosts.ApiOnly": {"stock": "stock", "title": "name", "url": "https://front.example/p/{slug}"},
    "hosts.Custom": {"ADAPTER": "tests.hosts.adapters.CustomAdapter"},
}
BACKORDERS = {**BACKORDERS, "SELLABLES": SELLABLES, "SITE_URL": "https://shop.example", "SHOP_NAME": "Test Shop"}
BACKORDERS["CLOSED_WEEKDAYS"] = ()  # the demo shop rests on weekends; a test that does says so
BACKORDERS["MAIL_CALENDAR"] = False
