"""The shapes in which real shops keep products and stock; each a few lines."""

import uuid

from django.db import models


class Product(models.Model):
    """The plain one: integer key, one stock column."""

    name = models.CharField(max_length=10_000)
    stock = models.PositiveIntegerField(default=0)
    price = models.DecimalField(max_digits=9, decimal_places=2, default=10)
    category = models.CharField(max_length=40, null=True, blank=True)
    is_visible = models.BooleanField(default=True)

    def __str__(self):
        return self.name


class ProductProxy(Product):
    class Meta:
        proxy = True


class Parcel(models.Model):
    """A UUID key that is not called id, and a column that is not called stock."""

    code = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)
    units = models.IntegerField(default=0)


class Vehicle(models.Model):
    name = models.CharField(max_length=100)
    stock = models.IntegerField(default=0)


class Bicycle(Vehicle):
    """A multi-table child whose stock stands on its parent."""

    gears = models.IntegerField(default=1)


class Warehoused(models.Model):
    """Stock in another table, less what is reserved there."""

    name = models.CharField(max_length=100)


class Inventory(models.Model):
    product = models.OneToOneField(Warehoused, on_delete=models.CASCADE, related_name="inventory")
    quantity = models.IntegerField(default=0)
    reserved = models.IntegerField(default=0)


class Download(models.Model):
    """NULL means "not counted"."""

    name = models.CharField(max_length=100)
    stock = models.IntegerField(null=True)


class Cloth(models.Model):
    name = models.CharField(max_length=100)
    metres = models.FloatField(default=0)


class KeptManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(deleted_at=None)


class Kept(models.Model):
    """Soft-deleted rows are hidden by the default manager."""

    name = models.CharField(max_length=100)
    stock = models.IntegerField(default=0)
    deleted_at = models.DateTimeField(null=True)

    objects = KeptManager()


class Poster(models.Model):
    """No stock number at all."""

    name = models.CharField(max_length=100)


class ApiOnly(models.Model):
    """No pages of its own; the front end lives elsewhere."""

    name = models.CharField(max_length=100)
    slug = models.SlugField()
    stock = models.IntegerField(default=0)


class Custom(models.Model):
    """Read through an adapter class."""

    name = models.CharField(max_length=100)
    boxes = models.IntegerField(default=0)
    per_box = models.IntegerField(default=6)


class Imported(models.Model):
    """A stock column that an import fills with text."""

    name = models.CharField(max_length=100)
    stock = models.CharField(max_length=20, default="0")
