"""A very small browser for the story: cookies, links, forms. It knows the shop only by its pages."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urldefrag, urlencode, urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener


@dataclass
class Form:
    action: str = ""
    method: str = "get"
    answers: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What is on a page: `text`, `links` as (address, words), `forms`, `struck` words, and `by_id`, those inside elements with an id."""

    VOID = frozenset(
        {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
    )

    def __init__(self, address: str, status: int, html: str):
        super().__init__()
        self.address, self.status = address, status
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.by_id: dict[str, str] = {}
        self.struck: list[str] = []
        self._words: list[str] = []
        self._open: list[tuple[str, dict[str, str], int]] = []
        self._select = ""
        self.feed(html)
        self.text = squeeze("".join(self._words))

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self._is_hidden():
            self.forms.append(Form(action=given.get("action", ""), method=given.get("method", "get").lower()))
        elif self.forms and tag != "form" and not self._is_hidden():
            self._answer(self.forms[-1], tag, given)
        if tag not in self.VOID:
            self._open.append((tag, given, len(self._words)))

    def _is_hidden(self):
        """Within something that no browser shows."""
        return any("hidden" in given and tag != "input" for tag, given, _ in self._open)

    def handle_endtag(self, tag):
        while self._open:
            name, given, since = self._open.pop()
            words = squeeze("".join(self._words[since:]))
            if "id" in given:
                self.by_id[given["id"]] = words
            if name == "s":
                self.struck.append(words)
            if name == "a" and "href" in given:
                self.links.append((urljoin(self.address, given["href"]), words))
            if name == tag:
                return

    def handle_data(self, data):
        if not any(name in ("script", "style") for name, _given, _since in self._open):
            self._words.append(data)

    def _answer(self, form, tag, given):
        kind, name = given.get("type", ""), given.get("name", "")
        if tag == "button" and name:
            form.buttons.append((name, given.get("value", "")))
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in given or self._select not in form.answers):
            form.answers[self._select] = given.get("value", "")
        elif name and tag in ("input", "textarea") and (kind not in ("checkbox", "radio") or "checked" in given):
            form.answers[name] = given.get("value", "")

    def form(self, *names: str, action: str = "") -> Form:
        """The form that asks for all of `names`, and has a button whose value begins with `action`."""
        for form in self.forms:
            has_button = not action or any(value.startswith(action) for _name, value in form.buttons)
            if set(names) <= form.answers.keys() and has_button:
                return form
        raise LookupError(f"{self.address} has no form with {', '.join(names) or action}")

    def link(self, pattern: str) -> str:
        for address, _words in self.links:
            if re.search(pattern, address):
                return address
        raise LookupError(f"{self.address} has no link like {pattern}")


class Browser:
    def __init__(self, shop: str):
        self.shop = shop.rstrip("/") + "/"
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self.opener.addheaders = [("User-Agent", "demo_story"), ("Accept-Language", "en")]

    def open(self, address: str) -> Page:
        return self._fetch(Request(urljoin(self.shop, address)))

    def submit(self, page: Page, form: Form, *, button: str = "", **answers: object) -> Page:
        """Fill in a form and press its button, or the one whose value begins with `button`."""
        pressed = dict(pair for pair in form.buttons if pair[1].startswith(button)) if button else {}
        body = urlencode({**form.answers, **answers, **pressed})
        address = urldefrag(urljoin(page.address, form.action)).url
        if form.method == "post":
            return self._fetch(
                Request(address, body.encode(), {"Referer": page.address, "Origin": self.shop.rstrip("/")})
            )
        return self._fetch(Request(f"{address.partition('?')[0]}?{body}"))

    def _fetch(self, request: Request) -> Page:
        try:
            with self.opener.open(request, timeout=15) as response:
                return Page(response.url, response.status, response.read().decode())
        except HTTPError as problem:
            return Page(request.full_url, problem.code, problem.read().decode(errors="replace"))


def squeeze(words: str) -> str:
    return " ".join(words.split())
