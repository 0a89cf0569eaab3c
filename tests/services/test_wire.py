"""What goes over the wire to a mail server, and what is made of its answers."""

import email.policy
import re
import smtplib
import socket
import threading
import time
from contextlib import contextmanager

import django
import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.outbox import Outcome
from backorders.services.answers import classify
from backorders.services.mailer import Mailer
from backorders.services.wire import NothingSent, Printed, as_printed, bare, serialised, stuffed, tell
from tests.mailserver import mail_server, mail_settings

TEXT = b"Subject: hello\r\n\r\n.first\r\nmiddle\r\n..last\r\n"


class Script(threading.Thread):
    """A server that answers by a book: ``answers`` by the first word of a command; it notes each piece of bytes it was sent."""

    def __init__(self, features=("PIPELINING", "SIZE 1000000"), most=100, seconds=0.0, **answers):
        super().__init__(daemon=True)
        self.features, self.most, self.heard, self.talks, self.seconds = features, most, [], 0, seconds
        self.answers = {"mail": "250 ok", "rcpt": "250 ok", "data": "354 go on", "text": "250 taken", **answers}
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            try:
                line, _ = self.socket.accept()
            except OSError:
                return
            self.talks += 1
            threading.Thread(target=self.talk, args=(line, self.talks <= self.most), daemon=True).start()

    def talk(self, line, is_welcome):
        with line:
            line.sendall(b"220 here\r\n" if is_welcome else b"421 too many\r\n")
            is_text, pending = False, b""
            while is_welcome and (piece := line.recv(65536)):
                self.heard.append(piece)
                pending += piece
                while (end := b"\r\n.\r\n" if is_text else b"\r\n") in pending:
                    said, _, pending = pending.partition(end)
                    word = "text" if is_text else said.split()[0].decode().lower()
                    if word == "ehlo" and self.features is None:
                        answer = "500 what"
                    elif word == "ehlo":
                        answer = "\r\n".join(["250-here", *(f"250-{name}" for name in self.features), "250 OK"])
                    else:
                        answer = self.answers.get(word, "250 ok")
                    if answer == "hang":
                        time.sleep(2)
                        return
                    time.sleep(self.seconds)
                    line.sendall(answer.encode() + b"\r\n")
                    is_text = not is_text and answer.startswith("354")


@contextmanager
def scripted(**options):
    server = Script(**options)
    server.start()
    try:
        yield server
    finally:
        server.socket.close()


@contextmanager
def connected(server, timeout=5):
    line = smtplib.SMTP("127.0.0.1", server.port, timeout=timeout)
    try:
        yield line
    finally:
        line.close()


def raises():
    return pytest.raises(smtplib.SMTPException)


def mail(name="ana"):
    return Printed("shop@shop.example", f"{name}@example.com", stuffed(TEXT))


def test_the_envelope_goes_out_in_one_breath_where_the_server_allows_it():
    with scripted() as server, connected(server) as line:
        assert tell([(line, mail())]) == [None]
    size = len(stuffed(TEXT))

    assert server.heard[1:] == [
        f"mail FROM:<shop@shop.example> size={size}\r\nrcpt TO:<ana@example.com>\r\ndata\r\n".encode(),
        stuffed(TEXT),
    ]


def test_a_server_that_allows_less_is_asked_one_thing_at_a_time():
    with scripted(features=()) as server, connected(server) as line:
        assert tell([(line, mail())]) == [None]

    assert server.heard[1:] == [
        b"mail FROM:<shop@shop.example>\r\n",
        b"rcpt TO:<ana@example.com>\r\n",
        b"data\r\n",
        stuffed(TEXT),
    ]


def test_a_server_that_knows_no_ehlo_is_greeted_the_old_way():
    with scripted(features=None) as server, connected(server) as line:
        assert tell([(line, mail())]) == [None]

    assert server.heard[1].startswith(b"helo ")


@pytest.mark.parametrize("features", [("PIPELINING",), ()])
@pytest.mark.parametrize(
    ("answers", "kind", "outcome"),
    [
        ({"mail": "451 busy", "rcpt": "503 no", "data": "503 no"}, smtplib.SMTPSenderRefused, Outcome.FAILED),
        ({"mail": "421 less", "rcpt": "421 less", "data": "421 less"}, smtplib.SMTPSenderRefused, Outcome.THROTTLED),
        ({"rcpt": "550 5.1.1 nobody", "data": "554 no"}, smtplib.SMTPRecipientsRefused, Outcome.NO_MAILBOX),
        ({"rcpt": "550 5.1.1 nobody"}, smtplib.SMTPRecipientsRefused, Outcome.NO_MAILBOX),
        ({"rcpt": "451 4.7.1 grey"}, smtplib.SMTPRecipientsRefused, Outcome.TRY_LATER),
        ({"data": "451 full"}, smtplib.SMTPDataError, Outcome.TRY_LATER),
        ({"text": "554 spam"}, smtplib.SMTPDataError, Outcome.REFUSED),
        ({"text": "432 slow down"}, smtplib.SMTPDataError, Outcome.THROTTLED),
    ],
)
def test_a_refusal_is_what_smtplib_would_have_raised(features, answers, kind, outcome):
    with scripted(features=features, **answers) as server, connected(server) as line:
        [trouble] = tell([(line, mail())])
    with scripted(features=features, **answers) as server, connected(server) as line, raises() as expected:
        line.sendmail("shop@shop.example", ["ana@example.com"], TEXT)

    assert type(trouble) is type(expected.value) is kind
    assert trouble.args == expected.value.args
    assert classify(trouble).outcome is outcome


