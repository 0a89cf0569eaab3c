"""Placing an order, and what became of it: the shop writes its rows, backorders says what leaves now and what later."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils.translation import get_language

from backorders.domain.availability import Availability
from backorders.domain.parcels import Share
from backorders.domain.windows import Promise as PromisedWindow
from backorders.errors import LimitReached, NotOrderable
from backorders.queries.availability import availability_for
from backorders.queries.backorders import Given, Place, history_of, order_window, places_of, promise_for
from backorders.queries.parcels import outlook_for
from backorders.services.backorders import refuse_beyond_terms, refuse_unless_possible
from backorders.services.checkout import Line, check_out
from demo_shop.basket import BasketLine
from demo_shop.models import Customer, Order, OrderLine, Variant

# --- before


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A line of the basket as it would be ordered now: what leaves at once, what follows and when, or what stands in the way."""

    line: BasketLine
    availability: Availability
    refusal: NotOrderable | None
    share: Share

    @property
    def now(self) -> int:
        return self.availability.for_sale.at_most(self.line.quantity) if self.refusal else self.share.now


def outlook(
    lines: Iterable[BasketLine], refused: NotOrderable | None = None, *, holds: Iterable[str] = ()
) -> list[Outlook]:
    """This will look at every line of a basket; ``refused`` is what the checkout has just answered to one of them."""
    lines = list(lines)
    answers = availability_for([line.variant for line in lines], holds=holds)
    shares = outlook_for(lines, answers=answers).shares
    return [_outlook(line, share, answers[line.variant], refused) for line, share in zip(lines, shares, strict=True)]


def _outlook(line: BasketLine, share: Share, answer: Availability, refused: NotOrderable | None) -> Outlook:
    refusal = refused if refused and refused.product == line.variant else refusal_to(line, answer)
    return Outlook(line=line, availability=answer, refusal=refusal, share=share)


def refusal_to(line: BasketLine, answer: Availability) -> NotOrderable | None:
    """What the checkout would say to this line: too many (and by when fewer would come), too few, or not at all just now."""
    product, asked = line.variant, line.quantity
    try:
        refuse_beyond_terms(product, answer, asked=asked, here=answer.for_sale)
        refuse_unless_possible(product, answer, asked=asked, possible=answer.orderable.at_most(asked))
    except LimitReached as refusal:
        return refusal.by(promise_for(product, refusal.possible))
    except NotOrderable as refusal:
        return refusal
    return None


# --- placing it


@transaction.atomic
def place_order(
    lines: Iterable[BasketLine],
    *,
    customer: Customer | None,
    email: str,
    name: str,
    address: str,
    ship: str,
    checkout_key: str,
    holds: Iterable[str] = (),
) -> Order:
    """Write the order, and let backorders take what is on the shelf and queue the rest: both, or neither."""
    about = {"customer": customer, "email": email, "name": name, "address": address, "ship": ship}
    order, is_new = Order.objects.get_or_create(checkout_key=checkout_key, defaults=about)
    if not is_new:
        return order  # a second click
    rows = {}
    for number, line in enumerate(lines, start=1):
        reference = f"{order.reference}-{number}"
        rows[reference] = OrderLine(
            order=order,
            variant=line.variant,
            reference=reference,
            quantity=line.quantity,
            unit_price=line.variant.price,
        )
    # backorders, edit 5 of 5: the checkout asks it to place the lines.
    placements = check_out(
        lines=[Line(product=row.variant, quantity=row.quantity, reference=row.reference) for row in rows.values()],
        email=email,
        customer=customer,
        language=get_language(),
        ship=ship,
        order_reference=order.reference,
        idempotency_key=checkout_key,
        holds=holds,
    )
    for placement in placements:
        row = rows[placement.line.reference]
        row.ships_now, row.ships_later = placement.on_hand, placement.backordered
    OrderLine.objects.bulk_create(rows.values())
    return order


# --- and then


@dataclass(frozen=True, kw_only=True)
class LineStanding:
    """One line of an order: what the shop wrote, where it stands in the queue, and every date it was promised."""

    line: OrderLine
    place: Place | None
    given: list[Given]

    @property
    def variant(self) -> Variant:
        return self.line.variant

    @property
    def waits(self) -> bool:
        return bool(self.place and self.place.waiting)

    @property
    def has_moved(self) -> bool:
        return len(self.given) > 1

    @property
    def came(self) -> int:
        """Units of the queue that have come in for this line and not left yet."""
        return self.place.allocated - self.place.shipped if self.place else 0

    @property
    def units(self) -> int:
        return self.line.quantity - (self.place.cancelled if self.place else 0)

    @property
    def total(self) -> Decimal:
        return self.units * self.line.unit_price


@dataclass(frozen=True, kw_only=True)
class OrderStanding:
    order: Order
    rows: list[LineStanding]

    @property
    def history(self) -> dict[int, list[Given]]:
        """What `{% backorder_place %}` would ask for line by line."""
        return {row.place.backorder_id: row.given for row in self.rows if row.place}

    @property
    def waits(self) -> bool:
        return any(row.waits for row in self.rows)

    @property
    def leaves_as_one(self) -> bool:
        return self.order.ship == "together" and any(row.place for row in self.rows)

    @property
    def window(self) -> PromisedWindow:
        """When the last of it comes."""
        return order_window(row.place for row in self.rows if row.place)

    @property
    def total(self) -> Decimal:
        return sum((row.total for row in self.rows), Decimal())


def standing_of_orders(orders: Iterable[Order]) -> list[OrderStanding]:
    """This will read how orders stand, however many, with four queries."""
    lines: dict[Order, list[OrderLine]] = {order: [] for order in orders}
    for line in OrderLine.objects.filter(order__in=list(lines)).select_related("order", "variant__product"):
        lines[line.order].append(line)
    places = places_of([line.reference for each in lines.values() for line in each])
    given = history_of([place.backorder_id for place in places.values()])

    def row(line: OrderLine) -> LineStanding:
        place = places.get(line.reference)
        return LineStanding(line=line, place=place, given=given.get(place.backorder_id, []) if place else [])

    return [OrderStanding(order=order, rows=[row(line) for line in each]) for order, each in lines.items()]
