"""The console's view of routing: rules that are versioned, decisions that are read."""

from typing import Any

from django import forms
from django.contrib.admin import SimpleListFilter
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import forms as pages
from config.console import ModelAdmin, ReadOnlyAdmin, action, display, register
from config.status import IllegalMove, MovedMeanwhile
from orders.models import Order
from routing import rules
from routing.decide import CAUSES, MOST_ATTEMPTS
from routing.models import Decision, EmissionFactor, Offer, Refusal, RuleSet, TariffBand

OUTCOMES = {"routed": "success", "partial": "warning", "unfillable": "danger"}
STATES = {"draft": "warning", "active": "success", "archived": "info"}


def _order_link(order: Order) -> SafeString:
    url = reverse("admin:orders_order_change", args=[order.pk])
    return format_html('<a href="{}">{}</a>', url, order.number)


def _badge(level: str, words: str) -> SafeString:
    return format_html('<span data-status="{}">{}</span>', level, words)


# --- rules ---------------------------------------------------------------------------------------

WEIGHTS = ("economic", "ecological", "logistical", "retail")
AMOUNTS = ("co2_price_per_kg", "central_bonus", "split_penalty", "late_penalty_per_day",
           "refusal_cost", "max_km")  # fmt: skip
LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(WEIGHTS, (0, 1000)),
    **dict.fromkeys(AMOUNTS, (0, 100_000)),
    "overstock_relief": (0, 1),
    "max_parcels": (1, 50),
    "max_attempts": (1, MOST_ATTEMPTS),
}


class RuleSetForm(forms.ModelForm):
    """Figures the engine can count with, and names that are new."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (least, most) in LIMITS.items():
            if name in self.fields:
                self.fields[name].validators += [
                    MinValueValidator(least), MaxValueValidator(most),
                ]  # fmt: skip

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if RuleSet.objects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(
                "There is a rule set of this name: open it and make a new version."
            )
        return name


@register(RuleSet)
class RuleSetAdmin(ModelAdmin):
    """How orders are routed. A draft may be edited; what decides or has decided stays as it is."""

    form = RuleSetForm
    list_display = ("name", "version", "state_", "covers", *WEIGHTS, "activated_at")
    list_filter = ("state",)
    list_filter_submit = False
    ordering = ("name", "-version")
    filter_horizontal = ("channels",)
    fieldsets = (
        (None, {"fields": ("name", "version", "state", "activated_at", "channels")}),
        ("What matters how much (0 takes it out, 1 leaves money as it is)", {"fields": WEIGHTS}),
        ("In the company's money", {"fields": ("co2_price_per_kg", "central_bonus",
            "overstock_relief", "split_penalty", "late_penalty_per_day", "refusal_cost")}),
        ("Limits", {"fields": ("max_parcels", "max_km", "max_attempts")}),
    )  # fmt: skip
    actions_detail = ("activate", "new_version")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RuleSet]:
        return super().get_queryset(request).prefetch_related("channels")

    def get_readonly_fields(self, request: HttpRequest, obj: RuleSet | None = None) -> tuple:
        always = ("version", "state", "activated_at")
        return always if obj is None else ("name", *always)

    def has_change_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        # The theme asks with an id in the place of the object.
        closed = isinstance(obj, RuleSet) and obj.state != RuleSet.State.DRAFT
        return not closed and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        draft = obj is not None and obj.state == RuleSet.State.DRAFT
        return draft and super().has_delete_permission(request, obj)

    @display(description="state", ordering="state")
    def state_(self, rule_set: RuleSet) -> SafeString:
        return _badge(STATES[rule_set.state], rule_set.get_state_display())

    @display(description="channels")
    def covers(self, rule_set: RuleSet) -> str:
        names = [channel.name for channel in rule_set.channels.all()]
        return ", ".join(names) or "every channel without its own"

    @action(description="Activate", url_path="activate", icon="play_circle",
            permissions=["change"])  # fmt: skip
    def activate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rule_set = get_object_or_404(RuleSet, pk=object_id)

        def effect(_: dict) -> str:
            rules.activate(rule_set_id=rule_set.pk)
            return f"{rule_set} decides from now on."

        return pages.ask(
            request, site=self.admin_site, title=f"Activate {rule_set}", form=pages.Form,
            effect=effect, back=_page(rule_set), submit="Activate",
            errors=(IllegalMove, MovedMeanwhile),
            text="It decides about every order routed from now on and can no longer be edited;"
            " the version that decided until now is archived.",
        )  # fmt: skip

    @action(description="New version", url_path="new-version", icon="content_copy",
            permissions=["change"])  # fmt: skip
    def new_version(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rule_set = get_object_or_404(RuleSet, pk=object_id)
        if request.method == "POST":
            draft = rules.new_version(rule_set_id=rule_set.pk)
            self.message_user(request, f"{draft} is a draft: edit it, then activate it.")
            return HttpResponseRedirect(_page(draft))
        return pages.ask(
            request, site=self.admin_site, title=f"New version of {rule_set}", form=pages.Form,
            effect=str, back=_page(rule_set), submit="Make a draft",
            text="A draft with the same figures, under the next number. Nothing changes for"
            " orders until it is activated.",
        )  # fmt: skip


def _page(rule_set: RuleSet) -> str:
    return reverse("admin:routing_ruleset_change", args=[rule_set.pk])


class TariffBandForm(forms.ModelForm):
    """Bands that a parcel can fall into."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, least in (("max_km", 1), ("max_g", 1), ("price", 0)):
            self.fields[name].validators.append(MinValueValidator(least))


@register(TariffBand)
class TariffBandAdmin(ModelAdmin):
    """What a parcel costs by distance and weight; decisions keep the tariff they were made by."""

    form = TariffBandForm
    list_display = ("max_km", "max_g", "price")
    list_editable = ("price",)
    list_display_links = ("max_km", "max_g")


class EmissionFactorForm(forms.ModelForm):
    """Figures that cannot be negative."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("kg_fixed_per_parcel", "kg_per_tkm_last_mile", "kg_per_tkm_linehaul",
                     "last_mile_km", "detour_factor"):  # fmt: skip
            self.fields[name].validators.append(MinValueValidator(0))


@register(EmissionFactor)
class EmissionFactorAdmin(ModelAdmin):
    """What moving a parcel emits, with its source."""

    form = EmissionFactorForm
    list_display = ("name", "kg_fixed_per_parcel", "kg_per_tkm_last_mile", "kg_per_tkm_linehaul",
                    "source", "year")  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not EmissionFactor.objects.exists() and super().has_add_permission(request)


# --- facts ---------------------------------------------------------------------------------------


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
        return _order_link(decision.order)

    @display(description="outcome", ordering="outcome")
    def outcome_(self, decision: Decision) -> SafeString:
        return _badge(OUTCOMES[decision.outcome], decision.get_outcome_display())

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
        return _order_link(refusal.line.order)


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
        return _order_link(offer.order)
