"""The console's view of stock points' work and of parcels: facts, with their items and events."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.console import ReadOnlyAdmin, ReadOnlyTabularInline, display, register
from fulfillment.models import FulfillmentLine, FulfillmentOrder, Parcel, ParcelLine, PutBack
from orders.models import Allocation, Order, OrderEvent
from routing import emissions

BADGES = {
    "new": "warning", "accepted": "info", "picked": "info", "packed": "info", "ready": "success",
    "done": "success", "refused": "danger", "canceled": "danger",
}  # fmt: skip
TRACKING_BADGES = {
    "delivered": "success", "collected": "success", "failure": "danger",
    "return_to_sender": "danger",
}  # fmt: skip


def order_link(order: Order) -> SafeString:
    """The order's number, leading to its page."""
    url = reverse("admin:orders_order_change", args=[order.pk])
    return format_html('<a href="{}">{}</a>', url, order.number)


def badge(level: str, words: str) -> SafeString:
    """A word whose color says how things are; see the console's style sheet."""
    return format_html('<span data-status="{}">{}</span>', level, words)


def _slice_words(piece: Allocation) -> str:
    return f"{piece.line.sku} · {piece.line.name}"


class LateFilter(SimpleListFilter):
    """Open work by its deadline."""

    title = "deadline"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), ("late", "open and late")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[FulfillmentOrder]
    ) -> QuerySet[FulfillmentOrder]:
        if self.value() in ("open", "late"):
            queryset = queryset.filter(state__in=FulfillmentOrder.OPEN)
        if self.value() == "late":
            queryset = queryset.filter(ship_by__lt=timezone.now())
        return queryset


class LineInline(ReadOnlyTabularInline):
    """Items of the work, refused and canceled ones too."""

    model = FulfillmentLine
    fields = ("item", "quantity", "picked", "open")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[FulfillmentLine]:
        return super().get_queryset(request).select_related("allocation__line").order_by("id")

    @display(description="item")
    def item(self, line: FulfillmentLine) -> str:
        return _slice_words(line.allocation)


@register(FulfillmentOrder)
class FulfillmentOrderAdmin(ReadOnlyAdmin):
    """Work of all stock points."""

    list_display = ("number_", "order_", "location", "state_", "ship_by", "units", "assigned_to",
                    "created_at")  # fmt: skip
    list_filter = (LateFilter, "state", "location")
    list_select_related = ("order", "location")
    search_fields = ("=order__external_id", "=wms_reference")
    search_help_text = "number, the channel's order id or the WMS's reference"
    ordering = ("-id",)
    inlines = (LineInline,)
    fields = ("number_", "order_", "location", "destination_", "state_", "why", "ship_by",
              "assigned_to", "created_at", "ended_at", "requested_at", "wms_reference", "parcels_",
              "events_")  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[FulfillmentOrder]:
        return super().get_queryset(request).annotate(units_=Sum("lines__quantity"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FulfillmentOrder], search_term: str
    ) -> tuple[QuerySet[FulfillmentOrder], bool]:
        digits = search_term.strip().upper().removeprefix("F")
        if digits.isascii() and digits.isdigit() and len(digits) < 19:
            return queryset.filter(pk=int(digits)), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="number", ordering="id")
    def number_(self, row: FulfillmentOrder) -> str:
        return row.number

    @display(description="order")
    def order_(self, row: FulfillmentOrder) -> SafeString:
        return order_link(row.order)

    @display(description="goes to")
    def destination_(self, row: FulfillmentOrder) -> str:
        to = row.destination
        group = f" (destination {row.group.key})" if row.group else ""
        if row.is_pickup:
            return f"picked up here{group}"
        return f"{to.place or getattr(to.contact, 'city', '') or 'an address'}{group}"

    @display(description="state", ordering="state")
    def state_(self, row: FulfillmentOrder) -> SafeString:
        return badge(BADGES[row.state], row.get_state_display())

    @display(description="units", ordering="units_")
    def units(self, row: FulfillmentOrder) -> int:
        return row.units_ or 0  # type: ignore[attr-defined]

    @display(description="parcels")
    def parcels_(self, row: FulfillmentOrder) -> SafeString | str:
        links = [
            (reverse("admin:fulfillment_parcel_change", args=[parcel.pk]), parcel,
             parcel.get_tracking_status_display())
            for parcel in row.parcels.order_by("id")
        ]  # fmt: skip
        return format_html_join("", '<p><a href="{}">{}</a>, {}</p>', links) or "none yet"

    @display(description="timeline")
    def events_(self, row: FulfillmentOrder) -> SafeString:
        events = OrderEvent.objects.filter(order=row.order, data__fulfillment_order=row.pk)
        rows = [
            (timezone.localtime(e.at).strftime("%d %b %H:%M:%S"), e.kind, e.actor)
            for e in events.order_by("id")
        ]
        return format_html_join("", "<p>{} <strong>{}</strong> by {}</p>", rows)


