"""A mail provider with an HTTP API, in a process of its own. It writes down what it takes before it says so; that log is the judge.

    python -m tests.faults.provider PORT LOG CALLS '{"seed": 1, "silent": 0.1, ...}'

It talks as Resend does: a call that brings a key it knows sends nothing again, and 409 says that its words have changed.
``CALLS`` gets a line for each call, with the moment, the key and the answer.
"""

import http.server
import json
import random
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Manners:
    seed: int = 1
    silent: float = 0.0
    """Share of mails that are taken, and the reply never comes. Drawn by the key, so that a seed repeats them."""
    too_many_for: float = 0.0
    """Seconds after the first call in which every further call is told 429."""
    retry_after: int = 2


class Provider:
    def __init__(self, log, calls, manners):
        self.log, self.calls, self.manners = log, calls, manners
        self.known, self.lock, self.first = set(), threading.Lock(), None

    def answer(self, key, mail):
        """The status, and whether anybody is told."""
        with self.lock:
            self.first = self.first or time.time()
            is_new, wants_less = key not in self.known, 0 < time.time() - self.first < self.manners.too_many_for
            status = 429 if wants_less and self.known else 200 if is_new else 409
            self.write(self.calls, {"at": time.time(), "key": key, "status": status})
            if status == 200:
                self.known.add(key)
                self.write(self.log, {"at": time.time(), "to": mail["to"][0], "name": key, "is_dropped": False})
        is_silent = status == 200 and random.Random(f"{self.manners.seed} {key}").random() < self.manners.silent
        return status, not is_silent

    def write(self, file, line):
        file.write(json.dumps(line) + "\n")
        file.flush()


TOLD = {200: {"id": "1"}, 409: {"name": "invalid_idempotent_request"}, 429: {"name": "rate_limit_exceeded"}}


def handler_of(provider):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            mail = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, is_told = provider.answer(self.headers["Idempotency-Key"], mail)
            if not is_told:
                time.sleep(30)
            with suppress(OSError):  # whoever asked has gone
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", str(provider.manners.retry_after))
                self.end_headers()
                self.wfile.write(json.dumps(TOLD[status]).encode())

        def log_message(self, *_):
            pass

    return Handler


def main(port, log, calls, manners):
    with Path(log).open("a") as lines, Path(calls).open("a") as asked:
        provider = Provider(lines, asked, Manners(**json.loads(manners)))
        http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), handler_of(provider)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
