"""Pages of the shop on which our tags stand, and pages of our own."""

import gzip
from pathlib import Path

import pytest

MOST_BYTES = 10_000
STATIC = Path(__file__).resolve().parents[2] / "backorders/static/backorders"

PAGES = {
    "home": "/",
    "list": "/c/outdoor/",
    "in-stock": "/p/hearth-kettle-15-l/?variant=HEARTH-SAGE",
    "backorder": "/p/moor-boots/?variant=MOOR-SIZE-42",
    "out-of-stock": "/p/ethiopia-guji-filter/",
    "delayed": "/p/wall-clock-30-cm/?variant=HOUR-SAGE",
    "preorder": "/p/letters-from-the-night-ferry/?variant=FERRY-SIGNED-HARDBACK",
    "made-to-order": "/p/milking-stool/",
    "discontinued": "/p/moka-pot/?variant=MOKA-9-CUPS",
}


WAYS = [*((name, mode) for name in PAGES for mode in ("desktop", "phone"))]
WAYS += [(name, mode) for name in ("list", "backorder", "discontinued") for mode in ("dark", "arabic")]


@pytest.mark.parametrize(("name", "mode"), WAYS)
def test_a_page_is_open_to_everybody(look, name, mode):
    view = look(mode)
    view.open(PAGES[name])
    assert view.troubles() == []
    view.picture(name)
    view.page.close()


@pytest.mark.parametrize("mode", ["phone", "dark"])
def test_our_own_page_asks_in_the_shops_clothes(look, mode):
    view = look(mode)
    view.open("/p/ethiopia-guji-filter/")
    reference = view.page.locator(".bo-subscribe input[name=product]").get_attribute("value")
    view.open(f"/backorders/subscribe/?product={reference}")
    assert view.page.locator("h1").inner_text() == "Ethiopia Guji, filter, 250 g"
    assert view.troubles() == []
    view.picture("ask")
    view.page.close()


def test_a_product_nobody_knows_is_a_page_with_a_way_on(view):
    view.open("/backorders/subscribe/?product=demo_shop.variant:0", status=404)
    assert view.page.locator("main .bo-link").count() == 1
    assert view.troubles() == []


def test_nothing_inline_may_run_and_nothing_inline_wants_to(view):
    for path in ("/states/", *PAGES.values()):
        policy = view.open(path).headers["content-security-policy"]
        kinds = view.page.locator("script").evaluate_all("all => all.map(e => e.type || new URL(e.src).pathname)")
        assert "default-src 'self'" in policy and "unsafe" not in policy
        assert set(kinds) <= {"application/ld+json", "/static/backorders/backorders.js"}
        assert view.page.locator("[style]").count() == 0
    assert view.complaints == []


def test_the_browser_would_have_said_so(view):
    view.open("/states/")
    with view.page.expect_console_message():
        view.page.evaluate("document.body.setAttribute('style', 'color: red')")
    assert "Content Security Policy" in " ".join(view.complaints)


def test_barriers_and_overflow_would_have_been_found(view):
    view.open("/states/")
    view.page.evaluate("document.querySelector('#low .order label').remove()")
    view.page.evaluate("document.querySelector('#low').classList.add('scene')")
    view.page.evaluate("document.querySelector('#low h2').textContent = 'x'.repeat(9000)")
    assert [line.partition(":")[0] for line in view.violations()] == ["label"]
    assert view.overflow()


def test_a_moving_box_would_have_been_seen(view):
    view.open(PAGES["out-of-stock"])
    view.page.evaluate("document.querySelector('.bo-status').before('late words '.repeat(90))")
    view.page.wait_for_function("window.shifts.length > 0")


def test_all_that_a_page_loads_of_ours_weighs_less_than_ten_kilobytes(view):
    loaded = {}
    ours = lambda answer: "/static/backorders/" in answer.url  # noqa: E731
    view.page.on("response", lambda answer: loaded.update({answer.url: answer.body()}) if ours(answer) else None)
    view.open("/states/")
    view.page.wait_for_load_state("networkidle")
    weight = sum(len(gzip.compress(body)) for body in loaded.values())
    assert len(loaded) == 2 and weight <= MOST_BYTES


def test_all_there_is_to_load_weighs_less_than_that_too():
    files = [file for file in STATIC.rglob("*") if file.is_file() and "admin" not in file.parts]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= MOST_BYTES
