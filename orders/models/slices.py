"""Where every unit of an order is, and what keeps it there."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from inventory.models import Location
from orders.models.order import Order, OrderLine


class Allocation(models.Model):
    """A quantity slice of an order line; every ordered unit is in exactly one.

    It waits in a queue, or holds stock at a stock point, or has left, or was canceled.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "to route"
        ALLOCATED = "allocated", "routed"
        ACCEPTED = "accepted", "accepted"
        PICKED = "picked", "picked"
        PACKED = "packed", "packed"
        READY = "ready", "ready for pick-up"
        SHIPPED = "shipped", "shipped"
        DELIVERED = "delivered", "delivered"
        COLLECTED = "collected", "collected"
        CANCELED = "canceled", "canceled"

    class Queue(models.TextChoices):
        ROUTING = "routing", "to route"
        BACKORDER = "backorder", "waits for supply"
        UNFILLABLE = "unfillable", "unfillable"
        PICKUP_REFUSED = "pickup_refused", "pick-up refused"

    line = models.ForeignKey(OrderLine, on_delete=models.CASCADE, related_name="allocations")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="allocations")
    quantity = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    queue = models.CharField(max_length=16, choices=Queue, blank=True)
    queue_reason = models.CharField(max_length=200, blank=True)
    next_action_at = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(
        null=True, blank=True, help_text="still unfillable then, it is canceled"
    )
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="allocations"
    )
    # No cascade and no protection: to release a claim is to delete its row (inventory/ledger.py).
    reservation = models.OneToOneField(
        "inventory.Reservation",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="allocation",
    )
    attempt = models.PositiveSmallIntegerField(default=0, help_text="how often it was refused")
    handed_over = models.BooleanField(
        default=False,
        db_default=False,
        help_text="a WMS or 3PL has it: it is asked before it is canceled",
    )
    cancel_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="the WMS or 3PL was asked to let go of it"
    )
    cancel_quantity = models.PositiveIntegerField(
        default=0, db_default=0, help_text="how many units it was asked to let go"
    )
    cancel_reason = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="as orders/cancellation.py"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL,
        help_text="who looks after it while it waits",
    )  # fmt: skip
    since = models.DateTimeField(default=timezone.now, help_text="in this state since")

    class Meta:
        verbose_name = "slice"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="allocation_positive"),
            models.CheckConstraint(
                condition=Q(state="queued") | Q(queue=""), name="allocation_queue_if_queued"
            ),
            models.CheckConstraint(
                condition=~Q(state="queued") | ~Q(queue=""), name="allocation_queued_has_queue"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["allocated", "accepted", "picked", "packed", "ready"])
                | (Q(reservation__isnull=False) & Q(location__isnull=False)),
                name="allocation_at_work_holds_stock",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["shipped", "delivered", "collected", "canceled"])
                | Q(reservation=None),
                name="allocation_ended_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(cancel_quantity=0, cancel_requested_at=None)
                | Q(
                    cancel_requested_at__isnull=False,
                    cancel_quantity__gt=0,
                    cancel_quantity__lte=models.F("quantity"),
                ),
                name="allocation_cancel_asked_of_some",
            ),
        ]
        permissions: ClassVar = [
            ("cancel_anyway", "Can cancel without the warehouse's answer"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["cancel_requested_at"],
                condition=Q(cancel_requested_at__isnull=False),
                name="allocation_cancel_asked",
            ),
            models.Index(
                fields=["state", "since"],
                condition=~Q(state__in=["delivered", "collected", "canceled"]),
                name="allocation_open",
            ),
            models.Index(
                fields=["queue", "since"], condition=Q(state="queued"), name="allocation_queued"
            ),
            models.Index(  # units promised in queues: read by every capture, so never all slices
                fields=["line"],
                condition=Q(state="queued", reservation=None),
                name="allocation_waiting",
            ),
            models.Index(
                fields=["location", "state"],
                condition=~Q(state__in=["delivered", "collected", "canceled"]),
                name="allocation_at_work",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x line {self.line_id} ({self.get_state_display()})"


class Hold(models.Model):
    """Something that blocks an order, as a record with a scope; several may be open at once.

    What each type blocks, and who may place and resolve it, is orders/holds.py.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        RESOLVED = "resolved", "resolved"
        CANCELED = "canceled", "canceled"

    class Type(models.TextChoices):
        MANUAL = "manual", "placed by staff"
        ADDRESS = "address", "address to check"
        PAYMENT = "payment", "payment problem"
        FRAUD = "fraud", "fraud check"
        CUSTOMER = "customer", "asked for by the customer"
        CONTACT = "contact", "contact data to check"
        DUPLICATE = "duplicate", "maybe a duplicate"
        PRICE = "price", "price to check"
        RESTRICTED = "restricted", "age or dangerous goods"
        SCHEDULED = "scheduled", "waits for its day"
        TEST = "test", "test order"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="holds")
    type = models.CharField(max_length=10, choices=Type)
    handle = models.CharField(max_length=60, help_text="unique per order: no hold is placed twice")
    reason = models.CharField(max_length=300)
    blocks = ArrayField(
        models.CharField(max_length=10), default=list, help_text="route, release, ship, refund"
    )
    slices = ArrayField(
        models.BigIntegerField(),
        default=list,
        db_default=Value([], ArrayField(models.BigIntegerField())),
        blank=True,
        help_text="empty: the whole order",
    )
    release_at = models.DateTimeField(
        null=True, blank=True, help_text="resolves itself at this time"
    )
    data = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text="findings; never personal data",
    )
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    placed_by = models.CharField(max_length=100)
    placed_at = models.DateTimeField(default=timezone.now)
    resolved_by = models.CharField(max_length=100, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "handle"], name="hold_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["placed_at"], condition=Q(state="open"), name="hold_open"),
            models.Index(
                fields=["release_at"],
                condition=Q(state="open", release_at__isnull=False),
                name="hold_release",
            ),
        ]
        permissions: ClassVar = [
            ("resolve_fraud", "Can resolve fraud checks"),
            ("resolve_payment", "Can resolve payment problems"),
            ("resolve_restricted", "Can resolve age and dangerous goods checks"),
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display()}: {self.reason}"
