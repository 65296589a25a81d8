"""Links of console pages to orders."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.models import (
    Order,
)


def order_link(order: Order) -> SafeString:
    """The order's number, leading to its page."""
    return format_html('<a class="text-link" href="{}">{}</a>', order_page(order), order.number)


def order_page(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])
