"""``path("feeds/", include("backorders.feed_urls"))``: opt-in, because they tell everybody what the shop sells, and for how much."""

from django.urls import path

from backorders.storefront import arrivals, listings

app_name = "backorders_feeds"

urlpatterns = [
    path("merchant.xml", listings.merchant_page, name="merchant"),
    path("arrivals.atom", arrivals.atom_page, name="arrivals-atom"),
    path("arrivals.json", arrivals.json_page, name="arrivals-json"),
]
