"""The console's view of orders: lists that answer, pages that explain, changes as actions."""

from typing import Any

from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import forms, outbox
from config.console import (
    ActionVariant,
    ModelAdmin,
    ReadOnlyAdmin,
    Tabs,
    TabularInline,
    action,
    badge,
    display,
    found,
    moment,
    say,
    tabs,
)
from config.status import IllegalMove
from orders import lifecycle, page, queries, stages
from orders.key_admin import ApiKeyAdmin
from orders.models import (
    Allocation,
    ApiKey,
    ChannelStock,
    Customer,
    Hold,
    Notification,
    Order,
    OrderEvent,
    OrderLine,
    Payment,
    Refund,
    SalesChannel,
    StockCrossing,
)
from orders.money import in_words
from orders.notification_admin import NotificationAdmin
from orders.stock_admin import ChannelForm, ChannelStockAdmin, StockCrossingAdmin


class StageFilter(admin.SimpleListFilter):
    """Where an order's units are."""

    title = "stage"
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in stages.STAGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        stage = stages.STAGES.get(self.value() or "")
        return queryset.filter(stage[1]()) if stage else queryset


class HoldForm(forms.Form):
    """Why the order is to wait."""

    reason = forms.Text(max_length=300)
    blocks = forms.Choice(
        choices=[("route,ship", "routing and shipping"), ("route", "routing"), ("ship", "shipping")]
    )


