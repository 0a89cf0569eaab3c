"""What is over loses its person after a while; what is still needed stays, however old."""

import datetime as dt
import uuid
from contextlib import contextmanager

import pytest
from django.db import connection
from django.utils import timezone

from backorders.domain.feedback import Told
from backorders.domain.outbox import MailKind, MailState
from backorders.domain.tokens import Purpose
from backorders.models import MailFeedback, OutgoingMail, PlacedOrder, Subscription, SubscriptionToken
from backorders.models.suppression import address_hash
from backorders.services import retention
from backorders.services.backorders import cancel_backorder, ship_backorder
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.outbox import queue_mail
from backorders.services.retention import tidy
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from tests.conftest import NOW
from tests.factories import ProductFactory, token_for, waiting_for
from tests.hosts.models import Product
from tests.stories import DAY, a_mug, arrive, line, order

pytestmark = pytest.mark.django_db

LATER = NOW + 4000 * DAY


def closed_request(**fields):
    about = {"state": "closed", "closed_because": "left", "closed_at": NOW, "language": "de", **fields}
    return waiting_for(ProductFactory(), 1, **about)[0]


def told_of_a_mug():
    mug = ProductFactory(stock=0)
    [row] = waiting_for(mug, 1)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    sweep_stock(now=NOW)
    release_waves(now=NOW)
    drain(seconds=5)
    return row


def states_of_mails():
    return list(OutgoingMail.objects.order_by("id").values_list("state", flat=True))


# one's trouble is not another's


