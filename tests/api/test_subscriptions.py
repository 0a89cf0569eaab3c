import datetime as dt
import json
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from rest_framework.test import APIClient

from backorders.domain.outbox import MailKind
from backorders.domain.tokens import Purpose, digest_of, new_token
from backorders.models import OutgoingMail, Subscription, SubscriptionToken
from backorders.services.outbox import suppress
from backorders.services.subscriptions import subscribe
from backorders.services.supply import expect_delivery
from backorders.services.terms import set_selling_policy
from tests.factories import waiting_for
from tests.hosts.models import Product

pytestmark = pytest.mark.django_db

URL = "/backorders/api/subscriptions/"
CONFIRM, LEAVE = f"{URL}confirm/", f"{URL}leave/"


def ask(api, product, email="ada@example.com", **more):
    body = {"product": f"hosts.product:{product.pk}", "email": email, **more}
    said = json.dumps({key: value for key, value in body.items() if value is not ...})
    return api.post(URL, said, content_type="application/json")


def token_for(subscription, purpose):
    token = new_token()
    SubscriptionToken.objects.create(
        subscription=subscription, purpose=purpose, digest=digest_of(token, purpose), created_at=timezone.now()
    )
    return token


@pytest.fixture
def pending(mug):
    subscribe(product=mug, email="ada@example.com")
    return Subscription.objects.get()


@pytest.fixture
def customer(db):
    return get_user_model().objects.create_user("vera@example.com", "pw", is_email_verified=True)


# asking


def test_a_guest_is_asked_to_look_into_the_mailbox(api, mug):
    answer = ask(api, mug, quantity=2, time_zone="Asia/Tokyo")
    assert (answer.status_code, answer.json()["next"]) == (202, "check_mail")
    kept = Subscription.objects.get()
    assert (kept.state, kept.quantity, kept.time_zone, kept.language) == ("pending", 2, "Asia/Tokyo", "en")
    assert OutgoingMail.objects.get().kind == MailKind.CONFIRM_SUBSCRIPTION


def test_the_language_of_the_request_is_kept(api, mug):
    api.post(
        URL,
        {"product": f"hosts.product:{mug.pk}", "email": "a@b.example"},
        headers={"Accept-Language": "de"},
        format="json",
    )
    assert Subscription.objects.get().language == "de"


def test_new_known_waiting_and_suppressed_addresses_get_the_same_answer(api, mug):
    suppress(email_key="bounced@example.com", reason="bounce", now=timezone.now())
    new, known = ask(api, mug), ask(api, mug)
    Subscription.objects.update(state=Subscription.State.WAITING)
    waiting, suppressed = ask(api, mug), ask(api, mug, "bounced@example.com")
    answers = [(one.status_code, one.content, dict(one.headers)) for one in (new, known, waiting, suppressed)]
    assert all(answer == answers[0] for answer in answers)
    assert Subscription.objects.count() == OutgoingMail.objects.count() == 1


@pytest.mark.parametrize("other", ["ADA@example.com", "ada@EXAMPLE.com", "ａda@example.com", " ada@example.com "])
def test_spellings_of_one_mailbox_are_one_request(api, pending, mug, other):
    assert ask(api, mug, other).status_code == 202
    assert Subscription.objects.count() == 1


def test_a_verified_customer_waits_at_once(api, mug, customer):
    api.force_authenticate(customer)
    answer = ask(api, mug, email=...)
    assert (answer.status_code, answer.json()["next"]) == (202, "nothing")
    assert Subscription.objects.get().state == "waiting"
    assert not OutgoingMail.objects.exists()


def test_a_customer_who_names_another_address_confirms_like_a_guest(api, mug, customer):
    api.force_authenticate(customer)
    assert ask(api, mug, "someone@example.com").json()["next"] == "check_mail"
    assert Subscription.objects.get().state == "pending"


