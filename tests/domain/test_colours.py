"""A shop's colour in mails: legible on white, on its own buttons, and on a dark screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.colours import DARK_SHEET, INK, LEAST_CONTRAST, WHITE, contrast, is_colour, palette_of

colours = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrasts_are_those_that_checkers_on_the_web_say(one, other, ratio):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


def test_three_digits_are_six():
    assert contrast("#1af", WHITE) == contrast("#11aaff", WHITE)
    assert palette_of("#1AF").accent == "#11aaff"


@given(colours)
def test_whatever_the_colour_all_that_is_written_can_be_read_but_for_itself_on_white(accent):
    palette = palette_of(accent)

    assert palette.accent == accent
    assert contrast(palette.dark_accent, DARK_SHEET) >= 7
    assert contrast(palette.on_accent, accent) == max(contrast(text, accent) for text in (WHITE, INK)) >= 4.1
    assert contrast(palette.on_dark_accent, palette.dark_accent) >= LEAST_CONTRAST


@given(colours)
def test_a_colour_that_is_light_enough_stays_as_it_is_on_a_dark_screen(accent):
    if contrast(accent, DARK_SHEET) >= 7:
        assert palette_of(accent).dark_accent == accent


@pytest.mark.parametrize(
    "text", ["green", "#12345", "#1234567", "#12345g", "1d4f91", "#1d4f91;", "", None, 5, "#1d4f91\n"]
)
def test_what_is_no_colour_is_none(text):
    assert not is_colour(text)
