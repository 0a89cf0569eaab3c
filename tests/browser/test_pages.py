"""Pages of the shop on which our tags stand, and pages of our own."""

import gzip
from pathlib import Path

import pytest

MOST_BYTES = 10_000
STATIC = Path(__file__).resolve().parents[2] / "backorders/static/backorders"

PAGES = {
    "home": "/",
    "departments": "/c/",
    "category": "/c/outdoor/",
    "search": "/search/?q=lamp&sort=price",
    "search-in-vain": "/search/?q=zeppelin",
    "made-to-order": "/p/milking-stool/",
    "preorder-signed": "/p/letters-from-the-night-ferry/?variant=FERRY-SIGNED-HARDBACK",
    "login": "/account/login/",
    "register": "/account/register/",
    "warehouse": "/warehouse/",
    "shelf": "/warehouse/FORGE-28-CM/",
    "inbox": "/inbox/",
}
BEHIND_A_MAIL = {
    "confirm": ("confirm", "confirm"),
    "manage": ("back", "manage"),
    "leave": ("back", "leave"),
    "hold": ("held", "hold"),
    "order": ("placed", "orders"),
    "line": ("placed", "lines"),
    "line-moved": ("moved", "lines"),
}
"""Who got the mail (see letters.py), and which of its links is followed."""

OF_A_CUSTOMER = {"account": "/account/", "mine": "/backorders/mine/"}
CUT_OFF = {
    "no-page": "/nowhere/",
    "no-product": "/backorders/subscribe/?product=demo_shop.variant:0",
    "no-line": "/backorders/lines/cut-off/",
    "no-link": "/backorders/confirm/cut-off/",
}
WAYS = ("desktop", "phone", "dark", "arabic")
every_way = pytest.mark.parametrize("mode", WAYS)


@pytest.fixture(scope="session")
def anna(browser, shop):
    """The cookies of a customer who waits for this and that."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{shop}/account/login/")
    with page.expect_navigation():
        page.locator("form:has(input[value='anna@example.com']) button").click()
    yield context.cookies()
    context.close()


def assert_open_to_everybody(view, name):
    assert view.inline() == []
    assert view.troubles() == []
    view.picture(name)


def language_of(mode):
    return "ar" if mode == "arabic" else "en"


@every_way
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_open_to_everybody(at, name, mode):
    view = at(mode)
    view.open(PAGES[name])
    assert_open_to_everybody(view, name)


@every_way
@pytest.mark.parametrize("name", BEHIND_A_MAIL)
def test_so_is_the_page_behind_a_link_of_a_mail(at, post, name, mode):
    view, (who, door) = at(mode), BEHIND_A_MAIL[name]
    view.open(post.link(f"{who}-{language_of(mode)}@example.com", door, at_least=2 if who == "moved" else 1))
    assert_open_to_everybody(view, name)


@every_way
def test_so_is_the_page_that_takes_a_line_back(at, post, mode):
    view = at(mode)
    view.open(post.link(f"placed-{language_of(mode)}@example.com", "lines") + "cancel/")
    assert view.page.locator("main form button").count() == 1
    assert_open_to_everybody(view, "line-cancel")


@every_way
def test_so_is_the_mail_itself(at, post, mode):
    view = at(mode)
    [mail] = post.mails(f"placed-{language_of(mode)}@example.com")
    for part in ("html", "dark", "text", "files", "headers"):
        view.open(f"{mail}?part={part}")
        assert_open_to_everybody(view, f"mail-{part}")


@every_way
def test_so_is_the_page_that_asks_whether_an_address_is_somebodys(at, post, mode):
    view = at(mode)
    view.open(post.link("ben@example.com", "verify"))
    assert_open_to_everybody(view, "verify")


@every_way
@pytest.mark.parametrize("name", OF_A_CUSTOMER)
def test_so_is_a_page_of_a_customer(at, anna, name, mode):
    view = at(mode)
    view.page.context.add_cookies(anna)
    view.open(OF_A_CUSTOMER[name])
    assert view.page.locator("main > section, .bo-own-list").count() == 2
    assert_open_to_everybody(view, name)


@every_way
def test_so_is_our_own_page_that_asks_in_the_shops_clothes(at, mode):
    view = at(mode)
    view.open("/p/ethiopia-guji-filter/")
    reference = view.page.locator(".bo-subscribe input[name=product]").get_attribute("value")
    view.open(f"/backorders/subscribe/?product={reference}")
    name = {"arabic": "إثيوبيا غوجي، للترشيح، 250 g"}.get(mode, "Ethiopia Guji, filter, 250 g")
    assert view.page.locator("h1").inner_text() == name
    assert_open_to_everybody(view, "ask")


@every_way
def test_so_is_a_form_that_was_open_for_too_long(at, mode):
    view = at(mode)
    view.open("/p/hearth-kettle-15-l/?variant=HEARTH-SAGE")
    view.page.context.clear_cookies()
    view.press(view.page.locator("form.order button"))
    assert view.page.locator("main .bo-button").count() == 1
    assert_open_to_everybody(view, "stale")


@every_way
@pytest.mark.parametrize("name", CUT_OFF)
def test_so_is_an_address_that_leads_nowhere_and_it_has_a_way_on(at, name, mode):
    view = at(mode)
    view.open(CUT_OFF[name], status=404)
    assert view.page.locator("main a").count() == 1
    assert_open_to_everybody(view, name)


@pytest.mark.parametrize("path", ["/states/", "/", "/p/milking-stool/", "/basket/", "/backorders/lines/cut-off/"])
def test_nothing_inline_may_run_and_one_script_does(view, path):
    policy = view.page.goto(view.shop + path).headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    loaded = view.page.locator("script[src]").evaluate_all("all => all.map(e => new URL(e.src).pathname)")
    assert loaded == ["/static/backorders/backorders.js"]
    assert view.inline() == []


def test_the_browser_would_have_said_so(view):
    view.open("/states/")
    with view.page.expect_console_message():
        view.page.evaluate("document.body.setAttribute('style', 'color: red')")
    assert "Content Security Policy" in " ".join(view.complaints)


with_and_without_script = pytest.mark.parametrize("mode", ["desktop", "no_script"])


@with_and_without_script
def test_barriers_and_overflow_would_have_been_found(at, mode):
    view = at(mode)
    view.is_on_record = False
    view.open("/states/")
    view.page.evaluate("document.querySelector('#low .order label').remove()")
    view.page.evaluate("document.querySelector('#low').classList.add('scene')")
    view.page.evaluate("document.querySelector('#low h2').textContent = 'x'.repeat(9000)")
    assert [line.partition(":")[0] for line in view.violations()] == ["label"]
    assert view.overflow()


@with_and_without_script
def test_a_moving_box_would_have_been_seen(at, mode):
    view = at(mode)
    view.open("/p/ethiopia-guji-filter/")
    view.page.evaluate("document.querySelector('.bo-status').before('late words '.repeat(90))")
    for _ in range(100):  # until the browser gets to drawing it
        if view.shifts():
            return
    raise AssertionError("nothing was seen")


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
