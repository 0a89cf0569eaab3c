"""The main job, told by people with browsers against a running shop. Nothing here touches the database."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from secrets import token_hex
from urllib.error import URLError

from django.core.management.base import BaseCommand, CommandError

from demo_shop.browser import Browser, Form, Page

PATIENCE = 20.0
"""Seconds a mail may take."""

SILENCE = 2.5
"""Seconds we listen before we believe that nothing comes."""


class Unlike(Exception):
    """The shop did something else than the story says."""


def expect(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise Unlike(f"{what}: expected {wanted!r}, saw {seen!r}")


class Command(BaseCommand):
    help = "Plays the main job over HTTP against a running demo shop, and says what happened."

    def add_arguments(self, parser):
        parser.add_argument("--url", default="http://127.0.0.1:8000")

    def handle(self, *args, url, **options):
        story = Story(url, say=self.stdout.write)
        try:
            story.play()
        except (Unlike, LookupError, URLError, TimeoutError) as problem:
            raise CommandError(f"FAILED at “{story.step}”: {problem}") from problem
        self.stdout.write(self.style.SUCCESS(f"{story.clock()}  The story holds."))


class Story:
    def __init__(self, url: str, *, say: Callable[[str], object]):
        self.url, self.say = url, say
        self.run = token_hex(3)
        self.began = time.monotonic()
        self.step = "opening the shop"
        self.staff, self.reader = Browser(url), Browser(url)

    def play(self) -> None:
        with self.tell("staff log in"):
            self.log_in()
        shelf, other_shelf = self.find_sold_out()
        guests = [self.address(f"guest{number}") for number in range(1, 6)]
        self.five_ask(shelf, guests)
        self.one_asks_twice(shelf, guests[0])
        self.three_arrive(shelf, guests)
        self.one_leaves(shelf, guests[0])
        self.order_and_be_served_first(other_shelf)

    # the chapters

    def log_in(self) -> None:
        page = self.staff.open("account/login/")
        page = self.staff.submit(
            page, page.form("username", "password"), username="admin@example.com", password="admin"
        )
        expect("the page after logging in", "admin@example.com" in page.text, True)

    def find_sold_out(self) -> tuple[str, str]:
        """Two shelves nobody waits at, whose product pages offer to tell and not to sell; empty ones first."""
        with self.tell("find two sold-out products") as found:
            free = list(islice(filter(self.is_free, self.shelves()), 2))
            if len(free) < 2:
                raise Unlike("somebody waits for everything by now; start over with `dev.py demo --fresh`")
            found.append(" and ".join(f"“{self.title(address)}”" for address in free))
            return free[0], free[1]

    def shelves(self) -> Iterator[str]:
        """All shelves of the warehouse, the emptiest first."""
        pages = ["warehouse/"]
        while pages:
            page = self.staff.open(pages[0])
            yield from (address for address, _words in page.links if re.search(r"/warehouse/[^/?]+/$", address))
            pages = [address for address, words in page.links if words == "Next"]

    def is_free(self, address: str) -> bool:
        shelf = self.staff.open(address)
        if any(shelf.by_id[name] != "0" for name in ("waiting", "owed", "inbound")):
            return False
        if shelf.by_id["on-shelf"] != "0":
            shelf = self.staff.submit(shelf, shelf.form(action="sell_out"), button="sell_out")
        product = self.reader.open(shelf.link(r"/p/"))
        return offers_to_tell(product) and not offers_to_sell(product)

    def five_ask(self, shelf: str, guests: list[str]) -> None:
        with self.tell("five guests ask to be told"):
            self.answers = [self.ask(shelf, guest) for guest in guests]
            expect("different answers", len(set(self.answers)), 1)
        with self.tell("each opens the link in the mail, and nothing happens yet; then presses the button") as found:
            for number, guest in enumerate(guests):
                self.confirm(shelf, guest, waiting_before=number)
            found.append("5 wait")

    def ask(self, shelf: str, guest: str) -> str:
        browser = Browser(self.url)
        product = browser.open(self.staff.open(shelf).link(r"/p/"))
        answer = browser.submit(product, product.form("email"), email=guest)
        box = max(
            (words for name, words in answer.by_id.items() if name.startswith("backorders-")), key=len, default=""
        )
        expect("a word about the mail in the answer", "mail" in box.lower(), True)
        return box

    def confirm(self, shelf: str, guest: str, *, waiting_before: int) -> None:
        mail = self.mails_to(guest, at_least=1)[0]
        browser = Browser(self.url)
        page = browser.open(self.reader.open(f"{mail}?part=text").link(r"/confirm/"))
        expect("people waiting after the link was only opened", self.waiting(shelf), waiting_before)
        browser.submit(page, the_post(page))
        expect("people waiting after the button", self.waiting(shelf), waiting_before + 1)

    def one_asks_twice(self, shelf: str, guest: str) -> None:
        with self.tell("one of them asks a second time: same answer, no second place, no second mail"):
            expect("the answer", self.ask(shelf, guest), self.answers[0])
            expect("people waiting", self.waiting(shelf), 5)

    def three_arrive(self, shelf: str, guests: list[str]) -> None:
        with self.tell("a truck brings 3 while 5 wait"):
            self.truck(shelf, 3)
        with self.tell("the three who waited longest get one mail each") as found:
            for guest in guests[:3]:
                self.mails_to(guest, at_least=2)
            found.append(", ".join(guest.partition("@")[0] for guest in guests[:3]))
        with self.tell("the other two hear nothing and keep their places"):
            time.sleep(SILENCE)
            expect("mails to each", [len(self.mails_to(guest)) for guest in guests], [2, 2, 2, 1, 1])
            expect("people waiting", self.waiting(shelf), 2)

    def one_leaves(self, shelf: str, guest: str) -> None:
        with self.tell("one who was told leaves by the link in the mail; opening it changes nothing either"):
            browser = Browser(self.url)
            link = self.reader.open(f"{self.mails_to(guest)[0]}?part=text").link(r"/leave/")
            browser.open(link)
            page = browser.open(link)
            left = browser.submit(page, the_post(page))
            expect("forms left on the page afterwards", posts(left), [])
        with self.tell(
            "the shelf sells out: the two told in vain stand in line again, the one who left does not"
        ) as found:
            page = self.staff.open(shelf)
            self.staff.submit(page, page.form(action="sell_out"), button="sell_out")
            expect("people waiting", self.waiting(shelf), 4)
            found.append("4 wait")

    def order_and_be_served_first(self, shelf: str) -> None:
        guest = self.address("patient")
        with self.tell("another shelf takes backorders, with a delivery announced"):
            page = self.staff.open(shelf)
            page = self.staff.submit(page, page.form(action="take_backorders"), button="take_backorders")
            self.staff.submit(page, page.form("earliest", "latest"), button="announce", quantity=20)
        with self.tell("a guest asks to be told when it is really here"):
            self.ask(shelf, guest)
            self.confirm(shelf, guest, waiting_before=0)
        with self.tell("a buyer orders 2 on backorder and sees place and date") as found:
            buyer, order = self.buy(shelf, 2)
            found.append(
                re.search(r"2 ship later · place 1 in the queue · [^.]+?(?= €| Total)", order.text + " Total")[0]
            )
        with self.tell("a truck brings 2: the order is filled before anyone is told"):
            self.truck(shelf, 2)
            expect("the order page says", "2 have come in for you" in buyer.open(order.address).text, True)
            time.sleep(SILENCE)
            expect("mails to the guest who waits", len(self.mails_to(guest)), 1)
        with self.tell("a truck brings 1 more: now the guest is told"):
            self.truck(shelf, 1)
            self.mails_to(guest, at_least=2)

    def buy(self, shelf: str, quantity: int) -> tuple[Browser, Page]:
        browser = Browser(self.url)
        product = browser.open(self.staff.open(shelf).link(r"/p/"))
        basket = browser.submit(product, product.form("variant", "quantity"), quantity=quantity)
        page = browser.open(basket.link(r"/checkout/"))
        who = {"email": self.address("buyer"), "name": "Bo Buyer", "address": "1 Canal Street\n9000 Ghent"}
        order = browser.submit(page, page.form("email", "address"), **who)
        expect("the order's page", "/orders/" in order.address, True)
        if not re.search(r"place 1 in the queue · (?!we do not know)", order.text):
            raise Unlike(f"no place and date on the order page: {order.text[:400]}")
        return browser, order

    # what they all do

    @contextmanager
    def tell(self, step: str) -> Iterator[list[str]]:
        self.step = step
        found: list[str] = []
        yield found
        self.say(f"{self.clock()}  {step}" + (f": {found[0]}" if found else ""))

    def clock(self) -> str:
        return f"{time.monotonic() - self.began:5.1f} s"

    def address(self, who: str) -> str:
        return f"{who}.{self.run}@example.com"

    def title(self, shelf: str) -> str:
        return next(words for address, words in self.staff.open(shelf).links if "/p/" in address)

    def waiting(self, shelf: str) -> int:
        return int(self.staff.open(shelf).by_id["waiting"])

    def truck(self, shelf: str, quantity: int) -> None:
        page = self.staff.open(shelf)
        self.staff.submit(page, page.form("quantity", action="truck"), button="truck", quantity=quantity)

    def mails_to(self, address: str, *, at_least: int = 0) -> list[str]:
        """The addresses of the Inbox pages of somebody's mails, newest first; waits until there are enough."""
        deadline = time.monotonic() + PATIENCE
        while True:
            page = self.reader.open(f"inbox/?to={address}")
            mails = [link for link, _words in page.links if re.search(r"/inbox/\d+/$", link)]
            if len(mails) >= at_least:
                return mails
            if time.monotonic() > deadline:
                raise Unlike(
                    f"{address} got {len(mails)} of {at_least} mails within {PATIENCE:.0f} s; is the worker running?"
                )
            time.sleep(0.15)


def offers_to_tell(product: Page) -> bool:
    return any("email" in form.answers for form in product.forms)


def offers_to_sell(product: Page) -> bool:
    return any({"variant", "quantity"} <= form.answers.keys() for form in product.forms)


def posts(page: Page) -> list[Form]:
    """What a page can be told to do; the language menu is on every page and does not count."""
    return [form for form in page.forms if form.method == "post" and "next" not in form.answers]


def the_post(page: Page) -> Form:
    if len(posts(page)) != 1:
        raise LookupError(
            f"{page.address} has {len(posts(page))} forms that change something, where the story needs one"
        )
    return posts(page)[0]
