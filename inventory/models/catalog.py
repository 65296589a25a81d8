"""What is stocked and sold."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Product(models.Model):
    """One SKU: the smallest thing that is stocked and sold.

    Quantities are whole numbers of its own smallest unit: what is sold by 100 g is counted in
    hundreds of grams, so nothing is ever rounded.
    """

    sku = models.CharField("SKU", max_length=64, unique=True)
    gtin = models.CharField("GTIN", max_length=14, null=True, blank=True, unique=True)
    style = models.CharField(max_length=64, blank=True, db_index=True)
    name = models.CharField(max_length=200)
    color = models.CharField(max_length=40, blank=True)
    size = models.CharField(max_length=20, blank=True)
    category = models.CharField(max_length=60, blank=True, db_index=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    unit = models.CharField(
        max_length=20, default="piece", help_text="what one unit is: piece, pair, 100 g"
    )
    weight_g = models.PositiveIntegerField(default=0)
    length_mm = models.PositiveIntegerField(default=0)
    width_mm = models.PositiveIntegerField(default=0)
    height_mm = models.PositiveIntegerField(default=0)
    price = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    season_end = models.DateField(null=True, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["sku"]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"