def test_a_server_that_waits_for_a_mail_to_nobody_gets_no_text():
    """It said 354 though it had refused the recipient: what it is sent now would be a mail to nobody."""
    with scripted(rcpt="550 5.1.1 nobody") as server, connected(server) as line:
        [trouble] = tell([(line, mail())])
        assert line.sock is None

    assert isinstance(trouble, smtplib.SMTPRecipientsRefused)
    assert not any(TEXT[:7] in piece for piece in server.heard)


def test_dots_at_the_start_of_a_line_arrive_as_they_were():
    with mail_server() as server:
        line = smtplib.SMTP("127.0.0.1", server.port)
        assert tell([(line, mail())]) == [None]
        line.quit()

    assert server.raw == [TEXT]


@pytest.mark.parametrize("data", [TEXT, b".", b"..\r\n", b"a\r\n.", b"no end", b"\r\n.\r\n.\r\n"])
def test_a_text_is_stuffed_as_smtplib_stuffs_it(data):
    with scripted() as server, connected(server) as line:
        line.ehlo()
        line.data(data)

    assert server.heard[-1] == stuffed(data)


def test_what_one_server_does_is_nothing_to_the_mail_beside_it():
    with scripted() as good, scripted(text="hang") as bad, connected(good) as one, connected(bad, timeout=0.3) as other:
        results = tell([(other, mail("ana")), (one, mail("ben"))])

    assert isinstance(results[0], (smtplib.SMTPServerDisconnected, TimeoutError))
    assert results[1] is None


@pytest.mark.parametrize("features", [("PIPELINING",), ()])
@pytest.mark.parametrize("word", ["mail", "rcpt", "data"])
def test_a_mail_whose_text_was_never_handed_over_has_not_gone_out(features, word):
    with scripted(features=features, **{word: "hang"}) as server, connected(server, timeout=0.3) as line:
        [trouble] = tell([(line, mail())])
        assert line.sock is None

    assert isinstance(trouble, NothingSent)
    assert classify(trouble).outcome is Outcome.FAILED


def test_of_a_mail_that_was_handed_over_and_not_answered_nobody_knows():
    with scripted(text="hang") as server, connected(server, timeout=0.3) as line:
        [trouble] = tell([(line, mail())])

    assert classify(trouble).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(("within", "outcome"), [(0.5, Outcome.FAILED), (1.4, Outcome.UNKNOWN)])
def test_a_server_that_is_slow_answer_after_answer_is_not_waited_for_past_the_end(within, outcome):
    """Each of the four answers comes after 0.4 s, well within the time-out; all of them together do not."""
    with scripted(features=(), seconds=0.4) as server, connected(server, timeout=1) as line:
        line.ehlo()
        [trouble] = tell([(line, mail())], within=within)

    assert classify(trouble).outcome is outcome


def test_an_answer_that_lies_there_is_read_though_the_mail_beside_it_took_all_the_time():
    with scripted(text="hang") as slow, scripted() as quick, connected(slow) as one, connected(quick) as other:
        for line in (one, other):
            line.ehlo()
        results = tell([(one, mail("ana")), (other, mail("ben"))], within=0.5)

    assert classify(results[0]).outcome is Outcome.UNKNOWN
    assert results[1] is None


def test_the_next_mail_has_all_the_time_of_the_connection_again():
    with scripted(seconds=0.1) as server, connected(server, timeout=1) as line:
        assert tell([(line, mail())], within=0.9) == [None]
        assert line.sock.gettimeout() < 1
        assert tell([(line, mail())]) == [None]
        assert line.sock.gettimeout() == 1


def test_two_mails_take_the_time_of_one():
    with mail_server() as server, Mailer() as mailer:
        server.seconds_a_mail = 0.5
        mailer.open()
        began = time.monotonic()
        answers = mailer.send([mail("ana"), mail("ben")])

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED] * 2
    assert time.monotonic() - began < 0.9
    assert sorted(message["Subject"] for message in server.accepted) == ["hello", "hello"]


