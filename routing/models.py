"""Rules, tariffs and factors that decide; decisions and refusals that are kept."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models import Location
from orders.models import Allocation, Order, OrderLine, SalesChannel


class RuleSet(models.Model):
    """How the four factors are weighed. A version never changes once it is active."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        ACTIVE = "active", "active"
        ARCHIVED = "archived", "archived"

    name = models.CharField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    channels = models.ManyToManyField(
        SalesChannel, blank=True, help_text="none: for every channel without a rule set of its own"
    )
    economic = models.FloatField(default=1.0, help_text="weight of shipping and handling cost")
    ecological = models.FloatField(default=1.0, help_text="weight of CO2e at its price")
    logistical = models.FloatField(default=1.0, help_text="weight of the central warehouse")
    retail = models.FloatField(default=1.0, help_text="weight of overstock that must sell")
    co2_price_per_kg = models.DecimalField(max_digits=8, decimal_places=2, default="0.20")
    central_bonus = models.DecimalField(
        max_digits=8, decimal_places=2, default="0.50",
        help_text="money that a parcel from elsewhere must save",
    )  # fmt: skip
    overstock_relief = models.DecimalField(
        max_digits=4, decimal_places=3, default="0.050",
        help_text="share of the price credited per overstock unit that leaves",
    )  # fmt: skip
    split_penalty = models.DecimalField(max_digits=8, decimal_places=2, default="2.00")
    max_parcels = models.PositiveSmallIntegerField(null=True, blank=True)
    max_km = models.FloatField(null=True, blank=True)
    late_penalty_per_day = models.DecimalField(max_digits=8, decimal_places=2, default="3.00")
    refusal_cost = models.DecimalField(max_digits=8, decimal_places=2, default="4.00")
    max_attempts = models.PositiveSmallIntegerField(default=4)
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="ruleset_version_once"),
            models.UniqueConstraint(
                fields=["name"], condition=Q(state="active"), name="ruleset_one_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class TariffBand(models.Model):
    """One step of the shipping tariff: up to this far and this heavy costs this much."""

    max_km = models.PositiveIntegerField()
    max_g = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["max_km", "max_g"], name="tariff_band_once")
        ]
        ordering: ClassVar = ["max_km", "max_g"]

    def __str__(self) -> str:
        return f"up to {self.max_km} km, {self.max_g} g: {self.price}"


class EmissionFactor(models.Model):
    """What moving a parcel emits; the source and year stand beside the figures."""

    name = models.CharField(max_length=40, unique=True, default="parcel")
    kg_fixed_per_parcel = models.FloatField(default=0.27)
    kg_per_tkm_last_mile = models.FloatField(default=0.793)
    kg_per_tkm_linehaul = models.FloatField(default=0.097)
    last_mile_km = models.FloatField(default=30)
    detour_factor = models.FloatField(default=1.25)
    source = models.CharField(max_length=200)
    year = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.name} ({self.source}, {self.year})"


class Decision(models.Model):
    """One routing decision, kept whole: inputs, rules, every candidate, and the plan."""

    class Outcome(models.TextChoices):
        ROUTED = "routed", "routed"
        PARTIAL = "partial", "partly routed"
        UNFILLABLE = "unfillable", "unfillable"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="decisions")
    at = models.DateTimeField(default=timezone.now)
    cause = models.CharField(
        max_length=60, help_text="received, refused, retried, shortage, manual"
    )
    rule_set = models.ForeignKey(
        RuleSet, null=True, blank=True, on_delete=models.PROTECT, related_name="decisions"
    )
    engine_version = models.CharField(max_length=12)
    outcome = models.CharField(max_length=10, choices=Outcome)
    sentence = models.TextField(help_text="why, in one sentence")
    inputs = models.JSONField()
    result = models.JSONField(help_text="the plan and every candidate with its terms or why not")
    probability = models.FloatField(default=1.0, help_text="chance with which this was chosen")
    cost = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    kg_co2 = models.FloatField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["order", "-id"]), models.Index(fields=["at"])]

    def __str__(self) -> str:
        return f"decision {self.pk} of order {self.order_id}"


class Offer(models.Model):
    """A stock point was given a parcel or a pick-up by a decision, on this local day of its own.

    It counts against the day's capacity as long as one of its slices is at work there or has left;
    refused, requeued and canceled ones give their place back.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="offers")
    decision = models.ForeignKey(
        Decision, on_delete=models.CASCADE, related_name="offers", db_index=False
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="offers", db_index=False
    )
    day = models.DateField(help_text="in the stock point's time zone")
    slices = ArrayField(models.BigIntegerField(), help_text="ids of the slices in it")
    lines = models.PositiveIntegerField()
    units = models.PositiveIntegerField()
    delivery = models.CharField(
        max_length=8, default="ship", db_default="ship",
        help_text="which capacity of the day it takes",
    )  # fmt: skip
    capacity = models.PositiveIntegerField(
        null=True, help_text="orders the stock point took that day, as it was then"
    )
    capacity_units = models.PositiveIntegerField(
        null=True, help_text="units the stock point took that day, as it was then"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["decision", "location"], name="offer_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["day", "location"], include=["lines"], name="offer_day")
        ]

    def __str__(self) -> str:
        return f"{self.units} units of order {self.order_id} at {self.location_id}"


class Refusal(models.Model):
    """A stock point said no to units of a line: it is not asked again for that line."""

    class Reason(models.TextChoices):
        NOT_FOUND = "not_found", "not found on the shelf"
        DAMAGED = "damaged", "damaged"
        TOO_BUSY = "too_busy", "no time today"
        CLOSED = "closed", "closed"
        OTHER = "other", "other"

    line = models.ForeignKey(OrderLine, on_delete=models.CASCADE, related_name="refusals")
    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="refusals")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="refusals")
    quantity = models.PositiveIntegerField()
    reason = models.CharField(max_length=12, choices=Reason)
    note = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["line", "location"]),
            models.Index(fields=["location", "at"]),
        ]

    def __str__(self) -> str:
        return f"{self.location_id} refused line {self.line_id}: {self.get_reason_display()}"
