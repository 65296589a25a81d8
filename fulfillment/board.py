"""What a store page shows: the work of one stock point, sorted by what must leave first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from fulfillment.models import FulfillmentLine, FulfillmentOrder, Parcel, PutBack
from inventory.models import Count as StockCount
from inventory.models import Location
from orders import lifecycle
from orders.destinations import Destination
from orders.models import Allocation
from routing.models import OpenOffer

SHOWN = 60
SOON = timedelta(hours=1)
HURRY = timedelta(minutes=5)
State = FulfillmentOrder.State
NEW, ALLOCATED = State.NEW, Allocation.State.ALLOCATED


@dataclass(frozen=True)
class Tab:
    """One list of the board; `states` are the states of work in it."""

    code: str
    label: str
    states: tuple[str, ...]
    empty: str
    hint: str


TABS = (
    Tab("new", "New", (State.NEW,), "Nothing new",
        "New orders appear here by themselves, with the time until they must leave."),
    Tab("picking", "Picking", (State.ACCEPTED, State.PICKED), "Nothing to pick",
        "Accept a new order, and it waits here until it is packed."),
    Tab("packed", "Packed", (State.PACKED,), "Nothing packed",
        "Packed orders wait here for the carrier, or to be put at the counter."),
    Tab("ready", "Ready", (State.READY,), "Nobody is expected",
        "Pick-up orders wait here until the customer comes."),
    Tab("done", "Done today", (State.DONE,), "Nothing has left yet today",
        "What you hand over today is listed here."),
)  # fmt: skip


@dataclass(frozen=True)
class Due:
    """When something must leave, in words; `level` is good, warn or bad."""

    words: str
    level: str


@dataclass(frozen=True)
class Answer:
    """Until when the stock point has time to take work, on its own clock; `seconds` are left."""

    clock: str
    words: str
    seconds: int
    level: str


@dataclass(frozen=True)
class Card:
    """One piece of work in a list."""

    row: FulfillmentOrder
    lines: list[FulfillmentLine]
    due: Due | None
    answer: Answer | None = None

    @property
    def units(self) -> int:
        """Units wanted."""
        return sum(line.quantity for line in self.lines)

    @property
    def picked(self) -> int:
        """Of these, picked."""
        return sum(line.picked for line in self.lines)

    @property
    def weight_g(self) -> int:
        """What the products weigh, as far as that is known; without packaging."""
        return sum(line.quantity * line.allocation.line.product.weight_g for line in self.lines)

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
    """The work in a tab, what must be answered or leave first first; today's done, newest first."""
    rows = FulfillmentOrder.objects.filter(location=location, state__in=tab.states)
    if State.DONE in tab.states:
        rows = rows.filter(ended_at__gte=midnight(location, now)).order_by("-ended_at", "-id")
    else:
        rows = rows.order_by(F("accept_by").asc(nulls_last=True), "ship_by", "id")
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
    waits = row.state == NEW
    return Card(
        row, lines, due(row, now=now),
        answer(row.accept_by, row.location, now=now) if waits else None,
    )  # fmt: skip


def answer(until: datetime | None, location: Location, *, now: datetime) -> Answer | None:
    """How long a stock point has to take work; None: as long as it likes."""
    if until is None:
        return None
    left = max(until - now, timedelta(0))
    local = until.astimezone(ZoneInfo(location.timezone))
    today = local.date() == now.astimezone(local.tzinfo).date()
    return Answer(
        clock=f"{local:%H:%M}" if today else f"{local:%a %H:%M}",
        words=duration(left) if left else "time is up", seconds=int(left.total_seconds()),
        level="bad" if left < HURRY else "warn",
    )  # fmt: skip


# --- open to several stock points ----------------------------------------------------------------


@dataclass(frozen=True)
class OpenCard:
    """Work that another stock point has not accepted, and that this one may take."""

    offer: OpenOffer
    pieces: list[Allocation]
    answer: Answer | None

    @property
    def way(self) -> str:
        """How it would leave, in words for a badge."""
        store = self.destination.place
        return f"To {store.name}" if store else "Ship"

    @property
    def service(self) -> str:
        """How fast."""
        return self.destination.service

    @property
    def destination(self) -> Destination:
        """Where it would go; what is open to several goes to one place."""
        return Destination(self.offer.order, self.pieces[0].line.group)

    @property
    def units(self) -> int:
        """All of it."""
        return sum(piece.quantity for piece in self.pieces)


