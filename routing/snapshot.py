"""From the database to the engine's types: everything a decision is made from, in one statement.

One statement sees one moment, so stock, claims, capacity and rules fit together.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connection

from config.geo import Point, distance_km
from inventory import hours
from orders import promise
from orders.models import Allocation, Order
from routing import capacity, engine, learning, parts
from routing.parts import Part
from routing.replay import Bands, Inputs

DAY = timedelta(days=1)

# What a stock point can give this order of a product is what its pool has free there, and what
# the order's own waiting slices hold there already, as far as it is physically covered. A claim at
# a place that refused the line counts for nothing, nor does that of a slice on hold.
_SNAPSHOT = f"""
WITH special AS MATERIALIZED ({hours.SPECIAL}), pool AS (
    SELECT m.location_id, m.buffer FROM inventory_poollocation m
      JOIN orders_saleschannel c ON c.pool_id = m.pool_id AND c.id = %(channel)s
     WHERE %(only)s::bigint IS NULL OR m.location_id = %(only)s
), hold AS (
    SELECT h.id, h.reason, h.slices FROM orders_hold h
     WHERE h.order_id = %(order)s AND h.state = 'open' AND 'route' = ANY(h.blocks)
), slice AS (
    SELECT a.id, a.line_id, a.quantity, a.queue, a.queue_reason, a.location_id, a.reservation_id,
           a.attempt, a.since, l.product_id, l.sku, l.unit_price::text AS unit_price, p.weight_g,
           l.group_id, l.together,
           (SELECT h.reason FROM hold h WHERE h.slices = '{{}}' OR a.id = ANY(h.slices)
             ORDER BY h.id LIMIT 1) AS held
      FROM orders_allocation a
      JOIN orders_orderline l ON l.id = a.line_id
      JOIN inventory_product p ON p.id = l.product_id
     WHERE a.order_id = %(order)s AND a.state = 'queued' AND a.queue IN ('routing', 'unfillable')
       AND (%(whole)s OR l.group_id IS NOT DISTINCT FROM %(group)s)
       AND (%(box)s::text IS NULL OR l.together = %(box)s)
), refused AS (
    SELECT DISTINCT f.line_id, f.location_id FROM routing_refusal f
     WHERE f.line_id IN (SELECT line_id FROM slice)
), own AS (
    SELECT s.product_id, s.location_id, sum(s.quantity) AS units
      FROM slice s LEFT JOIN refused f USING (line_id, location_id)
     WHERE s.reservation_id IS NOT NULL AND f.line_id IS NULL AND s.held IS NULL
     GROUP BY s.product_id, s.location_id
), held AS (
    SELECT s.location_id,
           json_agg(json_build_array(s.product_id,
               greatest(s.on_hand - s.unavailable - s.reserved - s.safety - m.buffer, 0)
               + greatest(coalesce(o.units, 0)
                          + least(s.on_hand - s.unavailable - s.reserved, 0), 0),
               greatest(s.on_hand - s.unavailable - s.reserved + coalesce(o.units, 0)
                        - s.target, 0))) AS stock
      FROM inventory_stock s
      JOIN pool m ON m.location_id = s.location_id
      LEFT JOIN own o ON o.product_id = s.product_id AND o.location_id = s.location_id
     WHERE s.product_id IN (SELECT product_id FROM slice)
     GROUP BY s.location_id
), point AS (
    SELECT l.id, l.code, l.name, l.kind, l.is_central, l.lat, l.lng, l.timezone, l.cutoff,
           l.lead_days, l.can_ship, l.can_pickup, l.online, l.active,
           l.handling_order::text AS handling_order, l.handling_line::text AS handling_line,
           d.day, h.stock, c.orders, c.units, c.shared,
           CASE WHEN h.stock IS NOT NULL THEN {hours.CALENDAR} END AS calendar
      FROM pool m
      JOIN inventory_location l ON l.id = m.location_id
     CROSS JOIN LATERAL (SELECT (%(now)s::timestamptz AT TIME ZONE l.timezone)::date AS day) AS d
     CROSS JOIN LATERAL inventory_capacity_of(l.id, d.day, %(delivery)s) AS c
      LEFT JOIN held h ON h.location_id = l.id
     WHERE l.active OR h.stock IS NOT NULL
     ORDER BY l.id
), loaded AS (
    SELECT c.location_id, load.orders, load.units
      FROM (SELECT id AS location_id, day, orders, units, shared,
                   (SELECT sum(quantity) FROM slice WHERE held IS NULL) AS more
              FROM point WHERE orders IS NOT NULL OR units IS NOT NULL) AS c
     CROSS JOIN {capacity.LOAD} AS load
), rules AS (
    SELECT r.id AS rule_set, r.max_attempts, r.exclude_days, u.* FROM routing_ruleset r
      JOIN routing_rule u ON u.rule_set_id = r.id
      LEFT JOIN routing_ruleset_channels c
             ON c.ruleset_id = r.id AND c.saleschannel_id = %(channel)s
     WHERE r.state = 'active'
       AND (c.id IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM routing_ruleset_channels x WHERE x.ruleset_id = r.id))
     ORDER BY c.id IS NULL, r.activated_at DESC, r.id DESC, u.position LIMIT 1
), service AS (
    SELECT s.id FROM orders_deliveryservice s WHERE s.active ORDER BY s.position, s.id LIMIT 1
)
SELECT (SELECT json_agg(s ORDER BY s.id) FROM slice s)::text,
       (SELECT json_agg(json_build_array(line_id, location_id)) FROM refused)::text,
       (SELECT json_agg(json_build_object('point', p, 'given', json_build_array(
                   coalesce(d.orders, 0), coalesce(d.units, 0))))
          FROM point p LEFT JOIN loaded d ON d.location_id = p.id)::text,
       (SELECT to_json(r) FROM rules r)::text,
       (SELECT json_agg(json_build_array(max_km, max_g, price::text) ORDER BY max_km, max_g)
          FROM routing_tariffband WHERE service_id = (SELECT id FROM service))::text,
       (SELECT json_build_object('kg_fixed_per_parcel', e.kg_fixed_per_parcel,
                   'kg_per_tkm_last_mile', n.kg_per_tkm + n.wtt_kg_per_tkm,
                   'kg_per_tkm_linehaul', f.kg_per_tkm + f.wtt_kg_per_tkm,
                   'last_mile_km', e.last_mile_km, 'detour_factor', e.detour_factor,
                   'source', n.source, 'year', n.year)
          FROM routing_serviceemission e
          JOIN routing_emissionfactor n ON n.id = e.last_mile_id
          JOIN routing_emissionfactor f ON f.id = e.linehaul_id
         WHERE e.service_id = (SELECT id FROM service))::text,
       (SELECT json_build_array(c.lat, c.lng, c.country) FROM orders_ordercontact c
         WHERE c.order_id = %(order)s)::text
