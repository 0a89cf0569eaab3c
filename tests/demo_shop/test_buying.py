import pytest

from backorders.models import Backorder
from backorders.queries.backorders import places_of_order
from backorders.services.terms import set_selling_policy
from demo_shop.models import Order, OrderLine, Variant
from tests.demo_shop.conftest import by, check_out, order, put_in_basket, read, to_come


def test_the_basket_says_what_ships_now_and_what_later(client, backordered):
    put_in_basket(client, backordered, 5)
    assert f"2 ship now 3 later, {by(7)}" in read(client.get("/basket/"))


def test_the_basket_names_the_date_of_the_last_unit_and_not_of_the_first(client, backordered):
    to_come(backordered, 10, days=14)
    put_in_basket(client, backordered, 15)
    assert f"13 later, {by(14)}" in read(client.get("/basket/"))


def test_the_order_promises_what_the_basket_said(client, backordered):
    to_come(backordered, 10, days=14)
    order(client, (backordered, 9), email="first@example.com")
    put_in_basket(client, backordered, 6)
    assert f"6 later, {by(14)}" in read(client.get("/basket/"))
    assert f"Ships {by(14)}" in read(check_out(client))


def test_without_a_date_the_basket_says_so(client, variant):
    set_selling_policy(product=variant, policy="backorder")
    put_in_basket(client, variant, 1)
    assert "1 later, no date yet" in read(client.get("/basket/"))


def test_what_is_here_leaves_now_and_the_rest_joins_the_queue(client, backordered):
    put_in_basket(client, backordered, 5)
    page = read(check_out(client))
    line = OrderLine.objects.get()
    assert (line.ships_now, line.ships_later) == (2, 3)
    assert f"2 ship now 3 are still to come Ships {by(7)} Place in line: 1" in page
    backordered.refresh_from_db()
    assert backordered.stock == 0


def test_the_queue_knows_the_order(client, backordered):
    placed = order(client, (backordered, 5))
    assert [place.waiting for place in places_of_order(placed.reference)] == [3]


def test_a_choice_is_offered_only_when_a_part_is_here(client, backordered, mug):
    put_in_basket(client, mug, 1)
    assert "How shall we send it?" not in read(client.get("/checkout/"))
    put_in_basket(client, backordered, 3)
    assert "How shall we send it?" in read(client.get("/checkout/"))


def test_all_together_says_by_when_the_parcel_leaves(client, backordered, mug):
    put_in_basket(client, backordered, 5)
    put_in_basket(client, mug, 1)
    page = read(client.get("/checkout/"))
    assert f"In 2 parcels 3 items now 3 items {by(7)}" in page
    assert f"Everything together 6 items {by(7)}" in page


def test_a_basket_of_many_lines_costs_the_same(client, backordered, django_assert_max_num_queries):
    for number in range(9):
        another = Variant.objects.create(product=backordered.product, sku=f"K-{number}", price="9.00", stock=1)
        set_selling_policy(product=another, policy="backorder")
        to_come(another, 10, days=7)
        put_in_basket(client, another, 3)
    with django_assert_max_num_queries(11):
        assert "9 items now 18 items" in read(client.get("/basket/"))


def test_all_together_is_told_to_the_queue(client, backordered):
    order(client, (backordered, 5), ship="together")
    assert Backorder.objects.get().fill == "whole_order"


def test_a_second_click_on_place_the_order_finds_the_first_order(client, backordered):
    put_in_basket(client, backordered, 1)
    first = check_out(client).redirect_chain
    assert check_out(client).redirect_chain == first
    assert Order.objects.count() == 1


def test_a_second_click_that_is_faster_than_the_first_places_nothing_more(client, backordered):
    put_in_basket(client, backordered, 1)
    key = client.session.session_key
    check_out(client)
    client.cookies["sessionid"] = key
    put_in_basket(client, backordered, 1)
    check_out(client)
    assert (Order.objects.count(), OrderLine.objects.count()) == (1, 1)


def test_an_empty_basket_is_no_order(client, db):
    assert check_out(client).redirect_chain[0][0] == "/basket/"
    assert Order.objects.count() == 0


