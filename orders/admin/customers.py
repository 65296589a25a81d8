"""People who buy, in the console."""

from django.contrib import admin

from config.console import (
    ReadOnlyAdmin,
)
from orders.models import (
    Customer,
)


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """People who buy."""

    list_display = ("email", "name", "phone", "created_at")
    search_fields = ("email", "name")
    ordering = ("-id",)
