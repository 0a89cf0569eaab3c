"""A page that a cache kept tells yesterday's state and carries somebody else's token: our script puts both right."""

import re

import pytest

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
