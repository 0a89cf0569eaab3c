import re
import uuid

import pytest
from django.urls import reverse

from backorders.models import Backorder, Delivery, DeliveryRevision, Promise, StockEvent
from backorders.services.backorders import place_backorder
from backorders.services.supply import expect_delivery, receive_delivery
from backorders.services.terms import set_selling_policy
from tests.admin.conftest import with_ledgers
from tests.hosts.models import Poster, Product, Warehoused

pytestmark = pytest.mark.django_db

LIST, ADD = reverse("admin:backorders_delivery_changelist"), reverse("admin:backorders_delivery_add")
RECEIVE = reverse("admin:backorders_delivery_receive")


def change(delivery):
    return reverse("admin:backorders_delivery_change", args=[delivery.pk])


def receive(*deliveries):
    return f"{RECEIVE}?ids={','.join(str(one.id) for one in deliveries)}"


def texts(answer):
    return " | ".join(str(message) for message in answer.context["messages"])


def said(answer):
    """The page as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.fixture
def queue(mug):
    """Two order lines: one for 2, one for 5."""
    set_selling_policy(product=mug, policy="backorder")
    place_backorder(product=mug, quantity=2, reference="A-1", email="a@example.com")
    place_backorder(product=mug, quantity=5, reference="A-2", email="b@example.com")


@pytest.fixture
def delivery(mug, day):
    return expect_delivery(product=mug, quantity=10, earliest=day(1), latest=day(4))


# expecting


def form_for(typed, day, **more):
    filled = {"product": typed, "quantity": "10", "earliest_on": day(3), "latest_on": day(5), "confidence": "firm"}
    return {**filled, "supplier": "", "reference": "PO-7", **more}


@pytest.mark.parametrize("typed", ["hosts.product:{pk}", "blue MUG", "Hosts.Product:{pk} "])
def test_a_delivery_is_expected_for_the_product_that_was_typed(merchandiser, mug, day, typed):
    answer = merchandiser.post(ADD, form_for(typed.format(pk=mug.pk), day), follow=True)
    made = Delivery.objects.get()
    assert answer.status_code == 200
    assert (made.item.product, made.quantity, made.reference, made.state) == (mug, 10, "PO-7", "expected")
    assert made.item.inbound_units == 10


def test_a_title_that_fits_several_products_names_them(merchandiser, mug, day):
    other = Product.objects.create(name="Blue mug, large")
    answer = merchandiser.post(ADD, form_for("blue", day))
    assert f"hosts.product:{mug.pk}" in said(answer) and f"hosts.product:{other.pk}" in said(answer)
    assert not Delivery.objects.exists()


def test_the_exact_title_wins_over_longer_ones(merchandiser, mug, day):
    Product.objects.create(name="Blue mug, large")
    merchandiser.post(ADD, form_for("Blue mug", day))
    assert Delivery.objects.get().item.product == mug


def test_a_bare_key_is_enough(merchandiser, mug, day):
    Product.objects.create(name=f"Mug number {mug.pk}")
    merchandiser.post(ADD, form_for(f" {mug.pk} ", day))
    assert Delivery.objects.get().item.product == mug


def test_a_key_that_several_kinds_of_products_have_names_them(merchandiser, mug, day):
    poster = Poster.objects.create(pk=mug.pk, name="Sunrise")
    answer = merchandiser.post(ADD, form_for(str(mug.pk), day))
    assert f"hosts.product:{mug.pk}" in said(answer) and f"hosts.poster:{poster.pk}" in said(answer)
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("key", ["0", "-1", str(2**31), str(2**63), "9" * 64, "1e5", "½"])
def test_a_key_that_no_product_has_is_said_so(merchandiser, mug, day, key):
    assert "No product matches" in said(merchandiser.post(ADD, form_for(key, day)))


def test_the_exact_title_is_found_among_very_many_that_contain_it(merchandiser, mug, day):
    Product.objects.bulk_create(Product(name=f"Blue mug {n}") for n in range(20))
    last = Product.objects.create(name="Mug")
    merchandiser.post(ADD, form_for("mug", day))
    assert Delivery.objects.get().item.product == last


def test_days_that_have_passed_are_refused_with_a_sentence(merchandiser, mug, day):
    answer = merchandiser.post(ADD, form_for("blue mug", day, earliest_on=day(-4), latest_on=day(-1)))
    assert "These days have passed." in said(answer)
    assert not Delivery.objects.exists()


def test_a_window_that_has_begun_is_accepted_until_its_last_day(merchandiser, mug, day):
    merchandiser.post(ADD, form_for("blue mug", day, earliest_on=day(-4), latest_on=day(0)))
    assert Delivery.objects.get().latest_on == day(0)


def test_staff_may_expect_goods_for_a_product_shoppers_do_not_see_yet(merchandiser, day):
    hidden = Product.objects.create(name="Secret", is_visible=False)
    merchandiser.post(ADD, form_for(f"hosts.product:{hidden.pk}", day))
    assert Delivery.objects.get().item.product == hidden


@pytest.mark.parametrize(
    "wrong",
    [
        {"product": "nothing like it"},
        {"product": "hosts.product:x"},
        {"product": ""},
        {"quantity": "0"},
        {"quantity": "-3"},
        {"quantity": "1.5"},
        {"quantity": "2000000000"},
        {"quantity": str(2**63)},
        {"quantity": "NaN"},
        {"earliest_on": "2030-02-30"},
        {"earliest_on": "2999-01-01"},
        {"confidence": "certain"},
    ],
)
def test_a_delivery_that_makes_no_sense_is_refused_with_a_sentence(merchandiser, mug, day, wrong):
    answer = merchandiser.post(ADD, form_for(f"hosts.product:{mug.pk}", day, **wrong))
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors
    assert "Constraint" not in said(answer)
    assert not Delivery.objects.exists()


# moving, changing, splitting: see first whom it costs a date, then do it


def act(delivery, name):
    return reverse(f"admin:backorders_delivery_{name}", args=[delivery.pk])


def looked(client, url, form):
    """The page after "See what it leads to"."""
    return client.post(url, {**form, "look": "1"})


def done(client, url, form):
    """Looked at, then confirmed."""
    page = looked(client, url, form)
    return client.post(url, {**form, "seen": page.context["seen"], "do": "1"}, follow=True)


def move_to(day, earliest, latest, reason=""):
    return {"earliest_on": day(earliest), "latest_on": day(latest), "reason": reason}


def test_what_was_announced_is_changed_only_by_its_verbs(owner, delivery, day):
    page = owner.get(change(delivery))
    assert b'name="latest_on"' not in page.content
    assert owner.post(change(delivery), with_ledgers(move_to(day, 8, 9), "revisions", "events")).status_code == 403
    assert not DeliveryRevision.objects.exists()


def test_a_move_shows_first_who_would_lose_a_date_and_changes_nothing(merchandiser, delivery, queue, day):
    page = looked(merchandiser, act(delivery, "move"), move_to(day, 80, 90))
    assert "2 order lines get a later date." in said(page)
    assert [row["reference"] for row in page.context["outlook"].rows] == ["A-1", "A-2"]
    delivery.refresh_from_db()
    assert delivery.latest_on == day(4)
    assert not DeliveryRevision.objects.exists()


def test_a_moved_date_is_kept_with_its_reason_and_told_to_those_who_wait(merchandiser, delivery, queue, day):
    answer = done(merchandiser, act(delivery, "move"), move_to(day, 80, 90, "storm"))
    move = DeliveryRevision.objects.get()
    assert (move.from_latest, move.to_latest, move.reason) == (day(4), day(90), "storm")
    assert "Moved to" in texts(answer)
    assert set(Promise.objects.filter(reason="storm").values_list("backorder__reference", flat=True)) == {"A-1", "A-2"}


def test_nothing_is_done_without_looking_first(merchandiser, delivery, day):
    for seen in ({}, {"seen": ""}, {"seen": "x"}):
        page = merchandiser.post(act(delivery, "move"), {**move_to(day, 8, 9), **seen, "do": "1"})
        assert "Look again before you go on." in said(page)
    assert not DeliveryRevision.objects.exists()


def test_what_is_confirmed_is_what_was_looked_at(merchandiser, delivery, day):
    seen = looked(merchandiser, act(delivery, "move"), move_to(day, 8, 9)).context["seen"]
    page = merchandiser.post(act(delivery, "move"), {**move_to(day, 80, 90), "seen": seen, "do": "1"})
    assert "Look again before you go on." in said(page)
    assert not DeliveryRevision.objects.exists()


def test_a_page_that_was_sent_twice_changes_a_delivery_once(merchandiser, delivery, day):
    form = {"quantity": "4", **move_to(day, 8, 9)}
    seen = looked(merchandiser, act(delivery, "split"), form).context["seen"]
    for _ in range(2):
        merchandiser.post(act(delivery, "split"), {**form, "seen": seen, "do": "1"})
    assert sorted(Delivery.objects.values_list("quantity", flat=True)) == [4, 6]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"earliest_on": 9, "latest_on": 8}, "The last day comes before the first one."),
        ({"earliest_on": -9, "latest_on": -2}, "These days have passed."),
        ({"earliest_on": "", "latest_on": 8}, "This field is required."),
        ({"earliest_on": "2030-02-30", "latest_on": 8}, "Enter a valid date."),
    ],
)
def test_days_that_are_none_move_nothing(merchandiser, delivery, day, form, sentence):
    days = {name: day(value) if isinstance(value, int) else value for name, value in form.items()}
    assert sentence in said(looked(merchandiser, act(delivery, "move"), {**days, "reason": ""}))
    assert not DeliveryRevision.objects.exists()


def test_another_number_of_units_may_cost_the_last_in_line_their_date(merchandiser, delivery, queue):
    page = looked(merchandiser, act(delivery, "resize"), {"quantity": "3", "reason": ""})
    assert "1 order line loses its date." in said(page)
    answer = done(merchandiser, act(delivery, "resize"), {"quantity": "3", "reason": "short"})
    delivery.refresh_from_db()
    assert (delivery.quantity, delivery.revisions.get().kind) == (3, "resized")
    assert "Now 3 units." in texts(answer)


@pytest.mark.parametrize("typed", ["0", "-5", "1.5", "x", "", str(2**63), "2000000000"])
@pytest.mark.parametrize("name", ["resize", "split"])
def test_a_number_of_units_that_is_none_changes_nothing(merchandiser, delivery, day, name, typed):
    page = looked(merchandiser, act(delivery, name), {"quantity": typed, **move_to(day, 8, 9)})
    assert page.status_code == 200 and page.context["form"].errors["quantity"]
    assert not DeliveryRevision.objects.exists()


@pytest.mark.parametrize("typed", ["10", "11"])
def test_a_split_leaves_units_on_both_sides(merchandiser, delivery, day, typed):
    page = looked(merchandiser, act(delivery, "split"), {"quantity": typed, **move_to(day, 8, 9)})
    assert "less than or equal to 9" in said(page)
    assert Delivery.objects.count() == 1


def test_a_part_comes_later_as_a_delivery_of_its_own(merchandiser, delivery, queue, day):
    form = {"quantity": "4", **move_to(day, 80, 90, "two lorries")}
    assert "1 order line gets a later date." in said(looked(merchandiser, act(delivery, "split"), form))
    done(merchandiser, act(delivery, "split"), form)
    found = Delivery.objects.order_by("id").values_list("quantity", "latest_on")
    assert list(found) == [(6, day(4)), (4, day(90))]


def test_what_does_not_come_is_cancelled_with_its_reason(merchandiser, delivery, queue):
    page = looked(merchandiser, act(delivery, "cancel"), {"reason": "sunk"})
    assert "2 order lines lose their date." in said(page)
    done(merchandiser, act(delivery, "cancel"), {"reason": "sunk"})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.revisions.get().reason) == ("cancelled", "sunk")


@pytest.mark.parametrize("name", ["move", "resize", "split", "cancel"])
def test_a_closed_delivery_leads_back_with_a_sentence(merchandiser, delivery, name):
    receive_delivery(delivery_id=delivery.id)
    answer = merchandiser.get(act(delivery, name), follow=True)
    assert "not expected any more" in texts(answer)


@pytest.mark.parametrize("name", ["move", "resize", "split", "cancel", "undo"])
def test_somebody_who_may_only_look_can_open_none_of_these_pages(viewer, delivery, name):
    assert viewer.get(act(delivery, name)).status_code == 403
    assert viewer.post(act(delivery, name), {"quantity": "3", "do": "1"}).status_code == 403
    assert "Move it" not in said(viewer.get(change(delivery)))


@pytest.mark.parametrize("pk", [0, 2**62, 2**70])
def test_a_delivery_that_is_none_is_not_found(merchandiser, pk):
    assert merchandiser.get(reverse("admin:backorders_delivery_move", args=[pk])).status_code == 404


def test_a_reason_with_markup_is_shown_as_text(owner, delivery, day):
    done(owner, act(delivery, "move"), move_to(day, 8, 9, "<script>alert(1)</script>"))
    page = owner.get(change(delivery)).content
    assert b"<script>alert(1)" not in page and b"&lt;script&gt;alert(1)" in page


# undoing a receipt


def test_a_receipt_is_taken_back_and_the_page_says_first_from_whom(merchandiser, delivery, queue, mug):
    receive_delivery(delivery_id=delivery.id, reference="r1")
    page = looked(merchandiser, act(delivery, "undo"), {"quantity": "10", "reason": ""})
    assert "3 units leave the shelf." in said(page)
    assert "7 units are taken back from 2 order lines, which wait again at their places." in said(page)
    answer = done(merchandiser, act(delivery, "undo"), {"quantity": "10", "reason": "wrong lorry"})
    delivery.refresh_from_db()
    mug.refresh_from_db()
    assert "10 units taken back." in texts(answer)
    assert (delivery.state, delivery.received_quantity, mug.stock) == ("expected", 0, 0)


def test_the_receipt_before_the_last_can_be_undone_next(merchandiser, delivery):
    for number in (4, 6):
        receive_delivery(delivery_id=delivery.id, quantity=number, reference=f"r{number}")
    for number in (6, 4):
        done(merchandiser, act(delivery, "undo"), {"quantity": str(number), "reason": ""})
    delivery.refresh_from_db()
    assert delivery.received_quantity == 0
    assert "no receipt" in texts(merchandiser.get(act(delivery, "undo"), follow=True))


def test_more_than_came_cannot_be_taken_back(merchandiser, delivery):
    receive_delivery(delivery_id=delivery.id, quantity=4, reference="r")
    page = looked(merchandiser, act(delivery, "undo"), {"quantity": "5", "reason": ""})
    assert "less than or equal to 4" in said(page)


def test_goods_that_were_sold_cannot_be_taken_back(merchandiser, delivery, mug):
    receive_delivery(delivery_id=delivery.id, quantity=4, reference="r")
    Product.objects.update(stock=1)
    page = looked(merchandiser, act(delivery, "undo"), {"quantity": "4", "reason": ""})
    assert "Only 1 unit of them is still in the house." in said(page)


# what we say of it


def test_the_list_says_what_the_supplier_says_and_what_we_say(owner, mug, delivery, day):
    late = expect_delivery(product=mug, quantity=1, earliest=day(1), latest=day(1), reference="LATE")
    Delivery.objects.filter(id=late.id).update(
        earliest_on=day(-9), latest_on=day(-8), forecast_earliest_on=None, forecast_latest_on=None
    )
    page = said(owner.get(LIST))
    assert "as stated" in page and "no honest date" in page and "overdue" in page
    assert [one.reference for one in owner.get(LIST, {"show": "silent"}).context["cl"].result_list] == ["LATE"]


# receiving


def test_the_action_leads_to_a_page_that_says_what_would_happen_and_does_nothing(merchandiser, queue, delivery):
    posted = {"action": "receive", "_selected_action": [delivery.pk], "index": "0"}
    page = merchandiser.post(LIST, posted, follow=True)
    row = page.context["rows"][0]
    assert (row["preview"].to_queue, row["preview"].filled, row["preview"].in_part) == (7, 2, 0)
    assert row["preview"].for_sale == 3
    assert row["field"].value() == 10
    assert not StockEvent.objects.exists()
    assert Backorder.objects.waiting().count() == 2


def test_another_number_is_worked_out_again(merchandiser, queue, delivery):
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": "4", "look": "1"}
    preview = merchandiser.post(receive(delivery), form).context["rows"][0]["preview"]
    assert (preview.to_queue, preview.filled, preview.in_part, preview.for_sale) == (4, 1, 1, 0)
    assert not StockEvent.objects.exists()


def test_two_deliveries_of_one_product_are_worked_out_one_after_the_other(merchandiser, queue, mug, day):
    one = expect_delivery(product=mug, quantity=3, earliest=day(1), latest=day(1))
    other = expect_delivery(product=mug, quantity=6, earliest=day(2), latest=day(2))
    rows = merchandiser.get(receive(one, other)).context["rows"]
    found = [(row["preview"].to_queue, row["preview"].filled, row["preview"].for_sale) for row in rows]
    assert found == [(3, 1, 0), (4, 1, 2)]


@pytest.mark.parametrize("typed", [1, 2, 4, 7, 10, 30])
def test_what_was_worked_out_is_what_happens(merchandiser, queue, delivery, mug, typed):
    receipt = {"receipt": uuid.uuid4(), f"units_{delivery.id}": str(typed), f"more_{delivery.id}": "on"}
    preview = merchandiser.post(receive(delivery), {**receipt, "look": "1"}).context["rows"][0]["preview"]
    merchandiser.post(receive(delivery), {**receipt, "book": "1"})
    given = sum(Backorder.objects.values_list("allocated_quantity", flat=True))
    mug.refresh_from_db()
    assert (preview.to_queue, preview.for_sale) == (given, mug.stock)


def test_booking_in_serves_the_queue_and_tells_what_happened(merchandiser, queue, delivery, mug):
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": "10", "book": "1"}
    answer = merchandiser.post(receive(delivery), form, follow=True)
    assert "10 received, 7 of them to the queue; for sale now: 3" in texts(answer)
    mug.refresh_from_db()
    assert mug.stock == 3


def test_more_than_expected_is_asked_about_and_the_others_are_booked(merchandiser, delivery, mug, day):
    other = expect_delivery(product=mug, quantity=2, earliest=day(1), latest=day(1))
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": "12", f"units_{other.id}": "2", "book": "1"}
    page = merchandiser.post(receive(delivery, other), form)
    assert "Only 10 units are expected." in said(page) and "They are really there" in said(page)
    assert [row["delivery"] for row in page.context["rows"]] == [delivery]
    mug.refresh_from_db()
    assert mug.stock == 2
    merchandiser.post(receive(delivery, other), {**form, f"more_{delivery.id}": "on"})
    mug.refresh_from_db()
    assert (mug.stock, Delivery.objects.open().count()) == (14, 0)


def test_a_receipt_of_more_that_was_sent_twice_counts_once(merchandiser, delivery, mug):
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": "12", f"more_{delivery.id}": "on", "book": "1"}
    for _ in range(2):
        merchandiser.post(receive(delivery), form)
    mug.refresh_from_db()
    assert mug.stock == 12


def test_a_double_click_counts_once(merchandiser, delivery, mug):
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": "10", "book": "1"}
    merchandiser.post(receive(delivery), form)
    again = merchandiser.post(receive(delivery), form, follow=True)
    assert "booked before" in texts(again)
    mug.refresh_from_db()
    assert mug.stock == 10
    assert StockEvent.objects.count() == 1


def test_a_part_may_come_now_and_the_rest_later(merchandiser, delivery, mug):
    for number in (4, 6):
        form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": str(number), "book": "1"}
        merchandiser.post(receive(delivery), form)
    delivery.refresh_from_db()
    mug.refresh_from_db()
    assert (delivery.state, mug.stock) == ("received", 10)


def test_nought_means_that_this_one_did_not_come(merchandiser, delivery, mug, day):
    other = expect_delivery(product=mug, quantity=2, earliest=day(1), latest=day(1))
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": "0", f"units_{other.id}": "2", "book": "1"}
    merchandiser.post(receive(delivery, other), form)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.received_quantity) == ("expected", 0)
    assert StockEvent.objects.count() == 1


@pytest.mark.parametrize("typed", ["-1", "1.5", "NaN", "2000000000", str(2**63), "", "x"])
def test_a_number_that_is_none_books_nothing(merchandiser, delivery, typed):
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": typed, "book": "1"}
    answer = merchandiser.post(receive(delivery), form)
    assert answer.status_code == 200 and answer.context["form"].errors
    assert not StockEvent.objects.exists()


@pytest.mark.parametrize("receipt", ["", "x", "'; drop table"])
def test_a_receipt_without_a_name_books_nothing(merchandiser, delivery, receipt):
    form = {"receipt": receipt, f"units_{delivery.id}": "1", "book": "1"}
    assert merchandiser.post(receive(delivery), form).status_code == 200
    assert not StockEvent.objects.exists()


@pytest.mark.parametrize("ids", ["", "x", "0", "9" * 30, "1,2;3", "٣"])
def test_a_receive_page_of_nothing_leads_back_to_the_list(merchandiser, db, ids):
    answer = merchandiser.get(f"{RECEIVE}?ids={ids}")
    assert (answer.status_code, answer["Location"]) == (302, LIST)


def test_where_the_shop_books_its_own_stock_the_page_says_so(merchandiser, day):
    stored = Warehoused.objects.create(name="Crate")
    delivery = expect_delivery(product=stored, quantity=5, earliest=day(1), latest=day(1))
    page = merchandiser.get(receive(delivery))
    assert page.context["rows"][0]["preview"].is_booked_by_shop
    assert "books its own stock" in said(page)


def test_where_we_keep_the_number_a_first_delivery_begins_to_count(merchandiser, day):
    poster = Poster.objects.create(name="Sunrise")
    delivery = expect_delivery(product=poster, quantity=5, earliest=day(1), latest=day(1))
    assert merchandiser.get(receive(delivery)).context["rows"][0]["preview"].for_sale == 5


def test_before_the_release_nothing_goes_out(merchandiser, delivery, mug):
    from datetime import timedelta

    from django.utils import timezone

    set_selling_policy(product=mug, policy="preorder", releases_at=timezone.now() + timedelta(days=9))
    place_backorder(product=mug, quantity=2, reference="A-1", email="a@example.com")
    preview = merchandiser.get(receive(delivery)).context["rows"][0]["preview"]
    assert (preview.to_queue, preview.for_sale, preview.is_before_release) == (0, 0, True)


def test_somebody_who_may_only_look_can_neither_open_nor_send_the_receive_page(viewer, delivery):
    form = {"receipt": uuid.uuid4(), f"units_{delivery.id}": "1", "book": "1"}
    assert viewer.get(receive(delivery)).status_code == 403
    assert viewer.post(receive(delivery), form).status_code == 403
    assert not StockEvent.objects.exists()


# cancelling


def test_cancelling_asks_first(merchandiser, delivery):
    posted = {"action": "cancel", "_selected_action": [delivery.pk], "index": "0"}
    page = merchandiser.post(LIST, posted)
    assert "will not come" in said(page) and "10 × Blue mug" in said(page)
    assert "No order line gets another date." in said(page)
    delivery.refresh_from_db()
    assert delivery.state == "expected"
    answer = merchandiser.post(LIST, {**posted, "confirmed": "1", "reason": "sunk"}, follow=True)
    delivery.refresh_from_db()
    assert (delivery.state, texts(answer)) == ("cancelled", "Done: 1.")
    assert delivery.revisions.get().reason == "sunk"


def test_cancelling_many_says_how_many_lines_lose_their_date(merchandiser, delivery, queue, mug, day):
    other = expect_delivery(product=mug, quantity=1, earliest=day(1), latest=day(1))
    posted = {"action": "cancel", "_selected_action": [delivery.pk, other.pk], "index": "0"}
    assert "2 order lines lose their date." in said(merchandiser.post(LIST, posted))
    assert Delivery.objects.open().count() == 2


def test_a_reason_that_is_too_long_cancels_nothing(merchandiser, delivery):
    posted = {"action": "cancel", "_selected_action": [delivery.pk], "confirmed": "1", "reason": "x" * 201}
    assert "at most 200 characters" in said(merchandiser.post(LIST, posted))
    assert Delivery.objects.open().count() == 1


def test_cancelling_what_is_closed_is_reported_and_stops_nobody_else(merchandiser, delivery, mug, day):
    other = expect_delivery(product=mug, quantity=1, earliest=day(1), latest=day(1))
    posted = {"action": "cancel", "_selected_action": [delivery.pk, other.pk], "confirmed": "1"}
    merchandiser.post(LIST, {**posted, "_selected_action": [delivery.pk]})
    answer = merchandiser.post(f"{LIST}?show=all", posted, follow=True)
    assert "closed already (cancelled)" in texts(answer) and "Done: 1." in texts(answer)


# the list


def test_the_list_can_be_narrowed_to_what_is_late_soon_or_later(owner, mug, day):
    windows = {"overdue": (-5, -1), "week": (-1, 3), "later": (20, 30)}
    for name, (earliest, latest) in windows.items():
        expect_delivery(product=mug, quantity=1, earliest=day(earliest), latest=day(latest), reference=name)
    for name in windows:
        found = owner.get(LIST, {"show": name}).context["cl"].result_list
        assert [delivery.reference for delivery in found] == [name]
    assert owner.get(LIST).context["cl"].result_count == 3


def test_deliveries_are_found_by_product_reference_and_supplier(owner, mug, delivery, day):
    expect_delivery(
        product=Product.objects.create(name="Pot"), quantity=1, earliest=day(1), latest=day(1), reference="PO-9"
    )
    assert owner.get(LIST, {"q": "blue"}).context["cl"].result_count == 1
    assert owner.get(LIST, {"q": "PO-9"}).context["cl"].result_count == 1
    assert owner.get(LIST, {"q": "no such thing"}).context["cl"].result_count == 0


def test_a_title_with_markup_is_shown_as_text(owner, day):
    nasty = Product.objects.create(name="<script>alert(1)</script>")
    delivery = expect_delivery(product=nasty, quantity=1, earliest=day(1), latest=day(1))
    posted = {"action": "cancel", "_selected_action": [delivery.pk], "index": "0"}
    for page in (owner.get(LIST), owner.get(receive(delivery)), owner.post(LIST, posted), owner.get(change(delivery))):
        assert b"<script>alert(1)" not in page.content
        assert b"&lt;script&gt;alert(1)" in page.content
