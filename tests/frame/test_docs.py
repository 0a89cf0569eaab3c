"""The documents say what is true."""

import ast
import datetime as dt
import inspect
import json
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from django.test import Client

from backorders.conf import Settings
from backorders.models import Subscription
from backorders.schedule import intervals
from backorders.services.backorders import tell_whole_orders
from backorders.services.terms import set_selling_policy
from backorders.templatetags.backorders import register
from tests.factories import CustomerFactory, ProductFactory
from tests.hosts.models import Product

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_setting_is_documented_with_its_own_sentence():
    told = (ROOT / "docs" / "settings.md").read_text()
    source = (ROOT / "backorders" / "conf.py").read_text()
    for field in fields(Settings):
        meaning = " ".join(re.search(rf'    {field.name}: [^\n]+\n    """(.*?)"""', source, re.S)[1].split())
        assert f"| `{field.name.upper()}` |" in told
        assert meaning in told


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_imports_shown_in_the_documents_work(path):
    for line in re.findall(r"^\s*(from backorders[.\w]* import [\w, ]+)$", path.read_text(), re.M):
        exec(line.strip(), {})


def test_no_path_of_a_machine_stands_in_a_document():
    for path in DOCS:
        assert not re.search(r"/(work|root|home)/", path.read_text()), path


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.S | re.M)


def test_every_default_in_the_settings_table_is_the_real_one():
    told = (ROOT / "docs" / "settings.md").read_text()
    for name, default in re.findall(r"^\| `([A-Z_]+)` \| `(.+?)` \|", told, re.M):
        known = {"timedelta": dt.timedelta, "date": dt.date, "time": dt.time}
        assert eval(default, known) == getattr(Settings(), name.lower()), name
    assert told.count("\n| `") == len(fields(Settings))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_code_in_the_documents_is_python(path):
    for block in blocks(path, "python"):
        try:
            ast.parse(block)
        except SyntaxError:
            ast.parse("{" + block + "}")  # an entry of a dict


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_calls_in_the_documents_name_real_arguments(path):
    """In code blocks and in the text: ``move_delivery(delivery_id=..., earliest=...)``."""
    text = path.read_text()
    found = DOORS | {
        name: getattr(import_module(module), name)
        for module, names in re.findall(r"from (backorders[.\w]*) import ([\w, ]+)", text)
        for name in names.split(", ")
    }
    for name, arguments in re.findall(r"\b([a-z]\w+)\(((?:[^()]|\([^()]*\))*)\)", text):
        if inspect.isfunction(found.get(name)) and "=" in arguments:
            parameters = inspect.signature(found[name]).parameters
            takes_more = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
            named = re.findall(r"(?:^|[,(\s])(\w+)=(?!=)", re.sub(r"\([^()]*\)", "", arguments))
            assert takes_more or set(named) <= set(parameters), f"{name}({arguments})"


DOORS = {
    name: door
    for module in ("checkout", "supply", "stock", "backorders", "subscriptions", "outbox")
    for name, door in vars(import_module(f"backorders.services.{module}")).items()
    if inspect.isfunction(door) and not name.startswith("_")
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["queue", "supply", "stock"])
def test_the_code_of_these_documents_runs(name):
    mug, cup = ProductFactory(stock=5), ProductFactory(stock=5)
    set_selling_policy(product=mug, policy="backorder")
    known = {"mug": mug, "cup": cup, "Product": Product, "print": lambda *_: None}
    for block in blocks(ROOT / "docs" / f"{name}.md", "python"):
        exec(block, known)


@pytest.mark.django_db
def test_what_a_subscriber_can_say_is_shown_by_code_that_runs():
    known = {name: ProductFactory() for name in ("sage", "cream", "midnight")}
    known["ana"] = CustomerFactory(email="ana@example.com")
    told = (ROOT / "docs" / "storefront.md").read_text().split("## Everything a subscriber can say")[1]
    for block in re.findall(r"^```python\n(.*?)^```", told, re.S | re.M)[:2]:
        exec(block, known)
    assert known["where"] == {} and Subscription.objects.filter(quantity=2).count() == 3


def test_every_tag_and_filter_is_documented():
    told = (ROOT / "docs" / "storefront.md").read_text()
    for name in register.tags:
        assert f"`{{% {name} " in told, name
    for name in register.filters:
        assert f"\\|{name} }}}}`" in told, name


@pytest.mark.django_db
def test_the_example_of_the_api_has_the_fields_of_the_api():
    told = json.loads(blocks(ROOT / "docs" / "api.md", "json")[0])
    answer = Client().get(f"/backorders/api/availability/hosts.product/{ProductFactory().pk}/").json()
    assert list(told) == list(answer)


def test_every_job_is_named_where_workers_are_explained():
    told = (ROOT / "docs" / "mail.md").read_text()
    assert [name for name in intervals() if f"`{name}`" not in told] == []
    assert tell_whole_orders.__name__ in intervals()


def test_every_command_is_documented():
    everything = "".join(path.read_text() for path in DOCS)
    commands = (ROOT / "backorders" / "management" / "commands").glob("backorders_*.py")
    assert [path.stem for path in commands if path.stem not in everything] == []
