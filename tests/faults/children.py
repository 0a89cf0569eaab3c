"""What runs in processes of their own. Each is forked from a server that has Django loaded, so one costs milliseconds.

Nothing here stands in for production code: a child runs it, stops it at a given step, or turns its clock.
"""

import logging
import os
import random
import signal
import smtplib
import sqlite3
import time
from dataclasses import dataclass, field
from datetime import timedelta

import django
from celery import current_app
from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse

if not settings.configured:  # in the fork server; the tests themselves have theirs
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.faults.settings"
    django.setup()
    # What Django loads when it is first needed is loaded here, once for all children.
    reverse("backorders:leave", args=["token"])
    for ending in ("_subject.txt", ".txt", ".html"):
        get_template(f"backorders/mail/back_in_stock{ending}")

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from backorders import tasks
from backorders.conf import conf
from backorders.models import OutgoingMail, StockItem
from backorders.services import delivery
from backorders.services.press import Press
from backorders.services.stock import stock_changed
from backorders.services.subscriptions import unsubscribe
from backorders.services.waves import release_waves
from backorders.shop import sellables
from tests.hosts.models import Product


@dataclass(frozen=True)
class World:
    """Where a child finds things, and how the shop is set up."""

    database: dict
    """What a connection to it needs: its name, and where its server is."""
    mail_port: int
    log: str
    options: dict = field(default_factory=dict)
    is_provider: bool = False
    """What listens there: a provider's HTTP API, not an SMTP server."""

    def enter(self):
        from tests.faults.settings import (
            in_short,
            mail_by,
            provider_by,
        )  # in a child only: it turns the database settings

        os.environ.pop("CELERY_BROKER_URL", None)  # a plain worker has no broker; Celery looks here first
        current_app.conf.broker_url = None
        settings.BACKORDERS = in_short(**self.options)
        conf.forget()
        for name, value in (provider_by if self.is_provider else mail_by)(self.mail_port).items():
            setattr(settings, name, value)
        connection.settings_dict.update(self.database)
        logging.basicConfig(filename=self.log, level=logging.INFO, force=True)


def inside(world, child, *arguments):
    """Where every child begins."""
    world.enter()
    child(*arguments)


def work():
    """The worker as shops run it."""
    with open(os.devnull, "w") as nowhere:
        call_command("backorders_worker", stdout=nowhere)


def drain():
    delivery.drain(seconds=60)


# --- F3: a crash at every step


class Steps:
    """Counts database statements, commits and lines sent to the mail server, and ends the process at a given one.

    Each counts before it happens: what lies between is in no other process's sight, so "before the next" is "after this".
    Lines of SMTP count after it as well: gone, but not answered. The last line of the trail is where the process ended.
    """

    def __init__(self, last, trail):
        self.left, self.trail = last, trail

    def step(self, text):
        print(text, file=self.trail, flush=True)
        self.left -= 1
        if not self.left:
            os._exit(9)

    def statement(self, execute, sql, params, many, context):
        self.step(f"sql {_short(sql, params)}")
        return execute(sql, params, many, context)

    def watch(self):
        connection.ensure_connection()
        commit, send = connection._commit, smtplib.SMTP.send

        def commit_in_steps():
            self.step("commit")
            commit()

        def send_in_steps(smtp, text):
            self.step(f"smtp {_word(text)}")
            send(smtp, text)
            self.step(f"smtp {_word(text)} is gone")

        connection._commit, smtplib.SMTP.send = commit_in_steps, send_in_steps
        return connection.execute_wrapper(self.statement)


def _short(sql, params):
    """``UPDATE backorders_outgoingmail sending``: enough to know the step by."""
    words = sql.replace('"', "").split()
    table = next((word for word in words if word.startswith("backorders_")), words[-1])
    state = next((str(value) for value in params or () if value in ("leased", "sending", "sent")), "")
    if "SET telling" in sql:
        state = "telling"
    return f"{words[0]} {table.split('.')[0]} {state if words[0] == 'UPDATE' else ''}".strip()


def _word(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return "the mail itself" if raw.endswith(b"\r\n.\r\n") else raw.split()[0].decode().lower()


def drain_until_step(last, trail):
    with open(trail, "w") as lines, Steps(last, lines).watch():
        delivery.drain(seconds=60)


# --- F10, F11, F12, F13: many at the same moment


def run_every_task(at):
    """As a broker that delivers the same messages to everybody would have it."""
    _wait_until(at)
    for item_id in StockItem.objects.values_list("id", flat=True):
        tasks.look_at_item(item_id=item_id)
    for task in (tasks.sweep, tasks.release_waves, tasks.tell_whole_orders, tasks.deliver_due_mail, tasks.tidy):
        task()


def restock(product_id, units, at):
    _wait_until(at)
    Product.objects.filter(pk=product_id).update(stock=units)
    stock_changed(Product.objects.get(pk=product_id))
    release_waves()
    delivery.drain(seconds=100)


def flap(product_id, turns, pause):
    """The shelf fills and empties again and again."""
    mug = Product.objects.get(pk=product_id)
    for turn in range(turns):
        Product.objects.filter(pk=product_id).update(stock=(turn + 1) % 2)
        stock_changed(mug)
        release_waves()
        time.sleep(pause)


def leave(tokens, log, seed):
    """Unsubscribes one after the other, and writes down when each commit was through and what its mail was then."""
    dice = random.Random(seed)
    with open(log, "w") as lines:
        for token, subscription_id, address in tokens:
            time.sleep(dice.random() * 0.01)
            unsubscribe(token=token)
            state = OutgoingMail.objects.get(subscription=subscription_id).state
            print(address, time.time(), state, file=lines, flush=True)


def _wait_until(at):
    connection.ensure_connection()
    time.sleep(max(0.0, at - time.time()))


# --- F14: the clock


def work_by_a_wrong_clock(*hours):
    """The clock of this process goes wrong by each of these in turn, twice a second; the database's is right."""
    now = timezone.now
    timezone.now = lambda: now() + timedelta(hours=hours[int(time.monotonic() * 2) % len(hours)])
    work()


# --- F17, F18: the database file


def hold_the_file(times, seconds):
    """Another program that takes the whole database for itself."""
    for _ in range(times):
        with sqlite3.connect(connection.settings_dict["NAME"], timeout=20, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            other.execute("ROLLBACK")
        time.sleep(0.5)


# --- F19: a poison mail


def work_with_a_poisoned_template():
    """For some readers the shop's own template raises; for one it takes the whole process with it."""
    write = Press.write

    def poisoned(press, mail, facts, tokens, *, in_bytes):
        address = delivery.recipient_of(mail).email
        if address.startswith("raises"):
            raise RuntimeError("the template of this mail is broken")
        if address.startswith("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        return write(press, mail, facts, tokens, in_bytes=in_bytes)

    Press.write = poisoned
    work()


def work_with_a_deadly_product(product_id):
    """Whenever the shop is asked what mails need to know of this product, the process ends, as one that is out of memory does."""
    adapter = type(sellables.by_label["hosts.product"])
    describe = adapter.describe

    def deadly(self, pks):
        pks = list(pks)
        if product_id in pks:
            os.kill(os.getpid(), signal.SIGKILL)
        return describe(self, pks)

    adapter.describe = deadly
    work()
