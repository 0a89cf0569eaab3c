"""One browser, one context for each way of looking, and what went wrong on a page while it was open."""

import base64
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.sync_api import sync_playwright

from demo_shop.browser import Browser
from tests.browser.evidence import Looked, draw_sheet, noted, table

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
"""Ways of looking. In the last nothing of the page's own runs; what we ask of it from outside does."""

EVERY_WAY, WITH_SCRIPT = list(MODES), [mode for mode in MODES if mode != "no_script"]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],  # of all others, one example for each rule
    "preload": False,
    "iframes": False,
}
ASK_AXE = """async ([within, options, has_script]) => {
  if (!has_script) window.setTimeout = (ring, _, ...told) => Promise.resolve().then(() => ring(...told));  // no clock runs there
  const found = await axe.run(within, options);
  const rules = [found.violations, found.passes, found.incomplete, found.inapplicable].flat().map(rule => rule.id);
  return [found.violations, new Set(rules).size];
}"""

# All of it is measured, but only ours must not move: on a busy machine the shop's own boxes are drawn while they are still being read.
TOLD_OF = """list => { for (const shift of list) if (!shift.hadRecentInput) {
  const moved = shift.sources.map(({ node }) => node?.nodeType === Node.TEXT_NODE ? node.parentElement : node);
  const ours = moved.filter(each => each?.closest(".bo, .bo-badge, .bo-line")).map(each => each.outerHTML.slice(0, 120));
  shifts.push({ value: shift.value, ours });
} }"""
NOTE_SHIFTS = f"""window.shifts = [];
new PerformanceObserver(list => ({TOLD_OF})(list.getEntries())).observe({{type: "layout-shift", buffered: true}});"""
SHIFTS = "() => window.shifts"
# Where no observer is called back, it can still be asked for what it has heard of.
SHIFTS_WITHOUT_SCRIPT = f"""() => {{ const shifts = [], observer = new PerformanceObserver(() => null);
  observer.observe({{type: "layout-shift", buffered: true}}); ({TOLD_OF})(observer.takeRecords()); return shifts; }}"""

# What is wrong with where the focus is: it cannot be seen, it is out of sight, or something lies above it (WCAG 2.4.7, 2.4.11).
FOCUS = """() => {
  const e = document.activeElement, look = getComputedStyle(e), box = e.getBoundingClientRect(), name = e.outerHTML.slice(0, 120);
  if (e === document.body) return [];
  const rings_by_itself = e.type === "date";  // around its parts, which a page cannot see
  if (!rings_by_itself && (look.outlineStyle === "none" || !parseFloat(look.outlineWidth))) return [`no ring: ${name}`];
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  if (x < 0 || y < 0 || x > innerWidth || y > innerHeight) return [`out of sight: ${name}`];
  const top = document.elementFromPoint(x, y);
  return top && (e.contains(top) || top.contains(e) || top.closest("label")) ? [] : [`hidden: ${name}`];
}"""


def pytest_configure():
    if "BROWSER_SHOP" not in os.environ:
        raise pytest.UsageError("These tests need an open shop: `python3 dev.py browser` opens one and runs them.")


def pytest_terminal_summary(terminalreporter):
    """What was looked at and found, and a page with all the pictures."""
    folder = Path(os.environ["BROWSER_SCREENSHOTS"])
    if looked := noted(folder):
        draw_sheet(folder, looked)
        terminalreporter.section("what was looked at")
        terminalreporter.write_line(table(looked))


