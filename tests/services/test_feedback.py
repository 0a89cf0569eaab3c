"""Mail providers report through their own webhooks, as they send them: late, twice, in any order, and not only about us."""

import datetime as dt
import random
import re
import uuid

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from backorders.domain.outbox import MailKind, MailState
from backorders.models import MailClaim, MailFeedback, OutgoingMail, Subscription, SuppressedAddress
from backorders.services.backorders import place_backorder
from backorders.services.delivery import drain
from backorders.services.feedback import KEEP_UNMATCHED, hear_again
from backorders.services.outbox import queue_mail
from backorders.services.privacy import forget_customer
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import confirm, subscribe
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from tests.factories import CustomerFactory, ProductFactory, waiting_for
from tests.hosts.models import Product
from tests.mailprovider import bounce, left, mailgun_says, post, postmark, postmark_says

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reporting")]

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def tell(people, now, **fields):
    """So many people were told that a mug is back; the provider calls the mails pm-<id of the request>."""
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, people, **fields)
    Product.objects.filter(pk=mug.pk).update(stock=people)
    sweep_stock(now=now)
    release_waves(now=now)
    drain(seconds=10)
    for row in rows:
        OutgoingMail.objects.filter(subscription=row).update(provider_id=named(row))
    return rows


def named(row):
    return f"pm-{row.id}"


def mail_of(row):
    return OutgoingMail.objects.get(subscription=row)


def in_doubt(row, *, leased_until=None, **fields):
    """Its worker died while the provider was answering; or is at it, where the lease is not over."""
    token = uuid.uuid4()
    marks = {"state": MailState.SENDING, "lease_token": token, "provider_id": "", "sent_at": None}
    OutgoingMail.objects.filter(subscription=row).update(**{**marks, **fields})
    told = mail_of(row).place
    ends = leased_until or timezone.now() - HOUR
    MailClaim.objects.create(token=token, leased_until=ends, telling=told, telling_to=told)


def suppressed():
    return sorted(SuppressedAddress.objects.values_list("email_key", "reason"))


def closed(*rows):
    found = dict(Subscription.objects.values_list("id", "closed_because"))
    return [found[row.id] for row in rows]


# what an event does


def test_a_hard_bounce_suppresses_the_address_and_ends_its_requests(now):
    [row] = tell(1, now)
    [other] = waiting_for(ProductFactory(), 1, email=row.email)

    assert post("postmark", bounce(named(row), email=row.email)).status_code == 200
    assert suppressed() == [(row.email, "bounce")]
    assert closed(row, other) == ["undeliverable", "undeliverable"]


def test_a_complaint_suppresses_the_address(now):
    [row] = tell(1, now)
    post("postmark", postmark_says("SpamComplaint", named(row), email=row.email, Type="SpamComplaint"))

    assert (suppressed(), closed(row)) == ([(row.email, "complaint")], ["left"])


def test_leaving_by_the_providers_link_ends_what_was_asked_before_and_nothing_later(now):
    [row] = tell(1, now)
    [before] = waiting_for(ProductFactory(), 1, email=row.email, placed_at=now)
    [after] = waiting_for(ProductFactory(), 1, email=row.email, placed_at=now + 2 * HOUR)
    for _ in range(2):
        post("postmark", left(named(row), email=row.email))

    assert (suppressed(), closed(row, before, after)) == ([(row.email, "unsubscribed")], ["left", "left", ""])


def test_whoever_has_left_by_the_providers_link_gets_nothing_but_mails_about_orders(now, worker):
    [row] = tell(1, now)
    cup = ProductFactory(stock=0)
    set_selling_policy(product=cup, policy="backorder")
    [late] = waiting_for(cup, 1, email=row.email, placed_at=now)
    post("postmark", left(named(row), email=row.email))
    Subscription.objects.filter(id=late.id).update(state="told", closed_because="", restock=None)
    queue_mail(kind=MailKind.REQUEST_ENDED, now=now, subscription=late)  # whatever may still come of it
    django_mail.outbox.clear()
    place_backorder(product=cup, quantity=1, reference="A-1", email=row.email, now=now)
    worker(now)

    assert suppressed() == [(row.email, "unsubscribed")]
    assert [mail.subject for mail in django_mail.outbox] == [f"On backorder for you: {cup.name}"]
    assert OutgoingMail.objects.get(subscription=late).state == MailState.SUPPRESSED


