"""Processes that buy, for ``test_oversell``: each says "ready", waits for a sign, then places its orders as fast as it can.

    python -m tests.races.buyer PROCESSES ORDERS CUSTOMER PRODUCT_ID...

They are forked from this one, so that Django is loaded once. Each answers with one line of JSON: how often
each answer came.
"""

import json
import os
import random
import sys
import traceback
from collections import Counter

import django


def main(processes, orders, customer, *product_ids):
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from tests import settings

    settings.DATABASES["default"]["NAME"] = os.environ["BUYER_DATABASE"]
    settings.DATABASES["default"].pop("TEST", None)
    django.setup()
    import backorders.services.checkout  # noqa: F401 - loaded before there are eight of us

    for number in range(int(processes)):
        if os.fork() == 0:
            live(lambda number=number: buy(number, int(orders), customer, product_ids))
    ends = [os.wait()[1] for _ in range(int(processes))]
    sys.exit(any(ends))


def live(life):
    """A forked process must not go on with what its parent does."""
    try:
        life()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def buy(number, orders, customer, product_ids):
    from backorders.services.checkout import Line, check_out
    from tests.hosts.models import Product

    mugs, dice = list(Product.objects.filter(pk__in=product_ids)), random.Random(number)
    say("ready")
    os.read(sys.stdin.fileno(), 1)
    answers = Counter()
    for n in range(orders):
        dice.shuffle(mugs)
        lines = [Line(mug, 1, f"{number}-{n}-{mug.pk}") for mug in mugs]
        try:
            check_out(lines=lines, email=customer.format(number=number, n=n))
            answers["placed"] += 1
        except Exception as error:
            answers[getattr(error, "code", repr(error))] += 1
    say(json.dumps(answers))


def say(line):
    """In one piece, for all of them write to the same pipe."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
