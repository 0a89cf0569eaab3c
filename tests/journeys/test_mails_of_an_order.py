"""Bo, Cy and Ana wait for a truck. What they are written while dates move, units are cancelled and a pre-order is released."""

import datetime as dt
import re
import sys

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from backorders.domain.outbox import OF_AN_ORDER, MailKind
from backorders.models import Backorder, OutgoingMail, Promise, StockItem, Subscription
from backorders.queries.facts import facts_for
from backorders.services.backorders import cancel_backorder, ship_backorder, tell_releases
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.services.privacy import forget_customer
from backorders.services.promises import keep_promises
from backorders.services.stock import sweep_stock
from backorders.services.supply import cancel_delivery, expect_delivery, move_delivery, receive_delivery
from backorders.signals import preorder_released
from tests.factories import ProductFactory, SubscriptionFactory, in_days
from tests.hosts.models import Product
from tests.stories import a_mug, line, order

pytestmark = pytest.mark.django_db


EARLIER = dt.timedelta(minutes=30)
"""So long ago dates move here: their mails are due by the database's clock, which no test can turn."""


@pytest.fixture
def now():
    """Mails say dates by the real clock."""
    return timezone.now()


def truck(product, units, day):
    days = {"earliest": in_days(day), "latest": in_days(day)}
    return expect_delivery(product=product, quantity=units, **days, now=timezone.now() - EARLIER)


@pytest.fixture
def may_truck(now):
    """Six units in eight days, for three customers who want two each; they know."""
    mug = a_mug()
    delivery = truck(mug, 6, 8)
    for name in ("Bo", "Cy", "Ana"):
        order(mug, 2, name, now=now)
    leave()
    return delivery


def leave():
    """Mails that are due leave; what was written so far."""
    drain(seconds=10)
    written, mail.outbox[:] = list(mail.outbox), []
    return written


def slip(delivery, day, reason=""):
    days = {"earliest": in_days(day), "latest": in_days(day)}
    move_delivery(delivery_id=delivery.id, **days, reason=reason, now=timezone.now() - EARLIER)


def sink(delivery, reason=""):
    cancel_delivery(delivery_id=delivery.id, reason=reason, now=timezone.now() - EARLIER)


def words(day):
    return f"by {in_days(day):%b} {in_days(day).day}"


def said(message, name):
    return re.search(rf"^{name}: (.+)$", message.body, re.M)[1]


def flat(message):
    return " ".join(message.body.split())


def to(written, name):
    return [message for message in written if message.to == [f"{name}@example.com"]]


def states(kind):
    return list(OutgoingMail.objects.filter(kind=kind).order_by("id").values_list("state", "note"))


# a date that moves


def test_the_third_in_line_is_told_the_old_date_the_new_one_and_why(may_truck):
    slip(may_truck, 20, reason="a strike in the port")
    [message] = to(leave(), "Ana")

    assert message.subject.startswith("New date for your order: Mug")
    assert said(message, "Promised before").startswith(words(8))
    assert said(message, "Promised now").startswith(words(20))
    assert said(message, "Why") == "a strike in the port"
    assert said(message, "Place in line") == "3"
    assert "you can give up your place on the page below" in flat(message)


def test_a_delivery_that_is_delayed_twice_before_the_mail_leaves_is_told_once(may_truck):
    slip(may_truck, 14, reason="a strike")
    slip(may_truck, 20, reason="a storm")
    [message] = to(leave(), "Ana")

    assert said(message, "Promised before").startswith(words(8))
    assert said(message, "Promised now").startswith(words(20))
    assert said(message, "Why") == "a storm"
    assert states("promise_moved").count(("cancelled", "the date has moved again")) == 3


def test_the_second_delay_starts_from_the_date_that_the_first_mail_told(may_truck):
    slip(may_truck, 14)
    leave()
    slip(may_truck, 20)
    [message] = to(leave(), "Ana")
    assert said(message, "Promised before").startswith(words(14))


