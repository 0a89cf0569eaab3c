"""Staff see whether mail leaves, why not, and hold it back or let it go."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from backorders.models import MailLane, OutgoingMail
from backorders.services.gate import stop_mail

pytestmark = pytest.mark.django_db

FLOW = "admin:backorders_outgoingmail_flow"


@pytest.fixture
def flow():
    return reverse(FLOW)


def page(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_mail_that_leaves_is_said_to_leave(merchandiser, flow):
    assert "Mail leaves as soon as it is due." in page(merchandiser, flow)
    assert "Flow of mail" in page(merchandiser, reverse("admin:backorders_outgoingmail_changelist"))


def test_it_is_held_back_and_let_go_with_a_click_and_both_are_on_record(merchandiser, flow):
    merchandiser.post(flow, {"stop": "1", "reason": "wrong price in the shop"}, follow=True)
    lane = MailLane.objects.get()
    assert (lane.is_stopped, lane.reason) == (True, "wrong price in the shop")
    assert "Reason: wrong price in the shop" in page(merchandiser, flow)
    assert "All mail is held back by staff." in page(merchandiser, reverse("admin:backorders_outgoingmail_changelist"))

    merchandiser.post(flow, {"start": "1"})
    assert not MailLane.objects.get().is_stopped
    assert LogEntry.objects.filter(user=merchandiser.user).count() == 2


def test_a_pause_says_until_when_and_what_the_server_said_without_an_address(merchandiser, flow):
    until = timezone.now() + dt.timedelta(minutes=5)
    MailLane.objects.create(paused_until=until, failures=20, reason="421 anna@example.com slow down")
    said = page(merchandiser, flow)

    assert "The mail server is left alone until" in said
    assert "slow down" in said
    assert "anna@example.com" not in said
    merchandiser.post(flow, {"start": "1"})
    assert MailLane.objects.get().paused_until is None


def test_a_reason_that_is_too_long_is_asked_for_again(merchandiser, flow):
    answer = merchandiser.post(flow, {"stop": "1", "reason": "x" * 201})

    assert "at most 200 characters" in answer.content.decode()
    assert not MailLane.objects.exists()


def test_who_may_only_look_sees_no_switch_and_cannot_throw_it(viewer, flow):
    assert "Hold all mail back" not in page(viewer, flow)
    assert viewer.post(flow, {"stop": "1"}).status_code == 403
    assert not MailLane.objects.exists()


def test_to_look_changes_nothing(merchandiser, flow):
    stop_mail()
    merchandiser.get(flow, {"start": "1"})

    assert MailLane.objects.get().is_stopped


def test_it_counts_what_waits(merchandiser, flow, waiting, django_assert_max_num_queries):
    now = timezone.now()
    made = {"kind": "confirm_subscription", "created_at": now}
    for state, due in (("queued", now), ("queued", now + dt.timedelta(hours=1)), ("dead", now), ("sent", now)):
        OutgoingMail.objects.create(state=state, due_at=due, **made)
    with django_assert_max_num_queries(10):
        said = " ".join(page(merchandiser, flow).split())

    assert "<dt>Due and waiting</dt><dd>1</dd>" in said
    assert "<dt>To be tried again later</dt><dd>1</dd>" in said
    assert "<dt>Given up</dt><dd>1</dd>" in said
