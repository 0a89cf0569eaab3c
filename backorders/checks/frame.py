"""What of Django has to be in place: time zones, content types, a database that takes two writers."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections


@register()
def check_frame(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not settings.USE_TZ:
        found.append(
            Error(
                "USE_TZ is False; promises and leases need aware instants.",
                hint="Set USE_TZ = True.",
                id="backorders.E009",
            )
        )
    if not apps.is_installed("django.contrib.contenttypes"):
        found.append(
            Error(
                "django.contrib.contenttypes is not installed.", hint="Add it to INSTALLED_APPS.", id="backorders.E010"
            )
        )
    return found


@register()
def check_databases(**_: Any) -> list[CheckMessage]:
    """Without IMMEDIATE two writers on SQLite fail at once with "database is locked", whatever the time-out."""
    found: list[CheckMessage] = []
    for alias in connections:
        options = connections[alias].settings_dict.get("OPTIONS", {})
        if connections[alias].vendor not in ("sqlite", "postgresql"):
            hint = "Use PostgreSQL or SQLite; others may be added when somebody tests them."
            found.append(
                Warning(
                    f"The database '{alias}' is neither PostgreSQL nor SQLite, which backorders is tested on.",
                    hint=hint,
                    id="backorders.W006",
                )
            )
        if connections[alias].vendor == "sqlite" and str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
            wanted = "{'transaction_mode': 'IMMEDIATE', 'timeout': 20, 'init_command': 'PRAGMA journal_mode=WAL;'}"
            hint = f"Set DATABASES['{alias}']['OPTIONS'] = {wanted}."
            found.append(
                Warning(
                    "SQLite without IMMEDIATE transactions locks up as soon as two processes write.",
                    hint=hint,
                    id="backorders.W003",
                )
            )
    return found
