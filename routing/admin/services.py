"""What sending costs and emits: services, tariffs, factors."""

from config.console import ModelAdmin, StackedInline, TabularInline, register
from orders.models import DeliveryService
from routing.models import EmissionFactor, ServiceEmission, TariffBand


class EmissionInline(StackedInline):
    """How the service moves a parcel."""

    model = ServiceEmission
    extra = 0


class BandInline(TabularInline):
    """What a parcel costs by distance and weight; decisions keep the tariff they were made by."""

    model = TariffBand
    extra = 0


@register(DeliveryService)
class DeliveryServiceAdmin(ModelAdmin):
    """How parcels travel, what that costs and emits."""

    list_display = ("name", "carrier", "serves", "active", "position")
    inlines = (EmissionInline, BandInline)


@register(TariffBand)
class TariffBandAdmin(ModelAdmin):
    """The whole tariff, service by service."""

    list_display = ("service", "max_km", "max_g", "price")
    list_display_links = ("max_km", "max_g")
    list_editable = ("price",)
    list_filter = ("service",)
    list_filter_submit = False
    list_select_related = ("service",)


@register(EmissionFactor)
class EmissionFactorAdmin(ModelAdmin):
    """What vehicles emit, with the source."""

    list_display = ("name", "mode", "kg_per_tkm", "wtt_kg_per_tkm", "source", "year")
    list_filter = ("mode",)
    list_filter_submit = False
