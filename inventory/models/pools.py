"""Which stock a channel may promise from, and what is left alone of it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models.catalog import Product
from inventory.models.places import Location


class StockPool(models.Model):
    """Which stock points a channel may promise from."""

    code = models.SlugField(max_length=32, unique=True)
    name = models.CharField(max_length=100)
    locations = models.ManyToManyField(Location, through="PoolLocation", related_name="pools")

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.name


class PoolLocation(models.Model):
    """A stock point of a pool, at most once, with the units the pool leaves alone there."""

    pool = models.ForeignKey(StockPool, on_delete=models.CASCADE)
    location = models.ForeignKey(Location, on_delete=models.PROTECT)
    buffer = models.PositiveIntegerField(default=0, help_text="units per SKU not sold by this pool")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pool", "location"], name="pool_location_once")
        ]

    def __str__(self) -> str:
        return f"{self.pool} / {self.location}"


class StockRule(models.Model):
    """Units kept back where its conditions hold; of several that match, the last one counts.

    Every condition that is left empty holds for all. Applied at once when saved, and each day
    for seasons that begin and end (inventory/stock_rules.py).
    """

    class Kind(models.TextChoices):
        SAFETY = "safety", "safety stock at each stock point"
        THRESHOLD = "threshold", "threshold of a pool"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    position = models.PositiveIntegerField(default=100, help_text="later positions win")
    units = models.PositiveIntegerField(help_text="kept back per SKU")
    active = models.BooleanField(default=True)
    locations = models.ManyToManyField(
        Location, blank=True, help_text="safety stock: which stock points; empty: all"
    )
    location_kinds = ArrayField(
        models.CharField(max_length=12), default=list, blank=True, help_text="e.g. store"
    )
    pools = models.ManyToManyField(
        StockPool, blank=True, help_text="threshold: which channels' pools; empty: all"
    )
    categories = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    skus = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    starts = models.DateField(null=True, blank=True, help_text="first day of the season")
    ends = models.DateField(null=True, blank=True, help_text="last day of the season")
    updated_by = models.CharField(max_length=100, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["kind", "position", "id"]
        verbose_name = "stock rule"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(starts=None) | Q(ends=None) | Q(ends__gte=F("starts")),
                name="stock_rule_season",
            )
        ]

    def __str__(self) -> str:
        return self.name


class PoolThreshold(models.Model):
    """Units of a product that a pool keeps back in all, and the rule that says so."""

    pool = models.ForeignKey(StockPool, on_delete=models.CASCADE, related_name="thresholds")
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    units = models.PositiveIntegerField()
    rule = models.ForeignKey(StockRule, null=True, on_delete=models.CASCADE)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pool", "product"], name="pool_threshold_once")
        ]

    def __str__(self) -> str:
        return f"{self.units} of {self.product_id} in {self.pool_id}"
