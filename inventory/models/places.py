"""Where stock is: stock points, what they can do, when they are open, how much they can take."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Location(models.Model):
    """A stock point: anything that holds stock we may promise from."""

    class Kind(models.TextChoices):
        WAREHOUSE = "warehouse", "warehouse"
        STORE = "store", "store"
        SUPPLIER = "supplier", "supplier"
        DISTRIBUTOR = "distributor", "distributor"
        LOGISTICS = "3pl", "third-party logistics"

    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind)
    is_central = models.BooleanField("central warehouse", default=False)
    line1 = models.CharField("address", max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2)
    lat = models.FloatField("latitude")
    lng = models.FloatField("longitude")
    timezone = models.CharField(max_length=64, default="UTC")
    opening_hours = models.JSONField(
        default=dict, blank=True,
        help_text='local time, e.g. {"mon": [["10:00", "19:00"]], ..., "sun": []};'
        " empty: Monday to Friday",
    )  # fmt: skip
    cutoff = models.TimeField(
        default="15:00", help_text="orders until then leave the same day, local time"
    )
    cutoffs = models.JSONField(
        "cut-offs of single weekdays", default=dict, blank=True,
        help_text='where they differ, e.g. {"sat": "11:00"}',
    )  # fmt: skip
    lead_days = models.PositiveSmallIntegerField(
        default=0, help_text="working days before it can hand over"
    )
    can_ship = models.BooleanField(default=True)
    can_pickup = models.BooleanField("pick-up", default=False)
    can_ship_to_store = models.BooleanField(
        "ship to store", default=False, help_text="takes parcels in that customers collect there"
    )
    can_receive_returns = models.BooleanField(default=True)
    capacity_per_day = models.PositiveIntegerField(
        null=True, blank=True,
        help_text="parcels per local day where no capacity below says otherwise; empty is no"
        " limit, 0 is closed",
    )  # fmt: skip
    handling_order = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    handling_line = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    online = models.BooleanField(
        "sells online", default=True, help_text="off: nothing new is promised from here, at once"
    )
    wms_url = models.URLField(
        "WMS address", blank=True, help_text="work is posted there; empty: staff pages or REST pull"
    )
    active = models.BooleanField("open", default=True)
    archived = models.BooleanField(default=False, help_text="closed for good and empty")

    class Meta:
        ordering: ClassVar = ["code"]
        verbose_name = "stock point"
        permissions: ClassVar = [("view_all_locations", "Can see every stock point's stock")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(lat__range=(-90, 90), lng__range=(-180, 180)), name="location_on_earth"
            ),
            models.CheckConstraint(
                condition=Q(archived=False) | Q(active=False), name="location_archived_is_closed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Capacity(models.Model):
    """What a stock point can take on a weekday for a delivery method; the most exact row counts.

    Weekday and delivery outrank weekday alone, which outranks delivery alone; deliveries without
    a more exact row share one for any (SQL function inventory_capacity_of).
    """

    class Delivery(models.TextChoices):
        ANY = "", "any"
        SHIP = "ship", "ship to address"
        PICKUP = "pickup", "pick up in store"

    WEEKDAYS: ClassVar = [
        (0, "Monday"), (1, "Tuesday"), (2, "Wednesday"), (3, "Thursday"), (4, "Friday"),
        (5, "Saturday"), (6, "Sunday"),
    ]  # fmt: skip

    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="capacities")
    weekday = models.PositiveSmallIntegerField(null=True, blank=True, choices=WEEKDAYS)
    delivery = models.CharField(max_length=8, choices=Delivery, blank=True, default="")
    orders = models.PositiveIntegerField(null=True, blank=True, help_text="empty: no limit")
    units = models.PositiveIntegerField(null=True, blank=True, help_text="empty: no limit")

    class Meta:
        verbose_name_plural = "capacities"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["location", "weekday", "delivery"], name="capacity_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(weekday=None) | Q(weekday__range=(0, 6)), name="capacity_weekday"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        day = "every day" if self.weekday is None else self.get_weekday_display()
        return f"{self.location_id}, {day} {self.get_delivery_display()}"


class SpecialDay(models.Model):
    """A holiday or a day with other hours; without a stock point it is every stock point's."""

    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.CASCADE, related_name="special_days",
        help_text="empty: all of them",
    )  # fmt: skip
    date = models.DateField()
    name = models.CharField(max_length=60)
    opens = models.TimeField(null=True, blank=True, help_text="empty: closed all day")
    closes = models.TimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["date"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["location", "date"], name="special_day_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(opens=None, closes=None) | Q(closes__gt=models.F("opens")),
                name="special_day_hours",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["date"])]

    def __str__(self) -> str:
        return f"{self.name} {self.date}"
