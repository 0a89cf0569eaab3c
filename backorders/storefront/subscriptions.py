"""The pages of somebody who wants to be told: ask, confirm, leave."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from backorders.domain.tokens import Purpose
from backorders.errors import AlreadyInStock, InvalidAddress, InvalidToken, NoLongerMade, NotSellable
from backorders.models import Subscription
from backorders.queries.stock import describe_items
from backorders.queries.subscriptions import confirmed_together, subscription_behind
from backorders.services.subscriptions import Asked, Next, confirm, leave, subscribe, unsubscribe
from backorders.shop import Described, sellables
from backorders.storefront.forms import SubscribeForm
from backorders.storefront.outcomes import Outcome, carrying, local_url
from backorders.storefront.pages import page, secret

# asking


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe_page(request: HttpRequest) -> HttpResponse:
    """GET shows the form for ``?product=``; POST remembers the request and goes back to ``next``.

    The answer is the same for every address. What cannot be read is shown again with the typed value (422); a product
    that is here already, or never will be again, is said to be so (409); an unknown or hidden one is a page, too (404).
    """
    asked = request.POST if request.method == "POST" else request.GET
    try:
        product = sellables.find(asked.get("product", ""))
    except NotSellable:
        return page(request, "no_product", status=404)
    about = _about(product)
    if request.method != "POST":
        return page(request, "subscribe", about | {"next": local_url(request.GET.get("next", ""))})
    form = SubscribeForm(request.POST)
    try:
        if form.is_valid():
            return _back(form, _ask(request, form, product))
    except InvalidAddress as refusal:
        form.refuse_address(refusal)
    except (AlreadyInStock, NoLongerMade) as no:
        return page(request, "subscribe", about | {"refusal": no.code}, status=409)
    return page(
        request, "subscribe", about | {"form": form, "next": local_url(request.POST.get("next", ""))}, status=422
    )


def _ask(request: HttpRequest, form: SubscribeForm, product: Any) -> Asked:
    if form.cleaned_data["topic"]:
        return Asked(Next.CHECK_MAIL)  # a robot filled the field that people do not see
    return subscribe(
        product=product,
        email=form.cleaned_data["email"],
        customer=getattr(request, "user", None),
        language=translation.get_language() or "",
        time_zone=getattr(timezone.get_current_timezone(), "key", ""),
        quantity=form.cleaned_data["quantity"] or 1,
    )


def _back(form: SubscribeForm, asked: Asked) -> HttpResponse:
    reference = form.cleaned_data["product"]
    own_page = f"{reverse('backorders:subscribe')}?{urlencode({'product': reference})}"
    where = carrying(form.cleaned_data["next"] or own_page, reference=reference, outcome=asked.next.value)
    return HttpResponseRedirect(where)


def _about(product: Any) -> dict[str, Any]:
    sellable = sellables.identify(product)
    described = sellable.adapter.describe([sellable.pk]).get(sellable.pk)
    return {
        "product": product,
        "described": described or Described(title=str(product)),
        "reference": sellable.reference,
    }


# confirming


@secret(referrer="strict-origin")
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what the link is about and one button; POST confirms. A link that was used says that all is done."""
    if request.method == "POST":
        with suppress(InvalidToken):  # pressed twice, or opened again: the lines below tell which
            return page(request, "confirmed", {"products": _products(confirm(token=token))})
    try:
        subscription = subscription_behind(token, Purpose.CONFIRM)
    except InvalidToken:
        return page(request, "no_link", status=404)
    if subscription.state == Subscription.State.PENDING:
        return page(request, "confirm", {"products": _products(confirmed_together(subscription))})
    if subscription.state in (Subscription.State.WAITING, Subscription.State.TOLD):
        return page(request, "confirmed", {"products": _products([subscription])})
    return page(request, "no_link", status=404)


# leaving


@csrf_exempt  # RFC 8058: the mail program posts without cookies; the token in the address is the permission
@secret(referrer="no-referrer")
@require_http_methods(["GET", "HEAD", "POST"])
def leave_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what the link is about and one button; POST, by that button or by a mail program, ends the request at once."""
    try:
        if request.method == "POST":
            return page(request, "left", {"products": _products([unsubscribe(token=token)])})
        subscription = subscription_behind(token, Purpose.LEAVE)
    except InvalidToken:
        return page(request, "no_link", status=404)
    is_over = subscription.state == Subscription.State.CLOSED
    return page(request, "left" if is_over else "leave", {"products": _products([subscription])})


@csrf_protect
@require_POST
@login_required
def leave_own(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """A signed-in customer leaves one of their own requests and goes back to ``next``; anybody else's is not found."""
    try:
        left = leave(subscription_id=subscription_id, customer=request.user)
    except Subscription.DoesNotExist:
        return page(request, "no_link", status=404)
    where = local_url(request.POST.get("next", ""))
    if where and left.item.product is not None:
        reference = sellables.identify(left.item.product).reference
        return HttpResponseRedirect(carrying(where, reference=reference, outcome=Outcome.LEFT.value))
    return page(request, "left", {"products": _products([left])})


def _products(subscriptions: list[Subscription]) -> list[Described]:
    """How the shop shows what these requests are about; never whom they belong to."""
    return list(describe_items([subscription.item for subscription in subscriptions]).values())
