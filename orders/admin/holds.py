"""What blocks orders, and where every unit of them is."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

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
from orders import cancellation, holds
from orders.admin.address_actions import HoldAddressActions
from orders.admin.links import order_link, order_page
from orders.models import (
    Allocation,
    Hold,
)

EXPECTED = (IllegalMove, holds.MayNotResolve)


def _resolve(hold: Hold, request: HttpRequest) -> None:
    user = request.user
    holds.resolve(hold_id=hold.pk, actor=user.get_username(), user=user)


@admin.register(Hold)
class HoldAdmin(HoldAddressActions, ReadOnlyAdmin):
    """What blocks orders, oldest first."""

    list_display = ("order_", "type", "reason", "scope_", "blocks_", "state_", "placed_by",
                    "placed", "until", "resolved_by")  # fmt: skip
    list_display_links = ("reason",)
    list_filter = ("state", "type")
    list_select_related = ("order",)
    ordering = ("placed_at",)
    empty_words = "Nothing blocks an order. A hold is placed on the order's page."
    actions = ("resolve",)
    actions_detail = ("fix_address", "resolve_one")
    fields = ("order_", "type", "reason", "scope_", "blocks_", "state_", "handle", "placed_by",
              "placed_at", "release_at", "resolved_by", "resolved_at")  # fmt: skip
    readonly_fields = ("order_", "scope_", "blocks_", "state_")

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        waiting = Hold.objects.filter(state=Hold.State.OPEN).values_list("type")
        counts = dict(waiting.annotate(n=Count("pk")).order_by("type"))
        return [
            tabs(request, label="State", parameter="state__exact", choices=Hold.State.choices,
                 counts={Hold.State.OPEN: sum(counts.values())}, alarms=(Hold.State.OPEN,)),
            tabs(request, label="Type, with how many are open", parameter="type__exact",
                 choices=Hold.Type.choices, counts=counts),
        ]  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """The address can be put right where it is what waits."""
        actions = super().get_actions_detail(request, object_id)
        hold = found(Hold, object_id) if actions else None
        if hold and (hold.type, hold.state) == (Hold.Type.ADDRESS, Hold.State.OPEN):
            return actions
        return [a for a in actions if not a.action_name.endswith("fix_address")]

    @display(description="order", ordering="order")
    def order_(self, hold: Hold) -> SafeString:
        return order_link(hold.order)

    @display(description="blocks")
    def blocks_(self, hold: Hold) -> str:
        return ", ".join(holds.WORDS.get(what, what) for what in hold.blocks)

    @display(description="of", empty_value="whole order")
    def scope_(self, hold: Hold) -> str | None:
        return f"{len(hold.slices)} of its parts" if hold.slices else None

    @display(description="until, UTC", ordering="release_at")
    def until(self, hold: Hold) -> str:
        return moment(hold.release_at)

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
        for hold in queryset.select_related("order").order_by("order_id", "id"):
            try:
                _resolve(hold, request)
                done += 1
            except EXPECTED as error:
                problems.append(f"{hold.order}: {error}")
        say(request, done=done, what="holds resolved", problems=problems)

    @action(description="Resolve", permissions=["handle"], url_path="resolve", icon="play_circle")
    def resolve_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        hold = found(Hold.objects.select_related("order"), object_id)

        def effect(_: dict) -> str:
            _resolve(hold, request)
            return f"The hold of {hold.order} is resolved; it goes on unless another one blocks it."

        return forms.ask(
            request, site=self.admin_site, title=f"Resolve the hold of {hold.order}",
            form=forms.Form, effect=effect, back=order_page(hold.order), submit="Resolve the hold",
            text=f"{hold}, placed by {hold.placed_by}.", errors=EXPECTED,
        )  # fmt: skip


ASKED = "cancel_requested_at__isnull"


@admin.register(Allocation)
class AllocationAdmin(ReadOnlyAdmin):
    """Every slice: where each unit of every order is, and which a warehouse was asked for."""

    list_display = ("order_", "sku", "quantity", "state", "queue", "queue_reason", "location",
                    "since", "next_action_at", "asked")  # fmt: skip
    list_display_links = ("sku",)
    list_filter = ("state", "queue", "location")
    list_select_related = ("order", "line", "location")
    search_fields = ("line__sku", "order__external_id")
    ordering = ("-id",)
    empty_words = "No units are like this."
    actions = ("cancel_anyway",)

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        open_ = Allocation.objects.filter(cancel_requested_at__isnull=False).count()
        return [
            tabs(request, label="Cancellation", parameter=ASKED, everything="all units",
                 choices=[("False", "asked of a warehouse, no answer yet")],
                 counts={"False": open_}, alarms=("False",))
        ]  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Who waits longest for an answer comes first."""
        return ("cancel_requested_at", "id") if ASKED in request.GET else self.ordering

    @display(description="order", ordering="order")
    def order_(self, piece: Allocation) -> SafeString:
        return order_link(piece.order)

    @display(description="SKU", ordering="line__sku")
    def sku(self, piece: Allocation) -> str:
        return piece.line.sku

    @display(description="asked to cancel", ordering="cancel_requested_at")
    def asked(self, piece: Allocation) -> str:
        if piece.cancel_requested_at is None:
            return "-"
        return f"{piece.cancel_quantity} of them, {timesince(piece.cancel_requested_at)} ago"

    def has_cancel_anyway_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.cancel_anyway")

    @action(description="Cancel without the warehouse's answer", permissions=["cancel_anyway"])
    def cancel_anyway(self, request: HttpRequest, queryset: QuerySet[Allocation]) -> None:
        units, problems = 0, []
        for piece in queryset.order_by("order_id", "id"):
            try:
                units += cancellation.cancel_anyway(
                    slice_id=piece.pk, actor=request.user.get_username()
                )
            except cancellation.NothingToCancel as error:
                problems.append(str(error))
        say(request, done=units, what="units canceled", problems=problems)
