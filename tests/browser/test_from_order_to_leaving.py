"""Somebody orders what is not all here, chooses how it is sent, follows it by the mail and gives up their place."""

import pytest

from tests.browser.test_from_asking_to_leaving import links_of, newest_mail

HERE, LATER = "/p/hearth-kettle-15-l/?variant=HEARTH-SAGE", "/p/moor-boots/?variant=MOOR-SIZE-42"


@pytest.mark.parametrize("mode", ["phone", "dark", "arabic", "no_script"])
def test_somebody_orders_follows_and_leaves_the_line(look, mode):
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

    [link] = links_of(newest_mail(view, to), "lines")
    view.open(link.removeprefix(view.shop))
    assert page.locator(".bo-step").count() == 5
    assert page.locator(".bo-step[aria-current]").count() == 1
    assert view.troubles() == []
    view.picture("line")

    view.press(page.locator("main a.bo-button"))
    assert view.troubles() == []
    view.picture("line-cancel")
    view.press(page.locator("main form button"))
    assert page.locator("[data-step=cancelled]").count() == 1
    assert page.locator("main a.bo-button").count() == 0
    assert view.troubles() == []
    page.go_back()
    page.reload()
    assert page.locator("[data-step=cancelled]").count() == 1
    page.close()


@pytest.mark.parametrize("mode", ["phone", "dark", "arabic"])
def test_anna_looks_at_all_that_she_waits_for(look, mode):
    view = look(mode)
    page = view.page
    view.open("/account/login/")
    view.press(page.locator("form:has(input[value='anna@example.com']) button"))
    view.press(page.locator("main a[href='/backorders/mine/']"))
    assert page.locator(".bo-request").count() >= 2
    assert view.troubles() == []
    view.picture("mine")
    page.context.clear_cookies()
    page.close()


def test_a_link_that_nobody_signed_is_a_page_with_a_way_on(view):
    view.open("/backorders/lines/cut-off/", status=404)
    assert view.page.locator("main .bo-link").count() == 1
    assert view.troubles() == []
