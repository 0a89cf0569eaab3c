"""The package speaks German, French, Dutch, Spanish and Arabic, whole.

After a sentence was added or changed:

    cd backorders
    django-admin makemessages -a -e py,html,txt --no-wrap --no-obsolete --add-location file
    sed -i '/^"POT-Creation-Date/d; /^"Report-Msgid-Bugs-To/d' locale/*/LC_MESSAGES/django.po
    (translate what is empty or "fuzzy")
    django-admin compilemessages

Only those two commands need the gettext tools; these tests read the sources as makemessages does, through Django's own
``templatize`` and Babel.
"""

import datetime as dt
import gettext
import io
import itertools
import re
import uuid
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.contrib import admin
from django.core import mail
from django.template import Context, Template
from django.test import Client, RequestFactory, override_settings
from django.test.signals import template_rendered
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation.template import templatize

import backorders
from backorders.api.errors import sentence
from backorders.domain.availability import Availability, State
from backorders.domain.chances import Odds
from backorders.domain.terms import Policy, Terms
from backorders.domain.tokens import Purpose
from backorders.domain.units import Units
from backorders.domain.waves import Order
from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Window
from backorders.domain.wording import by_label_of, label_of
from backorders.errors import (
    BelowMinimum,
    HoldLost,
    InvalidDay,
    InvalidLanguage,
    InvalidPrice,
    InvalidQuantity,
    LimitReached,
    NotOrderable,
    NotSellable,
    TooManyProducts,
)
from backorders.models import (
    Alternative,
    Backorder,
    Delivery,
    Hold,
    OutgoingMail,
    StockItem,
    Subscription,
    SuppressedAddress,
)
from backorders.queries.availability import shop_today
from backorders.queries.backorders import places_of
from backorders.queries.subscriptions import Due, Standing
from backorders.queries.timelines import line_path
from backorders.services.backorders import (
    cancel_backorder,
    place_backorder,
    ship_backorder,
    tell_releases,
    tell_whole_orders,
)
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import MOST_CHOICES, subscribe, tidy_subscriptions
from backorders.services.supply import cancel_delivery, expect_delivery, move_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from backorders.storefront.outcomes import carrying
from backorders.storefront.people import LINES_A_PAGE
from backorders.storefront.wording import (
    FAR_BACK,
    button_of,
    invitation_of,
    payment_of,
    promise_in_words,
    shown,
    standing_in_words,
    window_in_words,
)
from tests.factories import CustomerFactory, ProductFactory, in_days, token_for, waiting_for
from tests.hosts.models import Poster, Product

pytestmark = [pytest.mark.any_database, pytest.mark.xdist_group("locale")]  # they share what was read of the sources

PACKAGE = Path(backorders.__file__).parent
LANGUAGES = {"ar": "العربية", "de": "Deutsch", "es": "español", "fr": "français", "nl": "Nederlands"}

SAME = {
    "ar": set(),
    "de": {"problem", "was"},
    "es": {"No"},
    "fr": {"Date", "Dates", "alternative", "alternatives", "situation"},
    "nl": {"later", "link", "links", "model", "open", "product", "Product"},
}
"""Words that really are written as in English."""

HEADERS = {
    "Project-Id-Version",
    "Language",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Plural-Forms",
}
"""No dates that change with every run, no names, no addresses."""

KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


# the sources and the catalogues


@cache
def sources():
    """Every sentence of the package by msgid: its plural, or ``None``, and the files it stands in."""
    found = {}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix not in (".py", ".html", ".txt") or "migrations" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":  # as makemessages does; the rest of the template is blanked out, its indents too
            text = "\n".join(line.strip() for line in templatize(text, origin=str(path)).splitlines())
        for _line, words, _comments, context in extract("python", io.BytesIO(text.encode()), KEYWORDS):
            assert context is None, f"{words}: contexts are not compared here yet"
            msgid, plural = words if isinstance(words, tuple) else (words, None)
            known = found.setdefault(msgid, (plural, set()))
            assert plural is None or known[0] in (None, plural)
            found[msgid] = (plural or known[0], known[1] | {path.relative_to(PACKAGE).as_posix()})
    return found


@cache
def catalogue(language, kind="po"):
    path = PACKAGE / "locale" / language / "LC_MESSAGES" / f"django.{kind}"
    with path.open("rb") as file:
        return read_po(file, locale=language) if kind == "po" else read_mo(file)


def entries(language):
    return [message for message in catalogue(language) if message.id]


def ids_of(message):
    return (message.id, None) if isinstance(message.id, str) else tuple(message.id)


def forms_of(message):
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def chosen_form(language):
    header = dict(catalogue(language).mime_headers)["Plural-Forms"]
    size, rule = re.fullmatch(r"nplurals=(\d+); plural=(.+);", header).groups()
    return int(size), gettext.c2py(rule)


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def test_these_are_the_languages_we_ship():
    assert {path.name for path in (PACKAGE / "locale").iterdir() if path.is_dir()} == set(LANGUAGES)


def test_the_sources_were_read_whole():
    """Guards the comparison below against reading nothing."""
    found = sources()
    assert len(found) > 300
    assert found["Only %(left)s left"][0] == "Only %(left)s left"
    assert "templates/backorders/mail/_when.txt" in found["Place in line: %(position)s"][1]
    assert any(msgid.startswith('We write to <strong class="bo-address"') for msgid in found)


def test_python_code_marks_its_sentences_with_names_makemessages_knows():
    """``gettext as _t`` would be left out of the catalogues without a word."""
    aliases = {
        (path.name, name)
        for path in PACKAGE.rglob("*.py")
        for name in re.findall(r"\bn?p?gettext(?:_lazy|_noop)? as (\w+)", path.read_text(encoding="utf-8"))
    }
    assert {name for _, name in aliases} == {"_"}


