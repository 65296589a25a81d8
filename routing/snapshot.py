"""From the database to the engine's types: what a decision about an order is made from.

The orders of a batch compete in memory: a World is what all of them see, and what an order is given
is taken from it before the next one is looked at. Nothing here writes to the database.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from orders.models import Allocation, Order
from routing import candidates, engine, parts, reading
from routing.parts import Part
from routing.reading import Channel, Row
from routing.replay import Inputs
from routing.world import DAY, Day, World, world_of

EXPRESS = "express"
# Nothing is sent to who comes to fetch it.
_COUNTER = engine.Service(
    key=0, code="pickup", name="Pick-up",
    tariff=engine.Tariff(bands=((1e6, 1e9, Decimal(0)),)),
    emission=engine.Emission(
        kg_fixed_per_parcel=0.0, kg_per_tkm_last_mile=0.0, kg_per_tkm_linehaul=0.0
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Waiting:
    """A slice that waits, and what is known of its line."""

    piece: Allocation
    product: int
    sku: str
    unit_price: Decimal
    weight_g: int
    dangerous: bool
    category: str
    group: int | None
    together: str

    def short(self, units: int) -> "Waiting":
        """The same slice with fewer units, not saved."""
        piece = copy(self.piece)
        piece.quantity -= units
        return replace(self, piece=piece)


@dataclass(frozen=True)
class Snapshot:
    """What a decision about a part of one order is made from, as it was at one moment."""

    order: Order
    part: Part
    now: datetime
    waiting: tuple[Waiting, ...]
    held: tuple[tuple[Waiting, str], ...]  # what waits, too, but a hold forbids to route; its words
    refused: frozenset[tuple[int, int]]  # (line, location)
    world: World = field(repr=False)
    points: Mapping[int, Row] = field(repr=False)  # that may be asked, by location id
    channel: Channel = field(repr=False)
    own: Mapping[int, Mapping[int, int]]  # location -> product -> units it holds there itself
    rule_set: Row | None  # who decides: id, name, version, max_attempts, exclude_days
    rules: tuple[Row, ...] = field(repr=False)  # its rules whose IF the order meets, by position
    destination: engine.Destination

    def products(self) -> dict[int, int]:
        """Line id to product id."""
        return {one.piece.line_id: one.product for one in self.waiting}

    def limits(self, location: int) -> Day | None:
        """What the stock point's day takes; None: any number."""
        return self.world.days.get((location, self.part.method))

    def day(self, location: int) -> date:
        """Today where the stock point is."""
        return date.fromisoformat(self.points[location]["day"])

    def is_useless(self, piece: Allocation) -> bool:
        """Whether a slice's claim can never serve it: the place has refused its line."""
        return (piece.line_id, piece.location_id) in self.refused

    def is_overdrawn(self, location: int, product: int) -> bool:
        """Whether more of it was given away than the order's pool may promise."""
        units, safety, _ = self.world.stock[location][product]
        return bool(units - safety < self.channel.members[location])

    def waits_for_run(self) -> bool:
        """Whether its first rule leaves it to the next run; express never waits."""
        service = self.part.destination.service
        return bool(self.rules) and self.rules[0]["when"] == "run" and service != EXPRESS

    def inputs(self, waiting: Sequence[Waiting], rule: Row, *, relaxed: bool = False) -> Inputs:
        """The engine's inputs for these slices by a rule of the set.

        `relaxed`: the promise may be missed by the rule's days. Raises engine.BadInput for a rule
        out of range.
        """
        destination, services = self.destination, self._services()
        policy = _policy(rule, promise_days=self._promise_days(), relaxed=relaxed)
        if self.part.kept:
            policy = replace(policy, max_parcels=1, whole=True)
        if self.part.is_pickup:
            destination = _place_of(self.points.values())
            policy = replace(policy, max_km=None, promise_days=None)
            services = (_COUNTER,)
        return Inputs(
            lines=_lines(waiting),
            candidates=candidates.of(self, destination, rule, services),
            destination=destination,
            policy=policy,
            services=services,
        )

    def _services(self) -> tuple[engine.Service, ...]:
        """Those that keep the speed the order asks for."""
        speed = self.part.destination.service
        return tuple(one.service for one in self.world.facts.services if speed in one.speeds)

    def _promise_days(self) -> int | None:
        if self.order.promised_at is None:
            return None
        return round((self.order.promised_at - self.now) / DAY)


def take(
    order: Order, *, now: datetime, part: Part | None = None, rule_set: int | None = None
) -> Snapshot:
    """Read everything about a locked order, or a part of it, that waits to be routed.

    `rule_set`: as `take_many` has it.
    """
    part = part or parts.whole(order)
    return _snapshots([part], now, rule_set)[0]


def take_many(
    orders: Sequence[Order], *, now: datetime, rule_set: int | None = None
) -> list[Snapshot]:
    """Read everything about orders, in one statement; they share one World.

    `rule_set`: the id of one that counts as if it were activated now, whatever its state.
    """
    return take_parts([parts.whole(order) for order in orders], now=now, rule_set=rule_set)


