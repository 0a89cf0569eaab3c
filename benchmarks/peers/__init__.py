"""Mails a second of one process, ours beside those of packages a shop would use instead: same mail server, same database server.

* django-oscar 4.2.1, ``AlertsDispatcher``: the product alerts of a shop built on Oscar.
* django-post_office 3.12.0, ``send_queued``: a queue of mails in the database, with the words of ours.

Both are installed into a virtual environment of their own, ``.venv-peers``, the first time. What is timed is delivery: the
rows that say who is to be told are there before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from backorders.domain.tokens import Purpose, new_token
from backorders.models import OutgoingMail
from backorders.queries.facts import facts_for
from backorders.queries.messages import message_for
from benchmarks import mail
from benchmarks.report import Report

PEERS = {"oscar": ("django-oscar==4.2.1", 4, 12), "post_office": ("django-post_office==3.12.0", 0.9, 2)}
"""What to install, and how many times as fast we want to be: with ordinary messages, and with printed ones."""

ROUNDS = 3
MAILS = {"oscar": 600, "post_office": 2_000, False: 2_000, True: 6_000}


def run(report: Report) -> None:
    sink = mail.smtp_sink()
    if sink is None or connection.vendor != "postgresql":
        print("peers: not measured. They need PostgreSQL, and smtp-sink on the PATH or its path in SMTP_SINK.")
        return
    python = _environment()
    with mail.mail_server(sink) as port:
        words = _words()
        rates: dict[Any, list[float]] = {name: [] for name in (*PEERS, False, True)}
        for _ in range(ROUNDS):
            for prints in (False, True):
                mail.prepare(MAILS[prints])
                rates[prints].append(mail.rate(MAILS[prints], mail.drained, prints, processes=1))
            for name in PEERS:
                rates[name].append(_rate_of(name, python, port, words))
    for name, (what, ordinary, printed) in PEERS.items():
        for prints, goal, how in ((False, ordinary, "ordinary"), (True, printed, "printed")):
            pairs = sorted((a / b, a, b) for a, b in zip(rates[prints], rates[name], strict=True))
            ratio, ours, theirs = pairs[len(pairs) // 2]
            report.line(
                f"against {name}, {how}", f"{ours:,.0f}/s", f"{what} {theirs:,.0f}/s", ratio, goal, at_most=False
            )


def _environment() -> Path:
    folder = Path(".venv-peers")
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        packages = [what for what, _, _ in PEERS.values()]
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "psycopg[binary]", "sorl-thumbnail", *packages], check=True
        )
    return python


def _words() -> dict[str, str]:
    """The mail that ours is; for whoever takes words from outside."""
    mail.prepare(1)
    [row] = OutgoingMail.objects.select_related("subscription__item")
    message = message_for(row, facts_for([row], timezone.now()), tokens={Purpose.LEAVE: new_token()})
    return {
        "subject": str(message.subject),
        "message": str(message.body),
        "html_message": str(message.alternatives[0][0]),
        "unsubscribe": message.extra_headers["List-Unsubscribe"],
    }


def _rate_of(name: str, python: Path, port: int, words: dict[str, str]) -> float:
    wanted = ("ENGINE", "USER", "PASSWORD", "HOST", "PORT")
    database = {key: connection.settings_dict[key] for key in wanted} | {"NAME": f"peer_{name}"}
    task = {"database": database, "port": port, "mails": MAILS[name], "words": words}
    script = Path(__file__).with_name(f"{name}_peer.py")
    done = subprocess.run([python, script], input=json.dumps(task), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr[-3000:]}")
    return float(done.stdout.split()[-1])
