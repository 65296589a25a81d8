"""Stock on the road between two of our stock points."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from inventory.models.catalog import Product
from inventory.models.places import Location


class Transfer(models.Model):
    """Units sent from one stock point to another; inventory/transfers.py moves it."""

    class Flow(models.TextChoices):
        BOTH = "both", "ship and receive"
        SHIP_ONLY = "ship_only", "ship only"
        RECEIVE_ONLY = "receive_only", "receive only"

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        CONFIRMED = "confirmed", "to ship"
        SHIPPED = "shipped", "on the road"
        PARTLY = "partly", "partly received"
        CLOSED = "closed", "closed"
        CANCELED = "canceled", "canceled"

    OPEN: ClassVar = (State.DRAFT, State.CONFIRMED, State.SHIPPED, State.PARTLY)

    reference = models.CharField(max_length=40, unique=True)
    flow = models.CharField(max_length=12, choices=Flow, default=Flow.BOTH)
    source = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="transfers_out"
    )
    destination = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="transfers_in"
    )
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    eta = models.DateField(null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)
    created_by = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    shipped_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(flow="receive_only", source=None)
                | Q(flow="ship_only", source__isnull=False, destination=None)
                | Q(flow="both", source__isnull=False, destination__isnull=False)
                & ~Q(source=F("destination")),
                name="transfer_ends",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["destination"], condition=Q(state__in=["confirmed", "shipped", "partly"]),
                name="transfer_coming",
            ),
            models.Index(
                fields=["source"], condition=Q(state__in=["confirmed", "shipped", "partly"]),
                name="transfer_going",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.reference


class TransferLine(models.Model):
    """Units of one product of a transfer: asked for, sent, and what became of them.

    In transit = sent - received - refused - lost, at least 0.
    """

    transfer = models.ForeignKey(Transfer, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField(help_text="asked for")
    sent = models.PositiveIntegerField(default=0)
    received = models.PositiveIntegerField(default=0, help_text="sellable, on the shelf")
    refused = models.PositiveIntegerField(default=0, help_text="arrived damaged")
    lost = models.PositiveIntegerField(default=0, help_text="never arrived, as found at closing")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["transfer", "product"], name="transfer_product_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="transfer_line_positive"),
            models.CheckConstraint(
                condition=Q(lost__lte=Greatest(F("sent") - F("received") - F("refused"), 0)),
                name="transfer_lost_were_sent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id}"

    @property
    def in_transit(self) -> int:
        """Units on the road; what is only shipped has left our sight."""
        if self.transfer.flow == Transfer.Flow.SHIP_ONLY:
            return 0
        return max(self.sent - self.received - self.refused - self.lost, 0)
