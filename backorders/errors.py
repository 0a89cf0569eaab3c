"""Everything the package raises on purpose.

    BackordersError
    ├── NotSellable            the object is no product that BACKORDERS["SELLABLES"] names
    ├── StockUnreadable        the shop's stock number is text, NaN or infinite
    ├── InvalidInput
    │   ├── InvalidQuantity    not a whole number in range
    │   ├── InvalidPolicy      a selling policy that is none, or that lacks what it needs
    │   ├── InvalidWindow      a date window that ends before it starts, or naive instants
    │   ├── InvalidCalendar    business days that never come, or weekdays and days that are none
    │   ├── InvalidPrice       a price nobody could pay
    │   ├── InvalidDay         a day that is none, has passed, or lies too far ahead
    │   ├── InvalidLanguage    one the shop does not speak
    │   ├── TooManyProducts    more products in one request than anybody would choose from
    │   ├── InvalidReference   a name of an order line or a receipt that is too long, empty or no text
    │   └── InvalidAddress     an e-mail address nobody could be written to
    ├── NotOrderable           the item cannot be ordered at all just now
    │   ├── LimitReached       it can, but not that many
    │   ├── HoldLost           what a link put aside is not there for its reader any more
    │   └── BelowMinimum       it can, but not so few
    ├── AlreadyInStock         nothing to wait for
    ├── NoLongerMade           it will never come back
    ├── InvalidToken           a link that is unknown, used, expired, or made for something else
    ├── DeliveryClosed         the delivery was received or cancelled before
    ├── OverReceipt            more came than was expected, and nobody said that this is right
    ├── NotEnoughLeft          units to take back that have left the house
    ├── PinFull                the delivery cannot serve so many units of lines of its own
    ├── NotCancellable         the backorder has left the house or was cancelled before
    ├── NotShippable           the backorder has not been given so many, or may not leave yet
    ├── ReferenceTaken         this order line stands in the queue already
    └── KeyReused              an idempotency key came back with another order

Each carries the data it speaks of, and its text says what to do.
"""

from __future__ import annotations

from datetime import date, datetime
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
    """``name``: what the number was meant for, where that is not plain."""

    code = "invalid_quantity"

    def __init__(self, value: Any, *, least: int = 1, name: str = "") -> None:
        self.value = value
        self.least = least
        what = f"{name} = {value!r}" if name else f"{value!r}"
        super().__init__(f"{what} is no quantity. Use a whole number from {least} to {MOST_UNITS:,}.")


class InvalidPolicy(InvalidInput):
    code = "invalid_policy"


class InvalidWindow(InvalidInput):
    code = "invalid_window"


class InvalidCalendar(InvalidInput):
    code = "invalid_calendar"


class InvalidPrice(InvalidInput):
    code = "invalid_price"

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__(
            f"{value!r} is no highest price. Use a decimal number above 0 with at most 4 decimals, such as Decimal('19.90'), or None."
        )


class InvalidDay(InvalidInput):
    """``first`` and ``last``: the days that can be chosen."""

    code = "invalid_day"

    def __init__(self, value: Any, *, first: date, last: date) -> None:
        self.value = value
        self.first = first
        self.last = last
        super().__init__(f"{value!r} is no day to need it by. Use a datetime.date from {first} to {last}, or None.")


class InvalidLanguage(InvalidInput):
    code = "invalid_language"

    def __init__(self, value: Any, *, known: list[str]) -> None:
        self.value = value
        self.known = known
        super().__init__(f"{value!r} is no language of this shop. Use one of: {', '.join(known)}.")


class TooManyProducts(InvalidInput):
    code = "too_many"

    def __init__(self, *, asked: int, most: int) -> None:
        self.asked = asked
        self.most = most
        super().__init__(f"{asked} products are too many for one request; choose at most {most}.")


