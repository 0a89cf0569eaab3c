"""What a claim of mails needs to know, read for all of them at once; where one product breaks that, product by product."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from django.utils import timezone

from backorders.models import OutgoingMail, StockItem
from backorders.queries.facts import Facts, facts_for, read_product
from backorders.queries.outbox import item_of
from backorders.services.answers import note_of
from backorders.services.claims import read_again

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed mails and what they need to know; ``facts`` is ``None`` when it could not be read."""

    mails: list[OutgoingMail]
    facts: Facts | None
    trouble: str = ""
    is_no_mails_fault: bool = False
    """The shop could be read about no product at all."""


def with_facts(mails: list[OutgoingMail], token: uuid.UUID) -> Iterator[Batch]:
    """Read in bulk; when one product breaks the reading, product by product, so that it costs its own mails only."""
    try:
        yield Batch(mails, facts_for(mails, timezone.now()))
        return
    except Exception:
        log.exception("A batch of mails could not be prepared; each product is tried alone.")
    by_kind: dict[int, dict[int, list[OutgoingMail]]] = {}
    for mail in mails:
        item = item_of(mail)
        by_kind.setdefault(item.content_type_id, {}).setdefault(item.id, []).append(mail)
    for kind_id, by_item in by_kind.items():
        yield from _product_by_product(kind_id, by_item, token)


_ASKED_IN_VAIN = 3
"""After so many products about which a shop did not answer, and none about which it did, it is asked whether it answers at all."""


def _product_by_product(kind_id: int, by_item: dict[int, list[OutgoingMail]], token: uuid.UUID) -> Iterator[Batch]:
    """Those that cannot be read come last, when it is known whether that is their own fault."""
    failed: list[Batch] = []
    is_up: bool | None = None
    for mails in by_item.values():
        if is_up is None and len(failed) == _ASKED_IN_VAIN:
            is_up = _answers(kind_id, besides=by_item)
        if is_up is False:
            failed.append(Batch(mails, None, failed[0].trouble))
            continue
        read_again(token)
        try:
            facts = facts_for(mails, timezone.now())
        except Exception as trouble:
            failed.append(Batch(mails, None, note_of(trouble)))
        else:
            is_up = True
            yield Batch(mails, facts)
    if failed and is_up is None:
        is_up = _answers(kind_id, besides=by_item)
    if failed and not is_up:
        count = sum(len(batch.mails) for batch in failed)
        log.error("The shop could not be read; %d mails wait for it: %s", count, failed[0].trouble)
    yield from (replace(batch, is_no_mails_fault=not is_up) for batch in failed)


def _answers(kind_id: int, *, besides: Collection[int]) -> bool:
    """Does the shop answer about any other product of this kind?"""
    others = StockItem.objects.filter(content_type=kind_id).exclude(id__in=besides).order_by("-id")
    return any(_is_readable(item) for item in others[:_ASKED_IN_VAIN])


def _is_readable(item: StockItem) -> bool:
    try:
        read_product(item, timezone.now())
    except Exception:
        return False
    return True
