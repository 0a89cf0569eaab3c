"""Prints what we hold about a person who asks for it, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backorders.errors import InvalidAddress
from backorders.management.people import add_person, person_named
from backorders.services.privacy import export_customer


class Command(BaseCommand):
    help = "Prints everything backorders holds about a person as JSON: requests, backorders, dates given, mails."

    def add_arguments(self, parser: CommandParser) -> None:
        add_person(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            held = export_customer(**person_named(options))
        except InvalidAddress as error:
            raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(held, indent=2, ensure_ascii=False))
