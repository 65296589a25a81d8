"""Everything that decisions about some orders are made from, read in one statement.

One statement sees one moment, so stock, claims, capacity and rules fit together. What the orders of
a batch have in common (stock points, rule sets, services) is sent once, and parsed once for as long
as its text stays the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from django.db import connection

from inventory import hours
from routing import capacity, engine
from routing.matching import MATCHES
from routing.parts import Part
from routing.replay import service
from routing.rules import set_of

Row = Mapping[str, Any]

# Units of a product that a stock point may give one order: see `World.free` in snapshot.py. A claim
# at a place that refused the line counts for nothing, nor does that of a slice on hold.
#
# Few live rows look up big tables piece by piece (OFFSET 0): what is queued now is misjudged by the
# planner as soon as millions of slices have ended.
_READ = f"""
WITH ask AS MATERIALIZED (
    SELECT * FROM unnest((SELECT %(order)s::bigint[]), (SELECT %(channel)s::bigint[]),
        (SELECT %(method)s::text[]), (SELECT %(only)s::bigint[]), (SELECT %(whole)s::bool[]),
        (SELECT %(group)s::bigint[]), (SELECT %(box)s::text[]))
      AS a(order_id, channel_id, method, only_id, whole, group_id, box)
), channel AS MATERIALIZED (
    SELECT c.id, c.code, c.pool_id, {set_of("c.id", trial="%(rule_set)s::bigint")} AS rule_set
      FROM orders_saleschannel c
     WHERE c.id IN (SELECT channel_id FROM ask)
), special AS MATERIALIZED ({hours.SPECIAL}), member AS MATERIALIZED (
    SELECT c.id AS channel_id, m.location_id, m.buffer
      FROM channel c JOIN inventory_poollocation m ON m.pool_id = c.pool_id
), hold AS (
    SELECT h.order_id, h.id, h.reason, h.slices
      FROM orders_hold h
     WHERE h.order_id IN (SELECT order_id FROM ask) AND h.state = 'open'
       AND 'route' = ANY(h.blocks)
), slice AS MATERIALIZED (
    SELECT a.id, a.order_id, a.line_id, a.quantity, a.queue, a.queue_reason, a.location_id,
           a.reservation_id, a.attempt, a.since, l.product_id, l.sku,
           l.unit_price::text AS unit_price, p.weight_g, p.dangerous_goods <> '' AS dangerous,
           p.category, l.group_id, l.together,
           (SELECT h.reason FROM hold h
             WHERE h.order_id = a.order_id AND (h.slices = '{{}}' OR a.id = ANY(h.slices))
             ORDER BY h.id LIMIT 1) AS held
      FROM ask q
     CROSS JOIN LATERAL (
        SELECT * FROM orders_allocation s
         WHERE s.order_id = q.order_id AND s.state = 'queued'
           AND s.queue IN ('routing', 'unfillable') OFFSET 0) a
      JOIN orders_orderline l ON l.id = a.line_id
      JOIN inventory_product p ON p.id = l.product_id
     WHERE (q.whole OR l.group_id IS NOT DISTINCT FROM q.group_id)
       AND (q.box IS NULL OR l.together = q.box)
), refused AS MATERIALIZED (
    SELECT DISTINCT f.line_id, f.location_id
      FROM (SELECT DISTINCT line_id FROM slice) s
     CROSS JOIN LATERAL (
        SELECT r.line_id, r.location_id FROM routing_refusal r
         WHERE r.line_id = s.line_id
           AND (r.excluded_until IS NULL OR r.excluded_until > %(now)s) OFFSET 0) f
), own AS (
    SELECT s.order_id, s.product_id, s.location_id, sum(s.quantity) AS units
      FROM slice s LEFT JOIN refused f USING (line_id, location_id)
     WHERE s.reservation_id IS NOT NULL AND f.line_id IS NULL AND s.held IS NULL
     GROUP BY s.order_id, s.product_id, s.location_id
), point AS MATERIALIZED (
    SELECT l.id, l.code, l.name, l.kind, l.is_central, l.lat, l.lng, l.timezone, l.cutoff,
           l.lead_days, l.can_ship, l.can_pickup, l.online, l.active,
           l.handling_order::text AS handling_order, l.handling_line::text AS handling_line,
           (%(now)s::timestamptz AT TIME ZONE l.timezone)::date AS day,
           {hours.CALENDAR} AS calendar
      FROM inventory_location l WHERE l.id IN (SELECT location_id FROM member)
     ORDER BY l.id
), load AS (
    SELECT c.*, load.orders AS given_orders, load.units AS given_units
      FROM (SELECT p.id AS location_id, p.day, m.method AS delivery, limits.*,
                   (SELECT sum(quantity) FROM slice WHERE held IS NULL) AS more,
                   (SELECT count(*) FROM ask) AS more_orders
              FROM point p CROSS JOIN (SELECT DISTINCT method FROM ask) m
             CROSS JOIN LATERAL inventory_capacity_of(p.id, p.day, m.method) AS limits
             WHERE limits.orders IS NOT NULL OR limits.units IS NOT NULL) AS c
     CROSS JOIN {capacity.LOAD} AS load
), rule AS MATERIALIZED (
    SELECT u.*, array(SELECT location_id FROM routing_rule_only y WHERE y.rule_id = u.id
                       ORDER BY 1) AS only,
           array(SELECT location_id FROM routing_rule_never y WHERE y.rule_id = u.id
                  ORDER BY 1) AS never
      FROM routing_rule u WHERE u.rule_set_id IN (SELECT rule_set FROM channel)
), matching AS (
    SELECT q.order_id, array_agg(r.id ORDER BY r.position) AS rules
      FROM ask q
      JOIN channel c ON c.id = q.channel_id
      JOIN orders_order w ON w.id = q.order_id
      LEFT JOIN orders_ordercontact b ON b.order_id = w.id
      LEFT JOIN orders_deliverygroup g ON g.id = q.group_id
     CROSS JOIN LATERAL (
        SELECT w.id, w.channel_id, w.customer_id, w.total, w.tags, w.promised_at,
               coalesce(g.delivery, w.delivery) AS delivery,
               coalesce(g.service, w.service) AS service) o
     CROSS JOIN LATERAL (
        SELECT CASE WHEN g.id IS NULL THEN b.country ELSE g.country END AS country,
               CASE WHEN g.id IS NULL THEN b.region ELSE g.region END AS region) x
      JOIN rule r ON r.rule_set_id = c.rule_set
     WHERE {MATCHES}
     GROUP BY q.order_id
)
SELECT (SELECT json_agg(s ORDER BY s.id) FROM slice s)::text,
       (SELECT json_agg(json_build_array(line_id, location_id)) FROM refused)::text,
       (SELECT json_agg(json_build_array(order_id, product_id, location_id, units)) FROM own)::text,
       (SELECT json_agg(json_build_array(s.location_id, s.product_id,
                   s.on_hand - s.unavailable - s.reserved, s.safety, s.target))
          FROM inventory_stock s
         WHERE s.product_id IN (SELECT product_id FROM slice)
           AND s.location_id IN (SELECT location_id FROM member))::text,
       (SELECT json_agg(json_build_array(location_id, delivery, orders, units, shared,
                   given_orders, given_units)) FROM load)::text,
       (SELECT json_agg(json_build_array(m.order_id, m.rules)) FROM matching m)::text,
       (SELECT json_agg(json_build_array(q.order_id,
                   CASE WHEN d.delivery <> 'ship' THEN p.lat WHEN q.group_id IS NULL THEN x.lat
                        ELSE g.lat END,
                   CASE WHEN d.delivery <> 'ship' THEN p.lng WHEN q.group_id IS NULL THEN x.lng
                        ELSE g.lng END,
                   CASE WHEN d.delivery <> 'ship' THEN p.country
                        WHEN q.group_id IS NULL THEN coalesce(x.country, '') ELSE g.country END))
          FROM ask q
          JOIN orders_order o ON o.id = q.order_id
          LEFT JOIN orders_ordercontact x ON x.order_id = o.id
          LEFT JOIN orders_deliverygroup g ON g.id = q.group_id
         CROSS JOIN LATERAL (SELECT coalesce(g.delivery, o.delivery) AS delivery,
                 CASE WHEN g.id IS NULL THEN o.pickup_location_id
                      ELSE g.pickup_location_id END AS place) d
          LEFT JOIN inventory_location p ON p.id = d.place)::text,
       (SELECT json_object_agg(c.id, json_build_object('code', c.code,
                   'rule_set', c.rule_set, 'members',
                   (SELECT json_object_agg(m.location_id, m.buffer) FROM member m
                     WHERE m.channel_id = c.id))) FROM channel c)::text,
       (SELECT json_agg(p) FROM point p)::text,
       (SELECT json_build_object('sets', (SELECT json_agg(json_build_object('id', s.id,
                   'name', s.name, 'version', s.version, 'max_attempts', s.max_attempts,
                   'exclude_days', s.exclude_days))
                 FROM routing_ruleset s WHERE s.id IN (SELECT rule_set FROM channel)),
               'rules', (SELECT json_agg(r ORDER BY r.id) FROM rule r)))::text,
       (SELECT json_agg(json_build_object('id', s.id, 'code', s.code, 'name', s.name,
                   'serves', s.serves, 'transit', s.transit, 'dangerous_goods', s.dangerous_goods,
                   'bands', (SELECT json_agg(json_build_array(b.max_km, b.max_g, b.price::text)
                                    ORDER BY b.max_km, b.max_g)
                               FROM routing_tariffband b WHERE b.service_id = s.id),
                   'emission', (SELECT json_build_object(
                           'kg_fixed_per_parcel', e.kg_fixed_per_parcel,
                           'kg_per_tkm_last_mile', n.kg_per_tkm + n.wtt_kg_per_tkm,
                           'kg_per_tkm_linehaul', f.kg_per_tkm + f.wtt_kg_per_tkm,
                           'last_mile_km', e.last_mile_km, 'detour_factor', e.detour_factor,
                           'source', n.source, 'year', n.year)
                          FROM routing_serviceemission e
                          JOIN routing_emissionfactor n ON n.id = e.last_mile_id
                          JOIN routing_emissionfactor f ON f.id = e.linehaul_id
                         WHERE e.service_id = s.id)) ORDER BY s.position, s.id)
          FROM orders_deliveryservice s WHERE s.active)::text
