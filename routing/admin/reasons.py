"""Why stock points may say no, and who has said so."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString

from config.console import ModelAdmin, ReadOnlyAdmin, display, moment, register
from routing import reasons
from routing.admin.marks import badge, order_link
from routing.models import Refusal, RefusalReason

EFFECTS = {"none": "info", "block": "warning", "block_all": "danger"}


@register(RefusalReason)
class RefusalReasonAdmin(ModelAdmin):
    """Reasons in the order in which stock points see them. Refusals keep the code, so it stays."""

    list_display = ("name", "code", "effect_", "bucket_", "asks_count", "active", "position")
    ordering = ("position", "name")
    fields = ("code", "name", "effect", "bucket", "asks_count", "active", "position")
    empty_words = "Stock points cannot refuse anything. Add a reason."

    def get_readonly_fields(self, request: HttpRequest, obj: RefusalReason | None = None) -> tuple:
        return () if obj is None else ("code",)

    def get_fields(self, request: HttpRequest, obj: RefusalReason | None = None) -> tuple:
        """What the house itself writes has a name, and nothing else to decide."""
        return ("code", "name") if obj is not None and obj.automatic else self.fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its refusals are read by its name: it is switched off instead

    @display(description="what it says", ordering="effect")
    def effect_(self, reason: RefusalReason) -> SafeString:
        return badge(EFFECTS[reason.effect], reason.get_effect_display())

    @display(description="blocked as", empty_value="-")
    def bucket_(self, reason: RefusalReason) -> str | None:
        blocks = reason.effect != RefusalReason.Effect.NONE
        return reason.get_bucket_display() if blocks else None


class ReasonFilter(SimpleListFilter):
    """Why; the reasons are a table, so history is not searched for them."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(reasons.names().items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    """Who could not give what, newest first."""

    list_display = ("at", "location", "order_", "line", "quantity", "reason_", "note", "actor",
                    "excluded")  # fmt: skip
    list_filter = (ReasonFilter, "location")
    list_select_related = ("location", "line__order")
    search_fields = ("line__sku", "line__order__external_id")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refusal]:
        names = RefusalReason.objects.filter(code=OuterRef("reason")).values("name")
        return super().get_queryset(request).annotate(reason_name=Subquery(names))

    @display(description="order")
    def order_(self, refusal: Refusal) -> SafeString:
        return order_link(refusal.line.order)

    @display(description="reason", ordering="reason")
    def reason_(self, refusal: Refusal) -> str:
        return refusal.reason_name or refusal.reason  # type: ignore[attr-defined]

    @display(description="not asked until, UTC", empty_value="for ever")
    def excluded(self, refusal: Refusal) -> str | None:
        return moment(refusal.excluded_until) if refusal.excluded_until else None
