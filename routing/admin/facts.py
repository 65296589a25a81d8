"""What was decided, refused and given: pages that are read."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from config.console import ReadOnlyAdmin, action, display, found, register
from routing import checking
from routing.admin.marks import badge, order_link
from routing.decide import CAUSES
from routing.models import Decision, Offer

OUTCOMES = {"routed": "success", "partial": "warning", "unfillable": "danger"}


class CauseFilter(SimpleListFilter):
    """What a decision was made for; the list is known, so history is not searched for it."""

    title = "cause"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        causes = dict.fromkeys(
            [*CAUSES.values(), "refused", "shortage", "closed", "claimed", "manual"]
        )
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
    actions_detail = ("same_answer",)

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
        return render_to_string("routing/decision_card.html", {"decision": decision, "whole": True})

    @action(description="Same answer?", url_path="same-answer", icon="fact_check",
            permissions=["view"])  # fmt: skip
    def same_answer(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask the engine again with the kept inputs, and say what differs."""
        decision = found(Decision, object_id)
        context = {
            **self.admin_site.each_context(request), "decision": decision,
            "checked": checking.check(decision), "title": "The same input, the same answer",
        }  # fmt: skip
        return TemplateResponse(request, "routing/checked.html", context)


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
