"""What people say beside "tell me": any of these, a highest price, a last day."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core import mail as django_mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backorders.domain.tokens import Purpose
from backorders.errors import AlreadyInStock, InvalidDay, InvalidPrice, NoLongerMade, NotSellable, TooManyProducts
from backorders.models import OutgoingMail, Subscription
from backorders.queries.facts import facts_for
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.outbox import suppress
from backorders.services.privacy import forget_customer
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import confirm, subscribe, tidy_subscriptions, unsubscribe
from backorders.services.terms import set_selling_policy
from backorders.services.waves import release_wave, release_waves
from tests.conftest import NOW
from tests.factories import CustomerFactory, ProductFactory, token_for, waiting_for
from tests.hosts.models import Poster, Product
from tests.stories import DAY

pytestmark = pytest.mark.django_db

ANA = "ana@example.com"


@pytest.fixture
def ana(db):
    return CustomerFactory(email=ANA)


@pytest.fixture
def mugs(db):
    return [ProductFactory(name=name) for name in ("red", "blue", "green")]


def ask(product, who=None, **wish):
    return subscribe(product=product, customer=who, **({} if who else {"email": ANA}), now=NOW, **wish)


def restock(product, units=5, now=NOW):
    Product.objects.filter(pk=product.pk).update(stock=units)
    sweep_stock(now=now)


def states():
    return list(Subscription.objects.order_by("item_id").values_list("state", flat=True))


def reasons():
    return list(Subscription.objects.order_by("item_id").values_list("closed_because", flat=True))


# what is kept, and what is refused


def test_a_wish_is_kept_as_it_was_said(mugs):
    ask(mugs[0], quantity=2, highest_price=Decimal("19.90"), need_by=dt.date(2026, 3, 24), time_zone="Asia/Tokyo")
    kept = Subscription.objects.get()

    assert (kept.quantity, kept.highest_price, kept.need_by) == (2, Decimal("19.90"), dt.date(2026, 3, 24))
    assert kept.need_until == dt.datetime(2026, 3, 24, 15, tzinfo=dt.UTC)


def test_today_is_the_first_day_to_need_it_by_where_the_reader_lives(mugs):
    today_in_kiribati = NOW.astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    with pytest.raises(InvalidDay, match=str(today_in_kiribati)):
        ask(mugs[0], need_by=NOW.date(), time_zone="Pacific/Kiritimati")
    ask(mugs[0], need_by=NOW.date())

    assert Subscription.objects.get().need_by == NOW.date()


@pytest.mark.parametrize("wish", [{"highest_price": 0}, {"highest_price": 9.5}, {"need_by": "tomorrow"}])
def test_nothing_is_kept_of_a_wish_that_is_none(mugs, wish):
    with pytest.raises((InvalidPrice, InvalidDay)):
        ask(mugs[0], **wish)
    assert not Subscription.objects.exists()


def test_one_that_can_be_bought_right_now_is_named(mugs):
    Product.objects.filter(pk=mugs[1].pk).update(stock=1)
    with pytest.raises(AlreadyInStock) as refusal:
        ask(mugs[0], any_of=mugs[1:])
    assert refusal.value.product == mugs[1]
    ask(mugs[0], any_of=mugs[1:], quantity=2)

    assert Subscription.objects.count() == 3


def test_products_that_nobody_can_wait_for_are_refused_by_name(mugs):
    with pytest.raises(NotSellable):
        ask(mugs[0], any_of=[object()])
    with pytest.raises(NotSellable):
        ask(mugs[0], any_of=[ProductFactory(is_visible=False)])
    set_selling_policy(product=mugs[2], discontinued=True)
    with pytest.raises(NoLongerMade) as refusal:
        ask(mugs[0], any_of=mugs[1:])

    assert refusal.value.product == mugs[2]
    assert not Subscription.objects.exists()


def test_nobody_chooses_among_more_than_twenty_others(mugs):
    with pytest.raises(TooManyProducts, match="at most 20"):
        ask(mugs[0], any_of=(mugs[1] for _ in range(10**9)))


def test_the_same_product_named_twice_is_one_request(mugs):
    ask(mugs[0], any_of=[mugs[0], Product.objects.get(pk=mugs[0].pk)])
    assert Subscription.objects.get().group is None


def test_a_choice_counts_as_one_open_request_and_is_confirmed_with_one_mail(mugs):
    for _ in range(3):
        ask(ProductFactory(), any_of=[ProductFactory(), ProductFactory()])
    ask(ProductFactory())
    assert (Subscription.objects.count(), OutgoingMail.objects.count()) == (9, 1)

    token = token_for(Subscription.objects.first(), Purpose.CONFIRM, expires_at=NOW + DAY)
    assert len(confirm(token=token, now=NOW)) == 9


def test_a_guest_who_types_a_known_address_changes_nothing_of_what_waits(mugs):
    [known] = waiting_for(mugs[0], email=ANA, highest_price=5)
    ask(mugs[0], any_of=[mugs[1]], highest_price=Decimal(99), quantity=9)
    known.refresh_from_db()

    assert (known.state, known.highest_price, known.quantity, known.group) == ("waiting", 5, 1, None)


# who is told


def test_somebody_is_told_once_the_price_is_one_they_would_pay(ana, mugs):
    ask(mugs[0], ana, highest_price=Decimal("9.99"))
    restock(mugs[0])
    assert release_waves(now=NOW) == []

    Product.objects.filter(pk=mugs[0].pk).update(price=Decimal("9.99"))
    assert [wave.size for wave in release_waves(now=NOW + dt.timedelta(minutes=3))] == [1]


def test_an_unknown_price_keeps_nobody_from_being_told(ana):
    poster = Poster.objects.create(name="poster")  # no price, and nobody counts it
    [row] = waiting_for(poster, highest_price=1)
    sweep_stock(now=NOW)
    release_waves(now=NOW)
    row.refresh_from_db()

    assert row.state == "told"


def test_nobody_is_told_after_their_last_day(ana, mugs):
    ask(mugs[0], ana, need_by=NOW.date())
    restock(mugs[0], now=NOW + DAY)
    assert release_waves(now=NOW + DAY) == []


def test_a_price_that_rose_before_the_mail_left_costs_nobody_the_place(ana, mugs):
    ask(mugs[0], ana, highest_price=Decimal(10))
    restock(mugs[0])
    release_waves(now=NOW)
    Product.objects.update(price=11)
    drain(seconds=5)
    row = Subscription.objects.get()

    assert django_mail.outbox == []
    assert (row.state, row.told_at, row.placed_at) == ("waiting", None, NOW)
    assert OutgoingMail.objects.get().state == "cancelled"


def test_a_last_day_that_passed_before_the_mail_left_stops_it(ana, mugs):
    later = timezone.now()
    subscribe(product=mugs[0], customer=ana, need_by=timezone.localdate(later), now=later)
    restock(mugs[0], now=later)
    release_waves(now=later)
    Subscription.objects.update(need_until=later)
    drain(seconds=5)

    assert (django_mail.outbox, states()) == ([], ["waiting"])


# any of these


def test_whoever_was_told_of_one_is_not_told_of_another_while_it_lasts(ana, mugs):
    ask(mugs[0], ana, any_of=mugs[1:])
    restock(mugs[1])
    release_waves(now=NOW)
    restock(mugs[2])
    assert release_waves(now=NOW) == []
    assert states() == ["waiting", "told", "waiting"]

    restock(mugs[1], units=0, now=NOW + DAY)
    assert [wave.size for wave in release_waves(now=NOW + DAY)] == [1]
    assert states() == ["waiting", "waiting", "told"]


def test_two_of_a_choice_that_come_at_the_same_moment_are_told_as_one(ana, mugs):
    ask(mugs[0], ana, any_of=mugs[1:])
    for mug in mugs:
        restock(mug)
    Subscription.objects.update(state="waiting")
    rows = list(Subscription.objects.order_by("item_id"))
    for row in rows[:2]:  # two workers at once: neither sees what the other has not committed
        Subscription.objects.exclude(id=row.id).update(state="waiting")
        release_wave(restock_id=row.item.restocks.get().id, now=NOW)
    Subscription.objects.filter(id__in=[row.id for row in rows[:2]]).update(state="told")
    drain(seconds=5)

    assert [message.subject for message in django_mail.outbox] == ["In stock now: red"]
    assert states() == ["told", "waiting", "waiting"]


def test_a_purchase_of_one_ends_all_and_stops_the_mail_about_another(ana, mugs):
    other = CustomerFactory()
    ask(mugs[0], ana, any_of=mugs[1:])
    ask(mugs[2], other)
    restock(mugs[0])
    release_waves(now=NOW)
    Product.objects.update(stock=1)
    check_out(lines=[Line(mugs[1], 1, "A")], email=ANA, now=NOW)
    drain(seconds=5)

    assert list(Subscription.objects.filter(email=ANA).values_list("closed_because", flat=True)) == ["bought"] * 3
    assert Subscription.objects.get(email=other.email).state == "waiting"
    assert django_mail.outbox == []
    assert Product.objects.get(pk=mugs[1].pk).stock == 0


def test_an_order_of_who_chose_nothing_costs_no_further_query(ana, mugs):
    def cost(mug):
        Product.objects.filter(pk=mug.pk).update(stock=9)
        check_out(lines=[Line(mug, 1, "bob-0")], email="bob@example.com", now=NOW)
        with CaptureQueriesContext(connection) as queries:
            check_out(lines=[Line(mug, 1, "bob-1")], email="bob@example.com", now=NOW)
        return len(queries)

    ask(mugs[0], ana, any_of=mugs[1:])
    assert cost(mugs[0]) == cost(ProductFactory())


def test_leaving_one_leaves_all_of_a_choice_and_nothing_else(ana, mugs):
    ask(mugs[0], ana, any_of=[mugs[1]])
    ask(mugs[2], ana)
    unsubscribe(token=token_for(Subscription.objects.order_by("item_id")[1]), now=NOW)

    assert reasons() == ["left", "left", ""]


# what nobody could be told in time


def ended(product, now, **wish):
    """Somebody asked, and tidying found that they had waited in vain."""
    ask(product, CustomerFactory(email=ANA), **wish)
    return tidy_subscriptions(now=now)["ended"]


def last_mail():
    drain(seconds=5)
    [message] = django_mail.outbox
    return message


def test_a_last_day_that_passes_ends_a_request_with_one_kind_mail_that_names_substitutes():
    mug = ProductFactory(name="red", category="mugs", price=10)
    near, far, _, _ = (ProductFactory(category="mugs", stock=2, price=price) for price in (11, 20, 80, 90))
    ProductFactory(name="too few", category="mugs", stock=1, price=10)
    assert ended(mug, NOW + DAY, need_by=NOW.date(), quantity=2) == 1
    assert tidy_subscriptions(now=NOW + 400 * DAY)["ended"] == 0
    message = last_mail()

    assert reasons() == ["too_late"]
    assert message.subject == "Your request has ended: red"
    assert "by March 2, 2026" in message.body
    assert near.name in message.body and far.name in message.body and "too few" not in message.body
    assert message.body.count("€") == 3
    assert message.body.count(f"https://shop.example/p/{mug.pk}/") == 1
    assert "List-Unsubscribe" not in message.extra_headers


def test_a_request_ends_after_a_year_and_never_where_the_shop_says_so(mugs, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "REQUESTS_END_AFTER": None}
    assert ended(mugs[0], NOW + 3000 * DAY) == 0
    settings.BACKORDERS = {**settings.BACKORDERS, "REQUESTS_END_AFTER": 365 * DAY}
    assert tidy_subscriptions(now=NOW + 364 * DAY)["ended"] == 0
    assert tidy_subscriptions(now=NOW + 366 * DAY)["ended"] == 1

    assert "On March 2, 2026 you asked us" in last_mail().body
    assert reasons() == ["in_vain"]


def test_a_choice_ends_as_a_whole_with_one_mail(mugs):
    assert ended(mugs[2], NOW + DAY, any_of=mugs[:2], need_by=NOW.date()) == 1
    message = last_mail()

    assert reasons() == ["too_late"] * 3
    assert all(f"* {mug.name}" in message.body for mug in mugs)


def test_nobody_who_was_just_told_of_one_loses_the_choice(ana, mugs):
    ask(mugs[0], ana, any_of=[mugs[1]], need_by=NOW.date())
    restock(mugs[0])
    release_waves(now=NOW)

    assert tidy_subscriptions(now=NOW + DAY)["ended"] == 0


def test_whoever_asked_again_in_the_meantime_is_not_told_of_the_end(mugs):
    ended(mugs[0], NOW + DAY, need_by=NOW.date())
    subscribe(product=mugs[0], email=ANA, now=NOW + DAY)
    drain(seconds=5)

    assert [message.subject for message in django_mail.outbox] == ["Please confirm: shall we tell you about red?"]


@pytest.mark.parametrize(
    "blocked", [lambda: suppress(email_key=ANA, reason="bounce", now=NOW), lambda: forget_customer(email=ANA)]
)
def test_suppressed_and_forgotten_people_get_no_last_mail(mugs, blocked):
    ended(mugs[0], NOW + DAY, need_by=NOW.date())
    blocked()
    drain(seconds=5)

    assert django_mail.outbox == []


def test_last_mails_of_many_products_cost_no_more_questions(django_assert_max_num_queries):
    for count in (2, 12):
        for mug in ProductFactory.create_batch(count, category="mugs"):
            ask(mug, CustomerFactory(), need_by=NOW.date())
        tidy_subscriptions(now=NOW + DAY)
        mails = list(OutgoingMail.objects.select_related("subscription__item").filter(state="queued"))
        with django_assert_max_num_queries(22):
            substitutes = facts_for(mails, NOW).words.substitutes()
        assert len(substitutes) == len(mails)
        OutgoingMail.objects.update(state="sent")
