"""Stock points: what they are, can do and can take."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from config.console import ModelAdmin
from inventory.models import Location


@admin.register(Location)
class LocationAdmin(ModelAdmin):
    """Stock points; the switches act at once."""

    list_display = ("code", "name", "kind", "country", "timezone", "capacity_per_day", "online",
                    "active")  # fmt: skip
    list_filter = ("kind", "country", "online", "active")
    search_fields = ("code", "name", "city")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # history stays readable: close it with "active" instead
