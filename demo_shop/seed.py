"""Fill the shelves of the small catalogue."""

from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from backorders.models import ClosedDay, Delivery, Supplier
from backorders.queries.calendars import calendars_of
from backorders.services.locks import anchor_of
from backorders.services.supply import expect_delivery, move_delivery, refresh_forecasts
from backorders.services.terms import set_category_terms, set_selling_policy
from backorders.testing import somebody_waiting_for
from demo_shop.basket import BasketLine
from demo_shop.catalogue import COLOURS, DEPARTMENTS, MAKERS, Choice, Item, Maker, Situation
from demo_shop.models import Category, Customer, Product, Variant
from demo_shop.ordering import place_order

PEOPLE = [
    {"email": "anna@example.com", "first_name": "Anna", "last_name": "Wouters", "is_email_verified": True},
    {"email": "ben@example.com", "first_name": "Ben", "last_name": "Okafor"},
    {
        "email": "admin@example.com",
        "first_name": "Admin",
        "is_email_verified": True,
        "is_staff": True,
        "is_superuser": True,
    },
]


def seed_people() -> None:
    """Everybody's password is the part of their address before the @."""
    for person in PEOPLE:
        if not Customer.objects.filter(email=person["email"]).exists():
            Customer.objects.create_user(password=person["email"].partition("@")[0], **person)


@transaction.atomic
def seed_small() -> int:
    """This will add the departments that are missing and return how many variants came with them."""
    situations: dict[str, Situation] = {}
    for department in DEPARTMENTS:
        category, is_new = Category.objects.get_or_create(
            slug=department.slug,
            defaults={
                "name": department.name,
                "blurb": department.blurb,
                "picture": department.picture,
                "colour": department.colour,
            },
        )
        for item in department.items if is_new else []:
            situations |= stock_up(category, item)
        if is_new and department.terms:
            set_category_terms(model=Variant, category=category.pk, **department.terms)
    variants = Variant.objects.in_bulk(situations, field_name="sku")
    suppliers = {brand: supplier for maker in MAKERS for brand, supplier in supplier_of(maker, variants).items()}
    for sku, situation in situations.items():
        if situation:
            explain(variants[sku], situation, variants, suppliers.get(variants[sku].product.brand))
    if situations:
        seed_life(variants)
        refresh_forecasts()
    return len(situations)


def supplier_of(maker: Maker, variants: dict[str, Variant]) -> dict[str, Supplier]:
    """The supplier of each of its brands; a new one with a past, or nobody could say how late the next delivery comes."""
    today = timezone.localdate()
    supplier, is_new = Supplier.objects.get_or_create(
        name=maker.name, defaults={"lead_days": maker.lead_days, "closed_weekdays": "56"}
    )
    for days, note in maker.closed.items() if is_new else ():
        ClosedDay.objects.create(supplier=supplier, day=today + timedelta(days=days), note=note)
    goods = [variant for variant in variants.values() if variant.product.brand in maker.brands]
    if is_new and goods:
        Delivery.objects.bulk_create(past_deliveries(supplier, maker, goods[:12], today))
    return dict.fromkeys(maker.brands, supplier)


def past_deliveries(supplier: Supplier, maker: Maker, goods: list[Variant], today: date) -> list[Delivery]:
    """One every ten days, all of it received and sold since; firm and estimated dates in turn, for they are two worlds."""
    calendar = calendars_of([supplier])[supplier.id]
    found = []
    for place, days_late in enumerate(maker.days_late):
        stated = calendar.on_or_after(today - timedelta(days=25 + 10 * (len(maker.days_late) - place)))
        ended = calendar.plus(stated, 15 if days_late is None else days_late)
        is_lost = days_late is None
        units = 12 * (1 + place % 4)
        found.append(
            Delivery(
                item=anchor_of(goods[place % len(goods)]),
                supplier=supplier,
                quantity=units,
                received_quantity=0 if is_lost else units,
                earliest_on=calendar.plus(stated, -2),
                latest_on=stated,
                judged_earliest_on=calendar.plus(stated, -2),
                judged_latest_on=stated,
                confidence="firm" if place % 2 else "estimated",
                reference=f"PO-{place + 1:03}",
                state=Delivery.State.CANCELLED if is_lost else Delivery.State.RECEIVED,
                created_at=at_ten(stated - timedelta(days=20)),
                closed_at=at_ten(ended),
                arrived_on=None if is_lost else ended,
            )
        )
    return found


