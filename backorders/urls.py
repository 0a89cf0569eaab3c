"""``path("backorders/", include("backorders.urls"))``"""

from django.urls import include, path

from backorders.storefront import holds, live, subscriptions

app_name = "backorders"

urlpatterns = [
    path("subscribe/", subscriptions.subscribe_page, name="subscribe"),
    path("confirm/<str:token>/", subscriptions.confirm_page, name="confirm"),
    path("manage/<str:token>/", subscriptions.manage_page, name="manage"),
    path("leave/<str:token>/", subscriptions.leave_page, name="leave"),
    path("hold/<str:token>/", holds.hold_page, name="hold"),
    path("now/", live.now_page, name="now"),
    path("requests/<int:subscription_id>/leave/", subscriptions.leave_own, name="leave-own"),
    path("api/", include("backorders.api.urls")),
]
