from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.crypto import get_random_string

from demo_shop.models.catalogue import Variant


def new_reference():
    """Long enough that nobody guesses a guest's order page, without letters that are mistaken for digits."""
    return get_random_string(12, "23456789ABCDEFGHJKMNPQRSTUVWXYZ")


class Order(models.Model):
    reference = models.CharField(max_length=12, unique=True, default=new_reference, editable=False)
    checkout_key = models.CharField(
        max_length=40, unique=True, help_text="One per checkout form: a second click finds the first order"
    )
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="orders"
    )
    email = models.EmailField()
    name = models.CharField(max_length=120)
    address = models.TextField(max_length=400)
    ship = models.CharField(max_length=10, default="split", help_text="split: as it comes; together: all at once")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self):
        return self.reference

    def get_absolute_url(self):
        return reverse("order", args=[self.reference])

    def may_be_changed_by(self, user):
        """Guests hold the secret address of its page; a customer's order is theirs alone."""
        return self.customer_id in (None, user.pk)


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT)
    reference = models.CharField(max_length=20, unique=True)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=9, decimal_places=2)
    ships_now = models.PositiveIntegerField(default=0)
    ships_later = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["pk"]

    def __str__(self):
        return f"{self.quantity} x {self.variant}"

    @property
    def stem(self):
        """Names the line on a page."""
        return f"line-{self.reference.rpartition('-')[2]}"
