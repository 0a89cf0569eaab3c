"""What each place that speaks of a product really says: its page, the data in that page, the feed, the API.

Everything is read as a stranger would read it, from bytes; only the questions come from our own code.
"""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Protocol
from urllib.parse import urldefrag, urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from django.test import Client

from backorders.conf import conf

LARGEST_PAGE = 5_000_000
"""Bytes of a page that are read. A feed has no limit: it is never in memory as a whole."""

PATIENCE = 30
"""Seconds until an answer has to begin."""

MOST_WAITS, LONGEST_WAIT = 5, 120
"""How often, and for how many seconds, we wait for a server that wants to be asked later."""


class Unreadable(Exception):
    """A place that did not answer, or not in its own language; the text says how."""


class Busy(Unreadable):
    """A place that wants to be asked later."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"answered {status}")
        text = (retry_after or "").strip()
        self.seconds = int(text) if text.isascii() and text.isdigit() else None


class NotHere(Exception):
    """The address belongs to another site than the one that can be asked."""


@dataclass(frozen=True, slots=True)
class Said:
    """A state in the words of its place, and the days that stand beside it, as ISO dates or months."""

    word: str
    days: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join([self.word, *self.days])


# asking


class Web(Protocol):
    """Where pages are fetched. Raises ``Unreadable`` or ``NotHere``."""

    def read(self, url: str) -> Iterator[bytes]: ...


class InProcess:
    """The shop in this very process: no server needs to run, and no cache in front of one is seen."""

    def __init__(self) -> None:
        self.site = urlsplit(conf.site_url)

    def read(self, url: str) -> Iterator[bytes]:
        asked = urlsplit(url)
        if asked.netloc != self.site.netloc:
            raise NotHere(f"{asked.netloc} is another site; look at it with --url")
        client = Client(raise_request_exception=False, headers={"host": asked.netloc})
        path = asked._replace(scheme="", netloc="", fragment="").geturl()
        answer: Any = client.get(path, secure=asked.scheme == "https", follow=True)
        if answer.status_code != 200:
            raise _refusal(answer.status_code, answer.get("Retry-After"))
        yield from answer.streaming_content if answer.streaming else [answer.content]


class OverNetwork:
    """The shop as everybody sees it, caches and all, at an address that may be another than SITE_URL (a staging server)."""

    def __init__(self, base: str) -> None:
        self.base, self.site = base, urlsplit(conf.site_url)

    def read(self, url: str) -> Iterator[bytes]:
        asked = urlsplit(url)
        if asked.netloc == self.site.netloc:
            url = urljoin(self.base, asked._replace(scheme="", netloc="", fragment="").geturl())
        request = urllib.request.Request(url, headers={"User-Agent": "backorders_lint"})  # noqa: S310 - http(s), see web_address
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                while piece := answer.read(65536):
                    yield piece
        except urllib.error.HTTPError as problem:
            raise _refusal(problem.code, problem.headers.get("Retry-After")) from None
        except (OSError, ValueError) as problem:
            raise Unreadable(f"did not answer: {getattr(problem, 'reason', problem)}") from None


def _refusal(status: int, retry_after: str | None) -> Unreadable:
    return Busy(status, retry_after) if status in (429, 503) else Unreadable(f"answered {status}")


def patiently(web: Web, url: str) -> Iterator[bytes]:
    """The same, once more for each time that the server says how soon: our own API takes so many questions a minute."""
    for _ in range(MOST_WAITS):
        try:
            yield from web.read(url)
        except Busy as busy:
            if busy.seconds is None or busy.seconds > LONGEST_WAIT:
                raise
            time.sleep(busy.seconds + 0.1)
        else:
            return
    yield from web.read(url)


def whole(pieces: Iterable[bytes]) -> bytes:
    """Up to ``LARGEST_PAGE``; what comes later is not read."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > LARGEST_PAGE:
            break
    return bytes(found[:LARGEST_PAGE])


# the page