class DoneFilter(SimpleListFilter):
    """Whether the goods are on the shelf again."""

    title = "done"
    parameter_name = "done"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "to put back"), ("yes", "done")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PutBack]) -> QuerySet[PutBack]:
        if self.value() in ("no", "yes"):
            return queryset.filter(done_at__isnull=self.value() == "no")
        return queryset


@register(PutBack)
class PutBackAdmin(ReadOnlyAdmin):
    """Picked goods that were not wanted any more, and who put them back."""

    list_display = ("item", "quantity", "location", "order_", "work_", "reason", "created_at",
                    "done_at", "done_by")  # fmt: skip
    list_filter = (DoneFilter, "location")
    list_select_related = ("location", "line__allocation__line", "line__fulfillment_order__order")
    ordering = ("-id",)
    fields = list_display
    readonly_fields = list_display

    @display(description="item")
    def item(self, row: PutBack) -> str:
        return _slice_words(row.line.allocation)

    @display(description="order")
    def order_(self, row: PutBack) -> SafeString:
        return order_link(row.line.fulfillment_order.order)

    @display(description="work")
    def work_(self, row: PutBack) -> SafeString:
        work = row.line.fulfillment_order
        url = reverse("admin:fulfillment_fulfillmentorder_change", args=[work.pk])
        return format_html('<a href="{}">{}</a>', url, work)


class ParcelLineInline(ReadOnlyTabularInline):
    """Items of the parcel."""

    model = ParcelLine
    fields = ("item", "quantity")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ParcelLine]:
        return super().get_queryset(request).select_related("allocation__line").order_by("id")

    @display(description="item")
    def item(self, line: ParcelLine) -> str:
        return _slice_words(line.allocation)


@register(Parcel)
class ParcelAdmin(ReadOnlyAdmin):
    """What left, and what the carriers say."""

    list_display = ("parcel_", "order_", "location", "tracking_", "tracking_at", "shipped_at",
                    "delivered_at", "kg_co2_planned", "kg_co2")  # fmt: skip
    list_filter = ("tracking_status", "carrier", "location", "order__channel", "order__test")
    list_select_related = ("order", "location")
    search_fields = ("=tracking_number", "=order__external_id")
    search_help_text = "tracking number or the channel's order id"
    ordering = ("-id",)
    inlines = (ParcelLineInline,)
    fields = ("parcel_", "order_", "work_", "location", "destination", "tracking_", "tracking_at",
              "weight_g", "service", "km", "kg_co2_planned", "kg_co2", "how_co2", "shipped_at",
              "arrived_at", "delivered_at", "received_by")  # fmt: skip
    readonly_fields = fields

    @display(description="parcel", ordering="id")
    def parcel_(self, parcel: Parcel) -> str:
        return str(parcel)

    @display(description="order")
    def order_(self, parcel: Parcel) -> SafeString:
        return order_link(parcel.order)

    @display(description="work")
    def work_(self, parcel: Parcel) -> SafeString:
        url = reverse(
            "admin:fulfillment_fulfillmentorder_change", args=[parcel.fulfillment_order_id]
        )
        return format_html('<a href="{}">{}</a>', url, parcel.fulfillment_order)

    @display(description="how the kg CO₂e were counted")
    def how_co2(self, parcel: Parcel) -> str:
        return emissions.words(parcel.co2_basis, parcel.weight_g)

    @display(description="tracking", ordering="tracking_status")
    def tracking_(self, parcel: Parcel) -> SafeString:
        level = TRACKING_BADGES.get(parcel.tracking_status, "info")
        return badge(level, parcel.get_tracking_status_display())
