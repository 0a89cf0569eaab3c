"""Twelve things come back at once, and whoever waited for them gets one mail, not twelve."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from backorders.domain.feedback import Feedback, Told, mark_in_message_id
from backorders.domain.outbox import MailState
from backorders.domain.tokens import Purpose
from backorders.models import MailClaim, OutgoingMail, Subscription, SuppressedAddress
from backorders.queries.messages import message_id_of
from backorders.queries.preview import mail_to_preview, previews_of
from backorders.services import claims
from backorders.services.delivery import drain
from backorders.services.feedback import take_feedback
from backorders.services.outbox import bundle_mails, suppress
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import subscribe, unsubscribe
from backorders.services.waves import release_waves
from tests.factories import CustomerFactory, ProductFactory
from tests.hosts.models import Product
from tests.mailserver import mail_server

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def server():
    with mail_server() as sink:
        yield sink


def waiting(*products, customer, now, **says):
    for product in products:
        subscribe(product=product, customer=customer, now=now - HOUR, **says)


def come_back(*products, now, stock=9):
    Product.objects.filter(pk__in=[product.pk for product in products]).update(stock=stock)
    sweep_stock(now=now)
    release_waves(now=now)


def states():
    return list(OutgoingMail.objects.order_by("id").values_list("state", flat=True))


def text_of(message):
    return message.get_body(("plain",)).get_content()


def leave_token(message):
    return re.search(r"/leave/([^/>]+)/", message["List-Unsubscribe"])[1]


def test_who_waits_for_three_things_that_come_back_together_gets_one_mail_about_all(server, now):
    products = [ProductFactory(stock=0) for _ in range(3)]
    ana, ben = CustomerFactory(), CustomerFactory()
    waiting(*products, customer=ana, now=now)
    waiting(products[1], customer=ben, now=now)
    come_back(*products, now=now)
    drain(seconds=10)

    assert sorted(server.addresses) == sorted([ana.email, ben.email])
    [digest] = [message for message in server.accepted if message["To"] == ana.email]
    [alone] = [message for message in server.accepted if message["To"] == ben.email]
    assert all(product.name in text_of(digest) for product in products)
    assert all(product.name in digest.get_body(("html",)).get_content() for product in products)
    assert digest["Subject"].endswith("and 2 more")
    assert products[0].name not in text_of(alone)
    assert states() == ["sent"] * 4
    assert set(Subscription.objects.values_list("state", flat=True)) == {"told"}


def test_one_click_leaves_everything_the_digest_named_and_nothing_else(server, now):
    products = [ProductFactory(stock=0) for _ in range(3)]
    other, ana = ProductFactory(stock=0), CustomerFactory()
    waiting(*products, other, customer=ana, now=now)
    come_back(*products, now=now)
    drain(seconds=10)
    left = unsubscribe(token=leave_token(server.accepted[0]), now=now)

    assert len(left) == 3
    assert Subscription.objects.live().get().item.product == other
    assert len(unsubscribe(token=leave_token(server.accepted[0]), now=now)) == 3


def test_the_page_to_leave_shows_everything_the_digest_named(server, now, client):
    products = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)
    drain(seconds=10)
    address = re.search(r"https?://[^/]+(/[^>]+)>", server.accepted[0]["List-Unsubscribe"])[1]

    assert all(product.name in client.get(address).content.decode() for product in products)
    assert Subscription.objects.live().count() == 3
    client.post(address)
    assert not Subscription.objects.live().exists()


def test_what_sells_out_before_the_digest_leaves_is_not_in_it(server, now):
    mug, pen, cup = products = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)
    Product.objects.filter(pk=mug.pk).update(stock=0)  # the shop has not told us yet
    drain(seconds=10)

    [digest] = server.accepted
    assert mug.name not in text_of(digest)
    assert pen.name in text_of(digest)
    assert cup.name in text_of(digest)
    assert sorted(states()) == ["cancelled", "sent", "sent"]


def test_where_the_mail_that_leads_is_stopped_the_others_still_leave_as_one(server, now):
    mug, *others = products = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)
    leader = OutgoingMail.objects.get(id=OutgoingMail.objects.first().bundle)
    Product.objects.filter(pk=leader.subscription.item.object_id).update(stock=0)
    sweep_stock(now=now)
    drain(seconds=10)

    [digest] = server.accepted
    assert digest["Subject"].endswith("and one more")
    assert sorted(states()) == ["cancelled", "sent", "sent"]


def test_readers_of_two_languages_in_one_mailbox_get_a_digest_in_each(server, now):
    products = [ProductFactory(stock=0) for _ in range(4)]
    ana = CustomerFactory()
    waiting(*products[:2], customer=ana, now=now, language="de")
    waiting(*products[2:], customer=ana, now=now, language="fr")
    come_back(*products, now=now)
    drain(seconds=10)

    assert server.addresses == [ana.email] * 2
    assert states() == ["sent"] * 4


def test_a_digest_names_so_many_and_a_shop_may_want_none(server, now, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "DIGEST_OF": 2}
    products = [ProductFactory(stock=0) for _ in range(5)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)
    drain(seconds=10)
    assert len(server.accepted) == 3

    settings.BACKORDERS = {**settings.BACKORDERS, "DIGEST_OF": 1}
    more = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*more, customer=CustomerFactory(), now=now)
    come_back(*more, now=now)
    drain(seconds=10)
    assert len(server.accepted) == 3 + 3


def test_what_comes_back_while_a_mail_still_waits_joins_it(server, now):
    mug, pen = ProductFactory(stock=0), ProductFactory(stock=0)
    waiting(mug, pen, customer=CustomerFactory(), now=now)
    come_back(mug, now=now)
    come_back(pen, now=now)
    drain(seconds=10)

    assert len(server.accepted) == 1


def test_a_mail_that_was_tried_before_is_not_held_up_by_a_new_one(server, now):
    mug, pen = ProductFactory(stock=0), ProductFactory(stock=0)
    ana = CustomerFactory()
    waiting(mug, pen, customer=ana, now=now)
    come_back(mug, now=now)
    server.answers[ana.email] = "451 try later"
    drain(seconds=5)
    del server.answers[ana.email]
    come_back(pen, now=now)
    drain(seconds=5)

    assert len(server.accepted) == 1
    assert not OutgoingMail.objects.filter(bundle__isnull=False).exists()


def test_a_digest_that_the_server_refuses_for_now_comes_again_whole(server, now):
    products = [ProductFactory(stock=0) for _ in range(3)]
    ana = CustomerFactory()
    waiting(*products, customer=ana, now=now)
    come_back(*products, now=now)
    server.answers[ana.email] = "451 try later"
    drain(seconds=5)
    assert list(OutgoingMail.objects.values_list("state", "attempts")) == [("queued", 1)] * 3

    del server.answers[ana.email]
    OutgoingMail.objects.update(due_at=now)
    drain(seconds=5)
    assert len(server.accepted) == 1
    assert states() == ["sent"] * 3


def test_a_mailbox_that_is_not_there_ends_all_of_a_digest(server, now):
    products = [ProductFactory(stock=0) for _ in range(2)]
    ana = CustomerFactory()
    waiting(*products, customer=ana, now=now)
    come_back(*products, now=now)
    server.answers[ana.email] = "550 5.1.1 nobody here"
    drain(seconds=5)

    assert states() == ["suppressed"] * 2
    assert SuppressedAddress.objects.count() == 1


def test_an_address_suppressed_meanwhile_gets_no_digest(server, now):
    products = [ProductFactory(stock=0) for _ in range(2)]
    ana = CustomerFactory()
    waiting(*products, customer=ana, now=now)
    come_back(*products, now=now)
    suppress(email_key=ana.email, reason="asked us to", now=now)
    drain(seconds=5)

    assert server.accepted == []
    assert states() == ["suppressed"] * 2


@pytest.mark.parametrize("told", [0, 1, 2])
def test_a_digest_of_a_dead_process_is_accepted_in_doubt_or_untried_as_a_whole(now, told):
    """However its mails lie among those of others."""
    mug, pen = ProductFactory(stock=0), ProductFactory(stock=0)
    people = [CustomerFactory() for _ in range(3)]
    for one in people:
        waiting(mug, pen, customer=one, now=now)
    come_back(mug, pen, now=now)
    mails = claims.claim(100)
    letters = claims.letters_of(mails)
    assert [len(letter.mails) for letter in letters] == [2, 2, 2]
    claims.begin(mails[0].lease_token, letters)
    for letter in letters[: told + 1]:
        claims.step(mails[0].lease_token, letter.head.place, letter.head.place)
    MailClaim.objects.update(leased_until=timezone.now() - HOUR)
    claims.recover()

    for place, letter in enumerate(letters):
        rows = OutgoingMail.objects.filter(id__in=letter.ids).values_list("state", "attempts")
        expected = ("sent", 1) if place < told else ("queued", int(place == told))
        assert list(rows) == [expected] * 2


def test_one_worker_takes_the_whole_digest_and_another_none_of_it(now):
    products = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)

    assert len(claims.claim(1)) == 3
    assert claims.claim(1) == []


def test_bundling_again_changes_nothing(now):
    products = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)

    assert bundle_mails(beside=0) == 0
    assert OutgoingMail.objects.values("bundle").distinct().count() == 1


def test_with_holds_each_thing_of_a_digest_is_put_aside_and_has_a_link_of_its_own(server, settings):
    now = timezone.now()
    settings.BACKORDERS = {**settings.BACKORDERS, "HOLD_FOR": dt.timedelta(hours=24)}
    products = [ProductFactory(stock=0) for _ in range(2)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)
    drain(seconds=10)

    [digest] = server.accepted
    assert len(set(re.findall(rf"/{Purpose.HOLD}/([^/\s]+)/", text_of(digest)))) == 2
    assert text_of(digest).count("Yours until") == 2
    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {MailState.SENT}


def test_a_digest_in_doubt_that_arrived_is_not_sent_again(server, now):
    products = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)
    mails = claims.claim(100)
    letters = claims.letters_of(mails)
    claims.begin(mails[0].lease_token, letters)
    claims.step(mails[0].lease_token, letters[0].head.place, letters[0].head.place)
    MailClaim.objects.update(leased_until=timezone.now() - HOUR)
    claims.recover()
    take_feedback(
        feedback=Feedback(told=Told.DELIVERED, mark=mark_in_message_id(message_id_of(letters[0].head))), now=now
    )
    drain(seconds=5)

    assert server.accepted == []
    assert states() == ["sent"] * 3


def test_a_preview_of_one_mail_of_a_digest_shows_the_digest(now):
    products = [ProductFactory(stock=0) for _ in range(3)]
    waiting(*products, customer=CustomerFactory(), now=now)
    come_back(*products, now=now)
    [shown, *_] = previews_of([mail_to_preview(mail_id) for mail_id in ids_of_mails()], now=now)

    assert all(product.name in shown.html for product in products)
    assert shown.html.count("/preview/") > 0


def ids_of_mails():
    return list(OutgoingMail.objects.order_by("id").values_list("id", flat=True))
