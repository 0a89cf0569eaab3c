"""How many random cases an ordinary run tries, and how many a long one: ``THOROUGHNESS=5 python3 dev.py test``.

Every run throws new dice, so ordinary runs get everywhere in time as well.
"""

import os

TIMES = int(os.environ.get("THOROUGHNESS", "1"))


def cases(count):
    return count * TIMES
