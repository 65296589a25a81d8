"""Safety stock and thresholds by rule: who sets them, where they hold, and how much they match."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from config.console import ModelAdmin, display, moment
from inventory import stock_rules
from inventory.models import Location, Product, StockRule

MOST_SKUS = 1_000
SHOWN = 3
NOT_PLACES = (
    "A threshold holds for pools, not for single stock points: leave the stock points empty, or"
    " make it safety stock."
)
NOT_POOLS = (
    "Safety stock holds for stock points, not for pools: leave the pools empty, or make it a"
    " threshold."
)
Kind = StockRule.Kind


class Words(forms.CharField):
    """Several words, apart by commas or line ends; each one once."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value).replace("\n", ",")
        return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


class StockRuleForm(forms.ModelForm):
    """Conditions in words that exist: a rule for a category nobody has would match nothing."""

    categories = Words(required=False, widget=UnfoldAdminTextInputWidget(),
                       help_text="apart by commas; empty: all")  # fmt: skip
    tags = Words(required=False, widget=UnfoldAdminTextInputWidget(),
                 help_text="products with any of these, apart by commas; empty: all")  # fmt: skip
    skus = Words(required=False, widget=UnfoldAdminTextareaWidget({"rows": 3}), label="SKUs",
                 help_text="apart by commas or one a line; empty: all")  # fmt: skip
    location_kinds = forms.MultipleChoiceField(
        required=False, choices=Location.Kind.choices, label="kinds of stock points",
        widget=UnfoldAdminCheckboxSelectMultipleWidget(), help_text="none: all",
    )  # fmt: skip

    def clean_categories(self) -> list[str]:
        return self._known("categories", Product.objects.values_list("category", flat=True))

    def clean_skus(self) -> list[str]:
        if len(self.cleaned_data["skus"]) > MOST_SKUS:
            raise forms.ValidationError(
                f"These are more than {MOST_SKUS:,} SKUs: give the products a tag and name that."
            )
        given = self.cleaned_data["skus"]
        known = Product.objects.filter(sku__in=given).values_list("sku", flat=True)
        return self._known("skus", known)

    def _known(self, name: str, known: QuerySet) -> list[str]:
        given: list[str] = self.cleaned_data[name]
        unknown = sorted(set(given) - set(known.distinct())) if given else []
        if unknown:
            more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
            raise forms.ValidationError(f"No product has: {', '.join(unknown[:SHOWN])}{more}.")
        return given

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        starts, ends = data.get("starts"), data.get("ends")
        if starts and ends and ends < starts:
            self.add_error("ends", "The season ends before it begins.")
        kind = data.get("kind")
        if kind == Kind.THRESHOLD and (data.get("locations") or data.get("location_kinds")):
            self.add_error("kind", NOT_PLACES)
        if kind == Kind.SAFETY and data.get("pools"):
            self.add_error("kind", NOT_POOLS)
        return data


