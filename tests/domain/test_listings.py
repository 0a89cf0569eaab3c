"""What schema.org and Google are told, rule by rule."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from backorders.domain.availability import Availability, State
from backorders.domain.listings import (
    LeftOut,
    Merchant,
    Statement,
    agrees,
    end_of,
    legal_line,
    legal_text,
    merchant_word,
    named_day,
    schema_word,
    state_word,
    statement_of,
)
from backorders.domain.terms import Policy, Terms
from backorders.domain.units import Units
from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Source, Window
from backorders.storefront.wording import shown

BRUSSELS = timezone.get_default_timezone
TODAY = dt.date(2026, 3, 2)


def days(first, last=None, **more):
    return Window(
        earliest=TODAY + dt.timedelta(days=first),
        latest=TODAY + dt.timedelta(days=first if last is None else last),
        **more,
    )


def answer(state, window=NO_DATE, **more):
    units = {"for_sale": Units(5)} if state in (State.IN_STOCK, State.LOW_STOCK) else {}
    if state in (State.BACKORDER, State.PREORDER):
        units = {"to_order": Units(5)}
    return Availability(state=state, window=window, **units, **more)


def pre_order(window, *, released_in, state=State.PREORDER):
    day = TODAY + dt.timedelta(days=released_in)
    return answer(state, window, releases_at=dt.datetime.combine(day, dt.time(9), BRUSSELS()))


def told(answer, **more):
    return statement_of(answer, today=TODAY, **more)


# schema.org


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.IN_STOCK, "InStock"),
        (State.LOW_STOCK, "LimitedAvailability"),
        (State.BACKORDER, "BackOrder"),
        (State.PREORDER, "PreOrder"),
        (State.COMING_SOON, "OutOfStock"),
        (State.OUT_OF_STOCK, "OutOfStock"),
        (State.DISCONTINUED, "Discontinued"),
    ],
)
def test_every_state_has_a_word_of_schema_org(state, word):
    dated = pre_order(days(9), released_in=9, state=state) if state is State.PREORDER else answer(state, days(9))
    assert schema_word(dated, today=TODAY) == state_word(dated) == word


def test_what_is_made_once_it_is_ordered_is_called_so():
    made = answer(State.BACKORDER, days(9), terms=Terms(policy=Policy.MADE_TO_ORDER))
    assert schema_word(made, today=TODAY) == "MadeToOrder"


def test_a_new_release_of_what_was_sold_before_is_a_backorder_to_machines():
    assert schema_word(pre_order(days(9), released_in=9), today=TODAY, was_released=True) == "BackOrder"


@pytest.mark.parametrize("window", [NO_DATE, OVERDUE])
@pytest.mark.parametrize("state", [State.BACKORDER, State.PREORDER])
def test_without_a_day_an_order_ahead_is_out_of_stock_to_all_machines(state, window):
    undated = answer(state, window)
    assert schema_word(undated, today=TODAY) == "OutOfStock"
    assert schema_word(undated, today=TODAY, was_released=True) == "OutOfStock"


def test_data_and_feed_never_say_different_things_of_what_is_in_both():
    for state in State:
        for window in (NO_DATE, OVERDUE, days(4), days(4, 40), days(150, 170)):
            for was_released in (False, True):
                one = (
                    pre_order(window, released_in=20, state=state) if state is State.PREORDER else answer(state, window)
                )
                statement = told(one, was_released=was_released)
                if isinstance(statement, Statement):
                    assert merchant_word(schema_word(one, today=TODAY, was_released=was_released)) == statement.word


def test_a_word_that_says_less_and_nothing_wrong_is_true_as_well():
    assert agrees("InStock", expected="LimitedAvailability") and agrees("BackOrder", expected="MadeToOrder")
    assert not agrees("LimitedAvailability", expected="InStock") and not agrees("InStock", expected="BackOrder")


# the day


def test_goods_promised_by_a_day_near_by_are_told_by_that_day():
    assert named_day(answer(State.BACKORDER, days(4, 8)), today=TODAY) == dt.date(2026, 3, 10)


def test_where_the_page_says_the_end_of_a_month_machines_are_told_its_last_day():
    window = Window(earliest=dt.date(2026, 6, 18), latest=dt.date(2026, 6, 22))
    assert named_day(answer(State.BACKORDER, window), today=TODAY) == dt.date(2026, 6, 30)


def test_a_pre_order_that_ships_on_its_release_is_told_by_that_day_however_far_it_is():
    out = pre_order(days(100, source=Source.RELEASE), released_in=100)
    assert named_day(out, today=TODAY) == TODAY + dt.timedelta(days=100)


def test_a_pre_order_that_ships_after_its_release_is_told_by_the_day_it_ships():
    assert named_day(pre_order(days(12, 14), released_in=9), today=TODAY) == dt.date(2026, 3, 16)


def test_of_what_is_announced_no_later_day_is_told_than_people_read():
    assert named_day(pre_order(days(20, 24), released_in=9, state=State.COMING_SOON), today=TODAY) is None
    assert named_day(pre_order(days(9), released_in=9, state=State.COMING_SOON), today=TODAY) == dt.date(2026, 3, 11)


@pytest.mark.parametrize("state", [State.IN_STOCK, State.LOW_STOCK, State.DISCONTINUED])
def test_what_is_here_or_will_never_come_has_no_day(state):
    assert named_day(answer(state, days(4)), today=TODAY) is None


@pytest.mark.parametrize("state", [State.BACKORDER, State.OUT_OF_STOCK, State.PREORDER, State.COMING_SOON])
def test_a_day_that_has_passed_is_never_told(state):
    late = Window(earliest=TODAY - dt.timedelta(days=9), latest=TODAY - dt.timedelta(days=1))
    for window in (late, OVERDUE, NO_DATE):
        assert named_day(answer(state, window), today=TODAY) is None


def test_the_day_for_machines_is_the_day_in_the_words_for_people():
    """Every window of a year and a half, in every state that has one: what ``<time>`` says is what feeds say."""
    today = timezone.localdate()
    for ahead in range(0, 540, 3):
        for wide in (0, 2, 6, 13, 30):
            window = Window(earliest=today + dt.timedelta(ahead), latest=today + dt.timedelta(ahead + wide))
            for state in (State.BACKORDER, State.OUT_OF_STOCK, State.PREORDER, State.COMING_SOON):
                for release in (ahead, ahead + wide) if state in (State.PREORDER, State.COMING_SOON) else (None,):
                    read_and_told(state, window, today, release)


def read_and_told(state, window, today, release):
    nine = dt.datetime.combine(today, dt.time(9), BRUSSELS())
    one = answer(state, window, releases_at=None if release is None else nine + dt.timedelta(release))
    day, read = named_day(one, today=today), re.findall(r'datetime="([^"]+)"', shown(one).line)
    assert day is None or day >= today
    if day is not None:
        assert {str(day), f"{day:%Y-%m}"} & set(read), (state, window, read)
    elif state in (State.BACKORDER, State.OUT_OF_STOCK):
        assert not read


def test_an_instant_of_today_is_not_over_yet_and_stays_on_its_day():
    moment = end_of(TODAY, BRUSSELS())
    assert moment.date() == TODAY and moment.hour == 23 and moment.tzinfo is not None


# Google Merchant Center


@pytest.mark.parametrize("state", [State.IN_STOCK, State.LOW_STOCK])
def test_what_can_leave_now_is_in_stock_and_has_no_date(state):
    assert told(answer(state, days(4))) == Statement(word=Merchant.IN_STOCK)


def test_what_cannot_be_ordered_is_out_of_stock_and_has_no_date_even_when_one_is_known():
    assert told(answer(State.OUT_OF_STOCK, days(4))) == Statement(word=Merchant.OUT_OF_STOCK)
    assert told(pre_order(days(9), released_in=9, state=State.COMING_SOON)) == Statement(word=Merchant.OUT_OF_STOCK)


def test_what_was_never_released_and_can_be_ordered_is_a_preorder_with_its_day():
    assert told(pre_order(days(9), released_in=9)) == Statement(word=Merchant.PREORDER, day=dt.date(2026, 3, 11))


def test_what_was_released_before_is_never_a_preorder():
    again = pre_order(days(9), released_in=9)
    assert told(again, was_released=True) == Statement(word=Merchant.BACKORDER, day=dt.date(2026, 3, 11))


def test_a_restock_is_a_backorder_with_one_day_and_no_range():
    assert told(answer(State.BACKORDER, days(4, 8))) == Statement(word=Merchant.BACKORDER, day=dt.date(2026, 3, 10))


@pytest.mark.parametrize("window", [NO_DATE, OVERDUE])
def test_without_an_honest_date_nothing_is_invented_and_it_is_out_of_stock(window):
    assert told(answer(State.BACKORDER, window)) == Statement(word=Merchant.OUT_OF_STOCK, lacks_day=True)
    assert told(answer(State.PREORDER, window)) == Statement(word=Merchant.OUT_OF_STOCK, lacks_day=True)


def test_a_date_up_to_a_year_ahead_is_told_and_one_beyond_leaves_the_item_out():
    near = pre_order(days(365), released_in=365)
    assert told(near) == Statement(word=Merchant.PREORDER, day=TODAY + dt.timedelta(days=365))
    assert told(pre_order(days(366), released_in=366)) is LeftOut.TOO_FAR


def test_the_year_is_counted_to_the_day_that_is_told():
    """The window ends within a year, and "by the end of March" does not."""
    assert told(answer(State.BACKORDER, days(360, 364))) is LeftOut.TOO_FAR


def test_what_is_no_longer_made_is_left_out():
    assert told(answer(State.DISCONTINUED)) is LeftOut.NO_LONGER_MADE


def test_a_guess_is_told_like_any_date_because_the_page_shows_it_too():
    """As wide as the page puts it: "by the middle of March"."""
    said = told(answer(State.BACKORDER, days(4, confidence=Confidence.GUESS)))
    assert said == Statement(word=Merchant.BACKORDER, day=dt.date(2026, 3, 15))


def test_what_is_announced_without_a_date_is_out_of_stock_and_names_no_day():
    coming = Availability(State.COMING_SOON)
    assert (schema_word(coming, today=TODAY), named_day(coming, today=TODAY)) == ("OutOfStock", None)
    assert told(coming) == Statement(word=Merchant.OUT_OF_STOCK)


# text


def test_characters_that_xml_cannot_write_are_dropped_and_all_others_stay():
    assert legal_text("a\x00b\x0bc\x1fd\ud800e\ufffef") == "abcdef"
    assert legal_text("]]> <b> & \t\n قدر \u2028 🫖") == "]]> <b> & \t\n قدر \u2028 🫖"


def test_a_title_is_one_line_and_no_longer_than_it_may_be():
    assert legal_line(" Mug,\n  blue ", longest=150) == "Mug, blue"
    assert legal_line("x" * 10_000, longest=150) == "x" * 149 + "…"
    assert len(legal_line("x" * 150, longest=150)) == 150
