"""Everything the package raises on purpose.

    BackordersError
    ├── NotSellable            the object is no product that BACKORDERS["SELLABLES"] names
    ├── StockUnreadable        the shop's stock number is text, NaN or infinite
    ├── InvalidInput
    │   ├── InvalidQuantity    not a whole number in range
    │   ├── InvalidPolicy      a selling policy that is none, or that lacks what it needs
    │   ├── InvalidWindow      a date window that ends before it starts, or naive instants
    │   └── InvalidAddress     an e-mail address nobody could be written to
    ├── NotOrderable           the item cannot be ordered at all just now
    │   └── LimitReached       it can, but not that many
    ├── AlreadyInStock         nothing to wait for
    ├── NoLongerMade           it will never come back
    ├── InvalidToken           a link that is unknown, used, expired, or made for something else
    ├── DeliveryClosed         the delivery was received or cancelled before
    ├── NotCancellable         the backorder has left the house or was cancelled before
    ├── ReferenceTaken         this order line stands in the queue already
    └── KeyReused              an idempotency key came back with another order

Each carries the data it speaks of, and its text says what to do.
"""

from __future__ import annotations

from typing import Any


class BackordersError(Exception):
    """Base of the family; ``code`` is stable and meant for programs."""

    code = "error"


class NotSellable(BackordersError):
    code = "not_sellable"

    def __init__(self, thing: Any, known: list[str]) -> None:
        self.thing = thing
        self.known = known
        names = ", ".join(known) or "none yet"
        super().__init__(
            f"{thing!r} is not sellable here. BACKORDERS['SELLABLES'] knows: {names}. Add its model there, or pass one of those."
        )


class StockUnreadable(BackordersError):
    code = "stock_unreadable"

    def __init__(self, *, label: str, pk: Any, value: Any) -> None:
        self.label = label
        self.pk = pk
        self.value = value
        super().__init__(
            f"The stock of {label} {pk} reads {value!r}, which is no number of units. "
            "Correct it in the shop; until then the last good number stands."
        )


class InvalidInput(BackordersError):
    code = "invalid"


class InvalidQuantity(InvalidInput):
    code = "invalid_quantity"

    def __init__(self, value: Any, *, least: int = 1) -> None:
        self.value = value
        self.least = least
        super().__init__(f"{value!r} is no quantity. Use a whole number from {least} to {MOST_UNITS:,}.")


class InvalidPolicy(InvalidInput):
    code = "invalid_policy"


class InvalidWindow(InvalidInput):
    code = "invalid_window"


class InvalidAddress(InvalidInput):
    """``reason`` tells forms which translated sentence fits: not_text, invisible, several, too_long, domain, no_ending."""

    code = "invalid_address"

    def __init__(self, sentence: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(sentence)


class NotOrderable(BackordersError):
    code = "not_orderable"

    def __init__(self, *, product: Any, state: str) -> None:
        self.product = product
        self.state = state
        super().__init__(f"{product} cannot be ordered: it is {state.replace('_', ' ')}.")


class LimitReached(NotOrderable):
    code = "limit_reached"

    def __init__(self, *, product: Any, state: str, asked: int, possible: int) -> None:
        super().__init__(product=product, state=state)
        self.asked = asked
        self.possible = possible
        self.args = (
            f"{asked} of {product} were asked for, {possible} can be ordered. Lower the quantity to {possible}.",
        )


class AlreadyInStock(BackordersError):
    code = "already_in_stock"

    def __init__(self, product: Any) -> None:
        self.product = product
        super().__init__(f"{product} is in stock now; there is nothing to wait for.")


class NoLongerMade(BackordersError):
    code = "no_longer_made"

    def __init__(self, product: Any) -> None:
        self.product = product
        super().__init__(f"{product} is no longer made and will not come back. Offer its successor or an alternative.")


class InvalidToken(BackordersError):
    code = "invalid_token"

    def __init__(self) -> None:
        super().__init__("This link is not valid (any more). Open the newest mail, or ask again on the product page.")


class DeliveryClosed(BackordersError):
    code = "delivery_closed"

    def __init__(self, *, delivery_id: int, state: str) -> None:
        self.delivery_id = delivery_id
        self.state = state
        super().__init__(f"Delivery {delivery_id} was already {state}. Enter a new delivery instead.")


class NotCancellable(BackordersError):
    code = "not_cancellable"

    def __init__(self, *, backorder_id: int, state: str) -> None:
        self.backorder_id = backorder_id
        self.state = state
        super().__init__(f"Backorder {backorder_id} is {state} and cannot be cancelled.")


class ReferenceTaken(BackordersError):
    code = "reference_taken"

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"The order line {reference!r} stands in the queue for this item already. Give every line a reference of its own."
        )


class KeyReused(BackordersError):
    code = "key_reused"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The idempotency key {key!r} was used for another order. Use a new key for a new order.")


MOST_UNITS = 1_000_000_000
"""The largest quantity the package accepts anywhere; it fits every database's integer."""