@admin.register(StockRule)
class StockRuleAdmin(ModelAdmin):
    """Units kept back; applied when saved, and as seasons begin and end."""

    form = StockRuleForm
    list_display = ("name", "kind", "units", "where", "season", "position", "active", "matching",
                    "sets", "changed")  # fmt: skip
    list_editable = ("position", "active")
    list_filter = ("kind", "active")
    list_filter_submit = False
    search_fields = ("name",)
    ordering = ("kind", "position", "id")
    autocomplete_fields = ("locations", "pools")
    empty_words = (
        "Without rules every stock row keeps back its own figure. Add a rule to keep units back "
        "for a kind of stock point, a category or a season."
    )
    fieldsets = (
        (None, {"fields": ("name", "kind", ("units", "position"), "active", "matches")}),
        ("Which products", {"fields": ("categories", "tags", "skus")}),
        ("Which stock points (safety stock)", {"fields": ("locations", "location_kinds")}),
        ("Which pools (threshold)", {"fields": ("pools",)}),
        ("Season", {"fields": ("starts", "ends")}),
        ("What it does now", {"fields": ("sets", "changed")}),
    )
    readonly_fields = ("matches", "sets", "changed")

    class Media:
        js = ("live_count.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockRule]:
        return super().get_queryset(request).prefetch_related("locations", "pools")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        page = super().get_changelist_instance(request)
        figures, found = stock_rules.in_force(), stock_rules.all_matches()  # for the whole list
        for rule in page.result_list:
            rule.figures, rule.found = figures.get(rule.pk, 0), found.get(rule.pk)
        return page

    # --- what it says ---

    @display(description="where")
    def where(self, rule: StockRule) -> str:
        kinds = dict(Location.Kind.choices)
        parts = [
            [place.code for place in rule.locations.all()],
            [kinds[kind] for kind in rule.location_kinds if kind in kinds],
            [pool.name for pool in rule.pools.all()], rule.categories, rule.tags, rule.skus,
        ]  # fmt: skip
        words = [", ".join(part[:SHOWN]) + " …" * (len(part) > SHOWN) for part in parts if part]
        return "; ".join(words) or "everywhere"

    @display(description="season")
    def season(self, rule: StockRule) -> str:
        if not rule.starts and not rule.ends:
            return "always"
        return f"{rule.starts or '…'} to {rule.ends or '…'}"

    @display(description="matches")
    def matching(self, rule: Any) -> str:
        return str(rule.found)

    @display(description="in force for")
    def sets(self, rule: Any) -> str:
        if rule.pk is None:
            return "-"
        if not hasattr(rule, "figures"):
            rule.figures = stock_rules.in_force().get(rule.pk, 0)
        what = "stock row" if rule.kind == Kind.SAFETY else "product"
        return f"{rule.figures:,} {what}{'s' * (rule.figures != 1)}"

    @display(description="last change")
    def changed(self, rule: StockRule) -> str:
        return f"{moment(rule.updated_at)} by {rule.updated_by or 'nobody known'}"

    @display(description="matches")
    def matches(self, rule: StockRule) -> SafeString:
        words = str(stock_rules.matches(stock_rules.conditions(rule))) if rule.pk else "…"
        return format_html(
            '<output data-live-count="{}" aria-live="polite">{}</output>',
            reverse("admin:inventory_stockrule_matches"), words,
        )  # fmt: skip

    # --- live count ---

    def get_urls(self) -> list[URLPattern]:
        own = path("matches/", self.admin_site.admin_view(self.count_view),
                   name="inventory_stockrule_matches")  # fmt: skip
        return [own, *super().get_urls()]

    def count_view(self, request: HttpRequest) -> HttpResponse:
        """What the form as it stands would match, in words."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        form = self.get_form(request)(request.POST)
        form.is_valid()
        wrong = [name for name in ("categories", "tags", "skus", "locations", "location_kinds",
                                   "pools") if name in form.errors]  # fmt: skip
        if wrong:
            return _plain(" ".join(form.errors[wrong[0]]))
        data = form.cleaned_data
        rule = stock_rules.Conditions(
            kind=request.POST.get("kind") or Kind.SAFETY,
            locations=[place.pk for place in data.get("locations", ())],
            location_kinds=data.get("location_kinds", ()),
            pools=[pool.pk for pool in data.get("pools", ())],
            categories=data.get("categories", ()), tags=data.get("tags", ()),
            skus=data.get("skus", ()),
        )  # fmt: skip
        return _plain(str(stock_rules.matches(rule)))

    # --- what it does ---

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.updated_by = request.user.get_username()
        obj.updated_at = timezone.now()
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        applied = stock_rules.apply_soon(actor=request.user.get_username())
        self.message_user(request, f"Applied: {applied}.")

    def delete_model(self, request: HttpRequest, obj: StockRule) -> None:
        self._drop(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[StockRule]) -> None:
        for rule in queryset:
            self._drop(request, rule)

    def _drop(self, request: HttpRequest, rule: StockRule) -> None:
        applied = stock_rules.drop(rule, actor=request.user.get_username())
        words = "It goes when its figures are gone" if applied.later else "Applied"
        self.message_user(request, f"{words}: {applied}.", level=messages.INFO)


def _plain(words: str) -> HttpResponse:
    return HttpResponse(words, content_type="text/plain; charset=utf-8")
