"""Reads: what a pool can promise now. Free = on hand - unavailable - safety - reserved - buffer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time

from django.db import connection


@dataclass(frozen=True)
class StockPoint:
    """One product at one stock point of a pool, with what promising needs to know of the place."""

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


@dataclass(frozen=True)
class Sellable:
    """A product by its SKU, with the stock points that have it free (possibly none)."""

    product: int
    sku: str
    name: str
    weight_g: int
    points: tuple[StockPoint, ...]


_POINTS = """
SELECT p.sku, p.id, p.name, p.weight_g, s.*
  FROM inventory_product p
  LEFT JOIN LATERAL (
    SELECT s.location_id, s.on_hand - s.unavailable - s.safety - s.reserved - m.buffer AS free,
           l.code, l.name, l.is_central, l.lat, l.lng, l.timezone, l.cutoff, l.lead_days,
           l.can_ship, l.can_pickup
      FROM inventory_poollocation m
      JOIN inventory_location l ON l.id = m.location_id AND l.active AND l.online
      JOIN inventory_stock s ON s.location_id = m.location_id AND s.product_id = p.id
     WHERE m.pool_id = %(pool)s
       AND s.on_hand - s.unavailable - s.safety - s.reserved - m.buffer > 0
  ) s ON true
 WHERE p.sku = ANY(%(skus)s) AND p.active
 ORDER BY p.id, s.location_id
"""


def points(*, pool: int, skus: Sequence[str]) -> dict[str, Sellable]:
    """The products of these SKUs and where the pool has them free. One statement, no lock."""
    rows: dict[str, list[tuple]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, {"pool": pool, "skus": list(skus)})
        for row in cursor.fetchall():
            rows.setdefault(row[0], []).append(row)
    return {sku: _sellable(found) for sku, found in rows.items()}


def _sellable(rows: list[tuple]) -> Sellable:
    sku, product, name, weight_g = rows[0][:4]
    places = tuple(StockPoint(product, *row[4:]) for row in rows if row[4] is not None)
    return Sellable(product, sku, name, weight_g, places)


@dataclass(frozen=True)
class Availability:
    """What one pool can promise of one SKU, and where."""

    sku: str
    available: int
    locations: tuple[tuple[str, int], ...]


_AVAILABILITY = """
SELECT p.sku, l.code, greatest(s.on_hand - s.unavailable - s.safety - s.reserved - m.buffer, 0)
  FROM inventory_product p
  LEFT JOIN (inventory_stock s
             JOIN inventory_poollocation m ON m.location_id = s.location_id AND m.pool_id = %(pool)s
             JOIN inventory_location l ON l.id = s.location_id AND l.active AND l.online)
    ON s.product_id = p.id
 WHERE p.sku = ANY(%(skus)s) AND p.active
 ORDER BY p.sku, l.code
"""


def available(*, pool: int, skus: Sequence[str]) -> list[Availability]:
    """Availability of many SKUs in one pool, in one statement; unknown SKUs are left out."""
    found: dict[str, list[tuple[str, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_AVAILABILITY, {"pool": pool, "skus": list(skus)})
        for sku, code, free in cursor.fetchall():
            places = found.setdefault(sku, [])
            if code is not None and free:
                places.append((code, free))
    return [
        Availability(sku, sum(free for _, free in places), tuple(places))
        for sku, places in found.items()
    ]
