"""REST paths of channels, under api/v1/."""

from django.urls import path

from orders.api import (
    availability,
    baskets,
    bulk,
    cancel,
    checks,
    editing,
    gift_cards,
    holds,
    orders,
    payments,
    shopify,
    webhooks,
)

urlpatterns = [
    path("orders", orders.OrdersView.as_view()),
    path("orders/bulk", bulk.BulkView.as_view()),
    path("orders/<str:reference>", orders.OrderView.as_view()),
    path("orders/<str:reference>/notes", orders.NotesView.as_view()),
    path("orders/<str:reference>/timeline", orders.TimelineView.as_view()),
    path("orders/<str:reference>/cancel", cancel.CancelView.as_view()),
    path("orders/<str:reference>/check", checks.CheckView.as_view()),
    path("orders/<str:reference>/changes", editing.ChangesView.as_view()),
    path("orders/<str:reference>/versions", editing.VersionsView.as_view()),
    path("orders/<str:reference>/versions/<int:number>", editing.VersionView.as_view()),
    path("orders/<str:reference>/holds", holds.HoldsView.as_view()),
    path("orders/<str:reference>/holds/<str:handle>/resolve", holds.ResolveHoldView.as_view()),
    path("orders/<str:reference>/payments", payments.PaymentsView.as_view()),
    path("orders/<str:reference>/refunds", payments.RefundsView.as_view()),
    path("payments/events", payments.PaymentEventsView.as_view()),
    path("gift-cards", gift_cards.GiftCardsView.as_view()),
    path("gift-cards/balance", gift_cards.GiftCardBalanceView.as_view()),
    path("shopify/<slug:channel_code>/orders-create", shopify.ShopifyOrderView.as_view()),
    *[
        path(
            f"shopify/<slug:channel_code>/{topic.replace('/', '-')}",
            shopify.ShopifyNewsView.as_view(topic=topic),
        )
        for topic in ("orders/updated", "orders/edited", "orders/cancelled", "refunds/create")
    ],
    path("shopify/<slug:channel_code>/webhooks", shopify.ShopifyTopicView.as_view()),
    path("webhooks", webhooks.EndpointsView.as_view()),
    path("webhooks/<int:pk>", webhooks.EndpointView.as_view()),
    path("webhooks/<int:pk>/rotate", webhooks.RotateView.as_view()),
    path("webhooks/<int:pk>/test", webhooks.TestView.as_view()),
    path("webhooks/<int:pk>/replay", webhooks.ReplayView.as_view()),
    path("webhooks/<int:pk>/deliveries", webhooks.DeliveriesView.as_view()),
    path("webhooks/<int:pk>/deliveries/<int:delivery>/replay", webhooks.ReplayOneView.as_view()),
    path("baskets", baskets.BasketsView.as_view()),
    path("baskets/<uuid:token>", baskets.BasketView.as_view()),
    path("baskets/<uuid:token>/extend", baskets.ExtendView.as_view()),
    path("availability", availability.AvailabilityView.as_view()),
    path("availability/query", availability.AvailabilityQueryView.as_view()),
    path("availability/changes", availability.ChangesView.as_view()),
    path("availability/snapshot", availability.SnapshotView.as_view()),
    path("availability/<path:sku>/explained", availability.ExplainedView.as_view()),
]
