"""What sending costs and emits: services, tariffs, factors."""

from itertools import pairwise
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from config.console import ModelAdmin, StackedInline, action, display, found, register
from orders import services
from orders.models import DeliveryService
from routing.admin import tariff_page
from routing.models import EmissionFactor, ServiceEmission

STEPS = tuple(range(1, 8))
SPEEDS = [("standard", "standard"), ("express", "express")]


class EmissionInline(StackedInline):
    """How the service moves a parcel."""

    model = ServiceEmission
    extra = 1
    max_num = 1
    hide_title = True
    verbose_name_plural = "how it emits CO₂e"
    fields = (("last_mile", "last_mile_km"), ("linehaul", "detour_factor"), "kg_fixed_per_parcel")


def _number(label: str, most: int) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=False, min_value=0, max_value=most,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )  # fmt: skip


class ServiceForm(forms.ModelForm):
    """A service; how fast it is as steps of distance and working days."""

    serves = forms.MultipleChoiceField(
        choices=SPEEDS, widget=UnfoldAdminCheckboxSelectMultipleWidget(), label="Keeps the speeds",
        help_text="an order that asks for one of these may travel with it",
    )  # fmt: skip

    class Meta:
        model = DeliveryService
        exclude = ("transit",)  # noqa: DJ006  (its steps are fields of their own)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for i, (km, days) in enumerate(self.instance.transit[: len(STEPS)], 1):
            self.initial[f"km_{i}"] = km
            self.initial[f"days_{i}"] = days

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        steps = [(i, data.get(f"km_{i}"), data.get(f"days_{i}")) for i in STEPS]
        given = [step for step in steps if step[1:] != (None, None)]
        if not given:
            self.add_error("days_1", "In how many working days does it arrive?")
        for i, _, days in given:
            if days is None and f"days_{i}" not in self.errors:
                self.add_error(f"days_{i}", "How many working days?")
        for (_, km, days), (i, farther, later) in pairwise(given):
            if km is None:
                self.add_error(f"km_{i}", "The step before goes any farther already.")
            elif farther is not None and farther <= km:
                self.add_error(f"km_{i}", f"Must be farther than {km} km.")
            if days is not None and later is not None and later < days:
                self.add_error(f"days_{i}", f"Farther is not faster: at least {days} days.")
        self.instance.transit = [[km, days] for _, km, days in given]
        return data


ServiceForm.declared_fields.update(
    {f"km_{i}": _number("Up to km" if i == 1 else "then up to km", 20_100) for i in STEPS}
    | {f"days_{i}": _number("working days", 90) for i in STEPS}
)


@register(DeliveryService)
class DeliveryServiceAdmin(ModelAdmin):
    """How parcels travel, what that costs and emits."""

    form = ServiceForm
    list_display = ("name", "carrier", "keeps", "reaches", "prices", "emits", "active", "position")
    list_editable = ("active", "position")
    fieldsets = (
        (None, {"fields": (("name", "code"), ("carrier", "position"), "serves",
                           ("dangerous_goods", "active"))}),
        ("How fast it is", {
            "fields": tuple((f"km_{i}", f"days_{i}") for i in STEPS),
            "description": "Working days on the road by distance, nearest first. A last step"
            " without a distance is for any farther; without one, farther places are not served.",
        }),
    )  # fmt: skip
    inlines = (EmissionInline,)
    actions_detail = ("tariff", "upload")
    empty_words = "Without a delivery service nothing can be sent. Add one with its tariff."

    class Media:
        css: ClassVar = {"all": ("rules.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliveryService]:
        related = super().get_queryset(request).prefetch_related("bands")
        return related.select_related("emission__last_mile", "emission__linehaul")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # decisions name it: it is switched off

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("code",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.tariff_file)
        own = path("<int:pk>/tariff.csv", view, name="orders_deliveryservice_tariff_file")
        return [own, *super().get_urls()]

    def save_related(self, *args: Any) -> None:
        super().save_related(*args)
        services.forget()

    # --- what it says ---

    @display(description="speeds")
    def keeps(self, service: DeliveryService) -> str:
        return ", ".join(service.serves)

    @display(description="how fast")
    def reaches(self, service: DeliveryService) -> str:
        return "; ".join(
            (f"to {km:,} km " if km is not None else "farther ") + f"{days} day{'s' * (days != 1)}"
            for km, days in service.transit
        )

    @display(description="prices")
    def prices(self, service: Any) -> str:
        amounts = sorted(band.price for band in service.bands.all())
        return f"{len(amounts)}: {amounts[0]} to {amounts[-1]}" if amounts else "none yet"

    @display(description="travels by")
    def emits(self, service: Any) -> str:
        emission = getattr(service, "emission", None)
        if emission is None:
            return "not known"
        return " and ".join(dict.fromkeys([emission.last_mile.name, emission.linehaul.name]))

    # --- its tariff ---

    @action(description="Tariff", permissions=["change"], url_path="tariff", icon="payments")
    def tariff(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return tariff_page.page(request, found(DeliveryService, object_id), self.admin_site)

    @action(description="Tariff from a file", permissions=["change"], url_path="tariff-file",
            icon="upload_file")  # fmt: skip
    def upload(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return tariff_page.upload(request, found(DeliveryService, object_id), self.admin_site)

    def tariff_file(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The tariff as CSV."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        return tariff_page.download(found(DeliveryService, pk))


@register(EmissionFactor)
class EmissionFactorAdmin(ModelAdmin):
    """What vehicles emit, with the source."""

    list_display = ("name", "mode", "whole", "kg_per_tkm", "wtt_kg_per_tkm", "source", "year")
    list_filter = ("mode",)
    list_filter_submit = False
    empty_words = "Without factors CO₂e counts as nothing. Add vehicles with their source and year."

    @display(description="kg CO₂e per tonne-km, whole")
    def whole(self, factor: EmissionFactor) -> str:
        return f"{factor.kg_per_tkm + factor.wtt_kg_per_tkm:.5f}"
