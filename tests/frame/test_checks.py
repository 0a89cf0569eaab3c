"""Every wrong setting becomes a sentence with a did-you-mean."""

import datetime as dt

import pytest
from django.core import checks

from backorders.checks import check_databases, check_frame, check_lease, check_mail, check_settings, check_urls

GOOD = {"SITE_URL": "https://shop.example", "FROM_EMAIL": "shop@shop.example"}


def said(settings, **changes):
    settings.BACKORDERS = {**GOOD, "SELLABLES": {"hosts.Product": {"stock": "stock", "url": "/p/{pk}/"}}, **changes}
    return " ".join(f"{m.msg} {m.hint or ''}" for m in [*check_settings(), *check_mail(), *check_lease()])


def test_a_right_setting_says_nothing(settings):
    assert said(settings) == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SITE_ULR": "x"}, "'SITE_ULR'] is no setting. Did you mean 'SITE_URL'?"),
        ({"SITE_URL": "https://shop.example/shop"}, "has a path, which links in mails would lose"),
        ({"LEASE": dt.timedelta(seconds=5)}, "makes two workers send one mail"),
        (
            {"SELLABLES": {"hosts.Product": {"stock": "name", "url": "/p/{pk}/"}}},
            "holds text; only numbers are read as stock",
        ),
        ({"SELLABLES": {"hosts.Product": {"stock": "stock"}}}, "mails will not link to the product"),
        ({"SELLABLES": {"hosts.Product": {"visible": "name"}}}, "is no yes-or-no field"),
        (
            {"SELLABLES": {"hosts.Product": {"url": "/{pk}"}, "HOSTS.product": {"url": "/{pk}"}}},
            "names hosts.product twice",
        ),
        ({"SITE_URL": "shop.example"}, "'SITE_URL'] is missing or no web address"),
        ({"ON_UNKNOWN": "retry"}, "has to be one of 'resend', 'hold'"),
        ({"LEASE": 120}, "has to be a positive datetime.timedelta"),
        ({"LEASE": dt.timedelta(0)}, "has to be a positive datetime.timedelta"),
        ({"MAIL_BATCH": "50"}, "has to be a whole number"),
        ({"MAIL_BATCH": -1}, "has to be a whole number"),
        ({"ALLOW_LOCAL_DOMAINS": "no"}, "has to be True or False"),
        ({"SHOP_NAME": 7}, "has to be text"),
        ({"VERIFIED_EMAIL": "shop.nowhere.f"}, "cannot be imported"),
        ({"SELLABLES": ["hosts.Product"]}, "has to be a dict of model labels"),
        ({"SELLABLES": {}}, "nothing is sellable yet"),
        ({"SELLABLES": {"hosts.Prodct": {}}}, "'hosts.Prodct', which is not installed. Did you mean 'hosts.Product'?"),
        ({"SELLABLES": {"nonsense": {}}}, "'app_label.ModelName'"),
        ({"SELLABLES": {"hosts.Product": "stock"}}, "has to be a dict of field paths"),
        ({"SELLABLES": {"hosts.Product": {"stok": "stock"}}}, "means nothing. Did you mean 'stock'?"),
        ({"SELLABLES": {"hosts.Product": {"stock": "stok"}}}, "has no field 'stok'. Did you mean 'stock'?"),
        ({"SELLABLES": {"hosts.Product": {"stock": "name.length"}}}, "does not lead to one other row"),
        ({"SELLABLES": {"hosts.Product": {"stock": "stock * 2"}}}, "Use an adapter class for more"),
        ({"SELLABLES": {"hosts.Product": {"stock": "stock -"}}}, "is no field path"),
        ({"SELLABLES": {"hosts.Product": {"stock": 5}}}, "has to be text such as 'name'"),
        ({"SELLABLES": {"hosts.Product": {"moves_stock": "no"}}}, "has to be True or False"),
        ({"SELLABLES": {"hosts.Product": {"visible": "is_visibel"}}}, "Did you mean 'is_visible'?"),
        ({"SELLABLES": {"hosts.Product": {"title": "nmae"}}}, "Did you mean 'name'?"),
        ({"SELLABLES": {"hosts.Product": {"url": "https://front/{slog}"}}}, "has no field 'slog'"),
        (
            {"SELLABLES": {"hosts.Warehoused": {"stock": "inventory.quantity - inventory.resvred"}}},
            "Did you mean 'reserved'?",
        ),
        ({"SELLABLES": {"hosts.Custom": {"ADAPTER": "tests.hosts.nothing.X"}}}, "cannot be imported"),
        ({"SELLABLES": {"hosts.Custom": {"ADAPTER": "datetime.date"}}}, "is no subclass of backorders.shop.Adapter"),
        ({"SELLABLES": {"hosts.Custom": {"ADAPTER": "backorders.shop.Adapter"}}}, "has no method stock(pks)"),
    ],
)
def test_a_wrong_setting_is_named(settings, changes, sentence):
    assert sentence in said(settings, **changes)


def test_no_settings_at_all_points_to_the_first_step(settings):
    del settings.BACKORDERS

    assert "backorders_init" in check_settings()[0].hint


def test_settings_that_are_no_dict(settings):
    settings.BACKORDERS = ["SELLABLES"]

    assert "has to be a dict, not list" in check_settings()[0].msg


def test_missing_urls_are_an_error(settings):
    settings.ROOT_URLCONF = "tests.hosts.no_urls"

    assert "include('backorders.urls')" in check_urls()[0].hint


def test_naive_time_is_an_error(settings):
    settings.USE_TZ = False

    assert "USE_TZ = True" in check_frame()[0].hint


@pytest.mark.django_db
def test_sqlite_that_would_lock_up_is_a_warning(settings):
    from django.db import connection

    if connection.vendor != "sqlite":
        assert check_databases() == []
        return
    options = dict(connection.settings_dict["OPTIONS"])
    try:
        connection.settings_dict["OPTIONS"] = {}
        assert "IMMEDIATE" in check_databases()[0].msg
    finally:
        connection.settings_dict["OPTIONS"] = options


@pytest.mark.django_db
def test_the_demo_and_the_tests_have_no_problem_of_ours():
    assert [m for m in checks.run_checks(databases=["default"]) if str(m.id).startswith("backorders.")] == []
