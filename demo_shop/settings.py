"""Settings of the demo shop. What the package needs is marked `backorders, edit N of 5`; the rest is any small shop."""

import os
from datetime import timedelta
from pathlib import Path

import dj_database_url
import django
from django.utils.translation import gettext_lazy as _

REPOSITORY = Path(__file__).resolve().parent.parent
DEMO_DATA = Path(os.environ.get("DEMO_DATA") or REPOSITORY / ".demo")
DEMO_DATA.mkdir(parents=True, exist_ok=True)
DEMO_BASE_URL = os.environ.get("DEMO_BASE_URL", "http://127.0.0.1:8000").rstrip("/")

SECRET_KEY = "demo-only-this-shop-sells-nothing-and-keeps-no-secrets"
DEBUG = os.environ.get("DEMO_DEBUG") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", DEMO_BASE_URL.partition("://")[2].partition(":")[0]]
CSRF_TRUSTED_ORIGINS = [DEMO_BASE_URL]
CSRF_FAILURE_VIEW = "backorders.storefront.stale.csrf_failure"  # a page to read, also for a form that a cache kept

INSTALLED_APPS = [
    "demo_shop",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # backorders, edit 1 of 5: the app (and the two that show its API).
    "backorders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "demo_shop.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo_shop.urls"
WSGI_APPLICATION = "demo_shop.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "demo_shop.context.shop",
            ],
        },
    },
]

# SQLite with one writer at a time and readers that never wait: enough for a web server, a worker and a beat at once.
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DEMO_DATA / "db.sqlite3",
    "CONN_MAX_AGE": 60,
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
}
DATABASE_URL = os.environ.get("DATABASE_URL")
DATABASES = {
    "default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True) if DATABASE_URL else SQLITE
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "demo_shop.Customer"
AUTH_PASSWORD_VALIDATORS = []  # so that "anna" can be Anna's password; a real shop keeps Django's
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "account"
LOGOUT_REDIRECT_URL = "home"
X_FRAME_OPTIONS = "SAMEORIGIN"  # the Inbox shows mails in a frame of its own

USE_TZ = True
TIME_ZONE = "Europe/Brussels"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("fr", _("French")), ("es", _("Spanish")), ("ar", _("Arabic"))]

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# Every mail lands in the Inbox page. Django 6.1 replaced EMAIL_BACKEND by MAILERS, and refuses to see both.
DEFAULT_FROM_EMAIL = "Fieldfare <hello@fieldfare.example>"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "demo_shop.mail.InboxBackend"}}
else:
    EMAIL_BACKEND = "demo_shop.mail.InboxBackend"

# Without a broker nobody listens, and that is fine: `manage.py backorders_worker` finds the same work in the database.
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = TIME_ZONE

# backorders, edit 3 of 5: where the shop keeps what the package has to know.
BACKORDERS = {
    "SITE_URL": DEMO_BASE_URL,
    "SHOP_NAME": "Fieldfare",
    "MAIL_COLOR": "#1f5c4b",
    "SELLABLES": {
        "demo_shop.Variant": {
            "stock": "stock",
            "title": "title",
            "sku": "sku",
            "price": "price",
            "category": "product.category_id",
            "url": "get_absolute_url",
            "image": "image_url",
            "visible": "product.is_published",
            "feed": {
                "description": "product.description_shown",
                "brand": "product.brand",
                "mpn": "sku",
                "item_group_id": "product.slug",
                "condition": "=new",
            },
        },
    },
    "VERIFIED_EMAIL": "demo_shop.accounts.verified_email",
    "CLOSED_WEEKDAYS": (5, 6),  # nothing leaves on a weekend
    "ORDER_URL": "/orders/{order}/",
    "MAIL_CALENDAR": True,
    "TELL_MOVES_AFTER": timedelta(seconds=5),  # a visitor who delays a delivery wants to see what happens
}

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Fieldfare: availability, restock requests, substitutes",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
