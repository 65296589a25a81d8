"""Rule sets: which orders a rule is for, whom it lets in, what it weighs, what if nothing fits."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from inventory.models import Location
from orders.models import SalesChannel

MOST_ATTEMPTS = 10  # whatever rules or people say, no unit is offered more often (invariant I13)


def words(size: int = 40, help_text: str = "") -> ArrayField:
    """A list of words; empty is any."""
    return ArrayField(
        models.CharField(max_length=size), default=list, blank=True, help_text=help_text
    )


def weight(text: str) -> models.FloatField:
    """A factor on money: 0 takes it out, 1 leaves it as it is."""
    return models.FloatField(
        default=1.0, help_text=text, validators=[MinValueValidator(0), MaxValueValidator(10)]
    )


def amount(default: str, text: str) -> models.DecimalField:
    """Money of the company."""
    return models.DecimalField(
        max_digits=8, decimal_places=2, default=default, help_text=text,
        validators=[MinValueValidator(0)],
    )  # fmt: skip


def share(default: str, text: str) -> models.DecimalField:
    """A share of a unit's price."""
    return models.DecimalField(
        max_digits=4, decimal_places=3, default=default, help_text=text,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )  # fmt: skip


class RuleSet(models.Model):
    """Rules in order, for some channels or all. A version never changes once it is active."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        ACTIVE = "active", "active"
        ARCHIVED = "archived", "archived"

    name = models.CharField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    channels = models.ManyToManyField(
        SalesChannel, blank=True, help_text="none: for every channel without a rule set of its own"
    )
    max_attempts = models.PositiveSmallIntegerField(
        default=4, validators=[MinValueValidator(1), MaxValueValidator(MOST_ATTEMPTS)],
        help_text="how often units are refused before a person decides",
    )  # fmt: skip
    exclude_days = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="who refused a line is asked for it again after so many days; empty: never",
    )  # fmt: skip
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="ruleset_version_once"),
            models.UniqueConstraint(
                fields=["name"], condition=Q(state="active"), name="ruleset_one_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Rule(models.Model):
    """One rule of a set: the first whose conditions an order meets decides, by position."""

    class Split(models.TextChoices):
        CHEAPEST = "cheapest", "whatever is cheapest"
        IF_NEEDED = "if_needed", "only if nobody has all of it"
        NEVER = "never", "never"

    class Otherwise(models.TextChoices):
        NEXT = "next", "the next rule that fits"
        QUEUE = "queue", "it waits for stock or a person"
        BACKORDER = "backorder", "it waits for what is on its way"
        CANCEL = "cancel", "it is canceled after the days below"
        FALLBACK = "fallback", "the fallback stock point gets it"

    class When(models.TextChoices):
        AT_ONCE = "at_once", "at once"
        RUN = "run", "in the next run; express at once"

    class Sort(models.TextChoices):
        NEAREST = "nearest", "nearest"
        CHEAPEST = "cheapest", "cheapest"
        LEAST_CO2 = "least_co2", "least CO₂e"
        FASTEST = "fastest", "fastest"
        CENTRAL = "central", "central warehouse"
        OVERSTOCK = "overstock", "most overstock"
        MOST_STOCK = "most_stock", "most stock"
        LEAST_BUSY = "least_busy", "least busy"
        FEWEST_REFUSALS = "fewest_refusals", "refuses least"

    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveSmallIntegerField(default=1)
    name = models.CharField(max_length=60, default="All orders")

    # --- for which orders; empty is any ---
    channel_kinds = words(help_text="kinds of channels")
    deliveries = words(help_text="delivery methods")
    services = words(help_text="speeds")
    min_total = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    max_total = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    tiers = words(help_text="customer tiers")
    countries = words(2, help_text="two letters each")
    regions = words(100)
    tags_any = words(60, help_text="the order has one of these tags")
    tags_none = words(60, help_text="the order has none of these tags")
    categories = words(60, help_text="one of its products is of one of these categories")
    promised_within_days = models.PositiveSmallIntegerField(null=True, blank=True)

    # --- whom it lets in ---
    kinds = words(help_text="kinds of stock points")
    only = models.ManyToManyField(Location, blank=True, related_name="+")
    never = models.ManyToManyField(Location, blank=True, related_name="+")
    max_km = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0)])
    min_free_units = models.PositiveIntegerField(
        default=0, help_text="fewer free units of a product are not counted on"
    )
    in_time = models.BooleanField(default=False, help_text="who cannot keep the promise is out")
    relax_days = models.PositiveSmallIntegerField(
        default=0, help_text="days later than promised, if nobody is in time"
    )

    # --- what matters how much ---
    economic = weight("shipping cost")
    ecological = weight("CO₂e at its price")
    logistical = weight("handling, central warehouse, splits, lateness, workload, refusals")
    retail = weight("overstock that must sell, last units that others will want")
    co2_price_per_kg = amount("0.20", "what a kg of CO₂e counts as")
    central_bonus = amount("0.50", "money that a parcel from elsewhere must save")
    overstock_relief = share("0.050", "share of the price credited per overstock unit that leaves")
    last_unit_cost = share("0.000", "share of the price that a place's last unit counts as")
    workload_cost = amount("0.00", "what a parcel counts as where the day is full")
    split_penalty = amount("2.00", "for each parcel after the first")
    late_penalty_per_day = amount("3.00", "for each day after the promise")
    refusal_cost = amount("4.00", "what a refused line costs, times how likely it is")
    sort = words(help_text="instead of weights: who comes first, and among equals who then")

    # --- in how many parcels ---
    split = models.CharField(max_length=9, choices=Split, default=Split.CHEAPEST)
    max_parcels = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    min_part_value = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True,
        help_text="each parcel of a split is worth at least this",
    )  # fmt: skip

    # --- what if it does not fit ---
    otherwise = models.CharField(max_length=9, choices=Otherwise, default=Otherwise.QUEUE)
    cancel_after_days = models.PositiveSmallIntegerField(null=True, blank=True)
    fallback = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="fallback_of"
    )

    # --- when, and how it is offered ---
    when = models.CharField(max_length=7, choices=When, default=When.AT_ONCE)
    accept_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="not accepted until then, it goes elsewhere; empty: never"
    )
    offer_to = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="stores it is offered to; the first to take it has it",
    )  # fmt: skip

    class Meta:
        ordering: ClassVar = ["rule_set", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule_set", "position"], name="rule_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=~Q(otherwise="fallback") | Q(fallback__isnull=False),
                name="rule_fallback_named",
            ),
            models.CheckConstraint(
                condition=~Q(otherwise="cancel") | Q(cancel_after_days__isnull=False),
                name="rule_cancel_days_named",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.position}. {self.name}"
