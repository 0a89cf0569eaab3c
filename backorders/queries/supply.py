"""What is still to come for an item, and whom it will reach."""

from __future__ import annotations

from collections.abc import Iterable

from backorders.domain.promises import Horizon, Supply, horizon_of
from backorders.models import Delivery


def horizons_of(item_ids: Iterable[int]) -> dict[int, Horizon]:
    """The open deliveries of many items as cumulative axes, in one query. Items without any have an empty one."""
    ids = list(item_ids)
    supplies: dict[int, list[Supply]] = {item_id: [] for item_id in ids}
    for delivery in Delivery.objects.open().filter(item_id__in=ids):
        supply = Supply(units=delivery.outstanding, window=delivery.window, delivery_id=delivery.id)
        supplies[delivery.item_id].append(supply)
    return {item_id: horizon_of(found) for item_id, found in supplies.items()}
