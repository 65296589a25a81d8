"""Changes of an order after it was placed, and every version it ever had."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from orders.models.order import Order, OrderLine, money


class OrderChange(models.Model):
    """A set of actions on an order: a draft with its preview, or applied as the next version."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        APPLIED = "applied", "applied"
        DISCARDED = "discarded", "discarded"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="changes")
    state = models.CharField(max_length=9, choices=State, default=State.DRAFT)
    actions = models.JSONField(help_text="as orders/editing/actions.py describes them")
    contact = models.JSONField(
        default=dict, blank=True, help_text="personal data of the actions, erased with the person"
    )
    preview = models.JSONField(default=dict, blank=True)
    based_on = models.PositiveIntegerField(help_text="the version it was made for")
    version = models.PositiveIntegerField(null=True, blank=True, help_text="the version it made")
    difference = money(default=0, help_text="of the order's total")
    reason = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=20, default="console")
    actor = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order", "version"], condition=Q(version__isnull=False),
                name="order_change_version_once",
            ),
            models.CheckConstraint(
                condition=Q(state="applied", version__isnull=False)
                | (~Q(state="applied") & Q(version=None)),
                name="order_change_applied_has_version",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"change {self.pk} of {self.order_id}"


class OrderVersion(models.Model):
    """An order as it read at one version; version 1 is written before the first change."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField(help_text="lines, amounts, delivery; never personal data")
    contact = models.JSONField(default=dict, help_text="erased with the person")
    actor = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "number"], name="order_version_once")
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.order_id}"


class Adjustment(models.Model):
    """A price changed after the order was placed: part of the order's discount (signed)."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="adjustments")
    line = models.ForeignKey(
        OrderLine, null=True, blank=True, on_delete=models.CASCADE, related_name="adjustments",
        help_text="empty: of the shipping",
    )  # fmt: skip
    amount = money(help_text="signed: what the customer pays more (or, below zero, less)")
    reason = models.CharField(max_length=200)
    version = models.PositiveIntegerField()
    actor = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.amount} on {self.order_id}"
