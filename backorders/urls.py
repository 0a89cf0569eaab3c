"""``path("backorders/", include("backorders.urls"))``"""

from django.urls import include, path

from backorders.storefront import holds, live, people, subscriptions, timelines

app_name = "backorders"

urlpatterns = [
    path("subscribe/", subscriptions.subscribe_page, name="subscribe"),
    path("confirm/<str:token>/", subscriptions.confirm_page, name="confirm"),
    path("manage/<str:token>/", subscriptions.manage_page, name="manage"),
    path("leave/<str:token>/", subscriptions.leave_page, name="leave"),
    path("hold/<str:token>/", holds.hold_page, name="hold"),
    path("now/", live.now_page, name="now"),
    path("lines/<str:token>/", timelines.line_page, name="line"),
    path("lines/<str:token>/cancel/", timelines.cancel_page, name="line-cancel"),
    path("mine/", people.mine_page, name="mine"),
    path("requests/<int:subscription_id>/leave/", subscriptions.leave_own, name="leave-own"),
    path("api/", include("backorders.api.urls")),
]
