import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.headers import LONGEST_SUBJECT, one_line


def test_line_breaks_become_one_space():
    assert one_line("Mug\r\nBcc: e@x.com") == "Mug Bcc: e@x.com"


def test_direction_overrides_are_taken_out():
    assert one_line("Mug \u202egnp.exe") == "Mug gnp.exe"


def test_a_long_subject_is_cut_between_graphemes():
    cut = one_line("e\u0301" * 5000)

    assert len(cut) <= LONGEST_SUBJECT
    assert cut.endswith("e\u0301…")


def test_an_emoji_family_is_not_torn_apart():
    family = "\U0001f469\u200d\U0001f467"
    cut = one_line("x" * 198 + family)

    assert cut == "x" * 198 + "…"


@given(st.text(max_size=600))
def test_any_text_is_one_bounded_line(text):
    line = one_line(text)

    assert len(line) <= LONGEST_SUBJECT
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in line)