def test_whoever_asks_anew_after_that_and_confirms_it_is_told_again(now, worker):
    [row] = tell(1, now)
    post("postmark", left(named(row), email=row.email))
    cup = ProductFactory(stock=0)
    django_mail.outbox.clear()
    subscribe(product=cup, email=row.email, now=now + DAY)
    worker(now + DAY)
    [link] = re.findall(r"/backorders/confirm/([\w-]+)/", django_mail.outbox.pop().body)
    confirm(token=link, now=now + DAY)
    Product.objects.filter(pk=cup.pk).update(stock=5)
    worker(now + DAY)

    assert [mail.to for mail in django_mail.outbox] == [[row.email]]


def test_a_customer_who_is_signed_in_asks_anew_without_a_mail(now, worker):
    [row] = tell(1, now)
    post("postmark", left(named(row), email=row.email))
    cup = ProductFactory(stock=0)
    django_mail.outbox.clear()
    subscribe(product=cup, customer=CustomerFactory(email=row.email), now=now + DAY)
    Product.objects.filter(pk=cup.pk).update(stock=5)
    worker(now + DAY)

    assert [mail.to for mail in django_mail.outbox] == [[row.email]]


def test_a_provider_that_refuses_whoever_has_unsubscribed_does_not_silence_them_altogether(now):
    """Postmark says the same words of a bounce and of somebody whom the shop's list was left by."""
    [row] = tell(1, now)
    post("postmark", left(named(row), email=row.email))
    mug = ProductFactory(stock=0)
    set_selling_policy(product=mug, policy="backorder")
    place_backorder(product=mug, quantity=1, reference="A-1", email=row.email, now=now)
    with postmark(inactive=[row.email]):
        drain(seconds=10)

    assert OutgoingMail.objects.get(backorder__reference="A-1").state == MailState.SUPPRESSED
    assert SuppressedAddress.objects.values_list("reason", "lets_orders_through").get() == ("unsubscribed", True)


@pytest.mark.parametrize("order", [["left", "bounced"], ["bounced", "left"]])
def test_a_bounce_silences_whoever_has_unsubscribed_altogether_and_leaving_later_lifts_nothing(now, order):
    [row] = tell(1, now)
    events = {"left": left(named(row), email=row.email), "bounced": bounce(named(row), email=row.email)}
    for name in order:
        post("postmark", events[name])

    assert SuppressedAddress.objects.values_list("reason", "lets_orders_through").get() == ("bounce", False)
    subscribe(product=ProductFactory(stock=0), email=row.email, now=now)
    assert not Subscription.objects.filter(state="pending").exists()


def test_whoever_leaves_asks_anew_and_leaves_again_by_the_same_mail_is_heard(now):
    [row] = tell(1, now)
    post("postmark", left(named(row), email=row.email))
    [again] = waiting_for(ProductFactory(), 1, email=row.email, placed_at=now + 2 * HOUR)
    post("postmark", left(named(row), email=row.email, at="2026-03-02T14:00:00Z"))

    assert closed(again) == ["left"]


@pytest.mark.parametrize("kind", ["SoftBounce", "Transient", "DnsError", "Blocked", "VirusNotification"])
def test_what_passes_or_is_not_about_the_address_leaves_a_note_only(now, kind):
    [row] = tell(1, now)
    post("postmark", bounce(named(row), email=row.email, kind=kind))

    assert (suppressed(), closed(row)) == ([], [""])
    assert mail_of(row).note == f"delayed: 550 5.1.1 <{row.email[0]}…@e….com> no such user"


