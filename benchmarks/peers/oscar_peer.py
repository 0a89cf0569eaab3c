"""Run by the peers' own Python: how many alerts a second django-oscar's dispatcher mails. Prints the rate as the last word."""

import json
import logging
import sys
import time

import django
from django.conf import settings

task = json.load(sys.stdin)

from oscar.defaults import *

OSCAR_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.sites",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.flatpages",
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "widget_tweaks",
    "haystack",
    "treebeard",
    "sorl.thumbnail",
    "django_tables2",
]

own = {name: value for name, value in globals().items() if name.startswith("OSCAR_") and name != "OSCAR_APPS"}
settings.configure(
    **own,
    SECRET_KEY="only for a benchmark",
    DATABASES={"default": task["database"]},
    INSTALLED_APPS=OSCAR_APPS,
    SITE_ID=1,
    ROOT_URLCONF="oscar_peer_urls",
    USE_TZ=True,
    LANGUAGE_CODE="en",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    STATIC_URL="/static/",
    HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
    EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=task["port"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
)
django.setup()

from decimal import Decimal

from django.db import connection

logging.disable(logging.CRITICAL)
name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
try:
    from oscar.core.loading import get_class, get_model

    kind = get_model("catalogue", "ProductClass").objects.create(name="Mugs", track_stock=True)
    product = get_model("catalogue", "Product").objects.create(
        product_class=kind, title="Product 0", structure="standalone"
    )
    partner = get_model("partner", "Partner").objects.create(name="Supplier")
    get_model("partner", "StockRecord").objects.create(
        partner=partner, product=product, partner_sku="1", price=Decimal(10), num_in_stock=10**6
    )
    Alert = get_model("customer", "ProductAlert")
    rows = [
        Alert(product=product, email=f"reader{n}@example.com", status=Alert.ACTIVE, key=f"{n:040d}")
        for n in range(task["mails"])
    ]
    Alert.objects.bulk_create(rows, batch_size=1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    began = time.perf_counter()
    get_class("customer.alerts.utils", "AlertsDispatcher")().send_product_alert_email_for_user(product)
    seconds = time.perf_counter() - began
    assert Alert.objects.filter(status=Alert.CLOSED).count() == task["mails"]
finally:
    connection.creation.destroy_test_db(name, verbosity=0)
print(task["mails"] / seconds)
