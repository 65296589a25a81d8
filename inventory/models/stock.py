"""What is where, why, and for whom: the ledger, its running sum, and the claims on it."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from inventory.models.catalog import Product
from inventory.models.places import Location
from inventory.models.pools import StockRule
from inventory.models.supplies import Supply

# Why units that are on hand cannot be sold; each is a column of Stock.
BUCKETS = ("damaged", "quarantine", "quality_control", "display", "missing")


class Stock(models.Model):
    """The running sum of the ledger for one product at one stock point.

    Free to promise = on_hand - unavailable - safety - reserved; never stored, always computed.
    """

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="stock")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="stock")
    on_hand = models.IntegerField(default=0, help_text="units physically there")
    reserved = models.IntegerField(default=0, help_text="of these, claimed")
    damaged = models.IntegerField(default=0, db_default=0)
    quarantine = models.IntegerField(default=0, help_text="set aside until somebody decides")
    quality_control = models.IntegerField(default=0, db_default=0, help_text="to be inspected")
    display = models.IntegerField(default=0, db_default=0, help_text="shown, not sold")
    missing = models.IntegerField(
        default=0, db_default=0, help_text="not found when wanted; a count will tell"
    )
    unavailable = models.GeneratedField(
        expression=F("damaged") + F("quarantine") + F("quality_control") + F("display")
        + F("missing"),
        output_field=models.IntegerField(), db_persist=True,
        help_text="of the units on hand, those that cannot be sold",
    )  # fmt: skip
    safety = models.PositiveIntegerField(default=0, help_text="units never promised online")
    own_safety = models.PositiveIntegerField(
        default=0, db_default=0, help_text="safety where no rule matches"
    )
    safety_rule = models.ForeignKey(
        StockRule, null=True, blank=True, on_delete=models.SET_NULL, db_index=False,
        help_text="the rule that set safety; none: set by hand or file",
    )  # fmt: skip
    target = models.PositiveIntegerField(
        null=True, blank=True, help_text="units wanted here; more than that is overstock"
    )
    hot = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="shares it is split into for a hot sale"
    )
    counted_at = models.DateTimeField(null=True, blank=True)
    moved_at = models.DateTimeField(null=True, blank=True, help_text="when on hand last changed")
    source_at = models.DateTimeField(
        null=True, blank=True, help_text="the sender's own time of the newest level taken"
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
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{bucket}__gte": 0}), name=f"stock_{bucket}_not_negative"
                )
                for bucket in BUCKETS
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
        if {"product", "location"} <= self._state.fields_cache.keys():
            return f"{self.product.sku} at {self.location.name}"
        return f"{self.product_id} at {self.location_id}"

    @property
    def free(self) -> int:
        """Units that can still be promised here."""
        return max(self.on_hand - self.unavailable - self.safety - self.reserved, 0)


class StockMovement(models.Model):
    """One line of the ledger. Append-only: neither permission nor trigger lets it be rewritten.

    The stock row that it belongs to holds the foreign keys, so the ledger needs none of its own.
    `created_at` is taken while that row is locked: per product and place it never goes back.
    """

    class Kind(models.TextChoices):
        OPENING = "opening", "opening stock"
        FEED = "feed", "stock feed"
        ADJUSTMENT = "adjustment", "adjustment"
        COUNT = "count", "count"
        RESERVE = "reserve", "reserved"
        RELEASE = "release", "released"
        SALE = "sale", "handed over"
        TILL_SALE = "till_sale", "sold at a till"
        RETURN = "return", "returned"
        BLOCK = "block", "made unavailable"
        UNBLOCK = "unblock", "made available"
        RECEIPT = "receipt", "received"
        TRANSFER_OUT = "transfer_out", "sent to another stock point"
        TRANSFER_IN = "transfer_in", "came from another stock point"
        SAFETY = "safety", "safety stock set"
        REPAIR = "repair", "counter repaired"

    class Reason(models.TextChoices):
        """Why somebody changed stock by hand."""

        FOUND = "found", "found"
        LOST = "lost", "lost"
        DAMAGED = "damaged", "damaged"
        STOLEN = "stolen", "stolen"
        SAMPLE = "sample", "given as a sample"
        MIS_SHIP = "mis_ship", "shipped by mistake"
        TILL_SALE = "till_sale", "sold at a till"
        COUNT = "count", "counted"
        RETURN = "return", "returned"
        TRANSFER = "transfer", "transferred"
        CORRECTION = "correction", "correction of a mistake"

    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="movements", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="movements", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    kind = models.CharField(max_length=12, choices=Kind)
    on_hand = models.IntegerField(default=0, help_text="change")
    reserved = models.IntegerField(default=0, help_text="change")
    unavailable = models.IntegerField(default=0, help_text="change")
    safety = models.IntegerField(default=0, db_default=0, help_text="change")
    bucket = models.CharField(
        max_length=16, blank=True, db_default="", help_text="which unavailable units"
    )
    on_hand_after = models.IntegerField()
    reserved_after = models.IntegerField()
    unavailable_after = models.IntegerField()
    safety_after = models.IntegerField(null=True, help_text="null: safety did not change")
    reason = models.CharField(max_length=100, blank=True)
    note = models.CharField(max_length=200, blank=True, db_default="")
    cause_type = models.CharField(max_length=30, blank=True, help_text="order, parcel, return, job")
    cause_id = models.BigIntegerField(null=True, blank=True)
    key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001  (unique)
    actor = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "movement"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["key"], condition=~Q(key=None), name="movement_key_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["product", "location", "created_at", "id"], name="movement_of_stock"
            ),
            models.Index(  # what safety was at a moment, however many movements came after
                fields=["product", "location", "created_at", "id"],
                condition=~Q(safety_after=None), name="movement_of_safety",
            ),
            models.Index(
                fields=["cause_type", "cause_id"], condition=~Q(cause_id=None),
                name="movement_cause",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.product_id} at {self.location_id}"


class Reservation(models.Model):
    """A claim on stock at a stock point, or on a supply that is on its way.

    The row exists exactly as long as the claim does: to release is to delete. History is in the
    ledger, so `Stock.reserved` and `Supply.claimed` are the sums of the rows that are there.
    """

    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, db_constraint=False,
        db_index=False,
    )  # fmt: skip
    supply = models.ForeignKey(
        Supply, null=True, blank=True, on_delete=models.PROTECT, db_index=False
    )
    quantity = models.PositiveIntegerField()
    owner_type = models.CharField(max_length=20, help_text="order, basket, transfer or hot")
    owner_id = models.BigIntegerField()
    off_shelf = models.BooleanField(
        default=False, db_default=False, help_text="picked: a count does not find it on the shelf"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="reservation_positive"),
            models.CheckConstraint(
                condition=Q(location=None) ^ Q(supply=None), name="reservation_one_place"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["owner_type", "owner_id"]),
            models.Index(
                fields=["expires_at"], condition=~Q(expires_at=None), name="reservation_expiring"
            ),
            models.Index(fields=["product", "location"]),
            models.Index(
                fields=["supply"], condition=~Q(supply=None), name="reservation_of_supply"
            ),
            models.Index(
                fields=["product", "location", "id"], condition=Q(owner_type="hot"),
                name="reservation_hot",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id} at {self.location_id or self.supply_id}"


class StockChange(models.Model):
    """A mark: what can be promised of this product may have changed. Written by triggers of the
    database on stock, pools, stock points, rules and products; who publishes deletes it."""

    product_id = models.BigIntegerField(db_index=False)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"product {self.product_id}"


class SettingHistory(models.Model):
    """A row of configuration as it was from a moment on; null: it was deleted then.

    Written by triggers on stock points, pools and thresholds, so that what could be promised at
    any past moment can be computed with the switches of that moment (inventory/history.py).
    """

    table = models.CharField(max_length=40)
    row_id = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())
    data = models.JSONField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["table", "row_id", "-at"], name="setting_at")]

    def __str__(self) -> str:
        return f"{self.table} {self.row_id}"


class LedgerSeal(models.Model):
    """A hash over a range of the ledger's rows, chained to the seal before (inventory/seal.py)."""

    first_id = models.BigIntegerField(unique=True)
    last_id = models.BigIntegerField(unique=True)
    rows = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, help_text="sha256 of the previous digest and the rows")
    sealed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["last_id"]

    def __str__(self) -> str:
        return f"{self.first_id} to {self.last_id}"
