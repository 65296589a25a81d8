"""The operations console's pages of orders, channels and money: one module per page."""

from orders.admin import (
    channels,
    connections,
    customers,
    gift_cards,
    holds,
    inbound,
    keys,
    messages,
    orders,
    payments,
    published,
    timelines,
    webhooks,
)

__all__ = [
    "channels",
    "connections",
    "customers",
    "gift_cards",
    "holds",
    "inbound",
    "keys",
    "messages",
    "orders",
    "payments",
    "published",
    "timelines",
    "webhooks",
]
