"""What happened to an order, what people wrote on it, and what its customer was told."""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils import timezone

from orders.models.order import Order


class OrderEvent(models.Model):
    """One line of an order's timeline, written with the change by orders.events.record()."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=40)
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=100)
    data = models.JSONField(default=dict, help_text="ids and figures; never personal data")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["order", "id"]),
            BrinIndex(fields=["at"], name="event_at", autosummarize=True),  # "changed since"
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.order_id}"


class OrderNote(models.Model):
    """What a person wrote down about an order, for other people of the house."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField(max_length=4000)
    author = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["order", "id"])]

    def __str__(self) -> str:
        return self.text[:60]


class Attachment(models.Model):
    """A file that belongs to an order: a photo of damage, a mail, a proof."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="attachments")
    file = models.FileField(upload_to="attachments/%Y/%m")
    name = models.CharField(max_length=200, help_text="what the file was called")
    content_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField(help_text="bytes")
    author = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["order", "id"])]

    def __str__(self) -> str:
        return self.name


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
