"""Counting what is on the shelves."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from inventory.models.catalog import Product
from inventory.models.places import Location


class Count(models.Model):
    """One count at one stock point; inventory/counts.py moves it."""

    class Kind(models.TextChoices):
        FULL = "full", "everything"
        SELECTIVE = "selective", "chosen products"

    class State(models.TextChoices):
        CREATED = "created", "to count"
        COUNTING = "counting", "being counted"
        REVIEW = "review", "to review"
        POSTED = "posted", "posted"
        CANCELED = "canceled", "canceled"

    OPEN: ClassVar = (State.CREATED, State.COUNTING, State.REVIEW)

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="counts")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SELECTIVE)
    blind = models.BooleanField(default=True, help_text="counters do not see what the books say")
    state = models.CharField(max_length=10, choices=State, default=State.CREATED)
    tolerance_units = models.PositiveIntegerField(
        default=0, help_text="differences up to this are accepted without a second count"
    )
    tolerance_percent = models.PositiveSmallIntegerField(default=0)
    cause = models.CharField(max_length=200, blank=True, help_text="why it was asked for")
    key = models.CharField(
        max_length=100, null=True, blank=True, unique=True, help_text="asked for once"
    )
    assigned_to = models.CharField(max_length=100, blank=True)
    due_on = models.DateField(null=True, blank=True)
    created_by = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["location"], name="count_one_full_at_a_time",
                condition=Q(kind="full", state__in=["created", "counting", "review"]),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"Count {self.pk}"


class CountSection(models.Model):
    """A part of the place (an aisle, the back room) that one person counts at a time."""

    count = models.ForeignKey(Count, on_delete=models.CASCADE, related_name="sections")
    name = models.CharField(max_length=60)
    counter = models.CharField(max_length=100, blank=True, help_text="who has it in hand")
    taken_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["count", "name"], name="count_section_once")
        ]

    def __str__(self) -> str:
        return self.name


class CountLine(models.Model):
    """One product of a count: what was found, what the books said at that moment, the verdict.

    Difference = found + off_shelf - expected, where found is the sum of its entries.
    """

    class Decision(models.TextChoices):
        OPEN = "", "to decide"
        ACCEPT = "accept", "accept"
        RECOUNT = "recount", "count again"
        REJECT = "reject", "leave the books as they are"

    count = models.ForeignKey(Count, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    expected = models.IntegerField(null=True, help_text="on hand when the last entry was counted")
    off_shelf = models.PositiveIntegerField(
        default=0, help_text="in pickers' hands then: on hand, but not on the shelf"
    )
    first_found = models.PositiveIntegerField(null=True, help_text="before it was counted again")
    decision = models.CharField(max_length=8, choices=Decision, blank=True, default="")
    decided_by = models.CharField(max_length=100, blank=True)
    posted = models.IntegerField(null=True, help_text="what went to the ledger")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["count", "product"], name="count_product_once")
        ]

    def __str__(self) -> str:
        return f"{self.product_id} of {self.count_id}"


class ShelfMove(models.Model):
    """Units that a picker took off the shelf (positive), and that came back or left (negative).

    Written by a trigger of the database on claims that are off the shelf, so that a count can know
    what was in pickers' hands at the moment it was counted; kept while a count may ask for it.
    """

    product_id = models.BigIntegerField(db_index=False)
    location_id = models.BigIntegerField(db_index=False)
    units = models.IntegerField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["product_id", "location_id", "at"], name="shelf_move_of_stock")
        ]

    def __str__(self) -> str:
        return f"{self.units} x {self.product_id} at {self.location_id}"


class CountEntry(models.Model):
    """Units of a product found in a section."""

    line = models.ForeignKey(CountLine, on_delete=models.CASCADE, related_name="entries")
    section = models.ForeignKey(CountSection, on_delete=models.CASCADE, related_name="entries")
    found = models.PositiveIntegerField()
    counted_by = models.CharField(max_length=100)
    counted_at = models.DateTimeField(help_text="on the counter's device")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["line", "section"], name="count_entry_once")
        ]

    def __str__(self) -> str:
        return f"{self.found} of {self.line_id} in {self.section_id}"
