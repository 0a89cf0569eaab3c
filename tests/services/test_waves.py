"""Who is told, when, and what a shop learns of it."""

import datetime as dt
import random

import pytest
from django.db import transaction

from backorders.domain.draws import pledge_of, ticket
from backorders.domain.odds import BuyRate
from backorders.domain.responses import Learned
from backorders.models import OutgoingMail, Restock, StockEvent, Subscription, Wave
from backorders.queries.waves import course_of, forget_learned, learned_shop, pledge_for, seed_of
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.locks import anchor_of
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import tidy_subscriptions, unsubscribe
from backorders.services.waves import deliver_mail, release_wave, release_waves
from tests.factories import ProductFactory, SubscriptionFactory, token_for, waiting_for
from tests.hosts.models import Poster, Product
from tests.mailserver import mail_server

pytestmark = pytest.mark.django_db

QUARTER = dt.timedelta(minutes=15)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def rule(settings):
    def say(**given):
        settings.BACKORDERS = {**settings.BACKORDERS, **given}

    return say


def a_crowd(people, *, units, now, **fields):
    """So many people wait for a mug; then so many come, and the shop has seen them."""
    mug = ProductFactory(stock=0)
    rows = waiting_for(mug, people, **fields)
    Product.objects.filter(pk=mug.pk).update(stock=units)
    sweep_stock(now=now)
    return mug, rows


def told_ids():
    return set(Subscription.objects.filter(state="told").values_list("id", flat=True))


def buy(product, row, now):
    check_out(lines=[Line(product, row.quantity, f"order {row.id}")], email=row.email, now=now)


def sizes():
    return list(Wave.objects.order_by("id").values_list("size", flat=True))


def test_running_it_again_within_the_quarter_tells_nobody_more(worker, now):
    a_crowd(40, units=4, now=now)
    for minutes in (0, 0, 5, 14):
        worker(now + dt.timedelta(minutes=minutes))
    assert len(sizes()) == 1

    worker(now + 4 * QUARTER)
    assert len(sizes()) == 2


def test_nobody_is_told_further_while_mails_have_not_left(now):
    a_crowd(40, units=4, now=now)
    release_waves(now=now)
    first = told_ids()
    for hours in range(1, 30):
        release_waves(now=now + hours * HOUR)
    assert told_ids() == first

    drain(seconds=20)
    release_waves(now=now + 30 * HOUR)
    assert told_ids() > first


@pytest.mark.parametrize("seed", range(4))
def test_in_the_order_of_the_line_nobody_twice_and_nobody_who_is_gone(seed, worker, now):
    """People buy, leave and come as they like; quantities differ. Looked at as a whole afterwards."""
    dice = random.Random(seed)
    mug, rows = a_crowd(80, units=8, now=now)
    for row in rows:
        Subscription.objects.filter(id=row.id).update(quantity=dice.choice([1, 1, 2, 3]))
    gone = set()
    for quarter in range(16):
        moment = now + quarter * QUARTER
        worker(moment)
        assert gone & told_ids() == set()
        for row in Subscription.objects.filter(state="told", id__in=[row.id for row in rows]):
            if dice.random() < 0.01 and Product.objects.get().stock - row.quantity >= 3:
                buy(mug, row, moment)
                gone.add(row.id)
        waits = list(Subscription.objects.filter(state="waiting"))
        if waits and dice.random() < 0.4:
            leaver = dice.choice(waits)
            unsubscribe(token=token_for(leaver), now=moment)
            gone.add(leaver.id)

    reached = [row.told_at for row in Subscription.objects.exclude(told_at=None).in_line()]
    assert len(sizes()) > 2 and gone
    assert reached == sorted(reached)
    mails = OutgoingMail.objects.exclude(state="cancelled")
    assert mails.count() == mails.values("subscription").distinct().count() == len(reached)
    for row in Subscription.objects.filter(closed_because="left", told_at=None):
        assert not row.mails.exists()


