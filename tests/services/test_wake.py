"""Hints: one a transaction, after the commit, and never a burden when the broker is down."""

import time

import pytest
from django.db import transaction
from django.test import TestCase

from backorders.services import wake as service
from backorders.services.wake import wake
from tests.mailserver import free_port


@pytest.fixture
def dead_broker(monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")  # Celery reads it at every question
    service._broker.silent_until = 0
    yield
    service._broker.silent_until = 0


@pytest.mark.django_db
def test_the_same_hint_twice_in_one_transaction_is_sent_once():
    with TestCase.captureOnCommitCallbacks() as hints:
        wake("look_at_item", item_id=1)
        wake("look_at_item", item_id=1)
        wake("look_at_item", item_id=2)

    assert len(hints) == 2


@pytest.mark.django_db
def test_a_hint_survives_the_rollback_of_the_savepoint_that_gave_it_first():
    with TestCase.captureOnCommitCallbacks() as hints:
        try:
            with transaction.atomic():
                wake("release_waves")
                raise RuntimeError
        except RuntimeError:
            pass
        wake("release_waves")

    assert len(hints) == 1


@pytest.mark.django_db
def test_a_hint_inside_a_savepoint_does_not_stand_for_one_outside():
    with TestCase.captureOnCommitCallbacks() as hints:
        try:
            with transaction.atomic():
                wake("release_waves")
                wake("release_waves")
                raise RuntimeError
        except RuntimeError:
            pass

    assert hints == []


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_stops_nobody_and_is_asked_once(dead_broker, caplog):
    start = time.monotonic()
    for _ in range(20):
        with transaction.atomic():
            wake("deliver_due_mail")

    assert time.monotonic() - start < 3
    assert len([record for record in caplog.records if "could not be woken" in record.message]) == 1
