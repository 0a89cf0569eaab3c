"""Every wrong setting becomes a sentence with a did-you-mean."""

import datetime as dt
import sys
from dataclasses import fields

import pytest
from celery import Celery
from celery.app.defaults import NAMESPACES, flatten
from django.core import checks
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES

from backorders.checks.frame import check_databases, check_frame
from backorders.checks.mail import check_lease, check_mail, check_urls, check_webhooks
from backorders.checks.settings import check_settings
from backorders.checks.workers import check_celery
from backorders.conf import Settings
from backorders.domain.calendars import public_holidays
from backorders.schedule import REUSES_CONNECTIONS, beat_schedule, celery_settings
from tests.mailserver import mail_settings

GOOD = {"SITE_URL": "https://shop.example", "FROM_EMAIL": "shop@shop.example"}


def said(settings, **changes):
    settings.BACKORDERS = {**GOOD, "SELLABLES": {"hosts.Product": {"stock": "stock", "url": "/p/{pk}/"}}, **changes}
    return " ".join(f"{m.msg} {m.hint or ''}" for m in [*check_settings(), *check_mail(), *check_lease()])


def test_a_right_setting_says_nothing(settings):
    assert said(settings) == ""


@pytest.mark.parametrize(
    "time_out", [mail_settings("x", timeout=60), {"ANYMAIL": {"REQUESTS_TIMEOUT": (20, 40)}}], ids=["smtp", "anymail"]
)
def test_a_time_out_of_the_shops_own_may_be_longer_than_a_claim(settings, time_out):
    for name, value in time_out.items():
        setattr(settings, name, value)

    assert "Set it to at least 0:05:00: the mail server's time-out of 0:01:00" in said(settings)


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
        ({"QUIET_HOURS": ("21:00", "21:00")}, "has to be two different times of the day"),
        ({"QUIET_HOURS": "21:00-08:00"}, "has to be two different times of the day"),
        ({"QUIET_HOURS": (21, 8)}, "has to be two different times of the day"),
        ({"HOLD_FOR": 4}, "has to be a positive datetime.timedelta, or None"),
        ({"ON_UNKNOWN": "retry"}, "has to be one of 'resend', 'hold'"),
        ({"LEASE": 120}, "has to be a positive datetime.timedelta"),
        ({"LEASE": dt.timedelta(0)}, "has to be a positive datetime.timedelta"),
        ({"MAIL_BATCH": "50"}, "has to be a whole number"),
        ({"MAIL_BATCH": -1}, "has to be a whole number"),
        ({"MAILS_OFF": "promise_moved"}, "has to be a tuple of mails about orders: backorder_placed, promise_moved"),
        ({"MAILS_OFF": ["back_in_stock"]}, "has to be a tuple of mails about orders"),
        ({"MAILS_OFF": ({},)}, "has to be a tuple of mails about orders"),
        ({"MAIL_CALENDAR": "yes"}, "has to be True or False"),
        ({"ORDER_URL": "/orders/"}, "has to be an address with {order} or {line} in it"),
        ({"ORDER_URL": 7}, "has to be an address with {order} or {line} in it"),
        ({"MAIL_RATE": 0}, "has to be a number of mails a second above 0, or None"),
        ({"MAIL_RATE": "10/s"}, "has to be a number of mails a second above 0, or None"),
        ({"MAIL_RATE": float("nan")}, "has to be a number of mails a second above 0, or None"),
        ({"MAIL_RATE_BY_DOMAIN": 5}, "such as {'gmail.com': 5}"),
        ({"MAIL_RATE_BY_DOMAIN": {"me@gmail.com": 5}}, "such as {'gmail.com': 5}"),
        ({"MAIL_RATE_BY_DOMAIN": {"gmail.com": -1}}, "such as {'gmail.com': 5}"),
        ({"ALLOW_LOCAL_DOMAINS": "no"}, "has to be True or False"),
        ({"SHOP_NAME": 7}, "has to be text"),
        ({"WAVE_INTERVAL": dt.timedelta(hours=1)}, "'WAVE_INTERVAL'] is no setting."),
        ({"WAVE_EVERY": 15}, "has to be a positive datetime.timedelta"),
        ({"WAVE_LOSS": 0}, "has to be a share between 0 and 1, such as 0.03"),
        ({"WAVE_LOSS": 1}, "has to be a share between 0 and 1, such as 0.03"),
        ({"WAVE_LOSS": 3}, "has to be a share between 0 and 1, such as 0.03"),
        ({"WAVE_LOSS": float("nan")}, "has to be a share between 0 and 1, such as 0.03"),
        ({"WAVE_LOSS": "3 %"}, "has to be a share between 0 and 1, such as 0.03"),
        ({"WAVE_LOSS": True}, "has to be a share between 0 and 1, such as 0.03"),
        ({"WAVE_ORDER": "random"}, "has to be one of 'first_come', 'lottery', 'ageing'"),
        ({"LEAST_STOCK_TO_TELL": 0}, "has to be a whole number, 1 or more"),
        ({"DEFAULT_POLICY": "preorder"}, "has to be one of 'stop', 'backorder', 'made_to_order'"),
        ({"BACKORDER_LIMIT": -1}, "has to be a whole number, 0 or more, or None"),
        ({"BACKORDER_LIMIT": "40"}, "has to be a whole number, 0 or more, or None"),
        ({"CUSTOMER_LIMIT": 1.5}, "has to be a whole number, 0 or more, or None"),
        ({"LEAD_DAYS": True}, "has to be a whole number, 0 or more, or None"),
        ({"LEAD_DAYS": dt.timedelta(days=3)}, "has to be a whole number, 0 or more, or None"),
        ({"ONLY_INBOUND": None}, "has to be True or False"),
        ({"SAFETY_STOCK": -1}, "has to be a whole number, 0 or more"),
        ({"LOW_STOCK_AT": None}, "has to be a whole number, 0 or more"),
        ({"RECEIVING_DAYS": -1}, "has to be a whole number, 0 or more"),
        ({"HANDLING_DAYS": "1"}, "has to be a whole number, 0 or more"),
        ({"CLOSED_WEEKDAYS": (5, 7)}, "weekdays from 0 (Monday) to 6 (Sunday), not all seven"),
        ({"CLOSED_WEEKDAYS": 6}, "weekdays from 0 (Monday) to 6 (Sunday), not all seven"),
        ({"CLOSED_WEEKDAYS": tuple(range(7))}, "not all seven"),
        ({"CLOSED_DAYS": ["2026-12-24"]}, "has to be a tuple of datetime.date values"),
        ({"CLOSED_DAYS": dt.date(2026, 12, 24)}, "has to be a tuple of datetime.date values"),
        ({"CLOSED_DAYS": (dt.datetime(2026, 12, 24),)}, "has to be a tuple of datetime.date values"),
        ({"HOLIDAYS": 49}, "has to be text"),
        ({"CUT_OFF": "14:30"}, "such as time(14, 30), or None"),
        ({"CUT_OFF": dt.time(14, 30, tzinfo=dt.UTC)}, "has to be a datetime.time without a time zone"),
        ({"ALLOCATION": "fair"}, "has to be one of 'strict', 'skip'"),
        ({"MOST_OVERTAKES": -1}, "has to be a whole number, 0 or more"),
        ({"PRIORITY_LEAP": 14}, "has to be a positive datetime.timedelta, or None"),
        ({"PRIORITY_LEAP": dt.timedelta(0)}, "has to be a positive datetime.timedelta, or None"),
        ({"MAIL_COLOR": "green"}, "has to be a colour of the form '#rrggbb'"),
        ({"MAIL_COLOR": None}, "has to be a colour of the form '#rrggbb'"),
        ({"MAIL_COLOR": "#9cc3f5"}, "as a link it has a contrast of 1.8 to white. Take a darker one, of 4.5 or more."),
        ({"MAIL_LOGO": None}, "has to be text"),
        ({"MAIL_LOGO": "http://["}, "has to be the address of a picture (http or https)"),
        ({"MAIL_LOGO": "data:image/png;base64,iVBO"}, "has to be the address of a picture (http or https)"),
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


