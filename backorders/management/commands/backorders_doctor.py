"""Shows what we read of the shop, and what is still missing before a mail can leave."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, ProgrammingError

from backorders.conf import conf
from backorders.domain.addresses import parse_address
from backorders.errors import InvalidAddress, StockUnreadable
from backorders.models import StockItem
from backorders.queries.availability import availability_for
from backorders.services.mailer import Mailer, probe_message
from backorders.shop import Adapter, sellables
from backorders.shop.adapters import whole_units

_ROWS = 3


class Command(BaseCommand):
    help = "Prints for three products of each sellable model what is read of them, and what is missing to send mail."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--mail", metavar="ADDRESS", help="also send a test mail to this address")

    def handle(self, *args: Any, mail: str | None = None, **options: Any) -> None:
        problems = self.settings_report()
        if not problems:
            try:
                problems += sum(self.sellable_report(adapter) for adapter in sellables)
            except (OperationalError, ProgrammingError) as missing:
                self.stdout.write(
                    self.style.ERROR(f"  ✗ The database lacks something: {missing}. Run `manage.py migrate`.")
                )
                problems += 1
        if mail:
            problems += self.mail_report(mail)
        self.stdout.write("" if problems else self.style.SUCCESS("\nAll is well."))
        if problems:
            raise SystemExit(1)

    def settings_report(self) -> int:
        """Errors and warnings of the system checks that are ours."""
        found = [
            message for message in checks.run_checks(databases=["default"]) if str(message.id).startswith("backorders.")
        ]
        self.stdout.write(self.style.MIGRATE_HEADING("Settings"))
        for message in found:
            mark = self.style.ERROR("  ✗") if message.is_serious() else self.style.WARNING("  !")
            self.stdout.write(f"{mark} {message.msg}" + (f"\n    {message.hint}" if message.hint else ""))
        if not found:
            self.stdout.write(f"  ✓ {len(list(sellables))} sellable models, mails link to {conf.site_url}")
        return sum(message.is_serious() for message in found)

    def sellable_report(self, adapter: Adapter) -> int:
        """Prints up to three products; returns how many of them have a stock number that cannot be read."""
        self.stdout.write(self.style.MIGRATE_HEADING(f"\n{adapter.label}"))
        self.stdout.write(f"  {self.stock_story(adapter)}")
        products = list(adapter.model._default_manager.order_by("pk")[:_ROWS])
        if not products:
            self.stdout.write("  no rows yet")
            return 0
        pks = [product.pk for product in products]
        described, stock = adapter.describe(pks), adapter.stock(pks)
        visible, groups = adapter.visible(pks), adapter.group_key(pks)
        states = availability_for(products)
        for product in products:
            shown = described.get(product.pk)
            self.stdout.write(f"  {product.pk}  {shown.title if shown else '?'}")
            for name, value in (
                ("stock", self.reading(adapter, product.pk, stock.get(product.pk))),
                ("state", states[product].state),
                ("visible", "yes" if product.pk in visible else "no"),
                ("sku", shown.sku if shown else ""),
                (
                    "price",
                    f"{shown.price} {shown.currency or conf.currency}" if shown and shown.price is not None else "",
                ),
                ("category", groups.get(product.pk, "")),
                ("url", shown.url if shown else ""),
                ("image", shown.image if shown else ""),
            ):
                self.stdout.write(f"      {name:<9}{value if value != '' else '– (not mapped, or empty)'}")
        return sum(is_unreadable(adapter, pk, stock.get(pk)) for pk in pks)

    def stock_story(self, adapter: Adapter) -> str:
        if not adapter.keeps_stock:
            return "no stock number in the shop: we keep it (set it in the admin, or with set_on_hand); until then always available"
        if adapter.can_move_stock():
            return "we read the shop's stock number, and move it when goods arrive or are ordered"
        return "we read the shop's stock number; the shop books it, we only subtract what is owed"

    def reading(self, adapter: Adapter, pk: Any, raw: Any) -> str:
        if not adapter.keeps_stock:
            number = (
                StockItem.objects.of(sellables.identify_key(adapter, pk)).values_list("own_quantity", flat=True).first()
            )
            return "no number set yet: always available" if number is None else f"{number} (ours)"
        try:
            units = whole_units(raw, label=adapter.label, pk=pk)
        except StockUnreadable as problem:
            return f"✗ {problem}"
        if units is None:
            return "not counted: always available"
        return str(units) if raw == units else f"{raw} (read as {units})"

    def mail_report(self, typed: str) -> int:
        self.stdout.write(self.style.MIGRATE_HEADING("\nTest mail"))
        try:
            address = parse_address(typed, allow_local_domains=True)
        except InvalidAddress as problem:
            self.stdout.write(self.style.ERROR(f"  ✗ {problem}"))
            return 1
        with Mailer() as mailer:
            [answer] = mailer.send([probe_message(address.display)])
        is_good = answer.outcome == "accepted"
        self.stdout.write(
            f"  ✓ the mail server took it for {address.display}" if is_good else self.style.ERROR(f"  ✗ {answer.note}")
        )
        return 0 if is_good else 1


def is_unreadable(adapter: Adapter, pk: Any, raw: Any) -> bool:
    try:
        whole_units(raw, label=adapter.label, pk=pk)
    except StockUnreadable:
        return True
    return False
