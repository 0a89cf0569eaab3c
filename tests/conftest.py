"""Fixtures. Nothing here stands in for a real part: the mail backend is Django's own memory one, the database is real."""

import datetime as dt
import gc
import os
from contextlib import ExitStack, contextmanager

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test import TestCase
from django.utils import translation

from backorders.queries.waves import forget_learned
from backorders.services.delivery import deliver_due, drain
from backorders.services.stock import sweep_stock
from backorders.services.waves import release_waves
from tests.mailprovider import ANYMAIL

NOW = dt.datetime(2026, 3, 2, 10, 0, tzinfo=dt.UTC)
"""A Monday. In the past, because mails are due by the database's clock, which no test can turn."""


def pytest_collection_modifyitems(config, items):
    """The races need row locks; on SQLite they are said to be left out, and the PostgreSQL run has them all.

    Tests without a database, and those marked ``any_database``, say the same beside each: `dev.py test` runs them with the first one only.
    """
    if os.environ.get("TESTS_OF_PLAIN_FUNCTIONS") == "left out":
        plain = {item for item in items if not _needs_database(item)}
        config.hook.pytest_deselected(items=list(plain))
        items[:] = [item for item in items if item not in plain]
    if connection.vendor == "postgresql":
        return
    skip = pytest.mark.skip(reason="shows only on PostgreSQL; the PostgreSQL run has it")
    for item in items:
        if "postgres" in item.keywords:
            item.add_marker(skip)


def pytest_collection_finish(session):
    """What is loaded by now stays: looking for garbage among it again and again costs a tenth of the run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


_DATABASES = {"db", "transactional_db", "live_server"}


def _needs_database(item):
    """pytest-django lets no other test near one."""
    if item.get_closest_marker("any_database") is not None:
        return False
    return item.get_closest_marker("django_db") is not None or not _DATABASES.isdisjoint(item.fixturenames)


@pytest.fixture(autouse=True)
def in_english():
    """LocaleMiddleware leaves the language of the last request active."""
    translation.activate("en")
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def nothing_learned():
    """What a process has learned of its shop it keeps for a while; each test has a shop of its own."""
    forget_learned()


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def committed():
    """Runs what waits for the commit: ``with committed(): ...`` inside a test that never really commits."""
    return lambda: TestCase.captureOnCommitCallbacks(execute=True)


@pytest.fixture(scope="module")
def kept(django_db_setup, django_db_blocker):
    """``with kept(): ...`` writes rows that all tests of a module find, each as they were written.

    They are in a transaction around the ones of the tests, and gone when the module ends.
    """
    with ExitStack() as until_the_module_ends:

        @contextmanager
        def write():
            with django_db_blocker.unblock():
                until_the_module_ends.enter_context(_rolled_back(django_db_blocker))
                yield

        yield write


@contextmanager
def _rolled_back(blocker):
    atomic = transaction.atomic()
    atomic.__enter__()
    yield
    with blocker.unblock():
        transaction.set_rollback(True)
        atomic.__exit__(None, None, None)


@pytest.fixture
def worker(db):
    """One round of every job, as the worker would run it."""

    def run(now=None):
        sweep_stock(now=now)
        release_waves(now=now)
        return drain(seconds=30)

    return run


@pytest.fixture
def outbox(settings):
    """What the mail server was given, oldest first."""
    return mail.outbox


@pytest.fixture
def deliver(db):
    return deliver_due


@pytest.fixture
def reporting(settings):
    """The webhooks of mail providers are in the shop's URLs, behind a secret."""
    settings.ROOT_URLCONF, settings.ANYMAIL = "tests.hosts.with_anymail", ANYMAIL