def test_every_sentence_of_the_sources_is_in_the_catalogue_and_no_other(language):
    wanted = {(msgid, plural) for msgid, (plural, _) in sources().items()}
    assert {ids_of(message) for message in entries(language)} == wanted
    assert not catalogue(language).obsolete


def test_every_sentence_is_translated(language):
    size, _ = chosen_form(language)
    for message in entries(language):
        assert not message.fuzzy, message.id
        assert len(forms_of(message)) == (size if message.pluralizable else 1), message.id
        for form in forms_of(message):
            assert form.strip(), message.id
            assert form == form.strip() and "  " not in form, message.id
            assert form not in ids_of(message) or form in SAME[language], message.id


PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|</?\w[^>]*>|%(?!\()|name@example\.com|catalogue\.product:12|\.com\b")


def test_placeholders_and_markup_are_kept(language):
    """The number itself may be left to the words where a form stands for one number only: "شخصان"."""
    _, choose = chosen_form(language)
    counted = Counter(choose(number) for number in range(1000))
    for message in entries(language):
        singular, plural = ids_of(message)
        for place, form in enumerate(forms_of(message)):
            english = singular if plural is None or place == choose(1) else plural
            wanted, found = Counter(PLACEHOLDER.findall(english)), Counter(PLACEHOLDER.findall(form))
            is_one_number = plural is not None and counted[place] == 1
            assert found == wanted or (is_one_number and len(wanted) == 1 and not found), form


def test_plural_forms_are_those_of_the_language(language):
    size, choose = chosen_form(language)
    assert {choose(number) for number in (*range(1000), 10**6)} == set(range(size))
    assert size == {"ar": 6, "es": 3}.get(language, 2)
    assert [choose(number) for number in (0, 1, 2, 5, 11, 100)] == {
        "ar": [0, 1, 2, 3, 4, 5],
        "es": [2, 0, 2, 2, 2, 2],
        "fr": [0, 0, 1, 1, 1, 1],
    }.get(language, [1, 0, 1, 1, 1, 1])


def test_sentences_end_as_in_english(language):
    """A full stop that is missing, or too many, shows at once where sentences are joined."""
    stops = {".": ".", "?": "?؟", ":": ":", "…": "…"}
    for message in entries(language):
        for english, form in zip(ids_of(message), (forms_of(message)[0], forms_of(message)[-1]), strict=True):
            if english is None:
                continue
            if english[-1] in stops:
                assert form[-1] in stops[english[-1]], form
            else:
                assert form[-1] not in ".:…", form


def test_arabic_is_written_in_arabic_letters():
    known = re.compile(
        PLACEHOLDER.pattern + r"|JSON|<[^>]+>|\b(?:pip install )?holidays\b|\bDE(?:-BY)?\b|\bP80\b|\bMAILS_OFF\b"
    )
    for message in entries("ar"):
        for form in forms_of(message):
            assert not re.search(r"[A-Za-z?;,]", known.sub("", form)), form


def test_french_keeps_its_marks_on_the_line():
    """Before : ; ! ? and inside « » stands a space that does not break."""
    for message in entries("fr"):
        for form in forms_of(message):
            assert not re.search(r"[^\u00a0\w]?(?<!\u00a0)[;!?»]|(?<![\u00a0\d]):(?!\d)|«(?!\u00a0)|'", _bare(form)), (
                form
            )


def _bare(form):
    return PLACEHOLDER.sub("0", form)


def test_the_compiled_catalogue_is_the_written_one(language):
    written, compiled = (
        {ids_of(message): forms_of(message) for message in catalogue(language, kind) if message.id}
        for kind in ("po", "mo")
    )
    assert compiled == written
    written, compiled = (dict(catalogue(language, kind).mime_headers)["Plural-Forms"] for kind in ("po", "mo"))
    assert compiled == written


def test_the_files_carry_no_dates_paths_or_people(language):
    text = (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    header, *rest = text.split("\n\n")
    names = dict(re.findall(r'^"([\w-]+): (.*)\\n"$', header, re.M))
    assert set(names) == HEADERS
    assert names["Language"] == language and names["Content-Type"] == "text/plain; charset=UTF-8"
    assert "@" not in header and "fuzzy" not in header
    assert not re.search(r"^#: (/|.*:\d)", "\n\n".join(rest), re.M)


# what readers see

TITLE = "Qwert 7"
OTHER = "Qwert 8"
EVERYWHERE = [*LANGUAGES, "en"]


@pytest.fixture
def speaks_all(settings):
    settings.LANGUAGES = [("en", "English"), *LANGUAGES.items()]


@pytest.fixture
def plain_host(settings, speaks_all):
    """A shop that overrides no template: our pages as they come."""
    engine = settings.TEMPLATES[0]
    settings.TEMPLATES = [engine | {"DIRS": [PACKAGE / "templates"], "OPTIONS": {"context_processors": []}}]


class Visible(HTMLParser):
    """The texts of a page that people see or hear, one for each element they stand in."""

    SPOKEN = ("title", "alt", "placeholder", "aria-label")

    def __init__(self):
        super().__init__()
        self.texts, self.hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style")
        self.texts += [value for name, value in attrs if name in self.SPOKEN and value]

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.hidden and data.strip():
            self.texts.append(" ".join(data.split(" ")).strip())


OWN_NAMES = re.compile(r'<option value="([\w-]+)" lang="\1".*?</option>')
"""Languages to choose from, each called as it calls itself."""

INLINE = re.compile(r'</?(?:time|bdi)[^>]*>|<strong class="bo-address"[^>]*>(.*?)</strong>')
"""Elements within a sentence."""


def texts_of(html):
    parser = Visible()
    parser.feed(INLINE.sub(lambda found: found[1] or "", OWN_NAMES.sub("", html)))
    return parser.texts


NAMES = re.compile(rf"{TITLE}|{OTHER}|Test Shop|https?://\S+|\S+@[\w.…-]+|\.com\b|A-1/1|€|\bEUR\b|\bCES?T\b")


def on_shelf(stock=0, *, arrives=None, confidence="firm", name=TITLE, **fields):
    product = ProductFactory(name=name, stock=stock)
    StockItem.objects.filter(id=anchor_of(product).id).update(**fields)
    if arrives:
        first, last = map(in_days, arrives)
        expect_delivery(product=product, quantity=5, earliest=first, latest=last, confidence=confidence)
    return product


def windows():
    """By day and by month, one day and several, each with every certainty; late; unknown."""
    for certainty in Confidence:
        for first, last in ((4, 4), (4, 8), (40, 40), (40, 100)):
            yield Window(earliest=in_days(first), latest=in_days(last), confidence=certainty)
    yield from one_of_each_kind()
    yield NO_DATE
    yield OVERDUE


def one_of_each_kind():
    """A window for every kind of label, whatever the day of the month is today."""
    today, found = shop_today(timezone.now()), {}
    for first, width in itertools.product(range(140), (0, 4, 8, 20)):
        window = Window(earliest=in_days(first), latest=in_days(first + width))
        for label in (label_of(window, today=today), by_label_of(window, today=today)):
            found.setdefault((label.kind, label.fewest > 0), window)
    return found.values()


def answers():
    """Every availability there are words for."""
    soon, later = timezone.now() + dt.timedelta(days=30), timezone.now() + dt.timedelta(days=60)
    five, two, none = Units(5), Units(2), Units(0)
    yield Availability(State.IN_STOCK, five)
    yield Availability(State.DISCONTINUED)
    for units in (1, 2, 5, 11):
        yield Availability(State.LOW_STOCK, Units(units))
    for window in windows():
        yield Availability(State.BACKORDER, none, five, window)
        yield Availability(State.IN_STOCK, two, five, window)
        yield Availability(State.OUT_OF_STOCK, none, none, window)
        yield Availability(State.OUT_OF_STOCK, none, none, window, is_full=True)
        yield Availability(State.LOW_STOCK, two, more=window)
        yield Availability(State.PREORDER, none, five, window, None, later)
        yield Availability(State.BACKORDER, none, five, window, terms=Terms(policy=Policy.MADE_TO_ORDER))
    rules = Terms(order_minimum=4, order_maximum=Units(50), customer_limit=Units(60))
    yield Availability(State.BACKORDER, none, Units(200), NO_DATE, terms=rules)
    yield Availability(State.PREORDER, none, five, Window(earliest=later.date(), latest=later.date()), None, later)
    yield Availability(State.COMING_SOON, none, none, NO_DATE, None, None)
    yield Availability(State.COMING_SOON, none, none, NO_DATE, soon, later)
    yield Availability(State.COMING_SOON, releases_at=timezone.now() - dt.timedelta(days=1))
    yield Availability(State.BACKORDER, none, five, Window(earliest=in_days(4), latest=in_days(8)), dates_kept=8)


def words():
    """What the tags say of every availability, with and without a quantity."""
    yield from (payment_of("now"), payment_of("when_it_ships"), payment_of("", deposit="10"))
    for answer in answers():
        for quantity in (None, 3, 99):
            said = shown(answer, quantity=quantity)
            yield from texts_of(f"<p>{said.badge}</p><p>{said.line}</p><p>{said.note}</p>")
        yield button_of(answer)
        yield invitation_of(answer)
        yield window_in_words(answer.window)
        yield promise_in_words(answer.window)
    with with_setting("CUT_OFF", dt.time.max):
        yield shown(Availability(State.IN_STOCK, Units(5))).line


def with_setting(name, value):
    return override_settings(BACKORDERS={**settings.BACKORDERS, name: value})


def standings():
    """What a page says of every place in line and every chance, whoever is told first."""
    dues = [Due(units=units, window=window, odds=None) for units in (1, 2, 5) for window in windows_to_come()]
    dues += [Due(units=5, window=dues[0].window, odds=odds) for odds in Odds]
    for order in Order:
        places = (1, FAR_BACK + 2) if order == Order.FIRST_COME else (None,)
        with with_setting("WAVE_ORDER", order.value):
            for place, due in itertools.product(places, [(), *((due,) for due in dues)]):
                yield standing_in_words(Standing(position=place, dues=due))


def windows_to_come():
    return [window for window in windows() if isinstance(window, Window) and window.latest > in_days(0)]


def draw(text, **context):
    return Template("{% load backorders %}" + text).render(Context(context))


def tags():
    """The tags as a product page has them, in every state the form for the waiting list has."""
    path = "/p/1/"
    anna = CustomerFactory()
    mug = on_shelf(0, policy="backorder", arrives=(4, 8))
    Alternative.objects.create(item=anchor_of(mug), substitute=anchor_of(on_shelf(9, name=OTHER)))
    StockItem.objects.filter(id=anchor_of(mug).id).update(successor=anchor_of(on_shelf(9, name=OTHER)))
    reference = f"hosts.product:{mug.pk}"
    for user in (None, anna):
        yield from _boxes(mug, user, path)
        for outcome in ("check_mail", "nothing", "left"):
            yield from _boxes(mug, user, carrying(path, reference=reference, outcome=outcome))
        yield from _boxes(mug, user, path, any_of=[on_shelf(name=OTHER)])
    waiting_for(mug, customer=anna, email=anna.email)
    yield from _boxes(mug, anna, path)
    yield draw(
        "{% backorder_badge p %}{% backorder_line p %}{% backorder_status p %}{% backorder_alternatives p %}{% backorder_jsonld p %}"
        "{% backorder_feeds %}{% backorder_script %}{% backorder_badge p live=True %}"
        "{% backorder_button_label p %}{% backorder_window w %}{% backorder_promise w %}",
        p=mug,
        w=Window(earliest=in_days(4), latest=in_days(8)),
    )


def order_lines():
    """The tag of an order page: promised, without a date, late, moved, ready."""
    reader = {"email": "ana@example.com", "language": translation.get_language()}
    moved, late, unknown = on_shelf(policy="backorder", arrives=(4, 8)), on_shelf(), on_shelf(policy="backorder")
    set_selling_policy(product=late, policy="backorder")
    for place, mug in enumerate((moved, late, unknown)):
        place_backorder(product=mug, quantity=2, reference=f"{OTHER}/{place}", **reader)
    Backorder.objects.filter(item=anchor_of(late)).update(
        promised_earliest_on=in_days(-9), promised_latest_on=in_days(-3)
    )
    yield from _places()
    delivery = Delivery.objects.get(item=anchor_of(moved))
    move_delivery(delivery_id=delivery.id, earliest=in_days(20), latest=in_days(24), reason=TITLE)
    yield from _places()
    receive_delivery(delivery_id=delivery.id)
    yield from _places()


def _places():
    for place in places_of(f"{OTHER}/{number}" for number in range(3)).values():
        yield draw("{% backorder_place place %}", place=place)


def _boxes(product, user, path, any_of=()):
    request = RequestFactory().get(path)
    if user is not None:
        request.user = user
    yield draw("{% backorder_subscribe p any_of=others %}", p=product, request=request, others=any_of)


BAD_ADDRESSES = [
    "",
    "nobody",
    "a@b.com\r\nBcc: e@x.com",
    "a@localhost",
    "a@[127.0.0.1]",
    "x" * 65 + "@b.com",
    "a\x00@b.com",
]


def pages(language):
    """Every page of ours, as a browser that prefers this language gets it."""
    client = Client(headers={"Accept-Language": language})
    form = reverse("backorders:subscribe")
    gone, full, mug = on_shelf(is_discontinued=True), on_shelf(9), on_shelf(arrives=(4, 8))
    reference = {product: f"hosts.product:{product.pk}" for product in (gone, full, mug)}
    week = {"expires_at": timezone.now() + dt.timedelta(days=7)}

    yield client.get(form, {"product": "nothing:1"})
    yield client.get(form, {"product": reference[mug]})
    for product in (gone, full):
        yield client.post(form, {"product": reference[product], "email": "ana@example.com"})
    for address in BAD_ADDRESSES:
        yield client.post(form, {"product": reference[mug], "email": address})
    yield client.post(form, {"product": reference[mug], "email": "ana@example.com", "quantity": "-1"})
    yield client.post(form, {"product": reference[mug], "email": "ana@example.com", "need_by": "2020-01-01"})
    others = [f"hosts.product:{on_shelf().pk}" for _ in range(MOST_CHOICES + 1)]
    yield client.post(form, {"product": reference[mug], "email": "ana@example.com", "any_of": others})
    yield client.get(client.post(form, {"product": reference[mug], "email": "ana@example.com"})["Location"])

    asked = waiting_for(mug, state=Subscription.State.PENDING, confirmed_at=None)[0]
    confirm = reverse("backorders:confirm", args=[token_for(asked, Purpose.CONFIRM, **week)])
    leave = reverse("backorders:leave", args=[token_for(asked, Purpose.LEAVE)])
    yield from (client.get(confirm), client.post(confirm), client.get(leave), client.post(leave), client.get(confirm))
    yield client.get(reverse("backorders:now"), {"of": f"status|||{reference[mug]}", "token": "1"})
    strict = Client(enforce_csrf_checks=True, headers={"Accept-Language": language})
    yield strict.post(form, {"product": reference[mug], "email": "ana@example.com"})
    yield strict.post(confirm)
    yield from pages_to_manage(client, language)
    yield from pages_of_holds(client, language)
    yield from pages_of_lines(client, language)
    yield from pages_of_people(language)


def pages_to_manage(client, language):
    """Everything one mailbox asked for: waiting with a chance and without, any one of two, told, not confirmed."""
    reader = {"email": "ben@example.com", "email_key": "ben@example.com", "language": language}
    soon, told, new = (
        waiting_for(on_shelf(arrives=(4, 8)), **reader),
        *(waiting_for(on_shelf(), **reader) for _ in "ab"),
    )
    choice = uuid.uuid4()
    any_of = [waiting_for(on_shelf(name=name), group=choice, **reader)[0] for name in (TITLE, OTHER)]
    Subscription.objects.filter(id=told[0].id).update(state="told", told_at=timezone.now())
    Subscription.objects.filter(id=new[0].id).update(state="pending", confirmed_at=None)
    manage = reverse("backorders:manage", args=[token_for(soon[0], Purpose.LEAVE)])

    said = {"request": soon[0].pk, "act": "change", "quantity": "2", "language": language}
    yield client.get(manage)
    yield client.post(manage, said)
    for wrong in ({"quantity": "0"}, {"highest_price": "-1"}, {"need_by": "2020-01-01"}, {"need_by": TITLE}):
        yield client.post(manage, said | wrong)
    yield client.post(manage, {"request": any_of[0].pk, "act": "leave"})
    yield client.post(manage, {"act": "leave_all"})
    yield client.get(manage)


def pages_of_holds(client, language):
    """What is put aside, one and several, and how things stand for each way in which that can end."""
    mug, holders = dropped(people=2, units=4, quantity=2, language=language)
    one = dropped(language=language)[1][0]
    first, second = (reverse("backorders:hold", args=[token_for(row, Purpose.HOLD)]) for row in holders)
    yield from (client.get(first), client.get(reverse("backorders:hold", args=[token_for(one, Purpose.HOLD)])))

    Hold.objects.filter(subscription=holders[0]).update(ends_at=timezone.now())  # and still on sale
    yield client.get(first)
    ended = {"ended_at": timezone.now(), "state": Hold.State.OVER}
    Hold.objects.filter(subscription__in=holders).update(**ended)
    Product.objects.filter(pk=mug.pk).update(stock=0)
    Alternative.objects.create(item=anchor_of(mug), substitute=anchor_of(on_shelf(9, name=OTHER)))
    yield client.get(first)
    Subscription.objects.filter(id=holders[0].id).update(state="waiting")
    yield client.get(first)
    Subscription.objects.filter(id=holders[0].id).update(state="closed", closed_because="left")
    yield client.get(first)
    Hold.objects.filter(subscription=holders[1]).update(**ended | {"state": Hold.State.USED})
    yield client.get(second)


def pages_of_lines(client, language):
    """One order line in every state: with and without a date, late, moved three times, in part, whole, alone and with others."""
    reader = {"email": "ana@example.com", "language": language}
    ago = {"now": timezone.now() - dt.timedelta(minutes=30)}

    def order_line(product, **wish):
        return place_backorder(product=product, quantity=3, reference="A-1/1", **wish, **reader)

    def page(line, *, act=""):
        return client.get(line_path(line.public_id) + act)

    soon, unknown, ahead = (on_shelf(policy="backorder", arrives=days) for days in ((4, 8), None, None))
    StockItem.objects.filter(id=anchor_of(ahead).id).update(
        policy="preorder", releases_at=timezone.now() + dt.timedelta(days=40)
    )
    line, late = order_line(soon), order_line(unknown)
    yield from (page(late), page(order_line(ahead)), page(line), page(line, act="cancel/"))
    with with_setting("CUSTOMERS_CANCEL", False):
        yield page(line)
    with with_setting("ORDER_URL", "/o/{line}/"):
        yield page(line)
    delivery = Delivery.objects.get(item=anchor_of(soon))
    for days in (20, 30, 40):
        move_delivery(delivery_id=delivery.id, earliest=in_days(days), latest=in_days(days), reason=TITLE, **ago)
    receive_delivery(delivery_id=delivery.id, quantity=1)
    yield from (page(line), page(line, act="cancel/"))
    yield client.post(line_path(line.public_id) + "cancel/", {"waiting": 3})
    receive_delivery(delivery_id=delivery.id, quantity=1)
    yield page(line, act="cancel/")
    cancel_backorder(backorder_id=line.id, quantity=1)
    yield page(line)
    ship_backorder(backorder_id=line.id)
    yield page(line)
    Backorder.objects.filter(id=late.id).update(promised_earliest_on=in_days(-9), promised_latest_on=in_days(-3))
    yield from (page(late), page(late, act="cancel/"))
    cancel_backorder(backorder_id=late.id)
    yield page(late)
    yield client.get(reverse("backorders:line", args=[TITLE]))
    whole = {"fill": "whole_order", "order_reference": "W"}
    one, dated, undated = (on_shelf(policy="backorder", arrives=days) for days in ((4, 8), (9, 12), None))
    first = order_line(one, **whole)
    order_line(dated, **whole)
    yield page(first)
    order_line(undated, **whole)
    yield page(first)


def pages_of_people(language):
    """What signed-in customers wait for: nothing, and everything in every state; one page and several; a request changed, left, mistyped."""
    client, anna = Client(headers={"Accept-Language": language}), CustomerFactory()
    client.force_login(anna)
    where, reader = reverse("backorders:mine"), {"email": anna.email, "customer": anna, "language": language}
    yield client.get(where)
    lines = []
    for number in range(LINES_A_PAGE + 1):
        mug = on_shelf(policy="backorder", arrives=(4, 8))
        lines.append(place_backorder(product=mug, quantity=1 + number % 2, reference="A-1/1", **reader))
    moved, late, ready, gone, left = lines[:5]
    later = {"earliest": in_days(20), "latest": in_days(20), "now": timezone.now() - dt.timedelta(minutes=30)}
    move_delivery(delivery_id=Delivery.objects.get(item=moved.item).id, **later)
    Backorder.objects.filter(id=late.id).update(promised_earliest_on=in_days(-9), promised_latest_on=in_days(-3))
    for line in (ready, gone):
        receive_delivery(delivery_id=Delivery.objects.get(item=line.item).id)
    ship_backorder(backorder_id=gone.id)
    cancel_backorder(backorder_id=left.id)
    [asked] = waiting_for(on_shelf(arrives=(4, 8)), customer=anna, email=anna.email)
    said = {"request": asked.pk, "quantity": "0", "language": language}
    yield from (client.get(where), client.get(where, {"lines": 2}), client.post(where, said | {"act": "change"}))
    yield client.post(where, said | {"act": "leave"})


def carts():
    """What a cart says: all here, a part later, with dates and without, one item and several."""
    here, soon, later, unknown = (
        on_shelf(9),
        *(on_shelf(policy="backorder", arrives=days) for days in ((4, 8), (20, 24), None)),
    )
    for units in (1, 2, 5):
        for others in ([soon], [soon, later], [unknown], []):
            cart = [Line(product, units, "") for product in (here, *others)]
            yield draw("{% backorder_parcels cart %}{% backorder_ship cart %}", cart=cart)


def dropped(people=1, units=1, **fields):
    """What has just come back, and those for whom it is put aside."""
    mug = on_shelf()
    rows = waiting_for(mug, people, **fields)
    Product.objects.filter(pk=mug.pk).update(stock=units)
    with with_setting("HOLD_FOR", dt.timedelta(hours=4)):
        sweep_stock()
        release_waves()
    assert Hold.objects.open().filter(subscription__in=rows).count() == people
    return mug, rows


def lives_of_orders(reader):
    """A date at last, a later one, an earlier one, none; units cancelled while the rest waits, or is here; a release."""
    ago = {"now": timezone.now() - dt.timedelta(minutes=30)}
    with_all = {**settings.BACKORDERS, "MAIL_CALENDAR": True, "ORDER_URL": "/orders/{order}/"}
    with override_settings(BACKORDERS=with_all):
        mug = on_shelf(policy="backorder")
        line = place_backorder(product=mug, quantity=3, reference="A-1/1", order_reference="L", **reader)
        drain(seconds=5)
        delivery = expect_delivery(product=mug, quantity=3, earliest=in_days(4), latest=in_days(8), **ago)
        drain(seconds=5)
        later = {"earliest": in_days(18), "latest": in_days(20)}
        move_delivery(delivery_id=delivery.id, **later, reason=TITLE, **ago)
        drain(seconds=5)
        cancel_delivery(delivery_id=delivery.id, **ago)
        delivery = expect_delivery(product=mug, quantity=3, earliest=in_days(9), latest=in_days(12), **ago)
        drain(seconds=5)
        cancel_backorder(backorder_id=line.id, quantity=1)
        drain(seconds=5)
        receive_delivery(delivery_id=delivery.id, quantity=1)
        cancel_delivery(delivery_id=delivery.id, **ago)
        drain(seconds=5)
        cancel_backorder(backorder_id=line.id, quantity=1)
        drain(seconds=5)
        cancel_backorder(backorder_id=line.id)
        release(reader, ago)


def release(reader, ago):
    """One pre-order waits for its goods, the other for the rest of its order."""
    album, single, mug = on_shelf(), on_shelf(), on_shelf(policy="backorder")
    preorders = StockItem.objects.filter(id__in=[anchor_of(album).id, anchor_of(single).id])
    preorders.update(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=2))
    place_backorder(product=album, quantity=2, reference="A-1/1", **reader)
    for product in (single, mug):
        whole = {"fill": "whole_order", "order_reference": "W"}
        place_backorder(product=product, quantity=1, reference="A-1/1", **whole, **reader)
    preorders.update(releases_at=timezone.now() - dt.timedelta(hours=1))
    Product.objects.filter(pk=single.pk).update(stock=1)
    sweep_stock()
    tell_releases(**ago)
    drain(seconds=5)


def several_dates(reader):
    """Two and three lines of one order: later, and without a date."""
    ago = {"now": timezone.now() - dt.timedelta(minutes=30)}
    with override_settings(BACKORDERS={**settings.BACKORDERS, "ORDER_URL": "/orders/{order}/"}):
        for lines in (2, 3):
            mugs = [on_shelf(policy="backorder", arrives=(4, 8)) for _ in range(lines)]
            for place, mug in enumerate(mugs):
                whole = {"reference": f"{OTHER}/{lines}{place}", "order_reference": f"{lines}"}
                place_backorder(product=mug, quantity=1, **whole, **reader)
            drain(seconds=5)
            trucks = list(Delivery.objects.filter(item__in=[anchor_of(mug).id for mug in mugs]).order_by("id"))
            cancel_delivery(delivery_id=trucks[0].id, **ago)
            for truck in trucks[1:]:
                move_delivery(delivery_id=truck.id, earliest=in_days(18), latest=in_days(20), reason=TITLE, **ago)
            drain(seconds=5)


def mails(language):
    """Every kind of mail, with each of its branches."""
    reader = {"email": "ana@example.com", "language": language}
    mug, late, preorder = on_shelf(policy="backorder", arrives=(4, 8)), on_shelf(policy="backorder"), on_shelf()
    release = timezone.now() + dt.timedelta(days=40)
    StockItem.objects.filter(id=anchor_of(preorder).id).update(policy="preorder", releases_at=release)
    StockItem.objects.filter(id=anchor_of(late).id).update(
        next_earliest=in_days(-3), next_latest=in_days(-3), next_confidence="firm"
    )
    unknown = on_shelf(policy="backorder")
    for product, units in ((mug, 7), (late, 2), (preorder, 2), (unknown, 1)):
        place_backorder(product=product, quantity=units, reference="A-1/1", **reader)
    drain(seconds=5)
    for units in (4, 1, 2):  # three to come, two to come, all there
        delivery = expect_delivery(product=mug, quantity=units, earliest=in_days(1), latest=in_days(2))
        receive_delivery(delivery_id=delivery.id, quantity=units)
        drain(seconds=5)

    for others in (1, 2):  # a whole order of two products, and one of three
        order = [on_shelf(policy="backorder") for _ in range(1 + others)]
        lines = [Line(mug, 2, f"A-1/1{place}") for place, mug in enumerate(order)]
        check_out(lines=lines, ship="together", **reader)
        Product.objects.filter(pk__in=[mug.pk for mug in order]).update(stock=2)
        sweep_stock()
        tell_whole_orders()
        drain(seconds=5)

    lives_of_orders(reader)
    several_dates(reader)
    back = on_shelf()
    waiting_for(back, language=language)
    Product.objects.filter(pk=back.pk).update(stock=3)
    sweep_stock()
    release_waves()
    subscribe(product=on_shelf(), **reader)
    drain(seconds=5)
    subscribe(product=on_shelf(name=OTHER), **reader)
    drain(seconds=5)
    dropped(language=language)
    dropped(units=2, quantity=2, language=language)
    drain(seconds=5)
    come_back_together(language)
    drain(seconds=5)
    end_in_vain(language)
    drain(seconds=5)
    with translation.override(language):  # one mail for two requests
        several = {"products": [1, 2], "product": {"title": TITLE}}
        subject = Template('{% include "backorders/mail/confirm_subscription_subject.txt" %}').render(Context(several))
    return list(mail.outbox), subject


def come_back_together(language):
    """Two and three products in one mail, put aside for its reader and not."""
    for hold_for, products in itertools.product((None, dt.timedelta(hours=4)), (2, 3)):
        wanted = [on_shelf(name=name) for name in (TITLE, OTHER, TITLE)[:products]]
        reader = f"both{wanted[0].pk}@example.com"
        for product in wanted:
            waiting_for(product, language=language, email=reader, email_key=reader)
        Product.objects.filter(pk__in=[product.pk for product in wanted]).update(stock=3)
        with with_setting("HOLD_FOR", hold_for):
            sweep_stock()
            release_waves()
        bundled = OutgoingMail.objects.filter(subscription__email_key=reader).exclude(bundle=None)
        assert bundled.count() == products


def end_in_vain(language):
    """Requests for one product, any one of two and any one of three: by a day that is over, and for as long as they last."""
    yesterday, long_ago = timezone.now() - dt.timedelta(days=1), timezone.now() - dt.timedelta(days=400)
    number = itertools.count()
    for over, products in itertools.product(({"need_until": yesterday}, {"placed_at": long_ago}), (1, 2, 3)):
        reader = f"vain{next(number)}@example.com"
        asked = {"email": reader, "email_key": reader, "group": uuid.uuid4() if products > 1 else None}
        wanted = [on_shelf(name=name) for name in (TITLE, OTHER, TITLE)[:products]]
        for product in wanted:
            waiting_for(product, language=language, **asked, **over)
        if "placed_at" in over:
            Alternative.objects.create(item=anchor_of(wanted[0]), substitute=anchor_of(on_shelf(9, name=OTHER)))
    tidy_subscriptions()


@cache
def sent_mails(language):
    return mails(language)[0]


@cache
def everything(language):
    """All that shoppers get to see in one language, text by text."""
    with translation.override(language):
        said = [*words(), *standings()]
        said += [text for box in (*tags(), *order_lines(), *carts()) for text in texts_of(box)]
        said += [sentence(InvalidQuantity(0)), sentence(NotSellable("x", []))]
        refused = {"product": TITLE, "state": "backorder"}
        said.append(sentence(NotOrderable(**refused)))
        said.append(sentence(LimitReached(**refused, asked=7, possible=5)))
        said.append(sentence(BelowMinimum(**refused, asked=1, least=5)))
        said.append(sentence(HoldLost(**refused, reason="over")))
        said.append(sentence(InvalidDay(TITLE, first=in_days(0), last=in_days(9))))
        said += [sentence(InvalidPrice(0)), sentence(InvalidLanguage("x", known=[TITLE]))]
        said.append(sentence(TooManyProducts(asked=99, most=20)))
    for answer in pages(language):
        assert answer["Content-Language"] == language
        said += texts_of(answer.content.decode())
    messages, subject = mails(language)
    assert {row.kind for row in OutgoingMail.objects.all()} == set(OutgoingMail.Kind.values)
    said.append(subject)
    for message in messages:
        said += [message.subject, *_paragraphs(message.body), *texts_of(message.alternatives[0][0])]
        said += [title for _, file, _ in message.attachments for title in _titles(file)]
    return said


def _paragraphs(body):
    return [" ".join(part.split("\n")) for part in re.split(r"\n\n", body)] + body.split("\n")


def _titles(file):
    """What a reader's calendar shows of a day: its long line stands in pieces."""
    return re.findall(r"^SUMMARY:(.*)$", file.replace("\r\n ", "").replace("\r\n", "\n"), re.M)


@cache
def english():
    """Our sentences as they would look if nobody had translated them, with anything in the place of placeholders."""
    return {msgid: _matcher(msgid, plural) for msgid, (plural, _) in sources().items()}


@cache
def any_english():
    """One pattern for all of them: most texts are none of these, and that is known after one look."""
    return re.compile("|".join(matches.pattern for matches in english().values()), re.I)


_WORDS = (
    *("title", "shop_name", "reference", "proven", "when", "day", "days", "hour", "month", "key", "text", "names"),
    *("until", "due", "first", "last", "known", "currency", "reason"),
)
"""Placeholders for words; all others stand for numbers."""


def _matcher(*forms):
    return re.compile("|".join(_pattern(form) for form in forms if form), re.I)


def _pattern(form):
    form = re.sub("<[^>]+>", "", form)
    literal, names = re.split(r"%\(\w+\)s|{\w+}", form), re.findall(r"(?:%\(|{)(\w+)", form)
    gaps = [".+" if name in _WORDS else r"[\d.,]+" for name in names]
    return "(?:" + "".join(re.escape(part) + gap for part, gap in zip(literal, [*gaps, ""], strict=True)) + ")"


def left_in_english(texts, language):
    return {
        text
        for text in filter(any_english().fullmatch, set(texts))
        for msgid, matches in english().items()
        if matches.fullmatch(text) and msgid.lower() not in {same.lower() for same in SAME[language]}
    }


@pytest.mark.django_db
def test_no_shopper_reads_english(language, plain_host):
    said = everything(language)
    assert len(said) > 300
    assert left_in_english(said, language) == set()


@pytest.mark.django_db
def test_nothing_a_shopper_reads_is_outside_the_catalogues(plain_host):
    """In Arabic every Latin letter that is no name shows a sentence that nobody marked for translation."""
    strange = {text for text in everything("ar") if re.search("[A-Za-z]", NAMES.sub("", text))}
    assert strange == set()


@pytest.mark.django_db
def test_every_template_and_sentence_for_shoppers_was_drawn(plain_host):
    """Guards the two tests above: what they never draw, they cannot judge."""
    drawn = set()

    def note(sender, template, **_):
        drawn.add(template.name)

    template_rendered.connect(note)
    try:
        said = everything("en")
    finally:
        template_rendered.disconnect(note)

    root = PACKAGE / "templates"
    ours = {path.relative_to(root).as_posix() for path in (root / "backorders").rglob("*") if path.is_file()}
    assert {name for name in ours if "/admin/" not in name} - drawn == set()

    for_shoppers = (
        "storefront/",
        "templates/backorders/mail/",
        "templates/backorders/storefront/",
        "templates/backorders/tags/",
    )
    unseen = {
        msgid
        for msgid, (_, files) in sources().items()
        if any(name.startswith(for_shoppers) for name in files) and not any(map(english()[msgid].search, said))
    }
    assert unseen == set()


@pytest.mark.django_db
def test_text_mails_fit_a_narrow_window_in_every_language(language):
    for message in sent_mails(language):
        for line in message.body.splitlines():
            assert len(line) <= 72 or line.startswith("https://"), line


@pytest.mark.django_db
def test_mails_say_which_way_they_run(language):
    way = "rtl" if language == "ar" else "ltr"
    assert all(
        message.alternatives[0][0].startswith(f'<!doctype html><html lang="{language}" dir="{way}" ')
        for message in sent_mails(language)
    )


# the back office


TYPED = {
    "quantity": 1,
    "units": 1,
    "priority": -1,
    "earliest_on": in_days(3),
    "latest_on": in_days(5),
    "reason": TITLE,
    "reference": "5a9e9a2c-6f0b-4d5e-9d3b-0f8a7b6c5d4e",
}
"""What staff type into any of the pages that do one thing."""


def staff_pages(language, owner):
    """Every list and form of ours, the page for arrivals, and a page that asks first."""
    mug, poster = on_shelf(policy="backorder"), Poster.objects.create(name=OTHER)
    delivery = expect_delivery(product=mug, quantity=9, earliest=in_days(1), latest=in_days(4))
    late = expect_delivery(product=poster, quantity=9, earliest=in_days(-4), latest=in_days(-1))
    place_backorder(product=mug, quantity=2, reference="A-1/1", email="ana@example.com", language=language)
    waiting_for(mug, 2, language=language)
    back = on_shelf()
    waiting_for(back, language=language)
    Product.objects.filter(pk=back.pk).update(stock=3)
    sweep_stock()
    release_waves()
    dropped(language=language)
    SuppressedAddress.objects.create(email_key="ana@example.com", reason="", suppressed_at=timezone.now())

    def page(name, *args, **query):
        return owner.get(reverse(f"admin:backorders_{name}", args=args), query, headers={"Accept-Language": language})

    for model, options in admin.site._registry.items():
        if model._meta.app_label != "backorders":
            continue
        name = model._meta.model_name
        can_show_all = any(getattr(one, "parameter_name", "") == "show" for one in options.list_filter)
        yield page(f"{name}_changelist", **({"show": "all"} if can_show_all else {}))
        rows = model._default_manager.all()[:2] if model._meta.managed else []
        for row in rows:
            yield page(f"{name}_change", row.pk)
        if options.has_add_permission(_by(owner)):
            yield page(f"{name}_add")
        for act, row in itertools.product(getattr(options, "acts", ()), rows):
            if not act.refusal(row):
                yield page(options.act_link(act), row.pk)
                where = reverse(f"admin:backorders_{options.act_link(act)}", args=[row.pk])
                yield owner.post(where, TYPED | {"delivery": delivery.pk}, headers={"Accept-Language": language})
    yield page("stockitem_arrival", anchor_of(mug).pk, units=40)
    yield page("delivery_receive", ids=f"{delivery.pk},{late.pk}")
    acted = (
        (Delivery, "cancel"),
        (Subscription, "close"),
        (OutgoingMail, "again"),
        (StockItem, "change_terms"),
        (Hold, "give_back"),
    )
    for model, action in acted:
        where = reverse(f"admin:backorders_{model._meta.model_name}_changelist") + "?show=all"
        form = {"action": action, "_selected_action": list(model.objects.values_list("pk", flat=True))}
        yield owner.post(where, form, headers={"Accept-Language": language})


def _by(owner):
    request = RequestFactory().get("/")
    request.user = owner.get(reverse("admin:index")).wsgi_request.user
    return request


@pytest.fixture
def owner(db):
    client = Client()
    client.force_login(CustomerFactory(is_staff=True, is_superuser=True))
    return client


HOSTS_MODELS = re.compile(r'<select name="content_type".*?</select>', re.S)
"""The shop's own models, called as the shop calls them."""


def test_no_member_of_staff_reads_our_english(language, owner, speaks_all):
    said = []
    for answer in staff_pages(language, owner):
        assert answer.status_code == 200, answer.request
        said += texts_of(HOSTS_MODELS.sub("", answer.content.decode()))
    assert len(said) > 500
    assert left_in_english(said, language) == set()
