"""Messages to customers in the console: which were sent, why, and why others were not."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.console import ReadOnlyAdmin, display
from orders.models import Notification, Order, OrderContact
from orders.notifications.catalog import MESSAGES
from orders.queries import parse_number

TITLES = {message.template: message.title for message in MESSAGES.values()}
MOST = 500  # orders of one search


class TemplateFilter(admin.SimpleListFilter):
    """By kind of message; the kinds come from the table, not from a scan of all messages."""

    title = "message"
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return sorted(TITLES.items(), key=lambda item: item[1])

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Notification]
    ) -> QuerySet[Notification]:
        return queryset.filter(template=self.value()) if self.value() else queryset


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Facts only: a message is sent by its work, and a stuck one is retried there."""

    list_display = ("order_link", "what", "recipient", "state", "why", "created_at", "sent_at")
    list_display_links = ("what",)
    list_filter = ("state", TemplateFilter)
    list_select_related = ("order",)
    ordering = ("-id",)
    search_fields = ("=order__external_id",)  # shows the box; get_search_results answers
    search_help_text = "Order number, the channel's order id, or the whole e-mail address"
    fieldsets: ClassVar = (
        (None, {"fields": ("order_link", "what", "state", "why")}),
        ("Message", {"fields": ("recipient", "subject", "body")}),
        ("Trace", {"fields": ("dedupe_key", "message_id", "created_at", "sent_at")}),
    )
    readonly_fields = ("order_link", "what", "why")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notification], search_term: str
    ) -> tuple[QuerySet[Notification], bool]:
        """By the orders the term names, through their indexes: messages grow without bound."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(order_id__in=_orders_named(term)), False

    @display(description="order", ordering="order")
    def order_link(self, notification: Notification) -> SafeString:
        url = reverse("admin:orders_order_change", args=[notification.order_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, notification.order)

    @display(description="message", ordering="template")
    def what(self, notification: Notification) -> str:
        return TITLES.get(notification.template, notification.template)

    @display(description="why")
    def why(self, notification: Notification) -> str:
        """Why it was sent, or why it was not."""
        return notification.reason or f"because of {notification.trigger}"


def _orders_named(term: str) -> set[int]:
    ids = set(Order.objects.filter(external_id=term).values_list("pk", flat=True)[:MOST])
    mails = OrderContact.objects.filter(email=term.lower())
    ids |= set(mails.order_by("-pk").values_list("pk", flat=True)[:MOST])
    number = parse_number(term)
    return ids if number is None else {*ids, number}
