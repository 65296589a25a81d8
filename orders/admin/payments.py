"""Money of orders in the console."""

from django.contrib import admin
from django.utils.safestring import SafeString

from config.console import (
    ReadOnlyAdmin,
    display,
)
from orders.admin.links import order_link
from orders.models import (
    Payment,
    Refund,
)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Money of orders."""

    list_display = ("order_", "method", "reference", "state", "amount", "captured", "refunded",
                    "currency", "created_at")  # fmt: skip
    list_display_links = ("reference",)
    empty_words = "Payments come with the orders of channels."
    list_filter = ("state", "method", "currency")
    list_select_related = ("order",)
    search_fields = ("reference", "order__external_id")
    ordering = ("-id",)

    @display(description="order", ordering="order")
    def order_(self, payment: Payment) -> SafeString:
        return order_link(payment.order)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Money that went back."""

    empty_words = "Nothing was given back. Refunds follow from cancellations and returns."

    list_display = ("payment", "amount", "currency", "state", "reason", "actor", "created_at")
    list_filter = ("state", "currency")
    list_select_related = ("payment",)
    ordering = ("-id",)
