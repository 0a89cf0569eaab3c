"""Shows how our dates hold: on the shop's own deliveries, and in a dress rehearsal whose truth is known."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from backorders.domain.lateness import FEWEST
from backorders.domain.rehearsal import Rehearsal, Tried, rehearse
from backorders.queries.reliability import FirstPromises, SupplierRecord, calibration_table, first_promises_kept

LEAST, MOST = 0.78, 0.86
"""Between these the share of simulated P80 dates that are kept has to lie; the promise is four in five."""


class Command(BaseCommand):
    help = (
        "Replays the shop's own deliveries and says how many dates held, then tries the mechanism on invented suppliers. "
        f"Ends with 1 when the share of simulated P80 dates kept leaves {LEAST} to {MOST}."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=20260302, help="of the invented world")
        parser.add_argument(
            "--repetitions", type=_at_least_one, default=12, help="how many worlds; 12 take some 6 seconds"
        )

    def handle(self, *args: Any, seed: int, repetitions: int, **options: Any) -> None:
        self._say(own_deliveries(calibration_table()))
        self._say(first_dates(first_promises_kept()))
        rehearsal = rehearse(seed=seed, repetitions=repetitions)
        self._say(invented_deliveries(rehearsal, seed=seed, repetitions=repetitions))
        if outside := outside_of(rehearsal):
            self.stdout.write(f"P80 does NOT hold: {', '.join(outside)} (wanted: {LEAST} to {MOST}).")
            raise SystemExit(1)
        self.stdout.write(f"P80 holds: every share lies between {LEAST} and {MOST}.")

    def _say(self, lines: list[str]) -> None:
        self.stdout.write("\n".join([*lines, ""]))


def _at_least_one(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise ValueError
    return number


def own_deliveries(records: list[SupplierRecord]) -> list[str]:
    lines = [
        "The shop's own deliveries",
        f"{'supplier':24} {'date':>4} {'kept':>6} {'95 % interval':>15} {'tried':>6} {'silent':>6} {'width':>6} {'pinball':>7}",
    ]
    for record in records:
        lines += _of_supplier(record)
    if not any(kept.trials for record in records for kept in record.kept):
        lines.append(f"Nothing to judge yet: {FEWEST} deliveries of a kind are needed before anything is learned.")
    return lines


def _of_supplier(record: SupplierRecord) -> list[str]:
    name = str(record.supplier or "nobody in particular")[:24]
    late = "" if record.median_days_late is None else f", median {record.median_days_late:+.0f} working days"
    lines = [f"{name}: {record.deliveries} deliveries{late}"]
    for kept in record.kept:
        if not kept.trials:
            continue
        interval = f"{kept.low:.2f} to {kept.high:.2f}"
        lines.append(
            f"{'':24} {f'P{kept.level * 100:.0f}':>4} {kept.share:6.2f} {interval:>15} {kept.trials:6} {kept.silent:6} "
            f"{kept.width:6.1f} {kept.pinball:7.2f}"
        )
    return lines


def first_dates(first: FirstPromises) -> list[str]:
    if not first.lines:
        return ["First dates given to customers: no line that had a date was filled yet."]
    low, high = first.interval
    return [
        f"First dates given to customers: {first.kept} of {first.lines} kept ({first.share:.2f}, {low:.2f} to {high:.2f}); "
        f"{first.moved} dates were given after the first."
    ]


def invented_deliveries(rehearsal: Rehearsal, *, seed: int, repetitions: int) -> list[str]:
    lines = [
        f"Invented suppliers (seed {seed}, {repetitions} worlds of 25): P80",
        f"{'deliveries of its own':24} {'kept':>6} {'sd':>6} {'pinball':>8} {'as the supplier says':>21}",
    ]
    lines += [
        f"{row.n_own:24} {row.coverage:6.3f} {row.sd:6.3f} {row.pinball:8.2f} {row.stated:21.3f}"
        for row in rehearsal.rows
    ]
    tried = {
        "became 6 days later": rehearsal.drift,
        "overdue, asked again": rehearsal.overdue,
        "some never come": rehearsal.called_off,
        "overdue, some never come": rehearsal.overdue_called_off,
    }
    return lines + [_of_tried(name, each) for name, each in tried.items()]


def _of_tried(name: str, tried: Tried) -> str:
    return f"{name:24} {tried.coverage:6.3f}   of {tried.trials} dates; without a date: {tried.silent:.3f}"


def outside_of(rehearsal: Rehearsal) -> list[str]:
    """The figures that are not what was promised: of fresh dates, whatever is known of the supplier."""
    shares = {f"{row.n_own} of its own {row.coverage:.3f}": row.coverage for row in rehearsal.rows}
    shares[f"some never come {rehearsal.called_off.coverage:.3f}"] = rehearsal.called_off.coverage
    return [name for name, share in shares.items() if not LEAST <= share <= MOST]
