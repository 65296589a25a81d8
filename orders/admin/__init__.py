"""The operations console's pages of orders, channels and money: one module per page."""

from orders.admin import (
    channels,
    customers,
    holds,
    keys,
    messages,
    orders,
    payments,
    published,
    timelines,
)

__all__ = [
    "channels",
    "customers",
    "holds",
    "keys",
    "messages",
    "orders",
    "payments",
    "published",
    "timelines",
]
