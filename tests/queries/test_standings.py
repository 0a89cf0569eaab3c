"""Where somebody stands in line, and how likely the next delivery reaches them."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backorders.domain.chances import Odds
from backorders.models import Subscription
from backorders.queries.subscriptions import standings_of
from backorders.storefront.wording import standing_in_words
from tests.conftest import NOW
from tests.factories import ProductFactory, waiting_for
from tests.stories import DAY, a_mug, announce, order

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule(settings):
    def set_rule(**named):
        settings.BACKORDERS = {**settings.BACKORDERS, **named}

    return set_rule


def standing(row, now=NOW):
    return standings_of([Subscription.objects.get(id=row.id)], now)[row.id]


def test_positions_count_those_who_asked_before_and_still_wait():
    mug = ProductFactory()
    rows = waiting_for(mug, 5)
    waiting_for(ProductFactory(), 3)
    waiting_for(mug, 2, state="told")
    Subscription.objects.filter(id=rows[1].id).update(state="closed")
    found = standings_of(rows, NOW)

    assert [found[row.id].position for row in (rows[0], *rows[2:])] == [1, 2, 3, 4]


def test_of_those_who_asked_at_the_same_moment_the_first_row_is_first():
    rows = waiting_for(ProductFactory(), 3, placed_at=NOW)
    assert [standing(row).position for row in rows] == [1, 2, 3]


def test_who_does_not_wait_stands_nowhere():
    mug = ProductFactory()
    rows = [*waiting_for(mug, state="told"), *waiting_for(mug, state="pending"), *waiting_for(mug, state="closed")]
    assert standings_of(rows, NOW) == {} == standings_of([], NOW)


def test_units_that_the_queue_is_owed_are_nobodys_chance():
    mug = a_mug()
    rows = waiting_for(mug, 3)
    order(mug, 8, "A")
    announce(mug, 10, 4, 6)
    announce(mug, 5, 9)
    found = standing(rows[2])

    assert [(due.units, due.window.earliest - NOW.date(), due.odds) for due in found.dues] == [
        (2, 4 * DAY, Odds.VERY_LIKELY),
        (5, 9 * DAY, Odds.VERY_LIKELY),
    ]


def test_a_delivery_that_is_owed_as_a_whole_or_late_gives_nobody_hope():
    mug = a_mug()
    [row] = waiting_for(mug)
    order(mug, 10, "A")
    announce(mug, 10, 4)
    assert standing(row).dues == ()

    late = ProductFactory()
    [row] = waiting_for(late)
    announce(late, 10, 2)
    assert standing(row, NOW + 60 * DAY).dues == ()
    assert standing_in_words(standing(row, NOW + 60 * DAY)) == "You are number 1 in line. No delivery is announced yet."


def test_the_sentence_names_the_first_delivery_that_will_likely_be_enough():
    now = dt.datetime.now(dt.UTC)
    mug = ProductFactory()
    rows = waiting_for(mug, 40)
    announce(mug, 2, 10, now=now)
    assert standing(rows[39], now).due.odds is Odds.UNLIKELY
    announce(mug, 300, 20, now=now)
    found = standing(rows[39], now)

    assert (found.due.units, found.due.odds) == (300, Odds.VERY_LIKELY)
    words = standing_in_words(found)
    assert words.startswith("You are number 40 in line. 300 units are due") and words.endswith(": very likely yours.")


def test_the_more_units_one_wants_the_less_likely_they_are_left():
    mug = ProductFactory()
    few, many = *waiting_for(mug), *waiting_for(mug, quantity=30)
    announce(mug, 30, 3)

    assert standing(few).due.odds is Odds.VERY_LIKELY
    assert standing(many).due.odds is Odds.LIKELY  # five in six that the one before does not buy


def test_where_lots_are_drawn_nobody_has_a_place(rule):
    mug = ProductFactory()
    rows = waiting_for(mug, 60)
    announce(mug, 3, 3)
    in_line = standing(rows[0]).due.odds
    rule(WAVE_ORDER="lottery")
    drawn = {(standing(row).position, standing(row).due.odds) for row in (rows[0], rows[59])}

    assert in_line is Odds.VERY_LIKELY
    assert drawn == {(None, Odds.EVEN)}
    assert standing_in_words(standing(rows[0])).startswith("Lots are drawn among those who wait.")


def test_where_waiting_counts_in_the_draw_no_odds_are_named(rule):
    rule(WAVE_ORDER="ageing")
    mug = ProductFactory()
    [row] = waiting_for(mug)
    announce(mug, 3, 3, now=dt.datetime.now(dt.UTC))
    words = standing_in_words(standing(row, dt.datetime.now(dt.UTC)))

    assert standing(row).dues == () or standing(row).due.odds is None
    assert "one more for each day" in words and "likely" not in words


def test_far_back_the_exact_number_is_not_said():
    mug = ProductFactory()
    rows = waiting_for(mug, 2)
    template = Subscription.objects.get(id=rows[0].id)
    Subscription.objects.bulk_create(
        Subscription(
            item=template.item,
            email=f"p{n}@example.com",
            email_key=f"p{n}@example.com",
            state="waiting",
            placed_at=NOW - 90 * DAY,
        )
        for n in range(1000)
    )
    assert standing_in_words(standing(rows[0])).startswith("You are number 1001 in line.")
    assert standing_in_words(standing(rows[1])).startswith("More than 1,000 people are before you.")


def test_the_number_of_questions_does_not_grow_with_the_requests():
    def cost(count):
        rows = [row for mug in ProductFactory.create_batch(count) for row in waiting_for(mug, 2)]
        for row in rows[::2]:
            row.item.product = None
        announce(ProductFactory(), 3, 3)
        fresh = list(Subscription.objects.filter(id__in=[row.id for row in rows]).select_related("item"))
        with CaptureQueriesContext(connection) as queries:
            standings_of(fresh, NOW)
        return len(queries)

    assert cost(2) == cost(9) <= 8
