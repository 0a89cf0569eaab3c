"""Who somebody is, and whether the address they gave is theirs."""

from django.conf import settings
from django.core import signing
from django.core.mail import send_mail
from django.urls import reverse
from django.utils.translation import gettext as _

from demo_shop.models import Customer

SALT = "demo_shop.verify_email"


def verified_email(user: Customer) -> str:
    return user.email if user.is_email_verified else ""


def ask_to_verify(customer: Customer) -> None:
    link = settings.DEMO_BASE_URL + reverse("verify_email", args=[signing.dumps(customer.pk, salt=SALT)])
    send_mail(
        _("Is this your address?"),
        _("Welcome to Fieldfare. Please open this page once, so that we know this address is yours:\n\n%(link)s\n")
        % {"link": link},
        None,
        [customer.email],
    )


def customer_of(token: str) -> Customer:
    """The customer a link was made for; raises signing.BadSignature or Customer.DoesNotExist."""
    return Customer.objects.get(pk=signing.loads(token, salt=SALT, max_age=7 * 24 * 3600))
