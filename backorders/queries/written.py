"""Queries with blanks, which Django writes once in a process: each takes it a millisecond, and the database a tenth to answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Field, IntegerField, QuerySet, Value


class Blank(Value):
    """A place in a query for a value that is given each time. A moment may be moved: ``now - timedelta(hours=1)``."""

    def __init__(self, name: str, field: Field[Any, Any], *, shift: timedelta = timedelta(0)) -> None:
        super().__init__(None, output_field=field)
        self.name, self.shift = name, shift

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        return "%s", [self]

    def __add__(self, shift: timedelta) -> Blank:  # type: ignore[override]
        return Blank(self.name, self.output_field, shift=self.shift + shift)

    def __sub__(self, shift: timedelta) -> Blank:  # type: ignore[override]
        return self + -shift

    def filled(self, values: dict[str, Any]) -> Any:
        """The value as the database takes it."""
        value = values[self.name]
        return self.output_field.get_db_prep_value(value + self.shift if self.shift else value, connection)


def blank_moment(name: str) -> Blank:
    return Blank(name, DateTimeField())


def blank_number(name: str) -> Blank:
    return Blank(name, IntegerField())


Moment = datetime | Blank


def sql_of(query: QuerySet[Any, Any]) -> tuple[str, tuple[Any, ...]]:
    """What Django makes of a query: SQL and parameters."""
    sql, params = query.query.get_compiler(connection=connection).as_sql()
    return sql, tuple(params)


class Written:
    """A query with ``Blank``s in it. What it finds comes as the database gives it: for ids, counts and sums that is enough."""

    def __init__(self, query: Callable[[], QuerySet[Any, Any]]) -> None:
        self._query = query

    @cached_property
    def _text(self) -> tuple[str, tuple[Any, ...]]:
        return sql_of(self._query())

    def filled(self, **values: Any) -> tuple[str, tuple[Any, ...]]:
        """SQL and parameters."""
        sql, params = self._text
        return sql, tuple(each.filled(values) if isinstance(each, Blank) else each for each in params)

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(*self.filled(**values))
            return list(cursor.fetchall())