def test_a_session_needs_its_csrf_token_and_a_guest_does_not(mug, customer):
    guest, member = APIClient(enforce_csrf_checks=True), APIClient(enforce_csrf_checks=True)
    member.force_login(customer)
    assert ask(guest, mug).status_code == 202
    refused = ask(member, mug)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_what_is_on_the_shelf_needs_no_waiting(api):
    full = Product.objects.create(name="Pot", stock=5)
    answer = ask(api, full)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (409, "already_in_stock", "product")
    assert not Subscription.objects.exists()


def test_what_is_no_longer_made_cannot_be_waited_for(api, mug):
    set_selling_policy(product=mug, discontinued=True)
    answer = ask(api, mug)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_longer_made")


def test_hidden_and_unknown_products_answer_alike(api, db):
    hidden = Product.objects.create(name="Secret", is_visible=False)
    one, other = (
        ask(api, hidden),
        api.post(URL, {"product": "hosts.product:9999", "email": "a@b.example"}, format="json"),
    )
    assert one.status_code == other.status_code == 404
    assert one.content == other.content


BAD_ADDRESSES = [
    "",
    "nobody",
    "a@b.com\r\nBcc: e@x.com",
    "a@localhost",
    "a@[127.0.0.1]",
    "a%0d%0a@b.com",
    "x" * 65 + "@example.com",
    "a@b.com,c@d.com",
    "<a@b.com>",
    '"a b"@x.com',
    "a\x00@b.com",
    "a\ud800@b.com",
]


@pytest.mark.parametrize("email", BAD_ADDRESSES)
def test_a_bad_address_is_refused_and_nothing_is_kept(api, mug, email):
    answer = ask(api, mug, email)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["field"]) == ("invalid_address", "email")
    assert not Subscription.objects.exists() and not OutgoingMail.objects.exists()


@pytest.mark.parametrize("quantity", [1.5, True, -5, 0, 2**63, "1", "٣", "1.5", None, [1], {}])
def test_a_bad_quantity_is_refused_and_nothing_is_kept(api, mug, quantity):
    answer = ask(api, mug, quantity=quantity)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["field"]) == ("invalid_quantity", "quantity")
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    "body", ["", "[]", '"text"', "3", "null", "{", '{"quantity": NaN}', '{"quantity": Infinity}', "[" * 100_000, '{"a": "\ud800'.encode("utf-8", "surrogatepass"), '{"quantity": ' + "9" * 5000 + "}"]
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(api, db, body):
    answer = api.post(URL, body, content_type="application/json")
    assert answer.status_code == 400
    assert set(answer.json()) >= {"code", "detail"}


def test_a_form_is_not_json(api, mug):
    answer = api.post(URL, "product=x", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_body_without_end_is_refused(api, mug, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = ask(api, mug, "x" * 2000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "product", ["hosts.product:1\x00", "hosts.product:\ud800", "\ud800", "hosts.product:" + "9" * 64]
)
def test_a_mutilated_reference_is_an_unknown_product(api, mug, product):
    answer = api.post(URL, json.dumps({"product": product, "email": "a@b.example"}), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_sellable")


@pytest.mark.parametrize("field", ["product", "email", "time_zone"])
def test_a_field_of_the_wrong_kind_is_named(api, mug, field):
    body = {"product": f"hosts.product:{mug.pk}", "email": "a@b.example", field: 7}
    answer = api.post(URL, body, format="json")
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "invalid", field)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "x" * 500, "\x00"])
def test_a_time_zone_nobody_knows_is_left_out(api, mug, zone):
    assert ask(api, mug, time_zone=zone).status_code == 202
    assert Subscription.objects.get().time_zone == ""


def test_what_fills_in_the_hidden_field_is_thanked_and_dropped(api, mug):
    human, robot = ask(api, mug, "human@example.com"), ask(api, mug, "robot@example.com", website="http://spam.example")
    assert (robot.status_code, robot.content) == (human.status_code, human.content)
    assert Subscription.objects.get().email == "human@example.com"


def test_price_and_limit_sent_by_the_caller_are_ignored(api, mug):
    assert ask(api, mug, price="0.01", state="waiting", priority=-9).status_code == 202
    assert Subscription.objects.get().state == "pending"


