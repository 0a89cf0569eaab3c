"""The shop speaks German, French and Arabic, whole.

After a sentence was added or changed, in `demo_shop`:

    django-admin makemessages -a -e py,html --no-wrap --no-obsolete --no-location
    sed -i '/^"POT-Creation-Date/d; /^"Report-Msgid-Bugs-To/d' locale/*/LC_MESSAGES/django.po
    (translate what is empty or "fuzzy")
    django-admin compilemessages
"""

import io
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

import demo_shop

SHOP = Path(demo_shop.__file__).parent
FORMS = {"de": 2, "fr": 2, "ar": 6}
KEYWORDS = dict.fromkeys(["_", "gettext", "gettext_lazy", "gettext_noop"]) | {"ngettext": (1, 2)}
SAME = {"de": {"Name", "Text"}, "fr": {"Article", "E-mail", "Pages", "Total"}, "ar": set()}
"""Words that really are written as in English."""


@cache
def sentences():
    found = set()
    for path in SHOP.rglob("*"):
        if path.suffix not in (".py", ".html") or "migrations" in path.parts:
            continue
        text = path.read_text()
        if path.suffix == ".html":
            text = "\n".join(line.strip() for line in templatize(text, origin=str(path)).splitlines())
        for _line, words, _comments, _context in extract("python", io.BytesIO(text.encode()), KEYWORDS):
            found.add(words if isinstance(words, tuple) else (words, None))
    counted = {singular for singular, plural in found if plural}
    return {each for each in found if each[1] or each[0] not in counted}


def catalogue(language, kind="po"):
    with (SHOP / "locale" / language / "LC_MESSAGES" / f"django.{kind}").open("rb") as file:
        messages = read_po(file, locale=language) if kind == "po" else read_mo(file)
    return [message for message in messages if message.id]


def ids_of(message):
    return (message.id, None) if isinstance(message.id, str) else tuple(message.id)


def forms_of(message):
    return [message.string] if isinstance(message.string, str) else list(message.string)


language = pytest.mark.parametrize("language", FORMS)


def test_the_sources_were_read_whole():
    """Guards the comparison below against reading nothing."""
    assert len(sentences()) > 180
    assert ("Cancel what waits", None) in sentences()


@language
def test_every_sentence_is_in_the_catalogue_and_no_other(language):
    assert {ids_of(message) for message in catalogue(language)} == sentences()


@language
def test_every_sentence_is_translated(language):
    for message in catalogue(language):
        assert not message.fuzzy, message.id
        assert len(forms_of(message)) == (FORMS[language] if message.pluralizable else 1), message.id
        for form in forms_of(message):
            assert form.strip(), message.id
            assert form not in ids_of(message) or form in SAME[language], message.id


@language
def test_placeholders_are_kept(language):
    """The number itself may be left to the words where a form stands for one number only: "وحدتان"."""
    for message in catalogue(language):
        wanted = Counter(re.findall(r"%\(\w+\)s", ids_of(message)[1] or ids_of(message)[0]))
        for form in forms_of(message):
            left_out = wanted - Counter(re.findall(r"%\(\w+\)s", form))
            assert not Counter(re.findall(r"%\(\w+\)s", form)) - wanted, form
            assert not left_out or (message.pluralizable and left_out.total() == 1), form


@language
def test_the_compiled_catalogue_is_the_written_one(language):
    written, compiled = (
        {ids_of(message): forms_of(message) for message in catalogue(language, kind)} for kind in ("po", "mo")
    )
    assert compiled == written
