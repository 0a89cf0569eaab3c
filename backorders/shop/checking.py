"""What is wrong with an entry of SELLABLES, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.db.models import BooleanField, Model
from django.utils.module_loading import import_string

from backorders.shop.adapters import OURS, Adapter, is_attribute
from backorders.shop.fields import MAP_KEYS, FieldAdapter
from backorders.shop.paths import PathError, did_you_mean, parse_expression, resolve, template_paths

COLUMN_KEYS = ("category", "visible")
TEXT_KEYS = ("title", "sku", "price", "currency", "image", "url")


def problems_of(label: Any, options: Any) -> Iterator[str]:
    """Every sentence names the entry, what is wrong, and where it can be guessed, what was meant."""
    model = _model(label)
    if isinstance(model, str):
        yield model
        return
    if not isinstance(options, Mapping):
        yield f"SELLABLES['{label}'] has to be a dict of field paths, or {{'ADAPTER': 'dotted.path'}}, not {options!r}."
        return
    if "ADAPTER" in options:
        yield from _adapter_problems(label, options["ADAPTER"])
        return
    yield from _map_problems(label, model, options)


def _model(label: Any) -> type[Model] | str:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError, AttributeError, TypeError):
        known = [model._meta.label for model in apps.get_models()]
        near = did_you_mean(str(label), known) if _is_near(str(label), known) else " Write it as 'app_label.ModelName'."
        return f"SELLABLES names the model '{label}', which is not installed.{near}"


def _is_near(word: str, known: list[str]) -> bool:
    return "Did you mean" in did_you_mean(word, known)


def _adapter_problems(label: str, adapter: Any) -> Iterator[str]:
    try:
        cls = import_string(adapter) if isinstance(adapter, str) else adapter
    except ImportError as error:
        yield f"SELLABLES['{label}']['ADAPTER'] = '{adapter}' cannot be imported: {error}."
        return
    if not (isinstance(cls, type) and issubclass(cls, Adapter)):
        yield f"SELLABLES['{label}']['ADAPTER'] = '{adapter}' is no subclass of backorders.shop.Adapter."
        return
    for method in ("stock", "describe"):
        if getattr(cls, method) is getattr(Adapter, method):
            yield f"The adapter {cls.__module__}.{cls.__qualname__} of '{label}' has no method {method}(pks). Write it."
    if (cls.take is Adapter.take) != (cls.put is Adapter.put):
        yield f"The adapter {cls.__module__}.{cls.__qualname__} of '{label}' has only one of take() and put(). Write both or neither."


def _map_problems(label: str, model: type[Model], options: Mapping[str, Any]) -> Iterator[str]:
    for key, written in options.items():
        where = f"SELLABLES['{label}']['{key}']"
        if key not in MAP_KEYS:
            yield f"{where} means nothing.{did_you_mean(str(key), list(MAP_KEYS))}"
        elif key == "moves_stock":
            if not isinstance(written, bool):
                yield f"{where} has to be True or False, not {written!r}."
        elif key == "feed":
            yield from _feed_problems(model, written, where)
        elif not isinstance(written, str) or not written:
            yield f"{where} has to be text such as 'name', not {written!r}."
        else:
            yield from (f"{where} = '{written}': {problem}" for problem in _path_problems(model, key, written))


def _feed_problems(model: type[Model], written: Any, where: str) -> Iterator[str]:
    if not isinstance(written, Mapping):
        yield f"{where} has to be a dict such as {{'brand': 'maker.name', 'condition': '=new'}}, not {written!r}."
        return
    for name, said in written.items():
        here = f"{where}['{name}']"
        if not is_attribute(name):
            yield f"{here} is no name of a feed's attribute. Write it as Google does: small letters, digits and _."
        elif name in OURS:
            yield f"{here} is said by backorders alone, or page and feed would differ. Leave it out."
        elif not isinstance(said, str) or not said:
            yield f"{here} has to be a path such as 'maker.name', or a text after =, such as '=new', not {said!r}."
        elif not said.startswith("="):
            try:
                _resolve_first(model, tuple(said.split(".")))
            except PathError as problem:
                yield f"{here} = '{said}': {problem}"


def _path_problems(model: type[Model], key: str, written: str) -> Iterator[str]:
    try:
        if key == "stock":
            for term in parse_expression(written):
                if term.path:
                    resolve(model, term.path)
        elif key in COLUMN_KEYS:
            field = resolve(model, tuple(written.split(".")))
            if key == "visible" and not isinstance(field, BooleanField):
                yield f"{field} is no yes-or-no field. Name a BooleanField, or leave 'visible' out."
        elif key in TEXT_KEYS and not (key == "currency" and len(written) == 3 and written.isupper()):
            for path in template_paths(written) or [tuple(written.split("."))]:
                _resolve_first(model, path)
    except PathError as problem:
        yield str(problem)


def doubts_about(label: str, options: Mapping[str, Any]) -> Iterator[str]:
    """What works, but is probably not meant. Only for entries without problems."""
    model = apps.get_model(label)
    if "ADAPTER" in options:
        return
    if "url" not in options and not hasattr(model, "get_absolute_url"):
        yield f"SELLABLES['{label}'] names no 'url' and {model._meta.label} has no get_absolute_url: mails will not link to the product."
    if options.get("stock") and not FieldAdapter(model, dict(options)).is_numeric:
        yield f"SELLABLES['{label}']['stock'] = '{options['stock']}' holds text; only numbers are read as stock."


def _resolve_first(model: type[Model], path: tuple[str, ...]) -> None:
    """Descriptive paths may end in attributes and methods; their first step has to be on the model."""
    if not hasattr(model, path[0]):
        resolve(model, path[:1])