@pytest.mark.parametrize("record", ["Open", "Click", "Nonsense"])
def test_what_does_not_concern_us_changes_nothing(now, record):
    [row] = tell(1, now)
    before = OutgoingMail.objects.values().get()

    assert post("postmark", postmark_says(record, named(row), email=row.email)).status_code == 200
    assert (OutgoingMail.objects.values().get(), MailFeedback.objects.count()) == (before, 0)


def test_mailgun_reports_under_our_own_message_id(now):
    """The shop sends by plain SMTP through Mailgun, so nobody told us an id."""
    [row] = tell(1, now)
    OutgoingMail.objects.update(provider_id="")
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    event = mailgun_says("failed", message_id=ours, email=row.email, severity="permanent", reason="bounce")

    assert post("mailgun", event).status_code == 200
    assert suppressed() == [(row.email, "bounce")]


def test_a_temporary_failure_at_mailgun_is_only_noted(now):
    [row] = tell(1, now)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    post("mailgun", mailgun_says("failed", message_id=ours, email=row.email, severity="temporary", reason="generic"))

    assert (suppressed(), mail_of(row).note) == ([], "delayed")


def test_a_provider_that_does_not_say_whom_it_means_is_believed_by_the_mails_name(now):
    [row] = tell(1, now)
    post("resend", {"type": "email.complained", "created_at": "2026-03-02T10:05:00Z", "data": {"email_id": named(row)}})

    assert suppressed() == [(row.email, "complaint")]


# a mail whose fate nobody knew


@pytest.mark.parametrize("state", [MailState.SENDING, MailState.QUEUED, MailState.LEASED])
def test_a_mail_in_doubt_that_arrived_is_sent_and_never_sent_again(now, state):
    [row] = tell(1, now)
    in_doubt(row, state=state)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    post("mailgun", mailgun_says("delivered", message_id=ours, email=row.email))
    drain(seconds=5)

    assert (mail_of(row).state, mail_of(row).provider_id, len(django_mail.outbox)) == (MailState.SENT, ours, 1)


def test_a_mail_that_was_never_tried_stays_queued_whatever_is_told_of_it(now):
    [row] = tell(1, now)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    OutgoingMail.objects.update(state=MailState.QUEUED, attempts=0)
    post("mailgun", mailgun_says("delivered", message_id=ours, email=row.email))

    assert mail_of(row).state == MailState.QUEUED


def test_a_bounce_of_a_mail_in_doubt_settles_it_as_well(now):
    [row] = tell(1, now)
    in_doubt(row)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    post("mailgun", mailgun_says("failed", message_id=ours, email=row.email, severity="permanent", reason="bounce"))

    assert (mail_of(row).state, mail_of(row).note) == (MailState.SENT, "bounced")


# too early


def test_a_bounce_before_our_commit_waits_for_its_mail(now):
    [row] = tell(1, now)
    in_doubt(row, leased_until=timezone.now() + HOUR)
    post("postmark", bounce("pm-early", email=row.email))
    assert (suppressed(), MailFeedback.objects.get().email_hash != "") == ([], True)
    assert row.email not in str(MailFeedback.objects.values())

    OutgoingMail.objects.update(state=MailState.SENT, lease_token=None, provider_id="pm-early")
    assert hear_again()["feedback matched"] == 1
    assert suppressed() == [(row.email, "bounce")]
    assert MailFeedback.objects.filter(mail=None).count() == 0


def test_what_is_nobodys_for_a_day_is_dropped(now):
    [row] = tell(1, now)
    in_doubt(row)
    for _ in range(2):
        post("postmark", bounce("pm-never", email=row.email))
    assert MailFeedback.objects.count() == 1

    assert hear_again(now=timezone.now() + KEEP_UNMATCHED + HOUR)["feedback dropped"] == 1


def test_no_event_is_too_early_where_the_provider_hands_our_own_name_back(now):
    with postmark() as taken:
        [row] = tell(1, now)
        assert taken[0]["Metadata"] == {"backorders_mail": f"{mail_of(row).id}.{int(now.timestamp())}"}
        in_doubt(row, leased_until=timezone.now() + HOUR)
        post("postmark", bounce("pm-unheard-of", email=row.email, Metadata=taken[0]["Metadata"]))

    assert suppressed() == [(row.email, "bounce")]


