"""Compares every watched item with the shop's stock, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from backorders.services.stock import sweep_stock


class Command(BaseCommand):
    help = "Compares every watched item with the shop's stock, once. Good after an import that wrote past Django."

    def handle(self, *args: Any, **options: Any) -> None:
        swept = sweep_stock()
        self.stdout.write(f"{swept.looked_at} items looked at, {len(swept.settled)} settled.")
        for problem in swept.unreadable:
            self.stderr.write(str(problem))
