"""REST paths of orders, under api/v1/."""

from django.urls import path

from orders import api

urlpatterns = [
    path("orders", api.OrdersView.as_view()),
    path("orders/<str:reference>", api.OrderView.as_view()),
    path("orders/<str:reference>/timeline", api.TimelineView.as_view()),
    path("orders/<str:reference>/cancel", api.CancelView.as_view()),
    path("shopify/<slug:channel_code>/orders-create", api.ShopifyOrderView.as_view()),
]
