"""For the tests of shops that use the package: real rows and one round of the worker, no fakes.

from backorders.testing import link_in, run_jobs, somebody_waiting_for

def test_my_shop_tells_people(django_user_model, mailoutbox):
    somebody_waiting_for(product, email="ana@example.com")
    restock_in_my_shop(product, 3)
    run_jobs()
    assert [mail.to for mail in mailoutbox] == [["ana@example.com"]]
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from backorders.domain.addresses import parse_address
from backorders.models import StockItem, Subscription
from backorders.services.backorders import tell_releases, tell_whole_orders
from backorders.services.delivery import Delivered, drain
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock
from backorders.services.supply import refresh_forecasts
from backorders.services.waves import release_waves


def run_jobs(now: datetime | None = None) -> Delivered:
    """This will do what the worker does, once, in this process: sweep, look after dates, tell people, send what is due.

    Returns what became of the mails.
    """
    sweep_stock(now=now)
    refresh_forecasts(now=now)
    release_waves(now=now)
    tell_whole_orders(now=now)
    tell_releases(now=now)
    return drain(seconds=30)


@transaction.atomic
def somebody_waiting_for(product: Any, *, email: str, now: datetime | None = None, **fields: Any) -> Subscription:
    """This will make a confirmed request. ``fields`` go onto the row: ``quantity``, ``language``, ``customer`` …"""
    now, address = now or timezone.now(), parse_address(email, allow_local_domains=True)
    item = anchor_of(product)
    StockItem.objects.filter(id=item.id).update(is_watched=True, needs_look=True)
    return Subscription.objects.create(
        item=item,
        email=address.display,
        email_key=address.key,
        state=Subscription.State.WAITING,
        placed_at=now,
        confirmed_at=now,
        **fields,
    )


def link_in(message: EmailMessage, door: str) -> str:
    """The path of the ``confirm`` or ``leave`` link in a mail, for ``client.get`` and ``client.post``. Raises ``AssertionError``."""
    found = re.search(rf"https?://[^/\s]+(/\S*/{re.escape(door)}/[\w-]{{43}}/)", str(message.body))
    assert found, f"no {door} link in: {message.subject}"  # noqa: S101 - this is for tests
    return found[1]
