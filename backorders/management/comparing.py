"""Does each place say of a product what we say of it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from backorders.domain.availability import State
from backorders.domain.listings import LeftOut, agrees, merchant_word
from backorders.domain.windows import Window
from backorders.management.witnesses import (
    Feed,
    NotHere,
    Page,
    Said,
    Unreadable,
    Web,
    answers_in,
    atom_keys,
    json_keys,
    patiently,
    whole,
)
from backorders.queries.arrivals import arrivals, references_of
from backorders.queries.listings import Listing, listings_of, web_address
from backorders.shop import sellables

PAGE, JSONLD, FEED, API, NOW, ARRIVALS = PLACES = ("page", "jsonld", "feed", "api", "now", "arrivals")

AT_A_TIME = 40
"""Products asked for in one address of the API: some servers take no more than 4,000 characters."""

NOT_BACK = "nothing: it cannot be bought now"
NO_STATUS = "nothing: {% backorder_status %} is not on it"
NO_OFFER = "nothing: {% backorder_jsonld %} is not on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    reference: str
    place: str
    says: str
    we_say: str
    where: str = ""
    against: str = "we say"
    """Who says otherwise: we, or another place."""


class Silent(Exception):
    """A place that speaks of all products did not answer; nothing can be compared there."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(problem)
        self.place = place


class Comparison:
    """Asks all places about some products at a time and keeps no more than counts.

    ``skipped``: products not looked at, by place and reason.
    """

    def __init__(self, web: Web, places: Iterable[str], feed: Feed | None = None) -> None:
        self.web, self.places, self.feed = web, set(places), feed
        self.skipped: Counter[tuple[str, str]] = Counter()
        self.compared = 0

    def disagreements(self, listings: Sequence[Listing]) -> list[Disagreement]:
        """Whatever disagrees is looked at twice: a unit may have been sold between our look and the page's. Raises ``Silent``."""
        self.compared += len(listings)
        found = self._differences(listings, self.skipped)
        if not found:
            return []
        suspects = {each.reference for each in found}
        fresh = listings_of(sellables.find_all(sorted(suspects)).values())
        return self._differences(fresh, Counter())

    def _differences(self, listings: Sequence[Listing], skipped: Counter[tuple[str, str]]) -> list[Disagreement]:
        found: list[Disagreement] = []
        for listing in listings:
            page = self._page_of(listing, skipped) if {PAGE, JSONLD} & self.places else None
            mine = [*self._on_page(listing, page), *(_in_feed(listing, self.feed) if self.feed is not None else ())]
            if not mine and isinstance(page, Page) and self.feed is not None and JSONLD in self.places:
                mine += _between(listing, page, self.feed)
            found += mine
        return found + self._in_api(listings, skipped) + self._in_now(listings, skipped)

    # the page

    def _page_of(self, listing: Listing, skipped: Counter[tuple[str, str]]) -> Page | Unreadable | None:
        link = web_address(listing.described.url)
        if not link:
            skipped[PAGE, "the shop names no page"] += 1
            return None
        try:
            return Page(link, whole(patiently(self.web, link)).decode("utf-8", "replace"))
        except NotHere as problem:
            skipped[PAGE, str(problem)] += 1
            return None
        except Unreadable as problem:
            return problem

    def _on_page(self, listing: Listing, page: Page | Unreadable | None) -> Iterator[Disagreement]:
        link = web_address(listing.described.url)
        if isinstance(page, Unreadable):
            yield _differs(listing, PAGE, str(page), _for_people(listing), link)
        elif page is not None:
            if PAGE in self.places:
                yield from _said_to_people(listing, page, PAGE, link)
            if JSONLD in self.places:
                yield from _said_to_machines(listing, page, link)

    # the API

    def _in_api(self, listings: Sequence[Listing], skipped: Counter[tuple[str, str]]) -> list[Disagreement]:
        if API not in self.places or not listings:
            return []
        try:
            path = reverse("backorders:api-availability-list")
        except NoReverseMatch:
            skipped[API, "backorders.urls is not included"] += len(listings)
            return []
        url = web_address(f"{path}?{urlencode([('product', listing.reference) for listing in listings])}")
        try:
            answers = answers_in(whole(patiently(self.web, url)))
        except (Unreadable, NotHere) as problem:
            raise Silent(API, f"The API at {url.partition('?')[0]} {problem}") from None
        found = []
        for listing in listings:
            ours = _for_programs(listing)
            if (theirs := answers.get(listing.reference)) != ours:
                found.append(_differs(listing, API, theirs or "nothing", ours))
        return found

    # what cached pages are told

    def _in_now(self, listings: Sequence[Listing], skipped: Counter[tuple[str, str]]) -> list[Disagreement]:
        if NOW not in self.places or not listings:
            return []
        try:
            path = reverse("backorders:now")
        except NoReverseMatch:
            skipped[NOW, "backorders.urls is not included"] += len(listings)
            return []
        url = web_address(f"{path}?{urlencode([('of', f'status|||{listing.reference}') for listing in listings])}")
        try:
            answer = Page(url, whole(patiently(self.web, url)).decode("utf-8", "replace"))
        except (Unreadable, NotHere) as problem:
            raise Silent(NOW, f"{url.partition('?')[0]} {problem}") from None
        return [each for listing in listings for each in _said_to_people(listing, answer, NOW)]

    # what came back

    def arrivals(self, *, only: Iterable[str] = ()) -> list[Disagreement]:
        """What the two feeds of arrivals tell of and cannot be bought now, and the other way round. Raises ``Silent``.

        ``only``: references to which this is limited, where there are any.
        """
        found = self._arrivals(set(only), self.skipped)
        return self._arrivals(set(only), Counter()) if found else []

    def _arrivals(self, only: set[str], skipped: Counter[tuple[str, str]]) -> list[Disagreement]:
        if ARRIVALS not in self.places:
            return []
        found = []
        for name, keys_in in (("arrivals-atom", atom_keys), ("arrivals-json", json_keys)):
            try:
                url = web_address(reverse(f"backorders_feeds:{name}"))
            except NoReverseMatch:
                skipped[ARRIVALS, "backorders.feed_urls is not included"] += 1
                continue
            try:
                theirs = keys_in(whole(patiently(self.web, url)))
            except (Unreadable, NotHere) as problem:
                raise Silent(ARRIVALS, f"The feed at {url} {problem}") from None
            found += [each for each in _arrived(theirs, url) if not only or each.reference in only]
        return found


