"""Switches of stock points that act at once: online, closed, reopened, archived.

Every change is one conditional update; what follows from it for orders is work (topic "closed").
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from config import outbox
from inventory import hours
from inventory.models import (
    Capacity,
    Location,
    Reservation,
    SpecialDay,
    Stock,
    Supply,
    Transfer,
)

NEEDED = "fallback_is_open"  # the database refuses to close a place that others count on
SETTINGS = ("cutoff", "cutoffs", "opening_hours", "lead_days", "capacity_per_day")


class NotPossible(Exception):
    """The stock point cannot be switched so; the words say what has to be done first."""


@dataclass(frozen=True)
class Left:
    """What is still at a stock point, or on its way to it."""

    on_hand: int
    claimed: int
    coming: int  # purchase order lines and transfers

    def __str__(self) -> str:
        parts = [
            (self.on_hand, "units on hand"), (self.claimed, "units claimed"),
            (self.coming, "deliveries and transfers open"),
        ]  # fmt: skip
        return ", ".join(f"{count:,} {words}" for count, words in parts if count) or "nothing"


def left(location: Location) -> Left:
    """What has to be gone before a stock point can be archived."""
    stock = Stock.objects.filter(location=location).aggregate(Sum("on_hand"), Sum("reserved"))
    coming = Supply.objects.filter(location=location, state=Supply.State.OPEN).count()
    ends = Q(source=location) | Q(destination=location)
    return Left(
        on_hand=stock["on_hand__sum"] or 0,
        claimed=stock["reserved__sum"] or 0,
        coming=coming + Transfer.objects.filter(ends, state__in=Transfer.OPEN).count(),
    )


def claimed(location: Location) -> dict[str, int]:
    """Units claimed at a stock point, by the kind of their owner."""
    rows = Reservation.objects.filter(location=location).values_list("owner_type")
    return dict(rows.annotate(Sum("quantity")).order_by("owner_type"))


def special_days(locations: Collection[int]) -> dict[int, list[hours.SpecialDay]]:
    """Special days from yesterday on by stock point (id): everybody's, then its own."""
    since = timezone.now().date() - timedelta(days=1)
    rows = SpecialDay.objects.filter(
        Q(location=None) | Q(location__in=locations), date__gte=since
    ).values_list("location_id", "date", "opens", "closes")
    days: dict[int | None, list[hours.SpecialDay]] = defaultdict(list)
    for location, day, opens, closes in rows:
        days[location].append((day, opens, closes))
    return {location: days[None] + days[location] for location in locations}


def switch_online(location: Location, *, on: bool) -> bool:
    """Sell from here, or promise nothing new; what is promised stays. Whether it changed."""
    return bool(_where(location, online=not on).update(online=on))


def close(location: Location, *, actor: str) -> bool:
    """Promise and offer nothing more here; units nobody has in hand yet are routed elsewhere.

    Whether it changed. Raises NotPossible where orders fall back to it.
    """
    with transaction.atomic():
        if not _shut(location):
            return False
        cause = f"closed:{timezone.now().isoformat()}"
        outbox.put(topic="closed", subject=location.pk, cause=cause, payload={"actor": actor})
    return True


def _shut(location: Location) -> bool:
    """Whether it was open; what uses the place may refuse, in words of its own."""
    try:
        with transaction.atomic():
            return bool(_where(location, active=True).update(active=False))
    except IntegrityError as error:
        told: Any = getattr(error.__cause__, "diag", None)
        if told is None or told.constraint_name != NEEDED:
            raise
        raise NotPossible(f"{told.message_primary}.") from error


def reopen(location: Location) -> bool:
    """Take it up again, from the archive as well. Whether it changed."""
    return bool(_where(location, active=False).update(active=True, archived=False))


def archive(location: Location) -> bool:
    """Put a closed and empty stock point out of sight. Whether it changed.

    Raises NotPossible with what is left there.
    """
    with transaction.atomic():
        row = Location.objects.select_for_update(no_key=True).get(pk=location.pk)
        if row.archived:
            return False
        if row.active:
            raise NotPossible(f"{row.name} is open: close it first.")
        rest = left(row)
        if rest != Left(0, 0, 0):
            raise NotPossible(
                f"{row.name} is not empty: {rest}. Transfer, adjust or cancel these first."
            )
        return bool(_where(row, archived=False).update(archived=True))


def _where(location: Location, **is_now: bool) -> QuerySet[Location]:
    return Location.objects.filter(pk=location.pk, **is_now)


def change(location: Location, values: Mapping[str, Any], *, actor: str) -> None:
    """Set hours, cut-offs, capacity and switches together, or nothing of it.

    `capacities` and `special_days` are lists of rows that take the place of all there were.
    Raises NotPossible when it is to be closed and orders fall back to it.
    """
    tables: dict[str, Any] = {"capacities": Capacity, "special_days": SpecialDay}
    fields = {name: value for name, value in values.items() if name in SETTINGS}
    with transaction.atomic():
        Location.objects.select_for_update(no_key=True).get(pk=location.pk)
        if fields:
            Location.objects.filter(pk=location.pk).update(**fields)
        for name, table in tables.items():
            if name in values:
                table.objects.filter(location=location).delete()
                table.objects.bulk_create(table(location=location, **row) for row in values[name])
        if "online" in values:
            switch_online(location, on=values["online"])
        if values.get("active") is False:
            close(location, actor=actor)
        elif values.get("active"):
            reopen(location)
