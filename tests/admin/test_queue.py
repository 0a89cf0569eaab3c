import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from backorders.admin import base
from backorders.models import Backorder, OutgoingMail, Subscription, SuppressedAddress
from backorders.services.backorders import place_backorder
from backorders.services.stock import set_selling_policy
from backorders.services.supply import expect_delivery, receive_delivery
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db

QUEUE = reverse("admin:backorders_backorder_changelist")
PEOPLE = reverse("admin:backorders_subscription_changelist")
OUTBOX = reverse("admin:backorders_outgoingmail_changelist")


def press(client, url, action, *rows, **more):
    posted = {"action": action, "_selected_action": [row.pk for row in rows], "index": "0", **more}
    return client.post(url, posted, follow=True)


def texts(answer):
    return " | ".join(str(message) for message in answer.context["messages"])


@pytest.fixture
def lines(mug):
    set_selling_policy(product=mug, policy="backorder")
    first = place_backorder(product=mug, quantity=2, reference="A-1", email="ada@example.com")
    second = place_backorder(product=mug, quantity=5, reference="A-2", email="bob@example.com")
    return first, second


def test_the_queue_stands_in_its_order_with_places_and_dates(owner, mug, lines, day):
    expect_delivery(product=mug, quantity=3, earliest=day(2), latest=day(2))
    page = owner.get(QUEUE)
    rows = page.context["cl"].result_list
    assert [(row.reference, row.place.position, row.needs) for row in rows] == [("A-1", 1, 2), ("A-2", 2, 5)]
    assert rows[0].place.window.is_known and not rows[1].place.window.is_known


def test_cancelling_a_line_asks_first(merchandiser, lines):
    page = press(merchandiser, QUEUE, "cancel", lines[0])
    assert "A-1: 2 × Blue mug" in page.content.decode()
    assert Backorder.objects.waiting().count() == 2
    assert "Done: 1." in texts(press(merchandiser, QUEUE, "cancel", lines[0], confirmed="1"))
    assert Backorder.objects.get(reference="A-1").state == "cancelled"
    assert LogEntry.objects.get().get_change_message() == "Cancelled."


def test_only_lines_that_are_ready_are_shipped_and_the_others_are_named(merchandiser, mug, lines, day):
    delivery = expect_delivery(product=mug, quantity=2, earliest=day(0), latest=day(0))
    receive_delivery(delivery_id=delivery.id)
    answer = press(merchandiser, QUEUE, "ship", *lines, confirmed="1")
    assert "Done: 1." in texts(answer)
    assert sorted(Backorder.objects.values_list("reference", "state")) == [("A-1", "shipped"), ("A-2", "waiting")]
    assert "waiting" in texts(answer)


def test_very_many_rows_are_done_in_several_goes(merchandiser, lines, monkeypatch):
    monkeypatch.setattr(base, "MOST_AT_ONCE", 1)
    page = press(merchandiser, QUEUE, "cancel", *lines)
    assert "1 more was chosen" in page.content.decode()
    press(merchandiser, QUEUE, "cancel", *lines, confirmed="1")
    assert Backorder.objects.waiting().count() == 1


# people


def test_closing_a_request_asks_first_and_works_for_guests(merchandiser, mug, waiting):
    person = waiting(mug, "ada@example.com")
    press(merchandiser, PEOPLE, "close", person)
    assert Subscription.objects.get().state == "waiting"
    press(merchandiser, PEOPLE, "close", person, confirmed="1")
    assert (Subscription.objects.get().state, Subscription.objects.get().closed_because) == ("closed", "staff")


@pytest.fixture
def everywhere(mug, lines, waiting):
    """All pages on which the address of somebody could be read."""
    waiting(mug, "secret.person@example.com")
    Backorder.objects.filter(reference="A-1").update(email="secret.person@example.com")
    OutgoingMail.objects.update(note="550 <secret.person@example.com> unknown", state="dead")
    person, line, mail = Subscription.objects.get(), lines[0], OutgoingMail.objects.latest("id")
    urls = [PEOPLE, QUEUE, OUTBOX]
    urls += [reverse("admin:backorders_subscription_change", args=[person.pk])]
    urls += [reverse("admin:backorders_backorder_change", args=[line.pk])]
    urls += [reverse("admin:backorders_outgoingmail_change", args=[mail.pk])]
    return urls, {PEOPLE: ("close", person), QUEUE: ("cancel", line), OUTBOX: ("again", mail)}


