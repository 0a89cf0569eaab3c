"""``python -m benchmarks [name ...]``: one line a figure; exits non-zero when one falls short."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.db import connection

from benchmarks import allocation, checkout, fanout, listing, mail, peers, promises, sweep, workers
from benchmarks.report import Report

BENCHMARKS = {
    "sweep": sweep.run,
    "fanout": fanout.run,
    "listing": listing.run,
    "promises": promises.run,
    "allocation": allocation.run,
    "checkout": checkout.run,
    "mail": mail.run,
    "peers": peers.run,
    "workers": workers.run,
}


ON_REQUEST = ("peers", "workers")
"""They install packages, or take minutes."""


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. There are: {', '.join(BENCHMARKS)}.")
        return 2
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    report = Report(connection.vendor)
    try:
        for chosen in names or [name for name in BENCHMARKS if name not in ON_REQUEST]:
            BENCHMARKS[chosen](report)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    return 1 if report.is_short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
