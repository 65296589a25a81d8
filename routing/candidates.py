"""Stock points as the engine's candidates: what each has free for an order, and what its day has
left."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from routing import engine, learning
from routing.reading import Row
from routing.world import Arrivals, Day

if TYPE_CHECKING:
    from routing.snapshot import Snapshot, Waiting

Units = Mapping[int, int]  # by product


def of(
    shot: "Snapshot", destination: engine.Destination, rule: Row,
    services: Sequence[engine.Service],
) -> tuple[engine.Candidate, ...]:  # fmt: skip
    """The candidates of a decision by a rule, as the orders before it in a batch left them."""
    world, method = shot.world, shot.part.method
    arrivals = Arrivals(world, destination, shot.order.promised_at, services)
    rates = learning.refusal_rates()
    store = shot.part.destination.place_id
    wanted = _wanted(shot.waiting)
    excluded: dict[int, set[int]] = defaultdict(set)
    for line, location in shot.refused:
        excluded[location].add(line)
    found = []
    for key, row in shot.points.items():
        stock, own = world.stock.get(key), shot.own.get(key, {})
        day = world.days.get((key, method))
        there = _there(stock, own, wanted, buffer=shot.channel.members[key])
        is_limited = day is not None and day.units is not None
        found.append(engine.Candidate(
            key=key, code=row["code"], name=row["name"], kind=row["kind"],
            is_central=row["is_central"], lat=row["lat"], lng=row["lng"],
            free=_within(day, there, wanted) if day is not None and is_limited else there,
            handling_order=_decimal(row["handling_order"]),
            handling_line=_decimal(row["handling_line"]),
            capacity_left=_orders_left(day), open=row["active"],
            can_ship=row["can_pickup"] if key == store else row["can_ship"],
            online=row["online"],
            lead_days=() if stock is None else arrivals.days(row),
            overstock=_overstock(stock, own, wanted),
            excluded=frozenset(excluded.get(key, ())),
            refusal_rate=rates.get(key, learning.UNKNOWN),
            load=_load(day), allowed=lets_in(rule, location=key, kind=row["kind"]),
            on_shelf=there if is_limited else {},
        ))  # fmt: skip
    return tuple(found)


def lets_in(rule: Row, *, location: int, kind: str) -> bool:
    """Whether a rule lets a stock point in."""
    named = not rule["only"] or location in rule["only"]
    is_kind = not rule["kinds"] or kind in rule["kinds"]
    return named and is_kind and location not in rule["never"]


def _wanted(waiting: "Sequence[Waiting]") -> dict[int, int]:
    units: dict[int, int] = defaultdict(int)
    for one in sorted(waiting, key=lambda one: one.piece.line_id):
        units[one.product] += one.piece.quantity
    return units


def _there(
    stock: Mapping[int, Sequence[Any]] | None, own: Units, wanted: Units, *, buffer: int
) -> dict[int, int]:
    """What the pool has free at the point, and what the order's own waiting slices hold there
    already, as far as it is physically covered."""
    free: dict[int, int] = {}
    if stock is None:
        return free
    for product in wanted:
        row = stock.get(product)
        if row is not None:
            units, safety, _ = row
            free[product] = max(units - safety - buffer, 0) + max(
                own.get(product, 0) + min(units, 0), 0
            )
    return free


def _within(day: Day, there: Units, wanted: Units) -> dict[int, int]:
    """Of a day limited in units no more than are left.

    Lines take of it in their order, so no plan can ask for more than the day has.
    """
    free = dict(there)
    left = max((day.units or 0) - day.given_units, 0)
    for product, units in wanted.items():
        free[product] = min(free.get(product, 0), units, left)
        left -= free[product]
    return free


def _overstock(
    stock: Mapping[int, Sequence[Any]] | None, own: Units, wanted: Units
) -> dict[int, int]:  # fmt: skip
    return {
        product: over
        for product in wanted
        if stock is not None and (row := stock.get(product)) is not None and row[2] is not None
        and (over := row[0] + own.get(product, 0) - row[2]) > 0
    }  # fmt: skip


def _orders_left(day: Day | None) -> int | None:
    if day is None:
        return None
    if day.units is not None and day.given_units >= day.units:
        return 0
    return None if day.orders is None else max(day.orders - day.given_orders, 0)


def _load(day: Day | None) -> float:
    """The share of the point's day that is given away."""
    if day is None:
        return 0.0
    given = ((day.given_orders, day.orders), (day.given_units, day.units))
    return min(max(_share(some, most) for some, most in given), 1.0)


def _share(some: int, most: int | None) -> float:
    if most is None:
        return 0.0
    return some / most if most else 1.0


_decimal = lru_cache(maxsize=4096)(Decimal)  # the same few prices come back for every order
