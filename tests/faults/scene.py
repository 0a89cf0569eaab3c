"""One fault's stage: a shop whose people are to be told, a mail server, senders to kill, and the count at the end."""

import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import connection
from django.utils import timezone

from backorders.models import MailLane, OutgoingMail, Subscription
from backorders.services.stock import stock_changed
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, SubscriptionFactory, waiting_for
from tests.faults import children
from tests.faults.children import World
from tests.hosts.models import Product
from tests.mailserver import free_port

FINAL = ("sent", "dead", "suppressed", "cancelled")

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.children"])


@dataclass(frozen=True)
class Accepted:
    """One line of the mail server's log."""

    at: float
    to: str
    name: str
    is_dropped: bool


@dataclass(frozen=True)
class Count:
    """What the mail server's log says, against what should have left."""

    mails: int
    lost: int
    duplicates: int
    most_copies: int
    drops: int


class Scene:
    def __init__(self, folder, *, seed, **options):
        self.folder, self.seed, self.options = folder, seed, options
        self.dice = random.Random(seed)
        self.log = folder / "accepted.jsonl"
        self.log.touch()
        self.port = free_port()
        self.server, self.is_provider = None, False
        self.children = []
        self.supervised = []
        self.kills = 0
        self.addresses = []

    # the mail server

    def serve(self, **manners):
        """The mail server opens, or opens again with other manners; its log goes on."""
        self.close_server()
        words = json.dumps({"seed": self.seed, **manners})
        command = [sys.executable, "-m", "tests.faults.sink", str(self.port), str(self.log), words]
        self.server = subprocess.Popen(command)
        until(lambda: answers(self.port), "the mail server answers")

    def serve_as_provider(self, **manners):
        """Mail goes to a provider by HTTP instead, which keeps the same log."""
        words = json.dumps({"seed": self.seed, **manners})
        files = [str(self.log), str(self.folder / "calls.jsonl")]
        self.server = subprocess.Popen([sys.executable, "-m", "tests.faults.provider", str(self.port), *files, words])
        self.is_provider = True
        until(lambda: answers(self.port), "the provider answers")

    def calls(self):
        """What a provider was asked, in order."""
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    def close_server(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server = None

    def accepted(self, after=0):
        return [Accepted(**json.loads(line)) for line in self.log.read_text().splitlines()[after:]]

    def count(self, expected=None):
        """Lost: who should have been written to and was not. Duplicates: every copy of a mail after its first."""
        expected = self.addresses if expected is None else expected
        accepted = self.accepted()
        copies = Counter(one.name for one in accepted)
        return Count(
            mails=len(expected),
            lost=len(set(expected) - {one.to for one in accepted}),
            duplicates=len(accepted) - len(copies),
            most_copies=max(copies.values(), default=0),
            drops=sum(one.is_dropped for one in accepted),
        )

    # the shop

    def people_wait(self, people, **others):
        """So many people wait for one mug, which is sold out. ``others``: how many of them have a special address."""
        mug = ProductFactory(stock=0)
        words = ["reader"] * (people - sum(others.values())) + [word for word in others for _ in range(others[word])]
        self.dice.shuffle(words)
        addresses = [f"{word}-{number}@example.com" for number, word in enumerate(words, len(self.addresses))]
        [first] = waiting_for(mug, email=addresses[0], email_key=addresses[0])
        rest = [SubscriptionFactory.build(item=first.item, email=address) for address in addresses[1:]]
        Subscription.objects.bulk_create(rest)
        self.addresses += addresses
        return mug

    def mails_are_due(self, people, **others):
        """So many people are to be told, and their mails wait in the outbox."""
        mug = self.people_wait(people, **others)
        Product.objects.filter(pk=mug.pk).update(stock=people)
        stock_changed(mug)
        release_waves()
        assert OutgoingMail.objects.count() == len(self.addresses)
        return mug

    # senders

    def start(self, child, *arguments):
        names = ("NAME", "HOST", "PORT", "USER", "PASSWORD")
        database, log = {name: connection.settings_dict[name] for name in names}, str(self.folder / "senders.log")
        world = World(database, self.port, log, self.options, self.is_provider)
        process = processes.Process(target=children.inside, args=(world, child, *arguments))
        process.start()
        self.children.append(process)
        return process

    def kill(self, process):
        process.kill()
        process.join()
        self.kills += 1

    def run(self, child, *arguments, seconds=60):
        """A child, to its end; returns its exit code."""
        process = self.start(child, *arguments)
        process.join(seconds)
        assert process.exitcode is not None, f"{child.__name__} did not end within {seconds} s"
        return process.exitcode

    def celery(self, *words, app="demo_shop", broker, **environment):
        """A Celery program, as shops start it."""
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "FAULTS_DATABASE": str(connection.settings_dict["NAME"]),
            "FAULTS_MAIL_PORT": str(self.port),
            "FAULTS_OPTIONS": json.dumps(self.options),
            "CELERY_BROKER_URL": broker,
            **environment,
        }
        with (self.folder / "celery.log").open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", app, *words], env=env, stdout=output, stderr=output
            )
        self.children.append(process)
        return process

    def celery_worker(self, *, pool="threads", **options):
        alone = ("--without-mingle", "--without-gossip", "-l", "WARNING")
        return self.celery("worker", "--pool", pool, "-c", "4", *alone, **options)

    def kill_a_child_of(self, worker):
        """One of the processes of a Celery worker's pool, as the kernel does when memory runs out."""
        pids = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        os.kill(int(self.dice.choice(pids)), signal.SIGKILL)
        self.kills += 1

    def celery_worker_with_supervisor(self, **options):
        """One that is started again whenever it has ended, as by systemd; looked after while the scene waits."""
        self.supervised.append([self.celery_worker(**options), options])

    def supervise(self):
        for pair in self.supervised:
            worker, options = pair
            if worker.poll() is not None:
                pair[0] = self.celery_worker(**options)

    def celery_beat(self, **options):
        schedule = self.folder / f"beat-{len(self.children)}"
        return self.celery("beat", "--schedule", str(schedule), "-l", "WARNING", **options)

    # waiting

    def until_accepted(self, count, seconds=100):
        self.until(lambda: len(self.log.read_bytes().splitlines()) >= count, f"{count} mails are accepted", seconds)

    def settle(self, seconds=100):
        """Wait until every mail has met its end. Pauses between attempts are cut short, as staff might; claims run out by themselves."""
        self.until(self.is_settled, "every mail is settled", seconds)

    def until(self, condition, what, seconds=30):
        def is_so():
            self.supervise()
            return condition()

        until(is_so, what, seconds, self.told)

    def is_settled(self):
        hurry()
        return not OutgoingMail.objects.exclude(state__in=FINAL).exists()

    def told(self):
        """For a message: the outbox in numbers, and the last words of the senders."""
        states = Counter(OutgoingMail.objects.values_list("state", "attempts", "note"))
        logs = [self.folder / "senders.log", self.folder / "celery.log"]
        last = "\n".join(file.read_text()[-1500:] for file in logs if file.exists())
        return f"outbox: {states.most_common(8)}\n{last}"

    @property
    def readers(self):
        """Who has nothing special."""
        return [address for address in self.addresses if address.startswith("reader")]

    def end(self):
        for child in self.children:
            child.kill()
        for child in self.children:
            child.join() if hasattr(child, "join") else child.wait()
        self.close_server()


def hurry():
    """Cut short the pauses before the next attempt, as staff might: production waits half a minute and longer, the tests do not."""
    MailLane.objects.filter(paused_until__gt=timezone.now()).update(paused_until=None)
    waiting = OutgoingMail.objects.filter(state="queued", due_at__gt=timezone.now() + timedelta(seconds=1))
    if waiting.exists():
        waiting.update(due_at=timezone.now())


def states():
    return dict(Counter(OutgoingMail.objects.values_list("state", flat=True)))


def until(condition, what, seconds=30, told=str):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}\n{told()}"
        time.sleep(0.05)


def answers(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def ask_to_end(process):
    """SIGTERM, as a deploy sends it; returns the seconds it took to go."""
    started = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    process.join(60) if hasattr(process, "join") else process.wait(60)
    return time.monotonic() - started
