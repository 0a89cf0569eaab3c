"""Somebody asks to be told, confirms, changes their mind and leaves: the same steps however one looks."""

import time

import pytest

SOLD_OUT = "/p/paper-moon-lantern/?variant=MOON-80-CM"


def newest_mail(view, to):
    """Open the newest mail to somebody, as text; the worker needs a moment to send it."""
    for _ in range(100):
        view.open(f"/inbox/?to={to}")
        mails = view.page.locator(".mails a")
        if mails.count():
            view.open(mails.first.get_attribute("href") + "?part=text")
            return view.page
        time.sleep(0.1)
    raise AssertionError(f"No mail came to {to}")


def links_of(mail, *names):
    """The addresses of our pages in a mail."""
    return [mail.locator(f"#text a[href*='/{name}/']").first.get_attribute("href") for name in names]


@pytest.mark.parametrize("mode", ["phone", "arabic", "no_script"])
def test_somebody_asks_confirms_changes_and_leaves(look, mode):
    view, to = look(mode), f"asks-{mode}@example.com"
    page, path = view.page, lambda address: address.removeprefix(view.shop)

    view.open(SOLD_OUT)
    box = page.locator(".bo-subscribe")
    box.locator("input[name=email]").fill(to)
    box.locator("button").first.click()
    box.locator("[role=status] p").wait_for()
    assert page.url.endswith("#" + box.get_attribute("id")) is (mode == "no_script")
    assert box.locator("form").count() == 0  # asked once is enough
    assert view.troubles() == []

    confirm, manage = (path(address) for address in links_of(newest_mail(view, to), "confirm", "manage"))
    view.open(confirm)
    assert view.troubles() == []
    view.press(page.locator("main form button"))
    assert page.locator(".bo-standing").count() == 1
    assert view.troubles() == []
    view.picture("confirmed")

    view.open(manage)
    page.locator(".bo-request input[name=highest_price]").fill("-3")
    view.press(page.locator(".bo-request button[value=change]"))
    assert page.locator("[role=alert]").inner_text()
    assert page.locator("[aria-invalid]").get_attribute("name") == "highest_price"
    assert view.troubles() == []
    view.picture("manage")

    page.locator(".bo-request input[name=highest_price]").fill("60")
    view.press(page.locator(".bo-request button[value=change]"))
    assert page.locator(".bo-request [role=status]").inner_text()
    assert view.troubles() == []

    view.press(page.locator(".bo-request button[value=leave]"))
    assert page.locator("h1").inner_text()
    assert page.locator("main form").count() == 0
    assert view.troubles() == []
    page.close()
