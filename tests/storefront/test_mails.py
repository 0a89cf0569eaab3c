"""What the mails say, as their readers get them."""

import datetime as dt
import re
from html.parser import HTMLParser

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from backorders.models import Backorder, OutgoingMail, StockItem
from backorders.queries.facts import facts_for
from backorders.services.backorders import (
    cancel_backorder,
    place_backorder,
    ship_backorder,
    tell_releases,
    tell_whole_orders,
)
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import subscribe
from backorders.services.supply import expect_delivery, move_delivery, receive_delivery, undo_receipt
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_waves
from tests.factories import ProductFactory, in_days, waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language active behind it; each test starts from the shop's own."""
    with translation.override("en"):
        yield


TITLE = "Mug & Co <b>“blue”</b>"


def mug_on_order(policy="backorder", units=5, **fields):
    mug = ProductFactory(name=TITLE, stock=0)
    StockItem.objects.filter(id=anchor_of(mug).id).update(policy=policy, **fields)
    return mug, expect_delivery(product=mug, quantity=units, earliest=in_days(4), latest=in_days(8))


def sent():
    drain(seconds=5)
    return mail.outbox[-1]


def confirm_mail(language=""):
    subscribe(product=ProductFactory(name=TITLE, stock=0), email="ana@example.com", language=language)
    return sent()


def return_mail(language=""):
    mug = ProductFactory(name=TITLE, stock=0)
    waiting_for(mug, language=language)
    Product.objects.filter(pk=mug.pk).update(stock=3)
    sweep_stock()
    release_waves()
    return sent()


def order_mail(language="", quantity=2, **fields):
    mug, _ = mug_on_order(**fields)
    place_backorder(product=mug, quantity=quantity, reference="A-1/1", email="ana@example.com", language=language)
    return sent()


def arrival_mail(language="", quantity=2, units=5):
    mug, delivery = mug_on_order()
    place_backorder(product=mug, quantity=quantity, reference="A-1/1", email="ana@example.com", language=language)
    receive_delivery(delivery_id=delivery.id, quantity=units)
    return sent()


def moved_mail(language=""):
    mug, delivery = mug_on_order()
    place_backorder(product=mug, quantity=2, reference="A-1/1", email="ana@example.com", language=language)
    later = {"earliest": in_days(14), "latest": in_days(15), "now": timezone.now() - dt.timedelta(minutes=30)}
    move_delivery(delivery_id=delivery.id, **later, reason="A strike <b>in</b> the port")
    return sent()


def release_mail(language=""):
    mug, _ = mug_on_order(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=3))
    place_backorder(product=mug, quantity=2, reference="A-1/1", email="ana@example.com", language=language)
    drain(seconds=5)
    StockItem.objects.update(releases_at=timezone.now() - dt.timedelta(hours=1))
    tell_releases(now=timezone.now() - dt.timedelta(minutes=10))
    return sent()


def cancelled_mail(language="", quantity=2, **fields):
    mug, _ = mug_on_order()
    line = place_backorder(product=mug, quantity=2, reference="A-1/1", email="ana@example.com", language=language)
    cancel_backorder(backorder_id=line.id, quantity=quantity)
    return sent()


KINDS = {
    "confirm": confirm_mail,
    "return": return_mail,
    "order": order_mail,
    "moved": moved_mail,
    "release": release_mail,
    "arrival": arrival_mail,
    "cancelled": cancelled_mail,
}


@pytest.fixture(params=KINDS)
def write(request, db):
    return KINDS[request.param]


def html_of(message):
    return message.alternatives[0][0]


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_titles_read_as_written_in_text_and_are_escaped_in_html(write):
    message = write()
    assert TITLE in message.body or write is arrival_mail
    assert "&amp;" not in message.body and "&lt;" not in message.subject
    assert "Mug &amp; Co &lt;b&gt;" in html_of(message)
    assert "<b>" not in html_of(message)