RIGHT = [
    {"DEFAULT_POLICY": "made_to_order", "LEAD_DAYS": 10},
    {"BACKORDER_LIMIT": None, "CUSTOMER_LIMIT": 0, "ONLY_INBOUND": True, "SAFETY_STOCK": 0, "LOW_STOCK_AT": 0},
    {"CLOSED_WEEKDAYS": (5, 6), "CLOSED_DAYS": (dt.date(2026, 12, 24),), "CUT_OFF": dt.time(14, 30)},
    {"CLOSED_WEEKDAYS": [6], "CLOSED_DAYS": [], "HOLIDAYS": "", "CUT_OFF": None},
    {"RECEIVING_DAYS": 1, "HANDLING_DAYS": 2, "ALLOCATION": "skip", "MOST_OVERTAKES": 0},
    {"PRIORITY_LEAP": None},
    {"MAIL_COLOR": "#1f5c4b", "MAIL_LOGO": "/static/logo.png"},
    {"MAIL_RATE": 14, "MAIL_RATE_BY_DOMAIN": {"Gmail.com": 0.5}},
    {"MAIL_RATE": None, "MAIL_RATE_BY_DOMAIN": {}},
    {"PRIORITY_LEAP": dt.timedelta(days=7)},
]


@pytest.mark.parametrize("changes", RIGHT, ids=lambda changes: ", ".join(changes))
def test_every_sensible_value_is_taken(settings, changes):
    assert said(settings, **changes) == ""


