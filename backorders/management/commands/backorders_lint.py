"""Compares what page, JSON-LD, feeds and API say of each product, and lists where they do not say the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import NoReverseMatch, reverse

from backorders.management.comparing import AT_A_TIME, FEED, PLACES, Comparison, Disagreement, Silent
from backorders.management.witnesses import Feed, InProcess, NotHere, OverNetwork, Unreadable, Web, patiently
from backorders.queries.listings import Listing, listings, listings_of, web_address
from backorders.shop import sellables

UNABLE = 2
"""Ends so when it could not look at all; with 1 when it looked, and found something."""


class Command(BaseCommand):
    help = (
        "Compares the availability and the date that each product's page, JSON-LD, merchant feed and API tell, "
        "what cached pages are told, and what came back according to the feeds of arrivals. "
        "Ends with 1 when any of them disagree, with 2 when it could not look."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("products", nargs="*", metavar="app.model:key", help="look at these only")
        parser.add_argument(
            "--url",
            metavar="https://...",
            help="ask this server, as strangers do, caches and all; without it pages are made in this process",
        )
        parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES), help="what is compared")
        parser.add_argument(
            "--feed",
            metavar="FILE or https://...",
            help="the feed to look at, where backorders.feed_urls is not included",
        )

    def handle(
        self,
        *args: Any,
        products: list[str],
        url: str | None = None,
        places: list[str] | None = None,
        feed: str | None = None,
        **options: Any,
    ) -> None:
        if not web_address("/"):
            raise CommandError("Pages are found by BACKORDERS['SITE_URL']. Set it first.", returncode=UNABLE)
        places, named = places or list(PLACES), self.named(products)
        web, told = self.web(url), Feed()
        try:
            has_feed = FEED in places and self.read(told, web, feed)
            comparison = Comparison(web, places, told if has_feed else None)
            wrong = 0
            for chunk in named or listings(size=AT_A_TIME):
                wrong += self.report(comparison.disagreements(chunk))
            only = {listing.reference for chunk in named for listing in chunk}
            wrong += self.report(comparison.arrivals(only=only))
            if has_feed and not products:
                wrong += self.report(unexpected(told))
        except Silent as problem:
            left = " ".join(place for place in places if place != problem.place)
            raise CommandError(f"{problem}. Leave it out with --places {left}.", returncode=UNABLE) from None
        finally:
            told.close()
        self.conclude(comparison, wrong)

    def named(self, references: list[str]) -> list[list[Listing]]:
        """The products asked for, in their order, some at a time."""
        found = sellables.find_all(references)
        unknown = [reference for reference in references if reference not in found]
        if unknown:
            known = ", ".join(sorted(sellables.by_label)) or "none yet"
            hint = f"Name visible products as app.model:key; SELLABLES has: {known}."
            raise CommandError(f"Not sold here: {', '.join(unknown)}. {hint}", returncode=UNABLE)
        all_found = listings_of(found[reference] for reference in dict.fromkeys(references))
        return [all_found[start : start + AT_A_TIME] for start in range(0, len(all_found), AT_A_TIME)]

    def web(self, url: str | None) -> Web:
        if url is None:
            return InProcess()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise CommandError(f"--url {url} is no web address. Write it as https://shop.example.", returncode=UNABLE)
        return OverNetwork(url)

    def read(self, told: Feed, web: Web, named: str | None) -> bool:
        """Is there a feed to compare with? Reads it."""
        try:
            address = named or web_address(reverse("backorders_feeds:merchant"))
        except NoReverseMatch:
            self.stdout.write("feed: not looked at, backorders.feed_urls is not included (name a file with --feed)")
            return False
        try:
            if urlsplit(address).scheme in ("http", "https"):
                told.read(patiently(web, address))
            else:
                with Path(address).open("rb") as file:
                    told.read(file)
        except (Unreadable, NotHere) as problem:
            raise CommandError(f"The feed at {address} {problem}.", returncode=UNABLE) from None
        except OSError as problem:
            raise CommandError(f"The feed {address} cannot be read: {problem.strerror}.", returncode=UNABLE) from None
        return True

    def report(self, found: Iterator[Disagreement] | list[Disagreement]) -> int:
        count = 0
        for each in found:
            count += 1
            where = f"  {each.where}" if each.where else ""
            self.stdout.write(f"{each.reference}  {each.place}: {each.says} | {each.against}: {each.we_say}{where}")
        return count

    def conclude(self, comparison: Comparison, wrong: int) -> None:
        for (place, why), count in comparison.skipped.items():
            self.stdout.write(f"{place}: {count} not looked at, {why}")
        summary = f"{comparison.compared} products compared, {wrong} disagreements."
        self.stdout.write(self.style.ERROR(summary) if wrong else self.style.SUCCESS(summary))
        if wrong:
            raise SystemExit(1)


def unexpected(told: Feed) -> Iterator[Disagreement]:
    """What the feed has and the shop does not show."""
    for key, said in told.unknown():
        yield Disagreement(reference=key, place=FEED, says=str(said), we_say="nothing: no visible product has this id")
