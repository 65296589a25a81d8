"""The console's view of orders: a list that answers, a page that explains, changes as actions."""

from typing import Any

from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from config import forms, outbox
from config.console import (
    ReadOnlyAdmin,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    tabs,
)
from orders import lifecycle, page, queries, search, stages
from orders.admin.address_actions import AddressActions
from orders.admin.bulk_actions import BulkActions
from orders.admin.cancel_actions import CancelActions
from orders.admin.editing_actions import EditingActions
from orders.admin.filters import SourceFilter, StageFilter
from orders.admin.hold_actions import HoldActions
from orders.admin.links import order_page
from orders.admin.money_actions import MoneyActions
from orders.admin.phone_actions import PhoneActions
from orders.admin.remark_actions import RemarkActions
from orders.models import (
    Allocation,
    Order,
    OrderLine,
    SalesChannel,
)
from orders.money import in_words


@admin.register(Order)
class OrderAdmin(
    HoldActions,
    AddressActions,
    EditingActions,
    CancelActions,
    MoneyActions,
    BulkActions,
    PhoneActions,
    RemarkActions,
    ReadOnlyAdmin,
):
    """Orders, newest first."""

    list_display = (
        "number_",
        "who",
        "channel_",
        "status_",
        "units",
        "amount",
        "placed",
        "promised",
    )
    list_filter = (StageFilter, "state", "channel", SourceFilter)
    list_filter_submit = False
    search_fields = ("external_id",)  # shows the box; get_search_results answers
    search_help_text = "Number, channel's id, name, e-mail, phone or SKU; the newest are shown"
    ordering = ("-id",)
    empty_words = (
        "No order is here. Orders come in through POST /api/v1/orders, through a Shopify webhook, "
        "as a file (System, Files in), or by phone: New order."
    )
    actions_list = ("new_order",)
    actions_detail = (
        "fix_address", "edit_order", "hold_order", "cancel_order",
        {"title": "More", "icon": "more_horiz",
         "items": ["cancel_items", "route_again", "check_again", "refund_order", "order_versions",
                   "write_note", "attach_file", "add_tag", "remove_tag"]},
    )  # fmt: skip
    fieldsets = ((None, {"fields": ("number_",)}),)
    readonly_fields = ("number_",)
    change_form_template = "admin/orders/order_page.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        units = OrderLine.objects.filter(order=OuterRef("pk")).values("order")
        waiting = Allocation.objects.filter(order=OuterRef("pk")).exclude(queue="")
        orders = (
            super()
            .get_queryset(request)
            .select_related("channel", "contact", "customer", "pickup_location")
        )
        return queries.with_states(orders).annotate(
            unit_count=Subquery(units.annotate(n=Sum("quantity")).values("n")),
            queues=ArraySubquery(waiting.values("queue").distinct()),
            held=stages.STAGES["on_hold"][1](),
        )

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        channels = SalesChannel.objects.filter(active=True).order_by("name")
        return [
            tabs(
                request, label="Stage", parameter="stage", everything="all orders",
                choices=[(name, words) for name, (words, _) in stages.STAGES.items()],
                counts=stages.counts(), alarms=("unfillable", "pickup_refused", "on_hold"),
            ),
            tabs(
                request, label="Channel", parameter="channel__id__exact",
                everything="all channels",
                choices=[(str(pk), name) for pk, name in channels.values_list("pk", "name")],
            ),
        ]  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """By what people know of an order, through indexes: orders grow without bound."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=search.orders(search_term)), False

    @display(description="order", ordering="id", header=True)
    def number_(self, order: Order) -> tuple[str, str]:
        return order.number, order.external_id

    @display(description="customer", header=True)
    def who(self, order: Order) -> tuple[str, str]:
        return order.contact.name or "unknown", order.contact.city

    @display(description="channel", ordering="channel__name")
    def channel_(self, order: Order) -> str:
        return order.channel.name

    @display(description="total", ordering="total")
    def amount(self, order: Order) -> str:
        return in_words(order.total, order.currency)

    @display(description="units", ordering="unit_count")
    def units(self, order: Order) -> int:
        return order.unit_count or 0  # type: ignore[attr-defined]

    @display(description="status")
    def status_(self, order: Order) -> SafeString:
        status = queries.fulfillment_status(order.slice_states)  # type: ignore[attr-defined]
        badges = [(page.STATUS_LEVELS[status], status.replace("_", " "))]
        badges += [("danger", stages.STAGES[q][0]) for q in order.queues if q in stages.STAGES]  # type: ignore[attr-defined]
        if order.held:  # type: ignore[attr-defined]
            badges.append(("warning", "on hold"))
        return format_html_join(" ", "{}", ((badge(level, words),) for level, words in badges))

    @display(description="placed, UTC", ordering="placed_at")
    def placed(self, order: Order) -> str:
        return moment(order.placed_at)

    @display(description="promised", ordering="promised_at")
    def promised(self, order: Order) -> SafeString | str:
        late = order.promised_at and order.promised_at < timezone.now()
        if late and not set(order.slice_states) <= set(lifecycle.ENDED):  # type: ignore[attr-defined]
            return badge("danger", f"late, {moment(order.promised_at, time=False)}")
        return moment(order.promised_at, time=False)

    # --- the page ---

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        order = kwargs.get("obj")
        shown = page.context(order, user=request.user) if order else {}
        return super().render_change_form(request, {**context, **shown}, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what would do something to this order."""
        actions = super().get_actions_detail(request, object_id)
        order = found(queries.with_states(Order.objects.all()), object_id)
        possible = page.can(order)
        return [a for a in actions if a.action_name.removeprefix("orders_order_") in possible]

    # --- actions ---

    @action(description="Route now", permissions=["handle"], url_path="route", icon="alt_route")
    def route_again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(_: dict) -> str:
            _ring(order, request)
            return f"{order} is being routed; its decision appears in a moment."

        return forms.ask(
            request, site=self.admin_site, title=f"Route {order} again", form=forms.Form,
            effect=effect, back=order_page(order), submit="Route now",
            text="Units that wait in a queue get a stock point; units at work stay where they are.",
        )  # fmt: skip


def _ring(order: Order, request: HttpRequest) -> None:
    cause = f"manual:{timezone.now().isoformat()}:{request.user.pk}"
    outbox.put(topic="route", subject=order.pk, cause=cause, payload={"event": "manual"})
