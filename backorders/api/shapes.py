"""The bodies we take and give, for readers and for OpenAPI. Answers are built by hand in ``answers.py``: the read path is hot."""

from __future__ import annotations

from rest_framework import serializers

from backorders.api.schema import one_of
from backorders.domain.alternatives import Reason
from backorders.domain.availability import State
from backorders.domain.chances import Odds
from backorders.domain.windows import Confidence, Source
from backorders.errors import MOST_UNITS
from backorders.models import Subscription
from backorders.models.subscriptions import LIVE
from backorders.services.subscriptions import MOST_CHOICES, Next

FOR_SALE = ("none", "few", "many")

REFERENCE = "The product, as `app.model:key`."


class BackordersWindow(serializers.Serializer):
    earliest = serializers.DateField(help_text="First day, in the shop's time zone.")
    latest = serializers.DateField(help_text="Last day, included.")
    confidence = serializers.ChoiceField([one.value for one in Confidence])
    source = serializers.ChoiceField([one.value for one in Source])  # type: ignore[assignment]


class BackordersAvailability(serializers.Serializer):
    reference = serializers.CharField(help_text=f"{REFERENCE} Written as it was asked for.")
    state = serializers.ChoiceField([one.value for one in State])
    can_order = serializers.BooleanField(help_text="It can be ordered now, from the shelf or from the next delivery.")
    can_subscribe = serializers.BooleanField(help_text="There is something to wait for.")
    for_sale = serializers.ChoiceField(FOR_SALE, help_text="What can leave the house now. Stock numbers are not told.")
    units_left = serializers.IntegerField(allow_null=True, help_text="The number, when `for_sale` is `few`; else null.")
    window = BackordersWindow(allow_null=True, help_text="When an order would come; null when there is no honest date.")
    is_overdue = serializers.BooleanField(help_text="A date was named and has passed.")
    label = serializers.CharField(  # type: ignore[assignment]
        allow_null=True, help_text="The date in words of the request's language, as the product page puts it."
    )
    opens_at = serializers.DateTimeField(allow_null=True, help_text="When pre-orders open.")
    releases_at = serializers.DateTimeField(allow_null=True, help_text="Nothing leaves the house before.")
    is_made_to_order = serializers.BooleanField(help_text="It is made once it is ordered.")
    order_minimum = serializers.IntegerField(help_text="The least units of it in one order.")
    order_maximum = serializers.IntegerField(allow_null=True, help_text="The most; null when nobody set a limit.")
    customer_limit = serializers.IntegerField(
        allow_null=True, help_text="The most units one customer may have on backorder; null when nobody set a limit."
    )
    reason = serializers.CharField(help_text="Why it is not here, in the shop's own words; often empty.")


class BackordersRefusal(serializers.Serializer):
    """Why something was not done."""

    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="A sentence for people.")
    field = serializers.CharField(required=False, help_text="Which part of the request it is about.")


class BackordersNotOrderable(BackordersRefusal):
    """Why an order was refused. Nothing was taken."""

    state = serializers.ChoiceField([one.value for one in State])
    possible = serializers.IntegerField(required=False, help_text="`limit_reached`: so many can be ordered instead.")
    window = BackordersWindow(required=False, allow_null=True, help_text="`limit_reached`: when those would come.")
    by = serializers.CharField(required=False, allow_null=True, help_text="The same in words.")
    least = serializers.IntegerField(required=False, help_text="`below_minimum`: so many have to be ordered.")


class BackordersUnknown(serializers.Serializer):
    """One product of a list that is not sold here."""

    reference = serializers.CharField(help_text="As it was asked for.")
    code = serializers.CharField(help_text="`not_sellable`")
    detail = serializers.CharField()


class BackordersAvailabilities(serializers.Serializer):
    results = serializers.ListField(
        child=one_of("BackordersAvailabilityOrUnknown", BackordersAvailability, BackordersUnknown)
        or serializers.DictField(),
        help_text="In the order of the question, one answer for each.",
    )


