"""What channels may promise from."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.console import ModelAdmin, TabularInline, display
from inventory.models import Location, PoolLocation, PoolThreshold, Stock, StockPool


class EachOnce(forms.BaseInlineFormSet):
    """Stock points of a pool, each at most once: twice would double its stock."""

    def get_unique_error_message(self, unique_check: Any) -> str:
        return "A stock point is in this pool twice: its stock would be counted double."


class _Words(forms.Widget):
    """Text instead of an input."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        return format_html("<span>{}</span>", self.words)


class _Fixed(forms.Field):
    """The stock point of a row that exists: another one is another row. Costs no question."""

    def __init__(self, place: Location) -> None:
        super().__init__(initial=place.pk, disabled=True, widget=_Words(str(place)))
        self.place = place

    def clean(self, value: Any) -> Location:
        return self.place


class PoolLocationForm(forms.ModelForm):
    """A stock point and what the pool leaves alone there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "location" in self.fields:
            self.fields["location"] = _Fixed(self.instance.location)


class PoolLocationInline(TabularInline):
    """The stock points of a pool."""

    model = PoolLocation
    form = PoolLocationForm
    formset = EachOnce
    autocomplete_fields = ("location",)
    hide_title = True
    verbose_name_plural = "stock points, and the units per SKU that the pool leaves alone there"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PoolLocation]:
        return super().get_queryset(request).select_related("pool", "location")


@admin.register(StockPool)
class StockPoolAdmin(ModelAdmin):
    """What channels may promise from."""

    list_display = ("code", "name", "channels", "points")
    inlines = (PoolLocationInline,)
    search_fields = ("code", "name")
    fieldsets = (
        (None, {"fields": ("code", "name")}),
        ("Who promises from it, and what is in it", {"fields": ("channels", "skus", "kept_back")}),
    )
    readonly_fields = ("channels", "skus", "kept_back")
    empty_words = "A channel promises from a pool: make one and name its stock points."

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockPool]:
        rows = super().get_queryset(request).prefetch_related("saleschannel_set")
        return rows.annotate(members=Count("poollocation"))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        """Says in words which channels need another pool first."""
        going, counts, perms, protected = super().get_deleted_objects(objs, request)
        if protected:
            protected = [
                f"The channel {channel} promises from it: give that channel another pool first."
                for pool in objs
                for channel in pool.saleschannel_set.all()
            ]
        return going, counts, perms, protected

    @display(description="stock points", ordering="members")
    def points(self, pool: StockPool) -> int:
        return pool.members  # type: ignore[attr-defined]

    @display(description="channels")
    def channels(self, pool: StockPool) -> SafeString | str:
        if pool.pk is None:
            return "-"
        rows = [
            (reverse("admin:orders_saleschannel_change", args=[channel.pk]), channel.name)
            for channel in pool.saleschannel_set.all()
        ]
        links = format_html_join(", ", '<a class="oms-link" href="{}">{}</a>', rows)
        return links or "no channel promises from it"

    @display(description="SKUs with stock")
    def skus(self, pool: StockPool) -> str:
        stock = Stock.objects.filter(location__poollocation__pool=pool.pk, on_hand__gt=0)
        return f"{stock.values('product').distinct().count():,}"

    @display(description="kept back by rule")
    def kept_back(self, pool: StockPool) -> str:
        count = PoolThreshold.objects.filter(pool=pool.pk).count()
        return f"thresholds on {count:,} product{'s' * (count != 1)}"
