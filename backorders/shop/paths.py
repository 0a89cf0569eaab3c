"""Dotted paths and simple arithmetic over a model's fields: ``"inventory.quantity - inventory.reserved"``."""

from __future__ import annotations

import ast
import difflib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import Model

log = logging.getLogger(__name__)


class PathError(ValueError):
    """A path that leads nowhere; the text says where it broke and what is near."""


@dataclass(frozen=True, slots=True)
class Term:
    """One operand of an expression: a field path or a number, added or subtracted."""

    sign: int
    path: tuple[str, ...] = ()
    number: int = 0


def parse_expression(text: str) -> tuple[Term, ...]:
    """This will read ``a.b - c + 2`` into signed terms, or raise ``PathError``."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, AttributeError):
        raise PathError(
            f"{text!r} is no field path. Write it like 'stock' or 'inventory.quantity - inventory.reserved'."
        ) from None
    return tuple(_terms(tree, 1, text))


def _terms(node: ast.expr, sign: int, text: str) -> Iterator[Term]:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            yield from _terms(left, sign, text)
            yield from _terms(right, sign if isinstance(op, ast.Add) else -sign, text)
        case ast.Constant(value=int() as number):
            yield Term(sign, number=number)
        case ast.Name() | ast.Attribute():
            yield Term(sign, path=tuple(ast.unparse(node).split(".")))
        case _:
            raise PathError(
                f"{text!r}: only field paths and whole numbers joined by + and - are understood. Use an adapter class for more."
            )


def resolve(model: type[Model], path: tuple[str, ...]) -> Any:
    """This will follow a path through ``_meta`` to its last field, or raise ``PathError`` with a did-you-mean.

    Every step but the last has to be a relation to one row (foreign key or one-to-one, either side).
    """
    here: type[Model] = model
    for depth, name in enumerate(path):
        field = _field(here, name)
        if depth == len(path) - 1:
            return field
        if not field.is_relation or not (field.many_to_one or field.one_to_one) or field.related_model is None:
            raise PathError(
                f"'{'.'.join(path)}' stops at {here._meta.label}.{name}, which does not lead to one other row."
            )
        here = field.related_model
    raise PathError("An empty path leads nowhere.")


def _field(model: type[Model], name: str) -> Any:
    if name == "pk":
        return model._meta.pk
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        for field in model._meta.get_fields():  # a foreign key may be named by its column: category_id
            if getattr(field, "attname", None) == name:
                return field
        near = did_you_mean(
            name, [field.name for field in model._meta.get_fields() if field.concrete or field.one_to_one]
        )
        raise PathError(f"{model._meta.label} has no field '{name}'.{near}") from None


def did_you_mean(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else f" It has: {', '.join(sorted(known)[:12])}."


def walk(instance: Any, path: tuple[str, ...]) -> Any:
    """The value at the end of a path of attributes, methods without arguments, and relations; ``None`` where a step is missing."""
    here = instance
    for name in path:
        try:
            here = getattr(here, name)
            if callable(here) and not isinstance(here, type):
                here = here()
        except (ObjectDoesNotExist, AttributeError, ValueError):
            return None
        except Exception:  # the shop's own code: a page that cannot be reversed must not cost anybody their mail
            log.warning("%s of %r could not be read.", ".".join(path), instance, exc_info=True)
            return None
        if here is None:
            return None
    return here


_HOLE = re.compile(r"\{([^{}]*)\}")


def template_paths(template: str) -> list[tuple[str, ...]]:
    """The paths in the holes of a URL template: ``"https://front/p/{slug}"`` -> ``[("slug",)]``."""
    return [tuple(hole.split(".")) for hole in _HOLE.findall(template)]


def fill_template(template: str, value_of: Callable[[tuple[str, ...]], Any]) -> str:
    return _HOLE.sub(lambda hole: str(value_of(tuple(hole[1].split(".")))), template)
