"""Recomputes the counters and says what had drifted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from backorders.services.repair import repair_counters


class Command(BaseCommand):
    help = "Recomputes every counter (owed, held, on their way, next date) from its rows and reports each that had drifted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only report, change nothing")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        count = 0
        for drift in repair_counters(dry_run=dry_run):
            self.stdout.write(str(drift))
            count += 1
        if not count:
            self.stdout.write("Every counter is what its rows say.")
        elif dry_run:
            self.stdout.write(f"{count} counters have drifted. Run it again without --dry-run to repair them.")
        else:
            self.stdout.write(f"{count} counters repaired. Please tell us how they came to drift: it is a bug.")
