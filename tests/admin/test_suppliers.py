import datetime as dt
import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backorders.admin.suppliers import percent
from backorders.models import ClosedDay, Delivery, Supplier
from backorders.services.locks import anchor_of
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db

LIST, ADD, HONESTY = (
    reverse(f"admin:backorders_{name}") for name in ("supplier_changelist", "supplier_add", "honesty_changelist")
)


def change(supplier):
    return reverse("admin:backorders_supplier_change", args=[supplier.pk])


def said(answer):
    """The page as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def form_of(**more):
    rows = {"closed_days-TOTAL_FORMS": "1", "closed_days-INITIAL_FORMS": "0"}
    return {"name": "Potters", "lead_days": "", "holidays": "", **rows, **more}


def deliveries_that_came(supplier, item, count, *, late, day):
    """Announced three weeks before their day, and that many days late."""
    for n in range(count):
        due = day(-7 * (count - n) - late - 3)
        noon = dt.datetime.combine(due - dt.timedelta(days=21), dt.time(12), dt.UTC)
        Delivery.objects.create(
            item=item,
            supplier=supplier,
            quantity=5,
            received_quantity=5,
            earliest_on=due,
            latest_on=due,
            judged_earliest_on=due,
            judged_latest_on=due,
            arrived_on=due + dt.timedelta(days=late),
            state="received",
            created_at=noon,
            closed_at=timezone.now(),
        )


def test_a_supplier_says_when_it_works_and_how_long_it_takes(merchandiser, day):
    closed = {"closed_days-0-day": day(9), "closed_days-0-note": "Stock-taking"}
    merchandiser.post(ADD, form_of(lead_days="10", closed_weekdays=["6", "5"], **closed))
    potters = Supplier.objects.get()
    assert (potters.lead_days, potters.closed_weekdays) == (10, "56")
    assert (ClosedDay.objects.get().day, ClosedDay.objects.get().note) == (day(9), "Stock-taking")
    page = merchandiser.get(change(potters))
    assert page.context["adminform"].form.initial["closed_weekdays"] == ["5", "6"]
    assert "Saturday, Sunday" in said(merchandiser.get(LIST))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"closed_weekdays": list("0123456")}, "Leave at least one weekday open."),
        ({"closed_weekdays": ["7"]}, "Select a valid choice."),
        ({"lead_days": "-5"}, "greater than or equal to 0"),
        ({"lead_days": "1.5"}, "Enter a whole number."),
        ({"lead_days": "4000"}, "More than ten years."),
        ({"name": ""}, "This field is required."),
        ({"closed_days-0-day": "2030-02-30"}, "Enter a valid date."),
    ],
)
def test_a_supplier_that_makes_no_sense_is_refused(merchandiser, wrong, sentence):
    assert sentence in said(merchandiser.post(ADD, form_of(**wrong)))
    assert not Supplier.objects.exists()


def test_public_holidays_are_checked_or_the_missing_package_is_named(merchandiser):
    answer = said(merchandiser.post(ADD, form_of(holidays="ZZ-Nowhere")))
    assert "pip install holidays" in answer or "No public holidays are known for" in answer
    assert not Supplier.objects.exists()


# their record


def test_a_supplier_shows_its_record(viewer, mug, day):
    potters = Supplier.objects.create(name="Potters")
    deliveries_that_came(potters, anchor_of(mug), 12, late=2, day=day)
    page = said(viewer.get(change(potters)))
    assert "12 deliveries, median: 2 working days late" in page
    assert "P50" in page and "P80" in page and "P95" in page


def test_too_few_deliveries_are_said_to_be_too_few(viewer, mug, day):
    potters = Supplier.objects.create(name="Potters")
    assert "there is nothing to learn from" in said(viewer.get(change(potters)))
    deliveries_that_came(potters, anchor_of(mug), 3, late=0, day=day)
    page = said(viewer.get(change(potters)))
    assert "3 deliveries, median: on time" in page
    assert "5 deliveries of a kind are needed before anything is learned." in page


def test_the_page_on_our_dates_stands_in_the_menu_and_names_every_supplier(viewer, mug, day):
    deliveries_that_came(Supplier.objects.create(name="Potters"), anchor_of(mug), 12, late=2, day=day)
    assert HONESTY in viewer.get(reverse("admin:index")).content.decode()
    page = said(viewer.get(HONESTY))
    assert "Potters" in page and "12 deliveries" in page and "95 % interval" in page
    assert "No order line that had a date was filled yet." in page


def test_an_empty_shop_reads_that_nothing_was_learned_yet(viewer):
    assert "there is nothing to learn from" in said(viewer.get(HONESTY))


def test_the_page_costs_the_same_for_many_deliveries(owner, mug, day, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for name in ("Potters", "Weavers", "Smiths"):
        deliveries_that_came(Supplier.objects.create(name=name), anchor_of(mug), 8, late=1, day=day)
        with CaptureQueriesContext(connection) as queries:
            owner.get(HONESTY)
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_whoever_may_not_see_suppliers_sees_neither_the_page_nor_its_link():
    clerk = client_of("clerk@example.com", may=["view_backorder"])
    assert clerk.get(HONESTY).status_code == 403
    assert HONESTY not in clerk.get(reverse("admin:index")).content.decode()
    stranger = Client()
    assert "/login/" in stranger.get(HONESTY)["Location"]
    get_user_model().objects.create_user("shopper@example.com", "pw")
    stranger.login(username="shopper@example.com", password="pw")
    assert "/login/" in stranger.get(HONESTY)["Location"]


@pytest.mark.parametrize(("share", "words"), [(0.0, "0 %"), (0.526, "53 %"), (0.819, "82 %"), (0.999, "100 %")])
def test_shares_are_rounded_and_not_cut(share, words):
    assert percent(share) == words
