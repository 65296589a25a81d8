"""Reads: what a pool can promise now, in one statement for any number of SKUs.

Of a pool: max(0, sum over its open stock points of max(0, free - buffer) - threshold - waiting).
Waiting are the units promised in queues without any claim. Orders know of them, so whoever wants
them counted hands a query over that yields (pool_id, product_id, units) as `waiting`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from functools import cache
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from inventory import hours

# Free units of a stock row `s`. Shares of a hot sale count as reserved there, and are free.
HOT = """(CASE WHEN s.hot > 0 THEN (
    SELECT coalesce(sum(h.quantity), 0)::int FROM inventory_reservation h
     WHERE h.product_id = s.product_id AND h.location_id = s.location_id AND h.owner_type = 'hot')
    ELSE 0 END)"""
FREE = f"(s.on_hand - s.unavailable - s.safety - s.reserved + {HOT})"

NOTHING_WAITS = """
SELECT NULL::bigint AS pool_id, NULL::bigint AS product_id, 0 AS units WHERE false
"""


def _kept(waiting: str) -> str:
    """Joins what a pool keeps back of a product `p` in all: threshold `t` and waiting `w`."""
    return f"""
  LEFT JOIN inventory_poolthreshold t ON t.pool_id = %(pool)s AND t.product_id = p.id
  LEFT JOIN ({waiting}) w ON w.pool_id = %(pool)s AND w.product_id = p.id
"""


@dataclass(frozen=True)
class StockPoint:
    """One product at one stock point of a pool, with what promising needs to know of the place.

    `hot`: the stock row is split for a hot sale; claims on it say so. `own`: of the free units,
    those that the asking basket holds.
    """

    product: int
    location: int
    free: int
    code: str
    name: str
    is_central: bool
    lat: float
    lng: float
    timezone: str
    cutoff: time
    lead_days: int
    can_ship: bool
    can_pickup: bool
    calendar: str = ""  # its hours, as inventory.hours.read takes them
    hot: bool = False
    own: int = 0


@dataclass(frozen=True)
class Sellable:
    """A product by its SKU, with the stock points that have it free (possibly none).

    `kept`: units of the sum of what is free there that are not to be promised.
    """

    product: int
    sku: str
    name: str
    weight_g: int
    points: tuple[StockPoint, ...]
    kept: int = 0

    @property
    def available(self) -> int:
        """Units that can be promised in all: what a basket holds already is never kept from it."""
        free = sum(point.free for point in self.points)
        return max(free - self.kept, sum(point.own for point in self.points))


# What the basket holds at stock row `s`, as far as it is physically there.
_OWN = """(
    SELECT greatest(coalesce(sum(r.quantity), 0)
                    + least(s.on_hand - s.unavailable - s.reserved, 0), 0)::int
      FROM inventory_reservation r
     WHERE r.owner_type = 'basket' AND r.owner_id = %(basket)s AND r.expires_at > now()
       AND r.product_id = s.product_id AND r.location_id = s.location_id)"""


@cache
def _points_sql(waiting: str, own: str) -> str:
    return f"""
WITH special AS MATERIALIZED ({hours.SPECIAL}), place AS MATERIALIZED (
    SELECT l.id, l.code, l.name, l.is_central, l.lat, l.lng, l.timezone, l.cutoff, l.lead_days,
           l.can_ship, l.can_pickup, {hours.CALENDAR} AS calendar, m.buffer
      FROM inventory_poollocation m
      JOIN inventory_location l ON l.id = m.location_id AND l.active AND l.online
     WHERE m.pool_id = %(pool)s
)
SELECT p.sku, p.id, p.name, p.weight_g,
       (coalesce(t.units, 0) + coalesce(w.units, 0))::int AS kept, s.*
  FROM inventory_product p
  {_kept(waiting)}
  LEFT JOIN LATERAL (
    SELECT s.location_id, f.free, l.code, l.name, l.is_central, l.lat, l.lng, l.timezone, l.cutoff,
           l.lead_days, l.can_ship, l.can_pickup, l.calendar, s.hot > 0 AS hot, f.own
      FROM (SELECT * FROM inventory_stock i WHERE i.product_id = p.id OFFSET 0) s
      JOIN place l ON l.id = s.location_id
     CROSS JOIN LATERAL (
           SELECT greatest({FREE} - l.buffer, 0) + o.own AS free, o.own
             FROM (SELECT {own} AS own) o) f
     WHERE f.free > 0
  ) s ON true
 WHERE p.sku = ANY(%(skus)s) AND p.active AND NOT p.is_bundle
 ORDER BY p.id, s.location_id
