"""REST paths of channels, under api/v1/."""

from django.urls import path

from orders.api import availability, baskets, cancel, orders, shopify

urlpatterns = [
    path("orders", orders.OrdersView.as_view()),
    path("orders/<str:reference>", orders.OrderView.as_view()),
    path("orders/<str:reference>/timeline", orders.TimelineView.as_view()),
    path("orders/<str:reference>/cancel", cancel.CancelView.as_view()),
    path("shopify/<slug:channel_code>/orders-create", shopify.ShopifyOrderView.as_view()),
    path("baskets", baskets.BasketsView.as_view()),
    path("baskets/<uuid:token>", baskets.BasketView.as_view()),
    path("baskets/<uuid:token>/extend", baskets.ExtendView.as_view()),
    path("availability", availability.AvailabilityView.as_view()),
    path("availability/query", availability.AvailabilityQueryView.as_view()),
    path("availability/changes", availability.ChangesView.as_view()),
    path("availability/snapshot", availability.SnapshotView.as_view()),
    path("availability/<path:sku>/explained", availability.ExplainedView.as_view()),
]
