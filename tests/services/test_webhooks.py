"""What is posted to the webhooks: forged, about foreign mails, broken, huge; and who is asked to tell it again."""

import datetime as dt
import json

import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.core import mail as django_mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backorders.domain.feedback import Feedback, Told
from backorders.mail_receivers import feedback_in
from backorders.models import MailFeedback
from backorders.services.feedback import take_all
from tests.factories import ProductFactory, waiting_for
from tests.mailprovider import KNOWN, bounce, mailgun_says, post
from tests.services.test_feedback import HOUR, closed, in_doubt, mail_of, named, suppressed, tell

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reporting")]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic c2hvcDp3cm9uZw=="}])
def test_who_does_not_know_the_secret_is_not_heard(now, headers):
    [row] = tell(1, now)

    assert post("postmark", bounce(named(row), email=row.email), headers=headers).status_code == 400
    assert suppressed() == []


def test_a_wrong_signature_is_not_heard(now):
    [row] = tell(1, now)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    event = mailgun_says("complained", message_id=ours, email=row.email, signed_with="guess")

    assert post("mailgun", event).status_code == 400
    assert suppressed() == []


def test_a_bounce_of_a_mail_that_was_never_ours_changes_nothing(now):
    [row] = tell(1, now)
    mail = mail_of(row)
    post("postmark", bounce("unknown", email=row.email))
    for guess in (f"{mail.id}.1", f"{mail.id + 1}.{int(now.timestamp())}", "99999999999999999999.1", {"a": 1}, None):
        post("postmark", bounce("unknown", email=row.email, Metadata={"backorders_mail": guess}))

    assert (suppressed(), closed(row), MailFeedback.objects.count()) == ([], [""], 0)


def test_a_bounce_of_our_mail_at_an_address_it_was_not_for_changes_nothing(now):
    """The shop's own copy, or a guess."""
    [row] = tell(1, now)
    waiting_for(ProductFactory(), 1, email="archive@example.com")
    for address in ("archive@example.com", "not an address", "a@b.com, c@d.com"):
        post("postmark", bounce(named(row), email=address))

    assert (suppressed(), MailFeedback.objects.count()) == ([], 0)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "{}", b"\xff\xfe", '{"RecordType": "Bounce"}'])
def test_nonsense_changes_nothing(now, body):
    [row] = tell(1, now)
    post("postmark", body)
    post("mailgun", body)

    assert (suppressed(), closed(row)) == ([], [""])


def test_twenty_megabytes_are_refused(now):
    [row] = tell(1, now)
    huge = bounce(named(row), email=row.email, Content="x" * 20_000_000)

    assert post("postmark", huge).status_code in (400, 413)
    assert suppressed() == []


ODD = [None, 7, "x" * 100_000, "nul\x00", ["a"], {"a": 1}, b"bytes", "", float("nan"), dt.datetime(2026, 3, 2)]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_values_anywhere_in_an_event_are_borne(now, odd):
    [row] = tell(1, now)
    good = {"event_type": "bounced", "message_id": named(row), "recipient": None, "reject_reason": None}
    for name in (*good, "metadata", "timestamp", "mta_response", "description", "tags", "esp_event", "event_id"):
        event = AnymailTrackingEvent(**{**good, name: odd})
        for provider in ("Postmark", "Resend", "SparkPost", "Mailjet", ""):
            feedback_in(event, provider)
        if name not in ("event_type", "message_id", "recipient"):
            tracking.send(sender=None, event=event, esp_name="Postmark")

    assert suppressed() == [(row.email, "bounce")]


