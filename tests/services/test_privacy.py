"""A person asks what the shop knows, or wants to be forgotten."""

import io
import json
import logging
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from backorders.domain.tokens import Purpose
from backorders.errors import InvalidAddress
from backorders.models import Backorder, MailClaim, OutgoingMail, Subscription, SubscriptionToken, SuppressedAddress
from backorders.services.backorders import cancel_backorder
from backorders.services.delivery import drain
from backorders.services.outbox import suppress
from backorders.services.privacy import export_customer, forget_customer
from backorders.services.retention import tidy
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import subscribe
from backorders.services.waves import release_waves
from tests.conftest import NOW
from tests.factories import CustomerFactory, ProductFactory, token_for, waiting_for
from tests.hosts.models import Product
from tests.stories import DAY, a_mug, announce, arrive, line, order

pytestmark = pytest.mark.django_db

ANA = "ana@example.com"


def everything():
    """Every value of every row about people, as text."""
    models = (Subscription, Backorder, OutgoingMail, SuppressedAddress, SubscriptionToken)
    return str([list(model.objects.values()) for model in models])


def queued_wave(email=ANA):
    mug = ProductFactory(stock=0)
    [row] = waiting_for(mug, 1, email=email)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    sweep_stock(now=NOW)
    release_waves(now=NOW)
    return row


# forgetting


def test_queued_mails_are_cancelled_requests_end_and_no_address_is_left(outbox):
    row = queued_wave()
    subscribe(product=ProductFactory(stock=0), email=ANA, now=NOW)
    cancel_backorder(backorder_id=order(a_mug(), 1, "A", email=ANA).id, now=NOW)
    OutgoingMail.objects.filter(backorder__isnull=False).update(state="dead", note=f"550 <{ANA}>")
    done = forget_customer(email="Ana@Example.com", now=NOW)
    drain(seconds=5)

    assert (done.requests_closed, done.requests_forgotten, done.backorders_forgotten) == (2, 2, 1)
    assert (done.mails_cancelled, done.kept, outbox) == (4, (), [])
    assert ANA not in everything()
    assert Subscription.objects.get(id=row.id).closed_because == "left"


def test_rows_of_a_forgotten_person_hang_together_and_lead_back_to_nobody():
    waiting_for(ProductFactory(), 1, email=ANA)
    waiting_for(ProductFactory(), 1, email=ANA)
    forget_customer(email=ANA, now=NOW)
    [name] = set(Subscription.objects.values_list("email_key", flat=True))

    assert name.startswith("forgotten-")
    assert export_customer(email=ANA)["requests"] == []


def test_others_are_left_alone():
    rows = [queued_wave("bea@example.com"), *waiting_for(ProductFactory(), 1, email="anna@example.com")]
    order(a_mug(), 1, "B", email="bea@example.com")
    before = everything()
    queued_wave()
    Subscription.objects.filter(email=ANA).delete()
    forget_customer(email=ANA, now=NOW)

    assert everything() == before
    assert {row.email for row in Subscription.objects.all()} == {row.email for row in rows}


def test_an_open_backorder_is_a_contract_and_is_said_to_be_kept(outbox):
    mug = a_mug()
    order(mug, 1, "A-1", email=ANA)
    [kept] = forget_customer(email=ANA, now=NOW).kept
    arrive(mug, 1)
    drain(seconds=5)

    assert (kept.references, "contract" in kept.why) == (("A-1",), True)
    assert [message.to for message in outbox] == [[ANA], [ANA]]
    assert line("A-1").email == ANA


def test_once_the_contract_is_over_asking_again_forgets_the_rest():
    order(a_mug(), 1, "A-1", email=ANA)
    forget_customer(email=ANA, now=NOW)
    cancel_backorder(backorder_id=line("A-1").id, now=NOW)

    assert forget_customer(email=ANA, now=NOW).backorders_forgotten == 1
    assert forget_customer(email=ANA, now=NOW).backorders_forgotten == 0
    assert ANA not in everything()


def test_a_suppressed_address_is_never_mailed_though_nobody_can_read_it(outbox):
    suppress(email_key=ANA, reason="complaint", now=NOW)
    [kept] = forget_customer(email=ANA, now=NOW).kept
    subscribe(product=ProductFactory(stock=0), email=ANA, now=NOW)
    order(a_mug(), 1, "A-1", email=ANA)
    drain(seconds=5)

    assert (kept.what, outbox) == ("a suppressed address", [])
    assert SuppressedAddress.objects.get().email_key == ""
    assert Subscription.objects.count() == 0
    assert list(OutgoingMail.objects.values_list("state", flat=True)) == ["suppressed"]


def test_an_address_that_never_bounced_leaves_no_hash():
    queued_wave()
    forget_customer(email=ANA, now=NOW)
    assert SuppressedAddress.objects.count() == 0


def states():
    return list(OutgoingMail.objects.values_list("state", flat=True))


def test_a_mail_that_is_being_sent_is_past_cancelling_and_keeps_its_order():
    cancel_backorder(backorder_id=order(a_mug(), 1, "A-1", email=ANA).id, now=NOW)
    token = uuid.uuid4()
    OutgoingMail.objects.update(state="sending", attempts=1, lease_token=token)
    MailClaim.objects.create(token=token, leased_until=timezone.now() + DAY)
    [kept] = forget_customer(email=ANA, now=NOW).kept
    assert (kept.references, states()) == (("A-1",), ["sending", "sending"])

    MailClaim.objects.update(leased_until=timezone.now() - DAY)
    assert forget_customer(email=ANA, now=NOW).kept == ()
    assert (states(), line("A-1").email) == (["cancelled", "cancelled"], "")


