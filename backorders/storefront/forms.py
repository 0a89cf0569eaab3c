"""The forms of the shop's pages: kindness here, integrity in the services and the database."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from backorders.errors import MOST_UNITS, InvalidAddress
from backorders.storefront.outcomes import local_url


class SubscribeForm(forms.Form):
    """Asks to be told. The address is judged by the service, which knows what a customer has proven."""

    product = forms.CharField(widget=forms.HiddenInput)
    email = forms.CharField(
        label=_("Your e-mail address"),
        required=False,
        error_messages={"null_characters_not_allowed": _("Enter one e-mail address, such as name@example.com.")},
    )
    quantity = forms.IntegerField(label=_("Units wanted"), required=False, min_value=1, max_value=MOST_UNITS)
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
