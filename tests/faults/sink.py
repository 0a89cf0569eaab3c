"""A mail server in a process of its own. It writes down what it accepts before it says so; that log is the judge.

    python -m tests.faults.sink PORT LOG '{"seed": 1, "temporary": 0.05, ...}'

Whom an address names decides what happens to it: ``refused…`` is refused for good, ``hangs…`` is left without an answer.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aiosmtpd.controller import UnthreadedController


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How the server misbehaves. Shares of 1 are drawn by address and turn, so that a seed repeats them."""

    seed: int = 1
    temporary: float = 0.0
    """Share of attempts answered 451."""
    dropped: float = 0.0
    """Share of mails that are accepted, but the connection breaks before the answer."""
    seconds_a_mail: float = 0.0
    seconds_a_reply: float = 0.0
    seconds_hanging: float = 30.0


class Handler:
    def __init__(self, log, manners):
        self.log, self.manners, self.turns = log, manners, Counter()

    async def handle_MAIL(self, server, session, envelope, address, options):
        await asyncio.sleep(self.manners.seconds_a_reply)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        await asyncio.sleep(self.manners.seconds_a_reply)
        self.turns[address] += 1
        if address.startswith("refused"):
            return "550 no such mailbox"
        if self.falls(address, "temporary"):
            return "451 not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        [address] = envelope.rcpt_tos
        await asyncio.sleep(self.manners.seconds_a_mail + self.manners.seconds_a_reply)
        if address.startswith("hangs"):
            await asyncio.sleep(self.manners.seconds_hanging)
        is_dropped = self.falls(address, "dropped")
        self.write(address, envelope.content, is_dropped)
        if is_dropped:
            server.transport.abort()
        return "250 taken"

    def falls(self, address, what):
        dice = random.Random(f"{self.manners.seed} {what} {address} {self.turns[address]}")
        return dice.random() < getattr(self.manners, what)

    def write(self, address, content, is_dropped):
        name = re.search(rb"^Message-ID: *(\S+)", content, re.M)[1].decode()
        self.log.write(json.dumps({"at": time.time(), "to": address, "name": name, "is_dropped": is_dropped}) + "\n")
        self.log.flush()


def main(port, log, manners):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with Path(log).open("a") as lines:
        handler = Handler(lines, Manners(**json.loads(manners)))
        controller = UnthreadedController(handler, hostname="127.0.0.1", port=int(port), loop=loop)
        controller.begin()
        loop.run_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
