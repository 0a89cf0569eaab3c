"""The demo shop's Celery, whose hints are all lost: only its schedule is heard."""

from backorders.services import wake
from demo_shop.celery import app

wake._send = lambda task, ids: None

__all__ = ["app"]
