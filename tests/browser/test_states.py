"""Every state a product can be in, in every way of looking at it: on the page of all states, and on its own."""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.browser.conftest import EVERY_WAY

DAY = r"[A-Z][a-z]{2} \d+( – ([A-Z][a-z]{2} )?\d+)?(, \d{4})?"
SHOP_ZONE = ZoneInfo("Europe/Brussels")


@dataclass(frozen=True)
class Seen:
    """What somebody reads of a state in English. ``line`` is a pattern; ``form``: may one ask to be told?"""

    badge: str
    line: str
    button: str = ""
    form: str = ""


SOON = "Tell me when it is really here"
BACK = "Tell me when it is back"
STATES = {
    "in-stock": Seen("In stock", "", "Add to basket"),
    "low": Seen("Only 2 left", r"More expected .+", "Add to basket"),
    "backorder-firm": Seen("On backorder", rf"Ships by ({DAY}|the (middle|end) of \w+( \d+)?)", "Backorder now", SOON),
    "backorder-estimate": Seen("On backorder", r"Expected to ship by .+", "Backorder now", SOON),
    "backorder-without-date": Seen("On backorder", r"We do not know yet when it ships\.", "Backorder now", SOON),
    "made-to-order": Seen("Made to order", r"Made for you\. Expected to ship by .+", "Order now"),
    "all-reserved": Seen("All reserved", r"All that can be ordered ahead is taken\. Expected back .+", "", BACK),
    "preorder": Seen("Pre-order", r"Out on \w+ \d+, \d{4}\. Ships .+", "Pre-order now", SOON),
    "coming-soon": Seen("Coming soon", r"Out on \w+ \d+, \d{4}\.", "", "Tell me when it is here"),
    "announced": Seen("Coming soon", r"The date will be announced\.", "", "Tell me when it is here"),
    "out-with-date": Seen("Out of stock", r"Expected back .+", "", BACK),
    "out-without-date": Seen("Out of stock", r"We do not know yet when it comes back\.", "", BACK),
    "delayed": Seen("Out of stock, delayed", r"The delivery is late, and no new date is confirmed yet\.", "", BACK),
    "delayed-backorder": Seen(
        "On backorder, delayed", r"The delivery is late, and no new date is confirmed yet\.", "Backorder now", SOON
    ),
    "discontinued": Seen("No longer made", ""),
    "mixed": Seen("Out of stock", r"Expected back .+", "", BACK),
}
every_way = pytest.mark.parametrize("mode", EVERY_WAY)
every_state = pytest.mark.parametrize("state", STATES)


@pytest.fixture(scope="module")
def gallery(look):
    """The page of all states, opened once for each way of looking."""
    opened = {}

    def show(mode):
        if mode not in opened:
            opened[mode] = look(mode)
            opened[mode].open("/states/")
            opened[mode].moved = opened[mode].shifts()
            opened[mode].picture("states")
        return opened[mode]

    yield show
    for view in opened.values():
        view.page.close()


@pytest.fixture
def folded(gallery):
    """That page as it comes, with the forms that are folded away still folded."""

    def show(mode):
        view = gallery(mode)
        view.page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = false)")
        return view

    return show


@pytest.fixture
def unfolded(gallery):
    """The same with every form open."""

    def show(mode):
        unfold(gallery(mode))
        return gallery(mode)

    return show


def unfold(view):
    """Open all that is folded, and say whether there was anything."""
    return view.page.evaluate("""() => { const folded = document.querySelectorAll("main details:not([open])");
        folded.forEach(each => each.open = true); return folded.length > 0; }""")


def words(section, selector):
    """What is to be read there; nothing where it is hidden, as what one orders with is until it can be ordered."""
    found = section.locator(selector).filter(visible=True)
    return " ".join(found.first.inner_text().split()) if found.count() else ""