def test_every_setting_of_the_package_is_tried_with_a_wrong_type(settings):
    """Whoever adds a setting adds its check: nothing may be silently taken for what it is not."""
    wrong = object()
    taken = {"sellables", "site_url", "mailer", "from_email"}  # each has a check of its own that reads text
    names = [field.name for field in fields(Settings) if field.name not in taken]
    assert [name for name in names if name.upper() not in said(settings, **{name.upper(): wrong})] == []


def test_holidays_without_their_package_say_what_to_install(settings, monkeypatch):
    public_holidays.cache_clear()
    monkeypatch.setitem(sys.modules, "holidays", None)
    assert "pip install 'backorders[holidays]'" in said(settings, HOLIDAYS="DE")


@pytest.mark.parametrize("place", ["XX", "DE-ZZ", "Germany or so"])
def test_a_place_whose_holidays_nobody_knows_is_named(settings, place):
    pytest.importorskip("holidays", reason="the extra backorders[holidays] is not installed")
    assert "is no place whose public holidays are known" in said(settings, HOLIDAYS=place)


def test_calendar_entries_without_their_package_say_what_to_install(settings, monkeypatch):
    assert said(settings, MAIL_CALENDAR=True) == ""
    monkeypatch.setitem(sys.modules, "icalendar", None)
    assert "pip install 'backorders[ics]'" in said(settings, MAIL_CALENDAR=True)
    assert said(settings, MAIL_CALENDAR=False) == ""


def test_the_holidays_of_a_country_and_of_a_region_are_taken(settings):
    pytest.importorskip("holidays", reason="the extra backorders[holidays] is not installed")
    assert said(settings, HOLIDAYS="DE") == said(settings, HOLIDAYS="DE-BY") == ""


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


REDIS = "redis://127.0.0.1:6379/0"
SOUND = {**celery_settings(REDIS), "broker_url": REDIS, "beat_schedule": beat_schedule()}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, ""),
        ({"broker_url": None, "beat_schedule": {}}, ""),
        ({"broker_url": "filesystem://"}, "loses hints or takes seconds for each"),
        ({"broker_url": "sqla+sqlite:///broker"}, "loses hints or takes seconds for each"),
        ({"broker_transport_options": {"visibility_timeout": 5}}, "give running tasks to a second worker"),
        ({"broker_transport_options": {"visibility_timeout": 600}}, ""),
        ({"accept_content": ["json", "pickle"]}, "can run code"),
        ({"task_acks_late": False}, "is done by nobody until the schedule comes round"),
        ({"task_reject_on_worker_lost": None}, "the task of a worker process that was killed counts as done"),
        ({"worker_prefetch_multiplier": 5}, "fetches 5 messages for each process"),
        ({"worker_prefetch_multiplier": 4}, ""),
        ({"worker_prefetch_multiplier": 0}, "fetches any number of messages for each process"),
        ({"task_time_limit": 149}, "may hold one up for 150 s"),
        ({"task_soft_time_limit": 60}, "ends tasks after 60 s"),
        ({"task_time_limit": None}, ""),
        ({"beat_schedule": {}}, "a lost hint would hold mail up for ever"),
        ({"beat_schedule": {}, "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler"}, ""),
    ],
)
def test_a_celery_that_would_lose_or_repeat_work_is_a_warning(monkeypatch, changes, sentence):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery reads it before any setting
    app = Celery("host", set_as_current=False)
    app.conf.update({**SOUND, **changes})
    monkeypatch.setattr("backorders.checks.workers.current_app", app)
    told = " ".join(f"{m.msg} {m.hint}" for m in check_celery())

    assert told == sentence or (sentence and sentence in told)


