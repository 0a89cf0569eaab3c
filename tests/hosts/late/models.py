from django.db import models


class Shelf(models.Model):
    label = models.CharField(max_length=20)


class Lamp(models.Model):
    """Made in its app's second migration."""

    name = models.CharField(max_length=100)
    count = models.PositiveIntegerField(default=0)
