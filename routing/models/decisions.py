"""What was decided and why, who was given what, and who said no."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from inventory.models import Location
from orders.models import Allocation, Order, OrderLine
from routing.models.rules import Rule, RuleSet
from routing.models.runs import Run


class DecisionBase(models.Model):
    """Inputs that many decisions have in common, once: stock points, policy, services."""

    hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the data")
    data = models.JSONField()

    def __str__(self) -> str:
        return self.hash[:12]


class Decision(models.Model):
    """One routing decision, kept whole: inputs, rules, every candidate, and the plan."""

    class Outcome(models.TextChoices):
        ROUTED = "routed", "routed"
        PARTIAL = "partial", "partly routed"
        UNFILLABLE = "unfillable", "unfillable"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="decisions")
    at = models.DateTimeField(default=timezone.now)
    cause = models.CharField(
        max_length=60, help_text="received, refused, retried, shortage, manual"
    )
    rule_set = models.ForeignKey(
        RuleSet, null=True, blank=True, on_delete=models.PROTECT, related_name="decisions"
    )
    rule = models.ForeignKey(
        Rule, null=True, blank=True, on_delete=models.PROTECT, related_name="decisions",
        db_index=False,
    )  # fmt: skip
    run = models.ForeignKey(
        Run, null=True, blank=True, on_delete=models.PROTECT, related_name="decisions",
        db_index=False,
    )  # fmt: skip
    engine_version = models.CharField(max_length=12)
    outcome = models.CharField(max_length=10, choices=Outcome)
    sentence = models.TextField(help_text="why, in one sentence")
    base = models.ForeignKey(
        DecisionBase, null=True, blank=True, on_delete=models.PROTECT, related_name="decisions",
        db_index=False, help_text="the part of the inputs that it shares with others",
    )  # fmt: skip
    inputs = models.JSONField()
    result = models.JSONField(help_text="the plan and every candidate with its terms or why not")
    attempts = models.JSONField(
        default=list, db_default=Value([], models.JSONField()), blank=True,
        help_text="the rules that were tried, in order, and why the next one was",
    )  # fmt: skip
    probability = models.FloatField(default=1.0, help_text="chance with which this was chosen")
    cost = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    kg_co2 = models.FloatField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["order", "-id"]),
            models.Index(fields=["at"]),
            models.Index(
                fields=["run", "id"], condition=Q(run__isnull=False), name="decision_of_run"
            ),
        ]

    def __str__(self) -> str:
        return f"decision {self.pk} of order {self.order_id}"


class Offer(models.Model):
    """A stock point was given a parcel or a pick-up by a decision, on this local day of its own.

    It counts against the day's capacity as long as one of its slices is at work there or has left;
    refused, requeued and canceled ones give their place back.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="offers")
    decision = models.ForeignKey(
        Decision, on_delete=models.CASCADE, related_name="offers", db_index=False
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="offers", db_index=False
    )
    day = models.DateField(help_text="in the stock point's time zone")
    slices = ArrayField(models.BigIntegerField(), help_text="ids of the slices in it")
    lines = models.PositiveIntegerField()
    units = models.PositiveIntegerField()
    delivery = models.CharField(
        max_length=8, default="ship", db_default="ship",
        help_text="which capacity of the day it takes",
    )  # fmt: skip
    service = models.CharField(
        max_length=40, default="", db_default="", blank=True,
        help_text="code of the delivery service it was planned with",
    )  # fmt: skip
    kg_co2 = models.FloatField(null=True, blank=True, help_text="planned for its parcel")
    accept_by = models.DateTimeField(
        null=True, blank=True, help_text="not accepted until then, it goes elsewhere"
    )
    capacity = models.PositiveIntegerField(
        null=True, help_text="orders the stock point took that day, as it was then"
    )
    capacity_units = models.PositiveIntegerField(
        null=True, help_text="units the stock point took that day, as it was then"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["decision", "location"], name="offer_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["day", "location"], include=["lines"], name="offer_day"),
            models.Index(
                fields=["accept_by"], condition=Q(accept_by__isnull=False), name="offer_accept_by"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} units of order {self.order_id} at {self.location_id}"


class OpenOffer(models.Model):
    """Another stock point that may take the same work: the first to do so has it."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        TAKEN = "taken", "taken"
        MISSED = "missed", "taken by another"
        EXPIRED = "expired", "expired"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="open_offers")
    decision = models.ForeignKey(
        Decision, on_delete=models.CASCADE, related_name="open_offers", db_index=False
    )
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="open_offers")
    slices = ArrayField(models.BigIntegerField(), help_text="ids of the slices in it")
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    offered_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["decision", "location"], name="open_offer_once"),
            models.UniqueConstraint(
                fields=["decision"], condition=Q(state="taken"), name="open_offer_taken_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["location", "offered_at"], condition=Q(state="open"), name="open_offers"
            ),
        ]

    def __str__(self) -> str:
        return f"order {self.order_id} open to {self.location_id}"


class RefusalReason(models.Model):
    """Why a stock point may say no, and what that says about its stock."""

    class Effect(models.TextChoices):
        NONE = "none", "nothing: the stock is there"
        BLOCK = "block", "the refused units are not there"
        BLOCK_ALL = "block_all", "none of the product is there"

    class Bucket(models.TextChoices):
        MISSING = "missing", "missing"
        DAMAGED = "damaged", "damaged"

    code = models.SlugField(max_length=20, unique=True)
    name = models.CharField(max_length=60)
    effect = models.CharField(max_length=9, choices=Effect, default=Effect.NONE)
    bucket = models.CharField(
        max_length=10, choices=Bucket, default=Bucket.MISSING, help_text="where blocked units go"
    )
    asks_count = models.BooleanField(
        "asks for a count", default=False, help_text="the books are wrong: somebody counts"
    )
    automatic = models.BooleanField(
        default=False, help_text="written by the house; stock points are not offered it"
    )
    position = models.PositiveSmallIntegerField(default=100)
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class Refusal(models.Model):
    """A stock point said no to units of a line: it is not asked for that line for a while."""

    line = models.ForeignKey(OrderLine, on_delete=models.CASCADE, related_name="refusals")
    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="refusals")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="refusals")
    quantity = models.PositiveIntegerField()
    reason = models.CharField(max_length=20, help_text="code of a RefusalReason")
    note = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)
    excluded_until = models.DateTimeField(
        null=True, blank=True, help_text="asked for the line again after that; empty: never"
    )

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["line", "location"]),
            models.Index(fields=["location", "at"]),
        ]

    def __str__(self) -> str:
        return f"{self.location_id} refused line {self.line_id}: {self.reason}"


class UnfillableSlices(models.Manager["UnfillableSlice"]):
    """Those that are in the queue now."""

    def get_queryset(self) -> models.QuerySet["UnfillableSlice"]:
        waiting = {"state": Allocation.State.QUEUED, "queue": Allocation.Queue.UNFILLABLE}
        return super().get_queryset().filter(**waiting)


class UnfillableSlice(Allocation):
    """A slice that no stock point can serve as things are: the console's list of them."""

    objects: ClassVar[UnfillableSlices] = UnfillableSlices()  # type: ignore[misc]

    class Meta:
        proxy = True
        verbose_name = "unfillable units"
        verbose_name_plural = "unfillable units"

    def __str__(self) -> str:
        return f"{self.quantity} × {self.line.sku}"
