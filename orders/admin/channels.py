"""Sales channels and their keys in the console."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from config import forms
from config.console import (
    ModelAdmin,
    TabularInline,
    action,
    found,
)
from orders.admin import checks
from orders.admin.published import ChannelForm
from orders.models import (
    ApiKey,
    SalesChannel,
)


class ApiKeyInline(TabularInline):
    """Keys are made by an action; here they can be revoked."""

    model = ApiKey
    fields = ("name", "prefix", "scopes", "revoked", "created")
    readonly_fields = ("prefix", "created")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SalesChannel)
class SalesChannelAdmin(ModelAdmin):
    """Channels, their pool and their keys."""

    form = ChannelForm
    list_display = ("code", "name", "kind", "pool", "currency", "on_shortage", "active")
    list_filter = ("kind", "active")
    inlines = (ApiKeyInline,)
    actions_detail = ("new_key",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        own = [name for name in self.get_fields(request, obj) if name not in checks.FIELDS]
        return [(None, {"fields": own}), *checks.FIELDSETS]

    @action(description="New API key", permissions=["change"], url_path="new-key", icon="key")
    def new_key(self, request: HttpRequest, object_id: int) -> HttpResponse:
        from orders.keys import CHANNEL_SCOPES  # noqa: PLC0415  (keys imports DRF's settings)

        channel = found(SalesChannel, object_id)

        def effect(data: dict) -> str:
            _, secret = ApiKey.objects.create_key(
                name=data["name"], channel=channel, scopes=CHANNEL_SCOPES
            )
            return f"The key, shown only now: {secret}"

        return forms.ask(
            request, site=self.admin_site, title=f"New API key for {channel}", form=KeyForm,
            effect=effect, submit="Make the key",
            back=reverse("admin:orders_saleschannel_change", args=[channel.pk]),
        )  # fmt: skip


class KeyForm(forms.Form):
    """What the key is for."""

    name = forms.Text(max_length=50, help_text="who will use it, e.g. shop server 2")
