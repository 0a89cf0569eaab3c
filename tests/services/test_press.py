"""Mails of a wave are printed: the same bytes as if each were written, and only where that is so."""

import contextlib
import random
from dataclasses import dataclass

import pytest
from django.core import mail as mail_box
from django.test import override_settings
from django.test.signals import template_rendered
from django.utils import timezone

from backorders.domain.outbox import MailKind, MailState
from backorders.domain.tokens import new_token
from backorders.models import OutgoingMail, Subscription
from backorders.queries.facts import facts_for
from backorders.queries.messages import DOORS, message_for
from backorders.services.delivery import drain
from backorders.services.press import Press, _is_same, _undated
from backorders.services.wire import Printed, serialised, stuffed
from tests.mailserver import mail_server, mail_settings
from tests.services.test_outbox import queue_wave

pytestmark = pytest.mark.django_db

LANGUAGES = ["", "en", "de", "fr", "es", "ar", "nl", "xx"]
NAMES = [
    "Mug",
    "Tasse für Käthe, 100 % “blau”",
    "كوب أزرق",
    "x" * 90,
    "A <b>bold</b> & 'quoted' mug",
    "杯子 " * 30,
    "Mug\r\nBcc: e@x.com",
    ".",
]


def mails_of(people, **fields):
    queue_wave(people, now=timezone.now(), **fields)
    mails = OutgoingMail.objects.select_related("subscription__item", "restock").order_by("id")
    return list(mails), facts_for(list(mails), timezone.now())


def tokens():
    return {purpose: new_token() for purpose in DOORS[MailKind.BACK_IN_STOCK]}


def without_chance(data):
    """The boundary is drawn at random, and the date is the second at which it was written."""
    cut = data.index(b'boundary="') + len(b'boundary="')
    return _undated(data.replace(data[cut : data.index(b'"', cut)], b"boundary"))


@dataclass
class Pressed:
    """A mail as it came from the press, what it would have been if it had been written, and whether a template was rendered for it."""

    printed: Printed
    written: bytes
    reader: str
    was_rendered: bool

    def is_true(self):
        return self.printed.recipient == self.reader and without_chance(self.printed.data) == without_chance(
            self.written
        )


def press_all(mails, facts):
    press = Press()
    for mail in mails:
        own, rendered = tokens(), []
        with watching_templates(rendered):
            printed = press.write(mail, facts, own, in_bytes=True)
        written = stuffed(serialised(message_for(mail, facts, tokens=own)))
        yield Pressed(printed, written, mail.subscription.email, bool(rendered))


def templates(settings, folder, **texts):
    """The shop's own templates, by ending."""
    place = folder / "backorders" / "mail"
    place.mkdir(parents=True)
    for name, text in texts.items():
        (place / f"back_in_stock.{name}").write_text(text)
    [engine] = settings.TEMPLATES
    return override_settings(TEMPLATES=[{**engine, "DIRS": [str(folder), *engine.get("DIRS", [])]}])


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_what_is_printed_is_what_would_have_been_written_byte_for_byte(name):
    mails, facts = mails_of(5, name=name)
    for language in LANGUAGES:
        for mail in mails:
            mail.subscription.language = language
        pressed = list(press_all(mails, facts))

        assert [mail.was_rendered for mail in pressed] == [True, True, False, False, False]
        assert all(mail.is_true() for mail in pressed)


def test_readers_of_other_languages_zones_and_quantities_get_texts_of_their_own():
    mails, facts = mails_of(60)
    dice = random.Random(7)
    for mail in mails:
        mail.subscription.language = dice.choice(["de", "ar"])
        mail.subscription.time_zone = dice.choice(["", "Asia/Tokyo"])
        mail.subscription.quantity = dice.choice([1, 2])
    pressed = list(press_all(mails, facts))

    assert sum(mail.was_rendered for mail in pressed) == 2 * 8
    assert all(mail.is_true() for mail in pressed)


