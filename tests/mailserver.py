"""A real SMTP server on a loopback port, which keeps what it accepted and can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import os
import secrets
import socket
from collections import deque
from contextlib import contextmanager

import django
from aiosmtpd.controller import Controller
from django.test import override_settings


class Sink:
    def __init__(self):
        self.accepted = []
        self.raw = []
        self.answers = {}
        self.to_all = []
        """Answers to the next mails, after their text was taken in, whoever they are for."""
        self.seconds_a_mail = 0.0

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self.answers.get(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return answer

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        await asyncio.sleep(self.seconds_a_mail)
        if self.to_all:
            return self.to_all.pop(0)
        self.accepted.append(message)
        self.raw.append(envelope.content)
        return "250 taken"

    @property
    def addresses(self):
        return [message["To"] for message in self.accepted]


@contextmanager
def mail_server():
    """Runs a server and points Django's mail at it: EMAIL_* before Django 6.1, MAILERS from there on."""
    sink = Sink()
    port = sink.port = free_port()
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with override_settings(
            **mail_settings("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port)
        ):
            yield sink
    finally:
        controller.stop()


_given_out = deque(maxlen=100)


def free_port():
    """One that stays free until somebody listens there, and while a server is down on purpose: below those that the kernel gives
    out by itself, out of a range that no other test process draws from, and none of the last hundred again."""
    first = 15_000 + 1_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 15)
    while True:
        port = first + secrets.randbelow(1_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            if port not in _given_out:
                _given_out.append(port)
                return port


def mail_settings(backend, **options):
    if django.VERSION >= (6, 1):
        return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    return {"EMAIL_BACKEND": backend, **{f"EMAIL_{name.upper()}": value for name, value in options.items()}}