def _arrived(theirs: set[int], url: str) -> Iterator[Disagreement]:
    ours = {arrival.key: arrival.availability.state.value for arrival in arrivals()}
    names = references_of(theirs ^ ours.keys())
    for key in sorted(theirs ^ ours.keys()):
        says, we_say = ("it is back", NOT_BACK) if key in theirs else ("nothing", f"it is back, {ours[key]}")
        yield Disagreement(
            reference=names.get(key, f"restock {key}"), place=ARRIVALS, says=says, we_say=we_say, where=url
        )


def _differs(listing: Listing, place: str, says: Said | str, ours: Said | str, where: str = "") -> Disagreement:
    return Disagreement(reference=listing.reference, place=place, says=str(says), we_say=str(ours), where=where)


# what we say


def _days(day: object) -> tuple[str, ...]:
    return () if day is None else (str(day),)


def _for_people(listing: Listing) -> Said:
    return Said(listing.availability.state.value, _days(listing.day))


def _for_machines(listing: Listing) -> Said:
    return Said(listing.word, _days(listing.day))


def _for_programs(listing: Listing) -> Said:
    """The API tells the window itself, and programs choose their words."""
    window = listing.availability.window
    return Said(listing.availability.state.value, _days(window.latest if isinstance(window, Window) else None))


# what they say


def _said_to_people(listing: Listing, page: Page, place: str, link: str = "") -> Iterator[Disagreement]:
    ours, theirs = _for_people(listing), page.says_of(listing.reference)
    if not theirs:
        yield _differs(listing, place, NO_STATUS if place == PAGE else "nothing", ours, link)
    for said in theirs:
        if not _is_as_true(said, ours):
            yield _differs(listing, place, said, ours, link)


def _is_as_true(said: Said, ours: Said) -> bool:
    """The page may name a month, or beside our day another one: of the release, or of the opening."""
    if said.word != ours.word:
        return False
    if ours.days:
        return ours.days[0] in said.days or ours.days[0][:7] in said.days
    return not said.days or said.word in (State.PREORDER, State.COMING_SOON)


def _said_to_machines(listing: Listing, page: Page, link: str) -> Iterator[Disagreement]:
    ours = _for_machines(listing)
    try:
        theirs = page.data_of(link=link, sku=listing.described.sku)
    except Unreadable as problem:
        yield _differs(listing, JSONLD, str(problem), ours, link)
        return
    micro = page.microdata()
    if not theirs and micro is None:
        yield _differs(listing, JSONLD, NO_OFFER, ours, link)
    for said in theirs:
        if said.days != ours.days or not _is_true_of(said.word, listing):
            yield _differs(listing, JSONLD, said, ours, link)
    if micro and not _is_true_of(micro.word, listing):
        yield _differs(listing, JSONLD, f"{micro} (microdata)", ours, link)


def _is_true_of(word: str, listing: Listing) -> bool:
    """Where no day is known, the state's own word is legal; the feed beside it may forbid it (see ``_between``)."""
    return agrees(word, expected=listing.word) or agrees(word, expected=listing.state_word)


def _between(listing: Listing, page: Page, feed: Feed) -> Iterator[Disagreement]:
    """Google reads both: each may be true, and the two still say different things."""
    theirs = feed.says_of(listing.id)
    link = web_address(listing.described.url)
    for said in page.data_of(link=link, sku=listing.described.sku) if theirs else ():
        word = merchant_word(said.word)
        if word is not None and theirs is not None and (word.value != theirs.word or _days_differ(said, theirs)):
            yield replace(_differs(listing, JSONLD, said, theirs, link), against=FEED)


def _days_differ(one: Said, other: Said) -> bool:
    """The feed names no day of what cannot be ordered, where JSON-LD may."""
    return bool(one.days and other.days and one.days != other.days)


def _in_feed(listing: Listing, feed: Feed) -> Iterator[Disagreement]:
    statement, theirs = listing.statement, feed.says_of(listing.id)
    if isinstance(statement, LeftOut):
        if theirs is not None:
            yield _differs(listing, FEED, theirs, f"nothing, because {statement}")
        return
    ours = Said(statement.word.value, _days(statement.day))
    if theirs != ours:
        yield _differs(listing, FEED, theirs or "nothing", ours)
