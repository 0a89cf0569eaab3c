from dataclasses import dataclass
from decimal import Decimal

from demo_shop.models import Variant

MOST = 99


@dataclass(frozen=True, kw_only=True)
class BasketLine:
    variant: Variant
    quantity: int

    @property
    def product(self) -> Variant:
        """What `backorders` calls it."""
        return self.variant

    @property
    def total(self) -> Decimal:
        return self.variant.price * self.quantity


class Basket:
    """What a visitor has picked: `{variant pk: quantity}` in the session."""

    def __init__(self, session):
        self.session = session
        self.quantities = session.get("basket", {})

    @property
    def size(self) -> int:
        return sum(self.quantities.values())

    def add(self, variant: Variant, quantity: int) -> None:
        self.put(variant, self.quantities.get(str(variant.pk), 0) + quantity)

    def put(self, variant: Variant, quantity: int) -> None:
        """Set how many of a variant are wanted; none takes it out."""
        quantities = {**self.quantities, str(variant.pk): min(quantity, MOST)}
        self._keep({pk: wanted for pk, wanted in quantities.items() if wanted > 0})

    def empty(self) -> None:
        self._keep({})

    def lines(self) -> list[BasketLine]:
        variants = Variant.objects.filter(product__is_published=True).in_bulk(list(self.quantities))
        by_pk = {str(pk): variant for pk, variant in variants.items()}
        return [BasketLine(variant=by_pk[pk], quantity=wanted) for pk, wanted in self.quantities.items() if pk in by_pk]

    def _keep(self, quantities: dict[str, int]) -> None:
        self.quantities = self.session["basket"] = quantities
