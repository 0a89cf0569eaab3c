"""Shows how our dates hold and how our waves fare: on the shop's own deliveries, and in dress rehearsals whose truth is known."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from backorders.domain import wave_rehearsal
from backorders.domain.lateness import FEWEST
from backorders.domain.rehearsal import Rehearsal, Tried, rehearse
from backorders.queries.reliability import FirstPromises, SupplierRecord, calibration_table, first_promises_kept

LEAST, MOST = 0.78, 0.86
"""Between these the share of simulated P80 dates that are kept has to lie; the promise is four in five."""


FEWER_DISAPPOINTED, HOURS_LATER, MOST_DISAPPOINTED = 5.0, 2.0, 25.0
"""Waves, against two people per unit and hour: so many points fewer disappointed where one in eight buys, at most so much
later; and at most so many percent disappointed where one in two buys."""

REPETITIONS = {"dates": 12, "waves": 100}


class Command(BaseCommand):
    help = (
        "dates: replays the shop's own deliveries and says how many dates held, then tries the mechanism on invented suppliers; "
        f"ends with 1 when the share of simulated P80 dates kept leaves {LEAST} to {MOST}. "
        "waves: sells invented restocks by several rules, and ends with 1 when ours does not keep its promise."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", nargs="?", choices=list(REPETITIONS), default="dates", help="what is proven")
        parser.add_argument("--seed", type=int, default=20260302, help="of the invented world")
        parser.add_argument(
            "--repetitions",
            type=_at_least_one,
            help="how many worlds (12; some 6 seconds) or restocks of each kind (100; some 10 seconds)",
        )

    def handle(self, *args: Any, what: str, seed: int, repetitions: int | None, **options: Any) -> None:
        prove = self._prove_waves if what == "waves" else self._prove_dates
        prove(seed=seed, repetitions=repetitions or REPETITIONS[what])

    def _prove_dates(self, *, seed: int, repetitions: int) -> None:
        self._say(own_deliveries(calibration_table()))
        self._say(first_dates(first_promises_kept()))
        rehearsal = rehearse(seed=seed, repetitions=repetitions)
        self._say(invented_deliveries(rehearsal, seed=seed, repetitions=repetitions))
        if outside := outside_of(rehearsal):
            self.stdout.write(f"P80 does NOT hold: {', '.join(outside)} (wanted: {LEAST} to {MOST}).")
            raise SystemExit(1)
        self.stdout.write(f"P80 holds: every share lies between {LEAST} and {MOST}.")

    def _prove_waves(self, *, seed: int, repetitions: int) -> None:
        rehearsal = wave_rehearsal.rehearse(seed=seed, repetitions=repetitions)
        self._say(invented_restocks(rehearsal, seed=seed, repetitions=repetitions))
        if broken := broken_by(rehearsal):
            self.stdout.write(f"Waves do NOT hold: {'; '.join(broken)}.")
            raise SystemExit(1)
        self.stdout.write(
            f"Waves hold: mid at least {FEWER_DISAPPOINTED:.0f} points fewer disappointed and at most {HOURS_LATER:.0f} h "
            f"later, low not worse by two standard errors, hot at most {MOST_DISAPPOINTED:.0f} % disappointed."
        )

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


def invented_restocks(rehearsal: wave_rehearsal.Rehearsal, *, seed: int, repetitions: int) -> list[str]:
    regimes = wave_rehearsal.REGIMES
    named = [f"{name} ({share * 100:g} % buy)" for name, share in regimes.items()]
    lines = [
        f"Invented restocks (seed {seed}, {repetitions} of each kind): {wave_rehearsal.PEOPLE} people wait, "
        f"{wave_rehearsal.UNITS} units come",
        f"Disappointed % of clicks / hours to 90 % sold (at most {wave_rehearsal.HOURS}) / % sold by then",
        f"{'':20} {named[0]:>20} {named[1]:>20} {named[2]:>20}",
    ]
    for policy in wave_rehearsal.POLICIES:
        lines.append(" ".join([f"{policy:20}", *[_of_run(rehearsal.mean(regime, policy)) for regime in regimes]]))
    lines.append(f"{wave_rehearsal.OURS} minus {wave_rehearsal.RIVAL}, restock by restock, and one standard error:")
    return lines + [f"{regime:4} {_of_difference(rehearsal, regime)}" for regime in regimes]


def _of_run(run: wave_rehearsal.Run) -> str:
    return f"{f'{run.disappointed * 100:.1f} / {run.hours:.1f} / {run.sold * 100:.1f}':>20}"


def _of_difference(rehearsal: wave_rehearsal.Rehearsal, regime: str) -> str:
    points, hours = rehearsal.points_apart(regime), rehearsal.hours_apart(regime)
    return f"{points.mean:+6.1f} ± {points.error:.1f} points  {hours.mean:+6.1f} ± {hours.error:.1f} h"


def broken_by(rehearsal: wave_rehearsal.Rehearsal) -> list[str]:
    """What was promised of waves and is not so. Low is worse when a mean difference is above two standard errors."""
    points, hours = rehearsal.points_apart("mid"), rehearsal.hours_apart("mid")
    hot = rehearsal.mean("hot", wave_rehearsal.OURS).disappointed * 100
    low = {"points": rehearsal.points_apart("low"), "h": rehearsal.hours_apart("low")}
    found = {
        f"mid {points.mean:+.1f} points (wanted: {-FEWER_DISAPPOINTED} or less)": points.mean > -FEWER_DISAPPOINTED,
        f"mid {hours.mean:+.1f} h (wanted: {HOURS_LATER} or less)": hours.mean > HOURS_LATER,
        f"hot {hot:.1f} % disappointed (wanted: {MOST_DISAPPOINTED} or less)": hot > MOST_DISAPPOINTED,
    }
    found |= {
        f"low {each.mean:+.1f} ± {each.error:.1f} {name}": each.mean > 2 * each.error for name, each in low.items()
    }
    return [sentence for sentence, is_broken in found.items() if is_broken]
