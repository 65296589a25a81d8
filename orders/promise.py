"""The first promise: where capture claims stock, and until when the customer has it.

Functions on what inventory.availability read and on the delivery services (orders.services), which
are read once a minute. Routing may move the claims to a better place afterwards; the promise
stands. `speed` is what the order asks for: standard, express, or COUNTER for what is collected
where it lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from config.geo import Point, distance_km
from inventory import hours
from inventory.availability import Sellable, StockPoint
from inventory.supplies import Coming
from orders.services import COUNTER, STANDARD, transit_days

UNKNOWN_DISTANCE_KM = 1000.0
SATURDAY = 5
_DAY = timedelta(days=1)
MOST_AHEAD = timedelta(days=60)  # no work is given out longer than this before a wanted day
DELIVERED_BY = time(20)


@dataclass(frozen=True)
class Wanted:
    """Units wanted of one line; `index` is the line's place in the order."""

    index: int
    sku: str
    quantity: int


@dataclass(frozen=True)
class Piece:
    """Units of one line to be claimed at one stock point."""

    index: int
    sku: str
    quantity: int
    point: StockPoint


def choose(
    wanted: Sequence[Wanted], sellable: dict[str, Sellable], *, at: Point | None, only: str | None,
    store: str | None = None,
) -> tuple[list[Piece], list[Wanted]]:  # fmt: skip
    """Pick stock points: as few as possible, the nearest first; returns (pieces, what is missing).

    `only` is the code of the one stock point allowed, for pick-up; `store` the one that an order
    is sent to, which may give it from its own shelf. Never more in all than the pool promises,
    whatever is free at its stock points.
    """
    free = _free(wanted, sellable, only, store)
    kept = _kept_back(wanted, sellable)
    open_units = {w.index: w.quantity - kept[w.index] for w in wanted if w.quantity > kept[w.index]}
    by_index = {w.index: w for w in wanted}
    pieces: list[Piece] = []
    while open_units and free:
        location = max(free, key=lambda loc: _rank(loc, free, open_units, by_index, at))
        taken = _take(free.pop(location), open_units, by_index)
        pieces += taken
    short = {w.index: kept[w.index] + open_units.get(w.index, 0) for w in wanted}
    return pieces, [Wanted(w.index, w.sku, short[w.index]) for w in wanted if short[w.index]]


def take(sellable: dict[str, Sellable], pieces: Sequence[Piece]) -> None:
    """Take pieces out of what can be promised: whoever is planned next finds less."""
    for piece in pieces:
        product = sellable[piece.sku]
        points = tuple(
            replace(
                point, free=point.free - piece.quantity,
                own=min(point.own, point.free - piece.quantity),
            )
            if point.location == piece.point.location
            else point
            for point in product.points
        )  # fmt: skip
        sellable[piece.sku] = replace(product, points=points)


def _kept_back(wanted: Sequence[Wanted], sellable: dict[str, Sellable]) -> dict[int, int]:
    """Units of each line that the pool does not promise; earlier lines are served first."""
    left = {w.sku: sellable[w.sku].available for w in wanted}
    kept = {}
    for w in wanted:
        served = min(w.quantity, left[w.sku])
        left[w.sku] -= served
        kept[w.index] = w.quantity - served
    return kept


def _free(
    wanted: Sequence[Wanted], sellable: dict[str, Sellable], only: str | None, store: str | None
) -> dict[int, dict[str, StockPoint]]:
    places: dict[int, dict[str, StockPoint]] = {}
    for sku in {w.sku for w in wanted}:
        for point in sellable[sku].points:
            counter = point.can_pickup and point.code in (only, store)
            if counter or (point.can_ship and only is None):
                places.setdefault(point.location, {})[sku] = point
    return places


def _rank(
    location: int,
    free: dict[int, dict[str, StockPoint]],
    open_units: dict[int, int],
    by_index: dict[int, Wanted],
    at: Point | None,
) -> tuple[int, float, int]:
    have = {sku: point.free for sku, point in free[location].items()}
    covered = 0
    for index, units in open_units.items():
        sku = by_index[index].sku
        got = min(units, have.get(sku, 0))
        covered += got
        if got:
            have[sku] -= got
    point = next(iter(free[location].values()))
    return covered, -km(point, at), -location


def _take(
    points: dict[str, StockPoint], open_units: dict[int, int], by_index: dict[int, Wanted]
) -> list[Piece]:
    pieces = []
    left = {sku: point.free for sku, point in points.items()}
    for index in list(open_units):
        sku = by_index[index].sku
        got = min(open_units[index], left.get(sku, 0))
        if got:
            left[sku] -= got
            pieces.append(Piece(index, sku, got, points[sku]))
            open_units[index] -= got
            if not open_units[index]:
                del open_units[index]
    return pieces


