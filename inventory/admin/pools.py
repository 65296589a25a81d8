"""What channels may promise from."""

from django.contrib import admin

from config.console import ModelAdmin, TabularInline
from inventory.models import PoolLocation, StockPool


class PoolLocationInline(TabularInline):
    """The stock points of a pool."""

    model = PoolLocation
    autocomplete_fields = ("location",)


@admin.register(StockPool)
class StockPoolAdmin(ModelAdmin):
    """What channels may promise from."""

    list_display = ("code", "name")
    inlines = (PoolLocationInline,)
    search_fields = ("code", "name")