def test_a_hundred_requests_for_one_mailbox_send_one_mail_and_keep_three(api, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"backorders_subscribe": None}}
    for product in Product.objects.bulk_create([Product(name=f"Mug {n}") for n in range(100)]):
        assert ask(api, product, "victim@example.com").status_code == 202
    assert (Subscription.objects.count(), OutgoingMail.objects.count()) == (3, 1)


def test_the_thirty_first_request_of_a_minute_is_slowed_down_whatever_it_says_about_its_address(api, mug):
    codes = [
        api.post(URL, {}, format="json", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(31)
    ]
    assert codes == [400] * 30 + [429]


def test_behind_known_proxies_each_visitor_counts_alone(api, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    codes = {
        api.post(URL, {}, format="json", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(31)
    }
    assert codes == {400}


# confirming and leaving


def test_the_link_of_the_mail_confirms(api, pending, mug):
    answer = api.post(CONFIRM, {"token": token_for(pending, Purpose.CONFIRM)}, format="json")
    assert answer.status_code == 200
    assert answer.json() == {"state": "waiting", "products": [f"hosts.product:{mug.pk}"]}
    pending.refresh_from_db()
    assert pending.state == "waiting"


def test_a_confirming_link_works_once(api, pending):
    token = token_for(pending, Purpose.CONFIRM)
    codes = [api.post(CONFIRM, {"token": token}, format="json").status_code for _ in range(2)]
    assert codes == [200, 404]


def test_leaving_works_as_often_as_one_likes(api, pending, mug):
    token = token_for(pending, Purpose.LEAVE)
    answers = [api.post(LEAVE, {"token": token}, format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json() == {"state": "closed", "products": [f"hosts.product:{mug.pk}"]}
    pending.refresh_from_db()
    assert (pending.state, pending.closed_because) == ("closed", "left")


@pytest.mark.parametrize("url", [CONFIRM, LEAVE])
@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 1_000_000, "\x00" * 43, "\ud800" * 43, "é" * 43])
def test_a_link_that_opens_nothing_is_not_found(api, pending, url, token):
    answer = api.post(url, json.dumps({"token": token}), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "invalid_token")


@pytest.mark.parametrize(("url", "purpose"), [(CONFIRM, Purpose.LEAVE), (LEAVE, Purpose.CONFIRM)])
def test_a_link_opens_only_the_door_it_was_made_for(api, pending, url, purpose):
    answer = api.post(url, {"token": token_for(pending, purpose)}, format="json")
    assert answer.status_code == 404
    pending.refresh_from_db()
    assert pending.state == "pending"


@pytest.mark.parametrize("url", [CONFIRM, LEAVE])
@pytest.mark.parametrize("body", [{}, {"token": None}, {"token": 7}])
def test_a_missing_token_is_named(api, pending, url, body):
    answer = api.post(url, body, format="json")
    assert (answer.status_code, answer.json()["field"]) == (400, "token")


@pytest.mark.parametrize("url", [URL, CONFIRM, LEAVE])
@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
def test_nothing_but_post_does_anything(api, pending, url, method):
    assert getattr(api, method)(url).status_code == (403 if url == URL else 405)
    pending.refresh_from_db()
    assert pending.state == "pending"


# saying more


def test_all_that_can_be_said_is_kept(api, mug):
    other = Product.objects.create(name="Cup")
    day = (timezone.localdate() + dt.timedelta(days=30)).isoformat()
    answer = ask(api, mug, quantity=2, highest_price="19.90", need_by=day, any_of=[f"hosts.product:{other.pk}"])
    assert answer.status_code == 202
    rows = list(Subscription.objects.order_by("item_id"))
    assert [(row.highest_price, row.need_by.isoformat()) for row in rows] == [(Decimal("19.90"), day)] * 2
    assert rows[0].group == rows[1].group is not None


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("highest_price", "free", "invalid_price"),
        ("highest_price", True, "invalid_price"),
        ("highest_price", -1, "invalid_price"),
        ("highest_price", "1e9", "invalid_price"),
        ("highest_price", "٣", "invalid_price"),
        ("highest_price", 1e300, "invalid_price"),
        ("need_by", "2020-01-01", "invalid_day"),
        ("need_by", "2026-02-30", "invalid_day"),
        ("need_by", "20260230", "invalid_day"),
        ("need_by", 20260230, "invalid_day"),
        ("any_of", "hosts.product:1", "invalid"),
        ("any_of", [7], "invalid"),
        ("any_of", ["hosts.product:0"] * 21, "too_many"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_nothing_is_kept(api, mug, field, value, code):
    answer = ask(api, mug, **{field: value})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, field)
    assert not Subscription.objects.exists()


def test_of_a_choice_the_answer_names_the_one_it_is_true_of(api, mug):
    full = Product.objects.create(name="Pot", stock=5)
    answer = ask(api, mug, any_of=[f"hosts.product:{full.pk}"])
    assert (answer.status_code, answer.json()["product"]) == (409, f"hosts.product:{full.pk}")
    answer = ask(api, mug, any_of=["hosts.product:0"])
    assert (answer.status_code, answer.json()["field"], answer.json()["product"]) == (404, "any_of", "hosts.product:0")


# a customer's own


def test_a_customer_sees_what_they_wait_for_and_where_they_stand(api, mug, customer):
    waiting_for(mug, 13)
    api.force_authenticate(customer)
    ask(api, mug, email=..., highest_price="20")
    first, last = timezone.localdate() + dt.timedelta(days=10), timezone.localdate() + dt.timedelta(days=16)
    expect_delivery(product=mug, quantity=30, earliest=first, latest=last)
    [own] = api.get(URL).json()["results"]

    assert (own["product"], own["state"], own["highest_price"], own["any_of"]) == (
        f"hosts.product:{mug.pk}",
        "waiting",
        "20.00",
        [],
    )
    assert own["standing"]["position"] == 14
    assert own["standing"]["label"].startswith("You are number 14 in line. 30 units are due ")
    assert [(due["units"], due["odds"]) for due in own["standing"]["deliveries"]] == [(30, "very_likely")]


def test_nobody_sees_what_others_wait_for(api, mug, customer):
    waiting_for(mug, 2, customer=customer)
    assert (api.get(URL).status_code, api.patch(f"{URL}1/", {}).status_code) == (403, 403)
    api.force_authenticate(get_user_model().objects.create_user("eve@example.com", "pw"))
    assert api.get(URL).json() == {"results": []}


def test_a_customer_changes_what_they_name_and_keeps_the_rest(api, mug, customer):
    [row] = waiting_for(mug, customer=customer, highest_price=9, language="en")
    api.force_authenticate(customer)
    day = timezone.localdate().isoformat()
    answer = api.patch(f"{URL}{row.pk}/", {"quantity": 4, "need_by": day, "language": "de"}, format="json")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["quantity"], body["need_by"], body["language"], body["highest_price"]) == (4, day, "de", "9.00")
    api.patch(f"{URL}{row.pk}/", {"highest_price": None, "need_by": None}, format="json")
    row.refresh_from_db()
    assert (row.highest_price, row.need_until, row.quantity) == (None, None, 4)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"language": "xx"}, "language"),
        ({"need_by": "1999-01-01"}, "need_by"),
        ({"language": None}, "language"),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_name(api, mug, customer, said, field):
    [row] = waiting_for(mug, customer=customer)
    api.force_authenticate(customer)
    answer = api.patch(f"{URL}{row.pk}/", said, format="json")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_somebody_elses_request_is_not_found_and_one_that_is_over_neither(api, mug, customer):
    theirs, over = waiting_for(mug), waiting_for(Product.objects.create(name="Cup"), customer=customer, state="closed")
    api.force_authenticate(customer)
    for row in (*theirs, *over):
        assert api.patch(f"{URL}{row.pk}/", {"quantity": 2}, format="json").status_code == 404
    assert set(Subscription.objects.values_list("quantity", flat=True)) == {1}
