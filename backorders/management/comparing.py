"""Does each place say of a product what we say of it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from backorders.domain.availability import State
from backorders.domain.listings import LeftOut, agrees
from backorders.domain.windows import Window
from backorders.management.witnesses import Feed, NotHere, Page, Said, Unreadable, Web, answers_in, patiently, whole
from backorders.queries.listings import Listing, listings_of, web_address
from backorders.shop import sellables

PAGE, JSONLD, FEED, API = PLACES = ("page", "jsonld", "feed", "api")

AT_A_TIME = 40
"""Products asked for in one address of the API: some servers take no more than 4,000 characters."""

NO_STATUS = "nothing: {% backorder_status %} is not on it"
NO_OFFER = "nothing: {% backorder_jsonld %} is not on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    reference: str
    place: str
    says: str
    we_say: str
    where: str = ""


class Silent(Exception):
    """A place that speaks of all products did not answer; nothing can be compared there."""


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
            if {PAGE, JSONLD} & self.places:
                found += self._on_page(listing, skipped)
            if self.feed is not None:
                found += _in_feed(listing, self.feed)
        return found + self._in_api(listings, skipped)

    # the page

    def _on_page(self, listing: Listing, skipped: Counter[tuple[str, str]]) -> Iterator[Disagreement]:
        link = web_address(listing.described.url)
        if not link:
            skipped[PAGE, "the shop names no page"] += 1
            return
        try:
            page = Page(link, whole(patiently(self.web, link)).decode("utf-8", "replace"))
        except NotHere as problem:
            skipped[PAGE, str(problem)] += 1
            return
        except Unreadable as problem:
            yield _differs(listing, PAGE, str(problem), _for_people(listing), link)
            return
        if PAGE in self.places:
            yield from _said_to_people(listing, page, link)
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
            raise Silent(f"The API at {url.partition('?')[0]} {problem}") from None
        found = []
        for listing in listings:
            ours = _for_programs(listing)
            if (theirs := answers.get(listing.reference)) != ours:
                found.append(_differs(listing, API, theirs or "nothing", ours))
        return found


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


def _said_to_people(listing: Listing, page: Page, link: str) -> Iterator[Disagreement]:
    ours, theirs = _for_people(listing), page.says_of(listing.reference)
    if not theirs:
        yield _differs(listing, PAGE, NO_STATUS, ours, link)
    for said in theirs:
        if not _is_as_true(said, ours):
            yield _differs(listing, PAGE, said, ours, link)


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
        if said.days != ours.days or not agrees(said.word, expected=ours.word):
            yield _differs(listing, JSONLD, said, ours, link)
    if micro and not agrees(micro.word, expected=ours.word):
        yield _differs(listing, JSONLD, f"{micro} (microdata)", ours, link)


def _in_feed(listing: Listing, feed: Feed) -> Iterator[Disagreement]:
    statement, theirs = listing.statement, feed.says_of(listing.id)
    if isinstance(statement, LeftOut):
        if theirs is not None:
            yield _differs(listing, FEED, theirs, f"nothing, because {statement}")
        return
    ours = Said(statement.word.value, _days(statement.day))
    if theirs != ours:
        yield _differs(listing, FEED, theirs or "nothing", ours)