"""

_EMISSION = (
    "kg_fixed_per_parcel", "kg_per_tkm_last_mile", "kg_per_tkm_linehaul", "last_mile_km",
    "detour_factor", "source", "year",
)  # fmt: skip
# Nothing is sent to who comes to fetch it.
_NO_PARCEL = replace(
    engine.Emission(), kg_fixed_per_parcel=0.0, kg_per_tkm_last_mile=0.0, kg_per_tkm_linehaul=0.0
)


@dataclass(frozen=True)
class Waiting:
    """A slice that waits, and what is known of its line."""

    piece: Allocation
    product: int
    sku: str
    unit_price: Decimal
    weight_g: int
    group: int | None
    together: str


@dataclass(frozen=True)
class Snapshot:
    """What a decision about a part of one locked order is made from, as it was at one moment."""

    order: Order
    part: Part
    now: datetime
    waiting: tuple[Waiting, ...]
    held: tuple[tuple[Waiting, str], ...]  # what waits, too, but a hold forbids to route; its words
    refused: frozenset[tuple[int, int]]  # (line, location)
    points: Mapping[int, Mapping[str, Any]] = field(repr=False)  # by location id
    given: Mapping[int, tuple[int, int]]  # orders and units of the point's day, where limited
    rules: Mapping[str, Any] | None
    bands: Bands
    emission: engine.Emission
    destination: engine.Destination

    def products(self) -> dict[int, int]:
        """Line id to product id."""
        return {one.piece.line_id: one.product for one in self.waiting}

    def is_limited(self, location: int) -> bool:
        """Whether a parcel or pick-up more may be one too many."""
        row = self.points[location]
        return row["orders"] is not None or row["units"] is not None

    def day(self, location: int) -> date:
        """Today where the stock point is."""
        return date.fromisoformat(self.points[location]["day"])

    def is_useless(self, piece: Allocation) -> bool:
        """Whether a slice's claim can never serve it: the place has refused its line."""
        return (piece.line_id, piece.location_id) in self.refused

    def inputs(self, waiting: Sequence[Waiting]) -> Inputs:
        """The engine's inputs for these slices. Raises engine.BadInput for rules out of range."""
        if self.rules is None:
            raise ValueError("without a rule set there is nothing to ask the engine")
        destination, emission = self.destination, self.emission
        policy = _policy(self.rules, promise_days=self._promise_days())
        if self.part.kept:
            policy = replace(policy, max_parcels=1, whole=True)
        if self.part.is_pickup:
            destination = _place_of(self.points.values())
            policy = replace(policy, economic=0.0, ecological=0.0, max_km=None, promise_days=None)
            emission = _NO_PARCEL
        return Inputs(
            lines=_lines(waiting),
            candidates=self._candidates(destination),
            destination=destination,
            policy=policy,
            bands=self.bands,
            emission=emission,
        )

    def _promise_days(self) -> int | None:
        if self.order.promised_at is None:
            return None
        return round((self.order.promised_at - self.now) / DAY)

    def _candidates(self, destination: engine.Destination) -> tuple[engine.Candidate, ...]:
        arrivals = _Arrivals(self.order, self.now, destination)
        rates = learning.refusal_rates()
        store = self.part.destination.place_id
        excluded: dict[int, set[int]] = defaultdict(set)
        for line, location in self.refused:
            excluded[location].add(line)
        return tuple(
            engine.Candidate(
                key=key, code=row["code"], name=row["name"], kind=row["kind"],
                is_central=row["is_central"], lat=row["lat"], lng=row["lng"],
                free=self._free(key, row),
                handling_order=Decimal(row["handling_order"]),
                handling_line=Decimal(row["handling_line"]),
                capacity_left=self._capacity_left(key, row), open=row["active"],
                can_ship=row["can_pickup"] if key == store else row["can_ship"],
                online=row["online"],
                lead_days=arrivals.days(row) if row["stock"] else 0,
                overstock={product: over for product, _, over in row["stock"] or () if over},
                excluded=frozenset(excluded.get(key, ())),
                refusal_rate=rates.get(key, learning.UNKNOWN),
            )
            for key, row in self.points.items()
        )  # fmt: skip

    def _free(self, key: int, row: Mapping[str, Any]) -> dict[int, int]:
        """Units the point may promise, by product; of a day limited in units no more than are left.

        Lines take of these in their order, so no plan can ask for more than the day has.
        """
        free = {product: units for product, units, _ in row["stock"] or ()}
        if row["units"] is None:
            return free
        left = max(row["units"] - self.given[key][1], 0)
        for product, wanted in self._wanted().items():
            free[product] = min(free.get(product, 0), wanted, left)
            left -= free[product]
        return free

    def _wanted(self) -> dict[int, int]:
        units: dict[int, int] = defaultdict(int)
        for one in sorted(self.waiting, key=lambda one: one.piece.line_id):
            units[one.product] += one.piece.quantity
        return units

    def _capacity_left(self, key: int, row: Mapping[str, Any]) -> int | None:
        orders, units = self.given[key]
        if row["units"] is not None and units >= row["units"]:
            return 0
        return None if row["orders"] is None else max(row["orders"] - orders, 0)


