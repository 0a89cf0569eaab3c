"""Several rows in one statement: on PostgreSQL an order waits for the network once instead of four times, and a wave once at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet


def write_together(
    head: Model, *, followers: Iterable[tuple[Model, str]], changed: Model, fields: Iterable[str]
) -> None:
    """This will insert ``head``, then rows that point at it, and save ``fields`` of a row that exists.

    ``followers``: new rows, each with the name of its foreign key to ``head``. All of it in one statement on PostgreSQL, one
    by one elsewhere. Signals of ``save`` are not sent. Raises ``IntegrityError``.
    """
    if connection.vendor == "postgresql":
        _in_one_statement(head, list(followers), changed, list(fields))
        return
    _one_by_one(head, list(followers), changed, list(fields))


def write_from(
    model: type[Model], *, rows: QuerySet[Any, Any], columns: Mapping[str, str], constants: Mapping[str, Any]
) -> int:
    """This will insert one row of ``model`` for each of ``rows`` with one statement, however many. Returns how many.

    ``columns``: column -> field or annotation of the rows; ``constants``: columns that are the same for all, in their field's own
    values. What a constraint forbids is left out.
    """
    fields: Any = {field.column: field for field in model._meta.concrete_fields}
    values = [fields[column].get_db_prep_save(value, connection) for column, value in constants.items()]
    inner, params = rows.values_list(*columns.values()).query.get_compiler(connection=connection).as_sql()
    taken = ", ".join(f"source.{connection.ops.quote_name(name)}" for name in columns.values())
    holes = ", ".join(_typed(fields[column]) for column in constants)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join([*constants, *columns])}) "  # noqa: S608 - our own names
            f"SELECT {holes}, {taken} FROM ({inner}) AS source WHERE true ON CONFLICT DO NOTHING",
            [*values, *params],
        )
        return int(cursor.rowcount)


def write_values(
    model: type[Model],
    *,
    columns: Sequence[str],
    rows: Iterable[Sequence[int | str | None]],
    constants: Mapping[str, Any],
) -> None:
    """This will insert many rows with one statement, for a tenth of what it costs to make a model of each.

    ``rows``: by ``columns``, whole numbers and words of letters and digits only, for they become part of the statement;
    ``constants`` as in ``write_from``. Raises ``ValueError`` for anything else, ``IntegrityError``.
    """
    fields: Any = {field.column: field for field in model._meta.concrete_fields}
    values = [fields[column].get_db_prep_save(value, connection) for column, value in constants.items()]
    taken = ", ".join(
        f"CAST(source.column{place + 1} AS {_type_of(fields[name])})" for place, name in enumerate(columns)
    )
    holes = ", ".join(_typed(fields[column]) for column in constants)
    written = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
    if written:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({', '.join([*constants, *columns])}) "  # noqa: S608 - our own
                f"SELECT {holes}, {taken} FROM (VALUES {written}) AS source",
                values,
            )


def _type_of(field: Any) -> str:
    return str(field.rel_db_type(connection) if field.is_relation else field.db_type(connection))


def _literal(value: int | str | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return f"{value:d}"
    if not (value.isascii() and value.isalnum()):
        raise ValueError(f"{value!r} cannot be part of a statement.")
    return f"'{value}'"


def _typed(field: Any) -> str:
    """PostgreSQL wants to know the type of a constant in a SELECT; SQLite would turn a date into a number if told."""
    return f"CAST(%s AS {field.db_type(connection)})" if connection.vendor == "postgresql" else "%s"


def _one_by_one(head: Model, followers: list[tuple[Model, str]], changed: Model, fields: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(*_insert(head))
        _is_stored(head, cursor.lastrowid)
        for row, name in followers:
            setattr(row, name, head)
            cursor.execute(*_insert(row))
            _is_stored(row, cursor.lastrowid)
        cursor.execute(*_update(changed, fields))


def _is_stored(row: Model, pk: int) -> None:
    row.pk = pk
    row._state.adding = False
    row._state.db = connection.alias


def _in_one_statement(head: Model, followers: list[tuple[Model, str]], changed: Model, fields: list[str]) -> None:
    insert, params = _insert(head)
    parts = [f"head AS ({insert} RETURNING id)"]
    for number, (row, name) in enumerate(followers):
        insert, values = _insert(row, pointing=name)
        parts.append(f"follower{number} AS ({insert})")
        params += values
    update, values = _update(changed, fields)
    parts.append(f"changed AS ({update})")
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {', '.join(parts)} SELECT id FROM head", [*params, *values])  # noqa: S608 - our own names
        _is_stored(head, cursor.fetchone()[0])


def _insert(row: Model, *, pointing: str = "") -> tuple[str, list[Any]]:
    columns: list[str] = []
    holes: list[str] = []
    values: list[Any] = []
    fields: Any = row._meta.concrete_fields
    for field in fields:
        if field.primary_key:
            continue
        columns.append(field.column)
        if field.name == pointing:
            holes.append("(SELECT id FROM head)")
            continue
        value = _prepared(field, row, adding=True)
        if value is None:  # half of them, and a driver that counts fewer parameters keeps the parsed statement
            holes.append("NULL")
        else:
            holes.append("%s")
            values.append(value)
    return f"INSERT INTO {row._meta.db_table} ({', '.join(columns)}) VALUES ({', '.join(holes)})", values  # noqa: S608


def _update(row: Model, fields: list[str]) -> tuple[str, list[Any]]:
    chosen: list[Any] = [row._meta.get_field(name) for name in fields]
    values = [_prepared(field, row, adding=False) for field in chosen]
    holes = ", ".join(f"{field.column} = %s" for field in chosen)
    return f"UPDATE {row._meta.db_table} SET {holes} WHERE id = %s", [*values, row.pk]  # noqa: S608


_NATIVE = {int, str, bool, type(None)}
"""What every driver takes as it is; the rest goes through its field."""


def _prepared(field: Any, row: Model, *, adding: bool) -> Any:
    value = field.pre_save(row, adding)
    return value if type(value) in _NATIVE else field.get_db_prep_save(value, connection)
