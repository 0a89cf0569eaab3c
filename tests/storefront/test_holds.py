"""What is put aside for somebody: the mail, the page behind its link, and the way through the shop."""

import datetime as dt
import re
from email import message_from_bytes, policy

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core import mail
from django.db import connection
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from backorders.domain.tokens import Purpose, new_token
from backorders.models import Hold, OutgoingMail, Subscription
from backorders.queries.facts import facts_for
from backorders.queries.messages import message_for
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.press import Press
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from backorders.storefront.holds import holds_of, keep_hold, without_hold
from backorders.storefront.wording import moment_in_words
from tests.factories import ProductFactory, token_for, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

TOKEN = "x" * 43


@pytest.fixture(autouse=True)
def holding(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": dt.timedelta(hours=4)}
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]
    with translation.override("en"):
        yield


def drop(people=1, units=1, **fields):
    mug = ProductFactory()
    rows = waiting_for(mug, people, **fields)
    Product.objects.filter(pk=mug.pk).update(stock=units)
    sweep_stock(now=timezone.now())
    release_waves(now=timezone.now())
    return mug, rows


def page_of(row):
    return f"/backorders/hold/{token_for(row, Purpose.HOLD)}/"


def read(response):
    text = re.sub(r"<(style|script|head).*?</\1>|<[^>]+>", " ", response.content.decode(), flags=re.S)
    return plain(text)


def until(hold, zone=None):
    """On the clock of a zone, or the shop's."""
    with timezone.override(zone):
        return plain(moment_in_words(hold.ends_at))


def plain(words):
    return " ".join(words.split())


# the mail


def sent(**fields):
    drop(**fields)
    drain(seconds=20)
    return mail.outbox[-1]


def test_the_mail_says_until_when_on_the_clock_of_its_reader():
    letter, hold = sent(time_zone="Asia/Tokyo"), Hold.objects.get()
    assert letter.subject.startswith("Put aside for you: Mug")
    assert until(hold, "Asia/Tokyo") in plain(letter.body)
    assert "(JST)" in letter.body and until(hold, "Asia/Tokyo") in plain(letter.alternatives[0][0])


def test_the_mail_says_it_in_the_language_of_its_reader():
    letter = sent(language="de", time_zone="Europe/Berlin")
    with translation.override("de"):
        assert until(Hold.objects.get(), "Europe/Berlin") in plain(letter.body)


def test_the_mail_never_says_that_nothing_can_be_put_aside():
    letter = sent(quantity=3, units=3)
    for words in (plain(letter.body), plain(letter.alternatives[0][0])):
        assert "cannot put one aside" not in words and "3 are put aside for you" in words


def test_the_link_of_the_mail_opens_its_page(client):
    link = re.search(r"https?://[^/\s]+(/backorders/hold/\S+)", sent().body)[1]
    assert "We keep one for you until" in read(client.get(link))


