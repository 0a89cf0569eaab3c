"""What is written about a mail before and after it leaves: each row by itself, and without waiting for the disk.

The mark "sent" of one mail and the mark "sending" of the next are one statement, so that a mail costs the database one
round trip. A process that dies loses none of them. A database *server* that crashes may forget the last half second of
marks; those mails are sent again, as if nobody knew their fate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection

from backorders.conf import conf
from backorders.models import OutgoingMail


def mark(token: UUID, *, sent: int | None = None, provider_id: str = "", sending: int | None = None) -> set[int]:
    """This will note that one mail was accepted and that another is about to be told, its attempt counted.

    Only rows that are still leased to ``token``. Returns the ids that were: who is missing belongs to another worker now.
    """
    if sent is None and sending is None:
        return set()
    if sent is not None and sending is not None and not connection.features.can_return_rows_from_bulk_insert:
        return mark(token, sent=sent, provider_id=provider_id) | mark(token, sending=sending)
    clock, until, lazily = _WORDS[connection.vendor]
    sql = f"""
        UPDATE {OutgoingMail._meta.db_table} SET
            state = CASE WHEN id = %s THEN 'sent' ELSE 'sending' END,
            attempts = CASE WHEN id = %s THEN attempts ELSE attempts + 1 END,
            sent_at = CASE WHEN id = %s THEN {clock} ELSE sent_at END,
            provider_id = CASE WHEN id = %s THEN %s ELSE provider_id END,
            note = CASE WHEN id = %s THEN '' ELSE note END,
            leased_until = CASE WHEN id = %s THEN NULL ELSE {until} END,
            lease_token = CASE WHEN id = %s THEN NULL ELSE lease_token END
        {lazily}
        WHERE lease_token = %s AND ((id = %s AND state = 'sending') OR (id = %s AND state = 'leased'))
    """  # noqa: S608 - our own names
    done, begun = sent or 0, sending or 0
    lease: Any = OutgoingMail._meta.get_field("lease_token").get_db_prep_save(token, connection)
    params = [done, done, done, done, provider_id, done, done, conf.lease.total_seconds(), done, lease, done, begun]
    with connection.cursor() as cursor:
        if connection.features.can_return_rows_from_bulk_insert:
            cursor.execute(f"{sql} RETURNING id", params)
            return {row[0] for row in cursor.fetchall()}
        cursor.execute(sql, params)
        return {done or begun} if cursor.rowcount else set()


_WORDS = {
    "postgresql": (
        "clock_timestamp()",
        "clock_timestamp() + make_interval(secs => %s)",
        "FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazily",  # for this statement's commit only
    ),
    "sqlite": (
        "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds')",
        "",
    ),
}


@contextmanager
def lazily() -> Iterator[None]:
    """While this lasts SQLite does not wait for the disk at each commit, if it keeps a write-ahead log. PostgreSQL is told per statement."""
    if connection.vendor != "sqlite" or connection.in_atomic_block or _pragma("journal_mode") != "wal":
        yield
        return
    before = _pragma("synchronous")
    _pragma("synchronous", "NORMAL")
    try:
        yield
    finally:
        if not connection.in_atomic_block:
            _pragma("synchronous", before)


def _pragma(name: str, value: object = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}" if value is None else f"PRAGMA {name} = {value}")
        row = cursor.fetchone()
    return row[0] if row else None
