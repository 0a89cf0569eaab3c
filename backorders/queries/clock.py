"""The database's clock."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """The one clock by which mails are due and leases end: two workers may disagree about the time, the database does not."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        else:
            cursor.execute(
                "SELECT CURRENT_TIMESTAMP(6)" if connection.vendor == "mysql" else "SELECT clock_timestamp()"
            )
        value = cursor.fetchone()[0]
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment, timezone.get_fixed_timezone(0))
