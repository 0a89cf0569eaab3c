from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core import signing
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from backorders.queries.subscriptions import subscriptions_of
from demo_shop.accounts import ask_to_verify, customer_of
from demo_shop.models import Customer
from demo_shop.ordering import standing_of_orders


class RegisterForm(BaseUserCreationForm):
    class Meta:
        model = Customer
        fields = ["email", "first_name", "last_name"]
        widgets = {"email": forms.EmailInput({"autocomplete": "email"})}


class LogIn(LoginView):
    template_name = "demo_shop/login.html"
    redirect_authenticated_user = True
    extra_context = {
        "demo_logins": [("anna@example.com", "anna"), ("ben@example.com", "ben"), ("admin@example.com", "admin")],
    }


class LogOut(LogoutView):
    """By its button only; whoever opens its address is shown where that is."""

    def http_method_not_allowed(self, request, *args, **kwargs):
        return redirect("account")


def register(request):
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        customer = form.save(commit=False)
        customer.language = get_language() or "en"
        customer.save()
        ask_to_verify(customer)
        login(request, customer)
        messages.success(request, _("Welcome! We sent you a link; open it once and your address is verified."))
        return redirect("account")
    return render(request, "demo_shop/register.html", {"form": form})


def verify_email(request, token):
    try:
        customer = customer_of(token)
    except (signing.BadSignature, Customer.DoesNotExist):
        raise Http404 from None
    if request.method == "POST":  # a mail scanner that opens the link proves nothing
        Customer.objects.filter(pk=customer.pk).update(is_email_verified=True)
        messages.success(request, _("Thank you, your address is verified."))
        return redirect("account")
    return render(request, "demo_shop/verify_email.html", {"customer": customer})


@login_required
def account(request):
    waiting_list = [wish for wish in subscriptions_of(customer=request.user) if wish.item.product]
    context = {
        "orders": standing_of_orders(request.user.orders.all()[:50]),
        "waiting_list": waiting_list,
        "waited_for": [wish.item.product for wish in waiting_list],
    }
    return render(request, "demo_shop/account.html", context)
