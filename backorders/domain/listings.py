"""What machines outside are told of a product: schema.org's word, Google's word, and the one day that its page names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from backorders.domain.availability import Availability, State
from backorders.domain.windows import Promise, Window
from backorders.domain.wording import Label, by_label_of, label_of

# https://schema.org/ItemAvailability

_SCHEMA = {
    State.IN_STOCK: "InStock",
    State.LOW_STOCK: "LimitedAvailability",
    State.BACKORDER: "BackOrder",
    State.PREORDER: "PreOrder",
    State.COMING_SOON: "OutOfStock",
    State.OUT_OF_STOCK: "OutOfStock",
    State.DISCONTINUED: "Discontinued",
}
"""What is only announced cannot be ordered, so it is out of stock."""

_AS_TRUE = {"LimitedAvailability": {"InStock"}, "MadeToOrder": {"BackOrder"}}
"""Words that say less than ours, and nothing wrong."""


def schema_word(answer: Availability, *, today: date, was_released: bool = False) -> str:
    """What schema.org calls it, as our JSON-LD says it. ``was_released``: it was sold from the shelf before, whatever release is set now.

    To machines an order ahead is one with a day, here as in the merchant feed: without one both say that it is out of
    stock, which is true of the shelf. That it can be ordered all the same is said to people, who read why there is no date.
    """
    if answer.state in _AHEAD and named_day(answer, today=today) is None:
        return "OutOfStock"
    return state_word(answer, was_released=was_released)


def state_word(answer: Availability, *, was_released: bool = False) -> str:
    """The name of the state itself, whether or not there is a day: legal in schema.org, so a shop's own data may use it."""
    if answer.is_made_to_order:
        return "MadeToOrder"
    if answer.state is State.PREORDER and was_released:
        return "BackOrder"
    return _SCHEMA[answer.state]


_AHEAD = (State.BACKORDER, State.PREORDER)


def agrees(word: str, *, expected: str) -> bool:
    """Is another word of schema.org as true as ours?"""
    return word == expected or word in _AS_TRUE.get(expected, ())


# the day


def named_day(answer: Availability, *, today: date) -> date | None:
    """The last day of what the product page says about the date; ``None`` where it names none. Never a day before ``today``.

    The page says "by the middle of January" of goods promised by the 12th, so machines are told the 15th: a day that
    nobody can read on the page would be a second truth. ``storefront.wording`` has the words.
    """
    match answer.state:
        case State.BACKORDER:
            return _last(by_label_of(answer.window, today=today))
        case State.OUT_OF_STOCK:
            return _last(label_of(answer.window, today=today))
        case State.PREORDER if answer.releases_at is not None:
            return _day_of_release(answer) or _last(by_label_of(answer.window, today=today))
        case State.COMING_SOON:
            return _day_of_release(answer)
        case _:
            return None


def _day_of_release(answer: Availability) -> date | None:
    """The release, where goods leave on that very day; what comes later has a day of its own."""
    if answer.releases_at is None or not isinstance(answer.window, Window):
        return None
    released_on = answer.releases_at.date()
    return released_on if answer.window.latest <= released_on else None


def _last(label: Label | Promise) -> date | None:
    return label.last if isinstance(label, Label) else None


def end_of(day: date, zone: tzinfo) -> datetime:
    """The last minute of a day: what is promised by today is not promised for this morning."""
    return datetime.combine(day, time(23, 59), zone)


# Google Merchant Center


class Merchant(StrEnum):
    """All that Google knows of availability."""

    IN_STOCK = "in_stock"
    OUT_OF_STOCK = "out_of_stock"
    PREORDER = "preorder"
    BACKORDER = "backorder"


class LeftOut(StrEnum):
    """Why an item is not in the feed, for whoever reads its report."""

    GONE = "the shop cannot describe it"
    NO_TITLE = "it has no title"
    NO_LINK = "it has no page with a web address"
    NO_PRICE = "it has no price"
    NO_LONGER_MADE = "it is no longer made"
    TOO_FAR = "its date lies more than a year ahead, which Google refuses"
    LONG_ID = "its id has more than 50 characters; give it a shorter one"
    OWN_AVAILABILITY = "the shop's own attributes speak of availability, which has to be said here"
    BAD_NAME = "one of the shop's own attributes has a name that is none"


_IN_MERCHANT = {
    Merchant.IN_STOCK: ("InStock", "LimitedAvailability", "OnlineOnly", "InStoreOnly"),
    Merchant.PREORDER: ("PreOrder", "PreSale"),
    Merchant.BACKORDER: ("BackOrder", "MadeToOrder"),
    Merchant.OUT_OF_STOCK: ("OutOfStock", "SoldOut", "Discontinued"),
}


def merchant_word(word: str) -> Merchant | None:
    """As what a feed would say does Google read a word of schema.org on the page? ``None``: as nothing."""
    return next((told for told, words in _IN_MERCHANT.items() if word in words), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What Google is told. ``day`` only of what can be ordered and is not here. ``lacks_day``: it would be more, had it a day."""

    word: Merchant
    day: date | None = None
    lacks_day: bool = False


OUT_OF_STOCK = Statement(word=Merchant.OUT_OF_STOCK)

FARTHEST = timedelta(days=365)
"""Google takes dates up to a year ahead."""


def statement_of(answer: Availability, *, today: date, was_released: bool = False) -> Statement | LeftOut:
    """This will put an answer into Google's words, or say why that cannot be done honestly.

    A pre-order or backorder needs one day; without an honest one Google wants it out of stock, however orderable it is.
    """
    match answer.state:
        case State.IN_STOCK | State.LOW_STOCK:
            return Statement(word=Merchant.IN_STOCK)
        case State.OUT_OF_STOCK | State.COMING_SOON:
            return OUT_OF_STOCK
        case State.DISCONTINUED:
            return LeftOut.NO_LONGER_MADE
        case State.PREORDER if not was_released:
            word = Merchant.PREORDER
        case _:
            word = Merchant.BACKORDER
    day = named_day(answer, today=today)
    if day is None:
        return Statement(word=Merchant.OUT_OF_STOCK, lacks_day=True)
    return Statement(word=word, day=day) if day - today <= FARTHEST else LeftOut.TOO_FAR


# text

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal_text(text: str) -> str:
    """Without the characters that XML 1.0 has no way to write, halves of surrogate pairs among them."""
    return _ILLEGAL.sub("", text)


def legal_line(text: str, *, longest: int) -> str:
    """Legal, in one line, cut with an ellipsis where it is too long."""
    line = " ".join(legal_text(text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
