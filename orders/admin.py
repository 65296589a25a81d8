"""The console's view of orders: lists that answer, pages that explain, changes as actions."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from config import forms, outbox
from config.console import ModelAdmin, ReadOnlyAdmin, TabularInline, action, display, say
from config.status import IllegalMove
from orders import lifecycle, queries
from orders.models import (
    Allocation,
    ApiKey,
    Customer,
    Hold,
    Notification,
    Order,
    OrderEvent,
    Payment,
    Refund,
    SalesChannel,
)
from orders.money import in_words
from orders.notification_admin import NotificationAdmin

S = Allocation.State
BADGES = {
    "unrouted": "warning", "routed": "info", "in_progress": "info", "partially_shipped": "info",
    "shipped": "success", "partially_delivered": "success", "delivered": "success",
    "canceled": "danger",
}  # fmt: skip


def holding(**conditions: Any) -> Exists:
    """Orders that have a slice like this."""
    return Exists(Allocation.objects.filter(order=OuterRef("pk"), **conditions))


def _shipped_today() -> Exists:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return holding(state__in=lifecycle.LEFT, parcel_line__parcel__shipped_at__gte=midnight)


# The funnel's stages, as the home page's tiles and this list's filter know them.
STAGES: dict[str, tuple[str, Any]] = {
    "to_route": ("to route", lambda: holding(queue=Allocation.Queue.ROUTING)),
    "routed": ("routed", lambda: holding(state=S.ALLOCATED)),
    "picking": ("picking", lambda: holding(state__in=[S.ACCEPTED, S.PICKED])),
    "packed": ("packed", lambda: holding(state__in=[S.PACKED, S.READY])),
    "shipped_today": ("shipped today", _shipped_today),
    "unfillable": ("unfillable", lambda: holding(queue=Allocation.Queue.UNFILLABLE)),
    "pickup_refused": ("pick-up refused", lambda: holding(queue=Allocation.Queue.PICKUP_REFUSED)),
    "on_hold": (
        "on hold",
        lambda: Exists(Hold.objects.filter(order=OuterRef("pk"), state=Hold.State.OPEN)),
    ),
}


class StageFilter(admin.SimpleListFilter):
    """Where an order's units are."""

    title = "stage"
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in STAGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        stage = STAGES.get(self.value() or "")
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

    list_display = ("number_", "external_id", "channel", "placed_at", "who", "amount", "units",
                    "promised_at")  # fmt: skip
    list_filter = (StageFilter, "state", "channel", "source")
    list_filter_submit = False
    list_select_related = ("channel", "contact")
    search_fields = ("external_id", "contact__email", "contact__name", "lines__sku")
    search_help_text = "number, channel's id, name, e-mail or SKU"
    ordering = ("-id",)
    actions = ("route_again_many",)
    actions_detail = ("hold_order", "route_again", "cancel_order")
    fieldsets = (
        (None, {"fields": ("summary",)}),
        ("Units", {"fields": ("slices",)}),
        ("Why there", {"fields": ("decision",)}),
        ("Holds", {"fields": ("holds",)}),
        ("Parcels", {"fields": ("parcels",)}),
        ("Money", {"fields": ("money",)}),
        ("Returns", {"fields": ("returned",)}),
        ("Timeline", {"fields": ("timeline",)}),
    )
    readonly_fields = ("summary", "slices", "decision", "holds", "parcels", "money", "returned",
                       "timeline")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return queries.with_states(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        pk = queries.parse_number(search_term)
        if pk is not None and search_term.strip().upper().startswith("M"):
            return queryset.filter(Q(pk=pk) | Q(external_id=search_term.strip())), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="order", ordering="id")
    def number_(self, order: Order) -> str:
        return order.number

    @display(description="customer")
    def who(self, order: Order) -> str:
        return f"{order.contact.name} · {order.contact.city}"

    @display(description="total", ordering="total")
    def amount(self, order: Order) -> str:
        return in_words(order.total, order.currency)

    @display(description="units", label=BADGES)
    def units(self, order: Order) -> tuple[str, str]:
        status = queries.fulfillment_status(order.slice_states)  # type: ignore[attr-defined]
        return status, status.replace("_", " ")

    # --- the page ---

    def _part(self, name: str, order: Order, **context: Any) -> SafeString:
        return render_to_string(f"admin/orders/{name}.html", {"order": order, **context})

    @display(description="")
    def summary(self, order: Order) -> SafeString:
        status = queries.fulfillment_status(order.slice_states)  # type: ignore[attr-defined]
        return self._part("summary", order, status=status.replace("_", " "),
                          payment=queries.payment_status(order).replace("_", " "),
                          total=in_words(order.total, order.currency))  # fmt: skip

    @display(description="")
    def slices(self, order: Order) -> SafeString:
        rows = order.allocations.select_related("line", "location").order_by("line__position", "id")
        return self._part("slices", order, rows=rows)

    @display(description="")
    def decision(self, order: Order) -> SafeString:
        decisions = order.decisions.select_related("rule_set").order_by("-id")  # type: ignore[attr-defined]
        return self._part("decisions", order, decisions=decisions)

    @display(description="")
    def holds(self, order: Order) -> SafeString:
        return self._part("holds", order, rows=order.holds.order_by("id"))

    @display(description="")
    def parcels(self, order: Order) -> SafeString:
        rows = order.parcels.select_related("location").prefetch_related(  # type: ignore[attr-defined]
            "lines__allocation__line"
        )
        return self._part("parcels", order, rows=rows.order_by("id"))

    @display(description="")
    def money(self, order: Order) -> SafeString:
        return self._part(
            "money", order, payments=order.payments.order_by("id"),
            refunds=Refund.objects.filter(payment__order=order).order_by("id"),
            lines=order.lines.order_by("position"),
        )  # fmt: skip

    @display(description="")
    def returned(self, order: Order) -> SafeString:
        return self._part("returned", order, rows=order.returns.order_by("id"))  # type: ignore[attr-defined]

    @display(description="")
    def timeline(self, order: Order) -> SafeString:
        messages = {m.pk: m for m in order.notifications.all()}
        events = order.events.order_by("id")
        rows = [(event, messages.get(event.data.get("notification"))) for event in events]
        return self._part("timeline", order, rows=rows)

    # --- actions ---

    @action(description="Hold", permissions=["handle"], url_path="hold", icon="pause_circle")
    def hold_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = get_object_or_404(Order, pk=object_id)

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
        order = get_object_or_404(Order, pk=object_id)

        def effect(_: dict) -> str:
            _ring(order, request)
            return f"{order} is being routed; its decision appears in a moment."

        return forms.ask(
            request, site=self.admin_site, title=f"Route {order} again", form=forms.Form,
            effect=effect, back=_page(order), submit="Route now",
            text="Units that wait in a queue get a stock point; units at work stay where they are.",
        )  # fmt: skip

    @action(description="Cancel", permissions=["handle"], url_path="cancel", icon="cancel")
    def cancel_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = get_object_or_404(Order, pk=object_id)

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


