"""The timelines of all orders in one list."""

from django.contrib import admin
from django.utils.safestring import SafeString

from config.console import (
    ReadOnlyAdmin,
    display,
)
from orders.admin.links import order_link
from orders.models import (
    OrderEvent,
)


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnlyAdmin):
    """The timelines of all orders in one list."""

    list_display = ("at", "kind", "order_", "actor", "data")
    list_filter = ("kind",)
    list_select_related = ("order",)
    ordering = ("-id",)

    @display(description="order", ordering="order")
    def order_(self, event: OrderEvent) -> SafeString:
        return order_link(event.order)
