"""What the tags of one page have asked already: each product is asked for once, however many tags it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backorders.domain.availability import Availability
from backorders.models import Subscription
from backorders.queries.availability import answers_to
from backorders.queries.stock import describe_products
from backorders.queries.subscriptions import requests_about
from backorders.shop import Described


class Memory:
    """It lives as long as a request. ``answers`` grows as tags ask; ``released_before`` holds those of them that were on sale before."""

    def __init__(self) -> None:
        self.answers: dict[Any, Availability] = {}
        self.released_before: set[Any] = set()
        self._described: dict[Any, Described | None] = {}
        self._requests: dict[Any, Subscription | None] = {}

    def ask(self, products: Iterable[Any], *, holds: Iterable[str] = ()) -> dict[Any, Availability]:
        """This will ask for those that are not known yet, all at once, and return what is known of any."""
        if missing := [product for product in dict.fromkeys(products) if product not in self.answers]:
            found = answers_to(missing, holds=holds)
            self.answers |= found.by_product
            self.released_before |= found.released_before
        return self.answers

    def described(self, products: Iterable[Any]) -> dict[Any, Described]:
        """How the shop shows some products, in their order; vanished ones are left out."""
        products = list(products)
        if missing := [product for product in products if product not in self._described]:
            self._described |= dict.fromkeys(missing) | describe_products(missing)
        return {product: told for product in products if (told := self._described[product]) is not None}

    def request_about(self, product: Any, *, customer: Any) -> Subscription | None:
        """The customer's own confirmed request about a product; the first tag asks for all products of the page."""
        if product not in self._requests:
            about = dict.fromkeys([product, *self.answers])
            self._requests |= dict.fromkeys(about) | requests_about(about, customer=customer)
        return self._requests[product]
