"""A person is forgotten, or a provider speaks of them, while everything else goes on."""

import pytest
from django.core import mail as django_mail

from backorders.domain.feedback import Feedback, Told
from backorders.domain.tokens import Purpose
from backorders.models import Backorder, MailFeedback, OutgoingMail, Subscription, SuppressedAddress
from backorders.services.delivery import drain
from backorders.services.feedback import Heard, take_feedback
from backorders.services.privacy import forget_customer
from backorders.services.retention import tidy
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import confirm
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, token_for, waiting_for
from tests.hosts.models import Product
from tests.races.test_races import at_once, only
from tests.stories import DAY, a_mug, order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ANA = "ana@example.com"


def told_of(mugs, now):
    rows = [waiting_for(mug, 1, email=ANA)[0] for mug in mugs]
    Product.objects.update(stock=1)
    sweep_stock(now=now)
    release_waves(now=now)
    return rows


def test_whoever_is_forgotten_while_mails_leave_is_mailed_before_or_not_at_all(now):
    told_of([ProductFactory(stock=0) for _ in range(6)], now)
    forget, *_ = results = at_once(
        lambda: forget_customer(email=ANA, now=now), lambda: drain(seconds=10), lambda: drain(seconds=10)
    )
    assert only(Exception, results) == []
    left = len(django_mail.outbox)
    drain(seconds=10)

    assert len(django_mail.outbox) == left
    assert forget.requests_forgotten == 6
    assert not Subscription.objects.exclude(email="").exists()
    assert OutgoingMail.objects.filter(state="sent").count() <= left


def test_forgetting_meets_ordering_confirming_bouncing_and_tidying_without_a_deadlock(now):
    mugs = [a_mug() for _ in range(4)]
    told_of([ProductFactory(stock=0) for _ in range(3)], now)
    drain(seconds=10)
    OutgoingMail.objects.update(provider_id="pm-1")
    pending = [waiting_for(mug, 1, email=ANA, state="pending", confirmed_at=None)[0] for mug in mugs]
    token = token_for(pending[0], Purpose.CONFIRM)
    for _ in range(3):
        results = at_once(
            lambda: forget_customer(email=ANA, now=now),
            lambda: confirm(token=token, now=now),
            lambda: take_feedback(feedback=Feedback(told=Told.BOUNCED, provider_id="pm-1", email_key=ANA), now=now),
            lambda: tidy(now=now + 400 * DAY),
            lambda: [order(mug, 1, f"{mug.pk}", email=ANA, now=now) for mug in reversed(mugs)],
        )
        assert {type(error).__name__ for error in only(Exception, results)} <= {"InvalidToken"}

    forget_customer(email=ANA, now=now)
    assert not Subscription.objects.filter(email=ANA).exists()
    assert Backorder.objects.filter(email=ANA).count() == 4
    assert set(SuppressedAddress.objects.values_list("email_key", flat=True)) <= {""}


def test_the_same_bounce_told_many_times_at_once_counts_once(now):
    told_of([ProductFactory(stock=0) for _ in range(3)], now)
    drain(seconds=10)
    mail = OutgoingMail.objects.order_by("id").first()
    OutgoingMail.objects.filter(id=mail.id).update(provider_id="pm-1")
    bounced = Feedback(told=Told.BOUNCED, provider_id="pm-1", email_key=ANA)
    results = at_once(*[lambda: take_feedback(feedback=bounced, now=now)] * 6)

    assert sorted(results) == [Heard.KNOWN] * 5 + [Heard.TAKEN]
    assert (MailFeedback.objects.count(), SuppressedAddress.objects.count()) == (1, 1)
    assert set(Subscription.objects.values_list("closed_because", flat=True)) == {"undeliverable"}
