"""What we have, where, and what is promised. Stock rows are written by inventory/ledger.py only."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Product(models.Model):
    """One SKU: the smallest thing that is stocked and sold."""

    sku = models.CharField("SKU", max_length=64, unique=True)
    gtin = models.CharField("GTIN", max_length=14, null=True, blank=True, unique=True)
    style = models.CharField(max_length=64, blank=True, db_index=True)
    name = models.CharField(max_length=200)
    color = models.CharField(max_length=40, blank=True)
    size = models.CharField(max_length=20, blank=True)
    category = models.CharField(max_length=60, blank=True, db_index=True)
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


class Location(models.Model):
    """A stock point: anything that holds stock we may promise from."""

    class Kind(models.TextChoices):
        WAREHOUSE = "warehouse", "warehouse"
        STORE = "store", "store"
        SUPPLIER = "supplier", "supplier"
        DISTRIBUTOR = "distributor", "distributor"

    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind)
    is_central = models.BooleanField("central warehouse", default=False)
    line1 = models.CharField("address", max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2)
    lat = models.FloatField("latitude")
    lng = models.FloatField("longitude")
    timezone = models.CharField(max_length=64, default="UTC")
    opening_hours = models.JSONField(
        default=dict, blank=True, help_text='{"mon": [["10:00", "19:00"]], ..., "sun": []}'
    )
    cutoff = models.TimeField(
        default="15:00", help_text="orders until then leave the same day, local time"
    )
    lead_days = models.PositiveSmallIntegerField(
        default=0, help_text="working days before it can hand over"
    )
    can_ship = models.BooleanField(default=True)
    can_pickup = models.BooleanField("pick-up", default=False)
    can_receive_returns = models.BooleanField(default=True)
    capacity_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="parcels per local day; empty is no limit, 0 is closed"
    )
    handling_order = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    handling_line = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    online = models.BooleanField("sells online", default=True)
    wms_url = models.URLField(
        "WMS address", blank=True, help_text="work is posted there; empty: staff pages or REST pull"
    )
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["code"]
        verbose_name = "stock point"

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


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


class Stock(models.Model):
    """The running sum of the ledger for one product at one stock point.

    Free to promise = on_hand - unavailable - safety - reserved; never stored, always computed.
    """

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="stock")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="stock")
    on_hand = models.IntegerField(default=0, help_text="units physically there")
    reserved = models.IntegerField(default=0, help_text="of these, claimed")
    unavailable = models.IntegerField(default=0, help_text="of these, damaged, missing, on hold")
    safety = models.PositiveIntegerField(default=0, help_text="units never promised online")
    target = models.PositiveIntegerField(
        null=True, blank=True, help_text="units wanted here; more than that is overstock"
    )
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "stock"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["product", "location"], name="stock_once"),
            models.CheckConstraint(condition=Q(on_hand__gte=0), name="stock_on_hand_not_negative"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0), name="stock_reserved_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(unavailable__gte=0), name="stock_unavailable_not_negative"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["location"],
                condition=Q(reserved__gt=F("on_hand") - F("unavailable")),
                name="stock_short",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} at {self.location_id}"

    @property
    def free(self) -> int:
        """Units that can still be promised here."""
        return max(self.on_hand - self.unavailable - self.safety - self.reserved, 0)


class StockMovement(models.Model):
    """One line of the ledger. Append-only: a trigger refuses UPDATE and DELETE."""

    class Kind(models.TextChoices):
        OPENING = "opening", "opening stock"
        FEED = "feed", "stock feed"
        ADJUSTMENT = "adjustment", "adjustment"
        RESERVE = "reserve", "reserved"
        RELEASE = "release", "released"
        SALE = "sale", "handed over"
        RETURN = "return", "returned"
        BLOCK = "block", "made unavailable"
        UNBLOCK = "unblock", "made available"
        RECEIPT = "receipt", "received"

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="movements")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="movements")
    kind = models.CharField(max_length=12, choices=Kind)
    on_hand = models.IntegerField(default=0, help_text="change")
    reserved = models.IntegerField(default=0, help_text="change")
    unavailable = models.IntegerField(default=0, help_text="change")
    on_hand_after = models.IntegerField()
    reserved_after = models.IntegerField()
    unavailable_after = models.IntegerField()
    reason = models.CharField(max_length=100, blank=True)
    cause_type = models.CharField(max_length=30, blank=True, help_text="order, parcel, return, job")
    cause_id = models.BigIntegerField(null=True, blank=True)
    key = models.CharField(max_length=100, null=True, blank=True, unique=True)
    actor = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "movement"
        indexes: ClassVar = [
            models.Index(fields=["product", "location", "id"]),
            models.Index(fields=["cause_type", "cause_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.product_id} at {self.location_id}"


class Reservation(models.Model):
    """A claim on stock. The row exists exactly as long as the claim does: to release is to delete.

    History is in the ledger, so `Stock.reserved` is the sum of the rows that are there.
    """

    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    location = models.ForeignKey(Location, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    owner_type = models.CharField(max_length=20, help_text="order, hold or transfer")
    owner_id = models.BigIntegerField()
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="reservation_positive")
        ]
        indexes: ClassVar = [
            models.Index(fields=["owner_type", "owner_id"]),
            models.Index(
                fields=["expires_at"], condition=~Q(expires_at=None), name="reservation_expiring"
            ),
            models.Index(fields=["product", "location"]),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id} at {self.location_id}"


class Supply(models.Model):
    """Future stock: one product of a purchase order, on its way to a stock point."""

    class State(models.TextChoices):
        OPEN = "open", "on its way"
        RECEIVED = "received", "received"
        CANCELED = "canceled", "canceled"

    reference = models.CharField(max_length=40, help_text="purchase order number")
    supplier = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="supplies_sent")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="supplies")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="supplies")
    quantity = models.PositiveIntegerField()
    received = models.PositiveIntegerField(default=0)
    eta = models.DateField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)

    class Meta:
        verbose_name = "purchase order line"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reference", "product", "location"], name="supply_once"
            ),
            models.CheckConstraint(
                condition=Q(received__lte=F("quantity")), name="supply_not_over_received"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.quantity} x {self.product_id}"
