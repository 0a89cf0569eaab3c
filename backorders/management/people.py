"""How commands are told whom they are about."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser


def add_person(parser: CommandParser) -> None:
    parser.add_argument("email", nargs="?", default="", help="the person's address")
    parser.add_argument(
        "--customer", metavar="ID", help="the primary key of their account; with the address or without"
    )


def person_named(options: dict[str, Any]) -> dict[str, Any]:
    """``email`` and ``customer`` for the services. Raises ``CommandError``."""
    if not options["customer"]:
        return {"email": options["email"], "customer": None}
    try:
        customer = get_user_model()._default_manager.filter(pk=options["customer"]).first()
    except (TypeError, ValueError):
        customer = None
    if customer is None:
        raise CommandError("There is no such customer. --customer takes the primary key of an account.")
    return {"email": options["email"], "customer": customer}
