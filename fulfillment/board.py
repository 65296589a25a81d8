"""What a store page shows: the work of one stock point, sorted by what must leave first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Prefetch, Q, QuerySet

from fulfillment.models import FulfillmentLine, FulfillmentOrder, Parcel
from fulfillment.work.task import F
from inventory.models import Location
from orders import lifecycle
from orders.destinations import Destination

SHOWN = 60
SOON = timedelta(hours=1)


@dataclass(frozen=True)
class Tab:
    """One list of the board; `states` are the states of work in it."""

    code: str
    label: str
    states: tuple[str, ...]
    empty: str
    hint: str


TABS = (
    Tab("new", "New", (F.NEW,), "Nothing new",
        "New orders appear here by themselves, with the time until they must leave."),
    Tab("picking", "Picking", (F.ACCEPTED, F.PICKED), "Nothing to pick",
        "Accept a new order, and it waits here until it is packed."),
    Tab("packed", "Packed", (F.PACKED,), "Nothing packed",
        "Packed orders wait here for the carrier, or to be put at the counter."),
    Tab("ready", "Ready", (F.READY,), "Nobody is expected",
        "Pick-up orders wait here until the customer comes."),
    Tab("done", "Done today", (F.DONE,), "Nothing has left yet today",
        "What you hand over today is listed here."),
)  # fmt: skip


@dataclass(frozen=True)
class Due:
    """When something must leave, in words; `level` is good, warn or bad."""

    words: str
    level: str


@dataclass(frozen=True)
class Card:
    """One piece of work in a list."""

    row: FulfillmentOrder
    lines: list[FulfillmentLine]
    due: Due | None

    @property
    def units(self) -> int:
        """Units wanted."""
        return sum(line.quantity for line in self.lines)

    @property
    def picked(self) -> int:
        """Of these, picked."""
        return sum(line.picked for line in self.lines)

    @property
    def is_pickup(self) -> bool:
        """Whether the customer comes here for it."""
        return self.row.is_pickup

    @property
    def destination(self) -> Destination:
        """Where it goes."""
        return self.row.destination

    @property
    def way(self) -> str:
        """How it leaves, in words for a badge."""
        if self.is_pickup:
            return "Pick-up"
        store = self.destination.place
        return f"To {store.name}" if store else "Ship"

    @property
    def one_parcel(self) -> bool:
        """Whether all of it must leave in one parcel."""
        marked = any(line.allocation.line.together for line in self.lines)
        return (marked or self.row.order.ship_together) and self.units > 1


def stock_points(user: Any) -> QuerySet[Location]:
    """The stock points whose work this person may see and do."""
    active = Location.objects.filter(active=True)
    return active if user.is_superuser else active.filter(staff__user=user)


def counts(location: Location, *, now: datetime) -> dict[str, int]:
    """How much is in each tab, in one statement."""
    rows = (
        FulfillmentOrder.objects.filter(location=location)
        .filter(_open_or_done_since(midnight(location, now)))
        .values_list("state")
        .annotate(n=Count("id"))
        .order_by()
    )
    found = dict(rows)
    return {tab.code: sum(found.get(state, 0) for state in tab.states) for tab in TABS}


def _open_or_done_since(start: datetime) -> Q:
    # Said exactly as the two partial indexes say it.
    is_open = ~Q(state__in=["done", "refused", "canceled"])
    return is_open | Q(state="done", ended_at__gte=start)


def midnight(location: Location, now: datetime) -> datetime:
    """The start of the stock point's own day."""
    local = now.astimezone(ZoneInfo(location.timezone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def cards(location: Location, tab: Tab, *, now: datetime) -> list[Card]:
    """The work in a tab, what must leave first first; today's done, newest first."""
    rows = FulfillmentOrder.objects.filter(location=location, state__in=tab.states)
    if F.DONE in tab.states:
        rows = rows.filter(ended_at__gte=midnight(location, now)).order_by("-ended_at", "-id")
    else:
        rows = rows.order_by("ship_by", "id")
    return [card(row, now=now) for row in whole(rows)[:SHOWN]]


def whole(rows: QuerySet[FulfillmentOrder]) -> QuerySet[FulfillmentOrder]:
    """With everything that a card shows, in two statements."""
    lines = FulfillmentLine.objects.select_related("allocation__line__product").order_by(
        "allocation__line__position", "allocation__line__component", "id"
    )
    return rows.select_related(
        "order__contact",
        "order__pickup_location",
        "order__sold_at",
        "group__pickup_location",
        "location",
    ).prefetch_related(Prefetch("lines", lines))


def card(row: FulfillmentOrder, *, now: datetime) -> Card:
    """A card from a row of `whole`."""
    lines = [line for line in row.lines.all() if is_shown(line, row)]
    return Card(row, lines, due(row, now=now))


def is_shown(line: FulfillmentLine, row: FulfillmentOrder) -> bool:
    """A page shows what must leave, or what left: not what was refused or canceled (case 109)."""
    piece = line.allocation
    if piece.location_id != row.location_id:
        return False
    if row.state == F.DONE:
        return piece.state in lifecycle.LEFT
    return line.open and piece.state in lifecycle.CANCELABLE and piece.state != "queued"


def due(row: FulfillmentOrder, *, now: datetime) -> Due | None:
    """How long until the work must leave, in the stock point's own time."""
    if row.ship_by is None or row.state in (F.DONE, F.REFUSED, F.CANCELED, F.READY):
        return None
    left = row.ship_by - now
    if left < timedelta(0):
        return Due(f"{duration(-left)} late", "bad")
    if left < timedelta(hours=12):
        return Due(f"{duration(left)} left", "warn" if left < SOON else "good")
    local = row.ship_by.astimezone(ZoneInfo(row.location.timezone))
    return Due(f"by {local:%a} {local.day} {local:%b}, {local:%H:%M}", "")


def duration(span: timedelta) -> str:
    """A span of time in its two biggest parts: "2 h 10 min", "3 d 4 h"."""
    minutes = int(span.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (rest, "min")]
    named = [f"{n} {unit}" for n, unit in parts if n]
    if days:
        named = [x for x in named if not x.endswith("min")]
    return " ".join(named) or "under 1 min"


def parcels(location: Location) -> QuerySet[Parcel]:
    """Parcels that are for customers of this store and have not been handed out."""
    return Parcel.objects.filter(destination=location, delivered_at=None)


def parcel_counts(location: Location) -> dict[str, int]:
    """How many are on their way here, and how many wait for their customer. One statement."""
    here = Q(arrived_at__isnull=False)
    return parcels(location).aggregate(
        coming=Count("id", filter=~here), waiting=Count("id", filter=here)
    )


def carriers(location: Location) -> Sequence[str]:
    """Carriers that this stock point used lately, the last one first."""
    recent = (
        location.parcels.exclude(carrier="").order_by("-id").values_list("carrier", flat=True)[:30]
    )
    return list(dict.fromkeys(recent))[:6]
