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
    is_bundle = models.BooleanField(
        "bundle",
        default=False,
        db_default=False,
        help_text="sold as one, stocked as its components",
    )
    age_limit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="sold only to people of at least this age"
    )
    dangerous_goods = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="UN number and class, e.g. UN1266 3",
    )
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["sku"]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"


class BundleComponent(models.Model):
    """Units of a product in one unit of a bundle, and its part of the bundle's price."""

    bundle = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="components")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="part_of")
    quantity = models.PositiveSmallIntegerField(default=1)
    share = models.DecimalField(
        max_digits=12, decimal_places=4, default=1,
        help_text="weight of its part of the price, for all its units in one bundle",
    )  # fmt: skip

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bundle", "product"], name="component_once"),
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0, share__gte=0), name="component_positive"
            ),
            models.CheckConstraint(
                condition=~models.Q(bundle=models.F("product")), name="component_not_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id} in {self.bundle_id}"
