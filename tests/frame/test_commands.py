"""The doctor, the first steps, the worker."""

import io

import pytest
from django.core.management import call_command

from backorders.models import Restock
from tests.factories import ProductFactory, waiting_for
from tests.hosts.models import Cloth, Kept, Poster, Product
from tests.mailserver import mail_server

pytestmark = pytest.mark.django_db


def doctor(**options):
    out = io.StringIO()
    try:
        call_command("backorders_doctor", stdout=out, **options)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def test_the_doctor_prints_three_rows_of_each_sellable():
    ProductFactory.create_batch(5, stock=7)
    told, code = doctor()

    assert code == 0
    assert told.count("stock    7") == 3
    assert "no stock number in the shop: we keep it" in told
    assert "the shop books it" in told
    assert "All is well." in told


def test_the_doctor_shows_what_it_makes_of_odd_numbers():
    Kept.objects.create(name="kept", stock=-2)
    Cloth.objects.create(name="cloth", metres=2.5)
    Cloth.objects.create(name="bad", metres=float("inf"))
    Poster.objects.create(name="poster")
    told, _ = doctor()

    assert "-2 (read as 0)" in told
    assert "2.5 (read as 2)" in told
    assert "which is no number of units" in told
    assert "no number set yet: always available" in told


def test_the_doctor_says_what_is_missing_to_send_mail(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "SITE_URL": ""}
    told, code = doctor()

    assert code == 1
    assert "SITE_URL" in told


def test_the_doctor_sends_a_test_mail_through_the_real_server():
    with mail_server() as server:
        told, code = doctor(mail="me@example.com")

    assert (code, server.addresses) == (0, ["me@example.com"])
    assert "took it for me@example.com" in told


def test_the_doctor_says_why_a_test_mail_failed():
    with mail_server() as server:
        server.answers["me@example.com"] = "550 no such user"
        told, code = doctor(mail="me@example.com")

    assert code == 1
    assert "no such user" in told


def test_the_first_steps_are_printed_for_the_models_of_this_shop():
    out = io.StringIO()
    call_command("backorders_init", stdout=out)
    told = out.getvalue()

    assert "'hosts.Product': {'stock': 'stock', 'title': 'name'" in told
    assert "'demo_shop.Variant'" in told
    assert "path('backorders/', include('backorders.urls'))" in told


def test_the_worker_without_a_broker_runs_every_job(outbox):
    mug = ProductFactory(stock=0)
    waiting_for(mug, 2)
    Product.objects.update(stock=1)
    out = io.StringIO()
    call_command("backorders_worker", once=True, stdout=out)

    assert Restock.objects.count() == 1
    assert len(outbox) == 1
    assert "release_waves: 1 people told\ndeliver_due_mail: 1 sent\n" in out.getvalue()
