"""Everything can be done without a mouse, and everything that happens is said."""

import re

import pytest

SOLD_OUT = "/p/ethiopia-guji-filter/?variant=GUJI-1-KG"
BACKORDERED = "/p/dome-pendant-38-cm/?variant=DOME-BRICK"


@pytest.fixture
def plain(view):
    """As where our script did not load: forms are sent by the browser itself."""
    view.page.route("**/backorders/backorders.js", lambda route: route.fulfill(body=""))
    return view


def described_by(view, field):
    """The texts that a screen reader reads after the name of a field."""
    ids = field.get_attribute("aria-describedby").split()
    return [view.page.locator(f"#{each}").inner_text() for each in ids]


def test_a_mistake_is_announced_explained_and_put_right(plain):
    plain.open(SOLD_OUT)
    plain.tab_to("e.name === 'email'")
    assert plain.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    plain.page.keyboard.type("nobody@nowhere")
    plain.page.keyboard.press("Enter")
    alert = plain.page.locator("[role=alert]")
    alert.wait_for()
    assert plain.page.title().startswith("Please correct:")
    assert plain.page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    assert plain.troubles() == []
    plain.picture("mistake")

    plain.page.keyboard.press("Tab")
    plain.page.keyboard.press("Enter")
    email = plain.page.locator(".bo-subscribe input[name=email]")
    assert plain.focused() == email.get_attribute("id")
    assert email.get_attribute("aria-invalid") == "true"
    assert "has no ending such as .com" in described_by(plain, email)[0]
    assert email.input_value() == "nobody@nowhere"  # nothing has to be typed twice

    plain.page.keyboard.press("End")
    plain.page.keyboard.type(".example")
    plain.page.keyboard.press("Enter")
    plain.page.wait_for_url(re.compile("/p/ethiopia-guji-filter/"))
    outcome = plain.page.locator(".bo-subscribe [role=status]")
    assert "One more step: look into your inbox." in outcome.inner_text()
    assert plain.focused() == plain.page.locator(".bo-subscribe").get_attribute("id")
    assert plain.troubles() == []
    plain.picture("outcome")


def test_the_place_for_news_is_there_before_the_news(view):
    view.open(SOLD_OUT)
    status = view.page.locator(".bo-subscribe [role=status]")
    assert (status.count(), status.inner_text()) == (1, "")


def test_a_folded_form_opens_by_keyboard(view):
    view.open(BACKORDERED)
    email = view.page.locator(".bo-subscribe input[name=email]")
    assert not email.is_visible()
    view.tab_to("e.matches('.bo-fold > summary')")
    view.page.keyboard.press("Enter")
    assert email.is_visible()
    view.tab_to("e.name === 'email'", most=1)
    assert view.troubles() == []


def test_more_wishes_are_told_by_keyboard_and_a_wrong_one_is_explained(plain):
    plain.open(SOLD_OUT)
    plain.tab_to("e.name === 'email'")
    plain.page.keyboard.type("picky@example.com")
    plain.tab_to("e.matches('.bo-more > summary')", most=3)
    plain.page.keyboard.press("Space")
    plain.tab_to("e.name === 'quantity' && e.closest('.bo-more')", most=6)
    plain.page.keyboard.press("ControlOrMeta+a")
    plain.page.keyboard.type("0")
    plain.page.keyboard.press("Enter")
    plain.page.locator("[role=alert]").wait_for()

    quantity = plain.page.locator(".bo-more input[name=quantity]")
    assert quantity.is_visible()  # what was wrong is not folded away again
    assert quantity.get_attribute("aria-invalid") == "true"
    assert described_by(plain, quantity)[0]
    assert plain.troubles() == []


def test_something_is_ordered_ahead_by_keyboard(view):
    view.open(BACKORDERED)
    view.tab_to("e.name === 'quantity' && e.closest('.order')")
    view.page.keyboard.press("ControlOrMeta+a")
    view.page.keyboard.type("2")
    view.tab_to("e.innerText === 'Backorder now'", most=1)
    view.page.keyboard.press("Enter")
    view.page.wait_for_url(re.compile("/basket/"))
    assert "Dome pendant, 38 cm, Brick is in your basket." in view.page.locator("[role=status]").first.inner_text()
    assert re.search(r"2 later, by \w+ \d+", view.page.locator("main").inner_text())
    assert view.troubles() == []
    view.picture("basket")


def test_focus_is_never_hidden(view):
    view.open("/states/")
    hidden = []
    for _ in range(60):
        view.page.keyboard.press("Tab")
        hidden += view.page.evaluate("""(e => {
            const box = e.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2;
            const top = document.elementFromPoint(x, y);
            return top && (e.contains(top) || top.contains(e) || top.closest("label")) ? [] : [e.outerHTML.slice(0, 120)];
        })(document.activeElement)""")
    assert hidden == []