def test_whoever_is_not_reached_keeps_the_place_for_the_next_restock(worker, now):
    mug, rows = a_crowd(12, units=2, now=now)
    worker(now)
    reached = told_ids()
    Product.objects.filter(pk=mug.pk).update(stock=0)
    worker(now + HOUR)
    Subscription.objects.filter(id__in=reached).update(state="closed")
    SubscriptionFactory(item=anchor_of(mug), placed_at=now)
    Product.objects.filter(pk=mug.pk).update(stock=2)
    worker(now + 2 * HOUR)

    later = [row.id for row in rows if row.id not in reached]
    assert 0 < len(told_ids()) < len(later)
    assert told_ids() == set(later[: len(told_ids())])


def test_a_request_that_was_never_confirmed_and_one_that_expired_are_told_of_nothing(worker, now):
    mug, _ = a_crowd(1, units=9, now=now)
    pending, old = SubscriptionFactory.create_batch(2, item=anchor_of(mug), state="pending")
    Subscription.objects.filter(id=pending.id).update(placed_at=now)
    tidy_subscriptions(now=now)
    worker(now)

    assert Subscription.objects.get(id=old.id).closed_because == "expired"
    assert OutgoingMail.objects.filter(subscription__in=[pending, old]).count() == 0


class Killed(Exception):
    pass


def test_a_wave_that_was_killed_half_way_is_told_as_a_whole_by_the_next_run(now):
    _, rows = a_crowd(40, units=4, now=now)
    restock = Restock.objects.get()
    with pytest.raises(Killed), transaction.atomic():
        release_wave(restock_id=restock.id, now=now)
        raise Killed
    assert (told_ids(), sizes(), OutgoingMail.objects.count()) == (set(), [], 0)

    wave = release_wave(restock_id=restock.id, now=now)
    assert told_ids() == {row.id for row in rows[: wave.size]}
    assert OutgoingMail.objects.count() == wave.size == sizes()[0]


def test_the_more_told_people_buy_the_fewer_are_told_next(worker, now):
    """Two mugs with the same crowd and the same shelf: of one, nobody buys; of the other, eight do and are replaced."""
    waves = {}
    for buyers in (0, 8):
        mug, rows = a_crowd(300, units=20, now=now)
        worker(now)
        for row in rows[:buyers]:
            buy(mug, row, now + 3 * HOUR)
        Product.objects.filter(pk=mug.pk).update(stock=20)
        worker(now + 3 * HOUR)
        waves[buyers] = Wave.objects.get(restock__item=anchor_of(mug), number=2).size
    assert 0 < waves[8] < waves[0]


def test_a_shop_whose_till_never_says_who_bought_is_careful_by_its_shelf(worker, now):
    waves = {}
    for gone in (0, 8):
        mug, _ = a_crowd(300, units=20, now=now)
        worker(now)
        Product.objects.filter(pk=mug.pk).update(stock=20 - gone)
        worker(now + 3 * HOUR)
        Product.objects.filter(pk=mug.pk).update(stock=20)
        worker(now + 4 * HOUR)
        waves[gone] = sum(Wave.objects.filter(restock__item=anchor_of(mug)).values_list("size", flat=True))
    assert waves[8] < waves[0]


def test_the_course_of_a_restock_tells_who_bought_from_who_passed_by(worker, now):
    mug, rows = a_crowd(60, units=20, now=now, quantity=2)
    worker(now)
    buy(mug, rows[0], now + HOUR)
    check_out(lines=[Line(mug, 3, "passing")], email="passer@example.com", now=now + HOUR)
    Product.objects.update(stock=11)  # the shop sold four more by itself
    sweep_stock(now=now + HOUR)
    [told], course = sizes(), course_of(Restock.objects.get(), item_id=anchor_of(mug).id, now=now + 2 * HOUR)

    assert [(wave.people, wave.units, wave.hours) for wave in course.told] == [(told, 2 * told, 2.0)]
    assert (course.bought, course.left, course.left_to_told, course.hours) == (1, 9, 2, 2.0)


def test_people_told_of_the_restock_before_may_still_be_on_their_way(worker, now):
    mug, _ = a_crowd(60, units=20, now=now)
    worker(now)
    [told] = sizes()
    Product.objects.update(stock=0)
    worker(now + QUARTER)
    Product.objects.update(stock=2)
    worker(now + 2 * QUARTER)
    assert sizes() == [told]

    restock, item_id = Restock.objects.get(closed_at=None), anchor_of(mug).id
    course = course_of(restock, item_id=item_id, now=now + HOUR)
    assert ([wave.people for wave in course.earlier], course.told) == ([told], [])
    assert course_of(restock, item_id=item_id, now=now + dt.timedelta(days=2)).earlier == []

    worker(now + dt.timedelta(hours=30))
    assert len(sizes()) == 2


