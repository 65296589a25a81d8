"""Goods that come back: what was announced, what arrived, in what state, and the money."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Location
from orders.models import Order, OrderLine, money


class Return(models.Model):
    """A return (RMA) of one order."""

    class State(models.TextChoices):
        REQUESTED = "requested", "requested"
        APPROVED = "approved", "approved"
        DECLINED = "declined", "declined"
        RECEIVED = "received", "received"
        INSPECTED = "inspected", "inspected"
        REFUNDED = "refunded", "refunded"
        CANCELED = "canceled", "canceled"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="returns")
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    reason = models.CharField(max_length=40)
    note = models.TextField(blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.CharField(max_length=100)
    decided_at = models.DateTimeField(null=True, blank=True)
    decline_reason = models.CharField(max_length=200, blank=True)
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="returns",
        help_text="where it arrived",
    )  # fmt: skip
    received_at = models.DateTimeField(null=True, blank=True)
    inspected_at = models.DateTimeField(null=True, blank=True)
    refund_amount = money(default=0)
    refunded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "return"
        indexes: ClassVar = [
            models.Index(
                fields=["state", "requested_at"],
                condition=~Q(state__in=["refunded", "declined", "canceled"]),
                name="return_open",
            )
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What staff and customers call it."""
        return f"R{self.pk}"


class ReturnLine(models.Model):
    """Units of one order line in a return."""

    class Grade(models.TextChoices):
        A = "A", "as new"
        B = "B", "opened, sellable"
        C = "C", "damaged"
        D = "D", "unusable"

    rma = models.ForeignKey(Return, on_delete=models.CASCADE, related_name="lines")
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="return_lines")
    expected = models.PositiveIntegerField()
    received = models.PositiveIntegerField(default=0)
    restocked = models.PositiveIntegerField(default=0, help_text="put back on sale")
    grade = models.CharField(max_length=1, choices=Grade, blank=True)
    disposition = models.CharField(
        max_length=12, blank=True, help_text="restock, quarantine, scrap"
    )
    refund_amount = money(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rma", "order_line"], name="return_line_once"),
            models.CheckConstraint(condition=Q(expected__gt=0), name="return_line_positive"),
            models.CheckConstraint(
                condition=Q(received__lte=F("expected")), name="return_not_over_received"
            ),
            models.CheckConstraint(
                condition=Q(restocked__lte=F("received")), name="return_not_over_restocked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.expected} of line {self.order_line_id}"