def at_ten(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time(10)))


WAITING = {"HEARTH-MATT-BLACK": 7, "MOOR-SIZE-43": 4, "GUJI-250-G": 11}
"""People who asked to be told before you came."""

ORDERED = [
    ("lena@example.com", "split", {"FORGE-28-CM": 2}),
    ("tom@example.com", "split", {"FORGE-28-CM": 1, "TURN-BEECH": 1}),
    ("anna@example.com", "split", {"FORGE-28-CM": 2}),
    ("ines@example.com", "split", {"FORGE-28-CM": 3}),
    ("ola@example.com", "split", {"FORGE-28-CM": 1, "FORGE-24-CM": 1}),
    ("anna@example.com", "together", {"CAP-RUST": 1, "RING-BRASS": 2, "DOME-BRICK": 1}),
    ("ben@example.com", "split", {"FERRY-SIGNED-HARDBACK": 1}),
    ("tom@example.com", "split", {"MILKING-WALNUT": 2}),
    ("lena@example.com", "split", {"BLOCK-OAK": 2}),
]
"""People who stand in a queue, first come first."""

DELAYED = {"FORGE-28-CM": "The foundry poured a week late."}


def seed_life(variants: dict[str, Variant]) -> None:
    """A shop that opened this morning has nobody waiting; this one has been open for a while."""
    now = timezone.now()
    for sku, people in WAITING.items():
        for number in range(people):
            asked_at = now - timedelta(days=people - number, minutes=17 * number)
            somebody_waiting_for(variants[sku], email=f"reader{number + 1}@example.com", now=asked_at)
    for number, (email, ship, wanted) in enumerate(ORDERED):
        place_order(
            [BasketLine(variant=variants[sku], quantity=units) for sku, units in wanted.items()],
            customer=Customer.objects.filter(email=email).first(),
            email=email,
            name=email.partition("@")[0].title(),
            address="1 Harbour Street\nGhent",
            ship=ship,
            checkout_key=f"seed-{number}",
        )
    for sku, reason in DELAYED.items():
        delivery = Delivery.objects.open().get(item=anchor_of(variants[sku]))
        earliest, latest = (day + timedelta(days=7) for day in (delivery.earliest_on, delivery.latest_on))
        move_delivery(delivery_id=delivery.pk, earliest=earliest, latest=latest, reason=reason)


def stock_up(category: Category, item: Item) -> dict[str, Situation | None]:
    product = Product.objects.create(
        category=category,
        title=item.title,
        slug=slugify(item.title),
        brand=item.brand,
        description=item.copy,
        picture=item.picture,
        is_featured=item.featured,
    )
    variants = [
        Variant(
            product=product,
            sku=sku_of(item, choice),
            name=choice.name,
            colour=colour_of(item, choice),
            price=choice.price,
            stock=choice.stock,
        )
        for choice in item.choices
    ]
    Variant.objects.bulk_create(variants)
    return {sku_of(item, choice): choice.situation for choice in item.choices}


def sku_of(item: Item, choice: Choice) -> str:
    return slugify(f"{item.code} {choice.name}").upper()


def colour_of(item: Item, choice: Choice) -> str:
    return COLOURS.get(choice.name) or COLOURS.get(item.colour, item.colour)


def explain(
    variant: Variant, situation: Situation, variants: dict[str, Variant], supplier: Supplier | None = None
) -> None:
    """This will tell backorders what the shelf alone does not say."""
    today = timezone.localdate()
    release = situation.release_in and today + timedelta(days=situation.release_in)
    set_selling_policy(
        product=variant,
        policy=situation.policy,
        releases_at=release and timezone.make_aware(datetime.combine(release, time(9))),
        discontinued=situation.discontinued,
        successor=variants[situation.successor] if situation.successor else None,
        supplier=supplier,
        **situation.terms,
    )
    if situation.due:
        earliest, latest = (today + timedelta(days=days) for days in situation.due)
        expect_delivery(
            product=variant, quantity=situation.units, earliest=earliest, latest=latest, confidence=situation.confidence
        )