class CancelForm(forms.Form):
    """Why the order is canceled."""

    reason = forms.Text(max_length=200)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
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
    list_filter = (StageFilter, "state", "channel", "source")
    list_filter_submit = False
    list_select_related = ("channel", "contact")
    search_fields = ("external_id", "contact__email", "contact__name", "lines__sku")
    search_help_text = "number, channel's id, name, e-mail or SKU"
    ordering = ("-id",)
    empty_words = (
        "No order is here. Orders come in through POST /api/v1/orders, through a Shopify webhook "
        "or as a file (System, Files in)."
    )
    actions = ("route_again_many",)
    actions_detail = ("hold_order", "route_again", "cancel_order")
    fieldsets = ((None, {"fields": ("number_",)}),)
    readonly_fields = ("number_",)
    change_form_template = "admin/orders/order_page.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        units = OrderLine.objects.filter(order=OuterRef("pk")).values("order")
        waiting = Allocation.objects.filter(order=OuterRef("pk")).exclude(queue="")
        return queries.with_states(super().get_queryset(request)).annotate(
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
        pk = queries.parse_number(search_term)
        if pk is not None and search_term.strip().upper().startswith("M"):
            return queryset.filter(Q(pk=pk) | Q(external_id=search_term.strip())), False
        return super().get_search_results(request, queryset, search_term)

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
        possible = page.can(found(Order, object_id)) if actions else set()
        return [a for a in actions if a.action_name.removeprefix("orders_order_") in possible]

    # --- actions ---

    @action(description="Hold", permissions=["handle"], url_path="hold", icon="pause_circle")
    def hold_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(data: dict) -> str:
            lifecycle.hold(
                order_id=order.pk, type=Hold.Type.MANUAL, reason=data["reason"],
                handle=f"manual:{timezone.now().isoformat()}", blocks=data["blocks"].split(","),
                actor=request.user.get_username(),
            )  # fmt: skip
            return f"{order} is on hold."

        return forms.ask(request, site=self.admin_site, title=f"Hold {order}", form=HoldForm,
                         effect=effect, back=_page(order), submit="Place the hold")  # fmt: skip

    @action(description="Route again", permissions=["handle"], url_path="route", icon="alt_route")
    def route_again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(_: dict) -> str:
            _ring(order, request)
            return f"{order} is being routed; its decision appears in a moment."

        return forms.ask(
            request, site=self.admin_site, title=f"Route {order} again", form=forms.Form,
            effect=effect, back=_page(order), submit="Route now",
            text="Units that wait in a queue get a stock point; units at work stay where they are.",
        )  # fmt: skip

    @action(
        description="Cancel", permissions=["handle"], url_path="cancel", icon="cancel",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def cancel_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(data: dict) -> str:
            units = lifecycle.cancel(
                order_id=order.pk, reason=data["reason"], actor=request.user.get_username()
            )
            return f"{units} units of {order} were canceled."

        return forms.ask(
            request, site=self.admin_site, title=f"Cancel {order}", form=CancelForm, effect=effect,
            back=_page(order), submit="Cancel the order", danger=True,
            errors=(lifecycle.NothingToCancel,),
            text="Every unit that has not left is canceled; what was captured for it goes back.",
        )  # fmt: skip

    @action(description="Route again", permissions=["handle"])
    def route_again_many(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        orders = list(queryset.filter(state=Order.State.OPEN))
        for order in orders:
            _ring(order, request)
        say(request, done=len(orders), what="orders are being routed", problems=[])


def _ring(order: Order, request: HttpRequest) -> None:
    cause = f"manual:{timezone.now().isoformat()}:{request.user.pk}"
    outbox.put(topic="route", subject=order.pk, cause=cause, payload={"event": "manual"})


def order_link(order: Order) -> SafeString:
    """The order's number, leading to its page."""
    return format_html('<a class="text-link" href="{}">{}</a>', _page(order), order.number)


def _page(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """What blocks orders, oldest first."""

    list_display = ("order_", "type", "reason", "blocks_", "state_", "placed_by", "placed",
                    "resolved_by")  # fmt: skip
    list_display_links = ("reason",)
    list_filter = ("state", "type")
    list_select_related = ("order",)
    ordering = ("placed_at",)
    empty_words = "Nothing blocks an order. A hold is placed on the order's page."
    actions = ("resolve",)
    actions_detail = ("resolve_one",)
    fields = ("order_", "type", "reason", "blocks_", "state_", "handle", "placed_by", "placed_at",
              "resolved_by", "resolved_at")  # fmt: skip
    readonly_fields = ("order_", "blocks_", "state_")

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        waiting = Hold.objects.filter(state=Hold.State.OPEN).count()
        return [
            tabs(request, label="State", parameter="state__exact", choices=Hold.State.choices,
                 counts={Hold.State.OPEN: waiting}, alarms=(Hold.State.OPEN,))
        ]  # fmt: skip

    @display(description="order", ordering="order")
    def order_(self, hold: Hold) -> SafeString:
        return order_link(hold.order)

    @display(description="blocks")
    def blocks_(self, hold: Hold) -> str:
        return " and ".join(hold.blocks)

    @display(description="state", ordering="state")
    def state_(self, hold: Hold) -> SafeString:
        level = "warning" if hold.state == Hold.State.OPEN else "success"
        return badge(level, hold.get_state_display())

    @display(description="since, UTC", ordering="placed_at")
    def placed(self, hold: Hold) -> str:
        return moment(hold.placed_at)

    @action(description="Resolve", permissions=["handle"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Hold]) -> None:
        done, problems = 0, []
        for hold in queryset.order_by("order_id", "id"):
            try:
                lifecycle.resolve_hold(hold_id=hold.pk, actor=request.user.get_username())
                done += 1
            except IllegalMove as error:
                problems.append(str(error))
        say(request, done=done, what="holds resolved", problems=problems)

    @action(description="Resolve", permissions=["handle"], url_path="resolve", icon="play_circle")
    def resolve_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        hold = found(Hold.objects.select_related("order"), object_id)

        def effect(_: dict) -> str:
            lifecycle.resolve_hold(hold_id=hold.pk, actor=request.user.get_username())
            return f"The hold of {hold.order} is resolved; it goes on unless another one blocks it."

        return forms.ask(
            request, site=self.admin_site, title=f"Resolve the hold of {hold.order}",
            form=forms.Form, effect=effect, back=_page(hold.order), submit="Resolve the hold",
            text=f"{hold}, placed by {hold.placed_by}.", errors=(IllegalMove,),
        )  # fmt: skip


@admin.register(Allocation)
class AllocationAdmin(ReadOnlyAdmin):
    """Every slice: where each unit of every order is."""

    list_display = ("order_", "sku", "quantity", "state", "queue", "queue_reason", "location",
                    "since", "next_action_at")  # fmt: skip
    list_display_links = ("sku",)
    list_filter = ("state", "queue", "location")
    list_select_related = ("order", "line", "location")
    search_fields = ("line__sku", "order__external_id")
    ordering = ("-id",)

    @display(description="order", ordering="order")
    def order_(self, piece: Allocation) -> SafeString:
        return order_link(piece.order)

    @display(description="SKU", ordering="line__sku")
    def sku(self, piece: Allocation) -> str:
        return piece.line.sku


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


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """People who buy."""

    list_display = ("email", "name", "phone", "created_at")
    search_fields = ("email", "name")
    ordering = ("-id",)


class ApiKeyInline(TabularInline):
    """Keys are made by an action; here they can be revoked."""

    model = ApiKey
    fields = ("name", "prefix", "scopes", "revoked", "created")
    readonly_fields = ("prefix", "created")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SalesChannel)
class SalesChannelAdmin(ModelAdmin):
    """Channels, their pool and their keys."""

    form = ChannelForm
    list_display = ("code", "name", "kind", "pool", "currency", "on_shortage", "active")
    list_filter = ("kind", "active")
    inlines = (ApiKeyInline,)
    actions_detail = ("new_key",)

    @action(description="New API key", permissions=["change"], url_path="new-key", icon="key")
    def new_key(self, request: HttpRequest, object_id: int) -> HttpResponse:
        from orders.keys import CHANNEL_SCOPES  # noqa: PLC0415  (keys imports DRF's settings)

        channel = found(SalesChannel, object_id)

        def effect(data: dict) -> str:
            _, secret = ApiKey.objects.create_key(
                name=data["name"], channel=channel, scopes=CHANNEL_SCOPES
            )
            return f"The key, shown only now: {secret}"

        return forms.ask(
            request, site=self.admin_site, title=f"New API key for {channel}", form=KeyForm,
            effect=effect, submit="Make the key",
            back=reverse("admin:orders_saleschannel_change", args=[channel.pk]),
        )  # fmt: skip


class KeyForm(forms.Form):
    """What the key is for."""

    name = forms.Text(max_length=50, help_text="who will use it, e.g. shop server 2")


admin.site.register(Notification, NotificationAdmin)
admin.site.register(ApiKey, ApiKeyAdmin)
admin.site.register(ChannelStock, ChannelStockAdmin)
admin.site.register(StockCrossing, StockCrossingAdmin)
