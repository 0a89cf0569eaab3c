"""A page that a cache kept tells yesterday's state and carries somebody else's token: our script puts both right."""

import re
from dataclasses import dataclass, field

import pytest

from tests.browser.conftest import View

SOLD_OUT = "/p/ethiopia-guji-filter/?variant=GUJI-1-KG"
STATUS = re.compile(r'(<backorders-status [^>]*part="status"[^>]*>).*?(</backorders-status>)', re.S)
TOKEN = re.compile(r'(name="csrfmiddlewaretoken" value=)"\w+"')
YESTERDAY = (
    '<div class="bo bo-status bo-good" data-state="in_stock">'
    '<p class="bo-row"><span class="bo-badge bo-good"><span>In stock</span></span></p></div>'
)


def behind_a_cache(view):
    """What it has of the page is old."""
    fresh = view.page.request.get(view.shop + SOLD_OUT)
    old = STATUS.sub(rf"\1{YESTERDAY}\2", TOKEN.sub(rf'\1"{"x" * 64}"', fresh.text()))
    assert old.count("x" * 64) > 1 and old.count(YESTERDAY) == 1
    answer = {"body": old, "headers": fresh.headers}
    view.page.route("**/p/ethiopia-guji-filter/**", lambda route: route.fulfill(**answer))
    return view


@pytest.fixture
def kept(view):
    return behind_a_cache(view)


def status(view):
    return view.page.locator(".buy .bo-status .bo-badge").first


def type_address(view, address):
    view.page.locator(".bo-subscribe input[name=email]").fill(address)
    view.page.keyboard.press("Enter")


@pytest.mark.parametrize("mode", ["desktop", "phone"])
def test_it_is_put_right_in_place_and_said_aloud_and_nothing_jumps(look, mode):
    kept, asked = behind_a_cache(look(mode)), []
    kept.page.set_viewport_size(kept.page.viewport_size | {"height": 1400})  # all that could jump is in sight
    kept.page.on("request", lambda request: asked.append(request.url) if "/backorders/now/" in request.url else None)
    kept.open(SOLD_OUT)
    kept.page.locator(".buy .bo-status[data-state=out_of_stock]").wait_for()

    assert status(kept).inner_text() == "Out of stock"
    assert kept.page.locator("body > .bo-trap").inner_text().startswith("Out of stock")
    box = kept.page.locator(".buy .bo-status")
    assert len(asked) == 1  # however many products are on the page
    assert kept.troubles() == []

    assert box.evaluate("e => e.scrollHeight > e.clientHeight") is (mode == "phone")  # there it waits for more room
    kept.picture("kept")
    kept.page.keyboard.press("Shift")  # now it may take the room it needs
    assert box.get_attribute("style") is None
    assert box.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    kept.page.close()


def test_its_form_is_sent_without_leaving_the_page(kept):
    kept.open(SOLD_OUT)
    kept.page.locator(".buy .bo-status[data-state=out_of_stock]").wait_for()
    type_address(kept, "nobody@nowhere")
    email = kept.page.locator(".bo-subscribe [aria-invalid]")
    email.wait_for()
    why = kept.page.locator("#" + email.get_attribute("aria-describedby").split()[0])
    assert kept.focused() == email.get_attribute("id") and "has no ending such as .com" in why.inner_text()
    assert kept.violations() == []
    kept.picture("mistake-in-place")

    type_address(kept, "kept@example.com")
    outcome = kept.page.locator(".bo-subscribe [role=status] p")
    outcome.wait_for()
    assert "look into your inbox" in outcome.inner_text()
    assert kept.focused() == kept.page.locator(".bo-subscribe").get_attribute("id")
    assert kept.page.url == kept.shop + SOLD_OUT
    assert kept.page.locator(".bo-subscribe form").count() == 0
    assert [*kept.violations(), *kept.overflow()] == []
    assert ["status of 422" in said for said in kept.complaints] == [True]  # the browser notes every such answer
    kept.picture("outcome-in-place")


def test_what_is_current_already_is_left_alone_and_nothing_is_said(view):
    with view.page.expect_response("**/backorders/now/**"):
        view.open(SOLD_OUT)
    assert view.troubles() == []
    assert view.page.locator("body > .bo-trap").inner_text() == ""


