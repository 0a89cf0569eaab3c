"""Whatever a provider sends is read or left; nothing raises."""

import pytest

from backorders.domain.feedback import Mark, Told, mark_from, mark_in_message_id, str_of, told_by


@pytest.mark.parametrize("text", ["<backorders.17.1772445600@shop.example>", "backorders.17.1772445600@shop.example"])
def test_our_own_message_id_names_the_mail(text):
    assert mark_in_message_id(text) == Mark(17, 1772445600)


@pytest.mark.parametrize(
    "text",
    [
        "<17.1772445600@shop.example>",
        "<backorders.017.1@shop.example>",
        "<backorders.0.1@shop.example>",
        "<backorders.99999999999999999999.1@shop.example>",
        "<backorders.1.99999999999@shop.example>",
        "<backorders.1.1@>",
        "<backorders.1.1@a b>",
        "<backorders.١.1@shop.example>",
        "<backorders.1.1@" + "a" * 500 + ">",
        None,
        17,
        b"<backorders.1.1@shop.example>",
    ],
)
def test_any_other_message_id_names_nothing(text):
    assert mark_in_message_id(text) is None


def test_a_mark_comes_back_as_it_left():
    assert mark_from(str_of(Mark(17, 1772445600))) == Mark(17, 1772445600)
    assert [mark_from(odd) for odd in ("", "17", "17.1.1", "a.b", None, 17.5, ["17.1"])] == [None] * 7


@pytest.mark.parametrize(
    ("event_type", "reason", "told"),
    [
        ("bounced", "bounced", Told.BOUNCED),
        ("bounced", "invalid", Told.BOUNCED),
        ("bounced", None, Told.BOUNCED),  # Mandrill gives no reasons
        ("bounced", "spam", Told.DELAYED),  # the text was refused, nobody complained
        ("bounced", "blocked", Told.DELAYED),
        ("bounced", "timed_out", Told.DELAYED),
        ("bounced", "other", Told.DELAYED),
        ("rejected", "bounced", Told.BOUNCED),
        ("rejected", "spam", Told.COMPLAINED),
        ("rejected", "unsubscribed", Told.UNSUBSCRIBED),
        ("rejected", "blocked", Told.DELAYED),
        ("rejected", None, Told.DELAYED),
        ("deferred", None, Told.DELAYED),
        ("failed", None, Told.DELAYED),
        ("delivered", None, Told.DELIVERED),
        ("complained", "spam", Told.COMPLAINED),
        ("unsubscribed", None, Told.UNSUBSCRIBED),
        *((name, None, None) for name in ("queued", "sent", "opened", "clicked", "subscribed", "autoresponded")),
        *((odd, odd, None) for odd in ("inbound", "unknown", "", None, 7, ["bounced"], {"a": 1})),
    ],
)
def test_what_an_event_means(event_type, reason, told):
    assert told_by(event_type, reason, is_soft=False) == told


def test_a_bounce_that_passes_is_a_delay():
    assert told_by("bounced", "bounced", is_soft=True) == Told.DELAYED
