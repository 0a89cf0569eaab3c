"""The stage for each fault, and the table at the end."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import current_app
from django.core.management import call_command
from django.db import connection

import dev
from tests.faults.brokers import RabbitMQ, Redis, rabbitmq_binary, running
from tests.faults.scene import Scene

SEED = int(os.environ.get("FAULTS_SEED", "20260302"))
COLUMNS = ("fault", "database", "mails", "kills", "lost", "duplicates", "seconds", "")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="up to 10,000 people and more kills, for the night")


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(number, what): the row of the table in docs/reliability.md")
    config.addinivalue_line("markers", "only(vendor): the fault exists on this database only")


def pytest_collection_modifyitems(config, items):
    """A fault of the other database is not skipped here: it does not exist here."""
    foreign = [
        item for item in items if (only := item.get_closest_marker("only")) and only.args[0] != connection.vendor
    ]
    if not rabbitmq_binary():
        foreign += [item for item in items if "rabbitmq" in item.name and item not in foreign]
    config.hook.pytest_deselected(items=foreign)
    items[:] = [item for item in items if item not in foreign]


def pytest_report_header(config):
    size = "full" if config.getoption("full") else "short"
    return f"faults: {size}, on {connection.vendor}, FAULTS_SEED={SEED}"


@pytest.fixture
def size(request):
    """``size(short=…, full=…)``: how many, by the length of the run."""
    return lambda *, short, full: full if request.config.getoption("full") else short


@pytest.fixture
def scene(request, tmp_path, transactional_db, record_property):
    """Put on with ``scene(**options of BACKORDERS)``; every process has ended when the test is over."""
    scenes = []

    def put_on(**options):
        scenes.append(Scene(tmp_path, seed=SEED, **options))
        return scenes[-1]

    yield put_on
    for one in scenes:
        one.end()


@pytest.fixture
def counted(request, record_property):
    """Counts what the mail server accepted and enters it into the table."""

    def enter(scene, *, expected=None, count=None):
        count = count or scene.count(expected)
        mails = (count.mails, scene.kills, count.lost, count.duplicates)
        record_property("counted", json.dumps(mails))
        return count

    return enter


@pytest.fixture(autouse=True)
def row(request, record_property):
    number, what = request.node.get_closest_marker("fault").args
    if "rabbitmq" in request.node.name:
        what = what.replace("Redis", "RabbitMQ")
    record_property("fault", json.dumps([number, what, connection.display_name]))


@pytest.fixture(autouse=True)
def silence(monkeypatch):
    """The tests themselves wake nobody: a hint is part of a fault, or there is none."""
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(current_app.conf, "broker_url", None)


@pytest.fixture
def redis(tmp_path):
    """A Redis of the test's own."""
    binary = dev.redis_binary(dev.Environment(Path(sys.prefix)))
    if not binary:
        pytest.fail("This fault kills a Redis of its own, and there is none to start.\n" + dev.NO_REDIS)
    with running(Redis(tmp_path, binary)) as server:
        yield server


@pytest.fixture
def rabbitmq(tmp_path):
    """A RabbitMQ of the test's own; tests that want one are left out where there is none to start."""
    with running(RabbitMQ(tmp_path, rabbitmq_binary())) as server:
        yield server


@pytest.fixture
def broker(request):
    """By the name in ``@pytest.mark.parametrize("broker", ["redis", "rabbitmq"], indirect=True)``."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def own_postgres(transactional_db):
    """A durable PostgreSQL of the test's own, with our tables in it: its crash is nobody else's."""
    shared = dict(connection.settings_dict)
    with dev.temporary_folder() as folder, dev.Crew(folder / "logs") as crew:
        environment = dev.Environment(Path(sys.prefix))
        url = urlsplit(dev.start_postgres(crew, environment, folder=folder / "postgres", is_durable=True))
        connection.close()
        connection.settings_dict.update(
            NAME="postgres", HOST=url.hostname, PORT=url.port, USER=url.username, PASSWORD=url.password
        )
        call_command("migrate", run_syncdb=True, verbosity=0)
        yield
        connection.close()
        connection.settings_dict.update(shared)


def pytest_terminal_summary(terminalreporter, config):
    """One row for each test: what was done, and what the mail server's log says of it."""
    rows = []
    for outcome in ("passed", "failed", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            told = dict(report.user_properties)
            if report.when == "call" and "fault" in told:
                number, what, database = json.loads(told["fault"])
                figures = json.loads(told.get("counted", '["-", "-", "-", "-"]'))
                verdict = {"passed": "ok", "failed": "FAILED", "xfailed": "known"}[outcome]
                rows.append(
                    (int(number[1:]), (f"{number} {what}", database, *figures, f"{report.duration:.1f}", verdict))
                )
    if rows:
        terminalreporter.section("faults")
        terminalreporter.write_line(dev.table([COLUMNS, *(row for _, row in sorted(rows, key=lambda row: row[0]))]))
