"""A draw that everybody can check afterwards: its seed is kept, the hash of its seed is shown before.

Who was drawn when is ``sorted`` by ``ticket``; with the seed, anybody can repeat that.
"""

from __future__ import annotations

import hashlib
from math import log


def pledge_of(seed: str) -> str:
    """What may be published before the draw: it says nothing of the seed, and fits no other."""
    return hashlib.sha256(seed.encode()).hexdigest()


def ticket(seed: str, number: int, *, tickets: float = 1.0) -> float:
    """The place of ``number`` in the draw; the smallest comes first. Twice the tickets, twice the chance to be before another.

    With u from SHA-256 of "seed:number" as a fraction between 0 and 1: -log(u) / tickets (Efraimidis and Spirakis 2006).
    """
    digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
    fraction = (int.from_bytes(digest[:8]) + 0.5) / 2**64
    return -log(fraction) / tickets
