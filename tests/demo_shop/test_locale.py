"""The shop speaks German, French, Spanish and Arabic, whole: its pages, and the names and descriptions of its goods.

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
from html import unescape
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

import demo_shop
from demo_shop.models import Category, Customer, Order, Product, SentMail, Variant

SHOP = Path(demo_shop.__file__).parent
FORMS = {"de": 2, "fr": 2, "es": 3, "ar": 6}
KEYWORDS = dict.fromkeys(["_", "gettext", "gettext_lazy", "gettext_noop"]) | {"ngettext": (1, 2)}
SAME = {
    "de": {"Name", "Sand", "Text"},
    "fr": {"Article", "E-mail", "Long", "Pages", "Total"},
    "es": {"Total"},
    "ar": set(),
}
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


# what visitors see

PAGES = [
    "/",
    "/c/",
    "/states/",
    "/basket/",
    "/checkout/",
    "/account/",
    "/account/login/",
    "/account/register/",
    "/inbox/",
    "/warehouse/",
    "/warehouse/HEARTH-BRICK/",
    "/nowhere/",
    "/search/?q=zzz",
    "/backorders/mine/",
]


@pytest.fixture
def shop(seeded, db):
    """The shop on its first morning, with Anna's basket half full and a mail in the inbox."""
    SentMail.objects.create(to="anna@example.com", subject="…", text="…", html="<p>…</p>", headers="To: …")


def opened(client, language):
    """Every page of the shop, each kind of product on its own page among them, as a guest and as Anna."""
    client.cookies["django_language"] = language
    departments = [category.get_absolute_url() for category in Category.objects.all()]
    goods = [product.get_absolute_url() for product in Product.objects.all()]
    mail = SentMail.objects.latest("pk").pk
    for path in [*PAGES, *departments, *goods, f"/inbox/{mail}/"]:
        yield client.get(path, follow=True)
    client.force_login(Customer.objects.get(email="anna@example.com"))
    for sku in ("HEARTH-SAGE", "FORGE-28-CM"):
        yield client.post("/basket/add/", {"variant": Variant.objects.get(sku=sku).pk, "quantity": 2}, follow=True)
    for path in ["/checkout/", "/account/", "/backorders/mine/", Order.objects.latest("pk").get_absolute_url()]:
        yield client.get(path, follow=True)


def texts_of(page):
    """What stands on a page, element by element, and what is said of pictures and fields."""
    html = re.sub(r'<button name="language".*?</button>', "", page.content.decode())  # each calls itself
    html = re.sub(r"<(style|script)\b.*?</\1>|</?(?:time|bdi|q)\b[^>]*>", "", html, flags=re.S)
    said = re.findall(r' (?:alt|title|placeholder|aria-label)="([^"]+)"', html)
    return {" ".join(unescape(text).split()) for text in [*re.split(r"<[^>]+>", html), *said]}


def english_among(texts, language):
    """Those that are one of the shop's sentences as it stands in the sources, whatever stands in its gaps."""
    known = [each for ids in sentences() for each in ids if each and each not in SAME[language]]
    gaps = [r".+?".join(map(re.escape, re.split(r"%\(\w+\)s", " ".join(each.split())))) for each in known]
    return {text for text in texts if re.fullmatch("|".join(gaps), text)}


@language
@pytest.mark.xdist_group("seed")
def test_no_visitor_reads_english(client, shop, language):
    said = set()
    for page in opened(client, language):
        assert f'<html lang="{language}"' in page.content.decode(), page.request
        said |= texts_of(page)
    assert len(said) > 500
    assert english_among(said, language) == set()


def test_english_on_a_page_would_be_found():
    """Guards the one above: names of goods, sentences with a gap, and words of a form."""
    assert english_among({"Moor boots", "Size 43", "Page 1 of 3", "Search the shop", "Botas"}, "es") == {
        "Moor boots",
        "Size 43",
        "Page 1 of 3",
        "Search the shop",
    }


@pytest.mark.xdist_group("seed")
@pytest.mark.parametrize(
    ("language", "word", "found"),
    [("de", "wasserkessel", "hearth-kettle-15-l"), ("es", "botas", "moor-boots"), ("ar", "خيمة", "ridge-tent")],
)
def test_goods_are_found_by_what_they_are_called_in_the_visitors_language(client, shop, language, word, found):
    client.cookies["django_language"] = language
    shown = client.get("/search/", {"q": word}).context["cards"]
    assert [card["product"].slug for card in shown] == [found]


@pytest.mark.xdist_group("seed")
def test_the_name_of_a_variant_is_said_in_the_visitors_language(client, shop):
    client.cookies["django_language"] = "es"
    page = client.get("/p/moor-boots/?variant=MOOR-SIZE-43").content.decode()
    assert "Botas Moor, Talla 43" in page
    client.cookies["django_language"] = "ar"
    assert "حذاء مور، مقاس 43" in client.get("/p/moor-boots/?variant=MOOR-SIZE-43").content.decode()
    assert "Size 43" not in page
