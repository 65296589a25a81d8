"""Work of stock points: fulfillment orders, what they hold, and the parcels that left."""

from typing import ClassVar

from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from inventory.models import Location
from orders.destinations import Destination
from orders.models import Allocation, DeliveryGroup, Order


class FulfillmentOrder(models.Model):
    """Slices of one order for one destination that a stock point is asked to hand over together."""

    class State(models.TextChoices):
        NEW = "new", "new"
        ACCEPTED = "accepted", "accepted"
        PICKED = "picked", "picked"
        PACKED = "packed", "packed"
        READY = "ready", "ready for pick-up"
        DONE = "done", "handed over"
        REFUSED = "refused", "refused"
        CANCELED = "canceled", "canceled"

    OPEN = (State.NEW, State.ACCEPTED, State.PICKED, State.PACKED, State.READY)

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="fulfillment_orders")
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="fulfillment_orders"
    )
    group = models.ForeignKey(
        DeliveryGroup, null=True, blank=True, on_delete=models.PROTECT,
        related_name="fulfillment_orders", help_text="empty: the order's own destination",
    )  # fmt: skip
    state = models.CharField(max_length=8, choices=State, default=State.NEW)
    why = models.TextField(blank=True, help_text="the routing decision in one sentence")
    decision_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    accept_by = models.DateTimeField(
        null=True, blank=True, help_text="not accepted until then, it goes elsewhere"
    )
    offered_to = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="stock points it is open to; the first to take it has it"
    )
    ship_by = models.DateTimeField(null=True, blank=True)
    assigned_to = models.CharField(max_length=100, blank=True)
    wms_reference = models.CharField(max_length=100, blank=True)
    requested_at = models.DateTimeField(null=True, blank=True, help_text="the WMS took the message")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["location", "state", "ship_by"],
                condition=~Q(state__in=["done", "refused", "canceled"]),
                name="fulfillment_open",
            ),
            models.Index(fields=["location", "-id"]),
            models.Index(
                fields=["location", "ended_at"],
                condition=Q(state="done"),
                name="fulfillment_done",
            ),
            models.Index(
                fields=["accept_by"],
                condition=Q(state="new", accept_by__isnull=False),
                name="fulfillment_accept_by",
            ),
        ]
        permissions: ClassVar = [("pick_without_scan", "Can mark goods as picked without a scan")]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What staff call it."""
        return f"F{self.pk}"

    @property
    def destination(self) -> Destination:
        """Where it goes, or where the customer comes for it."""
        return Destination(self.order, self.group)

    @property
    def is_pickup(self) -> bool:
        """Whether the customer takes it over this stock point's counter."""
        return self.destination.is_over_counter(self.location_id)

    @property
    def delivery(self) -> str:
        """How it leaves here, of Order.Delivery: what a store sends to itself is picked up."""
        return Order.Delivery.PICKUP if self.is_pickup else self.destination.delivery


class FulfillmentLine(models.Model):
    """Units of one slice in a fulfillment order, and how many were scanned."""

    fulfillment_order = models.ForeignKey(
        FulfillmentOrder, on_delete=models.CASCADE, related_name="lines"
    )
    allocation = models.ForeignKey(
        Allocation, on_delete=models.CASCADE, related_name="fulfillment_lines"
    )
    quantity = models.PositiveIntegerField()
    picked = models.PositiveIntegerField(default=0)
    open = models.BooleanField(
        default=True, help_text="false when refused, canceled or handed over"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["allocation"], condition=Q(open=True), name="fulfillment_line_one_open"
            ),
            models.CheckConstraint(
                condition=Q(picked__lte=models.F("quantity")), name="fulfillment_not_over_picked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of slice {self.allocation_id}"


class PutBack(models.Model):
    """Picked units that nobody wants any more: they go from the packing table to the shelf.

    A note for people. The units were on hand all the time: no stock figure changes by it.
    """

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="put_backs")
    line = models.ForeignKey(FulfillmentLine, on_delete=models.CASCADE, related_name="put_backs")
    quantity = models.PositiveIntegerField()
    reason = models.CharField(max_length=100, help_text="why they are not wanted, in words")
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name = "put-back"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="put_back_positive"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["location", "created_at"],
                condition=Q(done_at=None),
                name="put_back_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} to put back at {self.location}"


class Parcel(models.Model):
    """What left a stock point together. Carrier facts live in tracking_status."""

    class Tracking(models.TextChoices):
        PRE_TRANSIT = "pre_transit", "label made"
        IN_TRANSIT = "in_transit", "on its way"
        OUT_FOR_DELIVERY = "out_for_delivery", "out for delivery"
        DELIVERED = "delivered", "delivered"
        RETURN_TO_SENDER = "return_to_sender", "going back"
        FAILURE = "failure", "delivery failed"
        AVAILABLE = "available_for_pickup", "waits in the store"
        COLLECTED = "collected", "collected in store"

    HEAVIEST_G = 1_000_000  # more is a slip of who types

    fulfillment_order = models.ForeignKey(
        FulfillmentOrder, on_delete=models.PROTECT, related_name="parcels"
    )
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="parcels")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="parcels")
    destination = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="arriving",
        help_text="the store it is sent to, where the customer collects it",
    )  # fmt: skip
    carrier = models.CharField(max_length=40, blank=True)
    tracking_number = models.CharField(max_length=60, blank=True)
    tracking_status = models.CharField(max_length=20, choices=Tracking, default=Tracking.IN_TRANSIT)
    tracking_at = models.DateTimeField(default=timezone.now, help_text="the carrier's own time")
    weight_g = models.PositiveIntegerField(default=0)
    service = models.CharField(
        max_length=40,
        default="",
        db_default="",
        blank=True,
        help_text="code of the delivery service it goes by",
    )
    km = models.FloatField(null=True, blank=True, help_text="great circle to where it goes")
    kg_co2_planned = models.FloatField("kg CO₂e planned", null=True, blank=True)
    kg_co2 = models.FloatField("kg CO₂e", null=True, blank=True)
    co2_basis = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text="what the figure was made from: routing.emissions",
    )
    shipped_at = models.DateTimeField(default=timezone.now)
    arrived_at = models.DateTimeField(null=True, blank=True, help_text="in the store it is for")
    delivered_at = models.DateTimeField(null=True, blank=True, help_text="the customer has it")
    received_by = models.CharField(
        max_length=100, blank=True, help_text="who took it at the counter; personal data"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["carrier", "tracking_number"],
                condition=~Q(tracking_number=""),
                name="parcel_tracking_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["shipped_at"]),
            models.Index(fields=["order"]),
            models.Index(
                fields=["destination", "arrived_at", "shipped_at"],
                condition=Q(destination__isnull=False, delivered_at=None),
                name="parcel_for_store",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_number}".strip() or f"parcel {self.pk}"


class ParcelLine(models.Model):
    """Units of one slice in a parcel; a slice leaves once."""

    parcel = models.ForeignKey(Parcel, on_delete=models.CASCADE, related_name="lines")
    allocation = models.OneToOneField(
        Allocation, on_delete=models.PROTECT, related_name="parcel_line"
    )
    quantity = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="parcel_line_positive")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of slice {self.allocation_id}"