"""


@dataclass(frozen=True)
class Facts:
    """What the database says about a batch of orders, as it was at one moment."""

    slices: list[dict[str, Any]]  # that wait, by id
    refused: list[tuple[int, int]]  # (line, location)
    own: list[tuple[int, int, int, int]]  # (order, product, location, units held by it)
    stock: list[list[Any]]  # location, product, unclaimed units, safety, target
    loads: list[list[Any]]  # location, method, its limits, whether shared, and what was given out
    matching: dict[int, list[int]]  # order -> rules whose IF it meets, by position
    aims: dict[int, tuple[float | None, float | None, str]]  # order -> where it goes
    channels: Mapping[int, "Channel"]
    points: Mapping[int, Row]
    rule_sets: Mapping[int, Row]
    rules: Mapping[int, Row]
    services: "tuple[Serving, ...]"


class Serving(NamedTuple):
    """A delivery service that has a tariff, and the speeds that it keeps."""

    speeds: frozenset[str]
    service: engine.Service


@dataclass(frozen=True)
class Channel:
    """Who decides about a channel's orders, and its stock points with what they keep back."""

    code: str
    rule_set: int | None
    members: Mapping[int, int]


def read(parts: Sequence[Part], *, now: datetime, rule_set: int | None = None) -> Facts:
    """Read about parts of different orders. `rule_set`: as if that one were activated now."""
    groups = [part.destination.group for part in parts]
    orders = [part.destination.order for part in parts]
    params: dict[str, Any] = {
        "order": [order.pk for order in orders], "channel": [order.channel_id for order in orders],
        "method": [part.method for part in parts],
        "only": [part.destination.place_id if part.is_pickup else None for part in parts],
        "whole": [part.is_whole for part in parts],
        "group": [None if group is None else group.pk for group in groups],
        "box": [part.box for part in parts], "now": now, "today": now.date(),
        "rule_set": rule_set,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_READ, params)
        texts = cursor.fetchone()
    slices, refused, own, stock, loads, matching, aims = (
        orjson.loads(text) if text else [] for text in texts[:7]
    )
    channels, points, rules, services = texts[7:]
    sets, by_id = _rules(rules)
    return Facts(
        slices=slices, refused=refused, own=own, stock=stock, loads=loads,
        matching=dict(matching), aims={row[0]: (row[1], row[2], row[3] or "") for row in aims},
        channels=_channels(channels), points=_points(points or "[]"), rule_sets=sets,
        rules=by_id, services=_services(services or "[]"),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _channels(text: str) -> Mapping[int, Channel]:
    return {
        int(pk): Channel(
            row["code"],
            row["rule_set"],
            {int(place): buffer for place, buffer in (row["members"] or {}).items()},
        )
        for pk, row in orjson.loads(text).items()
    }


@lru_cache(maxsize=64)
def _points(text: str) -> Mapping[int, Row]:
    return {row["id"]: row for row in orjson.loads(text)}


@lru_cache(maxsize=64)
def _rules(text: str) -> tuple[Mapping[int, Row], Mapping[int, Row]]:
    rows = orjson.loads(text)
    return (
        {row["id"]: row for row in rows["sets"] or ()},
        {row["id"]: row for row in rows["rules"] or ()},
    )


@lru_cache(maxsize=16)  # the engine's tables of them are built once, too
def _services(text: str) -> "tuple[Serving, ...]":
    return tuple(
        Serving(
            frozenset(row["serves"]), service({**row, "key": row["id"], "tariff": row["bands"]})
        )
        for row in orjson.loads(text)
        if row["bands"]
    )
