"""Fill the shelves of the small catalogue."""

from datetime import datetime, time, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from backorders.services.stock import set_selling_policy
from backorders.services.supply import expect_delivery
from backorders.testing import somebody_waiting_for
from demo_shop.basket import BasketLine
from demo_shop.catalogue import COLOURS, DEPARTMENTS, Choice, Item, Situation
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
    variants = Variant.objects.in_bulk(situations, field_name="sku")
    for sku, situation in situations.items():
        if situation:
            explain(variants[sku], situation, variants)
    if situations:
        seed_life(variants)
    return len(situations)


WAITING = {"HEARTH-MATT-BLACK": 7, "MOOR-SIZE-43": 4, "GUJI-250-G": 11}
"""People who asked to be told before you came."""

ORDERED = {"FORGE-28-CM": ["lena@example.com", "tom@example.com", "anna@example.com"]}
"""People who stand in a queue, first come first."""


def seed_life(variants: dict[str, Variant]) -> None:
    """A shop that opened this morning has nobody waiting; this one has been open for a while."""
    now = timezone.now()
    for sku, people in WAITING.items():
        for number in range(people):
            asked_at = now - timedelta(days=people - number, minutes=17 * number)
            somebody_waiting_for(variants[sku], email=f"reader{number + 1}@example.com", now=asked_at)
    for sku, buyers in ORDERED.items():
        for email in buyers:
            customer = Customer.objects.filter(email=email).first()
            name = email.partition("@")[0].title()
            place_order(
                [BasketLine(variant=variants[sku], quantity=2)],
                customer=customer,
                email=email,
                name=name,
                address="1 Harbour Street\nGhent",
                ship="split",
                checkout_key=f"seed-{sku}-{email}"[:40],
            )


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


def explain(variant: Variant, situation: Situation, variants: dict[str, Variant]) -> None:
    """This will tell backorders what the shelf alone does not say."""
    today = timezone.localdate()
    release = situation.release_in and today + timedelta(days=situation.release_in)
    set_selling_policy(
        product=variant,
        policy=situation.policy,
        backorder_limit=situation.limit,
        releases_at=release and timezone.make_aware(datetime.combine(release, time(9))),
        discontinued=situation.discontinued,
        successor=variants[situation.successor] if situation.successor else None,
    )
    if situation.due:
        earliest, latest = (today + timedelta(days=days) for days in situation.due)
        expect_delivery(
            product=variant, quantity=situation.units, earliest=earliest, latest=latest, confidence=situation.confidence
        )
