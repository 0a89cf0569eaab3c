"""The mails of a shop whose goods have names in several languages."""

import re

import pytest
from django.core import mail as django_mail
from django.test import override_settings

from backorders.models import OutgoingMail
from backorders.services.delivery import drain
from backorders.services.stock import stock_changed
from backorders.services.waves import release_waves
from demo_shop.models import Category, Product, Variant
from tests.factories import waiting_for
from tests.mailserver import mail_settings

NAMES = {"en": "Cone dripper", "de": "Filterhalter Cone"}


@pytest.fixture
def dripper(db):
    category = Category.objects.create(name="Kitchen", slug="kitchen", picture="kettle")
    product = Product.objects.create(category=category, title=NAMES["en"], slug="dripper", picture="cup")
    return Variant.objects.create(product=product, sku="DRIP", price="24.00", stock=0)


def test_a_product_goes_by_the_name_it_has_in_each_readers_language(dripper):
    for number, language in enumerate(["en", "de", "en", "de", "de"]):
        name = f"{language}-{number}@example.com"
        waiting_for(dripper, email=name, email_key=name, language=language)
    Variant.objects.filter(pk=dripper.pk).update(stock=50)
    stock_changed(dripper)
    release_waves()
    with override_settings(**mail_settings("django.core.mail.backends.locmem.EmailBackend")):
        drain(seconds=10)

    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {"sent"}
    told = {message.to[0]: message for message in django_mail.outbox}
    assert len(told) == 5
    for address, message in told.items():
        name = NAMES[address[:2]]
        assert name in message.subject
        assert name in message.body
        assert re.search(rf">\s*{name}", str(message.alternatives[0][0]))