def a_past(item, *, told, bought, hours, closed_at):
    """A restock that is over: so many were told, so many of them bought after so many hours."""
    number = Restock.objects.filter(item=item).count() + 1
    opened_at = closed_at - dt.timedelta(days=2)
    restock = Restock.objects.create(item=item, number=number, opened_at=opened_at, closed_at=closed_at, units=99)
    Wave.objects.create(restock=restock, number=1, size=told, units=99, released_at=opened_at)
    SubscriptionFactory.create_batch(
        bought,
        item=item,
        state="closed",
        closed_because="bought",
        told_at=opened_at,
        closed_at=opened_at + hours * HOUR,
        restock=restock,
    )


def test_a_shop_that_has_told_nobody_goes_by_the_first_belief(now, django_assert_max_num_queries):
    with django_assert_max_num_queries(1):
        learned = learned_shop(now)

    assert learned == Learned(rate=learned.rate)
    assert learned.rate == BuyRate(pytest.approx(1), pytest.approx(5))


def test_a_shop_learns_how_many_buy_and_how_soon_from_two_queries(now, django_assert_num_queries):
    cup, pot = anchor_of(ProductFactory()), anchor_of(ProductFactory())
    for days in range(1, 21):
        a_past(cup, told=40, bought=20, hours=0.2, closed_at=now - dt.timedelta(days=3 * days))
        a_past(pot, told=40, bought=0, hours=0, closed_at=now - dt.timedelta(days=3 * days))
    with django_assert_num_queries(2):
        learned = learned_shop(now)

    assert learned.sees_buyers
    assert learned.rate.mean == pytest.approx(0.25, abs=0.02)
    assert learned.delay.share_by(0.3) > 0.9
    assert learned.rate_of_item(cup.id).mean > 0.35 > 0.15 > learned.rate_of_item(pot.id).mean


def test_what_a_shop_learned_makes_its_first_wave_smaller(now):
    cup = anchor_of(ProductFactory())
    a_crowd(300, units=20, now=now)
    [restock] = Restock.objects.all()
    with transaction.atomic():
        unlearned = release_wave(restock_id=restock.id, now=now).size
        transaction.set_rollback(True)
    for days in range(1, 21):
        a_past(cup, told=40, bought=30, hours=0.2, closed_at=now - dt.timedelta(days=3 * days))
    forget_learned()
    [wave] = release_waves(now=now)

    assert 20 <= wave.size < unlearned


def test_an_open_restock_does_not_teach_the_shop_what_it_says_itself(worker, now):
    mug, rows = a_crowd(60, units=20, now=now)
    worker(now)
    buy(mug, rows[0], now + HOUR)

    assert not learned_shop(now + HOUR).sees_buyers
    assert learned_shop(now + dt.timedelta(days=4)).sees_buyers
    assert learned_shop(now + dt.timedelta(days=4)).own == {}


def test_a_wave_costs_as_many_queries_with_a_long_past_as_with_none(worker, now, django_assert_max_num_queries):
    mug, _ = a_crowd(300, units=4, now=now)
    for days in range(1, 11):
        a_past(anchor_of(mug), told=10, bought=2, hours=1, closed_at=now - dt.timedelta(days=3 * days))
    for quarter in range(0, 40, 4):
        worker(now + quarter * QUARTER)
    assert len(sizes()) > 12
    with django_assert_max_num_queries(26):
        assert release_wave(restock_id=Restock.objects.get(closed_at=None).id, now=now + 40 * QUARTER)


def test_a_look_that_finds_no_wave_due_costs_two_queries(worker, now, django_assert_num_queries):
    a_crowd(40, units=4, now=now)
    worker(now)
    with django_assert_num_queries(2):  # no hold is over, no wave is due
        assert release_waves(now=now + dt.timedelta(minutes=5)) == []


