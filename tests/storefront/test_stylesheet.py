"""The one style sheet and the one script: small, in a layer of their own, and the same from right to left."""

import gzip
import re
from pathlib import Path

import backorders

STATIC = Path(backorders.__file__).parent / "static/backorders"
CSS = re.sub(r"/\*.*?\*/", "", (STATIC / "backorders.css").read_text(encoding="utf-8"), flags=re.S)
SCRIPT = (STATIC / "backorders.js").read_text(encoding="utf-8")

PHYSICAL = re.compile(
    r"[;{\s](?:(?:margin|padding|border|inset|scroll-margin)-(?:left|right|top|bottom)[\w-]*|left|right|top|bottom|"
    r"(?:min-|max-)?(?:width|height)|float)\s*:|:\s*(?:left|right)\b"
)


def declared():
    return set(re.findall(r"(--bo-[\w-]+)\s*:", CSS))


def test_all_of_it_stands_in_one_layer_so_that_any_rule_of_the_shop_wins():
    assert re.findall(r"@layer[^{;]*[{;]", CSS) == ["@layer backorders {"]
    assert re.fullmatch(r"\s*@layer backorders \{.*\}\s*", CSS, re.S)
    depths = [depth for depth in _depths(CSS.strip())[:-1] if depth <= 0]
    assert depths == []  # the layer closes with the last sign of the file
    assert "!important" not in CSS and "@import" not in CSS and "url(" not in CSS


def _depths(text):
    """How many braces are open after each brace."""
    depth, found = 0, []
    for sign in re.findall("[{}]", text):
        depth += 1 if sign == "{" else -1
        found.append(depth)
    return found


def test_it_knows_no_left_and_no_right():
    assert PHYSICAL.findall(re.sub(r"text-underline-offset|inset: 0", "", CSS)) == []
    assert PHYSICAL.findall("a { margin-left: 1px }") and PHYSICAL.findall("a { text-align: right }")


def test_it_touches_nothing_but_ours():
    selectors = re.findall(r"(?:^|[{};])\s*([^@{};]+?)\s*\{", CSS)
    ours = re.compile(r"\.bo\b|\.bo-|backorders-status|\[data-bo-scheme|:root")
    assert len(selectors) > 50
    assert [one for whole in selectors for one in re.split(r",(?![^(]*\))", whole) if not ours.search(one)] == []


def test_every_colour_can_be_changed_by_the_shop_and_each_has_a_dark_side():
    used = set(re.findall(r"var\((--bo-[\w-]+)", CSS))
    assert used <= declared()
    colours = re.findall(r"#[0-9a-f]{3,6}\b", CSS.partition("[data-bo-scheme")[2])
    assert colours == []  # all of them are said once, at the top
    light, _, both = CSS.partition("@supports")[0], *CSS.partition("@supports")[1:]
    first = {name for name in re.findall(r"(--bo-[\w-]+):", light) if name != "--bo-round"}
    assert first == set(re.findall(r"(--bo-[\w-]+): light-dark\(", both))


def test_it_is_small():
    assert len(gzip.compress(CSS.encode(), 9)) < 3_000
    assert len(gzip.compress(SCRIPT.encode(), 9)) < 3_600


def test_the_script_builds_no_code_and_no_markup_of_its_own():
    assert not re.search(
        r"\beval\b|new Function|innerHTML\s*=[^=]|insertAdjacentHTML|document\.write|https?://", SCRIPT
    )