BROKERS = ["redis://127.0.0.1/0", "redis+socket:///run/redis.sock", "sentinel://127.0.0.1:26379", "amqp://127.0.0.1//"]


@pytest.mark.parametrize("broker", [*BROKERS, ""])
def test_the_settings_we_offer_are_settings_that_celery_has_and_the_check_likes(monkeypatch, broker):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery reads it before any setting
    app = Celery("host", set_as_current=False)
    app.conf.update({**celery_settings(broker), "broker_url": broker, "beat_schedule": beat_schedule()})
    monkeypatch.setattr("backorders.checks.workers.current_app", app)

    # The last is one of Celery's too, but listed nowhere; tests/tasks/test_connections.py sees it at work.
    assert set(celery_settings(broker)) <= {*flatten_keys(), REUSES_CONNECTIONS}
    assert check_celery() == []


@pytest.mark.parametrize("broker", BROKERS[:3])
def test_on_every_kind_of_redis_a_task_has_ended_before_it_is_given_to_a_second_worker(settings, broker):
    for seconds in (30, 300):
        settings.BACKORDERS = {**settings.BACKORDERS, "MAIL_TIMEOUT": dt.timedelta(seconds=seconds)}
        ours = celery_settings(broker)
        assert (2 + 2) * seconds <= ours["task_time_limit"] < ours["broker_transport_options"]["visibility_timeout"]


@pytest.mark.parametrize("broker", BROKERS)
def test_what_the_app_itself_tells_its_broker_stays(broker):
    ours = celery_settings(broker, {"master_name": "shop"})["broker_transport_options"]

    assert ours["master_name"] == "shop"
    assert len(ours) > 1


@pytest.mark.parametrize("broker", BROKERS)
def test_kombu_knows_every_kind_of_broker_that_we_offer_settings_for(broker):
    assert Connection(broker).transport_cls.partition("+")[0] in TRANSPORT_ALIASES


def flatten_keys():
    return [name for name, _ in flatten(NAMESPACES)]


@pytest.fixture
def with_webhooks(settings):
    settings.ROOT_URLCONF = "tests.hosts.with_anymail"
    return settings


def test_webhooks_that_anybody_may_post_to_are_an_error_that_says_what_to_do(with_webhooks):
    with_webhooks.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": "Mailgun alone signs; the others stand open beside it"}
    [error] = check_webhooks()

    assert (error.id, error.level) == ("backorders.E011", checks.ERROR)
    assert "Brevo, MailerSend" not in error.msg
    assert "Postmark" in error.msg
    assert "Mailgun" not in error.msg
    assert "WEBHOOK_SECRET" in error.hint


@pytest.mark.parametrize("empty", ["", [], None])
def test_an_empty_secret_is_none(with_webhooks, empty):
    with_webhooks.ANYMAIL = {"WEBHOOK_SECRET": empty}
    assert check_webhooks() != []


def test_webhooks_with_a_secret_say_nothing(with_webhooks):
    with_webhooks.ANYMAIL = {"WEBHOOK_SECRET": "shop:secret"}
    assert check_webhooks() == []


def test_a_shop_without_webhooks_needs_no_secret(settings):
    settings.ANYMAIL = {}
    assert check_webhooks() == []
