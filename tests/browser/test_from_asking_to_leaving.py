"""Somebody asks to be told, confirms, changes their mind and leaves: the same steps however one looks."""

import pytest

SOLD_OUT = "/p/paper-moon-lantern/?variant=MOON-80-CM"


@pytest.mark.parametrize("mode", ["phone", "arabic", "no_script"])
def test_somebody_asks_confirms_changes_and_leaves(look, post, mode):
    view, to = look(mode), f"asks-{mode}@example.com"
    page = view.page

    view.open(SOLD_OUT)
    box = page.locator(".bo-subscribe")
    box.locator("input[name=email]").fill(to)
    box.locator("button").first.click()
    box.locator("[role=status] p").wait_for()
    assert page.url.endswith("#" + box.get_attribute("id")) is (mode == "no_script")
    assert box.locator("form").count() == 0  # asked once is enough
    assert view.troubles() == []

    view.open(post.link(to, "confirm"))
    assert view.troubles() == []
    view.press(page.locator("main form button"))
    assert page.locator(".bo-standing").count() == 1
    assert view.troubles() == []
    view.picture("confirmed")

    view.open(post.link(to, "manage"))
    page.locator(".bo-request input[name=highest_price]").fill("-3")
    view.press(page.locator(".bo-request button[value=change]"))
    assert page.locator("[role=alert]").inner_text()
    assert page.locator("[aria-invalid]").get_attribute("name") == "highest_price"
    assert view.troubles() == []
    view.picture("mistake-manage")

    page.locator(".bo-request input[name=highest_price]").fill("60")
    view.press(page.locator(".bo-request button[value=change]"))
    assert page.locator(".bo-request [role=status]").inner_text()
    assert view.troubles() == []

    view.press(page.locator(".bo-request button[value=leave]"))
    assert page.locator("h1").inner_text()
    assert page.locator("main form").count() == 0
    assert view.troubles() == []
    page.close()
