"""One process that buys, for ``test_oversell``: it says "ready", waits for a line, then places its orders as fast as it can.

    python -m tests.races.buyer NUMBER ORDERS CUSTOMER PRODUCT_ID...

Answers with one line of JSON: when it started and ended, and how often each answer came.
"""

import json
import os
import random
import sys
import time
from collections import Counter

import django


def main(number, orders, customer, *product_ids):
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from tests import settings

    settings.DATABASES["default"]["NAME"] = os.environ["BUYER_DATABASE"]
    settings.DATABASES["default"].pop("TEST", None)
    django.setup()

    from backorders.services.checkout import Line, check_out
    from tests.hosts.models import Product

    mugs, dice = list(Product.objects.filter(pk__in=product_ids)), random.Random(int(number))
    say("ready")
    sys.stdin.readline()
    answers, began = Counter(), time.time()
    for n in range(int(orders)):
        dice.shuffle(mugs)
        lines = [Line(mug, 1, f"{number}-{n}-{mug.pk}") for mug in mugs]
        try:
            check_out(lines=lines, email=customer.format(number=number, n=n))
            answers["placed"] += 1
        except Exception as error:
            answers[getattr(error, "code", repr(error))] += 1
    say(json.dumps({"began": began, "ended": time.time(), "answers": answers}))


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