def test_ten_thousand_events_in_one_go_are_all_heard(now, settings):
    """SparkPost sends batches. Most are about other mails of the shop."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 20_000_000
    rows = tell(50, now)

    batch = [spark(f"newsletter-{n}", f"reader{n}@elsewhere.example") for n in range(9_950)]
    batch += [spark(named(row), row.email) for row in rows]
    assert post("sparkpost", batch).status_code == 200
    assert len(suppressed()) == 50


def spark(name, email, kind="bounce", **more):
    about = {"type": kind, "bounce_class": "10", "transmission_id": name, "raw_rcpt_to": email, **more}
    return {"msys": {"message_event": about}}


def test_what_changes_nothing_costs_no_query_of_its_own(now, django_assert_max_num_queries):
    """Mails of the shop that are none of ours, mails of ours that are known to have arrived, and what was told before."""
    rows = tell(40, now)
    in_doubt(rows[0], leased_until=timezone.now() + HOUR)
    bounced = [spark(named(row), row.email) for row in rows[1:5]]
    post("sparkpost", bounced)
    batch = [spark(f"newsletter-{n}", f"reader{n}@elsewhere.example") for n in range(360)]
    batch += [spark(named(row), row.email, "delivery") for row in rows[1:]] + bounced

    with django_assert_max_num_queries(6):
        assert post("sparkpost", batch).status_code == 200


def test_what_cannot_be_asked_about_stops_nothing_else_and_is_told_again(now):
    [ana, ben] = tell(2, now)
    told = [Feedback(told=Told.BOUNCED, provider_id=name) for name in (named(ana), "\ud800", named(ben))]
    with pytest.raises(UnicodeEncodeError):
        take_all(feedback=told)

    assert suppressed() == sorted((row.email, "bounce") for row in (ana, ben))


def test_half_a_character_is_left_out(now):
    [row] = tell(1, now)
    event = json.dumps(spark(named(row), row.email, raw_reason="x")).replace(named(row), named(row) + "\\ud800")

    assert post("sparkpost", f"[{event}]").status_code == 200
    assert suppressed() == [(row.email, "bounce")]


@pytest.fixture
def failing():
    """Another receiver of the shop, which fails at mails of this name."""
    names = []

    def fail(*, event, **_):
        if event.message_id in names:
            raise RuntimeError("the shop's own newsletter is out of order")

    tracking.connect(fail)
    yield names
    tracking.disconnect(fail)


def test_a_receiver_of_the_shop_that_fails_takes_nothing_away_and_the_rest_comes_again(now, failing):
    [ana, ben] = tell(2, now)
    batch = [spark(named(ana), ana.email), spark("newsletter-1", "c@elsewhere.example"), spark(named(ben), ben.email)]
    failing.append("newsletter-1")
    assert post("sparkpost", batch).status_code == 500
    assert suppressed() == [(ana.email, "bounce")]

    failing.clear()
    assert post("sparkpost", batch).status_code == 200
    assert suppressed() == sorted((row.email, "bounce") for row in (ana, ben))


def test_anymails_own_addresses_do_the_same_event_by_event(now, settings):
    settings.ROOT_URLCONF = "tests.hosts.with_anymail_itself"
    [ana, ben] = tell(2, now)
    batch = [spark(named(row), row.email) for row in (ana, ben)]

    assert post("sparkpost", batch).status_code == 200
    assert suppressed() == sorted((row.email, "bounce") for row in (ana, ben))


def test_the_addresses_are_anymails_and_ask_for_no_csrf_token():
    assert reverse("anymail:postmark_tracking_webhook") == "/anymail/postmark/tracking/"
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/anymail/sparkpost/tracking/", "[]", content_type="application/json", headers=KNOWN)
    assert answer.status_code == 200


@pytest.mark.parametrize("body", ["", "{", b"\xff\xfe", '{"RecordType": "Bou'])
def test_what_is_no_json_is_the_senders_mistake(body):
    assert post("postmark", body).status_code == 400


def test_json_that_anymail_does_not_understand_is_told_again(now):
    """A later version of it may."""
    assert post("postmark", "[]").status_code == 500


def test_a_receiver_of_the_shop_that_raises_what_broken_json_raises_is_told_again(now):
    def fail(**_):
        json.loads("{")

    tracking.connect(fail)
    try:
        assert post("postmark", bounce("newsletter-1", email="c@elsewhere.example")).status_code == 500
    finally:
        tracking.disconnect(fail)


def test_a_batch_whose_middle_is_broken_changes_nothing(now):
    [row] = tell(1, now)
    about = {"type": "bounce", "bounce_class": "10", "transmission_id": named(row), "raw_rcpt_to": row.email}

    assert post("sparkpost", [{"msys": {"message_event": about}}, {"msys": {"a": {}, "b": {}}}]).status_code >= 400
    assert suppressed() == []


@pytest.mark.parametrize(
    ("provider", "raw"),
    [
        ("Amazon SES", {"bounce": {"bounceType": "Transient"}}),
        ("Brevo", {"event": "soft_bounce"}),
        ("MailerSend", {"data": {"type": "soft_bounced"}}),
        ("Mailjet", {"hard_bounce": False}),
        ("Mandrill", {"event": "soft_bounce"}),
        ("Postmark", {"Type": "SoftBounce"}),
        ("Resend", {"data": {"bounce": {"type": "Transient"}}}),
        ("SparkPost", {"msys": {"message_event": {"bounce_class": "22"}}}),
    ],
)
def test_every_providers_word_for_a_bounce_that_passes_is_known(provider, raw):
    event = AnymailTrackingEvent(event_type="bounced", reject_reason="bounced", message_id="x", esp_event=raw)
    assert feedback_in(event, provider).told == "delayed"
