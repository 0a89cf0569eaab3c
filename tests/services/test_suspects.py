"""What kills or breaks the reading of facts: it costs its own mails, and no others."""

import datetime as dt

import pytest
from django.utils import timezone

from backorders.domain.outbox import MailState
from backorders.models import MailClaim, OutgoingMail
from backorders.models.outbox import SUSPECT
from backorders.services import claims
from backorders.services.delivery import drain
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from backorders.shop import sellables
from tests.factories import waiting_for
from tests.hosts.models import Custom, Product
from tests.mailserver import mail_server
from tests.services.test_outbox import queue_wave

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def server():
    with mail_server() as sink:
        yield sink


@pytest.fixture
def shop(monkeypatch):
    """``shop.breaks(product, error)``: its adapter raises whenever it is asked about this product."""
    adapter = sellables.by_label["hosts.product"]
    describe, troubles = type(adapter).describe, {}

    class Shop:
        def breaks(self, product, error):
            troubles[product.pk] = error

        def is_whole_again(self):
            troubles.clear()

    def asked(self, pks):
        pks = list(pks)
        for pk in pks:
            if pk in troubles:
                raise troubles[pk]
        return describe(self, pks)

    monkeypatch.setattr(type(adapter), "describe", asked)
    return Shop()


def product_of(row):
    return Product.objects.get(pk=row.item.object_id)


def leases_end():
    MailClaim.objects.update(leased_until=timezone.now() - dt.timedelta(hours=1))


def work_through_deaths(most):
    """A supervisor starts the worker again and again; returns how often it died."""
    for death in range(most):
        try:
            while drain(seconds=20).has_moved:
                pass
        except Killed:
            leases_end()
        else:
            return death
    return most


def of(row):
    return OutgoingMail.objects.get(subscription=row)


def test_a_product_that_kills_its_reader_is_given_up_and_all_others_leave(server, shop, settings, now):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAX_ATTEMPTS": 3}
    good, [bad] = queue_wave(12, now=now), queue_wave(1, now=now)
    more = queue_wave(7, now=now)
    shop.breaks(product_of(bad), Killed())
    deaths = work_through_deaths(20)

    assert sorted(server.addresses) == sorted(row.email for row in good + more)
    assert (of(bad).state, of(bad).attempts) == (MailState.DEAD, 3)
    assert deaths == 1 + 3
    assert not OutgoingMail.objects.filter(lane=SUSPECT, state=MailState.QUEUED).exists()


def test_a_product_with_many_readers_kills_no_more_often_than_one_with_one(server, shop, settings, now):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAX_ATTEMPTS": 3}
    bad, good = queue_wave(30, now=now), queue_wave(5, now=now)
    shop.breaks(product_of(bad[0]), Killed())
    deaths = work_through_deaths(20)

    assert sorted(server.addresses) == sorted(row.email for row in good)
    assert deaths <= 1 + 3
    assert {of(row).state for row in bad} == {MailState.DEAD}


def test_while_the_claim_of_a_suspect_lives_no_other_of_its_product_is_tried(shop, now):
    rows = queue_wave(3, now=now)
    shop.breaks(product_of(rows[0]), Killed())
    with pytest.raises(Killed):
        drain(seconds=5)
    leases_end()
    claims.recover()

    assert len(claims.claim_suspect()) == 1
    assert claims.claim_suspect() == []


def test_a_death_after_the_facts_were_read_makes_no_suspects(now):
    queue_wave(4, now=now)
    mails = claims.claim(10)
    claims.begin(mails[0].lease_token, claims.letters_of(mails[:2]))
    leases_end()
    claims.recover()

    assert set(OutgoingMail.objects.values_list("lane", "attempts")) == {(0, 0)}


def test_suspects_that_can_be_read_leave_and_are_charged_nothing_more_than_that(server, now):
    """Their worker was killed by something else."""
    rows = queue_wave(6, now=now)
    claims.claim(10)
    leases_end()
    drain(seconds=10)

    assert server.addresses == [row.email for row in rows]
    assert set(OutgoingMail.objects.values_list("state", "attempts")) == {(MailState.SENT, 1)}


def test_a_shop_that_is_down_charges_nobody_an_attempt_and_is_asked_again_soon(server, shop, now, caplog):
    rows = queue_wave(20, now=now) + queue_wave(20, now=now)
    for product in Product.objects.all():
        shop.breaks(product, ConnectionError("the warehouse does not answer"))
    done = drain(seconds=10)

    assert server.accepted == []
    assert set(OutgoingMail.objects.values_list("state", "attempts")) == {(MailState.QUEUED, 0)}
    assert {
        "the warehouse does not answer" in note for note in OutgoingMail.objects.values_list("note", flat=True)
    } == {True}
    assert done.put_off == 40
    assert [record.levelname for record in caplog.records if "could not be read" in record.getMessage()] == ["ERROR"]

    shop.is_whole_again()
    last = OutgoingMail.objects.order_by("-due_at").first().due_at
    assert last - timezone.now() <= dt.timedelta(minutes=1)
    OutgoingMail.objects.update(due_at=timezone.now())
    drain(seconds=20)
    assert len(server.accepted) == len(rows)


def test_a_product_that_cannot_be_read_while_others_can_is_charged(server, shop, now):
    good, [bad] = queue_wave(5, now=now), queue_wave(1, now=now)
    shop.breaks(product_of(bad), ValueError("no such colour"))
    drain(seconds=10)

    assert server.addresses == [row.email for row in good]
    assert (of(bad).state, of(bad).attempts) == (MailState.QUEUED, 1)
    assert "no such colour" in of(bad).note


def test_a_product_that_is_alone_is_charged_where_the_shop_answers_about_another(server, shop, now):
    queue_wave(1, now=now)
    drain(seconds=5)
    [bad] = queue_wave(1, now=now)
    shop.breaks(product_of(bad), ValueError("no such colour"))
    drain(seconds=5)

    assert of(bad).attempts == 1


def test_a_kind_of_product_whose_shop_is_down_does_not_hold_up_another_kind(server, shop, now):
    [mug] = queue_wave(1, now=now)
    box = Custom.objects.create(name="Box", boxes=0)
    [reader] = waiting_for(box)
    Custom.objects.update(boxes=2)
    sweep_stock(now=now)
    release_waves(now=now)
    shop.breaks(product_of(mug), ConnectionError("down"))
    drain(seconds=10)

    assert server.addresses == [reader.email]
    assert (of(mug).state, of(mug).attempts) == (MailState.QUEUED, 0)


def test_a_death_while_each_product_is_read_alone_makes_suspects_as_well(server, shop, settings, now):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAX_ATTEMPTS": 2}
    good, [breaks], [kills] = queue_wave(3, now=now), queue_wave(1, now=now), queue_wave(1, now=now)
    shop.breaks(product_of(breaks), ValueError("no such colour"))
    shop.breaks(product_of(kills), Killed())
    work_through_deaths(12)
    OutgoingMail.objects.filter(state=MailState.QUEUED).update(due_at=timezone.now())
    work_through_deaths(12)

    assert sorted(server.addresses) == sorted(row.email for row in good)
    assert [of(breaks).state, of(kills).state] == [MailState.DEAD] * 2
