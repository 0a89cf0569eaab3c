"""One browser, one context for each way of looking, and what went wrong on a page while it was open."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--hide-scrollbars"]

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 812}
MODES = {
    "desktop": {"viewport": DESKTOP, "locale": "en-GB"},
    "phone": {"viewport": PHONE, "locale": "en-GB", "is_mobile": True, "has_touch": True},
    "dark": {"viewport": DESKTOP, "locale": "en-GB", "color_scheme": "dark"},
    "arabic": {"viewport": DESKTOP, "locale": "ar"},
    "no_script": {"viewport": DESKTOP, "locale": "en-GB", "java_script_enabled": False},
}
"""Ways of looking. The last cannot be asked much: whatever has to run in the page is asked of the others."""

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
    "preload": False,
    "iframes": False,
}

# Only what is ours: on a busy machine the shop's own boxes are drawn while they are still being read.
NOTE_SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => { for (const shift of list.getEntries()) for (const { node } of shift.sources) {
  const moved = node?.nodeType === Node.TEXT_NODE ? node.parentElement : node;
  if (!shift.hadRecentInput && moved?.closest(".bo, .bo-badge, .bo-line")) window.shifts.push(moved.outerHTML.slice(0, 120));
} }).observe({type: "layout-shift", buffered: true});
"""


def pytest_configure():
    if "BROWSER_SHOP" not in os.environ:
        raise pytest.UsageError("These tests need an open shop: `python3 dev.py browser` opens one and runs them.")


@dataclass
class View:
    """A page in one way of looking.

    ``complaints``: what the browser refused or could not do, in its own words. ``moved``: what had moved before a picture was taken.
    """

    page: object
    mode: str
    shop: str
    screenshots: Path
    complaints: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    def open(self, path, *, status=200):
        response = self.page.goto(self.shop + path)
        assert response.status == status
        return response

    def press(self, button):
        """Press what leads to another page, and wait until that is there."""
        with self.page.expect_navigation():
            button.click()

    def hear(self, said):
        """Note an error; that the page itself was answered with a status such as 422 is none."""
        if said.type == "error" and not (said.location["url"] == self.page.url and "status of 4" in said.text):
            self.complaints.append(said.text)

    def troubles(self):
        """Everything that a page must not have: barriers, overflow, our elements moving, complaints of the browser."""
        self.page.wait_for_load_state()
        if self.mode == "no_script":
            return [*self.overflow(), *self.complaints]
        return [*self.violations(), *self.overflow(), *self.shifts(), *self.complaints]

    def violations(self):
        """What axe finds against WCAG 2.2 AA, one line each: the rule, and where it was broken."""
        found = Axe().run(self.page, options=RULES).response["violations"]
        return [f"{rule['id']}: {node['target']} {node['html'][:160]}" for rule in found for node in rule["nodes"]]

    def overflow(self):
        """How many pixels the page is wider than the window, and what sticks out."""
        return self.page.evaluate("""() => {
            const most = document.documentElement.clientWidth;
            const inside = e => { for (let p = e.parentElement; p; p = p.parentElement)
              if (getComputedStyle(p).overflowX !== "visible") return true; return false; };
            if (document.documentElement.scrollWidth <= most) return [];
            return [...document.body.querySelectorAll("*")].filter(e => { const box = e.getBoundingClientRect();
              return (box.right > most + 1 || box.left < -1) && !inside(e); }).map(e => e.outerHTML.slice(0, 120));
        }""")

    def shifts(self):
        """Elements that moved by themselves."""
        self.page.wait_for_timeout(100)  # the browser tells of them a frame later
        return self.page.evaluate("window.shifts")

    def focused(self):
        """What has the focus: its id, or its name, or its words."""
        return self.page.evaluate("(e => e.id || e.name || e.innerText || e.nodeName)(document.activeElement)")

    def tab_to(self, is_there, *, most=120):
        """Press Tab until the focus is where it should be; fail when it never comes there."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(f"(e => {is_there})(document.activeElement)"):
                return
        raise AssertionError(f"Tab never came to {is_there}; the last was {self.focused()}")

    def picture(self, name):
        """Keep the whole page as it looks. Last of all: the window is stretched for it, which moves things."""
        self.page.evaluate("""Promise.all([...document.images].map(image => {
            image.loading = "eager"; return image.decode().catch(() => null); }))""")
        self.page.screenshot(path=self.screenshots / f"{name}-{self.mode}.png", full_page=True)


@pytest.fixture(scope="session")
def shop():
    return os.environ["BROWSER_SHOP"]


@pytest.fixture(scope="session")
def screenshots():
    return Path(os.environ["BROWSER_SCREENSHOTS"])


@pytest.fixture(scope="session")
def browser():
    options = [*QUIET, "--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else QUIET
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=os.environ["BACKORDERS_CHROMIUM"], args=options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def contexts(browser):
    """Each way of looking is set up once, and only when a test asks for it."""
    made = {}

    def context(mode):
        if mode not in made:
            made[mode] = browser.new_context(**MODES[mode], reduced_motion="reduce")
            made[mode].set_default_timeout(30_000)
            if mode != "no_script":
                made[mode].add_init_script(NOTE_SHIFTS)
        return made[mode]

    yield context
    for each in made.values():
        each.close()


@pytest.fixture(scope="session")
def look(contexts, shop, screenshots):
    """``look("phone")``: a new tab in one way of looking, which remembers what went wrong in it."""

    def new(mode="desktop"):
        page = contexts(mode).new_page()
        view = View(page, mode, shop, screenshots)
        page.on("console", view.hear)
        page.on("pageerror", lambda error: view.complaints.append(str(error)))
        page.on("requestfailed", lambda request: view.complaints.append(f"{request.url}: {request.failure}"))
        return view

    return new


@pytest.fixture
def view(look):
    """A tab of this test's own, as most people look: wide, light, in English."""
    shown = look()
    shown.page.context.clear_cookies()
    yield shown
    shown.page.close()
