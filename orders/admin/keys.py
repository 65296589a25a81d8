"""API keys of stock points and of the company's own systems; a channel's are on its page."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from config import forms
from config.console import ReadOnlyAdmin, action, display, found
from inventory.models import Location
from orders.models import ApiKey

COMPANY = ""


class KeyForm(forms.Form):
    """Whose key it is, and what for."""

    name = forms.Text(max_length=50, help_text="who will use it, e.g. ERP, WMS Lyon")
    location = forms.Choice(
        required=False, label="Stock point", help_text="none: the company's own systems, which may"
        " set the stock of every stock point, start runs and look after what is unfillable",
    )  # fmt: skip

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        places = Location.objects.filter(active=True).values_list("code", "name")
        self.fields["location"].choices = [(COMPANY, "the company"), *places]  # type: ignore[attr-defined]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Who may call; a key itself is shown once, when it is made."""

    list_display = ("name", "owner", "prefix", "scopes", "created", "revoked")
    list_filter = ("revoked", "channel", "location")
    list_select_related = ("channel", "location")
    search_fields = ("name", "prefix", "channel__name", "location__name")
    ordering = ("-created",)
    fields = ("name", "owner", "prefix", "scopes", "created", "expiry_date", "revoked")
    readonly_fields = fields
    actions_list = ("new_system_key",)
    actions_detail = ("revoke",)
    empty_words = "Make one with New API key; a channel's keys are made on the channel's page."

    @display(description="whose")
    def owner(self, key: ApiKey) -> str:
        return str(key.channel or key.location or "the company's systems")

    @action(description="New API key", permissions=["handle"], url_path="new", icon="key")
    def new_system_key(self, request: HttpRequest) -> HttpResponse:
        from orders.keys import COMPANY_SCOPES, LOCATION_SCOPES  # noqa: PLC0415  (DRF's settings)

        def effect(data: dict) -> str:
            place = Location.objects.filter(code=data["location"]).first()
            _, secret = ApiKey.objects.create_key(
                name=data["name"], location=place,
                scopes=LOCATION_SCOPES if place else COMPANY_SCOPES,
            )  # fmt: skip
            return f"The key, shown only now: {secret}"

        return forms.ask(
            request, site=self.admin_site, title="New API key", form=KeyForm, effect=effect,
            submit="Make the key", back=reverse("admin:orders_apikey_changelist"),
            text="For a stock point's own system (its work and its stock), or for the company's.",
        )  # fmt: skip

    @action(description="Revoke", permissions=["handle"], url_path="revoke", icon="block")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = found(ApiKey, object_id)  # type: ignore[arg-type]

        def effect(_: dict) -> str:
            ApiKey.objects.filter(pk=key.pk).update(revoked=True)
            return f"{key.name} can no longer call."

        return forms.ask(
            request, site=self.admin_site, title=f"Revoke {key.name}?", form=forms.Form,
            effect=effect, submit="Revoke", danger=True,
            back=reverse("admin:orders_apikey_changelist"),
            text="Calls with this key are refused from now on. That cannot be undone.",
        )  # fmt: skip
