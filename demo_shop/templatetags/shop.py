from babel.numbers import format_currency
from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, to_locale

from backorders.storefront.wording import promise_as_time

register = template.Library()


@register.filter
def money(amount) -> str:
    return format_currency(amount, "EUR", locale=to_locale(get_language() or "en"))


@register.simple_tag
def picture(kind: str, colour: str) -> str:
    return reverse("picture", args=[kind, colour])


@register.simple_tag(takes_context=True)
def query(context, **changes) -> str:
    """The page's own query string with some answers changed; empty ones are left out."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        params.pop(name, None)
        if value not in ("", None):
            params[name] = value
    return f"?{params.urlencode()}"


@register.filter
def as_said(window, moment) -> str:
    """A promise in the words it was given in at some moment, also when its day is over by now."""
    return promise_as_time(window, said_on=timezone.localdate(moment))