def test_a_server_that_takes_one_connection_gets_one_mail_after_the_other():
    with scripted(most=1) as server, Mailer() as mailer, override_settings(**smtp(server)):
        answers = mailer.send([mail("ana"), mail("ben"), mail("cem")])
        answers += mailer.send([mail("dan"), mail("eve")])

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED] * 5
    assert server.talks == 2  # asked once for another, and not again for a minute


def test_a_message_that_django_has_to_write_leaves_between_others():
    """An address that has to be encoded is Django's own business."""
    message = EmailMultiAlternatives("hi", "text", "shop@shop.example", ["ana@exämple.com"])
    with mail_server() as server, Mailer() as mailer:
        answers = mailer.send([mail("ana"), message, mail("ben")])

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED] * 3
    assert len(server.accepted) == 3


def test_a_message_that_cannot_be_written_harms_none_beside_it():
    broken = EmailMultiAlternatives("two\nlines", "text", "shop@shop.example", ["eve@example.com"])
    with mail_server() as server, Mailer() as mailer:
        answers = mailer.send([mail("ana"), broken, mail("ben")])

    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.ACCEPTED]
    assert len(server.accepted) == 2


def test_an_ordinary_message_goes_over_the_wire_as_django_sends_it():
    message = EmailMultiAlternatives("Grüße", ".dot\ntext", "Shop <shop@shop.example>", ["ana@example.com"])
    message.attach_alternative("<p>.dot</p>", "text/html")
    printed = as_printed(message)
    with mail_server() as server, Mailer() as mailer:
        mailer.send([message])
        message.send()
    ours, djangos = server.accepted

    assert (printed.sender, printed.recipient) == ("shop@shop.example", "ana@example.com")
    assert ours["Subject"] == djangos["Subject"] == "Grüße"
    assert [part.get_content() for part in ours.iter_parts()] == [part.get_content() for part in djangos.iter_parts()]
    assert ours["From"] == djangos["From"]


def djangos_bytes(message):
    return (
        message.message(policy=email.policy.SMTP).as_bytes()
        if django.VERSION >= (6, 0)
        else (message.message().as_bytes(linesep="\r\n"))
    )


def without_boundaries(data):
    for number, boundary in enumerate(re.findall(rb'boundary="([^"]+)"', data)):
        data = data.replace(boundary, b"boundary %d" % number)
    return data


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=120)
header_words = st.one_of(words, st.text('ab <>@=?,;:"\\()', max_size=120), st.just("=?utf-8?q?caf=C3=A9?="))
bodies = st.one_of(words, st.lists(words, max_size=4).map("\n".join), st.just("From here\n.dot\n" + "x" * 1200))


senders = st.sampled_from(
    [
        "shop@shop.example",
        "Shop <shop@shop.example>",
        '"Shop" <shop@shop.example>',
        "shop@shop.example (Shop)",
        "Shop (best) Co <shop@shop.example>",
        "Shop. Inc <shop@shop.example>",
        "Müller & Co <shop@shop.example>",
        '"Shop, the best" <shop@shop.example>',
    ]
)


@given(
    sender=senders,
    subject=header_words,
    headers=st.dictionaries(st.from_regex(r"X-[A-Za-z]{1,30}", fullmatch=True), header_words, max_size=3),
    text=bodies,
    html=bodies,
    is_mixed=st.booleans(),
)
def test_a_message_is_serialised_as_django_does_it_but_for_the_boundaries(
    sender, subject, headers, text, html, is_mixed
):
    known = {"Message-ID": "<1@shop.example>", "Date": "Mon, 02 Mar 2026 08:00:00 -0000", **headers}
    message = EmailMultiAlternatives(subject, text, sender, ["ana@example.com"], headers=known, reply_to=[sender])
    message.attach_alternative(html, "text/html")
    if is_mixed:
        message.attach("date.ics", "BEGIN:VCALENDAR", "text/calendar")
    try:
        expected = djangos_bytes(message)
    except Exception as trouble:
        with pytest.raises(type(trouble)):
            serialised(message)
    else:
        assert without_boundaries(serialised(message)) == without_boundaries(expected)


@pytest.mark.parametrize(
    ("address", "alone"),
    [
        ("Shop <a@b.example>", "a@b.example"),
        ("a@b.example", "a@b.example"),
        ('"a b"@c.example', ""),
        ("jörg@b.example", ""),
        ("nobody", ""),
    ],
)
def test_only_a_plain_address_becomes_part_of_a_command(address, alone):
    assert bare(address) == alone


def test_no_second_command_hides_in_an_address():
    """Older Pythons read the first address out of it, newer ones none at all."""
    assert bare("a@b.example\r\nrcpt TO:<eve@example.com>") in ("a@b.example", "")


def smtp(server):
    return mail_settings("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=server.port)