def take_parts(
    asked: Sequence[Part], *, now: datetime, rule_set: int | None = None
) -> list[Snapshot]:
    """The same about parts, each of another order."""
    return _snapshots(asked, now, rule_set) if asked else []


def _snapshots(asked: Sequence[Part], now: datetime, rule_set: int | None) -> list[Snapshot]:
    facts = reading.read(asked, now=now, rule_set=rule_set)
    world = world_of(facts, now)
    slices: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in facts.slices:
        slices[row["order_id"]].append(row)
    own: dict[int, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for order, product, location, units in facts.own:
        own[order][location][product] = units
    refused: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for line, location in facts.refused:
        refused[line].add((line, location))
    return [
        _snapshot(part, world, slices[part.destination.order.pk],
                  own[part.destination.order.pk], refused)
        for part in asked
    ]  # fmt: skip


def _snapshot(
    part: Part, world: World, rows: Sequence[dict[str, Any]],
    own: Mapping[int, Mapping[int, int]], refused: Mapping[int, set[tuple[int, int]]],
) -> Snapshot:  # fmt: skip
    order, facts = part.destination.order, world.facts
    channel = facts.channels[order.channel_id]
    lat, lng, country = facts.aims[order.pk]
    products = {row["product_id"] for row in rows}
    return Snapshot(
        order=order,
        part=part,
        now=world.now,
        waiting=tuple(_waiting(row) for row in rows if not row["held"]),
        held=tuple((_waiting(row), row["held"]) for row in rows if row["held"]),
        refused=frozenset(pair for row in rows for pair in refused.get(row["line_id"], ())),
        world=world,
        points={
            key: row for key, row in facts.points.items()
            if key in channel.members
            and (not part.is_pickup or key == part.destination.place_id)
            and (row["active"] or not products.isdisjoint(world.stock.get(key, ())))
        },
        channel=channel,
        own=own,
        rule_set=None if channel.rule_set is None else facts.rule_sets[channel.rule_set],
        rules=tuple(facts.rules[pk] for pk in facts.matching.get(order.pk, ())),
        destination=engine.Destination(lat=lat, lng=lng, country=country),
    )  # fmt: skip


def _waiting(row: Mapping[str, Any]) -> Waiting:
    piece = Allocation(
        id=row["id"], order_id=row["order_id"], line_id=row["line_id"], quantity=row["quantity"],
        state=Allocation.State.QUEUED, queue=row["queue"], queue_reason=row["queue_reason"],
        location_id=row["location_id"], reservation_id=row["reservation_id"],
        attempt=row["attempt"], since=datetime.fromisoformat(row["since"]),
    )  # fmt: skip
    return Waiting(
        piece, row["product_id"], row["sku"], _decimal(row["unit_price"]), row["weight_g"],
        row["dangerous"], row["category"], row["group_id"], row["together"],
    )  # fmt: skip


def _lines(waiting: Iterable[Waiting]) -> tuple[engine.Line, ...]:
    units: dict[int, int] = defaultdict(int)
    known: dict[int, Waiting] = {}
    for one in waiting:
        units[one.piece.line_id] += one.piece.quantity
        known[one.piece.line_id] = one
    return tuple(
        engine.Line(
            key=line, product=one.product, quantity=units[line], weight_g=one.weight_g,
            unit_price=one.unit_price, dangerous=one.dangerous, category=one.category,
        )
        for line, one in sorted(known.items())
    )  # fmt: skip


def _policy(rule: Row, *, promise_days: int | None, relaxed: bool) -> engine.Policy:
    return engine.Policy(
        economic=rule["economic"],
        ecological=rule["ecological"],
        logistical=rule["logistical"],
        retail=rule["retail"],
        co2_price_per_kg=_money(rule["co2_price_per_kg"]),
        central_bonus=_money(rule["central_bonus"]),
        overstock_relief=_money(rule["overstock_relief"]),
        split_penalty=_money(rule["split_penalty"]),
        max_parcels=rule["max_parcels"],
        max_km=rule["max_km"],
        min_free_units=rule["min_free_units"],
        min_part_value=_money_or_none(rule["min_part_value"]),
        late_penalty_per_day=_money(rule["late_penalty_per_day"]),
        promise_days=promise_days,
        refusal_cost=_money(rule["refusal_cost"]),
        last_unit_cost=_money(rule["last_unit_cost"]),
        workload_cost=_money(rule["workload_cost"]),
        in_time=rule["in_time"],
        relax_days=rule["relax_days"] if relaxed else 0,
        split=rule["split"],
        sort=tuple(rule["sort"]),
    )


def _money(value: float) -> Decimal:
    return Decimal(str(value))  # a numeric column that came as a JSON number


def _money_or_none(value: float | None) -> Decimal | None:
    return None if value is None else _money(value)


_decimal = lru_cache(maxsize=4096)(Decimal)  # the same few prices come back for every order


def _place_of(points: Iterable[Row]) -> engine.Destination:
    """The stock point itself, where a pick-up order ends."""
    for row in points:
        return engine.Destination(lat=row["lat"], lng=row["lng"])
    return engine.Destination(lat=None, lng=None)