def test_the_text_part_fits_a_narrow_window_with_each_link_alone_on_its_line(write):
    for line in write().body.splitlines():
        assert len(line) <= 72 or line.startswith("https://")
        assert "https://" not in line or re.fullmatch(r"https://\S+", line)


def test_the_html_part_is_whole_small_and_loads_nothing_but_pictures(write):
    html = html_of(write())
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert len(html.encode()) < 20_000
    assert "<script" not in html and "<link" not in html and "url(" not in html
    assert 'name="color-scheme" content="light dark"' in html and "prefers-color-scheme: dark" in html


def test_arabic_mails_run_from_right_to_left(write):
    html = html_of(write(language="ar"))
    assert html.startswith('<!doctype html><html lang="ar" dir="rtl" ')
    assert 'align="right"' in html and 'align="left"' not in html


def test_no_line_of_the_html_part_is_so_long_that_the_mail_would_be_encoded(write):
    """As quoted-printable no secret link would stand in it as it is, and no mail could be printed."""
    assert max(len(line) for line in html_of(write()).encode().split(b"\n")) < 900


def test_buttons_and_links_wear_the_colour_of_the_shop_and_a_lighter_one_on_a_dark_screen(write, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_COLOR": "#7a1f3d"}
    html = html_of(write())

    buttons = re.findall(r'<a href="[^"]+" target="_blank" style="([^"]+)"', html)

    assert "#1d4f91" not in html and ("#7a1f3d" in html) == (buttons != [] or 'class="link"' in html)
    assert all("background:#7a1f3d;color:#ffffff;" in style for style in buttons)
    assert re.search(r"prefers-color-scheme: dark.*\.button a \{ background: #[a-f][0-9a-f]{5} !important", html, re.S)


def test_a_colour_that_is_none_leaves_mails_as_they_are(write, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_COLOR": '"><script>'}
    html = html_of(write())
    assert "<script" not in html and "#7a1f3d" not in html


def test_the_logo_of_the_shop_stands_in_place_of_its_name_and_says_it(write, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_LOGO": "/static/logo.png"}
    html = html_of(write())

    assert '<img src="https://shop.example/static/logo.png" height="40" alt="Test Shop"' in html
    assert ">Test Shop</div>" not in html


def test_a_shop_may_set_our_mails_in_a_frame_of_its_own(tmp_path, settings, write):
    folder = tmp_path / "backorders" / "mail"
    folder.mkdir(parents=True)
    blocks = {name: f"{{% block {name} %}}{{% endblock %}}" for name in ("preheader", "heading", "content", "footer")}
    (folder / "base.html").write_text(
        "<p>{preheader}</p><h1>{heading}</h1><table>{content}</table>{footer}".format(**blocks)
    )
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [str(tmp_path), *engine.get("DIRS", [])]}]
    html = html_of(write())
    parser = Balanced()
    parser.feed(html)

    assert parser.open == []
    assert re.fullmatch(r"\s*<p>[^<]+</p><h1>[^<]+</h1><table>\s*<tr>.+</tr>\s*</table>.*", html, re.S)
    assert "Mug &amp; Co" in html and "<body" not in html


def test_a_name_keeps_its_own_direction_in_both_parts_of_an_arabic_mail(write):
    arabic = write(language="ar")
    assert re.search("\u2068[^\u2068\u2069]*Mug[^\u2068\u2069]*\u2069", arabic.body)
    assert re.search("<bdi>[^<]*Mug[^<]*</bdi>", html_of(arabic))
    assert "\u2068" not in arabic.subject  # invisible signs have no place in a header


def test_a_mail_that_runs_from_left_to_right_needs_no_invisible_signs(write):
    assert "\u2068" not in write().body


def test_no_text_part_has_gaps_where_something_was_left_out(write):
    assert "\n\n\n" not in write().body


def test_a_link_to_the_order_leaves_no_gap_either_and_stands_in_both_parts(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "ORDER_URL": "/o/{line}/"}
    for write_one in (order_mail, moved_mail, release_mail, arrival_mail, cancelled_mail):
        with transaction.atomic():
            message = write_one()
            transaction.set_rollback(True)
        assert "\n\n\n" not in message.body
        assert "\nhttps://shop.example/o/A-1%2F1/\n" in message.body
        assert 'href="https://shop.example/o/A-1%2F1/"' in html_of(message)


def test_the_confirmation_names_its_sender_and_sells_nothing(outbox):
    message = confirm_mail()
    assert "asked Test Shop to write to this address" in message.body
    assert re.search(r"^https://shop\.example/backorders/confirm/[\w-]{43}/$", message.body, re.M)
    assert "€" not in message.body + html_of(message) and "/p/" not in html_of(message)


def test_the_mail_about_a_return_is_honest_and_says_how_to_leave():
    message = return_mail()
    assert message.subject == f"In stock now: {TITLE}"
    assert "as long as stock lasts" in message.body
    link = re.search(r"^https://shop\.example/backorders/leave/[\w-]{43}/$", message.body, re.M)[0]
    assert f'href="{link}"' in html_of(message)
    assert message.extra_headers["List-Unsubscribe"] == f"<{link}>"


def test_an_order_line_is_told_when_it_comes_and_where_it_stands():
    message = order_mail()
    assert f"2 × {TITLE}" in message.body
    assert re.search(r"^Ships by \w+ \d+(, \d+)?\nPlace in line: 1$", message.body, re.M)
    assert f'Ships <span class="bo-window"><time datetime="{in_days(8).isoformat()}">by ' in html_of(message)


def test_an_order_line_beyond_the_deliveries_is_told_that_there_is_no_date():
    assert "We do not know yet when it ships." in order_mail(quantity=9).body


def test_a_preorder_is_called_one():
    message = order_mail(policy="preorder", releases_at=timezone.now() + dt.timedelta(days=20))
    assert message.subject.startswith("Your pre-order: ")


def test_a_small_arrival_says_what_is_still_to_come():
    message = arrival_mail(quantity=4, units=3)
    assert message.subject.startswith("Part of your order has come in: ")
    assert f"3 × {TITLE}" in message.body and "1 more is still to come." in message.body


def test_a_whole_arrival_says_so():
    assert "That is all of it: Test Shop packs and ships it next." in arrival_mail().body


def test_a_date_of_today_is_promised_in_words_that_last():
    mug = ProductFactory(name=TITLE, stock=0)
    set_selling_policy(product=mug, policy="backorder")
    expect_delivery(product=mug, quantity=5, earliest=in_days(0), latest=in_days(0))
    place_backorder(product=mug, quantity=1, reference="A-1/1", email="ana@example.com")
    assert re.search(r"^Ships by \w+ \d+", sent().body, re.M)


# goods that are taken back before the mail about them leaves


def arrived(units=5, quantity=2, **fields):
    """A line that was given units; its mail about them has not left."""
    mug, delivery = mug_on_order()
    line = place_backorder(product=mug, quantity=quantity, reference="A-1/1", email="ana@example.com", **fields)
    drain(seconds=5)
    receive_delivery(delivery_id=delivery.id, quantity=units)
    return line, delivery


def mail_of(line):
    return OutgoingMail.objects.filter(backorder=line, kind="backorder_filled").order_by("id").last()


def leased_again(line):
    """A worker had claimed the mail when the goods were taken back, and died."""
    OutgoingMail.objects.filter(id=mail_of(line).id).update(state="queued", note="")


def test_goods_that_were_taken_back_are_not_announced():
    line, delivery = arrived()
    undo_receipt(delivery_id=delivery.id)
    leased_again(line)
    drain(seconds=5)

    assert (mail_of(line).state, mail_of(line).note) == ("cancelled", "the goods are not there after all")
    assert len(mail.outbox) == 1


def test_goods_of_which_a_part_was_taken_back_are_announced_as_what_is_left():
    line, delivery = arrived(units=2)
    undo_receipt(delivery_id=delivery.id, quantity=1)
    leased_again(line)
    message = sent()

    assert message.subject.startswith("Part of your order has come in: ")
    assert f"1 × {TITLE}" in message.body and "1 more is still to come." in message.body


def test_what_a_stopped_mail_would_have_told_is_told_by_the_next_and_by_no_other():
    line, delivery = arrived(units=3, quantity=6)
    undo_receipt(delivery_id=delivery.id, quantity=1)  # stops the mail; two units stay
    for units in (1, 2):
        receive_delivery(delivery_id=delivery.id, quantity=units)
        drain(seconds=5)
    told = [int(re.search("^([0-9]+) ×", message.body, re.M)[1]) for message in mail.outbox[1:]]
    line.refresh_from_db()

    assert told == [3, 2]
    assert sum(told) == line.allocated_quantity


def test_each_arrival_is_announced_once_however_often_goods_are_taken_back():
    line, delivery = arrived(units=1)
    first = mail_of(line)
    undo_receipt(delivery_id=delivery.id)
    receive_delivery(delivery_id=delivery.id, quantity=2)
    OutgoingMail.objects.filter(id=first.id).update(state="queued")
    drain(seconds=5)

    assert OutgoingMail.objects.get(id=first.id).state == "cancelled"
    assert [re.search("^[0-9]+ ×", message.body, re.M)[0] for message in mail.outbox[1:]] == ["2 ×"]


def test_goods_that_left_the_house_before_their_mail_did_still_came_in():
    line, _ = arrived()
    ship_backorder(backorder_id=line.id)
    assert sent().subject == f"Your order is ready to ship: {TITLE}"


def test_nobody_is_told_of_goods_for_an_order_that_was_cancelled():
    line, _ = arrived()
    cancel_backorder(backorder_id=line.id)
    drain(seconds=5)
    assert (mail_of(line).state, mail_of(line).note) == ("cancelled", "the order was cancelled")


# an order that ships as a whole


def together(quantity=2, others=1, **order):
    """One order of two or more products that wants all of it at once; nothing of it is here yet."""
    products = [ProductFactory(name=TITLE, stock=0)] + ProductFactory.create_batch(others, stock=0)
    for product in products:
        set_selling_policy(product=product, policy="backorder")
    lines = [Line(product, quantity, f"R-1/{place}") for place, product in enumerate(products, start=1)]
    check_out(lines=lines, email="ana@example.com", ship="together", **order)
    drain(seconds=5)
    mail.outbox.clear()
    return products


def arrivals():
    """What was written about goods that came, among news of dates and of what was cancelled."""
    return [message for message in mail.outbox if message.subject.startswith("Your order is ready to ship")]


def arrives(product, units=2):
    Product.objects.filter(pk=product.pk).update(stock=units)
    sweep_stock()
    tell_whole_orders()
    drain(seconds=5)


def test_an_order_that_ships_as_a_whole_is_announced_once_with_all_its_lines():
    mug, cup = together()
    arrives(mug)
    assert mail.outbox == []
    arrives(cup)
    [message] = mail.outbox

    assert message.subject == f"Your order is ready to ship: {TITLE} and 1 more"
    assert f"2 × {TITLE}" in message.body and f"2 × {cup.name}" in message.body
    assert "Order line: R-1/1\n" in message.body and "Order line: R-1/2\n" in message.body
    assert "That is all of it: Test Shop packs and ships it next." in message.body
    assert html_of(message).count("Quantity: 2") == 2 and "Mug &amp; Co &lt;b&gt;" in html_of(message)


def test_a_line_that_was_cancelled_is_not_among_those_that_came():
    mug, cup = together()
    cancel_backorder(backorder_id=Backorder.objects.get(reference="R-1/1").id)
    arrives(cup)
    [message] = arrivals()

    assert message.subject == f"Your order is ready to ship: {cup.name}"
    assert "Order line: R-1/2" in message.body and TITLE not in message.body


def test_units_that_came_one_after_the_other_are_announced_together():
    [mug] = together(quantity=5, others=0)
    arrives(mug, 2)
    arrives(mug, 3)
    [message] = mail.outbox
    assert f"5 × {TITLE}" in message.body


def test_an_order_of_which_something_was_taken_back_is_not_announced():
    mug, cup = together()
    Product.objects.filter(pk=mug.pk).update(stock=2)
    sweep_stock()
    delivery = expect_delivery(product=cup, quantity=2, earliest=in_days(1), latest=in_days(2))
    receive_delivery(delivery_id=delivery.id)
    tell_whole_orders()
    undo_receipt(delivery_id=delivery.id)
    drain(seconds=5)
    told = OutgoingMail.objects.get(kind="backorder_filled")
    assert (told.state, told.note, arrivals()) == ("cancelled", "not all of the order is here any more", [])

    receive_delivery(delivery_id=delivery.id)
    tell_whole_orders()
    assert sent().subject == f"Your order is ready to ship: {TITLE} and 1 more"


def test_another_customers_order_of_the_same_name_is_another_order():
    mug, cup = together(order_reference="R-1")
    check_out(lines=[Line(cup, 2, "X-1/1")], email="bob@example.com", ship="together", order_reference="R-1")
    drain(seconds=5)
    mail.outbox.clear()
    arrives(mug)
    arrives(cup, 4)

    by_reader = {message.to[0]: message.body for message in mail.outbox}
    assert "X-1/1" not in by_reader["ana@example.com"] and "line: R-1/" not in by_reader["bob@example.com"]


def test_an_order_that_gave_up_what_was_taken_back_stops_no_other_orders():
    """Told, one unit taken back, and then cancelled: nothing new came in, so there is nothing more to tell."""
    [mug] = together(quantity=2, others=0)
    delivery = expect_delivery(product=mug, quantity=2, earliest=in_days(1), latest=in_days(2))
    receive_delivery(delivery_id=delivery.id)
    tell_whole_orders()
    undo_receipt(delivery_id=delivery.id, quantity=1)
    cancel_backorder(backorder_id=Backorder.objects.get().id, quantity=1)
    tell_whole_orders()
    drain(seconds=5)

    [message] = arrivals()
    assert f"1 × {TITLE}" in message.body


def test_lines_without_an_order_are_announced_each_alone():
    mug, cup = ProductFactory(name=TITLE, stock=0), ProductFactory(stock=0)
    for place, product in enumerate((mug, cup)):
        set_selling_policy(product=product, policy="backorder")
        place_backorder(
            product=product, quantity=1, reference=f"S-{place}", email="ana@example.com", fill="whole_order"
        )
    drain(seconds=5)
    mail.outbox.clear()
    arrives(mug)
    assert [message.subject for message in mail.outbox] == [f"Your order is ready to ship: {TITLE}"]


def test_the_number_of_queries_does_not_grow_with_the_number_of_mails():
    def facts_of(lines):
        mails = list(OutgoingMail.objects.filter(backorder__reference__in=lines).select_related("backorder__item"))
        with CaptureQueriesContext(connection) as queries:
            facts_for(mails, timezone.now())
        return len(mails), len(queries)

    mug, _ = mug_on_order(units=100)
    for number in range(6):
        reference = {"reference": f"Q-{number}", "email": f"r{number}@example.com"}
        place_backorder(product=mug, quantity=1, fill="whole_order", order_reference=f"O-{number}", **reference)
    assert facts_of(["Q-0"])[1] == facts_of([f"Q-{number}" for number in range(6)])[1]
