"""What a date says contains what it means."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.windows import Window, window_between
from backorders.domain.wording import babel_locale, days_of, phrase
from backorders.errors import InvalidWindow

TODAY = dt.date(2026, 12, 1)


def window(first, last):
    return Window(earliest=TODAY + dt.timedelta(days=first), latest=TODAY + dt.timedelta(days=last))


@given(st.integers(0, 400), st.integers(0, 200))
def test_the_label_contains_the_window(first, width):
    meant = window(first, first + width)
    start, end, _ = days_of(meant, today=TODAY)

    assert start <= meant.earliest <= meant.latest <= end
    assert (end - start).days <= 2 * width + 62


@pytest.mark.parametrize(
    ("language", "words"),
    [("en-gb", "4–8 Dec"), ("de", "4.–8. Dez."), ("fr", "4–8 déc."), ("nonsense", "Dec 4 – 8")],
)
def test_near_days_are_named_in_the_readers_language(language, words):
    said = phrase(window(3, 7), today=TODAY, language=language)

    assert said.replace("\u2009", "").replace("\u202f", "").replace(" – ", "–") == words.replace(" – ", "–")


def test_far_or_wide_windows_name_the_month():
    assert phrase(window(120, 125), today=TODAY, language="en") == "March – April 2027".replace(" – ", "\u2009–\u2009")
    assert phrase(window(40, 45), today=TODAY, language="en") == "January 2027"


def test_one_day_is_one_day():
    assert phrase(window(3, 3), today=TODAY, language="en") == "Dec 4"


def test_a_language_babel_does_not_know_falls_back():
    assert babel_locale("pt-br") == "pt_BR"
    assert babel_locale("xx-yy") == "en"


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (dt.date(2026, 5, 2), dt.date(2026, 5, 1)),
        (dt.datetime(2026, 5, 1), dt.date(2026, 5, 2)),
        ("2026-05-01", "2026-05-02"),
        (None, None),
    ],
)
def test_a_window_that_is_none_is_refused_with_what_to_do(first, last):
    with pytest.raises(InvalidWindow, match=r"(Swap|Pass)"):
        window_between(first, last)


def test_an_unknown_certainty_is_refused_with_the_list():
    with pytest.raises(InvalidWindow, match="firm, estimated, guess"):
        window_between(TODAY, TODAY, "certainly")
