"""What comes in and goes out at the doors: connections, conflicts, webhooks of our own."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models import Product
from orders.models.channels import SalesChannel
from orders.models.order import Order
from orders.models.story import OrderEvent


class ChannelSku(models.Model):
    """What a channel calls one of our products."""

    channel = models.ForeignKey(SalesChannel, on_delete=models.CASCADE, related_name="skus")
    sku = models.CharField("their SKU", max_length=64)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="channel_skus")

    class Meta:
        verbose_name = "SKU of a channel"
        verbose_name_plural = "SKUs of channels"
        ordering: ClassVar = ["channel", "sku"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "sku"], name="channel_sku_once")
        ]

    def __str__(self) -> str:
        return f"{self.sku} is {self.product.sku}"


class ColumnMapping(models.Model):
    """Which column of a channel's order files holds what; saved under a name."""

    channel = models.ForeignKey(SalesChannel, on_delete=models.CASCADE, related_name="mappings")
    name = models.CharField(max_length=60)
    columns = models.JSONField(help_text="our field -> their column")
    defaults = models.JSONField(default=dict, blank=True, help_text="our field -> value")
    created_by = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["channel", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "name"], name="column_mapping_once")
        ]

    def __str__(self) -> str:
        return self.name


class Connection(models.Model):
    """How we speak to the shop system behind a channel (orders/connectors)."""

    channel = models.OneToOneField(
        SalesChannel, on_delete=models.CASCADE, related_name="connection"
    )
    connector = models.CharField(max_length=20)
    url = models.URLField("address")
    user = models.CharField(max_length=100, blank=True)
    secret = models.CharField(max_length=200, blank=True, help_text="password or access token")
    settings = models.JSONField(default=dict, blank=True)
    pulls = models.BooleanField(default=True, help_text="ask it for new orders")
    pushes_fulfillment = models.BooleanField(default=True)
    pushes_stock = models.BooleanField(default=False)
    every_minutes = models.PositiveSmallIntegerField(default=5)
    cursor = models.JSONField(default=dict, blank=True, help_text="how far we have read")
    next_at = models.DateTimeField(default=timezone.now)
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"{self.connector} of {self.channel}"


class InboundOrder(models.Model):
    """An order that came in and could not be taken: it waits for a person, with its reason."""

    class Kind(models.TextChoices):
        REFUSED = "refused", "refused"
        UNREADABLE = "unreadable", "cannot be read"
        DIFFERS = "differs", "differs from ours"

    class State(models.TextChoices):
        OPEN = "open", "open"
        PLACED = "placed", "placed"
        KEPT = "kept", "ours was kept"
        REPLACED = "replaced", "theirs was taken"
        DISMISSED = "dismissed", "dismissed"

    channel = models.ForeignKey(SalesChannel, on_delete=models.CASCADE, related_name="inbound")
    source = models.CharField(max_length=20)
    external_id = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    document = models.JSONField(help_text="as it came; emptied when it is settled")
    connector = models.CharField(
        max_length=20, blank=True, help_text="who reads the document; empty: our own format"
    )
    digest = models.CharField(max_length=64)
    problems = models.JSONField(default=list, help_text="[{pointer, code, detail}]")
    order = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.CASCADE, related_name="inbound"
    )
    attempts = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    resolved_by = models.CharField(max_length=100, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "order not taken"
        verbose_name_plural = "orders not taken"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "external_id", "digest"], name="inbound_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["last_at"], condition=Q(state="open"), name="inbound_open")
        ]

    def __str__(self) -> str:
        return f"{self.external_id} ({self.get_kind_display()})"


class WebhookEndpoint(models.Model):
    """An address that is told of events, signed as Standard Webhooks does."""

    channel = models.ForeignKey(
        SalesChannel, null=True, blank=True, on_delete=models.CASCADE, related_name="webhooks",
        help_text="empty: events of every channel",
    )  # fmt: skip
    url = models.URLField("address")
    description = models.CharField(max_length=100, blank=True)
    kinds = ArrayField(
        models.CharField(max_length=40), default=list, blank=True, help_text="empty: every event"
    )
    secret = models.CharField(max_length=128)
    old_secret = models.CharField(max_length=128, blank=True, help_text="signs, too, until it ends")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    active = models.BooleanField(default=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    failing_since = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True, help_text="the breaker is open")
    disabled_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One event for one endpoint: a row before it is a message."""

    class State(models.TextChoices):
        PENDING = "pending", "to send"
        SENT = "sent", "sent"
        FAILED = "failed", "given up"

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    event = models.ForeignKey(
        OrderEvent, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries",
        help_text="empty: a test",
    )  # fmt: skip
    state = models.CharField(max_length=7, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="last HTTP status")
    answer = models.CharField(max_length=300, blank=True, help_text="last answer or error")
    milliseconds = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="webhook_delivery_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_log"),
            models.Index(
                fields=["endpoint", "id"],
                condition=Q(state="pending"),
                name="webhook_delivery_open",
            ),
            BrinIndex(fields=["created_at"], name="webhook_delivery_age", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}"
