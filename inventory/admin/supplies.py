"""What is on its way."""

from django.contrib import admin

from config.console import ReadOnlyAdmin
from inventory.models import Supply


@admin.register(Supply)
class SupplyAdmin(ReadOnlyAdmin):
    """Purchase orders on their way."""

    list_display = ("reference", "supplier", "location", "product", "quantity", "received", "eta",
                    "state")  # fmt: skip
    list_filter = ("state", "location", "supplier")
    list_select_related = ("supplier", "location", "product")
    search_fields = ("reference", "product__sku")
    ordering = ("eta",)
