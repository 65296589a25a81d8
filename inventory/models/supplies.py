"""Future stock: what is on its way, how much of it is promised, and how reliable its sender is."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models.catalog import Product
from inventory.models.places import Location


class Supply(models.Model):
    """One product of a purchase order or of an advance shipping notice, on its way.

    What can be promised from it is quantity - received - claimed. `claimed` is the sum of its
    reservations, moved with them in one statement (inventory/ledger/supply.py). When fewer come
    than are promised, it exceeds what is to come until the work "supply" has found the newest
    promises another source (orders/backorders.py).
    """

    class Kind(models.TextChoices):
        PURCHASE = "purchase", "purchase order"
        NOTICE = "notice", "shipping notice"
        RETURN = "return", "expected return"
        OVERSELL = "oversell", "oversell limit"

    class State(models.TextChoices):
        OPEN = "open", "on its way"
        RECEIVED = "received", "received"
        CANCELED = "canceled", "canceled"

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PURCHASE)
    reference = models.CharField(max_length=40, help_text="purchase order number")
    notice = models.CharField(max_length=40, blank=True, help_text="shipping notice number")
    supplier = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="supplies_sent"
    )
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="supplies")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="supplies")
    quantity = models.PositiveIntegerField()
    first_quantity = models.PositiveIntegerField(default=0, help_text="as it was ordered first")
    received = models.PositiveIntegerField(default=0, help_text="refused ones are among them")
    refused = models.PositiveIntegerField(default=0, help_text="arrived, but not sellable")
    claimed = models.PositiveIntegerField(default=0, help_text="promised to orders")
    eta = models.DateField(null=True, blank=True, help_text="expected at the stock point")
    first_eta = models.DateField(null=True, blank=True, help_text="as it was promised first")
    promisable = models.BooleanField(default=True, help_text="channels may promise from it")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL,
        help_text="who looks after promises that it cannot keep",
    )  # fmt: skip
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "purchase order line"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reference", "notice", "product", "location"], name="supply_once"
            ),
            models.CheckConstraint(
                condition=Q(refused__lte=F("received")), name="supply_refused_were_received"
            ),
            models.CheckConstraint(
                condition=Q(state="open") | Q(claimed=0), name="supply_ended_promises_nothing"
            ),
            models.CheckConstraint(
                condition=Q(kind="oversell") | ~Q(eta=None), name="supply_has_a_date"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["product", "eta"], condition=Q(state="open"), name="supply_open"),
            models.Index(
                fields=["supplier", "-closed_at"], condition=Q(state="received"),
                name="supply_closed",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.reference}: {self.quantity} x {self.product_id}"

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What its sender knows it by: purchase order, notice, product and stock point."""
        return self.reference, self.notice, self.product_id, self.location_id

    @property
    def free(self) -> int:
        """Units that can still be promised."""
        return max(self.quantity - self.received - self.claimed, 0)


class SupplyReceipt(models.Model):
    """Units of a supply that arrived at once."""

    supply = models.ForeignKey(Supply, on_delete=models.CASCADE, related_name="receipts")
    quantity = models.PositiveIntegerField(help_text="refused ones are among them")
    refused = models.PositiveIntegerField(default=0)
    days_late = models.IntegerField(help_text="after the first date; early is negative")
    key = models.CharField(max_length=100, unique=True)
    actor = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, refused__lte=F("quantity")), name="receipt_quantities"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.supply_id}"


class Supplier(models.Model):
    """How reliable a sender has been, measured when one of its supplies closes."""

    location = models.OneToOneField(
        Location, primary_key=True, on_delete=models.CASCADE, related_name="reliability"
    )
    lines = models.PositiveIntegerField(default=0, help_text="closed lines this is measured from")
    days_late = models.FloatField(default=0, help_text="mean of the lines, early counts as 0")
    days_late_p80 = models.FloatField(default=0, help_text="four of five lines are not later")
    short = models.FloatField(default=0, help_text="share of ordered units that never came")
    measured_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "supplier reliability"
        verbose_name_plural = "supplier reliability"

    def __str__(self) -> str:
        return f"{self.location}: {self.days_late:.1f} days late, {self.short:.0%} short"
