"""The API. Included by ``backorders.urls`` under ``api/``, in the namespace ``backorders``."""

from django.urls import path

from backorders.api import alternatives, availability, subscriptions

urlpatterns = [
    path("availability/", availability.AvailabilityList.as_view(), name="api-availability-list"),
    path("availability/<str:label>/<str:key>/", availability.AvailabilityDetail.as_view(), name="api-availability"),
    path("alternatives/<str:label>/<str:key>/", alternatives.AlternativeList.as_view(), name="api-alternatives"),
    path("subscriptions/", subscriptions.SubscriptionList.as_view(), name="api-subscribe"),
    path("subscriptions/<int:subscription_id>/", subscriptions.OwnSubscription.as_view(), name="api-request"),
    path("subscriptions/confirm/", subscriptions.Confirmation.as_view(), name="api-confirm"),
    path("subscriptions/leave/", subscriptions.Leaving.as_view(), name="api-leave"),
]