def test_more_loss_tells_more_people(now, rule):
    a_crowd(300, units=20, now=now)
    rule(WAVE_LOSS=0.2)
    release_waves(now=now)
    a_crowd(300, units=20, now=now)
    rule(WAVE_LOSS=0.01)
    release_waves(now=now)

    assert sizes()[0] > 2 * sizes()[1] > 0


def test_fewer_units_than_the_shop_tells_of_are_told_to_nobody(now, rule):
    rule(LEAST_STOCK_TO_TELL=5)
    mug, rows = a_crowd(3, units=4, now=now)
    assert release_waves(now=now) == []

    Product.objects.filter(pk=mug.pk).update(stock=5)
    sweep_stock(now=now)
    assert [wave.size for wave in release_waves(now=now)] == [len(rows)]


def test_a_product_that_is_not_counted_is_told_to_everybody_and_to_newcomers_at_once(now, worker):
    poster = Poster.objects.create(name="poster")
    item = anchor_of(poster)
    Restock.objects.create(item=item, number=1, units=None, opened_at=now)
    SubscriptionFactory.create_batch(30, item=item)
    release_waves(now=now)
    SubscriptionFactory(item=item)
    release_waves(now=now + dt.timedelta(minutes=1))

    assert sizes() == [30, 1]


def test_a_lottery_tells_those_who_were_drawn_and_anybody_can_check_it(now, rule):
    rule(WAVE_ORDER="lottery")
    _, rows = a_crowd(200, units=10, now=now)
    [restock] = Restock.objects.all()
    pledge = pledge_for(restock)
    [wave] = release_waves(now=now)
    seed = seed_of(restock)

    assert pledge_of(seed) == pledge != seed
    drawn = sorted((row.id for row in rows), key=lambda number: ticket(seed, number))
    assert told_ids() == set(drawn[: wave.size]) != {row.id for row in rows[: wave.size]}


def test_an_ageing_draw_gives_one_more_ticket_for_each_day_waited(now, rule):
    rule(WAVE_ORDER="ageing")
    mug = ProductFactory(stock=0)
    fresh = waiting_for(mug, 100, placed_at=now)
    old = waiting_for(mug, 100, placed_at=now - dt.timedelta(days=60))
    Product.objects.update(stock=10)
    sweep_stock(now=now)
    release_waves(now=now)
    told = told_ids()

    assert len(told & {row.id for row in old}) > 5 * len(told & {row.id for row in fresh})


@pytest.mark.parametrize("order", ["first_come", "lottery", "ageing"])
def test_in_every_order_people_are_told_until_all_are(order, now, rule, worker):
    rule(WAVE_ORDER=order)
    a_crowd(30, units=6, now=now, quantity=2)
    for quarter in range(40):
        worker(now + quarter * QUARTER)

    assert sum(sizes()) == len(told_ids()) == OutgoingMail.objects.count() == 30


def test_units_set_by_hand_or_written_off_are_bought_by_nobody(now):
    mug, _ = a_crowd(3, units=20, now=now)
    restock, item = Restock.objects.get(), anchor_of(mug)
    for kind in ("set", "written_off", "received"):
        StockEvent.objects.create(item=item, kind=kind, before=9, after=4, quantity=-5, happened_at=now)
    StockEvent.objects.create(item=item, kind="seen", before=9, after=7, quantity=-2, happened_at=now)

    assert course_of(restock, item_id=item.id, now=now).left == 2


def test_a_small_restock_does_not_wait_until_a_large_wave_is_through(now):
    """Its wave is released, and its mail leaves, between two batches of the other."""
    lamp, mug = ProductFactory(stock=0), ProductFactory(stock=0)
    crowd, [ana] = waiting_for(lamp, 250), waiting_for(mug)
    Product.objects.filter(pk=lamp.pk).update(stock=250)
    sweep_stock(now=now)
    release_waves(now=now)
    Product.objects.filter(pk=mug.pk).update(stock=1)
    sweep_stock(now=now)
    with mail_server() as server:
        deliver_mail(seconds=30)

    assert len(server.addresses) == 251
    assert server.addresses.index(ana.email) <= 150  # a claim, and the front of the large wave, which came first
    assert [address for address in server.addresses if address != ana.email] == [row.email for row in crowd]
