"""What blocks orders, and where every unit of them is."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from config import forms
from config.console import (
    ReadOnlyAdmin,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    say,
    tabs,
)
from config.status import IllegalMove
from orders import lifecycle
from orders.admin.links import order_link, order_page
from orders.models import (
    Allocation,
    Hold,
)


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
            form=forms.Form, effect=effect, back=order_page(hold.order), submit="Resolve the hold",
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