def test_when_the_server_does_not_answer_the_page_stays_and_its_form_still_posts(view):
    view.page.route("**/backorders/now/**", lambda route: route.fulfill(status=503))
    view.page.route(
        re.compile("/backorders/subscribe/"),
        lambda r: r.abort() if r.request.resource_type == "fetch" else r.continue_(),
    )
    with view.page.expect_response("**/backorders/now/**"):
        view.open(SOLD_OUT)
    assert status(view).inner_text() == "Out of stock"
    type_address(view, "still@example.com")
    view.page.wait_for_url(re.compile("backorders="))
    assert "look into your inbox" in view.page.locator(".bo-subscribe [role=status]").inner_text()


# a page that changed sides

POT, SHELF = "/p/root-pot/?variant=ROOT-14-CM", "/warehouse/ROOT-14-CM/"
IN_A_WINDOW = pytest.mark.parametrize("mode", ["desktop", "phone", "arabic"])

NOTE_EVERY_SHIFT = """
window.everyShift = [];
new PerformanceObserver(list => { for (const shift of list.getEntries()) if (!shift.hadRecentInput)
  window.everyShift.push(`${shift.value.toFixed(4)} ${shift.sources.map(({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 80))}`);
}).observe({type: "layout-shift", buffered: true});
"""
"""Also what belongs to the shop: it is ours that pushes it."""


@dataclass
class Kept:
    """A page out of a cache, which hears what is new when the test says so."""

    view: View
    questions: list = field(default_factory=list)

    def keep(self, path):
        """Have the cache take the page as it is now."""
        fresh = self.view.page.request.get(self.view.shop + path)
        answer = {"body": fresh.text(), "headers": fresh.headers}
        self.view.page.route(f"**{path.partition('?')[0]}**", lambda route: route.fulfill(**answer))
        self.view.page.route("**/backorders/now/**", lambda route: self.questions.append(route))
        self.view.page.add_init_script(NOTE_EVERY_SHIFT)

    def open(self, path):
        """Read it while nothing happens; whatever moved while it was drawn is the shop's business."""
        with self.view.page.expect_request("**/backorders/now/**"):
            self.view.open(path)
        self.view.page.wait_for_timeout(300)
        self.view.page.evaluate("window.everyShift.length = 0")
        self.view.page.wait_for_timeout(200)
        assert self.shifts() == []

    def hear(self):
        """Let the server answer."""
        with self.view.page.expect_response("**/backorders/now/**"):
            self.questions.pop().continue_()

    def shifts(self):
        self.view.page.wait_for_timeout(100)  # the browser tells of them a frame later
        return self.view.page.evaluate("window.everyShift")

    def touch(self):
        """A reader's key: now things may take the room they need."""
        self.view.page.keyboard.press("Shift")

    def find(self, selector):
        return self.view.page.locator(f".buy {selector}")


@pytest.fixture
def warehouse(look):
    """What happens to the pot; afterwards there are some again."""
    view = look()

    def happens(action):
        view.open(SHELF)
        view.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        view.press(view.page.locator(f"button[value={action}]"))

    yield happens
    if "Out of stock" in (view.page.request.get(view.shop + POT)).text():
        happens("truck")
    view.page.close()


@IN_A_WINDOW
def test_what_was_here_and_is_sold_out_since_is_not_offered_and_one_may_ask_to_be_told(look, warehouse, mode):
    kept = Kept(look(mode))
    kept.keep(POT)
    warehouse("sell_out")
    kept.open(POT)
    assert kept.find(".order button").is_visible()

    kept.hear()
    kept.find(".bo-status[data-state=out_of_stock]").wait_for()
    assert not kept.find(".order button").is_visible()  # at once: nobody presses what cannot be had
    assert kept.shifts() == []

    kept.touch()
    kept.find(".bo-subscribe [name=email]").wait_for()
    assert kept.find("[data-bo-order]").get_attribute("hidden") is not None
    assert kept.find(".bo-subscribe [name=next]").get_attribute("value") == POT
    assert kept.find(".bo-alternatives .bo-card").count() > 0
    assert kept.view.troubles() == []
    kept.view.picture("sold-out-since")
    kept.view.page.close()


