"""Stock, the ledger and the claims: facts to read, changed by actions."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from config import forms
from config.console import ReadOnlyAdmin, Tabs, action, badge, display, found, tabs
from inventory import ledger
from inventory.models import Reservation, Stock, StockMovement

REASONS = [
    ("found", "found"), ("lost", "lost"), ("damaged", "damaged"), ("stolen", "stolen"),
    ("sample", "sample"), ("correction", "correction of a mistake"),
]  # fmt: skip


LEVELS = [("short", "claims exceed what is there"), ("out", "nothing free"),
          ("blocked", "has unavailable units"), ("over", "above target")]  # fmt: skip


class LevelFilter(admin.SimpleListFilter):
    """Rows that need a look."""

    title = "level"
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return LEVELS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Stock]) -> QuerySet[Stock]:
        free = F("on_hand") - F("unavailable") - F("safety")
        if self.value() == "short":
            return queryset.filter(reserved__gt=F("on_hand") - F("unavailable"))
        if self.value() == "out":
            return queryset.filter(reserved__gte=free)
        if self.value() == "blocked":
            return queryset.filter(unavailable__gt=0)
        if self.value() == "over":
            return queryset.filter(on_hand__gt=F("target"))
        return queryset


class AdjustForm(forms.Form):
    """A signed change of what is physically there, and why."""

    change = forms.Number(help_text="units, e.g. -2 or 5", min_value=-100_000, max_value=100_000)
    reason = forms.Choice(choices=REASONS)
    note = forms.Text(required=False, max_length=80)


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    """What is where: read-only, because the ledger decides."""

    list_display = ("sku", "location_", "free_", "on_hand", "reserved", "unavailable", "safety",
                    "target")  # fmt: skip
    list_filter = (LevelFilter, "location", "product__category")
    list_select_related = ("product", "location")
    search_fields = ("product__sku", "product__gtin", "product__name", "location__code")
    search_help_text = "SKU, barcode, name or stock point"
    ordering = ("-id",)
    empty_words = "Stock comes in as a file (System, Files in), over REST or with a delivery."
    actions_detail = ("adjust", "movements")
    fields = ("product", "location", "free_", "on_hand", "reserved", "unavailable", "safety",
              "target")  # fmt: skip
    readonly_fields = ("free_",)

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        return [
            tabs(request, label="Level", parameter="level", everything="all stock", choices=LEVELS)
        ]

    @display(description="product", ordering="product__sku", header=True)
    def sku(self, stock: Stock) -> tuple[str, str]:
        return stock.product.sku, stock.product.name

    @display(description="stock point", ordering="location__name")
    def location_(self, stock: Stock) -> str:
        return stock.location.name

    @display(description="free to promise")
    def free_(self, stock: Stock) -> SafeString:
        level = "success" if stock.free > 0 else "warning" if stock.free == 0 else "danger"
        return badge(level, str(stock.free))

    @action(description="Adjust", permissions=["handle"], url_path="adjust", icon="tune")
    def adjust(self, request: HttpRequest, object_id: int) -> HttpResponse:
        stock = found(Stock.objects.select_related("product", "location"), object_id)

        def effect(data: dict) -> str:
            reason = f"{data['reason']}: {data['note']}" if data["note"] else data["reason"]
            entry = ledger.Entry(
                stock.product_id, stock.location_id, "adjustment", on_hand=data["change"],
                reason=reason,
            )  # fmt: skip
            ledger.post([entry], actor=request.user.get_username())
            return f"{stock.product.sku} at {stock.location}: {data['change']:+d} units."

        return forms.ask(
            request, site=self.admin_site, form=AdjustForm, effect=effect,
            submit="Post to the ledger",
            title=f"Adjust {stock.product.sku} at {stock.location}",
            text=f"{stock.on_hand} on hand, {stock.reserved} reserved. Orders that lose their "
            "units are routed again.",
            back=reverse("admin:inventory_stock_change", args=[stock.pk]),
            errors=(ledger.NotEnough,),
        )  # fmt: skip

    @action(description="Movements", permissions=["view"], url_path="movements", icon="history")
    def movements(self, request: HttpRequest, object_id: int) -> HttpResponse:
        stock = found(Stock, object_id)
        url = reverse("admin:inventory_stockmovement_changelist")
        return HttpResponse(
            status=302,
            headers={"Location": f"{url}?product={stock.product_id}&location={stock.location_id}"},
        )


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    """The ledger: why is there what is there."""

    list_display = ("created_at", "kind", "product", "location", "on_hand", "reserved",
                    "unavailable", "on_hand_after", "reason", "cause", "actor")  # fmt: skip
    list_filter = ("kind", "location")
    list_select_related = ("product", "location")
    search_fields = ("product__sku", "location__code")
    ordering = ("-id",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {"product", "location"} or super().lookup_allowed(lookup, value, request)

    @display(description="cause")
    def cause(self, movement: StockMovement) -> str:
        return f"{movement.cause_type} {movement.cause_id or ''}".strip()


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """Claims that hold stock now."""

    list_display = ("product", "location", "quantity", "owner_type", "owner_id", "expires_at",
                    "created_at")  # fmt: skip
    list_filter = ("owner_type", "location")
    list_select_related = ("product", "location")
    search_fields = ("product__sku",)
    ordering = ("-id",)