@dataclass(slots=True)
class Status:
    """One element that carries a state; ``product`` is empty where it does not say of what."""

    state: str
    product: str
    days: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """What a page says: in elements with ``data-state``, in JSON-LD, in microdata."""

    def __init__(self, url: str, html: str) -> None:
        super().__init__()
        self.url = url
        self.statuses: list[Status] = []
        self.blocks: list[str] = []
        self.micro: list[str] = []
        self._status: Status | None = None
        self._about = ""
        self._tag, self._depth = "", 0
        self._in_block = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "template" and "data-of" in has:  # an answer to a page that a cache kept names its product around it
            self._about = has["data-of"].split("|", 3)[-1]
        is_status = "bo-status" in has.get("class", "").split() or "data-product" in has
        if is_status and "data-state" in has:
            self._status, self._tag, self._depth = (
                Status(has["data-state"], has.get("data-product", self._about)),
                tag,
                0,
            )
            self.statuses.append(self._status)
        if self._status is not None:
            self._depth += tag == self._tag
            # When more comes is no date of what can be bought now.
            if tag == "time" and has.get("datetime") and has.get("data-about") != "more":
                self._status.days.append(has["datetime"])
        if tag == "script" and has.get("type", "").strip().lower() == "application/ld+json":
            self._in_block = True
            self.blocks.append("")
        if has.get("itemprop") == "availability":
            self.micro.append(has.get("href") or has.get("content", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_block = False
        if tag == "template":
            self._about = ""
        if self._status is not None and tag == self._tag:
            self._depth -= 1
            if self._depth == 0:
                self._status = None

    def handle_data(self, data: str) -> None:
        if self._in_block:
            self.blocks[-1] += data

    def says_of(self, reference: str) -> list[Said]:
        """What its status says of a product; of a status that names none (a template of the shop's own) it is believed."""
        named = [status for status in self.statuses if status.product == reference]
        mine = named or [status for status in self.statuses if not status.product]
        return list(dict.fromkeys(Said(status.state, tuple(dict.fromkeys(status.days))) for status in mine))

    def data_of(self, *, link: str, sku: str) -> list[Said]:
        """What its JSON-LD says of a product. Raises ``Unreadable`` for JSON that is none."""
        found = [offer.said for block in self.blocks for offer in self._offers(block) if offer.is_about(link, sku)]
        return list(dict.fromkeys(found))

    def microdata(self) -> Said | None:
        """The first availability in the markup, which names no product; those further down are of products beside it."""
        return Said(_last_part(self.micro[0])) if self.micro else None

    def _offers(self, block: str) -> Iterator[Offer]:
        try:
            yield from offers_in(json.loads(block), base=self.url)
        except (ValueError, RecursionError):
            raise Unreadable("has a JSON-LD block that is no JSON") from None


@dataclass(frozen=True, slots=True)
class Offer:
    said: Said
    skus: frozenset[str]
    urls: frozenset[str]

    def is_about(self, link: str, sku: str) -> bool:
        """By its SKU where both name one, else by its address; an offer that names neither speaks of the page's product."""
        if self.skus and sku:
            return sku in self.skus
        return not self.urls or not self.urls.isdisjoint({link, link.partition("?")[0]})


def offers_in(node: Any, *, base: str, skus: frozenset[str] = frozenset(), urls: frozenset[str] = frozenset()) -> Any:
    """Every availability in a tree of JSON-LD, with the names of whatever stands around it; the nearest name counts."""
    if isinstance(node, list):
        for each in node:
            yield from offers_in(each, base=base, skus=skus, urls=urls)
    elif isinstance(node, Mapping):
        skus = _texts(node, "sku") or skus
        urls = frozenset(urldefrag(urljoin(base, url))[0] for url in _texts(node, "url", "@id")) or urls
        if word := _texts(node, "availability"):
            days = tuple(sorted(day[:10] for day in _texts(node, "availabilityStarts")))
            yield Offer(Said(_last_part(min(word)), days), skus, urls)
        for name, value in node.items():
            if name != "availability" and isinstance(value, (Mapping, list)):
                yield from offers_in(value, base=base, skus=skus, urls=urls)


def _texts(node: Mapping[str, Any], *names: str) -> frozenset[str]:
    """The texts under some names; ``{"@id": ...}`` is one as well."""
    values = [node.get(name) for name in names]
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    texts = [each.get("@id") if isinstance(each, Mapping) else each for each in flat]
    return frozenset(str(text) for text in texts if isinstance(text, (str, int)) and text != "")


def _last_part(word: str) -> str:
    return word.strip().rstrip("/").rpartition("/")[2]


# the feed

_G = "{http://base.google.com/ns/1.0}"


class Feed:
    """A merchant feed, whatever its order, in a table on disk that goes with the object."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("")  # a file of SQLite's own choice once it outgrows its cache
        self._table.execute("CREATE TABLE said (id TEXT PRIMARY KEY, word TEXT, day TEXT, is_known INTEGER DEFAULT 0)")

    def close(self) -> None:
        self._table.close()

    def read(self, pieces: Iterable[bytes]) -> None:
        """Raises ``Unreadable`` for what is no feed."""
        try:
            self._table.executemany("INSERT OR REPLACE INTO said (id, word, day) VALUES (?, ?, ?)", _items(pieces))
        except ParseError as problem:
            raise Unreadable(f"is no XML: {problem}") from None

    def says_of(self, key: str) -> Said | None:
        """What it says of an item, which is known from now on."""
        self._table.execute("UPDATE said SET is_known = 1 WHERE id = ?", [key])
        row = self._table.execute("SELECT word, day FROM said WHERE id = ?", [key]).fetchone()
        return Said(row[0], (row[1],) if row[1] else ()) if row else None

    def unknown(self) -> Iterator[tuple[str, Said]]:
        """Items that nobody asked for."""
        for key, word, day in self._table.execute("SELECT id, word, day FROM said WHERE is_known = 0 ORDER BY id"):
            yield key, Said(word, (day,) if day else ())


def _items(pieces: Iterable[bytes]) -> Iterator[tuple[str, str, str]]:
    """Item by item; what was read is forgotten at once."""
    parser: Any = XMLPullParser(["start", "end"])
    open_now: list[Element] = []
    for piece in pieces:
        parser.feed(piece)
        for event, element in parser.read_events():
            if event == "start":
                open_now.append(element)
                continue
            open_now.pop()
            if element.tag == "item":
                yield _text(element, "id"), _text(element, "availability"), _text(element, "availability_date")[:10]
                open_now[-1].remove(element)
    parser.close()


def _text(item: Element, name: str) -> str:
    return (item.findtext(f"{_G}{name}") or "").strip()


# what came back


def atom_keys(body: bytes) -> set[int]:
    """The arrivals that an Atom feed of ours tells of, by their keys. Raises ``Unreadable``."""
    parser: Any = XMLPullParser(["end"])
    try:
        parser.feed(body)
        parser.close()
        ids = [element.findtext(f"{_ATOM}id") for _, element in parser.read_events() if element.tag == f"{_ATOM}entry"]
    except ParseError as problem:
        raise Unreadable(f"is no XML: {problem}") from None
    return _keys(ids)


def json_keys(body: bytes) -> set[int]:
    """The same of a JSON Feed. Raises ``Unreadable``."""
    try:
        return _keys([each["id"] for each in json.loads(body)["items"]])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unreadable("is no JSON Feed") from None


_ATOM = "{http://www.w3.org/2005/Atom}"


def _keys(ids: Iterable[Any]) -> set[int]:
    """Of entries of ours: ``tag:shop.example,2026-03-02:backorders/restock/17``."""
    ends = (str(each).rpartition("backorders/restock/")[2] for each in ids)
    return {int(end) for end in ends if end.isascii() and end.isdigit()}


# the API


def answers_in(body: bytes) -> dict[str, Said]:
    """What the API says of many products, by reference. Raises ``Unreadable``."""
    try:
        results = json.loads(body)["results"]
        return {each["reference"]: _answer(each) for each in results}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unreadable("gave no answer of this API") from None


def _answer(told: Mapping[str, Any]) -> Said:
    """The window's last day; of a product that it does not know, the code of its refusal."""
    window = told.get("window")
    return Said(str(told.get("state") or told.get("code")), (window["latest"],) if window else ())
