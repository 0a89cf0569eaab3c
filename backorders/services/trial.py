"""A verb tried out before it is meant: what it would do to the dates that were given. Everything is undone again.

Only for verbs that move nothing on the shop's own shelf: a warehouse in another system could not be rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Max

from backorders.domain.windows import NO_DATE, Window
from backorders.domain.windows import Promise as PromisedWindow
from backorders.errors import BackordersError
from backorders.models import Backorder, Promise
from backorders.services.locks import locked_item, locked_items, whole

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A line whose date would change: the one in force, and the one it would get."""

    backorder_id: int
    reference: str
    before: PromisedWindow
    after: PromisedWindow

    @property
    def is_lost(self) -> bool:
        """Would it have no date any more?"""
        return not isinstance(self.after, Window)

    @property
    def is_later(self) -> bool:
        if not isinstance(self.before, Window) or not isinstance(self.after, Window):
            return False
        return self.after.latest > self.before.latest


def dates_after(*, item_ids: Iterable[int], verbs: Iterable[Callable[[], Any]]) -> list[Slip]:
    """This will say which lines of these items would get another date if the verbs were called, in the queue's order.

    A single verb raises what it raises; of several, those that refuse are passed over.
    """
    item_ids, verbs = set(item_ids), list(verbs)
    with transaction.atomic():
        locked_items(item_ids)
        before = {line.id: line.promise for line in Backorder.objects.waiting().filter(item__in=item_ids)}
        last = Promise.objects.aggregate(last=Max("id"))["last"] or 0
        for verb in verbs:
            try:
                verb()
            except BackordersError:
                if len(verbs) == 1:
                    raise
        slips = _written_since(last, item_ids, before)
        transaction.set_rollback(True)
    return slips


def _written_since(last: int, item_ids: set[int], before: dict[int, PromisedWindow]) -> list[Slip]:
    rows = Promise.objects.filter(id__gt=last, backorder__item__in=item_ids).order_by("id").select_related("backorder")
    newest = {promise.backorder_id: promise for promise in rows}
    lines = (promise.backorder for promise in newest.values())
    return [
        Slip(
            backorder_id=line.id,
            reference=line.reference,
            before=before.get(line.id, NO_DATE),
            after=newest[line.id].window,
        )
        for line in sorted(lines, key=lambda line: (line.rank_class, line.rank_at, line.id))
    ]


def refusal_of(verb: Callable[[], Any]) -> BackordersError | None:
    """This will call a verb, undo what it did, and return its refusal, if it refused."""
    try:
        with transaction.atomic():
            verb()
            transaction.set_rollback(True)
    except BackordersError as error:
        return error
    return None


@whole
def unless_changed(*, item_id: int, is_unchanged: Callable[[], bool], verb: Callable[[], Result]) -> Result | None:
    """This will call a verb if what somebody looked at is still so, asked under the item's lock; else return ``None``.

    So that a page that was sent twice counts once.
    """
    locked_item(item_id)
    return verb() if is_unchanged() else None
