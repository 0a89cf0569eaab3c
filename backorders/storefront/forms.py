"""The forms of the shop's pages: kindness here, integrity in the services and the database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import get_language_info, get_supported_language_variant
from django.utils.translation import gettext_lazy as _

from backorders.domain.wishes import PRICE_DECIMALS, PRICE_DIGITS
from backorders.errors import MOST_UNITS, InvalidAddress, InvalidDay
from backorders.models import Subscription
from backorders.storefront.outcomes import local_url


class WishForm(forms.Form):
    """What somebody may say of what they want: how many, up to which price, until when."""

    quantity = forms.IntegerField(
        label=_("Units wanted"),
        required=False,
        min_value=1,
        max_value=MOST_UNITS,
        error_messages={"min_value": _("Enter 1 or more.")},
    )
    highest_price = forms.DecimalField(
        label=_("Highest price"),
        required=False,
        min_value=Decimal(1).scaleb(-PRICE_DECIMALS),
        max_digits=PRICE_DIGITS,
        decimal_places=PRICE_DECIMALS,
        error_messages={"min_value": _("Enter a price above zero.")},
    )
    need_by = forms.DateField(label=_("Needed by"), required=False)

    def refuse_day(self, refusal: InvalidDay) -> None:
        """This will say beside the field which days there are to choose from."""
        days = {"first": date_format(refusal.first), "last": date_format(refusal.last)}
        self.add_error("need_by", _("Choose a day from %(first)s to %(last)s.") % days)


class ChangeForm(WishForm):
    """What somebody wants, said anew. ``request`` is the one that it is about."""

    request = forms.IntegerField(min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    language = forms.ChoiceField(label=_("Language of our mails"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["language"])
        field.choices = [(code, _own_name(code, name)) for code, name in settings.LANGUAGES]


def _own_name(code: str, name: Any) -> Any:
    """How a language calls itself; for one that Django does not know, as the shop calls it."""
    try:
        return get_language_info(code)["name_local"]
    except KeyError:
        return name


def _language_of(row: Subscription) -> str:
    """The one of the shop's languages that comes nearest to what a request says."""
    try:
        return get_supported_language_variant(row.language or settings.LANGUAGE_CODE)
    except LookupError:
        return settings.LANGUAGE_CODE


def initial_of(row: Subscription) -> dict[str, str]:
    """What a request says, as fields of a page hold it: plain digits, whatever the language."""
    return {
        "request": str(row.pk),
        "quantity": str(row.quantity),
        "highest_price": "" if row.highest_price is None else plain_price(row.highest_price),
        "need_by": "" if row.need_by is None else row.need_by.isoformat(),
        "language": _language_of(row),
    }


def plain_price(price: Decimal) -> str:
    """With two decimals, or as many more as it has."""
    cents = price.quantize(Decimal("0.01"))
    return f"{cents if cents == price else price.normalize():f}"


class SubscribeForm(WishForm):
    """Asks to be told. The address is judged by the service, which knows what a customer has proven."""

    product = forms.CharField(widget=forms.HiddenInput)
    email = forms.CharField(
        label=_("Your e-mail address"),
        required=False,
        error_messages={"null_characters_not_allowed": _("Enter one e-mail address, such as name@example.com.")},
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)
    topic = forms.CharField(required=False)
    """Filled by robots only; people do not see it."""

    def clean_next(self) -> str:
        return local_url(self.cleaned_data["next"])

    def refuse_address(self, refusal: InvalidAddress) -> None:
        """This will put the service's "no" beside the field, in words for the person who typed."""
        if not str(self.data.get("email", "")).strip():
            self.add_error("email", _("Enter your e-mail address."))
        else:
            self.add_error("email", ADDRESS_ADVICE.get(refusal.reason, ADDRESS_ADVICE["several"]))


ADDRESS_ADVICE = {
    "invisible": _("The address contains a line break or an invisible character. Type it again by hand."),
    "several": _("Enter one e-mail address, such as name@example.com, without names, commas or brackets."),
    "too_long": _("This address is longer than mail servers accept. Check it for doubled text."),
    "domain": _("Mail cannot be sent to the part after the @. Check it for a slip."),
    "no_ending": _("The part after the @ has no ending such as .com. Check it for a slip."),
}
"""What to do about an address that was refused, by ``InvalidAddress.reason``."""