def test_addresses_are_masked_for_those_who_may_not_see_them(merchandiser, everywhere):
    urls, actions = everywhere
    pages = [merchandiser.get(url) for url in urls]
    pages += [press(merchandiser, url, action, row) for url, (action, row) in actions.items()]
    pages += [press(merchandiser, url, action, row, confirmed="1") for url, (action, row) in actions.items()]
    for page in pages:
        assert page.status_code == 200
        assert "secret.person" not in page.content.decode()
    assert "s…@e….com" in pages[0].content.decode()
    assert not LogEntry.objects.filter(object_repr__contains="secret").exists()


def test_those_who_may_see_addresses_see_them(merchandiser, view_addresses, everywhere):
    merchandiser.user.user_permissions.add(view_addresses)
    for url in everywhere[0]:
        assert "secret.person@example.com" in merchandiser.get(url).content.decode()


@pytest.mark.parametrize("url", [PEOPLE, QUEUE, OUTBOX])
def test_an_address_cannot_be_guessed_by_searching(merchandiser, view_addresses, everywhere, url):
    assert merchandiser.get(url, {"q": "secret.person"}).context["cl"].result_count == 0
    for guess in ("email__startswith", "email_key__startswith", "subscription__email__startswith"):
        assert merchandiser.get(url, {guess: "secret", "show": "all"}).status_code == 400
    merchandiser.user.user_permissions.add(view_addresses)
    assert merchandiser.get(url, {"q": "secret.person"}).context["cl"].result_count > 0


def test_suppressed_addresses_are_for_those_who_may_see_addresses(merchandiser, view_addresses):
    add = reverse("admin:backorders_suppressedaddress_add")
    assert merchandiser.get(add).status_code == 403
    merchandiser.user.user_permissions.add(view_addresses)
    merchandiser.post(add, {"email_key": "Bounced@EXAMPLE.com", "reason": "called us"})
    assert SuppressedAddress.objects.get().email_key == "bounced@example.com"


@pytest.mark.parametrize("typed", ["nobody", "a@b.com, c@d.com", ""])
def test_a_suppressed_address_has_to_be_one(owner, typed):
    answer = owner.post(reverse("admin:backorders_suppressedaddress_add"), {"email_key": typed, "reason": ""})
    assert answer.context["adminform"].form.errors
    assert not SuppressedAddress.objects.exists()


# the outbox


def test_sending_again_asks_first_and_leaves_alone_what_is_not_stuck(merchandiser, lines):
    stuck, queued = OutgoingMail.objects.order_by("id")
    OutgoingMail.objects.filter(id=stuck.id).update(state="dead", attempts=8)
    page = press(merchandiser, OUTBOX, "again", stuck, queued)
    assert (page.context["count"], page.context["named"]) == (1, ["backorder taken · Blue mug · given up"])
    press(merchandiser, OUTBOX, "again", stuck, queued, confirmed="1")
    stuck.refresh_from_db()
    assert (stuck.state, stuck.attempts) == ("queued", 0)


def test_somebody_who_may_change_deliveries_only_presses_nothing_in_the_outbox(lines):
    clerk = client_of("clerk@example.com", may=["view_", "change_delivery"])
    mail = OutgoingMail.objects.first()
    assert clerk.post(OUTBOX, {"action": "again", "_selected_action": [mail.pk]}).status_code == 403


def test_a_page_sent_without_its_token_is_refused(merchandiser, lines):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(merchandiser.user)
    answer = strict.post(QUEUE, {"action": "cancel", "_selected_action": [lines[0].pk], "confirmed": "1"})
    assert answer.status_code == 403
    assert Backorder.objects.waiting().count() == 2
