"""A shop that lets its mail provider report: all of Anymail's webhooks beside the usual addresses."""

from django.urls import include, path

from demo_shop.urls import urlpatterns as usual

urlpatterns = [path("anymail/", include("backorders.webhooks")), *usual]
