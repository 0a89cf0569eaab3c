"""What was looked at, one line a page, and the sheet and the table that are made of it when all is over.

Two processes look at pages and append to the same file; whatever stops them, what they saw until then is on record.
"""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

RECORD, SHEET = "looked.jsonl", "index.html"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One page in one way of looking. ``rules``: how many axe ran on it, ``broken`` how many were; ``shift``: the sum of its layout shifts, ``ours`` of those of our elements."""

    page: str
    way: str
    rules: int = 0
    broken: int = 0
    shift: float = 0.0
    ours: float = 0.0
    picture: str = ""

    def note(self, folder: Path) -> None:
        with (folder / RECORD).open("a") as record:
            record.write(json.dumps(asdict(self)) + "\n")


def noted(folder: Path) -> list[Looked]:
    record = folder / RECORD
    return [Looked(**json.loads(line)) for line in record.read_text().splitlines()] if record.exists() else []


def table(looked: list[Looked]) -> str:
    """Which pages, in which ways, and what was found: a row for each way of looking, and one for all. Of layout shifts (CLS) the worst page's."""
    by_way = defaultdict(list)
    for each in looked:
        by_way[each.way].append(each)
    rows = [("way of looking", "pages", "axe runs", "axe rules run", "violations", "CLS", "CLS of ours", "pictures")]
    rows += [_row(way, seen) for way, seen in by_way.items()]
    rows.append(_row("all", looked))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(way: str, seen: list[Looked]) -> tuple[str, ...]:
    runs = [each for each in seen if each.rules]
    return (
        way,
        str(len({(each.page, each.way) for each in seen})),
        str(len(runs)),
        f"{sum(each.rules for each in runs):,}",
        str(sum(each.broken for each in runs)),
        f"{max((each.shift for each in seen), default=0):.3f}",
        f"{max((each.ours for each in seen), default=0):.3f}",
        str(len({each.picture for each in seen} - {""})),
    )


def draw_sheet(folder: Path, looked: list[Looked]) -> None:
    """All pictures on one page, those of one thing beside each other."""
    by_name = defaultdict(list)
    for each in looked:
        if each.picture:
            by_name[each.picture.rpartition("-")[0]].append(each)
    figures = "".join(
        f"<h2>{escape(name)}</h2><p>" + "".join(_thumbnail(each) for each in by_name[name]) for name in sorted(by_name)
    )
    (folder / SHEET).write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>What was looked at</title><style>{LOOK}</style>'
        f"<h1>What was looked at</h1><pre>{escape(table(looked))}</pre>{figures}"
    )


LOOK = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem}p{display:flex;gap:1rem;flex-wrap:wrap}"
    "a{display:grid;width:15rem}img{width:100%;height:20rem;object-fit:contain;object-position:top;border:1px solid #999}"
)


def _thumbnail(each: Looked) -> str:
    address = escape(each.picture)
    return f'<a href="{address}"><img loading="lazy" src="{address}" alt="">{escape(each.way)}</a>'
