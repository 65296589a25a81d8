"""What sending costs and emits: tariffs by service, factors by vehicle, each with its source."""

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models

from orders.models import DeliveryService


class TariffBand(models.Model):
    """One step of a service's tariff: up to this far and this heavy costs this much."""

    service = models.ForeignKey(DeliveryService, on_delete=models.CASCADE, related_name="bands")
    max_km = models.PositiveIntegerField()
    max_g = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["service", "max_km", "max_g"], name="tariff_band_once")
        ]
        ordering: ClassVar = ["service", "max_km", "max_g"]

    def __str__(self) -> str:
        return f"up to {self.max_km} km, {self.max_g} g: {self.price}"


class EmissionFactor(models.Model):
    """What a vehicle emits per tonne and kilometer, driving and making its energy."""

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    mode = models.CharField(max_length=20, help_text="van, truck, rail, air, bike")
    kg_per_tkm = models.FloatField("kg CO₂e per tonne-km", validators=[MinValueValidator(0)])
    wtt_kg_per_tkm = models.FloatField(
        "and of its energy (well to tank)", default=0, validators=[MinValueValidator(0)]
    )
    source = models.CharField(max_length=200)
    year = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["mode", "name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.source}, {self.year})"


class ServiceEmission(models.Model):
    """How a service moves a parcel: a fixed part, and tonnes x km x factor in two legs."""

    service = models.OneToOneField(
        DeliveryService, on_delete=models.CASCADE, related_name="emission"
    )
    last_mile = models.ForeignKey(
        EmissionFactor, on_delete=models.PROTECT, related_name="+", help_text="the first kilometers"
    )
    linehaul = models.ForeignKey(
        EmissionFactor, on_delete=models.PROTECT, related_name="+", help_text="all others"
    )
    last_mile_km = models.FloatField(default=30, validators=[MinValueValidator(0)])
    detour_factor = models.FloatField(
        default=1.25, validators=[MinValueValidator(1)], help_text="road over great circle"
    )
    kg_fixed_per_parcel = models.FloatField(
        default=0.27, validators=[MinValueValidator(0)],
        help_text="sorting, packaging, the stop at the door",
    )  # fmt: skip

    def __str__(self) -> str:
        return f"emissions of {self.service_id}"
