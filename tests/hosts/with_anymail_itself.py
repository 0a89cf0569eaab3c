"""A shop that has Anymail's own addresses in its URLs: every event by itself."""

from django.urls import include, path

from demo_shop.urls import urlpatterns as usual

urlpatterns = [path("anymail/", include("anymail.urls")), *usual]