def test_what_tidy_had_hashed_is_forgotten_as_well():
    waiting_for(ProductFactory(), 1, email=ANA, state="closed", closed_at=NOW)
    tidy(now=NOW + 4000 * DAY)
    assert len(export_customer(email=ANA)["requests"]) == 1

    assert forget_customer(email=ANA, now=NOW).requests_forgotten == 1
    assert export_customer(email=ANA)["requests"] == []


def test_leaving_by_an_old_mail_still_answers_and_discloses_nothing():
    row = queued_wave()
    leave, confirm = token_for(row, Purpose.LEAVE), token_for(row, Purpose.CONFIRM)
    forget_customer(email=ANA, now=NOW)
    answers = [Client().post(f"/backorders/leave/{leave}/") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(ANA not in answer.content.decode() for answer in answers)
    assert Client().get(f"/backorders/confirm/{confirm}/").status_code == 404


def test_an_account_is_forgotten_with_what_was_asked_from_it():
    ana = CustomerFactory(email=ANA)
    waiting_for(ProductFactory(), 1, email="ana.at.work@example.com", customer=ana)
    waiting_for(ProductFactory(), 1, email=ANA)
    assert forget_customer(customer=ana, now=NOW).requests_forgotten == 2


def test_an_address_somebody_only_typed_into_a_profile_is_not_theirs():
    waiting_for(ProductFactory(), 1, email="victim@example.com")
    thief = CustomerFactory(email="victim@example.com", is_email_verified=False)

    assert forget_customer(customer=thief, now=NOW).requests_forgotten == 0
    assert export_customer(customer=thief)["requests"] == []


@pytest.mark.parametrize("typed", ["", "nobody", "a@b.com, c@d.com"])
def test_nobody_in_particular_is_refused(typed):
    with pytest.raises(InvalidAddress):
        forget_customer(email=typed)


def test_no_address_is_logged(caplog):
    caplog.set_level(logging.DEBUG, logger="backorders")
    queued_wave()
    forget_customer(email=ANA, now=NOW)
    drain(seconds=5)
    assert ANA not in caplog.text


# keys of hashes


def test_a_suppressed_address_survives_a_change_of_the_key():
    with override_settings(SECRET_KEY="old"):
        suppress(email_key=ANA, reason="bounce", now=NOW)
    SuppressedAddress.objects.update(email_key="")

    with override_settings(SECRET_KEY="new"):
        assert SuppressedAddress.objects.among([ANA]) == {}
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert SuppressedAddress.objects.among([ANA, "bea@example.com"]) == {ANA: None}


def test_a_hash_key_of_its_own_outlives_the_secret_key(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HASH_KEY": "kept apart"}
    suppress(email_key=ANA, reason="bounce", now=NOW)
    settings.SECRET_KEY = "new"
    assert SuppressedAddress.objects.among([ANA]) == {ANA: None}


# exporting


def test_an_export_holds_every_date_given_and_why_and_no_secret_link():
    mug = a_mug()
    announce(mug, 1, 5)
    order(mug, 1, "A-1", email=ANA)
    row = queued_wave()
    token = token_for(row, Purpose.LEAVE)
    drain(seconds=5)
    suppress(email_key=ANA, reason="bounce", now=NOW)
    held = export_customer(email=ANA)

    assert json.loads(json.dumps(held)) == held
    assert [(one["product"], one["state"]) for one in held["requests"]] == [(row.item.product.name, "told")]
    assert [one["order_line"] for one in held["backorders"]] == ["A-1"]
    [given] = held["backorders"][0]["dates_given"]
    assert (given["latest"], given["given_at"]) == ("2026-03-07", NOW.isoformat())
    assert sorted((one["kind"], one["state"]) for one in held["mails"]) == [
        ("back_in_stock", "sent"),
        ("backorder_placed", "sent"),
    ]
    assert held["suppressed"] == [{"because": "bounce", "since": NOW.isoformat(), "mails_about_orders": False}]
    assert token not in json.dumps(held)
    assert not any(digest in json.dumps(held) for digest in SubscriptionToken.objects.values_list("digest", flat=True))


def test_an_export_of_a_stranger_is_empty():
    queued_wave("bea@example.com")
    held = export_customer(email=ANA)
    assert held == {"addresses": [ANA], "requests": [], "backorders": [], "mails": [], "suppressed": []}


# commands


def run(command, *args, **options):
    out = io.StringIO()
    call_command(command, *args, stdout=out, **options)
    return out.getvalue()


def test_the_command_only_says_what_it_would_do_until_told_yes():
    queued_wave()
    order(a_mug(), 1, "A-1", email=ANA)
    before = everything()
    said = run("backorders_forget", ANA)
    assert everything() == before
    assert "requests: 1 forgotten, 1 of them closed now" in said
    assert "kept: open backorders and the mails about them (A-1)." in said
    assert "--yes" in said

    assert ANA not in run("backorders_forget", ANA, yes=True)
    assert Subscription.objects.get().email == ""


def test_the_export_is_json():
    queued_wave()
    assert json.loads(run("backorders_export", ANA)) == export_customer(email=ANA)


def test_commands_take_an_account_as_well():
    ana = CustomerFactory(email=ANA)
    waiting_for(ProductFactory(), 1, email="other@example.com", customer=ana)
    assert len(json.loads(run("backorders_export", customer=str(ana.pk)))["requests"]) == 1


@pytest.mark.parametrize("args", [[], ["nobody"], ["--customer", "999999"], ["--customer", "x"]])
@pytest.mark.parametrize("command", ["backorders_forget", "backorders_export"])
def test_commands_refuse_who_is_nobody_in_words(command, args):
    with pytest.raises(CommandError):
        run(command, *args)
