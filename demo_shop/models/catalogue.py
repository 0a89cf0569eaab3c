from django.db import models
from django.urls import reverse
from django.utils.translation import get_language_bidi, gettext

from demo_shop.pictures import PLAIN_COLOUR


def in_words(text: str) -> str:
    """What the small catalogue says, in the reader's language; what nobody translated stays as it is."""
    return gettext(text) if text else ""


class Category(models.Model):
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=80, unique=True)
    blurb = models.CharField(max_length=160, blank=True)
    picture = models.CharField(max_length=40, blank=True)
    colour = models.CharField(max_length=6, default=PLAIN_COLOUR)

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["pk"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("category", args=[self.slug])

    @property
    def image_url(self):
        return reverse("picture", args=[self.picture, self.colour])


class Product(models.Model):
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    title = models.CharField(max_length=160, db_index=True)
    slug = models.SlugField(max_length=180, unique=True)
    brand = models.CharField(max_length=60, blank=True)
    description = models.TextField(blank=True)
    picture = models.CharField(max_length=40, help_text="Name of a file in demo_shop/drawings, without .svg")
    is_featured = models.BooleanField(default=False, db_index=True)
    is_published = models.BooleanField(default=True)

    def __str__(self):
        return self.title_shown

    def get_absolute_url(self):
        return reverse("product", args=[self.slug])

    @property
    def title_shown(self):
        return in_words(self.title)

    @property
    def description_shown(self):
        return in_words(self.description)


class Variants(models.Manager):
    """A variant is always shown under its product's title, so the product comes along."""

    def get_queryset(self):
        return super().get_queryset().select_related("product")


class Variant(models.Model):
    """What is sold: one size or colour of a product. Stock lives here, as in most shops."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="variants")
    sku = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=60, blank=True)
    colour = models.CharField(max_length=6, default=PLAIN_COLOUR, help_text="Six hex digits")
    price = models.DecimalField(max_digits=9, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)

    objects = Variants()

    class Meta:
        ordering = ["pk"]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return f"{self.product.get_absolute_url()}?variant={self.sku}"

    @property
    def title(self):
        comma = "،" if get_language_bidi() else ","
        return f"{self.product.title_shown}{comma} {self.name_shown}" if self.name else self.product.title_shown

    @property
    def name_shown(self):
        return in_words(self.name)

    @property
    def image_url(self):
        return reverse("picture", args=[self.product.picture, self.colour])