def test_the_metadata_of_the_shop_stays_and_foreign_mails_get_none_of_ours(now):
    with postmark() as taken:
        message = django_mail.EmailMessage("Invoice", "…", "shop@shop.example", ["ana@example.com"])
        message.metadata = {"order": "17"}
        message.send()

    assert taken[0]["Metadata"] == {"order": "17"}


# again and in any order


def test_the_same_told_again_changes_nothing_even_when_staff_thought_better_of_it(now):
    [row] = tell(1, now)
    event = bounce(named(row), email=row.email)
    post("postmark", event)
    SuppressedAddress.objects.all().delete()
    post("postmark", event)
    post("postmark", bounce(named(row), email=row.email))

    assert suppressed() == []


def test_a_shuffled_and_doubled_day_ends_as_an_orderly_one(now):
    rows = tell(16, now)
    kinds = [("bounce", 4), ("complaint", 8), ("leave", 12), ("nothing", 16)]
    fate = {row.id: next(kind for kind, end in kinds if place < end) for place, row in enumerate(rows)}
    says = {
        "bounce": lambda row: bounce(named(row), email=row.email.upper()),
        "complaint": lambda row: postmark_says("SpamComplaint", named(row), email=row.email, Type="SpamComplaint"),
        "leave": lambda row: left(named(row), email=row.email),
        "nothing": lambda row: bounce(named(row), email=row.email, kind="SoftBounce"),
    }
    events = [says[fate[row.id]](row) for row in rows]
    events += [postmark_says("Delivery", named(row), email=row.email) for row in rows]
    events += [bounce("somebody-elses", email=row.email) for row in rows]
    events += events[::3]
    random.Random(7).shuffle(events)
    assert {post("postmark", event).status_code for event in events} == {200}

    reasons = {"bounce": "bounce", "complaint": "complaint", "leave": "unsubscribed"}
    expected = sorted((row.email, reasons[fate[row.id]]) for row in rows if fate[row.id] in reasons)
    assert suppressed() == expected
    because = {"bounce": "undeliverable", "complaint": "left", "leave": "left", "nothing": ""}
    assert closed(*rows) == [because[fate[row.id]] for row in rows]


# forgotten meanwhile


def test_a_complaint_of_somebody_who_was_forgotten_keeps_them_quiet_and_nameless(now):
    [row] = tell(1, now)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    forget_customer(email=row.email, now=now)
    post("mailgun", mailgun_says("complained", message_id=ours, email=row.email))

    assert suppressed() == [("", "complaint")]
    assert SuppressedAddress.objects.among([row.email]) == {row.email: None}


def test_somebody_who_was_forgotten_may_still_unsubscribe(now):
    [row] = tell(1, now)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    forget_customer(email=row.email, now=now)
    post("mailgun", mailgun_says("unsubscribed", message_id=ours, email=row.email))

    assert suppressed() == [("", "unsubscribed")]
    assert SuppressedAddress.objects.among([row.email]).keys() == {row.email}
    assert None not in SuppressedAddress.objects.among([row.email]).values()


def test_a_forgotten_customer_who_has_come_back_is_told_whatever_is_said_of_an_old_mail(now, worker):
    [row] = tell(1, now)
    ours = django_mail.outbox[-1].extra_headers["Message-ID"]
    forget_customer(email=row.email, now=now)
    cup = ProductFactory(stock=0)
    subscribe(product=cup, customer=CustomerFactory(email=row.email), now=now + DAY)
    post("mailgun", mailgun_says("unsubscribed", message_id=ours, email=row.email))
    django_mail.outbox.clear()
    Product.objects.filter(pk=cup.pk).update(stock=5)
    worker(now + 2 * DAY)

    assert [mail.to for mail in django_mail.outbox] == [[row.email]]