@pytest.mark.parametrize("in_bytes", [True, False])
def test_a_template_that_names_its_reader_is_written_for_each(tmp_path, settings, in_bytes):
    """Even where the first two are called the same: two alike are no proof that the third is."""
    with templates(settings, tmp_path, txt="Dear {{ mail.subscription.language }}, {{ leave_url }}"):
        mails, facts = mails_of(5)
        for mail, name in zip(mails, ["Anna", "Anna", "Bert", "Anna", "Cleo"], strict=True):
            mail.subscription.language = name
        press = Press()
        written = [press.write(mail, facts, tokens(), in_bytes=in_bytes) for mail in mails]

    assert not any(isinstance(message, Printed) for message in written)
    assert [message.body.split(",")[0] for message in written] == [
        f"Dear {mail.subscription.language}" for mail in mails
    ]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_message_of_a_known_text_is_the_one_that_would_have_been_rendered(name):
    mails, facts = mails_of(4, name=name)
    press = Press()
    for place, mail in enumerate(mails):
        own = tokens()
        rendered = []
        with watching_templates(rendered):
            message = press.write(mail, facts, own, in_bytes=False)
        written = message_for(mail, facts, tokens=own)
        assert bool(rendered) is (place < 2)
        assert without_chance(serialised(message)) == without_chance(serialised(written))


@contextlib.contextmanager
def watching_templates(rendered):
    def note(sender, template, **_):
        rendered.append(template.name)

    template_rendered.connect(note)
    try:
        yield
    finally:
        template_rendered.disconnect(note)


@pytest.mark.parametrize("address", ["jörg@example.com", '"a b"@example.com', "a@" + "x" * 70 + ".example.com"])
def test_an_address_that_has_to_be_encoded_is_written(address):
    mails, facts = mails_of(4)
    press = Press()
    for mail in mails[:3]:
        press.write(mail, facts, tokens(), in_bytes=True)
    mails[3].subscription.email = address

    assert not isinstance(press.write(mails[3], facts, tokens(), in_bytes=True), Printed)


def test_a_plate_is_made_anew_after_a_minute(monkeypatch):
    mails, facts = mails_of(4)
    press = Press()
    for mail in mails[:3]:
        press.write(mail, facts, tokens(), in_bytes=True)
    for plate in press.plates.values():
        plate.made_at -= 61

    rendered = []
    with watching_templates(rendered):
        press.write(mails[3], facts, tokens(), in_bytes=True)
    assert rendered


def test_other_words_are_seen_to_be_other_words():
    mails, facts = mails_of(2)
    press, own = Press(), tokens()
    press.write(mails[0], facts, own, in_bytes=True)
    [plate] = press.plates.values()
    message = message_for(mails[0], facts, tokens=own)
    own = {**{f"token {purpose}": token for purpose, token in own.items()}, "id": message.extra_headers["Message-ID"]}
    reader = mails[0].subscription.email
    assert _is_same(message, plate, reader, own)
    message.extra_headers["X-Lot"] = "7"
    assert not _is_same(message, plate, reader, own)
    del message.extra_headers["X-Lot"]
    message.body += "!"
    assert not _is_same(message, plate, reader, own)


def test_a_wave_arrives_whole_and_each_reader_has_links_of_their_own(now):
    with mail_server() as server:
        rows = queue_wave(30, now=now)
        drain(seconds=20)

    assert sorted(server.addresses) == sorted(row.email for row in rows)
    links = {message["List-Unsubscribe"] for message in server.accepted}
    assert len(links) == len({message["Message-ID"] for message in server.accepted}) == 30
    for message in server.accepted:
        link = message["List-Unsubscribe"].strip().strip("<>")
        assert link in message.get_body(("plain",)).get_content()
        assert link in message.get_body(("html",)).get_content()
    assert set(OutgoingMail.objects.values_list("state", "attempts")) == {(MailState.SENT, 1)}
    assert all(sent is not None for sent in OutgoingMail.objects.values_list("sent_at", flat=True))


def test_nothing_is_printed_for_a_provider(now):
    with override_settings(**mail_settings("anymail.backends.test.EmailBackend")):
        queue_wave(5, now=now)
        drain(seconds=5)

    assert len({message.to[0] for message in mail_box.outbox}) == 5


def test_a_request_told_stays_told(now):
    with mail_server():
        queue_wave(3, now=now)
        drain(seconds=10)

    assert set(Subscription.objects.values_list("state", flat=True)) == {"told"}