def test_a_move_that_the_words_do_not_show_is_no_mail(now):
    mug = a_mug()
    delivery = truck(mug, 2, 300)
    order(mug, 2, "Ana", now=now)
    leave()
    end = (delivery.latest_on.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    move_delivery(delivery_id=delivery.id, earliest=delivery.earliest_on, latest=end, now=now - EARLIER)
    assert leave() == []


def test_a_date_has_to_stand_for_a_while_before_it_is_told(may_truck):
    for day in (14, 20):
        move_delivery(delivery_id=may_truck.id, earliest=in_days(day), latest=in_days(day))
    assert leave() == []
    OutgoingMail.objects.filter(state="queued").update(due_at=timezone.now())
    assert len(leave()) == 3


def test_whoever_had_no_date_is_glad_to_get_one(may_truck, now):
    mug = Product.objects.get()
    order(mug, 2, "Dee", now=now)
    [placed] = leave()
    assert "We do not know yet when it ships." in placed.body
    truck(mug, 2, 12)
    [message] = leave()

    assert message.to == ["Dee@example.com"] and message.subject.startswith("There is a date for your order: ")
    assert "Promised before" not in message.body and "rather not wait" not in flat(message)
    assert said(message, "Promised now").startswith(words(12))


def test_a_truck_that_does_not_come_is_told_without_a_date(may_truck):
    sink(may_truck, reason="the ship sank")
    [message] = to(leave(), "Ana")

    assert message.subject.startswith("Delayed: ")
    assert "there is no new one yet" in flat(message) and said(message, "Why") == "the ship sank"
    assert "Promised now" not in message.body + message.alternatives[0][0]
    assert "you can give up your place on the page below" in flat(message)


def test_a_date_that_was_lost_and_found_again_before_anybody_was_told_is_no_news(may_truck):
    sink(may_truck)
    truck(Product.objects.get(), 6, 8)
    assert leave() == []
    assert states("promise_moved")[-1] == ("cancelled", "the date is the one that was told")


def test_a_date_that_turns_out_earlier_is_good_news(may_truck):
    sink(may_truck)
    truck(Product.objects.get(), 6, 5)
    [message] = to(leave(), "Ana")

    assert message.subject.startswith("Earlier than we said: ")
    assert "Good news" in message.body and "sorry" not in message.body and "rather not wait" not in flat(message)


def test_whoever_was_filled_or_cancelled_meanwhile_hears_no_dates(may_truck):
    slip(may_truck, 20)
    receive_delivery(delivery_id=may_truck.id, quantity=2)
    cancel_backorder(backorder_id=line("Cy").id)
    written = leave()

    assert [message.subject.partition(":")[0] for message in to(written, "Bo")] == ["Your order is ready to ship"]
    assert [message.subject.partition(":")[0] for message in to(written, "Cy")] == ["Cancelled"]
    assert [message.subject.partition(":")[0] for message in to(written, "Ana")] == ["New date for your order"]


def test_who_was_forgotten_is_written_nothing(may_truck):
    slip(may_truck, 20)
    cancel_backorder(backorder_id=line("Ana").id)
    forget_customer(email="Ana@example.com")
    assert to(leave(), "Ana") == [] and not Backorder.objects.filter(email="Ana@example.com").exists()


def test_a_reader_is_told_in_their_own_language(now):
    mug = a_mug()
    delivery = truck(mug, 2, 8)
    order(mug, 2, "Ana", now=now, language="ar")
    leave()
    slip(delivery, 20)
    [message] = leave()
    assert 'dir="rtl"' in message.alternatives[0][0]


def test_a_move_of_ten_thousand_lines_takes_a_bounded_number_of_statements(now):
    mug = ProductFactory(stock=0)
    StockItem.objects.filter(id=anchor_of(mug).id).update(policy="backorder")
    delivery = truck(mug, 10_000, 8)

    def queue(lines):
        Backorder.objects.all().delete()
        about = {"item": anchor_of(mug), "placed_at": now, "rank_at": now, "quantity": 1, "email": "a@example.com"}
        day = {"promised_earliest_on": in_days(8), "promised_latest_on": in_days(8)}
        rows = [Backorder(reference=f"Q-{n}", email_key="a@example.com", **about, **day) for n in range(lines)]
        Backorder.objects.bulk_create(rows, batch_size=1000)
        firsts = [Promise(backorder=row, earliest_on=in_days(8), latest_on=in_days(8), promised_at=now) for row in rows]
        Promise.objects.bulk_create(firsts, batch_size=1000)
        StockItem.objects.update(queued_units=lines, seen_quantity=0)

    def statements(lines, day):
        queue(lines)
        with CaptureQueriesContext(connection) as asked:
            slip(delivery, day)
        assert OutgoingMail.objects.filter(kind="promise_moved", state="queued").count() == lines
        into_the_outbox = [query for query in asked if query["sql"].startswith("INSERT INTO backorders_outgoingmail")]
        return len(into_the_outbox), len(asked)

    mails, _ = statements(10, 20)
    slip(delivery, 8)
    many, all_of_them = statements(10_000, 20)
    assert (mails, many) == (1, 10)
    assert all_of_them < 120  # SQLite takes the ledger's rows 166 at a time


def test_mails_about_many_moves_are_written_from_a_number_of_queries_that_does_not_grow(may_truck):
    slip(may_truck, 20)
    mails = list(OutgoingMail.objects.filter(kind="promise_moved").select_related("backorder__item"))

    def queries(some):
        with CaptureQueriesContext(connection) as asked:
            facts_for(some, timezone.now())
        return len(asked)

    assert queries(mails[:1]) == queries(mails) and len(mails) == 3


def test_news_of_an_order_leaves_before_a_wave_and_after_a_confirmation(may_truck):
    slip(may_truck, 20)
    moved = OutgoingMail.objects.filter(kind="promise_moved").first()
    reader = SubscriptionFactory(item=StockItem.objects.get(), state=Subscription.State.TOLD)
    about = {"subscription": reader, "created_at": moved.created_at, "due_at": moved.due_at}
    OutgoingMail.objects.create(kind="back_in_stock", priority=4, **about)
    OutgoingMail.objects.create(kind="confirm_subscription", priority=0, **about)
    kinds = OutgoingMail.objects.filter(state="queued").order_by("priority").values_list("kind", flat=True)
    assert list(kinds) == ["confirm_subscription", *["promise_moved"] * 3, "back_in_stock"]


# what was cancelled


def test_whoever_cancels_is_told_what_was_taken_off(may_truck):
    cancel_backorder(backorder_id=line("Ana").id)
    [message] = leave()

    assert message.subject.startswith("Cancelled: Mug")
    assert "2 × Mug" in message.body and "Place in line" not in message.body
    assert not re.search("refund|charge|money|pay", message.body, re.I)


def test_whoever_cancels_a_part_is_told_what_stays(may_truck):
    cancel_backorder(backorder_id=line("Ana").id, quantity=1)
    [message] = leave()

    assert message.subject.startswith("Part of your order is cancelled: Mug")
    assert "1 × Mug" in message.body and "1 more is still to come." in message.body
    assert said(message, "Place in line") == "3"


def test_one_unit_after_the_other_is_one_mail_until_it_left(may_truck):
    cancel_backorder(backorder_id=line("Ana").id, quantity=1)
    cancel_backorder(backorder_id=line("Ana").id, quantity=1)
    [message] = leave()
    assert "2 × Mug" in message.body

    for _ in range(2):
        cancel_backorder(backorder_id=line("Bo").id, quantity=1)
        [message] = leave()
        assert "1 × Mug" in message.body


def test_units_that_are_here_stay_when_the_others_are_cancelled(may_truck):
    receive_delivery(delivery_id=may_truck.id, quantity=1)
    leave()
    cancel_backorder(backorder_id=line("Bo").id, quantity=1)
    [message] = leave()
    assert "The rest of it is here, and set aside for you as before." in message.body


# a pre-order


@pytest.fixture
def album(now):
    """Released in three days, 4 units come a week later; Bo and Ana pre-ordered two each."""
    album = ProductFactory(name="Album", stock=0)
    release = {"policy": "preorder", "releases_at": now + dt.timedelta(days=3)}
    StockItem.objects.filter(id=anchor_of(album).id).update(**release)
    truck(album, 4, 10)
    for name in ("Bo", "Ana"):
        order(album, 2, name, now=now)
    leave()
    return album


def release(hours=1):
    StockItem.objects.update(releases_at=timezone.now() - dt.timedelta(hours=hours))
    return tell_releases(now=timezone.now() - dt.timedelta(minutes=30))


def test_nobody_is_told_of_a_release_before_its_day(album):
    assert (tell_releases(), leave()) == (0, [])


def test_everybody_who_preordered_is_told_once_that_it_is_released(album):
    assert (release(), release()) == (2, 0)
    written = leave()

    assert [message.subject for message in written] == ["Released: Album"] * 2
    assert "Yours ships as soon as it is in the house." in flat(written[0])
    assert re.search(rf"^Ships {words(10)}", written[0].body, re.M)


def test_whoever_is_given_units_on_the_day_of_release_hears_of_those_only(album):
    Product.objects.filter(pk=album.pk).update(stock=2)
    release()
    sweep_stock()
    written = leave()

    assert [message.subject for message in to(written, "Bo")] == ["Your order is ready to ship: Album"]
    assert [message.subject for message in to(written, "Ana")] == ["Released: Album"]
    assert ("cancelled", "told of the goods themselves") in states("preorder_released")


def test_the_mail_of_a_release_gives_the_sweep_time_to_hand_out_what_is_here(album, now):
    StockItem.objects.update(releases_at=now - dt.timedelta(hours=1))
    tell_releases()
    assert leave() == []


def test_a_release_that_is_put_off_before_the_mail_leaves_is_not_told(album, now):
    release()
    StockItem.objects.update(releases_at=now + dt.timedelta(days=9))
    assert leave() == []


def test_the_shop_hears_of_every_preorder_that_is_released(album, committed):
    heard = []

    def listen(sender, backorder_id, quantity, **_):
        heard.append((backorder_id, quantity))

    preorder_released.connect(listen)
    cancel_backorder(backorder_id=line("Ana").id, quantity=1)
    with committed():
        release()
        release()
    preorder_released.disconnect(listen)
    assert heard == [(line("Bo").id, 2), (line("Ana").id, 1)]


def test_an_order_of_something_that_was_never_a_preorder_is_not_released(may_truck):
    assert release() == 0


# what the shop writes itself


@pytest.mark.parametrize("kind", OF_AN_ORDER)
def test_a_shop_that_writes_a_kind_of_mail_itself_has_none_of_ours(now, settings, kind):
    with override_settings(BACKORDERS={**settings.BACKORDERS, "MAILS_OFF": (kind.value,)}):
        mug = ProductFactory(stock=0)
        preorder = {"policy": "preorder", "releases_at": now + dt.timedelta(days=3)}
        StockItem.objects.filter(id=anchor_of(mug).id).update(**preorder)
        delivery = truck(mug, 2, 8)
        for name in ("Bo", "Ana"):
            order(mug, 1, name, now=now)
        slip(delivery, 20)
        cancel_backorder(backorder_id=line("Ana").id)
        release()
        leave()
        receive_delivery(delivery_id=delivery.id)
        ship_backorder(backorder_id=line("Bo").id)
    assert set(OutgoingMail.objects.values_list("kind", flat=True)) == {MailKind(one) for one in OF_AN_ORDER} - {kind}


def test_a_mail_that_waited_when_its_kind_was_turned_off_does_not_leave(may_truck, settings):
    slip(may_truck, 20)
    with override_settings(BACKORDERS={**settings.BACKORDERS, "MAILS_OFF": ["promise_moved"]}):
        assert leave() == []
    assert states("promise_moved")[0] == ("cancelled", "the shop writes such mails itself (MAILS_OFF)")


@pytest.mark.parametrize(
    ("pattern", "link"),
    [
        ("/orders/{order}/", "https://shop.example/orders/R%2F1/"),
        ("https://till.example/o/{order}#{line}", "https://till.example/o/R%2F1#Ana"),
        ("", None),
    ],
)
def test_mails_lead_to_the_shops_own_page_of_the_order(now, settings, pattern, link):
    mug = a_mug()
    delivery = truck(mug, 2, 8)
    order(mug, 2, "Ana", now=now, order_reference="R/1")
    leave()
    with override_settings(BACKORDERS={**settings.BACKORDERS, "ORDER_URL": pattern}):
        slip(delivery, 20)
        [message] = leave()
    assert (link in message.body.splitlines()) == (link is not None) == ("See your order" in message.alternatives[0][0])


# several dates of one order


@pytest.fixture
def one_order(now):
    """Dee's order has two lines, each with a truck of its own; Eve's has one, on Dee's first truck. All know their dates."""
    mugs, trucks = [a_mug(), a_mug()], []
    for mug, name in zip(mugs, ("Mug", "Jug"), strict=True):
        Product.objects.filter(pk=mug.pk).update(name=name)
    for mug, day in zip(mugs, (8, 9), strict=True):
        trucks.append(truck(mug, 4, day))
        about = {"email": "Dee@example.com", "order_reference": "W-7"}
        order(mug, 2, f"Dee {len(trucks)}", now=now, **about)
    order(mugs[0], 2, "Eve", now=now, order_reference="W-8")
    leave()
    return trucks


def test_two_dates_of_one_order_are_one_mail(one_order):
    slip(one_order[0], 20, reason="The kiln is being repaired.")
    slip(one_order[1], 19)
    written = leave()

    assert len(written) == 2
    [eve], [dee] = to(written, "Eve"), to(written, "Dee")
    assert eve.subject == "New date for your order: Mug"
    assert dee.subject == "New dates for your order W-7"
    first, second = flat(dee).index("2 × Mug"), flat(dee).index("2 × Jug")
    assert first < flat(dee).index("The kiln is being repaired.") < second
    assert re.findall(r"^Promised before: (.+)$", dee.body, re.M) == [words(8), words(9)]
    assert re.findall(r"^Promised now: (.+)$", dee.body, re.M) == [words(20), words(19)]
    for day in (8, 9, 19, 20):
        assert words(day) in dee.alternatives[0][0]
    assert {state for state, _ in states("promise_moved")} == {"sent"}


def test_what_is_not_true_any_more_is_left_out_of_the_one_mail(one_order):
    """The first line's mail would have led."""
    slip(one_order[0], 20)
    slip(one_order[1], 19)
    cancel_backorder(backorder_id=line("Dee 1").id)
    kinds = sorted(message.subject for message in to(leave(), "Dee"))

    assert kinds == ["Cancelled: Mug", "New date for your order: Jug"]


def test_a_line_without_a_new_date_says_so_beside_one_that_has_one(one_order):
    sink(one_order[0])
    slip(one_order[1], 19)
    [dee] = to(leave(), "Dee")

    assert "We write to you as soon as there is a new date." in flat(dee)
    assert re.findall(r"^Promised now: (.+)$", dee.body, re.M) == [words(19)]


def test_each_date_of_the_one_mail_has_its_calendar_entry(settings, one_order):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_CALENDAR": True}
    slip(one_order[0], 20)
    slip(one_order[1], 19)
    [dee] = to(leave(), "Dee")
    entries = {name: content for name, content, _ in dee.attachments}

    assert sorted(entries) == ["date.ics", "date1.ics"]
    for name, day in (("date.ics", 20), ("date1.ics", 19)):
        assert f"DTSTART;VALUE=DATE:{in_days(day):%Y%m%d}" in entries[name]


# a day for the calendar


@pytest.fixture
def with_calendar(settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_CALENDAR": True}


def entry_of(message):
    """The attached entry as its properties, and its bytes as they go out."""
    [(name, content, mimetype)] = message.attachments
    assert (name, mimetype) == (
        "date.ics",
        "text/calendar",
    ) and b"Content-Type: text/calendar" in message.message().as_bytes()
    return dict(row.split(":", 1) for row in content.replace("\r\n ", "").splitlines())


def test_the_promised_day_comes_as_a_calendar_entry_that_moves_with_it(with_calendar, now):
    mug = a_mug()
    delivery = truck(mug, 2, 8)
    order(mug, 2, "Ana", now=now)
    [placed] = leave()
    slip(delivery, 20)
    [moved] = leave()
    cancel_backorder(backorder_id=line("Ana").id)
    [cancelled] = leave()

    first, second, third = entry_of(placed), entry_of(moved), entry_of(cancelled)
    assert first["UID"] == second["UID"] == third["UID"]
    assert [entry["SEQUENCE"] for entry in (first, second, third)] == ["0", "1", "2"]
    assert first["DTSTART;VALUE=DATE"] == f"{in_days(8):%Y%m%d}"
    assert second["DTSTART;VALUE=DATE"] == third["DTSTART;VALUE=DATE"] == f"{in_days(20):%Y%m%d}"
    assert [entry["STATUS"] for entry in (first, second, third)] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]


def test_a_date_that_is_lost_takes_its_calendar_entry_away(with_calendar, may_truck):
    sink(may_truck)
    [message] = to(leave(), "Ana")
    entry = entry_of(message)
    assert (entry["STATUS"], entry["DTSTART;VALUE=DATE"]) == ("CANCELLED", f"{in_days(8):%Y%m%d}")


def test_there_is_no_entry_where_there_is_no_date_nor_where_nobody_asked_for_one(now, settings):
    order(a_mug(), 2, "Ana", now=now)
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_CALENDAR": True}
    [message] = leave()
    assert message.attachments == []
    settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_CALENDAR": False}
    mug = a_mug()
    truck(mug, 2, 8)
    order(mug, 2, "Bo", now=now)
    [message] = leave()
    assert message.attachments == []


def test_without_the_calendar_package_mails_leave_as_if_nobody_had_asked_for_entries(with_calendar, now, monkeypatch):
    monkeypatch.setitem(sys.modules, "icalendar", None)
    mug = a_mug()
    truck(mug, 2, 8)
    order(mug, 2, "Ana", now=now)
    [message] = leave()
    assert message.attachments == []


def test_looking_again_after_a_move_writes_nothing_more(may_truck, now):
    slip(may_truck, 20)
    keep_promises(item=StockItem.objects.get(), now=now)
    assert OutgoingMail.objects.filter(kind="promise_moved").count() == 3
