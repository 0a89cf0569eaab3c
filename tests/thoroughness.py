"""How many random cases an ordinary run tries, and how many a long one: ``THOROUGHNESS=5 python3 dev.py test``.

Hypothesis throws new dice in every run, so ordinary runs get everywhere in time as well; seeds that are numbered stay.
"""

import os

TIMES = int(os.environ.get("THOROUGHNESS", "1"))


def cases(count):
    return count * TIMES
