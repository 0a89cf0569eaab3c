"""Prints the edits that put the package into this shop, for the product models it finds."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import models
from django.db.models import Model

_NAMES = {
    "stock": (
        "stock",
        "num_in_stock",
        "stock_amount",
        "stock_quantity",
        "quantity",
        "inventory",
        "count",
        "in_stock",
        "units",
        "qty",
    ),
    "title": ("title", "name", "label"),
    "sku": ("sku", "product_code", "code", "upc", "ref", "article_number"),
    "price": ("price", "unit_price", "price_amount", "amount"),
    "image": ("image", "picture", "photo", "thumbnail", "image_url", "picture_url"),
    "category": ("category", "categories", "product_type", "type", "group"),
    "visible": ("is_visible", "is_published", "is_active", "active", "published", "is_public", "available"),
    "url": ("get_absolute_url",),
}
_NUMBERS = (models.IntegerField, models.FloatField, models.DecimalField)
_LIKELY = ("product", "variant", "sku", "article", "item", "goods")
_NEVER = {"auth", "contenttypes", "sessions", "admin", "sites", "backorders", "messages"}


class Command(BaseCommand):
    help = "Prints the edits that put backorders into this shop. It changes no file."
    requires_system_checks: list[str] = []  # it has to run before anything is set

    def handle(self, *args: Any, **options: Any) -> None:
        found = {model._meta.label: guess(model) for model in sellable_models()}
        write = self.stdout.write
        write("Five edits put backorders into this shop. Copy what fits.\n")
        write("1. settings.py, INSTALLED_APPS:\n\n    'backorders',\n")
        write("2. urls.py:\n\n    from django.urls import include, path\n")
        write("    urlpatterns += [path('backorders/', include('backorders.urls'))]\n")
        write(
            "3. settings.py (SITE_URL is the public address of this Django site, where the links in mails lead):\n\n"
            + _settings(found)
        )
        if not found:
            write(
                "    No model here looks like a product. Name yours in SELLABLES; docs/sellables.md shows every shape.\n"
            )
        write(f"4. product page:\n\n{PAGE}")
        write("5. checkout, where the order is made:\n\n    from backorders.services.checkout import Line, check_out")
        write(
            "    check_out(lines=[Line(line.product, line.quantity, f'{order.pk}-{line.pk}') for line in lines], email=order.email)"
        )
        write("    # It takes the units off your stock itself: remove your own subtraction.\n")
        write("Then: manage.py migrate, manage.py check, manage.py backorders_doctor.")


PAGE = """    {% load backorders static %}
    <link rel="stylesheet" href="{% static 'backorders/backorders.css' %}">
    {% backorder_status product %}
    {% backorder_availability product as availability %}
    {% if availability.can_order %}<button>{% backorder_button_label product %}</button>{% endif %}
    {% backorder_subscribe product %}
    {% backorder_alternatives product %}
"""


def sellable_models() -> list[type[Model]]:
    """Models that look like something sold: named like a product, or with both a price and a stock number."""
    found = []
    for model in apps.get_models():
        if model._meta.app_label in _NEVER or model._meta.proxy or model._meta.auto_created:
            continue
        guessed = guess(model)
        is_named_so = any(model.__name__.lower().endswith(word) for word in _LIKELY)
        if "title" in guessed and ("stock" in guessed or (is_named_so and "price" in guessed)):
            found.append(model)
    return found


def guess(model: type[Model]) -> dict[str, str]:
    """The field map of a model, as far as its field names tell."""
    guessed = {}
    for key, names in _NAMES.items():
        if name := next((name for name in names if _fits(model, key, name)), ""):
            guessed[key] = (
                f"{name}.url" if key == "image" and isinstance(model._meta.get_field(name), models.FileField) else name
            )
    return guessed


def _fits(model: type[Model], key: str, name: str) -> bool:
    if key == "url":
        return hasattr(model, name)
    field = next((field for field in model._meta.get_fields() if field.name == name), None)
    if field is None or field.auto_created:
        return False
    if key == "stock":
        return isinstance(field, _NUMBERS)
    if key == "visible":
        return isinstance(field, models.BooleanField)
    if key == "image":
        return isinstance(field, models.FileField | models.CharField)
    return not field.many_to_many


def _settings(found: dict[str, dict[str, str]]) -> str:
    lines = ["    BACKORDERS = {", "        'SITE_URL': 'https://your-shop.example',", "        'SELLABLES': {"]
    for label, options in found.items():
        pairs = ", ".join(f"{key!r}: {value!r}" for key, value in options.items())
        lines.append(f"            {label!r}: {{{pairs}}},")
        if "url" not in options:
            lines.append(
                "            #   no page found: add 'url', such as 'https://front.example/p/{slug}', or mails carry no link to the product"
            )
        if "stock" not in options:
            lines.append(
                "            #   no stock number found: without one we keep it; 'stock' may be a path such as 'inventory.quantity'"
            )
    return "\n".join([*lines, "        },", "    }", ""])