def test_without_the_setting_the_mail_is_as_ever(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": None}
    assert "we cannot put one aside for you" in plain(sent().body)


def test_nobody_reads_until_when_somebody_else_has_time():
    """Mails of one text are printed; those of two moments are two texts."""
    _, rows = drop(people=8, units=8)
    later = timezone.now() + dt.timedelta(hours=6)
    Hold.objects.filter(subscription__in=[row.id for row in rows[4:]]).update(ends_at=later)
    mails, press = mails_in_hand(), Press()
    facts = facts_for(mails, timezone.now())
    for letter in mails:
        tokens = {Purpose.LEAVE: new_token(), Purpose.HOLD: new_token()}
        message = press.write(letter, facts, tokens, in_bytes=True)
        words = message_from_bytes(message.data, policy=policy.default).get_body(("plain",)).get_content()
        assert plain(words) == plain(message_for(letter, facts, tokens=tokens).body)
        assert until(Hold.objects.get(subscription=letter.subscription)) in plain(words)
        assert tokens[Purpose.HOLD] in words
    assert [plate.is_true for plate in press.plates.values()] == [True, True]


def test_many_mails_ask_no_more_than_one():
    drop(people=1, units=1)
    few = asked()
    OutgoingMail.objects.all().delete()
    drop(people=20, units=20)
    assert asked() == few


def mails_in_hand():
    related = ("subscription__item", "restock", "backorder__item", "allocation")
    return list(OutgoingMail.objects.select_related(*related).order_by("id"))


def asked():
    mails = mails_in_hand()
    with CaptureQueriesContext(connection) as queries:
        facts_for(mails, timezone.now())
    return len(queries)


# its page


def test_the_page_says_until_when_and_leads_to_the_product(client):
    _, [row] = drop()
    response = client.get(page_of(row))
    assert f"We keep one for you until {until(Hold.objects.get())}" in read(response)
    assert re.search(r'href="https?://[^"]+\?hold=[\w-]{43}"', response.content.decode())
    assert response["Referrer-Policy"] == "no-referrer" and "no-store" in response["Cache-Control"]


def test_looking_at_it_changes_nothing_and_posting_is_not_possible():
    _, [row] = drop()
    client, link = Client(), page_of(row)
    before = list(Hold.objects.values()), list(Subscription.objects.values())
    assert (client.get(link).status_code, client.head(link).status_code, client.post(link).status_code) == (
        200,
        200,
        405,
    )
    assert (list(Hold.objects.values()), list(Subscription.objects.values())) == before


def test_afterwards_it_is_honest_while_it_is_still_on_sale(client):
    _, [row] = drop()
    Hold.objects.update(ends_at=timezone.now())
    words = read(client.get(page_of(row)))
    assert "Nothing is put aside for you any more" in words and "still on sale, for anybody" in words


def test_afterwards_it_says_where_somebody_stands_in_line(client):
    mug, [first, second] = drop(people=2)
    Hold.objects.update(state="over", ended_at=timezone.now())
    Subscription.objects.update(state="waiting")
    Product.objects.update(stock=0)
    assert "as number 1 in line" in read(client.get(page_of(first)))


def test_afterwards_it_offers_what_is_like_it(client):
    mug, [row, _] = drop(people=2)
    Product.objects.filter(pk=mug.pk).update(category="mugs")
    ProductFactory(name="Other mug", stock=3, category="mugs")
    Hold.objects.update(state="given_back", ended_at=timezone.now())
    Product.objects.filter(pk=mug.pk).update(stock=0)
    words = read(client.get(page_of(row)))
    assert "Here now, and much like it Other mug" in words


def test_who_has_bought_is_told_so(client):
    mug, [row] = drop()
    check_out(lines=[Line(mug, 1, "order 1")], email=row.email, now=timezone.now())
    assert "You have bought it" in read(client.get(page_of(row)))


@pytest.mark.parametrize("token", [TOKEN, "short"])
def test_a_link_nobody_knows_is_said_to_be_one(client, token):
    drop()
    assert client.get(f"/backorders/hold/{token}/").status_code == 404


def test_a_link_for_leaving_opens_no_hold(client):
    _, [row] = drop()
    assert client.get(f"/backorders/hold/{token_for(row, Purpose.LEAVE)}/").status_code == 404


# through the shop


def visit(url, session=None):
    request = RequestFactory().get(url)
    request.session = session if session is not None else SessionStore()
    return request


def test_the_shop_keeps_the_token_in_the_session():
    first = visit(f"/mug/?colour=red&hold={TOKEN}")
    assert keep_hold(first) and holds_of(first) == [TOKEN]
    again = visit(f"/mug/?hold={TOKEN}", first.session)
    assert keep_hold(again) and holds_of(again) == [TOKEN]
    assert without_hold(first.get_full_path()) == "/mug/?colour=red"


def test_what_is_no_token_is_not_kept():
    request = visit("/mug/?hold=<script>")
    assert not keep_hold(request) and holds_of(request) == []


def test_a_visitor_keeps_ten_at_most():
    request = visit("/")
    for letter in "abcdefghijkl":
        assert keep_hold(visit(f"/?hold={letter * 43}", request.session))
    assert [token[0] for token in holds_of(request)] == list("cdefghijkl")


def test_a_shop_without_sessions_has_no_holds():
    assert holds_of(RequestFactory().get("/")) == holds_of(None) == []


@pytest.mark.parametrize(("has_cookie", "words"), [(True, "Only 1 left"), (False, "Out of stock")])
def test_the_tags_show_a_holder_the_shelf_and_read_nobody_elses_session(has_cookie, words, settings):
    mug, [row] = drop()
    mug.refresh_from_db()
    request = visit(f"/?hold={token_for(row, Purpose.HOLD)}")
    keep_hold(request)
    request.session.accessed = False
    if has_cookie:
        request.COOKIES[settings.SESSION_COOKIE_NAME] = "theirs"
    page = Template("{% load backorders %}{% backorder_status mug %}").render(Context({"mug": mug, "request": request}))
    assert words in page
    assert request.session.accessed is has_cookie
