"""Stock and days as the orders of a batch see them, one after the other; and when things arrive."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from config.geo import Point, distance_km
from inventory import hours
from orders import promise
from routing import engine
from routing.claims import Spot
from routing.reading import Facts, Row

DAY = timedelta(days=1)


@dataclass
class Day:
    """What a stock point's day can take of a delivery method (None: any number), and has."""

    orders: int | None
    units: int | None
    given_orders: int
    given_units: int


@dataclass(frozen=True)
class World:
    """Stock and days of the stock points as the orders of a batch see them, one after the other."""

    facts: Facts = field(repr=False)
    now: datetime
    # location -> product -> [units there that nobody has claimed, safety, target or None]
    stock: Mapping[int, dict[int, list[Any]]] = field(repr=False)
    days: Mapping[tuple[int, str], Day] = field(repr=False)  # by (location, method), where limited
    # (location, product) -> units that orders still to be looked at will give up by their plans
    coming: dict[Spot, int] = field(default_factory=lambda: defaultdict(int), repr=False)
    clocks: dict[str, datetime] = field(default_factory=dict, repr=False)
    leaving: dict[int, date] = field(default_factory=dict, repr=False)

    def claim(self, location: int, product: int, units: int) -> None:
        """Units were claimed there, or (negative) given up."""
        if (row := self.stock.get(location, {}).get(product)) is not None:
            row[0] -= units

    def expect(self, own: Mapping[int, Mapping[int, int]], *, sign: int = 1) -> None:
        """What an order holds may be given up by its plan; or (-1) its turn has come."""
        for location, products in own.items():
            for product, units in products.items():
                self.coming[location, product] += sign * units

    def give(self, location: int, method: str, units: int) -> None:
        """A parcel or pick-up with so many units was given to a stock point."""
        day = self.days.get((location, method))
        if day is not None:
            day.given_orders += 1
            day.given_units += units

    def local(self, timezone: str) -> datetime:
        """Now, on the clock of a time zone."""
        if timezone not in self.clocks:
            self.clocks[timezone] = promise.local_time(self.now, timezone)
        return self.clocks[timezone]

    def leaves(self, row: Row) -> date:
        """The day on which a stock point hands over what it is given now."""
        if row["id"] not in self.leaving:
            open_ = hours.read(row["calendar"], _clock(row["cutoff"]))
            self.leaving[row["id"]] = hours.hand_over_day(
                open_, self.local(row["timezone"]), lead_days=row["lead_days"]
            )
        return self.leaving[row["id"]]


def world_of(facts: Facts, now: datetime) -> World:
    """What orders compete for, as it was read."""
    stock: dict[int, dict[int, list[Any]]] = defaultdict(dict)
    for location, product, *figures in facts.stock:
        stock[location][product] = figures
    days: dict[tuple[int, str], Day] = {}
    shared: dict[int, Day] = {}
    for location, method, orders, units, is_shared, given_orders, given_units in facts.loads:
        day = Day(orders, units, given_orders, given_units)
        # Parcels and pick-ups that share a limit are counted in one place.
        days[location, method] = shared.setdefault(location, day) if is_shared else day
    return World(facts=facts, now=now, stock=dict(stock), days=days)


@lru_cache(maxsize=512)
def _clock(text: str) -> time:
    return time.fromisoformat(text)


# --- when a parcel arrives -----------------------------------------------------------------------


class Arrivals:
    """Days until the customer has a parcel, by the same rules as the promise (orders.promise)."""

    def __init__(
        self, world: World, destination: engine.Destination, promised: datetime | None,
        services: Sequence[engine.Service],
    ) -> None:  # fmt: skip
        self.world = world
        self.services = services
        self.promised = promised
        self.at: Point | None = None
        if destination.lat is not None and destination.lng is not None:
            self.at = Point(destination.lat, destination.lng, "exact")
        # From one distance to the next nothing changes: most points of an order share an answer.
        self.steps = sorted({up_to for by in services for up_to, _ in by.transit})
        self.known: dict[tuple[Any, ...], tuple[int | None, ...]] = {}

    def days(self, row: Row) -> tuple[int | None, ...]:
        """Whole days from now by each service, None where it does not go as far.

        Counted so that promised days + late days = these days.
        """
        km = promise.UNKNOWN_DISTANCE_KM
        if self.at is not None:
            km = distance_km(Point(row["lat"], row["lng"], "exact"), self.at)
        leaves, local = self.world.leaves(row), self.world.local(row["timezone"])
        key = (leaves, local.utcoffset(), bisect_left(self.steps, km))
        if key not in self.known:
            self.known[key] = tuple(self._arrival(by, km, leaves, local) for by in self.services)
        return self.known[key]

    def _arrival(
        self, by: engine.Service, km: float, leaves: date, local: datetime
    ) -> int | None:  # fmt: skip
        days = by.days(km)
        if days is None:
            return None
        return self._count(promise.delivered(leaves, days, zone=local.tzinfo))

    def _count(self, arrival: datetime) -> int:
        if self.promised is None:
            return round((arrival - self.world.now) / DAY)
        # Counted from the promise: an hour between two time zones is no day.
        return round((self.promised - self.world.now) / DAY) + round(
            (arrival - self.promised) / DAY
        )
