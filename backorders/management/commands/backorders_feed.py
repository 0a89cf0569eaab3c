"""Writes the merchant feed into a file, for shops whose web server hands it out, and says what is not in it and why."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from backorders.domain.listings import LeftOut
from backorders.queries.listings import Listing, Tally, web_address
from backorders.shop import sellables
from backorders.storefront.listings import merchant_feed


class Command(BaseCommand):
    help = (
        "Writes the feed for Google Merchant Center: the same as the page merchant.xml. What became of the products, and why some "
        "are left out, is told on the error stream; with -v 2 of each one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "-o", "--output", metavar="FILE", help="replaced once the feed is whole; else it is printed"
        )
        parser.add_argument("--language", help="one of LANGUAGES, instead of the shop's own")

    def handle(
        self, *args: Any, output: str | None = None, language: str | None = None, verbosity: int = 1, **options: Any
    ) -> None:
        if not web_address("/"):
            raise CommandError("Links need BACKORDERS['SITE_URL'], such as 'https://shop.example'. Set it first.")
        if not list(sellables):
            raise CommandError("BACKORDERS['SELLABLES'] names nothing to sell. Run `manage.py backorders_init`.")
        if language and language not in dict(settings.LANGUAGES):
            raise CommandError(f"{language!r} is not in LANGUAGES: {', '.join(dict(settings.LANGUAGES))}.")
        tally = Tally()
        pieces = merchant_feed(tally, language=language or "", heed=self.tell if verbosity > 1 else None)
        if output:
            with replacing(Path(output)) as file:
                file.writelines(pieces)
        else:
            for piece in pieces:
                self.stdout.write(piece, ending="")
        for line in tally.lines(with_examples=verbosity == 1):
            self.stderr.write(line, self.style.NOTICE)

    def tell(self, listing: Listing) -> None:
        if isinstance(listing.statement, LeftOut):
            self.stderr.write(f"{listing.reference} left out: {listing.statement}", self.style.NOTICE)


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of another once it is whole, so that nobody ever fetches half a feed."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as problem:
        raise CommandError(f"{path} cannot be written: {problem.strerror}.") from None
    try:
        with open(handle, "w", encoding="utf-8") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp's own mode would keep the web server out
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
