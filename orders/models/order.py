"""What was bought, by whom, and where every unit of it is.

An order's fulfillment and payment statuses are computed (orders/queries.py), never stored.
"""

from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Location, Product
from orders.models.channels import SalesChannel

NUMBER_BASE = 100_000


def money(**options: Any) -> models.DecimalField:
    """An amount in the order's currency; four places hold every ISO minor unit."""
    return models.DecimalField(max_digits=14, decimal_places=4, **options)


class Customer(models.Model):
    """A person who buys; known by e-mail address, in lower case."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.email


class Order(models.Model):
    """One purchase, once per (channel, external id)."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"
        CANCELED = "canceled", "canceled"

    class Delivery(models.TextChoices):
        SHIP = "ship", "ship to address"
        PICKUP = "pickup", "pick up in store"

    channel = models.ForeignKey(SalesChannel, on_delete=models.PROTECT, related_name="orders")
    external_id = models.CharField(max_length=100)
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="orders"
    )
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    currency = models.CharField(max_length=3)
    tax_included = models.BooleanField(default=True)
    subtotal = money(help_text="quantity x unit price, before discounts")
    discount_total = money(default=0)
    shipping_total = money(default=0)
    shipping_tax = money(default=0)
    tax_total = money(default=0)
    total = money()
    delivery = models.CharField(max_length=8, choices=Delivery, default=Delivery.SHIP)
    pickup_location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="pickups"
    )
    service = models.CharField(max_length=12, default="standard")
    placed_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    promised_at = models.DateTimeField(
        null=True, blank=True, help_text="delivered or ready for pick-up until then"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=20, default="api", help_text="api, shopify, shopify-csv")
    payload_hash = models.CharField(max_length=64)
    test = models.BooleanField(default=False)
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "external_id"], name="order_once"),
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_not_negative"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-placed_at", "-id"]),
            models.Index(fields=["external_id"]),
            models.Index(fields=["customer"]),
            models.Index(fields=["placed_at"], condition=Q(state="open"), name="order_open"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What staff and customers call the order."""
        return f"M{NUMBER_BASE + (self.pk or 0)}"


class OrderContact(models.Model):
    """The personal data of one order, apart from everything else so that it can be erased."""

    order = models.OneToOneField(
        Order, primary_key=True, on_delete=models.CASCADE, related_name="contact"
    )
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=200, blank=True)
    line1 = models.CharField(max_length=200, blank=True)
    line2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True)
    lat = models.FloatField(null=True, blank=True)
    lng = models.FloatField(null=True, blank=True)
    billing = models.JSONField(default=dict, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["email"])]

    def __str__(self) -> str:
        return self.name or self.email


class OrderLine(models.Model):
    """What was bought of one product, with its own share of every discount."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    external_id = models.CharField(max_length=100, blank=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="order_lines")
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = money()
    discount = money(default=0, help_text="of the whole line, order-wide shares included")
    tax = money(default=0, help_text="of the whole line")
    total = money(help_text="what the customer pays for the whole line, tax included")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "position"], name="line_position_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="line_quantity_positive"),
            models.CheckConstraint(condition=Q(total__gte=0), name="line_total_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


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
    attempt = models.PositiveSmallIntegerField(default=0, help_text="how often it was offered")
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
        ]
        indexes: ClassVar = [
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
    """Something that blocks an order, as a record with a scope; several may be open at once."""

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

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="holds")
    type = models.CharField(max_length=10, choices=Type)
    handle = models.CharField(max_length=60, help_text="unique per order: no hold is placed twice")
    reason = models.CharField(max_length=300)
    blocks = ArrayField(models.CharField(max_length=10), default=list, help_text="route, ship")
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
            models.Index(fields=["placed_at"], condition=Q(state="open"), name="hold_open")
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display()}: {self.reason}"


class OrderEvent(models.Model):
    """One line of an order's timeline, written with the change by orders.events.record()."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=40)
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=100)
    data = models.JSONField(default=dict, help_text="ids and figures; never personal data")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["order", "id"])]

    def __str__(self) -> str:
        return f"{self.kind} of {self.order_id}"


class Payment(models.Model):
    """Money of an order at one payment provider: authorized, captured, given back."""

    class State(models.TextChoices):
        AUTHORIZED = "authorized", "authorized"
        CAPTURED = "captured", "captured"
        VOIDED = "voided", "voided"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="payments")
    reference = models.CharField(max_length=100)
    method = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State)
    currency = models.CharField(max_length=3)
    amount = money()
    captured = money(default=0)
    refunded = money(default=0, help_text="pending and done refunds")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "reference"], name="payment_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_positive"),
            models.CheckConstraint(
                condition=Q(captured__lte=F("amount")), name="payment_not_over_captured"
            ),
            models.CheckConstraint(
                condition=Q(refunded__lte=F("captured")) & Q(refunded__gte=0),
                name="payment_not_over_refunded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.reference}"

    @property
    def refundable(self) -> Decimal:
        """What can still be given back."""
        return self.captured - self.refunded


class Refund(models.Model):
    """Money on its way back, or there."""

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        DONE = "done", "done"
        ERRORED = "errored", "failed"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    amount = money()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=200)
    key = models.CharField(max_length=100, unique=True, help_text="one key, one refund")
    actor = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_positive")
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class Notification(models.Model):
    """A message to a customer, sent once per dedupe key; suppressed ones say why."""

    class State(models.TextChoices):
        PENDING = "pending", "to send"
        SENT = "sent", "sent"
        SUPPRESSED = "suppressed", "not sent"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="notifications")
    template = models.CharField(max_length=40)
    dedupe_key = models.CharField(max_length=100, unique=True)
    recipient = models.EmailField(blank=True)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=200, blank=True, help_text="why it was not sent")
    trigger = models.CharField(max_length=40, help_text="the event that asked for it")
    message_id = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "message"
        indexes: ClassVar = [models.Index(fields=["order", "id"])]

    def __str__(self) -> str:
        return f"{self.template} ({self.get_state_display()})"


class CustomerLink(models.Model):
    """A secret link to one order's customer page; only the hash of its token is stored."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="links")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"link of {self.order_id}"
