"""The documents say what is true."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from backorders.conf import Settings

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