class BackordersSubscribe(serializers.Serializer):
    product = serializers.CharField(help_text=REFERENCE)
    email = serializers.CharField(
        required=False, help_text="Where to write; signed-in customers may leave it out when the shop knows theirs."
    )
    quantity = serializers.IntegerField(default=1, min_value=1, max_value=MOST_UNITS)
    highest_price = serializers.CharField(
        required=False, allow_null=True, help_text="A decimal number; nobody is told while it costs more."
    )
    need_by = serializers.DateField(
        required=False,
        allow_null=True,
        help_text="The last day of use, in `time_zone`. After it one last mail names substitutes.",
    )
    any_of = serializers.ListField(
        child=serializers.CharField(help_text=REFERENCE),
        required=False,
        max_length=MOST_CHOICES,
        help_text="Products of which one would do as well.",
    )
    time_zone = serializers.CharField(
        required=False, help_text="Such as `Europe/Brussels`; one nobody knows is left out."
    )
    website = serializers.CharField(
        required=False, help_text="Leave it empty: people never see this field, programs that fill in forms do."
    )


class BackordersAsked(serializers.Serializer):
    next = serializers.ChoiceField([one.value for one in Next], help_text="What the person has to do now.")
    detail = serializers.CharField()


class BackordersToken(serializers.Serializer):
    token = serializers.CharField(help_text="The last part of the link in the mail.")


class BackordersRequests(serializers.Serializer):
    state = serializers.ChoiceField(["waiting", "closed"])
    products = serializers.ListField(child=serializers.CharField(), help_text="The products it was about.")


class BackordersDue(serializers.Serializer):
    units = serializers.IntegerField(help_text="Of one delivery, those that nobody in the queue is owed.")
    window = BackordersWindow()
    odds = serializers.ChoiceField(
        [one.value for one in Odds],
        allow_null=True,
        help_text="That enough of them are left; null where nobody can say.",
    )


class BackordersStanding(serializers.Serializer):
    """An estimate, never a promise."""

    position = serializers.IntegerField(allow_null=True, help_text="From 1; null where lots are drawn.")
    label = serializers.CharField(help_text="All of it in words of the request's language.")  # type: ignore[assignment]
    deliveries = serializers.ListField(child=BackordersDue(), help_text="In the order in which they come.")


class BackordersOwnRequest(serializers.Serializer):
    id = serializers.IntegerField()
    product = serializers.CharField(allow_null=True, help_text=f"{REFERENCE} Null when it has left the shop.")
    any_of = serializers.ListField(child=serializers.CharField(), help_text="Products of which one would do as well.")
    state = serializers.ChoiceField([one for one in Subscription.State.values if one in LIVE])
    quantity = serializers.IntegerField()
    highest_price = serializers.CharField(allow_null=True, help_text="A decimal number.")
    need_by = serializers.DateField(allow_null=True)
    language = serializers.CharField(help_text="Of our mails; empty: the shop's own.")
    asked_at = serializers.DateTimeField()
    standing = BackordersStanding(allow_null=True, help_text="Null while it does not wait in line.")


class BackordersOwnRequests(serializers.Serializer):
    results = BackordersOwnRequest(many=True)


class BackordersChange(serializers.Serializer):
    """What is left out stays as it is; null takes it back."""

    quantity = serializers.IntegerField(required=False, min_value=1, max_value=MOST_UNITS)
    highest_price = serializers.CharField(required=False, allow_null=True, help_text="A decimal number.")
    need_by = serializers.DateField(required=False, allow_null=True)
    language = serializers.CharField(required=False, help_text="One of the shop's `LANGUAGES`.")


class BackordersAlternative(serializers.Serializer):
    reference = serializers.CharField(help_text=REFERENCE)
    reason = serializers.ChoiceField([one.value for one in Reason])
    title = serializers.CharField()
    url = serializers.CharField(help_text="Empty when the product has no page.")
    image = serializers.CharField(help_text="Empty when there is none.")
    price = serializers.CharField(allow_null=True, help_text="A decimal number.")
    currency = serializers.CharField(allow_null=True, help_text="ISO 4217.")
    availability = BackordersAvailability()


class BackordersAlternatives(serializers.Serializer):
    results = BackordersAlternative(many=True)
