"""The command that shows how our dates hold."""

import datetime as dt
import io
from functools import cache

import pytest
from django.core.management import CommandError, call_command

from backorders.domain.wave_rehearsal import OURS, POLICIES, rehearse
from backorders.management.commands import backorders_prove
from backorders.models import Delivery, Supplier
from backorders.services.locks import anchor_of
from tests.conftest import NOW
from tests.factories import ProductFactory

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def prove(*what, **options):
    out = io.StringIO()
    try:
        call_command("backorders_prove", *what, stdout=out, **{"repetitions": 2, **options})
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


@cache
def proven_once(**options):
    """Of a shop without deliveries; for whoever does not ask for a run of their own."""
    return prove(**options)


def deliveries_that_came(count, *, late):
    """Deliveries of one supplier, each announced three weeks before its day, and that many days late."""
    item, supplier = anchor_of(ProductFactory()), Supplier.objects.create(name="Potters")
    for n in range(count):
        day = NOW.date() - dt.timedelta(days=7 * (count - n) + 40)
        Delivery.objects.create(
            item=item,
            supplier=supplier,
            quantity=5,
            received_quantity=5,
            earliest_on=day,
            latest_on=day,
            judged_earliest_on=day,
            judged_latest_on=day,
            arrived_on=day + dt.timedelta(days=late),
            state="received",
            created_at=dt.datetime.combine(day - dt.timedelta(days=21), dt.time(12), dt.UTC),
            closed_at=NOW,
        )


def test_an_empty_shop_is_told_what_is_missing_and_the_mechanism_is_proven_all_the_same():
    told, code = prove()

    assert code == 0
    assert "Nothing to judge yet: 5 deliveries of a kind are needed" in told
    assert "no line that had a date was filled yet" in told
    assert "P80 holds: every share lies between 0.78 and 0.86." in told


def test_the_shops_own_deliveries_are_replayed():
    deliveries_that_came(12, late=2)
    told, _ = prove()

    assert "Potters: 12 deliveries, median +2 working days" in told
    assert " P50 " in told and " P80 " in told and " P95 " in told
    assert "Nothing to judge yet" not in told


def test_the_same_seed_says_the_same():
    assert proven_once(seed=7, repetitions=1) == prove(seed=7, repetitions=1)
    assert proven_once(seed=7, repetitions=1) != prove(seed=8, repetitions=1)


def test_dates_are_what_is_proven_when_nothing_is_said():
    assert proven_once(seed=7, repetitions=1) == prove("dates", seed=7, repetitions=1)


def test_waves_are_compared_on_the_same_invented_restocks():
    told, code = prove("waves", repetitions=20)
    lines = told.splitlines()

    assert code == 0, told
    assert lines[0].startswith("Invented restocks (seed 20260302, 20 of each kind): 2000 people wait, 50 units come")
    assert [line[:20].strip() for line in lines[3:8]] == list(POLICIES)
    assert [line.split()[0] for line in lines[9:12]] == ["low", "mid", "hot"]
    assert lines[-1].startswith("Waves hold: mid at least 5 points fewer disappointed and at most 2 h later")
    assert prove("waves", repetitions=3) == prove("waves", repetitions=3)
    assert prove("waves", repetitions=3) != prove("waves", repetitions=3, seed=8)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("FEWER_DISAPPOINTED", 60.0, "points (wanted: -60.0 or less)"),
        ("HOURS_LATER", -40.0, "h (wanted: -40.0 or less)"),
        ("MOST_DISAPPOINTED", 1.0, "% disappointed (wanted: 1.0 or less)"),
    ],
)
def test_waves_that_do_not_keep_their_promise_end_with_an_error(monkeypatch, name, value, sentence):
    monkeypatch.setattr(backorders_prove, name, value)
    told, code = prove("waves", repetitions=3)

    assert code == 1
    assert "Waves do NOT hold: " in told and sentence in told


def test_a_rule_that_tells_all_would_be_found_out():
    rehearsal = rehearse(seed=1, repetitions=40)
    for runs in rehearsal.runs.values():
        runs[OURS] = runs["tell all"]
    broken = " ".join(backorders_prove.broken_by(rehearsal))

    assert "mid +" in broken and "hot 9" in broken and "low +" in broken and " points" in broken


def test_dates_that_do_not_hold_end_with_an_error(monkeypatch):
    monkeypatch.setattr(backorders_prove, "MOST", 0.79)
    told, code = prove()

    assert code == 1
    assert "P80 does NOT hold: " in told and "(wanted: 0.78 to 0.79)" in told


@pytest.mark.parametrize("repetitions", ["0", "-1", "x", "1.5"])
def test_a_number_of_worlds_that_is_none_is_refused(repetitions):
    with pytest.raises(CommandError):
        call_command("backorders_prove", f"--repetitions={repetitions}")


def test_what_nobody_can_prove_is_refused():
    with pytest.raises(CommandError):
        call_command("backorders_prove", "weather")
