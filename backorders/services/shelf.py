"""The shelf of one locked item, whoever keeps its number. The only place that moves units.

Three kinds of shops: one stock column that we may write (``take`` and ``put`` of the adapter), no stock number at all (we
keep it), and shops that book their own goods (we only hold units: they stay in the shop's number and are not for sale).
"""

from __future__ import annotations

from typing import Any

from backorders.models import StockItem
from backorders.queries.stock import adapter_of, moves_units, read_shelf
from backorders.shop import Adapter, Reading

_TRIES = 3
"""The shop's own till may take units at the same moment; each try reads the shelf again."""


class Shelf:
    """Changes are written to the database at once, except ``held_units`` and ``own_quantity``: those stand on the item, which the caller saves."""

    def __init__(self, item: StockItem) -> None:
        self.item = item
        self.adapter = adapter_of(item)

    @property
    def is_ours(self) -> bool:
        """We keep the number."""
        return self.adapter is not None and not self.adapter.keeps_stock

    @property
    def is_movable(self) -> bool:
        """The shop's number is one that we write."""
        return self.adapter is not None and self.adapter.keeps_stock and self.adapter.can_move_stock()

    @property
    def moves(self) -> bool:
        return moves_units(self.item)

    def read(self) -> Reading:
        return read_shelf(self.item)

    def free(self) -> Reading:
        """Units that are nobody's yet; ``None``: not counted."""
        units = self.read()
        return None if units is None else max(0, units - self.item.held_units - self.item.on_hold_units)

    def put(self, units: int) -> None:
        """Goods arrived. Where the shop books its own, nothing is written: its number will rise."""
        if self.is_ours:
            self.item.own_quantity = (self.item.own_quantity or 0) + units
        elif self.is_movable:
            self._host.put(self._key, units)

    def take(self, units: int) -> bool:
        """Units leave for an order; ``False`` when they are not all there. Where the shop books its own, we only look."""
        return self.take_of(units, self.read())

    def take_of(self, units: int, seen: Reading) -> bool:
        """The same, from a shelf that was just read; the shop's own column is only lowered when it still has as many."""
        if seen is not None and seen - self.item.held_units < units:
            return False
        if self.is_ours and self.item.own_quantity is not None:
            self.item.own_quantity -= units
        return not self.is_movable or self._host.take(self._key, units)

    def set_aside(self, units: int) -> int:
        """This will take up to ``units`` for the queue, before anybody is promised them, and return how many it got."""
        for _ in range(_TRIES):
            free = self.free()
            wanted = units if free is None else min(units, free)
            if not wanted:
                return 0
            if not self.moves:
                self.item.held_units += wanted
                return wanted
            if self.take(wanted):
                return wanted
        return 0

    def give_back(self, units: int) -> None:
        """Units that were set aside are nobody's again."""
        if self.moves:
            self.put(units)
        else:
            self.item.held_units = max(0, self.item.held_units - units)

    def remove(self, units: int) -> int:
        """This will take up to ``units`` off the shelf that are not there after all, and return how many it got.

        Where the shop books its own goods nothing is moved: it lowers its number itself.
        """
        for _ in range(_TRIES):
            here = self.read() if self.moves else 0
            wanted = units if here is None else min(units, here)
            if not wanted or self.take(wanted):
                return wanted
        return 0

    def overheld(self) -> int:
        """Units that are held for the queue although the shelf has not so many."""
        units = self.read()
        return 0 if units is None else max(0, self.item.held_units - units)

    def let_go(self, units: int) -> None:
        """Units that were set aside have left the house."""
        if not self.moves:
            self.item.held_units = max(0, self.item.held_units - units)

    @property
    def _host(self) -> Adapter:
        assert self.adapter is not None  # noqa: S101 - is_movable says so
        return self.adapter

    @property
    def _key(self) -> Any:
        return self._host.key_from_text(self.item.object_id)