def assert_it_says_what_it_is(section, state, mode):
    """What it is, when it comes, and what to press."""
    status, expected = section.locator(".bo-status"), STATES[state]
    has = (bool(words(section, ".order button")), bool(words(section, ".bo-subscribe h2")))
    assert has == (bool(expected.button), bool(expected.form))
    assert status.locator(".bo-badge svg").count() == 1  # never by colour alone
    if mode != "arabic":
        assert words(status, ".bo-badge") == expected.badge
        assert re.fullmatch(expected.line, words(status, ".bo-line"))
        assert words(section, ".order button") == expected.button
        assert words(section, ".bo-subscribe h2") == expected.form


@every_way
@every_state
def test_a_state_says_what_it_is_when_it_comes_and_what_to_press(gallery, mode, state):
    assert_it_says_what_it_is(gallery(mode).page.locator(f"#{state}"), state, mode)


@every_way
@every_state
def test_its_own_page_says_the_same_and_is_open_to_everybody_folded_and_unfolded(gallery, at, mode, state):
    view = at(mode)
    view.open(gallery(mode).page.locator(f"#{state} .thing a.name").get_attribute("href"))
    assert_it_says_what_it_is(view.page.locator(".buy"), state, mode)
    assert view.troubles() == []
    view.picture(f"state-{state}")
    if unfold(view):
        assert [*view.violations(within="main"), *view.overflow()] == []


@every_way
def test_every_date_can_be_read_by_machines_and_lies_ahead(gallery, mode):
    """By the shop's own calendar; of a month or a year it is that which is not over."""
    today = datetime.now(SHOP_ZONE).date().isoformat()
    days = gallery(mode).page.locator(".states time").evaluate_all("all => all.map(e => e.dateTime)")
    assert len(days) > 8
    assert [day for day in days if not re.fullmatch(r"\d{4}-\d\d(-\d\d)?", day)] == []
    assert [day for day in days if day < today[: len(day)]] == []


@every_way
def test_nothing_is_a_dead_end(gallery, mode):
    for section in gallery(mode).page.locator(".state").all():
        ways_on = ".order button, .bo-subscribe button, .bo-alternatives a"
        assert section.locator(ways_on).count(), section.get_attribute("id")


@every_way
def test_nobody_is_kept_out_of_any_state(folded, mode):
    assert folded(mode).violations() == []


@every_way
def test_nobody_is_kept_out_by_what_is_folded_neither(unfolded, mode):
    assert unfolded(mode).violations(within="main") == []


@every_way
def test_nothing_sticks_out_of_the_window(unfolded, mode):
    assert unfolded(mode).overflow() == []


def test_nothing_sticks_out_of_the_narrowest_window_nor_of_a_magnified_one(look):
    view = look("phone")
    view.page.set_viewport_size({"width": 320, "height": 640})  # 1280 pixels at 400 %
    view.open("/states/")
    assert view.overflow() == []
    view.page.close()


@every_way
def test_nothing_moves_by_itself(gallery, mode):
    assert gallery(mode).moved == []


@every_way
def test_the_browser_has_nothing_to_complain_about(gallery, mode):
    assert gallery(mode).complaints == []


def test_arabic_runs_from_right_to_left(gallery):
    page = gallery("arabic").page
    box = page.locator("#low .bo-status").bounding_box()
    badge = page.locator("#low .bo-status .bo-badge").bounding_box()
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert box["x"] + box["width"] - (badge["x"] + badge["width"]) < 40  # begins at the right edge


def test_the_button_that_unfolds_a_form_stands_in_one_line(gallery):
    page = gallery("desktop").page
    lines = page.locator(".bo-fold .bo-heading span").evaluate_all("""all => all.map(e => {
        const words = document.createRange(); words.selectNodeContents(e); return words.getClientRects().length; })""")
    assert set(lines) == {1}


def test_sizes_are_told_apart(gallery):
    sizes = gallery("desktop").page.locator("#mixed .sizes li").all_inner_texts()
    said = [" ".join(size.split()) for size in sizes]
    assert said[:2] == ["Size 40 Only 2 left", "Size 41 In stock"]
    assert re.fullmatch(r"Size 42 On backorder Ships by .+", said[2])
    assert re.fullmatch(r"Size 43 Out of stock Expected back .+", said[3])