class InvalidReference(InvalidInput):
    code = "invalid_reference"

    def __init__(self, value: Any, *, least: int, longest: int) -> None:
        self.value = value
        self.least = least
        self.longest = longest
        shown = f"{value[:40]}…" if isinstance(value, str) and len(value) > longest else value
        super().__init__(f"{shown!r} is no reference. Use text of {least} to {longest} characters.")


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
    """``possible`` units can be ordered instead; those come within ``window``, which may be an explicit "no date"."""

    code = "limit_reached"

    def __init__(self, *, product: Any, state: str, asked: int, possible: int, window: Any = None) -> None:
        super().__init__(product=product, state=state)
        self.asked = asked
        self.possible = possible
        self.window = window
        latest = getattr(window, "latest", None)
        by = f", by {latest}" if latest is not None and possible else ""
        instead = f"Lower the quantity to {possible}." if possible else "Offer to tell the customer when it is back."
        self.args = (f"{asked} of {product} were asked for, {possible} can be ordered{by}. {instead}",)

    def by(self, window: Any) -> LimitReached:
        """The same refusal with a better date."""
        return LimitReached(
            product=self.product, state=self.state, asked=self.asked, possible=self.possible, window=window
        )


class HoldLost(NotOrderable):
    """``reason``: ``over``, ``used``, ``given_back`` or, for a link nobody knows, ``unknown``; ``ended_at`` where that is known."""

    code = "hold_lost"

    def __init__(self, *, product: Any, state: str, reason: str, ended_at: datetime | None = None) -> None:
        super().__init__(product=product, state=state)
        self.reason = reason
        self.ended_at = ended_at
        since = f" since {ended_at:%Y-%m-%d %H:%M %Z}" if ended_at else ""
        self.args = (
            f"{product} is not put aside for this customer ({reason.replace('_', ' ')}{since}), and it is "
            f"{state.replace('_', ' ')}. Say so, and show the place in line or something else instead.",
        )


class BelowMinimum(NotOrderable):
    code = "below_minimum"

    def __init__(self, *, product: Any, state: str, asked: int, least: int) -> None:
        super().__init__(product=product, state=state)
        self.asked = asked
        self.least = least
        self.args = (
            f"{asked} of {product} were asked for; it is sold from {least} on. Raise the quantity to {least}.",
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


class OverReceipt(BackordersError):
    code = "over_receipt"

    def __init__(self, *, delivery_id: int, expected: int, quantity: int) -> None:
        self.delivery_id = delivery_id
        self.expected = expected
        self.quantity = quantity
        super().__init__(
            f"{quantity} units came with delivery {delivery_id}, {expected} were expected. Count again; "
            "if they are really there, say so (accept_more=True)."
        )


class NotEnoughLeft(BackordersError):
    code = "not_enough_left"

    def __init__(self, *, asked: int, possible: int) -> None:
        self.asked = asked
        self.possible = possible
        super().__init__(
            f"{asked} units were to be taken back, but only {possible} are still in the house. Book at most {possible}."
        )


class PinFull(BackordersError):
    code = "pin_full"

    def __init__(self, *, delivery_id: int, asked: int, possible: int) -> None:
        self.delivery_id = delivery_id
        self.asked = asked
        self.possible = possible
        super().__init__(
            f"Delivery {delivery_id} can serve {possible} more units of lines that wait for it alone, {asked} were asked for. "
            "Choose another open delivery of the same item, or none."
        )


class NotCancellable(BackordersError):
    code = "not_cancellable"

    def __init__(self, *, backorder_id: int, state: str, asked: int = 0, possible: int = 0) -> None:
        self.backorder_id = backorder_id
        self.state = state
        self.asked = asked
        self.possible = possible
        told = f"Backorder {backorder_id} is {state} and cannot be cancelled or moved."
        if possible:
            told = f"{asked} units of backorder {backorder_id} were to be cancelled; {possible} have neither left nor been cancelled."
        super().__init__(told)


class NotShippable(BackordersError):
    code = "not_shippable"

    def __init__(
        self,
        *,
        backorder_id: int,
        state: str,
        asked: int,
        possible: int,
        until: date | None = None,
        waits_for_order: bool = False,
    ) -> None:
        self.backorder_id = backorder_id
        self.state = state
        self.asked = asked
        self.possible = possible
        self.until = until
        self.waits_for_order = waits_for_order
        told = f"Backorder {backorder_id} is {state}: {asked or 'no'} units were to be shipped, {possible} are ready."
        if until is not None:
            told = f"Backorder {backorder_id} is not wanted before {until}. Ship it then."
        if waits_for_order:
            told = (
                f"Backorder {backorder_id} belongs to an order that ships as a whole, and other lines of it still wait."
            )
        super().__init__(told)


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