def take(order: Order, *, now: datetime, part: Part | None = None) -> Snapshot:
    """Read everything about a locked order, or a part of it, that waits to be routed.

    One statement; and one for the store that the whole order is sent to, if it is.
    """
    part = part or parts.whole(order)
    group = part.destination.group
    with connection.cursor() as cursor:
        cursor.execute(
            _SNAPSHOT,
            {
                "order": order.pk, "channel": order.channel_id, "now": now, "today": now.date(),
                "delivery": part.method,
                "only": part.destination.place_id if part.is_pickup else None,
                "whole": part.is_whole, "group": None if group is None else group.pk,
                "box": part.box,
            },
        )  # fmt: skip
        texts = cursor.fetchone()
    slices, refused, points, rules, _, emission, contact = (
        text and json.loads(text) for text in texts
    )
    lat, lng, country = contact or (None, None, "")
    return Snapshot(
        order=order,
        part=part,
        now=now,
        waiting=tuple(_waiting(order.pk, row) for row in slices or () if not row["held"]),
        held=tuple((_waiting(order.pk, row), row["held"]) for row in slices or () if row["held"]),
        refused=frozenset((line, location) for line, location in refused or ()),
        points={row["point"]["id"]: row["point"] for row in points or ()},
        given={row["point"]["id"]: (row["given"][0], row["given"][1]) for row in points or ()},
        rules=rules,
        bands=_bands(texts[4] or "[]"),
        emission=engine.Emission(**{name: emission[name] for name in _EMISSION})
        if emission
        else engine.Emission(),
        destination=part.aim() or engine.Destination(lat=lat, lng=lng, country=country),
    )


