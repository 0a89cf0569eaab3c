"""A worker keeps its database connection from task to task, for as long as a web server would from request to request."""

import pytest
from celery import Celery
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_postrun, task_prerun
from django.db import connection

from backorders.schedule import celery_settings
from backorders.tasks import sweep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def app(monkeypatch):
    app = Celery("host", set_as_current=False)
    monkeypatch.setattr("backorders.tasks.current_app", app)
    return app


def between_tasks(app):
    """What happens in a worker after one task and before the next."""
    fixup = DjangoWorkerFixup(app)
    fixup.on_task_postrun(sweep)
    task_postrun.send(sender=sweep)
    fixup.on_task_prerun(sweep)
    task_prerun.send(sender=sweep)


def connected(**settings):
    connection.close()
    connection.settings_dict.update(settings)
    connection.ensure_connection()
    return connection.connection


@pytest.fixture(autouse=True)
def settings_of_the_connection():
    before = dict(connection.settings_dict)
    yield
    connection.close()
    connection.settings_dict.clear()
    connection.settings_dict.update(before)


def test_it_lasts_as_long_as_the_shop_says(app):
    app.conf.update(celery_settings())
    line = connected(CONN_MAX_AGE=60)
    between_tasks(app)
    assert connection.connection is line

    connected(CONN_MAX_AGE=0)
    between_tasks(app)
    assert connection.connection is None


@pytest.mark.postgres
def test_one_that_broke_meanwhile_is_replaced(app):
    app.conf.update(celery_settings())
    line = connected(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
    line.close()
    between_tasks(app)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_shop_with_settings_of_its_own_has_what_celery_does(app):
    connected(CONN_MAX_AGE=60)
    between_tasks(app)
    assert connection.connection is None
