"""Runs: many orders routed together, when they are due, and what came of them."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from orders.models import SalesChannel


class Sort(models.TextChoices):
    """Which of the orders that wait comes first."""

    OLDEST = "oldest", "oldest first"
    PROMISE = "promise", "earliest promise first"
    VALUE = "value", "highest total first"


class RunPlan(models.Model):
    """When the orders of some channels, or of all, are routed in runs."""

    name = models.CharField(max_length=60, unique=True)
    channels = models.ManyToManyField(SalesChannel, blank=True, help_text="none: all of them")
    every_minutes = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    cron = models.CharField(
        max_length=60, blank=True,
        help_text="minute, hour, day, month, weekday in UTC, e.g. 0 6,14 * * 1-5",
    )  # fmt: skip
    when_waiting = models.PositiveIntegerField(
        "orders that wait", null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="it also starts as soon as so many new ones wait, at the latest by its timetable;"
        " without one, who waits a day is routed alone",
    )  # fmt: skip
    joint = models.BooleanField(
        "optimized together", default=True,
        help_text="scarce stock and full days go where they save most; otherwise first come",
    )  # fmt: skip
    sort = models.CharField(
        "order of the orders", max_length=7, choices=Sort, default=Sort.OLDEST,
        help_text="who is asked first for stock and days; together, who is asked first of the rest",
    )  # fmt: skip
    active = models.BooleanField(default=True)
    last_started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(every_minutes=None) | Q(cron=""), name="run_plan_one_timetable"
            ),
            models.CheckConstraint(
                condition=Q(every_minutes__isnull=False)
                | ~Q(cron="")
                | Q(when_waiting__isnull=False),
                name="run_plan_starts",
            ),
            models.CheckConstraint(  # of none waits always one, and it would never stop starting
                condition=Q(when_waiting=None) | Q(when_waiting__gt=0),
                name="run_plan_waiting_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """One run: a watched piece of work over all orders that wait in its scope."""

    class State(models.TextChoices):
        WAITING = "waiting", "waits"
        RUNNING = "running", "runs"
        DONE = "done", "done"
        STOPPED = "stopped", "stopped"
        FAILED = "failed", "failed"

    OPEN = (State.WAITING, State.RUNNING)

    plan = models.ForeignKey(
        RunPlan, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    cause = models.CharField(
        max_length=60, help_text="timetable, orders that wait, manual, by key and its name"
    )
    joint = models.BooleanField("optimized together", default=True)
    sort = models.CharField("order of the orders", max_length=7, choices=Sort, default=Sort.OLDEST)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    channels = ArrayField(
        models.BigIntegerField(), default=list, blank=True, help_text="its scope; empty: all"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cursor = models.BigIntegerField(
        default=0, help_text="the order up to which, in its sort, all were looked at"
    )
    position = models.FloatField(
        null=True, blank=True, help_text="of that order, what it is sorted by"
    )
    total = models.PositiveIntegerField(default=0, help_text="orders it began with")
    done = models.PositiveIntegerField(default=0)
    routed = models.PositiveIntegerField(default=0)
    partial = models.PositiveIntegerField(default=0)
    unfillable = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0, help_text="on hold, or changed meanwhile")
    parcels = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    kg_co2 = models.FloatField(default=0)
    single_cost = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True,
        help_text="what the same orders would have cost one by one",
    )  # fmt: skip
    gap = models.FloatField(
        null=True, blank=True, help_text="how far from the proven best at most, as a share"
    )
    error = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan"], condition=Q(state__in=["waiting", "running"]),
                name="run_one_open_per_plan",
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            models.Index(
                fields=["created_at"], condition=Q(state__in=["waiting", "running"]),
                name="run_open",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"run {self.pk}"