def test_an_address_nobody_can_write_to_is_said_beside_its_field(client, backordered):
    put_in_basket(client, backordered, 1)
    page = check_out(client, email="bo@localhost")
    assert Order.objects.count() == 0
    assert 'class="wrong" id="id_email_error"' in page.content.decode()


# what stands in the way


def test_an_order_that_cannot_be_filled_leaves_nothing_behind_and_loses_nothing(client, on_the_shelf):
    put_in_basket(client, on_the_shelf(2), 2)
    on_the_shelf(1)
    page = check_out(client)
    assert Order.objects.count() == 0
    assert "Only 1 can be ordered just now." in read(page)
    assert "1 Canal Street" in page.content.decode()


def test_one_button_takes_what_there_is_and_keeps_what_was_typed(client, on_the_shelf):
    kettle = on_the_shelf(2)
    put_in_basket(client, kettle, 2)
    on_the_shelf(1)
    page = check_out(client, instead=f"{kettle.pk}:1")
    assert client.session["basket"] == {str(kettle.pk): 1}
    assert "1 Canal Street" in page.content.decode()
    assert "1 ships now" in read(page)


def test_the_basket_names_what_stands_in_the_way(client, on_the_shelf):
    put_in_basket(client, on_the_shelf(2), 2)
    on_the_shelf(1)
    page = read(client.get("/basket/"))
    assert "Only 1 can be ordered just now. Take 1 instead" in page
    assert "Check out" not in page


def test_the_button_beside_the_line_lowers_the_quantity(client, on_the_shelf):
    kettle = on_the_shelf(2)
    put_in_basket(client, kettle, 2)
    on_the_shelf(1)
    client.post("/basket/", {"instead": f"{kettle.pk}:1"})
    assert "1 ships now" in read(client.get("/basket/"))


def test_where_the_queue_is_full_it_says_how_many_and_by_when(client, variant):
    set_selling_policy(product=variant, policy="backorder", backorder_limit=4)
    to_come(variant, 10, days=7)
    put_in_basket(client, variant, 6)
    assert f"Up to 4 can be ordered just now, {by(7)}." in read(client.get("/basket/"))


def test_where_nothing_can_be_had_any_more_the_line_can_be_taken_out(client, on_the_shelf):
    put_in_basket(client, on_the_shelf(2), 2)
    on_the_shelf(0)
    assert "This can no longer be ordered. Please take it out" in read(client.get("/basket/"))


@pytest.mark.parametrize(
    ("terms", "quantity", "sentence"),
    [
        ({"order_maximum": 3}, 4, "One order may have up to 3 of these. Take 3 instead"),
        ({"order_minimum": 2}, 1, "This is sold from 2 pieces on. Take 2 instead"),
        ({"customer_limit": 1}, 2, "Each customer may order 1 of these. Take 1 instead"),
    ],
)
def test_terms_are_kind_sentences_beside_the_line(client, variant, terms, quantity, sentence):
    set_selling_policy(product=variant, policy="backorder", **terms)
    put_in_basket(client, variant, quantity)
    assert sentence in read(client.get("/basket/"))


def test_who_has_as_many_as_one_customer_may_is_told_at_the_checkout(client, variant):
    set_selling_policy(product=variant, policy="backorder", customer_limit=1)
    order(client, (variant, 1))
    put_in_basket(client, variant, 1)
    page = check_out(client, key="second-form")
    assert "You have as many of these on order as one customer may have. Take it out" in read(page)
    assert Order.objects.count() == 1


@pytest.mark.parametrize("quantity", ["0", "-1", "100", "many", ""])
def test_a_strange_quantity_never_breaks_the_basket(client, on_the_shelf, quantity):
    put_in_basket(client, on_the_shelf(9), quantity)
    assert client.get("/basket/").status_code == 200


@pytest.mark.parametrize("instead", ["", ":", "1", "x:y", "999:1", "1:-1"])
def test_a_strange_button_never_breaks_the_basket(client, on_the_shelf, instead):
    put_in_basket(client, on_the_shelf(9), 1)
    client.post("/basket/", {"instead": instead})
    assert client.get("/basket/").status_code == 200
