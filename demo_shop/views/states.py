"""Every state a product can be in, on one page: each a real product of the shop, as it stands now."""

from dataclasses import dataclass

from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from demo_shop.models import Variant


@dataclass(frozen=True)
class Case:
    """``code`` is its address on the page; ``sku`` the product that was seeded in it (with ``has_choices``, all its variants; with ``has_instead``, what to buy instead)."""

    code: str
    title: str
    about: str
    sku: str
    has_choices: bool = False
    has_instead: bool = False


CASES = [
    Case("in-stock", _("In stock"), _("Nothing to explain, so nothing is."), "HEARTH-SAGE"),
    Case("low", _("Nearly gone"), _("The number is counted, never invented, and the next delivery is named beside it."), "HEARTH-CREAM"),
    Case("backorder-firm", _("On backorder, the date is sure"), _("We promise the last day of the delivery."), "DOME-BRICK"),
    Case("backorder-estimate", _("On backorder, the date is an estimate"), _("The farther away, the wider the words."), "SANTOKU-OAK"),
    Case("backorder-without-date", _("On backorder, nobody knows"), _("No date is better than a made-up one. It can be ordered all the same."), "PRESS-BRASS"),
    Case("made-to-order", _("Made to order"), _("It is never on a shelf, so there is nothing to wait for but its making."), "MILKING-OAK"),
    Case("all-reserved", _("The next delivery is spoken for"), _("We sell no more than will come."), "BLOCK-OAK"),
    Case("preorder", _("Pre-order"), _("The day of its release is named, and by when it ships."), "FERRY-HARDBACK"),
    Case("coming-soon", _("Coming soon"), _("It cannot be ordered yet, but somebody may want to know first."), "SALT-HARDBACK"),
    Case("announced", _("Announced, without a date"), _("The date will be said when it is known. Until then nothing is sold."), "TIDES-HARDBACK"),
    Case("out-with-date", _("Sold out, more on the way"), _("When it comes, and a mail on that day."), "HEARTH-MATT-BLACK"),
    Case("out-without-date", _("Sold out, nobody knows"), _("Then we say so, and show what is here."), "MOON-80-CM", has_instead=True),
    Case("delayed", _("The delivery is late"), _("A day that has passed is never shown again."), "HOUR-SAGE"),
    Case("delayed-backorder", _("Late, and still to be ordered"), _("Whoever orders knows that nobody knows when."), "HOUR-BRICK"),
    Case("discontinued", _("No longer made"), _("What took its place, and no form for a mail that would never come."), "MOKA-9-CUPS", has_instead=True),
    Case("mixed", _("Some sizes here, some not"), _("Every size has its own answer."), "MOOR-SIZE-43", has_choices=True),
]  # fmt: skip


def gallery(request):
    """Two queries for the goods, and the package's own for all of them at once."""
    variants = Variant.objects.in_bulk([case.sku for case in CASES], field_name="sku")
    mixed = {variants[case.sku].product_id for case in CASES if case.has_choices and case.sku in variants}
    choices = {}
    for each in Variant.objects.filter(product__in=mixed):
        choices.setdefault(each.product_id, []).append(each)
    cases = [
        {"case": case, "variant": variant, "choices": choices.get(variant.product_id, []) if case.has_choices else []}
        for case in CASES
        if (variant := variants.get(case.sku))
    ]
    everything = [*variants.values(), *(each for some in choices.values() for each in some)]
    return render(request, "demo_shop/states.html", {"cases": cases, "variants": everything})
