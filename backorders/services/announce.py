"""Signals to the host shop, after the commit."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal


def is_heard(signal: Signal) -> bool:
    """Does anybody listen? Thousands of lines are not read again for nobody."""
    return bool(signal.receivers)


def announce(signal: Signal, **facts: Any) -> None:
    """This will send a signal once the transaction has committed. A receiver that raises is logged by Django and stops nobody."""

    if not is_heard(signal):
        return

    def send() -> None:
        signal.send_robust(sender=None, **facts)

    transaction.on_commit(send, robust=True)
