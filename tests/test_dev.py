"""dev.py: what it decides without installing or serving anything, and that it leaves no process behind."""

import argparse
import ast
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dev

posix_only = pytest.mark.skipif(dev.WINDOWS, reason="process groups and file locks are POSIX")


def wait_until(is_true, seconds=10):
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_true()


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


# --- The command line


def test_an_unknown_verb_is_met_with_the_nearest_one():
    with pytest.raises(dev.Problem, match=r"There is no `tset`. Did you mean `python3 dev.py test`\?"):
        dev.parse(["tset"])


def test_a_verb_that_resembles_none_is_met_with_all_of_them():
    with pytest.raises(dev.Problem, match="There are: demo, test, lint, mails, bench, faults, browser, clean."):
        dev.parse(["frobnicate"])


def test_what_follows_two_dashes_is_for_pytest():
    options = dev.parse(["test", "--sqlite", "--", "-k", "queue", "--", "-x"])
    assert (options.only, options.pytest) == ("SQLite", ["-k", "queue", "--", "-x"])


def test_faults_are_short_unless_asked_for_in_full():
    options = dev.parse(["faults", "--sqlite", "--", "-k", "storm"])
    assert (options.full, options.only, options.pytest) == (False, "SQLite", ["-k", "storm"])
    assert dev.parse(["faults", "--full"]).full


def test_faults_do_not_start_without_a_redis_to_kill(monkeypatch, capsys):
    monkeypatch.setattr(dev, "prepare", lambda _requirement: None)
    monkeypatch.setattr(dev, "redis_binary", lambda _environment: None)
    assert dev.main(["faults"]) == 1
    assert "a Redis is killed" in capsys.readouterr().out


