"""Dates that were given: written down, kept as long as they can be kept, and moved with a reason when they cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from backorders.conf import conf
from backorders.domain.outbox import MailKind
from backorders.domain.promises import Promised, Standing
from backorders.domain.windows import Promise as PromisedWindow
from backorders.domain.windows import Window, honest, window_of
from backorders.domain.wording import is_same_promise
from backorders.models import Backorder, Promise, StockItem
from backorders.models.stock import BEHIND
from backorders.queries.availability import shop_today
from backorders.queries.backorders import promised_lines, standing_of
from backorders.queries.outbox import is_ours
from backorders.services.announce import announce, is_heard
from backorders.services.outbox import bundle_moves, queue_mails
from backorders.signals import promise_moved

_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A line whose date moved: what was in force, and what is now."""

    backorder_id: int
    before: PromisedWindow
    after: PromisedWindow
    delivery_id: int | None


def first_promise(window: PromisedWindow, delivery_id: int | None, now: datetime) -> Promise:
    """This will make the ledger's row of the date a new line is given, to be written with the line."""
    earliest, latest = _days(window)
    return Promise(earliest_on=earliest, latest_on=latest, delivery_id=delivery_id, promised_at=now)


def keep_promises(
    *, item: StockItem, now: datetime, reason: str = "", newcomer: Backorder | None = None
) -> list[Moved]:
    """This will look through the queue of a locked item for dates that cannot be kept any more, and give new ones.

    A date moves only when the old one cannot be met and the words for it change; a line that had none gets one as soon as
    there is one. ``reason`` is what customers may read. ``newcomer``: a line whose first date this is. Mails the others,
    and sends ``promise_moved`` for each of them. Returns what moved, in the queue's order.
    """
    if not item.queued_units:
        return []
    today = shop_today(now)
    lines = Backorder.objects.waiting().filter(item=item).in_line()
    found = promised_lines(item, now=now)
    new, moved = newcomer.id if newcomer else None, []
    for line_id, earliest, latest in lines.values_list("id", "promised_earliest_on", "promised_latest_on"):
        complete = found[line_id].complete
        if latest is not None and isinstance(complete, Window) and complete.latest <= latest and line_id != new:
            continue  # it is kept: nearly every line, nearly always, and queues are long
        old = window_of(earliest, latest)
        if line_id == new or must_move(old, complete, today=today):
            delivery_id = _last_delivery(found[line_id])
            moved.append(Moved(backorder_id=line_id, before=old, after=complete, delivery_id=delivery_id))
    written = _write(moved, reason=reason[:200], now=now)
    _tell([line for line in moved if line.backorder_id != new], reason)
    _mail([row.id for row in written if row.backorder_id != new], now)
    return moved


def must_move(old: PromisedWindow, new: PromisedWindow, *, today: date) -> bool:
    """Can the old date not be kept, or was there none and now there is one? A day within the same words is no move."""
    if not isinstance(old, Window):
        return isinstance(new, Window)
    if not isinstance(new, Window):
        return True
    if new.latest <= old.latest:
        return False
    in_force = honest(old, today=today)
    return not (isinstance(in_force, Window) and is_same_promise(in_force, new, today=today))


def _last_delivery(promised: Promised) -> int | None:
    """The delivery that completes the line, if one does."""
    return (promised.parts[-1].delivery_id or None) if promised.parts else None


def _write(moved: list[Moved], *, reason: str, now: datetime) -> list[Promise]:
    """One INSERT a thousand lines, and one UPDATE for all lines that get the same date."""
    rows = []
    by_window: dict[tuple[date | None, date | None], list[int]] = {}
    for line in moved:
        earliest, latest = _days(line.after)
        by_window.setdefault((earliest, latest), []).append(line.backorder_id)
        rows.append(
            Promise(
                backorder_id=line.backorder_id,
                earliest_on=earliest,
                latest_on=latest,
                delivery_id=line.delivery_id,
                reason=reason,
                promised_at=now,
            )
        )
    Promise.objects.bulk_create(rows, batch_size=_BATCH)
    for (earliest, latest), line_ids in by_window.items():
        for some in _batches(line_ids):
            Backorder.objects.filter(id__in=some).update(promised_earliest_on=earliest, promised_latest_on=latest)
    return rows


def _tell(moved: list[Moved], reason: str) -> None:
    for line in moved if is_heard(promise_moved) else []:
        announce(promise_moved, backorder_id=line.backorder_id, before=line.before, after=line.after, reason=reason)


def _mail(promise_ids: list[int], now: datetime) -> None:
    """One INSERT a thousand lines. A mail about the date before that has not left finds that it is not the last one any more."""
    if not promise_ids or not is_ours(MailKind.PROMISE_MOVED):
        return
    for some in _batches(promise_ids):
        queue_mails(
            kind=MailKind.PROMISE_MOVED,
            now=now,
            rows=Promise.objects.filter(id__in=some).order_by("id"),
            columns={"promise_id": "id", "backorder_id": "backorder_id"},
            due_at=now + conf.tell_moves_after,
        )
        bundle_moves(promise_ids=some)


def _batches(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


def _days(window: PromisedWindow) -> tuple[date | None, date | None]:
    return (window.earliest, window.latest) if isinstance(window, Window) else (None, None)


WRITTEN_BY_NOTE_NEXT = [
    "inbound_units",
    "pinned_units",
    "next_earliest",
    "next_latest",
    "next_confidence",
    "next_units",
    "next_delivery_id",
]


def note_next(item: StockItem, standing: Standing) -> None:
    """This will put onto a locked item what is on its way and when the next unit after the queue comes, without saving it.

    So that a list page needs one query and no delivery, and an order that the next delivery covers needs none either.
    Where none serves it a day is kept all the same: that of the last delivery (``BEHIND``), before which nobody behind the
    queue gets any; or one that has passed, where all that could is overdue, and whoever reads it says "delayed".
    """
    horizon = standing.horizon
    item.pinned_units = sum(supply.pinned for supply in horizon.supplies) + standing.pinned_overdue
    item.inbound_units = sum(supply.units for supply in horizon.supplies) + standing.overdue
    unit = item.queued_units - item.pinned_units + 1 - standing.on_shelf
    supply = horizon.supply_for(max(1, unit))
    item.next_delivery_id = supply.delivery_id if supply else None
    item.next_units = horizon.units_left(unit) if unit > 0 else 0
    if supply is not None:
        item.next_earliest, item.next_latest = supply.window.earliest, supply.window.latest
        item.next_confidence = supply.window.confidence.value
    else:
        day, confidence = (horizon.last.latest, BEHIND) if horizon.last else (None, "")
        if day is None and standing.overdue:
            day = _day_gone(item.next_latest, standing.today)
        item.next_earliest, item.next_latest, item.next_confidence = day, day, confidence


def _day_gone(noted: date | None, today: date) -> date:
    """The day that was noted, if it is over, or yesterday: what is late says the same every day."""
    return noted if noted is not None and noted < today else today - timedelta(days=1)


def refresh_next(item: StockItem, *, now: datetime) -> None:
    """The same, read anew and saved."""
    note_next(item, standing_of(item, now=now))
    item.save(update_fields=WRITTEN_BY_NOTE_NEXT)
