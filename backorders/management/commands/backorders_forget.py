"""Forgets a person who asks for it; a dry run unless told otherwise."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backorders.errors import InvalidAddress
from backorders.management.people import add_person, person_named
from backorders.services.privacy import forget_customer


class Command(BaseCommand):
    help = (
        "Closes a person's requests, cancels their mails and blanks every row that is over. Says what is kept and why."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_person(parser)
        parser.add_argument("--yes", action="store_true", help="really do it; without, only say what would be done")

    def handle(self, *args: Any, yes: bool, **options: Any) -> None:
        try:
            done = forget_customer(**person_named(options), dry_run=not yes)
        except InvalidAddress as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"requests: {done.requests_forgotten} forgotten, {done.requests_closed} of them closed now")
        self.stdout.write(f"backorders: {done.backorders_forgotten} forgotten")
        self.stdout.write(f"mails: {done.mails_cancelled} cancelled")
        for kept in done.kept:
            which = f" ({', '.join(kept.references)})" if kept.references else ""
            self.stdout.write(f"kept: {kept.what}{which}. {kept.why}")
        if not yes:
            self.stdout.write("Nothing was changed. Run it again with --yes to do it.")
