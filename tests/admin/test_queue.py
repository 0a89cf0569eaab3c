import re

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from backorders.admin import base
from backorders.models import Backorder, OutgoingMail, Subscription, SuppressedAddress
from backorders.services.backorders import cancel_backorder, place_backorder
from backorders.services.outbox import suppress
from backorders.services.supply import expect_delivery, move_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from tests.admin.conftest import client_of
from tests.hosts.models import Product

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


# one line, on a page of its own


def act(line, name):
    return reverse(f"admin:backorders_backorder_{name}", args=[line.pk])


def looked(client, url, form):
    return client.post(url, {**form, "look": "1"})


def done(client, url, form):
    seen = looked(client, url, form).context["seen"]
    return client.post(url, {**form, "seen": seen, "do": "1"}, follow=True)


def said(answer):
    """The page as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_a_line_shows_every_date_it_was_given_and_why(viewer, mug, lines, day):
    delivery = expect_delivery(product=mug, quantity=9, earliest=day(2), latest=day(2))
    move_delivery(delivery_id=delivery.id, earliest=day(80), latest=day(80), reason="storm")
    page = viewer.get(reverse("admin:backorders_backorder_change", args=[lines[0].pk]))
    assert "no date" in said(page) and "storm" in said(page)
    assert reverse("admin:backorders_delivery_change", args=[delivery.pk]) in page.content.decode()


def test_a_part_of_a_line_is_cancelled(merchandiser, mug, lines):
    page = looked(merchandiser, act(lines[1], "cancel"), {"quantity": "2"})
    assert "2 units leave the queue." in said(page)
    assert Backorder.objects.get(reference="A-2").cancelled_quantity == 0
    answer = done(merchandiser, act(lines[1], "cancel"), {"quantity": "2"})
    line = Backorder.objects.get(reference="A-2")
    assert ("2 units cancelled." in texts(answer), line.needs, line.state) == (True, 3, "waiting")


def test_cancelling_what_was_set_aside_says_that_it_becomes_free(merchandiser, mug, lines, day):
    delivery = expect_delivery(product=mug, quantity=3, earliest=day(0), latest=day(0))
    receive_delivery(delivery_id=delivery.id)
    page = said(looked(merchandiser, act(lines[1], "cancel"), {"quantity": "5"}))
    assert "4 units leave the queue." in page and "1 unit that was set aside for it becomes free." in page


def test_a_cancelling_that_was_sent_twice_counts_once(merchandiser, lines):
    seen = looked(merchandiser, act(lines[1], "cancel"), {"quantity": "2"}).context["seen"]
    for _ in range(2):
        page = merchandiser.post(act(lines[1], "cancel"), {"quantity": "2", "seen": seen, "do": "1"})
    assert "Look again before you go on." in said(page)
    assert Backorder.objects.get(reference="A-2").cancelled_quantity == 2


def test_a_part_of_a_line_ships(merchandiser, mug, lines, day):
    delivery = expect_delivery(product=mug, quantity=7, earliest=day(0), latest=day(0))
    receive_delivery(delivery_id=delivery.id)
    assert "2 units stay ready." in said(looked(merchandiser, act(lines[1], "ship"), {"quantity": "3"}))
    done(merchandiser, act(lines[1], "ship"), {"quantity": "3"})
    line = Backorder.objects.get(reference="A-2")
    assert (line.shipped_quantity, line.ready, line.state) == (3, 2, "filled")


def test_an_order_that_ships_as_a_whole_is_kept_until_it_is_whole(merchandiser, mug, day):
    set_selling_policy(product=mug, policy="backorder")
    about = {"email": "a@example.com", "fill": "whole_order", "order_reference": "W"}
    first = place_backorder(product=mug, quantity=1, reference="W-1", **about)
    place_backorder(product=mug, quantity=1, reference="W-2", **about)
    receive_delivery(delivery_id=expect_delivery(product=mug, quantity=1, earliest=day(0), latest=day(0)).id)
    page = done(merchandiser, act(first, "ship"), {"quantity": "1"})
    assert "The order ships as a whole" in said(page)
    assert Backorder.objects.get(reference="W-1").shipped_quantity == 0


def test_nothing_that_is_not_ready_ships(merchandiser, lines):
    assert "Nothing of this line is ready." in texts(merchandiser.get(act(lines[0], "ship"), follow=True))


@pytest.mark.parametrize("typed", ["0", "-5", "1.5", "x", "", "6", str(2**63)])
def test_a_number_of_units_that_is_none_cancels_nothing(merchandiser, lines, typed):
    page = looked(merchandiser, act(lines[1], "cancel"), {"quantity": typed})
    assert page.status_code == 200 and page.context["form"].errors["quantity"]
    assert Backorder.objects.waiting().count() == 2


def test_a_better_priority_says_first_whom_it_costs_a_date(merchandiser, mug, lines, day):
    expect_delivery(product=mug, quantity=2, earliest=day(2), latest=day(2))
    expect_delivery(product=mug, quantity=9, earliest=day(80), latest=day(90))
    page = looked(merchandiser, act(lines[1], "priority"), {"priority": "-5"})
    assert "1 order line gets a later date." in said(page) and "A-1" in said(page)
    assert Backorder.objects.get(reference="A-2").priority == 0
    answer = done(merchandiser, act(lines[1], "priority"), {"priority": "-5"})
    assert "Its priority is -5 now." in texts(answer)
    assert [row.reference for row in owner_sees(merchandiser)] == ["A-2", "A-1"]


def owner_sees(client):
    return client.get(QUEUE).context["cl"].result_list


@pytest.mark.parametrize("typed", ["", "x", "1.5", "1001", "-1001", str(2**63)])
def test_a_priority_that_is_none_moves_nobody(merchandiser, lines, typed):
    page = looked(merchandiser, act(lines[1], "priority"), {"priority": typed})
    assert page.context["form"].errors["priority"]


def test_a_line_is_tied_to_one_delivery_and_let_go_again(merchandiser, mug, lines, day):
    delivery = expect_delivery(product=mug, quantity=5, earliest=day(2), latest=day(2))
    assert "1 order line loses its date." in said(looked(merchandiser, act(lines[1], "pin"), {"delivery": delivery.pk}))
    done(merchandiser, act(lines[1], "pin"), {"delivery": delivery.pk})
    assert Backorder.objects.get(reference="A-2").pinned_to == delivery
    assert "It takes what comes first." in texts(done(merchandiser, act(lines[1], "pin"), {"delivery": ""}))
    assert Backorder.objects.get(reference="A-2").pinned_to is None


def test_a_delivery_that_is_too_small_is_refused_beside_its_field(merchandiser, mug, lines, day):
    delivery = expect_delivery(product=mug, quantity=3, earliest=day(2), latest=day(2))
    page = looked(merchandiser, act(lines[1], "pin"), {"delivery": delivery.pk})
    assert page.context["form"].errors["delivery"] and "this line needs 5" in said(page)


def test_only_open_deliveries_of_the_same_item_are_offered(merchandiser, mug, lines, day):
    other = Product.objects.create(name="Pot")
    wrong = expect_delivery(product=other, quantity=9, earliest=day(2), latest=day(2))
    for delivery in (wrong.pk, "x", 2**63, -1):
        page = looked(merchandiser, act(lines[1], "pin"), {"delivery": delivery})
        assert page.context["form"].errors["delivery"]


@pytest.mark.parametrize("name", ["cancel", "ship", "priority", "pin"])
def test_somebody_who_may_only_look_opens_none_of_these_pages(viewer, lines, name):
    assert viewer.get(act(lines[0], name)).status_code == 403
    assert viewer.post(act(lines[0], name), {"quantity": "1", "do": "1"}).status_code == 403


@pytest.mark.parametrize("name", ["priority", "pin"])
def test_a_line_that_waits_for_nothing_leads_back_with_a_sentence(merchandiser, lines, name):
    cancel_backorder(backorder_id=lines[0].id)
    assert "waits for nothing any more" in texts(merchandiser.get(act(lines[0], name), follow=True))


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


def test_an_address_known_by_its_hash_alone_can_be_typed_in_again_and_stays_nameless(owner):
    suppress(email_key="gone@example.com", reason="bounce", now=timezone.now())
    SuppressedAddress.objects.update(email_key="")
    answer = owner.post(
        reverse("admin:backorders_suppressedaddress_add"), {"email_key": "gone@example.com", "reason": "called"}
    )
    assert answer.status_code == 302
    assert SuppressedAddress.objects.values_list("email_key", "reason").get() == ("", "bounce")
    page = owner.get(reverse("admin:backorders_suppressedaddress_changelist"))
    assert (page.status_code, "gone@example.com" in page.content.decode().partition("messagelist")[0]) == (200, False)


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
