"""What was decided, refused and given: pages that are read."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from config.console import ReadOnlyAdmin, display, register
from routing.admin.marks import badge, order_link
from routing.decide import CAUSES
from routing.models import Decision, Offer, Refusal

OUTCOMES = {"routed": "success", "partial": "warning", "unfillable": "danger"}


class CauseFilter(SimpleListFilter):
    """What a decision was made for; the list is known, so history is not searched for it."""

    title = "cause"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        causes = dict.fromkeys([*CAUSES.values(), "refused", "shortage", "closed", "manual"])
        return [(cause, cause) for cause in causes]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(cause=self.value()) if self.value() else queryset


@register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    """Every routing decision, newest first; its page is the whole of it."""

    list_display = ("at", "order_", "cause", "outcome_", "rule_set", "cost", "kg_co2", "sentence")
    list_filter = ("outcome", CauseFilter, "rule_set")
    list_filter_submit = False
    list_select_related = ("order", "rule_set")
    search_fields = ("order__external_id",)
    search_help_text = "the channel's id of the order"
    ordering = ("-id",)
    fields = ("order_", "card")
    readonly_fields = ("order_", "card")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        return super().get_queryset(request).defer("inputs", "result")

    @display(description="order", ordering="order_id")
    def order_(self, decision: Decision) -> SafeString:
        return order_link(decision.order)

    @display(description="outcome", ordering="outcome")
    def outcome_(self, decision: Decision) -> SafeString:
        return badge(OUTCOMES[decision.outcome], decision.get_outcome_display())

    @display(description="")
    def card(self, decision: Decision) -> SafeString:
        return render_to_string("routing/decision_card.html", {"decision": decision})


@register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    """Who could not give what, newest first."""

    list_display = ("at", "location", "order_", "line", "quantity", "reason", "note", "actor")
    list_filter = ("reason", "location")
    list_select_related = ("location", "line__order")
    search_fields = ("line__sku", "line__order__external_id")
    ordering = ("-id",)

    @display(description="order")
    def order_(self, refusal: Refusal) -> SafeString:
        return order_link(refusal.line.order)


@register(Offer)
class OfferAdmin(ReadOnlyAdmin):
    """Work given to stock points, by their local day: what counts against a day's capacity."""

    list_display = ("day", "location", "order_", "lines", "units", "delivery", "capacity",
                    "capacity_units")  # fmt: skip
    list_filter = ("location",)
    list_select_related = ("location", "order")
    ordering = ("-id",)

    @display(description="order")
    def order_(self, offer: Offer) -> SafeString:
        return order_link(offer.order)
