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

    class Reason(models.TextChoices):
        TOO_SMALL = "too_small", "It is too small"
        TOO_LARGE = "too_large", "It is too large"
        NOT_AS_SHOWN = "not_as_shown", "It is not as shown or described"
        DEFECTIVE = "defective", "It is damaged or does not work"
        WRONG_ITEM = "wrong_item", "I got the wrong item"
        LATE = "late", "It came too late"
        UNWANTED = "unwanted", "I changed my mind"
        OTHER = "other", "Another reason"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="returns")
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    reason = models.CharField(max_length=40, choices=Reason)
    note = models.TextField(blank=True)
    # One key, one return: the same form or call sent twice asks once.
    key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001
    override = models.CharField(
        max_length=200, blank=True, help_text="why staff took it after the return window"
    )
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.CharField(max_length=100)
    decided_at = models.DateTimeField(null=True, blank=True)
    decline_reason = models.CharField(max_length=200, blank=True)
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="returns",
        help_text="where its first units arrived",
    )  # fmt: skip
    received_at = models.DateTimeField(null=True, blank=True)
    inspected_at = models.DateTimeField(null=True, blank=True)
    refund_amount = money(default=0, help_text="all that was given back, shipping included")
    shipping_refund = money(default=0, help_text="of that, shipping")
    refund_note = models.CharField(
        max_length=200, blank=True, help_text="why it was refunded before the goods arrived"
    )
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
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "key"], name="return_once")
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What staff and customers call it."""
        return f"R{self.pk}"


class ReturnLine(models.Model):
    """Units of one order line in a return, counted; where each unit is stands in ReturnedUnits."""

    rma = models.ForeignKey(Return, on_delete=models.CASCADE, related_name="lines")
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="return_lines")
    expected = models.PositiveIntegerField(help_text="announced")
    received = models.PositiveIntegerField(default=0, help_text="arrived, at any stock point")
    restocked = models.PositiveIntegerField(default=0, help_text="put back on sale")
    settled = models.PositiveIntegerField(default=0, help_text="units the refund was for")
    refund_amount = money(default=0, help_text="their part of the refund")

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
            models.CheckConstraint(
                condition=Q(settled__lte=F("expected")), name="return_not_over_settled"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.expected} of line {self.order_line_id}"


class ReturnedUnits(models.Model):
    """Units of a return line that arrived at one stock point, by what inspection found."""

    class Grade(models.TextChoices):
        WAITING = "", "to inspect"
        A = "A", "as new"
        B = "B", "opened, sellable"
        C = "C", "damaged"
        D = "D", "unusable"

    class Disposition(models.TextChoices):
        WAITING = "", "held until inspected"
        RESTOCK = "restock", "back on sale"
        QUARANTINE = "quarantine", "kept, not sold"
        SCRAP = "scrap", "thrown away"

    line = models.ForeignKey(ReturnLine, on_delete=models.CASCADE, related_name="units")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="returned_units")
    grade = models.CharField(max_length=1, choices=Grade, blank=True)
    disposition = models.CharField(max_length=10, choices=Disposition, blank=True)
    quantity = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "returned units"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["line", "location", "grade"], name="returned_units_once"
            ),
            models.CheckConstraint(
                condition=Q(grade="", disposition="") | (~Q(grade="") & ~Q(disposition="")),
                name="returned_units_graded_have_disposition",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of return line {self.line_id} ({self.get_grade_display()})"