def _waiting(order_id: int, row: Mapping[str, Any]) -> Waiting:
    piece = Allocation(
        id=row["id"], order_id=order_id, line_id=row["line_id"], quantity=row["quantity"],
        state=Allocation.State.QUEUED, queue=row["queue"], queue_reason=row["queue_reason"],
        location_id=row["location_id"], reservation_id=row["reservation_id"],
        attempt=row["attempt"], since=datetime.fromisoformat(row["since"]),
    )  # fmt: skip
    price = Decimal(row["unit_price"])
    return Waiting(
        piece, row["product_id"], row["sku"], price, row["weight_g"], row["group_id"],
        row["together"],
    )  # fmt: skip


@lru_cache(maxsize=16)
def _bands(text: str) -> Bands:
    return tuple((km, grams, Decimal(price)) for km, grams, price in json.loads(text))


def _lines(waiting: Iterable[Waiting]) -> tuple[engine.Line, ...]:
    units: dict[int, int] = defaultdict(int)
    known: dict[int, Waiting] = {}
    for one in waiting:
        units[one.piece.line_id] += one.piece.quantity
        known[one.piece.line_id] = one
    return tuple(
        engine.Line(
            key=line, product=one.product, quantity=units[line], weight_g=one.weight_g,
            unit_price=one.unit_price,
        )
        for line, one in sorted(known.items())
    )  # fmt: skip


def _policy(rules: Mapping[str, Any], *, promise_days: int | None) -> engine.Policy:
    return engine.Policy(
        economic=rules["economic"],
        ecological=rules["ecological"],
        logistical=rules["logistical"],
        retail=rules["retail"],
        co2_price_per_kg=_money(rules["co2_price_per_kg"]),
        central_bonus=_money(rules["central_bonus"]),
        overstock_relief=_money(rules["overstock_relief"]),
        split_penalty=_money(rules["split_penalty"]),
        max_parcels=rules["max_parcels"],
        max_km=rules["max_km"],
        late_penalty_per_day=_money(rules["late_penalty_per_day"]),
        promise_days=promise_days,
        refusal_cost=_money(rules["refusal_cost"]),
    )


def _money(value: float) -> Decimal:
    return Decimal(str(value))  # a numeric column that came as a JSON number


def _place_of(points: Iterable[Mapping[str, Any]]) -> engine.Destination:
    """The stock point itself, where a pick-up order ends."""
    for row in points:
        return engine.Destination(lat=row["lat"], lng=row["lng"])
    return engine.Destination(lat=None, lng=None)


class _Arrivals:
    """Days until the customer has a parcel, by the same rules as the promise (orders.promise)."""

    def __init__(self, order: Order, now: datetime, destination: engine.Destination) -> None:
        self.now = now
        self.promised = order.promised_at
        self.at: Point | None = None
        if destination.lat is not None and destination.lng is not None:
            self.at = Point(destination.lat, destination.lng, "exact")
        self.clocks: dict[str, datetime] = {}
        self.known: dict[tuple[Any, ...], int] = {}

    def days(self, row: Mapping[str, Any]) -> int:
        """Whole days from now, counted so that promised days + late days = these days."""
        km = promise.UNKNOWN_DISTANCE_KM
        if self.at is not None:
            km = distance_km(Point(row["lat"], row["lng"], "exact"), self.at)
        zone = row["timezone"]
        if zone not in self.clocks:
            self.clocks[zone] = promise.local_time(self.now, zone)
        local = self.clocks[zone]
        open_ = hours.read(row["calendar"], _clock(row["cutoff"]))
        leaves = hours.hand_over_day(open_, local, lead_days=row["lead_days"])
        days = promise.transit_days(km)
        key = (leaves, local.utcoffset(), days)
        if key not in self.known:
            self.known[key] = self._count(promise.delivered(leaves, days, zone=local.tzinfo))
        return self.known[key]

    def _count(self, arrival: datetime) -> int:
        if self.promised is None:
            return round((arrival - self.now) / DAY)
        # Counted from the promise: an hour between two time zones is no day.
        return round((self.promised - self.now) / DAY) + round((arrival - self.promised) / DAY)


@lru_cache(maxsize=512)
def _clock(text: str) -> time:
    return time.fromisoformat(text)