@IN_A_WINDOW
def test_what_was_sold_out_and_is_here_since_can_be_bought(look, warehouse, mode):
    warehouse("sell_out")
    kept = Kept(look(mode))
    kept.keep(POT)
    warehouse("truck")
    kept.open(POT)
    assert kept.find(".bo-subscribe").is_visible() and not kept.find(".order").is_visible()

    kept.hear()
    kept.find(":is(.bo-status[data-state=in_stock], .bo-status[data-state=low_stock])").wait_for()
    assert not kept.find(".bo-subscribe").is_visible()  # there is nothing left to wait for
    assert kept.shifts() == []

    kept.touch()
    kept.find(".order button").wait_for()
    assert kept.find(":is(.bo-subscribe, .bo-alternatives)").count() == 0
    assert kept.view.troubles() == []
    kept.view.picture("here-since")
    kept.view.press(kept.find(".order button"))
    assert "/basket/" in kept.view.page.url
    kept.view.page.close()


def test_a_form_that_came_later_is_sent_in_place(look, warehouse):
    kept = Kept(look())
    kept.keep(POT)
    warehouse("sell_out")
    kept.open(POT)
    kept.hear()
    kept.find(".bo-status[data-state=out_of_stock]").wait_for()
    kept.touch()
    kept.find(".bo-subscribe [name=email]").fill("later@example.com")
    kept.view.page.keyboard.press("Enter")
    kept.find(".bo-subscribe [role=status] p").wait_for()
    assert kept.view.page.url == kept.view.shop + POT
    assert kept.view.complaints == []
    kept.view.page.close()


def test_what_somebody_types_is_not_taken_away(look, warehouse):
    warehouse("sell_out")
    kept = Kept(look())
    kept.keep(POT)
    warehouse("truck")
    kept.open(POT)
    kept.find(".bo-subscribe [name=email]").fill("ana@exam")
    kept.hear()
    kept.find(":is(.bo-status[data-state=in_stock], .bo-status[data-state=low_stock])").wait_for()
    kept.view.page.keyboard.type("ple.com")
    assert kept.find(".bo-subscribe [name=email]").input_value() == "ana@example.com"
    kept.find(".bo-subscribe [name=email]").blur()
    kept.touch()
    kept.find(".order button").wait_for()
    assert kept.find(".bo-subscribe").count() == 0
    kept.view.page.close()


@pytest.mark.parametrize("path", [POT, SOLD_OUT, "/p/moor-boots/?variant=MOOR-SIZE-42", "/states/"])
@pytest.mark.parametrize("mode", ["desktop", "phone"])
def test_nothing_at_all_moves_when_a_current_page_hears_that_it_is(look, mode, path):
    kept = Kept(look(mode))
    kept.keep(path)
    kept.open(path)
    kept.hear()
    assert kept.shifts() == []
    kept.touch()
    assert kept.shifts() == []
    assert kept.view.complaints == []
    kept.view.page.close()


def test_a_page_on_another_server_names_ours(view):
    reference = re.search(r"demo_shop\.variant:\d+", view.page.request.get(view.shop + POT).text())[0]
    front = (
        '<!doctype html><html lang="de"><script src="https://shop.example/static/backorders/backorders.js" defer></script>'
        f'<backorders-status src="https://shop.example/backorders/now/" product="{reference}" part="badge"></backorders-status>'
    )

    def from_the_shop(route):
        answer = route.fetch(url=route.request.url.replace("https://shop.example", view.shop))
        allowed = {"Access-Control-Allow-Origin": "https://front.example"}  # to say so is the shop's own business
        route.fulfill(response=answer, headers=answer.headers | allowed)

    view.page.route("https://front.example/", lambda route: route.fulfill(body=front, content_type="text/html"))
    view.page.route("https://shop.example/**", from_the_shop)
    view.page.goto("https://front.example/")
    words = view.page.locator("backorders-status .bo-badge > span").inner_text()
    in_german = {"of": f"badge|||{reference}", "language": "de"}
    assert f"<span>{words}</span>" in view.page.request.get(f"{view.shop}/backorders/now/", params=in_german).text()
    assert view.complaints == []
