"""REST paths of channels, under api/v1/."""

from django.urls import path

from orders.api import availability, orders

urlpatterns = [
    path("orders", orders.OrdersView.as_view()),
    path("orders/<str:reference>", orders.OrderView.as_view()),
    path("orders/<str:reference>/timeline", orders.TimelineView.as_view()),
    path("orders/<str:reference>/cancel", orders.CancelView.as_view()),
    path("shopify/<slug:channel_code>/orders-create", orders.ShopifyOrderView.as_view()),
    path("availability", availability.AvailabilityView.as_view()),
]