def open_offers(location: Location, *, now: datetime) -> list[OpenCard]:
    """What the stock point may take before others do, the oldest first. Two statements at most."""
    offers = open_to(location, now=now).order_by("offered_at", "id")[:SHOWN]
    return open_cards(list(offers), location, now=now)


def open_to(location: Location, *, now: datetime) -> QuerySet[OpenOffer]:
    """Offers that the stock point may take now: nobody has taken the work on."""
    theirs = FulfillmentOrder.objects.filter(
        order=OuterRef("order"), decision_id=OuterRef("decision"), state=NEW, requested_at=None
    )
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    rows = OpenOffer.objects.filter(alive, Exists(theirs), location=location, state="open")
    return rows.select_related("order__pickup_location")


def open_cards(offers: Sequence[OpenOffer], location: Location, *, now: datetime) -> list[OpenCard]:
    """The offers with their units, without those that have none left. One statement at most."""
    if not offers:
        return []
    rows = Allocation.objects.filter(pk__in=[pk for offer in offers for pk in offer.slices])
    by_id = rows.select_related("line__product", "line__group__pickup_location").in_bulk()
    cards = [
        (offer, [by_id[pk] for pk in offer.slices if pk in by_id and by_id[pk].state == ALLOCATED])
        for offer in offers
    ]
    return [
        OpenCard(offer, pieces, answer(offer.expires_at, location, now=now))
        for offer, pieces in cards if pieces
    ]  # fmt: skip


def is_shown(line: FulfillmentLine, row: FulfillmentOrder) -> bool:
    """A page shows what must leave, or what left: not what was refused or canceled (case 109)."""
    piece = line.allocation
    if piece.location_id != row.location_id:
        return False
    if row.state == State.DONE:
        return piece.state in lifecycle.LEFT
    return line.open and piece.state in lifecycle.CANCELABLE and piece.state != "queued"


def due(row: FulfillmentOrder, *, now: datetime) -> Due | None:
    """How long until the work must leave, in the stock point's own time."""
    if row.ship_by is None or row.state in (State.DONE, State.REFUSED, State.CANCELED, State.READY):
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


def beside(location: Location) -> Mapping[str, Any]:
    """What is to do beside orders: counts, and goods to put back. One statement."""
    to_count = StockCount.objects.filter(state__in=StockCount.OPEN[:2])
    here = Location.objects.filter(pk=location.pk)
    return here.values(
        to_count=_how_many(to_count), to_put_back=_how_many(PutBack.objects.filter(done_at=None))
    ).get()


def _how_many(rows: QuerySet[Any]) -> Coalesce:
    """Rows of the stock point outside."""
    mine = rows.filter(location=OuterRef("pk")).order_by().values("location")
    return Coalesce(Subquery(mine.annotate(n=Count("pk")).values("n")), 0)


def put_backs(location: Location) -> QuerySet[PutBack]:
    """Picked goods that are to go back on this stock point's shelves."""
    return PutBack.objects.filter(location=location, done_at=None)


def to_put_back(rows: QuerySet[PutBack]) -> list[PutBack]:
    """With everything that a page shows, the oldest first. One statement."""
    whole = rows.select_related(
        "line__fulfillment_order__order", "line__allocation__line__product", "location"
    )
    return list(whole.order_by("created_at", "id")[:SHOWN])


def unwanted(row: FulfillmentOrder) -> list[PutBack]:
    """What of this work is to be put back, also what was taken away a moment ago (row of `whole`).

    That has no row yet; the button writes it down before it ends it.
    """
    open_ = PutBack.objects.filter(line__fulfillment_order=row, done_at=None)
    fresh = [
        PutBack(location=row.location, line=line, quantity=line.picked)
        for line in row.lines.all()
        if line.open and line.picked and row.state != State.DONE and not is_shown(line, row)
        and not row.location.wms_url
    ]  # fmt: skip
    return [*to_put_back(open_), *fresh]


def carriers(location: Location) -> Sequence[str]:
    """Carriers that this stock point used lately, the last one first."""
    recent = (
        location.parcels.exclude(carrier="").order_by("-id").values_list("carrier", flat=True)[:30]
    )
    return list(dict.fromkeys(recent))[:6]
