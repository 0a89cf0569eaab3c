from django.core.management.base import BaseCommand, CommandError

from demo_shop import grocery, seed
from demo_shop.models import Variant


class Command(BaseCommand):
    help = "Fills the demo shop with people and goods. What is there already stays as it is."

    def add_arguments(self, parser):
        parser.add_argument("--catalogue", choices=["small", "grocery"], default="small")

    def handle(self, *args, catalogue, **options):
        seed.seed_people()
        added = seed.seed_small()
        if catalogue == "grocery":
            try:
                added += grocery.seed_grocery(self.progress)
            except grocery.GroceryMissing as missing:
                raise CommandError(missing) from None
        self.stdout.write(f"{added:,} variants added, {Variant.objects.count():,} in the shop.")

    def progress(self, done: int, total: int) -> None:
        """A bar on a terminal, nothing in a log."""
        if self.stdout.isatty():
            filled = 40 * done // total
            self.stdout.write(
                f"\r  [{'#' * filled}{'.' * (40 - filled)}] {done:,} of {total:,}", ending="" if done < total else "\n"
            )
            self.stdout.flush()
