"""Whatever the package refuses, a program can read: in a shop's own endpoint as well as in ours."""

import json
from datetime import date, timedelta

import pytest
from django.utils import timezone, translation
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

import backorders.errors
from backorders.api.base import Endpoint
from backorders.domain.windows import NO_DATE, OVERDUE
from backorders.errors import BackordersError, LimitReached
from backorders.queries.availability import availability_of, shop_today
from backorders.services.checkout import Line, check_out
from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from backorders.storefront.wording import promise_in_words

pytestmark = pytest.mark.django_db


def days(number):
    return shop_today(timezone.now()) + timedelta(days=number)


def answer(act):
    """What a shop's endpoint that does ``act`` says."""

    class Checkout(Endpoint):
        throttle_classes = []

        def post(self, request):
            act()
            return Response({})

    response = Checkout.as_view()(APIRequestFactory().post("/", {}, format="json"))
    return response.status_code, json.loads(response.render().content)


def order(product, quantity, **options):
    return lambda: check_out(lines=[Line(product, quantity, "A-1")], email="a@example.com", **options)


def test_a_limit_says_what_is_possible_and_by_when(mug):
    set_selling_policy(product=mug, policy="backorder", backorder_limit=5)
    expect_delivery(product=mug, quantity=40, earliest=days(4), latest=days(8), confidence="firm")
    assert answer(order(mug, 7)) == (
        409,
        {
            "code": "limit_reached",
            "detail": "7 were asked for, 5 can be ordered.",
            "field": "quantity",
            "state": "backorder",
            "possible": 5,
            "window": {
                "earliest": str(days(4)),
                "latest": str(days(8)),
                "confidence": "firm",
                "source": "delivery",
            },
            "by": promise_in_words(availability_of(mug).window),
        },
    )


@pytest.mark.parametrize("window", [None, NO_DATE, OVERDUE])
def test_a_limit_without_a_date_says_null(mug, window):
    def refuse():
        raise LimitReached(product=mug, state="backorder", asked=7, possible=5, window=window)

    status, body = answer(refuse)
    assert (status, body["possible"], body["window"], body["by"]) == (409, 5, None, None)


def test_a_minimum_says_the_least(mug):
    set_selling_policy(product=mug, policy="backorder", order_minimum=6)
    assert answer(order(mug, 2)) == (
        409,
        {
            "code": "below_minimum",
            "detail": "Order at least 6.",
            "field": "quantity",
            "state": "backorder",
            "least": 6,
        },
    )


def test_what_cannot_be_ordered_at_all_says_its_state(mug):
    status, body = answer(order(mug, 2))
    assert (status, body) == (
        409,
        {
            "code": "not_orderable",
            "detail": "This cannot be ordered just now.",
            "field": "product",
            "state": "out_of_stock",
        },
    )


def test_a_lost_hold_says_what_became_of_it(mug):
    assert answer(order(mug, 1, holds=["x" * 43])) == (
        409,
        {
            "code": "hold_lost",
            "detail": "This is not put aside for you any more, and it cannot be ordered just now.",
            "field": "product",
            "state": "out_of_stock",
            "reason": "unknown",
        },
    )


def test_the_sentence_speaks_the_language_of_the_request(mug):
    with translation.override("de"):
        assert answer(order(mug, 2))[1]["detail"] != "This cannot be ordered just now."


REFUSALS = {
    "invalid_quantity": (400, ["x"], {}),
    "invalid_policy": (400, ["No."], {}),
    "invalid_window": (400, ["No."], {}),
    "invalid_calendar": (400, ["No."], {}),
    "invalid_reference": (400, ["x"], {"least": 1, "longest": 100}),
    "invalid_address": (400, ["No."], {"reason": "several"}),
    "invalid_price": (400, ["x"], {}),
    "invalid_day": (400, ["x"], {"first": date(2027, 1, 1), "last": date(2037, 1, 1)}),
    "invalid_language": (400, ["x"], {"known": ["en", "de"]}),
    "too_many": (400, [], {"asked": 21, "most": 20}),
    "invalid": (400, ["No."], {}),
    "error": (409, ["No."], {}),
    "not_sellable": (404, ["x", []], {}),
    "invalid_token": (404, [], {}),
    "stock_unreadable": (503, [], {"label": "x", "pk": 1, "value": "?"}),
    "not_orderable": (409, [], {"product": "Mug", "state": "out_of_stock"}),
    "limit_reached": (409, [], {"product": "Mug", "state": "backorder", "asked": 7, "possible": 5}),
    "hold_lost": (409, [], {"product": "Mug", "state": "out_of_stock", "reason": "over"}),
    "below_minimum": (409, [], {"product": "Mug", "state": "backorder", "asked": 1, "least": 5}),
    "already_in_stock": (409, ["Mug"], {}),
    "no_longer_made": (409, ["Mug"], {}),
    "delivery_closed": (409, [], {"delivery_id": 1, "state": "received"}),
    "over_receipt": (409, [], {"delivery_id": 1, "expected": 5, "quantity": 8}),
    "not_enough_left": (409, [], {"asked": 5, "possible": 3}),
    "pin_full": (409, [], {"delivery_id": 1, "asked": 5, "possible": 3}),
    "not_cancellable": (409, [], {"backorder_id": 1, "state": "shipped"}),
    "not_shippable": (
        409,
        [],
        {"backorder_id": 1, "state": "filled", "asked": 5, "possible": 3, "until": date(2027, 1, 1)},
    ),
    "reference_taken": (409, ["A-1"], {}),
    "key_reused": (409, ["k"], {}),
}

FAMILY = {
    error.code: error
    for error in vars(backorders.errors).values()
    if isinstance(error, type) and issubclass(error, BackordersError)
}


def test_no_member_of_the_family_is_forgotten_here():
    assert set(FAMILY) == set(REFUSALS)


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_is_a_status_a_code_and_a_sentence(code):
    status, args, named = REFUSALS[code]

    def refuse():
        raise FAMILY[code](*args, **named)

    answered, body = answer(refuse)
    assert (answered, body["code"]) == (status, code)
    assert body["detail"] and "BACKORDERS[" not in body["detail"]
