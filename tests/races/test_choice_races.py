"""Products of which one would do, while everything happens at once."""

import pytest

from backorders.models import OutgoingMail, Subscription
from backorders.services.checkout import Line, check_out
from backorders.services.delivery import drain
from backorders.services.stock import sweep_stock
from backorders.services.subscriptions import change_request, subscribe, tidy_subscriptions, unsubscribe
from backorders.services.waves import release_waves
from tests.factories import CustomerFactory, ProductFactory, token_for
from tests.hosts.models import Product
from tests.races.test_lock_order import meet
from tests.races.test_races import at_once, only

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def chosen(now, people=1):
    mugs = ProductFactory.create_batch(4)
    customers = CustomerFactory.create_batch(people)
    for place, customer in enumerate(customers):
        order = mugs[place % 4 :] + mugs[: place % 4]
        subscribe(product=order[0], any_of=order[1:], customer=customer, now=now)
    Product.objects.update(stock=50)
    sweep_stock(now=now)
    return mugs, customers


def buy(mug, customer, now):
    return lambda: check_out(lines=[Line(mug, 1, f"{customer.pk}-{mug.pk}")], email=customer.email, now=now)


def test_somebody_buys_two_of_a_choice_at_the_same_moment(now):
    mugs, [ana] = chosen(now)
    results = meet(buy(mugs[0], ana, now), buy(mugs[3], ana, now), after='SELECT .*"backorders_stockitem".* FOR UPDATE')

    assert only(Exception, results) == []
    assert set(Subscription.objects.values_list("closed_because", flat=True)) == {"bought"}


def test_buying_leaving_changing_telling_mailing_and_tidying_meet_without_a_deadlock(now):
    mugs, people = chosen(now, people=8)
    rows = list(Subscription.objects.order_by("id"))
    token = token_for(rows[0])
    results = at_once(
        *[buy(mugs[place % 4], customer, now) for place, customer in enumerate(people[2:5])],
        lambda: unsubscribe(token=token, now=now),
        lambda: change_request(subscription_id=rows[4].id, customer=people[1], quantity=2, now=now),
        lambda: release_waves(now=now),
        lambda: drain(seconds=5),
        lambda: tidy_subscriptions(now=now),
    )
    drain(seconds=5)

    assert only(Exception, results) == []
    bought = Subscription.objects.filter(email_key__in=[customer.email for customer in people[2:5]])
    assert set(bought.values_list("closed_because", flat=True)) == {"bought"}
    assert set(Subscription.objects.filter(email_key=people[0].email).values_list("closed_because", flat=True)) == {
        "left"
    }
    assert not OutgoingMail.objects.filter(state__in=["queued", "leased"]).exists()
