"""What the pages of routing share."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.models import Order


def order_link(order: Order) -> SafeString:
    """An order by its number, as a link."""
    url = reverse("admin:orders_order_change", args=[order.pk])
    return format_html('<a href="{}">{}</a>', url, order.number)


def badge(level: str, words: str) -> SafeString:
    """A word in the color of a level."""
    return format_html('<span data-status="{}">{}</span>', level, words)