def test_without_a_browser_nothing_is_installed_and_one_is_told_how_to_get_one(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BACKORDERS_CHROMIUM", raising=False)
    monkeypatch.setattr(dev, "prepare", lambda requirement: pytest.fail(f"{requirement} was installed"))
    assert dev.main(["browser"]) == 1
    assert "apt-get install chromium" in capsys.readouterr().out


def test_a_browser_is_found_by_any_of_its_names_and_the_one_that_was_named_first(monkeypatch, tmp_path):
    for name in ("google-chrome", "chromium", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BACKORDERS_CHROMIUM", raising=False)
    assert dev.find_chromium() == str(tmp_path / "chromium")
    monkeypatch.setenv("BACKORDERS_CHROMIUM", str(tmp_path / "mine"))
    assert dev.find_chromium() == str(tmp_path / "mine")


def test_a_browser_that_was_named_and_is_not_there_is_not_replaced_by_another(monkeypatch):
    monkeypatch.setenv("BACKORDERS_CHROMIUM", "/nowhere/chrome")
    with pytest.raises(dev.Problem, match="names /nowhere/chrome, which cannot be run here"):
        dev.find_chromium()


@pytest.fixture
def pictures(monkeypatch, tmp_path):
    folder = tmp_path / "kept" / "pictures"
    monkeypatch.setenv("BACKORDERS_SCREENSHOTS", str(folder))
    return folder


def test_pictures_are_kept_where_one_is_told_without_those_of_the_last_run(pictures):
    assert dev.empty_screenshots() == pictures
    for name in ("looked.jsonl", "index.html", "home-phone.png", "notes.txt"):
        (pictures / name).touch()
    dev.empty_screenshots()
    assert [file.name for file in pictures.iterdir()] == ["notes.txt"]


def test_a_folder_with_other_things_is_no_place_for_pictures(pictures):
    pictures.mkdir(parents=True)
    (pictures / "holiday.png").touch()
    with pytest.raises(dev.Problem, match="where other things are"):
        dev.empty_screenshots()
    assert (pictures / "holiday.png").exists()


def test_only_the_tests_take_options_of_pytest():
    with pytest.raises(dev.Problem, match="not with `demo`"):
        dev.parse(["demo", "--", "-x"])


def test_a_demo_is_small_and_local_unless_told_otherwise():
    options = vars(dev.parse(["demo"]))
    assert options == {
        "verb": "demo",
        "fresh": False,
        "catalogue": "small",
        "port": 8000,
        "host": "127.0.0.1",
        "check": False,
        "no_redis": False,
        "pytest": [],
    }


def test_without_a_verb_it_explains_itself(capsys):
    assert dev.main([]) == 2
    assert "python3 dev.py demo     a shop to click through" in capsys.readouterr().out


def test_an_old_python_can_read_far_enough_to_say_that_it_is_too_old():
    ast.parse(Path(dev.__file__).read_text(encoding="utf-8"), feature_version=(3, 7))


# --- The environment


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment that looks as if it had been made, in a repository with two requirement files."""
    (tmp_path / "requirements").mkdir()
    for name in ("demo", "dev"):
        (tmp_path / f"requirements/{name}.txt").write_text(f"{name}==1\n")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "REQUIREMENTS", tmp_path / "requirements")
    monkeypatch.setattr(dev.fingerprint, "__defaults__", (tmp_path / "requirements", sys.version))
    monkeypatch.delenv("BACKORDERS_VENV", raising=False)
    environment = dev.Environment(tmp_path / ".venv")
    environment.packages.mkdir(parents=True)
    environment.python.parent.mkdir(parents=True, exist_ok=True)
    environment.python.touch()
    return environment


@pytest.fixture
def installs(monkeypatch):
    """What would have been installed, in order."""
    asked = []
    monkeypatch.setattr(dev, "install", lambda environment, requirement: asked.append(requirement))
    return asked


def test_a_second_run_installs_nothing(environment, installs):
    dev.prepare("demo")
    dev.prepare("demo")
    assert installs == ["demo"]


def test_who_has_the_tests_has_the_demo(environment, installs):
    dev.prepare("dev")
    dev.prepare("demo")
    assert installs == ["dev"]


def test_who_has_the_browser_tests_has_all_the_others(environment, installs):
    (dev.REQUIREMENTS / "browser.txt").write_text("browser==1\n")
    dev.prepare("browser")
    dev.prepare("dev")
    dev.prepare("demo")
    assert installs == ["browser"]


def test_who_has_the_demo_does_not_have_the_tests(environment, installs):
    dev.prepare("demo")
    dev.prepare("dev")
    dev.prepare("demo")
    assert installs == ["demo", "dev"]


def test_a_changed_requirement_file_is_installed_again(environment, installs):
    dev.prepare("dev")
    (dev.REQUIREMENTS / "dev.txt").write_text("dev==2\n")
    dev.prepare("dev")
    assert installs == ["dev", "dev"]


def test_an_installation_that_broke_off_does_not_count(environment, monkeypatch):
    def break_off(_environment, _requirement):
        raise dev.Problem("no network")

    monkeypatch.setattr(dev, "install", break_off)
    with pytest.raises(dev.Problem, match="no network"):
        dev.prepare("dev")
    assert environment.installed() == set()


def test_another_python_is_another_environment(tmp_path):
    assert dev.fingerprint(tmp_path, "3.11.7") != dev.fingerprint(tmp_path, "3.12.1")


def test_an_index_out_of_reach_is_said_in_one_sentence():
    problem = dev.install_problem("error: Failed to fetch: `https://index.example.com/simple/django/`")
    assert str(problem) == dev.NO_INDEX


def test_no_message_names_an_index():
    said = str(
        dev.install_problem("No match for django at https://user:secret@index.example.com/simple (host='i.com')")
    )
    assert "No match for django at https://…/simple (host='…')" in said


def test_uv_asks_the_index_that_pip_was_told_to_ask():
    settings = "global.index-url='https://one.example/simple'\n:env:.index-url='https://two.example/simple'\n"
    assert dev.pip_setting(settings, "index-url") == "https://two.example/simple"
    assert dev.pip_setting(settings, "cert") == ""


# --- Redis and PostgreSQL


@pytest.mark.parametrize(
    ("variable", "value", "start"),
    [
        ("CELERY_BROKER_URL", "amqp://localhost", dev.redis_for_tests),
        ("DATABASE_URL", "sqlite:///x.sqlite3", lambda *a, **k: dev.postgres_for_tests(*a, is_durable=False, **k)),
    ],
)
def test_a_server_of_the_wrong_kind_is_refused_before_any_test_runs(variable, value, start, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, value)
    with pytest.raises(dev.Problem, match=f"{variable} must name a"):
        start(dev.Crew(tmp_path), dev.Environment(tmp_path), folder=tmp_path)


def test_without_redis_the_tests_do_not_start(monkeypatch, tmp_path):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(dev.Problem, match="apt-get install redis-server"):
        dev.redis_for_tests(dev.Crew(tmp_path), dev.Environment(tmp_path), folder=tmp_path)


def test_without_redis_the_demo_does_without(monkeypatch, tmp_path):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dev.redis_for_demo(dev.Crew(tmp_path), dev.Environment(tmp_path), folder=tmp_path) == ""


def test_postgres_is_ready_when_its_lock_file_says_so(tmp_path):
    assert not dev._postgres_is_ready(tmp_path)
    (tmp_path / "postmaster.pid").write_text("1\n/data\n0\n5432\n\n127.0.0.1\n0 0\nstarting\n")
    assert not dev._postgres_is_ready(tmp_path)
    (tmp_path / "postmaster.pid").write_text("1\n/data\n0\n5432\n\n127.0.0.1\n0 0\nready   \n")
    assert dev._postgres_is_ready(tmp_path)


def test_a_port_in_use_gives_way_to_the_next_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < dev.free_port(wanted=port) < port + 100


# --- The demo


def demo_with(broker="", host="127.0.0.1", data=Path("data")):
    environment = dev.Environment(Path(".venv"))
    return dev.Demo(environment=environment, catalogue="small", host=host, port=8000, data=data, broker=broker)


def test_with_a_broker_the_clock_is_a_process_of_its_own():
    assert list(dev.parts_of(demo_with("redis://localhost"))) == ["web", "worker", "beat"]


def test_without_a_broker_one_plain_worker_does_the_jobs(monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://left.over")
    shop = demo_with()
    assert dev.parts_of(shop)["worker"][-1] == "backorders_worker"
    assert "CELERY_BROKER_URL" not in shop.env


def test_links_in_mails_lead_to_this_machine_when_the_shop_listens_everywhere():
    assert demo_with(host="0.0.0.0").env["DEMO_BASE_URL"] == "http://127.0.0.1:8000"


def test_starting_over_leaves_the_other_catalogue_alone(tmp_path):
    (tmp_path / "grocery").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "shop.sqlite3").touch()
    with dev.only_one_demo_in(tmp_path):
        dev.empty(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"grocery", "lock"}


@posix_only
def test_a_second_demo_in_the_same_folder_is_turned_away(tmp_path):
    with (
        dev.only_one_demo_in(tmp_path),
        pytest.raises(dev.Problem, match="already running"),
        dev.only_one_demo_in(tmp_path),
    ):
        pass


# --- Processes


def python(code):
    return [sys.executable, "-c", code]


def test_a_member_that_leaves_is_named_with_its_last_words(tmp_path):
    with dev.Crew(tmp_path) as crew:
        crew.start("worker", python("print('no such table: item'); raise SystemExit(3)"))
        crew.children[0].process.wait()
        with pytest.raises(dev.Problem, match=r"(?s)worker process ended by itself \(exit code 3\).*no such table"):
            crew.check()


@posix_only
def test_stopping_takes_deaf_children_and_their_children_along(tmp_path, monkeypatch):
    monkeypatch.setattr(dev, "SECONDS_TO_STOP", 0.2)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {deaf!r}])\n"
        "print(child.pid, flush=True)\n"
        f"{deaf}"
    )
    with dev.Crew(tmp_path) as crew:
        crew.start("web", python(parent))
        child = crew.children[0]
        wait_until(lambda: child.log_text().count("deaf") == 2)
        grandchild = next(int(line) for line in child.log_text().split() if line.isdigit())
    wait_until(lambda: not is_alive(child.process.pid) and not is_alive(grandchild))


def test_servers_go_last(tmp_path):
    order = tmp_path / "order"
    note = (
        "import signal, sys, time\n"
        f"def go(*_): open({str(order)!r}, 'a').write(sys.argv[1] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, go)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)"
    )
    with dev.Crew(tmp_path / "logs") as crew:
        crew.start("redis", [*python(note), "redis"], serves_others=True)
        crew.start("worker", [*python(note), "worker"])
        for child in crew.children:
            wait_until(lambda child=child: "up" in child.log_text())
    assert order.read_text() == "worker redis "


def test_a_request_to_stop_interrupts_whatever_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(dev.STOP_REQUESTS, "count", 1)
    started = time.monotonic()
    with pytest.raises(dev.Stopped):
        dev.run(python("import time; time.sleep(60)"))
    assert time.monotonic() - started < 10


def test_what_takes_too_long_is_ended():
    finished = dev.run(python("import time; time.sleep(60)"), limit=0.3)
    assert (finished.took_too_long, finished.went_well) == (True, False)
    assert finished.code == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends the children of the dead")
def test_children_do_not_outlive_a_parent_killed_without_warning(tmp_path):
    code = (
        "import time, dev; from pathlib import Path; crew = dev.Crew(Path({!r})); crew.start('web', ['sleep', '60']); "
    )
    code += "print(crew.children[0].process.pid, flush=True); time.sleep(60)"
    with dev.Crew(tmp_path) as crew:
        crew.start("parent", python(code.format(str(tmp_path))), folder=Path(dev.__file__).parent)
        parent = crew.children[0]
        wait_until(lambda: parent.log_text().strip().isdigit())
        child = int(parent.log_text())
        parent.process.kill()
        wait_until(lambda: not is_alive(child))


# --- Test runs


def test_tests_of_one_group_run_in_one_process(tmp_path):
    """Two of them share a broker, a rehearsal or a shop; a pytest that its pytest-xdist does not know forgets groups and says nothing."""
    (tmp_path / "test_groups.py").write_text(
        "import os\n"
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(8))\n"
        "@pytest.mark.xdist_group('one')\n"
        "def test_it(number):\n"
        "    open('ran_in', 'a').write(os.environ['PYTEST_XDIST_WORKER'] + '\\n')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = xdist_group(name): together\n")
    plain = [name for name in os.environ if name.startswith(("PYTEST_", "DJANGO_"))]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:django", *dev.PYTEST_OPTIONS],
        cwd=tmp_path,
        env=dev.without(os.environ, *plain),
        capture_output=True,
        text=True,
        timeout=60,
    )
    ran_in = (tmp_path / "ran_in").read_text().split()
    assert len(ran_in) == 8, done.stdout
    assert len(set(ran_in)) == 1


# --- Reports


def test_the_counts_come_from_pytests_own_report(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="10" failures="2" errors="1" skipped="3"/></testsuites>')
    assert dev.read_report(report) == dev.Tally(passed=4, failed=3, skipped=3)
    assert dev.read_report(tmp_path / "none.xml") == dev.Tally()


def test_figures_stand_to_the_right_of_names():
    rows = [("database", "passed"), ("SQLite", 7), ("PostgreSQL", 1200)]
    assert dev.table(rows) == "database    passed\nSQLite           7\nPostgreSQL    1200"


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_checker_that_complains_is_enough_and_does_not_silence_the_rest(outcome, monkeypatch, capsys):
    checkers = {"first": python(f"raise SystemExit({outcome})"), "second": python("")}
    monkeypatch.setattr(dev, "prepare", lambda requirement: dev.Environment(Path(".venv")))
    monkeypatch.setattr(dev, "checkers", lambda environment: checkers)
    assert dev.lint(argparse.Namespace()) == outcome
    assert "ok      second" in capsys.readouterr().out