"""


def _ten(skus: Sequence[str]) -> list[str]:
    """At least ten, by repeating: PostgreSQL's plan for any values counts with ten, and it plans
    anew for each call what looks cheaper with fewer. Planning took longer than looking."""
    return list(skus) * -(-10 // max(len(skus), 1))


def points(
    *, pool: int, skus: Sequence[str], waiting: str = NOTHING_WAITS, basket: int | None = None
) -> dict[str, Sellable]:
    """The active products of these SKUs and where the pool has them free. One statement.

    What the basket of this id holds is free to whom it is held for.
    """
    sql = _points_sql(waiting, "0" if basket is None else _OWN)
    rows: dict[str, list[tuple]] = {}
    places: dict[int, tuple] = {}  # one for all products: a big call holds thousands of points
    params: dict[str, Any] = {"pool": pool, "skus": _ten(skus), "basket": basket,
              "today": timezone.now().date()}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        for row in cursor.fetchall():
            rows.setdefault(row[0], []).append(row)
    return {sku: _sellable(found, places) for sku, found in rows.items()}


def _sellable(rows: list[tuple], places: dict[int, tuple]) -> Sellable:
    sku, product, name, weight_g, kept = rows[0][:5]
    points = tuple(
        StockPoint(product, location, row[6], *places.setdefault(location, row[7:-2]), *row[-2:])
        for row in rows if (location := row[5]) is not None
    )  # fmt: skip
    return Sellable(product, sku, name, weight_g, points, kept)


class Place(NamedTuple):
    """Units of one SKU that one open stock point of a pool has free."""

    code: str
    free: int
    can_pickup: bool


@dataclass(frozen=True)
class Availability:
    """What one pool can promise of one SKU, and where it lies.

    `kept` units of the sum are not promised: the pool's threshold, and units promised in queues.
    """

    product: int
    sku: str
    kept: int
    places: tuple[Place, ...]

    @property
    def available(self) -> int:
        """Units that can be promised in all."""
        return max(sum(place.free for place in self.places) - self.kept, 0)

    @property
    def locations(self) -> tuple[tuple[str, int], ...]:
        """(stock point, units free there), by code."""
        return tuple((place.code, place.free) for place in self.places)

    def at(self, code: str) -> int:
        """Units that can be promised from one stock point alone."""
        free = next((place.free for place in self.places if place.code == code), 0)
        return min(free, self.available)


# One row per SKU: the rows of the stock points are gathered where they are, in the database. The
# pool's places are looked up once, not once for each of thousands of stock rows.
@cache
def _available_sql(waiting: str) -> str:
    found = "FILTER (WHERE f.free > 0)"
    return f"""
WITH place AS MATERIALIZED (
    SELECT l.id, l.code, l.can_pickup, m.buffer FROM inventory_poollocation m
      JOIN inventory_location l ON l.id = m.location_id AND l.active AND l.online
     WHERE m.pool_id = %(pool)s
)
SELECT p.id, p.sku, (coalesce(t.units, 0) + coalesce(w.units, 0))::int,
       array_agg(l.code) {found}, array_agg(f.free) {found}, array_agg(l.can_pickup) {found}
  FROM inventory_product p
  {_kept(waiting)}
  LEFT JOIN (inventory_stock s
             JOIN place l ON l.id = s.location_id
             CROSS JOIN LATERAL (SELECT {FREE} - l.buffer AS free OFFSET 0) f)
    ON s.product_id = p.id AND p.active
 WHERE p.sku = ANY(%(skus)s)
 GROUP BY p.id, t.units, w.units
"""


def available(
    *, pool: int, skus: Sequence[str], waiting: str = NOTHING_WAITS
) -> list[Availability]:
    """Availability of many SKUs in one pool, in one statement, by SKU; unknown ones are left out.

    A product that is no longer sold has none.
    """
    with connection.cursor() as cursor:
        cursor.execute(_available_sql(waiting), {"pool": pool, "skus": list(skus)})
        rows = cursor.fetchall()
    return sorted(map(_availability, rows), key=lambda found: found.sku)


def _availability(row: tuple) -> Availability:
    product, sku, kept, codes, free, pickup = row
    places = map(Place, codes or (), free or (), pickup or ())
    return Availability(product, sku, kept, tuple(sorted(places)))


# --- every pool at once --------------------------------------------------------------------------


@cache
def of_pools(waiting: str = NOTHING_WAITS) -> str:
    """A query that yields (pool_id, product_id, units) of `products` in every pool.

    Only of pools that have a stock row of the product, however its stock point is switched: 0 is
    an answer, too.
    """
    return f"""
SELECT sums.pool_id, sums.product_id,
       greatest(sums.units - coalesce(t.units, 0) - coalesce(w.units, 0), 0)::int AS units
  FROM (SELECT m.pool_id, s.product_id,
               sum(CASE WHEN l.active AND l.online THEN greatest({FREE} - m.buffer, 0)
                        ELSE 0 END) AS units
          FROM inventory_stock s
          JOIN inventory_poollocation m ON m.location_id = s.location_id
          JOIN inventory_location l ON l.id = s.location_id
         WHERE s.product_id = ANY(%(products)s)
         GROUP BY m.pool_id, s.product_id) AS sums
  LEFT JOIN inventory_poolthreshold t
    ON t.pool_id = sums.pool_id AND t.product_id = sums.product_id
  LEFT JOIN ({waiting}) w ON w.pool_id = sums.pool_id AND w.product_id = sums.product_id
"""