def promised_at(
    pieces: Sequence[Piece], *, at: Point | None, placed: datetime, wanted_on: date | None = None,
    speed: str = STANDARD,
) -> datetime | None:  # fmt: skip
    """When the last piece is with the customer, or in their store; None: nothing is promised.

    Never before the day it is wanted on.
    """
    places = {piece.point.location: piece.point for piece in pieces}
    arrivals = [arrival(point, at=at, placed=placed, speed=speed) for point in places.values()]
    if wanted_on is not None:
        arrivals = [max(a, datetime.combine(wanted_on, DELIVERED_BY, a.tzinfo)) for a in arrivals]
    return max(arrivals, default=None)


def release_at(
    wanted_on: date, pieces: Sequence[Piece], at: Point | None, now: datetime,
    speed: str = STANDARD,
) -> datetime | None:  # fmt: skip
    """When an order that is wanted on a day must be given to its stock points; None: at once.

    For each place the first of its days that brings the parcel no earlier than wanted; of several
    places the earliest day counts, so that nothing comes late.
    """
    days = [_release(piece.point, wanted_on, at=at, now=now, speed=speed) for piece in pieces]
    first = min(days, default=None)
    return first if first is not None and first > now else None


def _release(
    point: StockPoint, wanted_on: date, *, at: Point | None, now: datetime, speed: str
) -> datetime:
    zone = _zone(point.timezone)
    today = local_time(now, point.timezone).date()
    day, first = wanted_on, max(today, wanted_on - MOST_AHEAD)
    while day > first:
        before = datetime.combine(day - _DAY, time.min, tzinfo=zone)
        if arrival(point, at=at, placed=before, speed=speed).date() < wanted_on:
            break
        day -= _DAY
    return datetime.combine(day, time.min, tzinfo=zone)


def arrival(
    point: StockPoint, *, at: Point | None, placed: datetime, speed: str = STANDARD
) -> datetime:
    """End of the day, in the stock point's zone, on which its parcel arrives.

    What is collected there is ready on the day a parcel would leave, until it closes.
    """
    local = local_time(placed, point.timezone)
    leaves = hand_over(point, local)
    return arrival_from(point, leaves, at=at, zone=local.tzinfo, speed=speed)


def hand_over(point: StockPoint, local: datetime) -> date:
    """The day a parcel leaves that is asked for at a moment of the stock point's own clock."""
    open_ = hours.read(point.calendar, point.cutoff)
    return hours.hand_over_day(open_, local, lead_days=point.lead_days)


def arrival_from(
    point: StockPoint, leaves: date, *, at: Point | None, zone: tzinfo | None, speed: str
) -> datetime:
    """When a parcel arrives that leaves the stock point on a day."""
    if speed == COUNTER:
        return ready(point, leaves, zone=zone)
    return delivered(leaves, transit_days(km(point, at), speed), zone=zone)


def ready(point: StockPoint, day: date, *, zone: tzinfo | None) -> datetime:
    """Until when something can be collected on a day: closing time, DELIVERED_BY at the latest."""
    open_ = hours.read(point.calendar, point.cutoff).on(day)
    closes = min(open_[-1][1], DELIVERED_BY) if open_ else DELIVERED_BY
    return datetime.combine(day, closes, tzinfo=zone)


def arrival_of(
    coming: Coming, *, at: Point | None, now: datetime, speed: str = STANDARD
) -> datetime | None:
    """When units of a supply are with the customer: its date, the sender's usual lateness, a day
    to put them away, and the way. None: nobody knows its date."""
    moment = coming.ready_at(now)
    return moment and arrival(coming.point, at=at, placed=moment, speed=speed)


def delivered(leaves: date, days: int, *, zone: tzinfo | None) -> datetime:
    """End of the day that many working days of a carrier after a parcel left."""
    day = leaves
    while days > 0:
        day += _DAY
        if day.weekday() < SATURDAY:
            days -= 1
    return datetime.combine(day, DELIVERED_BY, tzinfo=zone)


def local_time(moment: datetime, timezone: str) -> datetime:
    """A moment on the clock of a time zone."""
    return moment.astimezone(_zone(timezone))


@cache
def _zone(name: str) -> ZoneInfo:
    # ZoneInfo itself remembers eight zones; a network has more and would read files per order.
    return ZoneInfo(name)


def km(point: StockPoint, at: Point | None) -> float:
    """Kilometers from a stock point to somewhere; UNKNOWN_DISTANCE_KM when nobody knows where."""
    if at is None:
        return UNKNOWN_DISTANCE_KM
    return distance_km(Point(point.lat, point.lng, "exact"), at)