def _page(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """What blocks orders, oldest first."""

    list_display = ("order", "type", "reason", "blocks", "state", "placed_by", "placed_at")
    list_filter = ("state", "type")
    list_select_related = ("order",)
    ordering = ("placed_at",)
    actions = ("resolve",)

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


@admin.register(Allocation)
class AllocationAdmin(ReadOnlyAdmin):
    """Every slice: where each unit of every order is."""

    list_display = ("order", "line", "quantity", "state", "queue", "queue_reason", "location",
                    "since", "next_action_at")  # fmt: skip
    list_filter = ("state", "queue", "location")
    list_select_related = ("order", "line", "location")
    search_fields = ("line__sku", "order__external_id")
    ordering = ("-id",)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Money of orders."""

    list_display = ("order", "method", "reference", "state", "amount", "captured", "refunded",
                    "currency", "created_at")  # fmt: skip
    list_filter = ("state", "method", "currency")
    list_select_related = ("order",)
    search_fields = ("reference", "order__external_id")
    ordering = ("-id",)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Money that went back."""

    list_display = ("payment", "amount", "currency", "state", "reason", "actor", "created_at")
    list_filter = ("state", "currency")
    list_select_related = ("payment",)
    ordering = ("-id",)


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnlyAdmin):
    """The timelines of all orders in one list."""

    list_display = ("at", "kind", "order", "actor", "data")
    list_filter = ("kind",)
    list_select_related = ("order",)
    ordering = ("-id",)


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

    list_display = ("code", "name", "kind", "pool", "currency", "on_shortage", "active")
    list_filter = ("kind", "active")
    inlines = (ApiKeyInline,)
    actions_detail = ("new_key",)

    @action(description="New API key", permissions=["change"], url_path="new-key", icon="key")
    def new_key(self, request: HttpRequest, object_id: int) -> HttpResponse:
        from orders.keys import CHANNEL_SCOPES  # noqa: PLC0415  (keys imports DRF's settings)

        channel = get_object_or_404(SalesChannel, pk=object_id)

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
