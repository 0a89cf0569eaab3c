"""The main job, told by people with browsers against a running shop. Nothing here touches the database."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from secrets import token_hex

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
        except (Unlike, LookupError, OSError) as problem:
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
        shelf, other_shelf, third_shelf = self.find_sold_out()
        guests = [self.address(f"guest{number}") for number in range(1, 6)]
        self.five_ask(shelf, guests)
        self.one_asks_twice(shelf, guests[0])
        self.three_arrive(shelf, guests)
        self.one_leaves(shelf, guests[0])
        self.order_and_be_served_first(other_shelf)
        self.stand_in_line(third_shelf)
        self.have_a_date_moved(third_shelf)
        self.be_told_what_would_happen(third_shelf)
        self.lose_the_rest(third_shelf)

    # the chapters

    def log_in(self) -> None:
        page = self.staff.open("account/login/")
        page = self.staff.submit(
            page, page.form("username", "password"), username="admin@example.com", password="admin"
        )
        expect("the page after logging in", "admin@example.com" in page.text, True)

    def find_sold_out(self) -> list[str]:
        """Three shelves nobody waits at, whose product pages offer to tell and not to sell; empty ones first."""
        with self.tell("find three sold-out products") as found:
            free = list(islice(filter(self.is_free, self.shelves()), 3))
            if len(free) < 3:
                raise Unlike("somebody waits for everything by now; start over with `dev.py demo --fresh`")
            found.append(", ".join(f"“{self.title(address)}”" for address in free))
            return free

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
        with self.tell(
            "those who waited longest get one mail each: a few more than there are units, for not all will buy"
        ) as found:
            for guest in guests[:3]:
                self.mails_to(guest, at_least=2)
            time.sleep(SILENCE)
            mails = [len(self.mails_to(guest)) for guest in guests]
            told = mails.count(2)
            found.append(", ".join(guest.partition("@")[0] for guest in guests[:told]))
        with self.tell("the others hear nothing and keep their places"):
            expect("mails to each", mails, [2] * told + [1] * (5 - told))
            expect("somebody who is not told yet", told < 5, True)
            expect("people waiting", self.waiting(shelf), 5 - told)

    def one_leaves(self, shelf: str, guest: str) -> None:
        with self.tell("one who was told leaves by the link in the mail; opening it changes nothing either"):
            browser = Browser(self.url)
            link = self.reader.open(f"{self.mails_to(guest)[0]}?part=text").link(r"/leave/")
            browser.open(link)
            page = browser.open(link)
            left = browser.submit(page, the_post(page))
            expect("forms left on the page afterwards", posts(left), [])
        with self.tell(
            "the shelf sells out: those told in vain stand in line again, the one who left does not"
        ) as found:
            page = self.staff.open(shelf)
            self.staff.submit(page, page.form(action="sell_out"), button="sell_out")
            expect("people waiting", self.waiting(shelf), 4)
            found.append("4 wait")

    def order_and_be_served_first(self, shelf: str) -> None:
        guest = self.address("patient")
        with self.tell("another shelf takes backorders, with a delivery announced"):
            self.take_backorders(shelf, announce=20)
        with self.tell("a guest asks to be told when it is really here"):
            self.ask(shelf, guest)
            self.confirm(shelf, guest, waiting_before=0)
        with self.tell("a buyer orders 2 on backorder and sees place and date") as found:
            buyer, order = self.buy(shelf, 2, who="buyer")
            expect("the place", place_in(order), 1)
            found.append(f"place 1, {date_in(order)}")
        with self.tell("a truck brings 2: the order is filled before anyone is told"):
            self.truck(shelf, 2)
            expect("the order page says", "2 have come in for you" in buyer.open(order.address).text, True)
            time.sleep(SILENCE)
            expect("mails to the guest who waits", len(self.mails_to(guest)), 1)
        with self.tell("a truck brings 1 more: now the guest is told"):
            self.truck(shelf, 1)
            self.mails_to(guest, at_least=2)

    def stand_in_line(self, shelf: str) -> None:
        with self.tell("a third shelf takes backorders; the basket says by when before anyone has paid") as found:
            self.take_backorders(shelf, announce=20)
            basket = self.put_in_basket(Browser(self.url), shelf, 3)
            self.said = found_in(basket, r"3 later, (by .+?) Quantity")
            found.append(self.said)
        with self.tell("three buyers order 2, 1 and 3; the third sees place and date") as found:
            self.orders = [self.buy(shelf, units, who=f"buyer{units}") for units in (2, 1, 3)]
            third = self.look_again(2)
            expect("the place of the third", place_in(third), 3)
            expect("the date, after the basket's word", date_in(third), self.said)
            found.append(f"place 3, {date_in(third)}")

    def have_a_date_moved(self, shelf: str) -> None:
        reason = "The ferry is not running"
        with self.tell("the delivery is delayed by a week, and staff say why"):
            self.before = date_in(self.look_again(2))
            told = self.wreck(shelf, "delay", days=7, reason=reason)
            expect("buyers of whom staff are told", len(re.findall(r"is promised another date", told.text)), 3)
        with self.tell("the third buyer's page shows the old date, the new one and the reason") as found:
            page = self.look_again(2)
            expect("the old date is struck", self.before in page.struck, True)
            expect("the date has moved", date_in(page) != self.before, True)
            expect("the reason is there", reason in page.text, True)
            found.append(f"{self.before}, now {date_in(page)}: {reason}")

    def be_told_what_would_happen(self, shelf: str) -> None:
        with self.tell("staff ask what 5 units would do") as found:
            page = self.staff.open(shelf)
            page = self.staff.submit(page, page.form("quantity"), quantity=5)
            answer = page.by_id["what-if"]
            found.append(answer)
        with self.tell("exactly those 5 arrive, and exactly that happens"):
            said = [int(number) for number in re.findall(r"\d+", answer)]
            owed = int(page.by_id["owed"])
            told = self.staff.submit(page, page.form("quantity", action="arrives"), button="arrives", quantity=5)
            served = re.findall(r"gets (\d+)", told.text)
            pages = [self.look_again(place) for place in range(3)]
            complete = sum("come in for you" in each.text and place_in(each) == 0 for each in pages)
            expect("units, lines, orders, people, for sale", [5, len(served), complete, 0, self.on_shelf(shelf)], said)
            expect("units still owed", int(told.by_id["owed"]), owed - 5)

    def lose_the_rest(self, shelf: str) -> None:
        with self.tell("the rest of it is lost: whoever still waits reads that there is no honest date") as found:
            self.wreck(shelf, "lose", reason="Lost at sea")
            page = self.look_again(2)
            expect("the place of the third", place_in(page), 1)
            expect("a date on its page", date_in(page), "")
            found.append(found_in(page, r"(We do not know yet when it ships\.)"))

    def take_backorders(self, shelf: str, *, announce: int) -> None:
        page = self.staff.open(shelf)
        page = self.staff.submit(page, page.form(action="take_backorders"), button="take_backorders")
        self.staff.submit(page, page.form("earliest", "latest"), button="announce", quantity=announce)

    def wreck(self, shelf: str, what: str, **answers: object) -> Page:
        """Something happens to the one delivery of a shelf."""
        page = self.staff.open(shelf)
        return self.staff.submit(page, page.form(action=what), button=what, **answers)

    def put_in_basket(self, browser: Browser, shelf: str, quantity: int) -> Page:
        product = browser.open(self.staff.open(shelf).link(r"/p/"))
        return browser.submit(product, product.form("variant", "quantity"), quantity=quantity)

    def buy(self, shelf: str, quantity: int, *, who: str) -> tuple[Browser, Page]:
        browser = Browser(self.url)
        page = browser.open(self.put_in_basket(browser, shelf, quantity).link(r"/checkout/"))
        answers = {"email": self.address(who), "name": "Bo Buyer", "address": "1 Canal Street\n9000 Ghent"}
        order = browser.submit(page, page.form("email", "address"), **answers)
        expect("the order's page", "/orders/" in order.address, True)
        if not place_in(order) or not date_in(order):
            raise Unlike(f"no place and date on the order page: {order.text[:600]}")
        return browser, order

    def look_again(self, place: int) -> Page:
        browser, order = self.orders[place]
        return browser.open(order.address)

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

    def on_shelf(self, shelf: str) -> int:
        return int(self.staff.open(shelf).by_id["on-shelf"])

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


def found_in(page: Page, pattern: str) -> str:
    found = re.search(pattern, page.text)
    if not found:
        raise Unlike(f"{page.address} says nothing like {pattern}: {page.text[-900:]}")
    return found[1]


def place_in(order: Page) -> int:
    """Where the line of an order page stands, 0 when nothing of it waits."""
    found = re.search(r"Place in line: (\d+)", order.text)
    return int(found[1]) if found else 0


def date_in(order: Page) -> str:
    """The promise in force, as in "by Dec 8"; nothing where there is none."""
    found = re.search(r"Ships (by .+?) Place in line", order.text)
    return found[1] if found else ""


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
