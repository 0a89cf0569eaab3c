"""Everything can be done without a mouse, and everything that happens is said."""

import re

import pytest

SOLD_OUT = "/p/ethiopia-guji-filter/?variant=GUJI-1-KG"
BACKORDERED = "/p/dome-pendant-38-cm/?variant=DOME-BRICK"
HERE = "/p/hearth-kettle-15-l/?variant=HEARTH-SAGE"


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
    assert plain.comes_to("[role=alert]")
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
    assert plain.comes_to(".bo-subscribe")
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


def go(view):
    """Press Enter on what leads to another page."""
    with view.page.expect_navigation():
        view.page.keyboard.press("Enter")


def type_anew(view, words):
    view.page.keyboard.press("ControlOrMeta+a")
    view.page.keyboard.type(words)


def test_an_order_is_placed_followed_and_given_up(view):
    for path, button in ((HERE, "Add to basket"), (BACKORDERED, "Backorder now")):
        view.open(path)
        view.tab_to("e.name === 'quantity' && e.closest('.order')")
        type_anew(view, "2")
        view.tab_to(f"e.innerText === '{button}'", most=1)
        go(view)
    assert "Dome pendant, 38 cm, Brick is in your basket." in view.page.locator("[role=status]").first.inner_text()
    assert re.search(r"2 later, by \w+ \d+", view.page.locator("main").inner_text())
    assert view.troubles() == []
    view.picture("basket")
    view.tab_to("e.innerText === 'Check out'")
    go(view)

    for name, words in (("email", "keys@example.com"), ("name", "Bo"), ("address", "1 Canal Street")):
        view.tab_to(f"e.name === '{name}' && e.closest('#checkout')")
        view.page.keyboard.type(words)
    view.tab_to("e.name === 'ship'", most=1)
    view.page.keyboard.press("ArrowDown")
    assert view.page.locator("[name=ship]:checked").get_attribute("value") == "together"
    view.page.keyboard.press("ArrowUp")
    assert view.page.locator("[name=ship]:checked").get_attribute("value") == "split"
    assert view.troubles() == []
    view.picture("checkout")
    view.tab_to("e.innerText === 'Place the order'", most=1)
    go(view)

    assert view.path.startswith("/orders/")
    assert view.troubles() == []
    view.picture("order-placed")
    view.tab_to("e.innerText.startsWith('See where it stands')")
    go(view)
    view.tab_to("e.innerText === 'Cancel what still waits'")
    go(view)
    view.tab_to("e.innerText === 'No, keep my place'")
    view.page.keyboard.press("Shift+Tab")
    assert view.focused() == "Yes, cancel it"
    go(view)
    assert view.page.locator("[data-step=cancelled]").count() == 1
    assert view.troubles() == []
    view.picture("line-cancelled")


def ask(view, address):
    view.open("/p/paper-moon-lantern/?variant=MOON-80-CM")
    view.tab_to("e.name === 'email'")
    view.page.keyboard.type(address)
    view.page.keyboard.press("Enter")
    view.page.locator(".bo-subscribe [role=status] p").wait_for()


def test_a_request_is_confirmed_changed_and_left(view, post):
    ask(view, "wishes@example.com")
    view.open(post.link("wishes@example.com", "confirm"))
    view.tab_to("e.innerText === 'Yes, tell me'")
    go(view)
    assert view.comes_to("h1")
    assert view.focused() == "You are on the list"

    view.open(post.link("wishes@example.com", "manage"))
    view.tab_to("e.name === 'highest_price'")
    view.page.keyboard.type("-3")
    view.tab_to("e.innerText === 'Save'")
    go(view)
    assert view.comes_to("[role=alert]")
    assert view.troubles() == []
    view.tab_to("e.closest('[role=alert]')", most=1)
    view.page.keyboard.press("Enter")
    price = view.page.locator("[aria-invalid]")
    assert view.focused() == price.get_attribute("id")
    assert len(described_by(view, price)) == 2  # what it is for, and what is wrong

    type_anew(view, "60")
    go(view)
    assert view.comes_to(".bo-outcome")
    assert view.focused().startswith("Saved.")
    view.tab_to("e.innerText === 'Take me off the list'")
    go(view)
    assert view.page.locator("main form").count() == 0
    assert view.troubles() == []


def test_a_list_is_left_by_the_link_of_a_mail(view, post):
    ask(view, "leaves@example.com")
    view.open(post.link("leaves@example.com", "leave"))
    view.tab_to("e.innerText === 'Take me off the list'")
    go(view)
    assert view.comes_to("h1")
    assert view.focused() == "You are off the list"
    assert view.troubles() == []
    view.picture("left")


MISTAKES = {
    "checkout": ("email", "nobody@nowhere", "Place the order"),
    "register": ("password2", "another", "Create an account"),
}


def fill_in(view, name, wrong):
    for box in view.page.locator("form.stack :is(input, textarea):not([type=hidden], [type=radio])").all():
        box.fill("typed@example.com")
    view.page.locator(f"form.stack [name={name}]").fill(wrong)


@pytest.mark.parametrize("where", MISTAKES)
def test_a_mistake_in_a_form_of_the_shop_is_announced_and_leads_to_its_field(view, where):
    view.open(HERE)
    view.press(view.page.locator("form.order button"))
    name, wrong, button = MISTAKES[where]
    view.open({"checkout": "/checkout/", "register": "/account/register/"}[where])
    fill_in(view, name, wrong)
    view.tab_to(f"e.innerText === '{button}'")
    go(view)

    assert view.comes_to("[role=alert]")
    assert view.troubles() == []
    view.picture(f"mistake-{where}")
    view.tab_to("e.closest('[role=alert]')", most=1)
    view.page.keyboard.press("Enter")
    box = view.page.locator("form.stack [aria-invalid=true]")
    assert view.focused() == box.get_attribute("id") == f"id_{name}"
    assert "".join(described_by(view, box))
    fill_in(view, name, wrong)
    go(view)
    assert view.comes_to("[role=alert]")  # the second time as well


def test_a_wrong_password_is_announced(view):
    view.open("/account/login/")
    view.tab_to("e.name === 'username'")
    view.page.keyboard.type("anna@example.com")
    view.tab_to("e.name === 'password'", most=1)
    view.page.keyboard.type("not-anna")
    go(view)
    assert view.comes_to("[role=alert]")
    assert view.troubles() == []
    view.picture("mistake-login")


def test_a_line_that_cannot_be_had_is_announced_and_can_be_put_right(view):
    view.open("/p/enamel-mug/?variant=ENAMEL-DENIM")
    view.press(view.page.locator("form.order button"))
    view.tab_to("e.name === 'quantity'")
    type_anew(view, "7")
    go(view)

    assert view.comes_to("[role=alert]")
    assert view.troubles() == []
    view.picture("basket-refused")
    view.tab_to("e.closest('[role=alert]')", most=1)
    view.page.keyboard.press("Enter")
    quantity = view.page.locator("[aria-invalid=true]")
    assert described_by(view, quantity) == ["One order may have up to 6 of these."]
    view.tab_to("e.innerText === 'Take 6 instead'")
    go(view)
    assert view.page.locator("[aria-invalid]").count() == 0
    assert view.page.locator("[role=alert]").count() == 0


def test_focus_is_never_hidden(view):
    view.open("/states/")
    view.tab_to("e.closest('footer')", most=150)
