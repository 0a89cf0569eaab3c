"""Somebody orders what is not all here, chooses how it is sent, follows it by the mail and gives up their place."""

import pytest

HERE, LATER = "/p/hearth-kettle-15-l/?variant=HEARTH-SAGE", "/p/moor-boots/?variant=MOOR-SIZE-42"


@pytest.mark.parametrize("mode", ["phone", "dark", "arabic", "no_script"])
def test_somebody_orders_follows_and_leaves_the_line(look, post, mode):
    view, to = look(mode), f"line-{mode}@example.com"
    page = view.page

    for path in (HERE, LATER):
        view.open(path)
        view.press(page.locator("form.order button").first)
    assert page.locator(".bo-parcels li").count() == 2
    assert view.troubles() == []
    view.picture("basket")

    view.open("/checkout/")
    assert page.locator(".bo-ship input[type=radio]").count() == 2
    for name, words in (("email", to), ("name", "Bo"), ("address", "1 Canal Street")):
        page.locator(f"#checkout [name={name}]").fill(words)
    assert view.troubles() == []
    view.picture("checkout")
    page.locator(".bo-ship input[value=split]").check()
    view.press(page.locator("#checkout > button"))
    assert page.locator("main a[href*='/backorders/lines/']").count() == 1

    view.open(post.link(to, "lines"))
    assert page.locator(".bo-step").count() == 5
    assert page.locator(".bo-step[aria-current]").count() == 1
    assert view.troubles() == []
    view.picture("line-of-two-parcels")

    view.press(page.locator("main a.bo-button"))
    assert view.troubles() == []
    view.picture("line-of-two-parcels-cancel")
    view.press(page.locator("main form button"))
    assert page.locator("[data-step=cancelled]").count() == 1
    assert page.locator("main a.bo-button").count() == 0
    assert view.troubles() == []
    page.go_back()
    page.reload()
    assert page.locator("[data-step=cancelled]").count() == 1
    page.close()
