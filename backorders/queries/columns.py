"""Statements written by hand, for the few that run so often that building them anew costs more than running them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.models.expressions import Col


class Columns:
    """Columns of one model as such a statement names them, and their values as Python knows them.

    SQLite keeps moments, days and booleans as text and numbers; PostgreSQL hands them over as they are.
    """

    def __init__(self, model: type[Model], names: Iterable[str], *, alias: str) -> None:
        fields: list[Any] = [model._meta.get_field(name) for name in names]
        self._columns: list[Any] = [Col(alias, field) for field in fields]
        self.names = [field.attname for field in fields]
        self.sql = ", ".join(f"{alias}.{field.column}" for field in fields)
        self._converters: dict[str, list[tuple[int, Callable[[Any], Any]]]] = {}

    def converted(self, rows: list[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
        """Rows that begin with these columns; what follows them stays as it is."""
        converters = self._converters.get(connection.vendor)
        if converters is None:
            converters = self._converters[connection.vendor] = list(self._find())
        if not converters:
            return rows
        changed = [list(row) for row in rows]
        for row in changed:
            for place, convert in converters:
                if row[place] is not None:
                    row[place] = convert(row[place])
        return changed

    def _find(self) -> Iterable[tuple[int, Callable[[Any], Any]]]:
        for place, column in enumerate(self._columns):
            steps = [*connection.ops.get_db_converters(column), *column.target.get_db_converters(connection)]
            for step in steps:
                yield place, partial(_convert, step, column)


def _convert(step: Callable[..., Any], column: Any, value: Any) -> Any:
    return step(value, column, connection)