@contextmanager
def refused(table, column, value):
    """The database takes no change to these rows: a trigger of the host's, or a page that is broken."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'refused'; END $$"
            )
            when = f"FOR EACH ROW WHEN (OLD.{column} = {value}) EXECUTE FUNCTION pg_temp.refuse()"
            cursor.execute(f"CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON {table} {when}")
        else:
            when = f"WHEN OLD.{column} = {value} BEGIN SELECT RAISE(ABORT, 'refused'); END"
            cursor.execute(f"CREATE TRIGGER refuse BEFORE UPDATE ON {table} {when}")
        yield
        cursor.execute(f"DROP TRIGGER refuse {f'ON {table}' if connection.vendor == 'postgresql' else ''}")


def test_a_request_that_cannot_be_closed_keeps_nothing_else_from_being_tidied(caplog):
    stuck, other = (waiting_for(ProductFactory(), 1, state="pending")[0] for _ in range(2))
    closed = closed_request()
    token_for(closed, Purpose.CONFIRM, expires_at=NOW)
    MailFeedback.objects.create(told=Told.BOUNCED, provider_id="nobody's", happened_at=NOW, heard_at=NOW)
    with refused("backorders_subscription", "id", stuck.id):
        done = tidy(now=LATER)

    assert {row.state for row in Subscription.objects.filter(id__in=[stuck.id, other.id])} == {"pending", "closed"}
    assert (done["expired"], done["links removed"], done["requests blanked"]) == (1, 1, 1)
    assert not MailFeedback.objects.exists()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"The step 'expired, {stuck.item_id}' failed; the next run tries again."
    ]


def test_a_step_that_fails_as_a_whole_keeps_no_other_from_being_taken(caplog):
    row = told_of_a_mug()
    closed = closed_request(email="ben@example.com")
    with refused("backorders_subscription", "id", row.id):
        done = tidy(now=NOW + 400 * DAY)

    assert (done["served"], done["requests blanked"]) == (0, 1)
    assert Subscription.objects.get(id=closed.id).email == ""
    assert "The step 'served' failed" in caplog.text


# requests


def test_a_closed_request_loses_its_person_and_keeps_its_figures():
    row = closed_request(told_at=NOW, time_zone="Europe/Paris", email="ana@example.com")
    tidy(now=NOW + 364 * DAY)
    assert Subscription.objects.get().email == "ana@example.com"
    tidy(now=NOW + 366 * DAY)

    blanked = Subscription.objects.get()
    assert (blanked.email, blanked.language, blanked.time_zone) == ("", "", "")
    assert blanked.email_key == address_hash("ana@example.com")
    assert (blanked.told_at, blanked.closed_because, blanked.placed_at) == (NOW, "left", row.placed_at)


def test_one_persons_blanked_requests_still_count_as_one_person():
    for _ in range(3):
        closed_request(email="ana@example.com")
    closed_request(email="bea@example.com")
    tidy(now=LATER)

    assert Subscription.objects.order_by().values("email_key").distinct().count() == 2


def test_blanking_goes_portion_by_portion_until_all_is_done(monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    for _ in range(5):
        closed_request()

    assert tidy(now=LATER)["requests blanked"] == 5
    assert not Subscription.objects.exclude(email="").exists()
    assert tidy(now=LATER)["requests blanked"] == 0


@pytest.mark.parametrize("state", ["waiting", "told"])
def test_a_live_request_keeps_its_address_and_its_way_out_for_ever(state, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "REQUESTS_END_AFTER": None}
    [row] = waiting_for(ProductFactory(), 1, state=state)
    token_for(row, Purpose.LEAVE)
    tidy(now=LATER)

    assert Subscription.objects.get().email == row.email
    assert SubscriptionToken.objects.count() == 1


# mails


def test_mails_go_once_their_request_is_closed_and_not_before():
    row = told_of_a_mug()
    MailFeedback.objects.create(mail=OutgoingMail.objects.get(), told=Told.BOUNCED, heard_at=NOW)
    Subscription.objects.filter(id=row.id).update(state="told", told_at=LATER)
    tidy(now=LATER)
    assert states_of_mails() == ["sent"]

    Subscription.objects.filter(id=row.id).update(state="closed", closed_at=LATER)
    assert tidy(now=LATER)["mails removed"] == 1
    assert MailFeedback.objects.count() == 0


@pytest.mark.parametrize("state", ["queued", "leased", "sending"])
def test_a_mail_that_has_not_left_or_whose_fate_nobody_knows_keeps_itself_and_its_person(state):
    row = closed_request()
    queue_mail(kind=MailKind.BACK_IN_STOCK, now=NOW, subscription=row)
    OutgoingMail.objects.update(state=state, attempts=1, lease_token=uuid.uuid4())
    tidy(now=LATER)

    assert states_of_mails() == [state]
    assert Subscription.objects.get().email == row.email


def test_a_given_up_mail_of_a_blanked_order_cannot_be_sent_to_nobody(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "KEEP_MAIL": dt.timedelta(days=9999)}
    cancel_backorder(backorder_id=order(a_mug(), 1, "A").id, now=NOW)
    OutgoingMail.objects.update(state=MailState.DEAD, note="550 <a@example.com> unknown", provider_id="x")
    tidy(now=LATER)

    assert set(OutgoingMail.objects.values_list("state", "note", "provider_id")) == {("cancelled", "", "")}


def test_a_mail_of_yesterday_stays():
    row = told_of_a_mug()
    Subscription.objects.filter(id=row.id).update(state="closed", closed_at=NOW)
    tidy(now=NOW + 89 * DAY)

    assert states_of_mails() == ["sent"]


# backorders


def test_an_open_backorder_is_a_contract_however_old():
    mug = a_mug()
    order(mug, 1, "waits")
    cup = a_mug()
    order(cup, 1, "ready")
    arrive(cup, 1)
    tidy(now=LATER)

    assert [line(name).email for name in ("waits", "ready")] == ["waits@example.com", "ready@example.com"]
    assert OutgoingMail.objects.count() == 4  # two orders taken, one date that was found, one that came in


def test_a_shipped_or_cancelled_backorder_loses_its_person_after_two_years():
    mug = a_mug()
    order(mug, 1, "shipped", language="de")
    order(mug, 1, "cancelled")
    arrive(mug, 1)
    ship_backorder(backorder_id=line("shipped").id, now=NOW)
    cancel_backorder(backorder_id=line("cancelled").id, now=NOW)
    OutgoingMail.objects.update(state=MailState.SENT)
    tidy(now=NOW + 729 * DAY)
    assert line("shipped").email == "shipped@example.com"

    tidy(now=NOW + 731 * DAY)
    blanked = line("shipped")
    assert (blanked.email, blanked.email_key, blanked.language) == ("", address_hash("shipped@example.com"), "")
    assert (line("cancelled").email, blanked.shipped_quantity) == ("", 1)


def test_a_closed_line_stays_with_its_order_while_another_line_is_open():
    here, late = a_mug(), a_mug()
    lines = [Line(here, 1, "A-1"), Line(late, 1, "A-2")]
    check_out(lines=lines, email="ana@example.com", ship="together", order_reference="A", now=NOW)
    cancel_backorder(backorder_id=line("A-1").id, now=NOW)
    OutgoingMail.objects.update(state=MailState.SENT)
    tidy(now=LATER)

    assert (line("A-1").email, OutgoingMail.objects.count()) == ("ana@example.com", 3)
    cancel_backorder(backorder_id=line("A-2").id, now=NOW)
    OutgoingMail.objects.update(state=MailState.SENT)
    tidy(now=LATER)
    assert [line("A-1").email, line("A-2").email] == ["", ""]
    assert OutgoingMail.objects.count() == 0


# links and keys


def test_links_that_open_nothing_go_and_a_way_out_of_a_kept_mail_stays():
    row = closed_request()
    token_for(row, Purpose.CONFIRM, expires_at=NOW + DAY)
    token_for(row, Purpose.LEAVE)
    tidy(now=NOW + 2 * DAY)
    assert list(SubscriptionToken.objects.values_list("purpose", flat=True)) == [Purpose.LEAVE]

    tidy(now=LATER)
    tidy(now=LATER)
    assert SubscriptionToken.objects.count() == 0


def test_an_idempotency_key_is_remembered_for_a_month():
    check_out(lines=[Line(a_mug(stock=1), 1, "A")], email="ana@example.com", idempotency_key="k", now=NOW)
    tidy(now=NOW + 29 * DAY)
    assert PlacedOrder.objects.count() == 1

    tidy(now=NOW + 31 * DAY)
    assert PlacedOrder.objects.count() == 0


def test_tidying_an_empty_shop_says_so_of_every_kind():
    assert set(tidy(now=timezone.now()).values()) == {0}
