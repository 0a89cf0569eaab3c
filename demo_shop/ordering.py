"""Placing an order: the shop writes its rows, backorders says what leaves now and what later."""

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import get_language

from backorders.services.checkout import Line, check_out
from demo_shop.basket import BasketLine
from demo_shop.models import Customer, Order, OrderLine


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
) -> Order:
    """Write the order, and let backorders take what is on the shelf and queue the rest: both, or neither."""
    order = Order.objects.create(checkout_key=checkout_key, customer=customer, email=email, name=name, address=address)
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
        idempotency_key=checkout_key,
    )
    for placement in placements:
        row = rows[placement.line.reference]
        row.ships_now, row.ships_later = placement.on_hand, placement.backordered
    OrderLine.objects.bulk_create(rows.values())
    return order
