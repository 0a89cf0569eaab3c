from django.conf import settings
from django.contrib import admin
from django.urls import include, path, register_converter
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from demo_shop.views import account, browse, buy, inbox, states, warehouse


class Colour:
    regex = "[0-9a-f]{6}"
    to_python = to_url = str


register_converter(Colour, "colour")

urlpatterns = [
    path("", browse.home, name="home"),
    path("c/", browse.departments, name="departments"),
    path("c/<slug:slug>/", browse.category, name="category"),
    path("search/", browse.search, name="search"),
    path("p/<slug:slug>/", browse.product, name="product"),
    path("states/", states.gallery, name="states"),
    path(
        "favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}demo_shop/bird.svg")
    ),  # for pages without a head of ours: mails
    path("pictures/<slug:kind>-<colour:colour>.svg", browse.picture_file, name="picture"),
    path("basket/", buy.basket, name="basket"),
    path("basket/add/", buy.add, name="basket_add"),
    path("checkout/", buy.checkout, name="checkout"),
    path("orders/<slug:reference>/", buy.order, name="order"),
    path("orders/<slug:reference>/cancel/", buy.cancel, name="cancel"),
    path("account/", account.account, name="account"),
    path("account/register/", account.register, name="register"),
    path("account/verify/<str:token>/", account.verify_email, name="verify_email"),
    path("account/login/", account.LogIn.as_view(), name="login"),
    path("account/logout/", account.LogOut.as_view(), name="logout"),
    path("warehouse/", warehouse.shelves, name="warehouse"),
    path("warehouse/<str:sku>/", warehouse.shelf, name="shelf"),
    path("inbox/", inbox.mails, name="inbox"),
    path("inbox/<int:pk>/", inbox.mail, name="mail"),
    path("inbox/<int:pk>/html/", inbox.mail_html, name="mail_html"),
    path("inbox/files/<int:pk>/", inbox.mail_file, name="mail_file"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    # backorders, edit 2 of 5: its pages and API (and, for the curious, the API's description).
    path("backorders/", include("backorders.urls")),
    path("feeds/", include("backorders.feed_urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api_docs"),
]