@dataclass
class View:
    """A page in one way of looking.

    ``complaints``: what the browser refused or could not do, in its own words. ``moved``: what had moved before a picture was taken.
    ``is_on_record``: is what is found told at the end? Not of a page that a test has broken on purpose.
    """

    page: object
    mode: str
    shop: str
    screenshots: Path
    complaints: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    is_on_record: bool = True

    def open(self, path, *, status=200):
        response = self.page.goto(self.shop + path)
        assert response.status == status
        return response

    def press(self, button):
        """Press what leads to another page, and wait until that is there."""
        with self.page.expect_navigation():
            button.click()

    def hear(self, said):
        """Note an error; that the page itself was answered with a status such as 422 is none, nor that a mail runs nothing of ours."""
        is_expected = said.location["url"] == self.page.url and "status of 4" in said.text
        is_expected |= "Blocked script execution" in said.text and "/inbox/" in said.text
        if said.type == "error" and not is_expected:
            self.complaints.append(said.text)

    @property
    def path(self):
        address = urlsplit(self.page.url)
        return address._replace(scheme="", netloc="", fragment="").geturl()

    @property
    def has_script(self):
        return self.mode != "no_script"

    def miss(self, request):
        """Note what did not come; what was still on its way when its page was left is not missed."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")

    def troubles(self, within="html"):
        """Everything that a page, or the part of it that has changed, must not have: barriers, overflow, our elements moving, complaints of the browser."""
        self.page.wait_for_load_state()
        return [*self.violations(within), *self.overflow(), *self.shifts(), *self.complaints]

    def violations(self, within="html"):
        """What axe finds against WCAG 2.2 AA, one line each: the rule, and where it was broken."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        found, rules = self.page.evaluate(ASK_AXE, [within, RULES, self.has_script])
        shifts = self._shifts() if within == "html" else []  # a part is looked at after we have changed something
        ours = sum(each["value"] for each in shifts if each["ours"])
        self.note(rules=rules, broken=len(found), shift=sum(each["value"] for each in shifts), ours=ours)
        return [f"{rule['id']}: {node['target']} {node['html'][:160]}" for rule in found for node in rule["nodes"]]

    def note(self, **found):
        if self.is_on_record:
            Looked(page=self.path, way=self.mode, **found).note(self.screenshots)

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
        self.page.wait_for_timeout(50)  # the browser tells of them a frame later
        return [each for shift in self._shifts() for each in shift["ours"]]

    def inline(self):
        """What a Content Security Policy without exceptions would not let run: there is none of it, and the policy is there."""
        return self.page.evaluate("""() => [
            ...[...document.querySelectorAll("script:not([src])")].filter(each => each.type !== "application/ld+json"),
            ...document.querySelectorAll("style, [style]"),
        ].map(each => each.outerHTML.slice(0, 120))""")

    def _shifts(self):
        return self.page.evaluate(SHIFTS if self.has_script else SHIFTS_WITHOUT_SCRIPT)

    def focused(self):
        """What has the focus: its id, or its name, or its words."""
        return self.page.evaluate("(e => e.id || e.name || e.innerText || e.nodeName)(document.activeElement)")

    def comes_to(self, selector):
        """Wait until the focus is there; a page that is new moves it with its first picture."""
        self.page.locator(f"{selector}:focus").wait_for()
        return True

    def tab_to(self, is_there, *, most=120):
        """Press Tab until the focus is where it should be, and see it all the way; fail when it never comes there."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(FOCUS) == []
            if self.page.evaluate(f"(e => {is_there})(document.activeElement)"):
                return
        raise AssertionError(f"Tab never came to {is_there}; the last was {self.focused()}")

    def picture(self, name):
        """Keep the whole page as it looks. Last of all: the window is stretched for it, which moves things."""
        self.page.evaluate("""Promise.all([...document.images].map(image => {
            image.loading = "eager"; return image.decode().catch(() => null); }))""")
        picture = f"{name}-{self.mode}.png"
        width, height = self.page.evaluate(
            "[document.documentElement.clientWidth, document.documentElement.scrollHeight]"
        )
        # Playwright's own pictures take twice as long, for files that are a little smaller.
        browser = self.page.context.new_cdp_session(self.page)
        how = {"captureBeyondViewport": True, "optimizeForSpeed": True}
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1 if width < 600 else 0.75}
        taken = browser.send("Page.captureScreenshot", {**how, "clip": clip})
        browser.detach()
        (self.screenshots / picture).write_bytes(base64.b64decode(taken["data"]))
        self.note(picture=picture)


@pytest.fixture(scope="session")
def shop():
    return os.environ["BROWSER_SHOP"]


@dataclass(frozen=True)
class Post:
    """The demo's Inbox, read without a window. Mails leave in a moment, not at once."""

    shop: str

    def mails(self, to, *, at_least=1):
        """The addresses of somebody's mails, newest first."""
        for _ in range(150):
            page = Browser(self.shop).open(f"inbox/?to={to}")
            found = [urlsplit(address).path for address, _words in page.links if re.search(r"/inbox/\d+/$", address)]
            if len(found) >= at_least:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{to} got {len(found)} of {at_least} mails")

    def link(self, to, door, *, at_least=1):
        """The path of one of our pages in somebody's newest mail."""
        mail = Browser(self.shop).open(self.mails(to, at_least=at_least)[0].removeprefix("/") + "?part=text")
        return mail.link(rf"/{door}/").removeprefix(self.shop)


@pytest.fixture(scope="session")
def post(shop):
    return Post(shop)


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
        page.on("requestfailed", view.miss)
        return view

    return new


@pytest.fixture(scope="session")
def tabs(look):
    """One tab in each way of looking, from page to page: a new one costs as much as the page that is opened in it."""
    opened = {}

    def tab(mode):
        if mode not in opened:
            opened[mode] = look(mode)
        return opened[mode]

    return tab


@pytest.fixture
def at(tabs):
    """``at("phone")``: that tab, as somebody has it who comes for the first time."""

    def come(mode):
        view = tabs(mode)
        view.page.bring_to_front()  # what is behind another tab is not drawn, and does not move either
        view.page.context.clear_cookies()
        view.complaints.clear()
        view.is_on_record = True
        return view

    return come


@pytest.fixture
def view(look):
    """A tab of this test's own, as most people look: wide, light, in English."""
    shown = look()
    shown.page.context.clear_cookies()
    yield shown
    shown.page.close()
