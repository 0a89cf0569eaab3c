"""Which addresses are accepted, and when two of them are one mailbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backorders.domain.addresses import parse_address
from backorders.errors import InvalidAddress


@pytest.mark.parametrize(
    "typed",
    [
        "a@b.com\r\nBcc: e@x.com",
        "a@b.com\nBcc: e@x.com",
        '"A, Inc." <x@y.com>',
        "<a@b.com>",
        "a@b.com,c@d.com",
        "a@b.com; c@d.com",
        '"a b"@x.com',
        "a@localhost",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a%0d%0a@b.com",
        "a" * 65 + "@b.com",
        "a@" + "b" * 64 + ".com",
        "a@" + ".".join(["b" * 60] * 5) + ".com",
        "a@b..com",
        "a@-b.com",
        ".a@b.com",
        "a..b@b.com",
        "a\x00@b.com",
        "a\u202e@b.com",
        "a\u200b@b.com",
        "@b.com",
        "a@",
        "a",
        "",
        None,
        7,
    ],
)
def test_an_address_nobody_could_be_written_to_is_refused_with_a_sentence(typed):
    with pytest.raises(InvalidAddress) as refusal:
        parse_address(typed)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A@B.com", "a@b.com"),
        ("ana@münchen.example", "ana@xn--mnchen-3ya.example"),
        ("ana@MÜNCHEN.example", "ana@münchen.example"),
        ("ａｎａ@b.com", "ana@b.com"),
        (" a@b.com ", "a@b.com"),
    ],
)
def test_two_spellings_of_one_mailbox_have_one_key(one, other):
    assert parse_address(one).key == parse_address(other).key


def test_what_is_mailed_to_keeps_the_case_of_the_local_part():
    assert parse_address("Ana.B@Example.COM").display == "Ana.B@example.com"


def test_a_plus_tag_is_another_mailbox():
    assert parse_address("a+shop@b.com").key != parse_address("a@b.com").key


def test_a_local_domain_is_accepted_where_the_shop_allows_it():
    assert parse_address("a@intranet", allow_local_domains=True).key == "a@intranet"


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused_and_never_breaks_a_header(text):
    try:
        address = parse_address(text)
    except InvalidAddress:
        return
    assert not set('\r\n\x00 ,<>"') & set(address.display)
    assert parse_address(address.display).key == address.key
